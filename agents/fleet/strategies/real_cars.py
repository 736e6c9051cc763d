"""What plans owe to real cars: losses that grow at low power, and cars that do not resume after a pause (evcc #4788).

Strategies plan with one efficiency and free pauses; :func:`for_real_cars` corrects the plan of any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from agents.fleet.strategies.filling import wanted_kwh
from agents.fleet.view import SessionView, Signal, available_share

_LOW_CURRENT = 0.85  # efficiency at the minimum against full power (one-phase 6 A to 16 A: 76 to 86 %), the worst case


def without_pauses(view: SessionView, signal: Signal, plan_kw: np.ndarray) -> np.ndarray:
    """Lift the plans of deaf cars to their minimum from now on, and end them when the need is surely met.

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
    before = np.cumsum(lifted * hours, axis=1) - lifted * hours
    is_open = before < (wanted_kwh(view) / np.maximum(_LOW_CURRENT * view.efficiency, 1e-9))[:, None] - 1e-9
    return np.where(view.is_deaf[:, None], lifted * is_open, plan_kw)


def with_low_power_losses(view: SessionView, plan_kw: np.ndarray) -> np.ndarray:
    """Raise charging and lower delivery at part load, so that the battery gets what was planned.

    The efficiency is taken as straight between the lowest and the highest power; where it is not known to differ,
    nothing changes.
    """
    least, most = view.min_kw[:, None], view.max_kw[:, None]
    best, worst = view.efficiency[:, None], view.min_efficiency[:, None]
    along = np.clip((np.abs(plan_kw) - least) / np.maximum(most - least, 1e-9), 0.0, 1.0)
    ratio = np.where(worst > 0.0, (worst + along * (best - worst)) / np.maximum(best, 1e-9), 1.0)
    charging = np.minimum(plan_kw / np.maximum(ratio, 1e-9), np.maximum(most, plan_kw))
    return np.where(plan_kw > 0.0, charging, plan_kw * ratio)


def for_real_cars(
    strategy: Callable[[SessionView, Signal], np.ndarray],
) -> Callable[[SessionView, Signal], np.ndarray]:
    """Correct the plans of a strategy for part-load losses and cars that must not be paused."""

    @wraps(strategy)
    def wrapped(view: SessionView, signal: Signal) -> np.ndarray:
        plan = with_low_power_losses(view, strategy(view, signal))
        return without_pauses(view, signal, plan) if view.is_deaf.any() else plan

    return wrapped
