"""Cars that do not resume after a pause (evcc #4788): their plan never falls to zero before they are full."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from agents.fleet.view import SessionView, Signal, available_share


def without_pauses(view: SessionView, signal: Signal, plan_kw: np.ndarray) -> np.ndarray:
    """Lift the plans of deaf cars to their minimum from now on, and end them when the need is met.

    Parameters
    ----------
    view, signal
        As in every strategy.
    plan_kw : float array, shape (n_sessions, n_ahead)
        Plan of a strategy.

    Returns
    -------
    float array, same shape
        Deaf cars draw at least their minimum from the start, the strategy's power where that is more; they do not
        deliver. Other cars keep their plan.
    """
    hours = available_share(view, signal.n_ahead) * signal.period_h
    lifted = np.where(hours > 0.0, np.maximum(plan_kw, view.min_kw[:, None]), 0.0)
    wanted = view.energy_needed_kwh + np.where(view.energy_needed_kwh > 0.0, view.taper_kwh, 0.0)
    before = np.cumsum(lifted * hours, axis=1) - lifted * hours
    is_open = before < (wanted / np.maximum(view.efficiency, 1e-9))[:, None] - 1e-9
    return np.where(view.is_deaf[:, None], lifted * is_open, plan_kw)


def keep_awake(
    strategy: Callable[[SessionView, Signal], np.ndarray],
) -> Callable[[SessionView, Signal], np.ndarray]:
    """Let a strategy that pauses cars handle deaf ones."""

    @wraps(strategy)
    def wrapped(view: SessionView, signal: Signal) -> np.ndarray:
        plan = strategy(view, signal)
        return without_pauses(view, signal, plan) if view.is_deaf.any() else plan

    return wrapped
