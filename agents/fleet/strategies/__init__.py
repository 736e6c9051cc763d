"""Charging strategies by name: each takes what a controller sees and returns planned power.

A newcomer writes one function ``(view: SessionView, signal: Signal) -> power_kw[n_sessions, n_ahead]`` and adds one
entry to ``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.fleet.strategies.allocation import RULES, allocate
from agents.fleet.strategies.envelope import pooled_envelope
from agents.fleet.strategies.optimal import price_optimal_v1g, price_optimal_v2x
from agents.fleet.strategies.real_cars import for_real_cars
from agents.fleet.strategies.sharing import capacity_rotating, equal_share, least_laxity, priority
from agents.fleet.strategies.simple import delayed, pv_following, time_of_use, uncontrolled
from agents.fleet.strategies.site import site_optimal
from agents.fleet.view import SessionView, Signal

Strategy = Callable[[SessionView, Signal], np.ndarray]

STRATEGIES: dict[str, Strategy] = {
    "uncontrolled": uncontrolled,
    "delayed": for_real_cars(delayed),
    "time_of_use": for_real_cars(time_of_use),
    "price_optimal_v1g": for_real_cars(price_optimal_v1g),
    "price_optimal_v2x": for_real_cars(price_optimal_v2x),
    "pv_following": for_real_cars(pv_following),
    "equal_share": equal_share,
    "least_laxity": least_laxity,
    "priority": priority,
    "capacity_rotating": capacity_rotating,
    "site_optimal": site_optimal,
    "pooled_envelope": for_real_cars(pooled_envelope),
}

__all__ = ["RULES", "STRATEGIES", "SessionView", "Signal", "Strategy", "allocate"]
