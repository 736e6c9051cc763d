"""Strategies that charge at once but share the limit of the site: equally, by laxity, by priority, in turns."""

from __future__ import annotations

import numpy as np

from agents.fleet.strategies.allocation import allocate
from agents.fleet.strategies.filling import wanted_kwh
from agents.fleet.view import SessionView, Signal, available_share


def _shared(view: SessionView, signal: Signal, rule: str) -> np.ndarray:
    """Plan ahead period by period, every car asking for full power until its need is met."""
    n, n_sites = len(view), int(view.site.max(initial=-1)) + 1
    limit = np.full((n_sites, signal.n_ahead), np.inf)
    if signal.limit_kw is not None:
        limit = np.broadcast_to(np.asarray(signal.limit_kw, dtype=np.float64), limit.shape)
    hours = available_share(view, signal.n_ahead) * signal.period_h
    later_h = hours.sum(axis=1)
    left_kwh = wanted_kwh(view) / np.maximum(view.efficiency, 1e-9)
    plan = np.zeros((n, signal.n_ahead))
    for t in range(signal.n_ahead):
        there = hours[:, t] > 0.0
        if not there.any():
            continue
        wanted = np.divide(left_kwh, hours[:, t], out=np.zeros(n), where=there)
        request = np.where(wanted > 1e-9, np.minimum(np.maximum(wanted, view.min_kw), view.max_kw), 0.0)
        laxity = later_h - left_kwh / np.maximum(view.max_kw, 1e-9)
        keys = {"site": view.site, "priority": view.priority, "laxity_h": laxity, "turn": t}
        plan[:, t] = allocate(request, view.min_kw, limit[:, t], rule, **keys)
        left_kwh = np.maximum(left_kwh - plan[:, t] * hours[:, t], 0.0)
        later_h = later_h - hours[:, t]
    return plan


def equal_share(view: SessionView, signal: Signal) -> np.ndarray:
    """All admitted cars of a site at one common level."""
    return _shared(view, signal, "equal_share")


def least_laxity(view: SessionView, signal: Signal) -> np.ndarray:
    """Full power to those with the least time to spare."""
    return _shared(view, signal, "least_laxity")


def priority(view: SessionView, signal: Signal) -> np.ndarray:
    """Full power by priority."""
    return _shared(view, signal, "priority")


def capacity_rotating(view: SessionView, signal: Signal) -> np.ndarray:
    """As many cars at full power as the limit carries, in turns: below the 6 A minimum cars switch, they do not shrink.

    Report 7.4.2: twenty connections held at 2 kW each charge nobody; the same 40 kW charges four cars at 10 kW.
    """
    return _shared(view, signal, "rotating")
