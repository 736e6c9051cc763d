"""Cheapest charging of one car without delivery (V1G), exact."""

from __future__ import annotations

import numpy as np

from agents.fleet.strategies.filling import fill_in_order
from agents.fleet.view import SessionView, Signal


def price_optimal_v1g(view: SessionView, signal: Signal) -> np.ndarray:
    """Meet the need at the lowest cost: the cheapest periods at full power, one of them in part."""
    return fill_in_order(view, signal.prices(len(view)), signal)
