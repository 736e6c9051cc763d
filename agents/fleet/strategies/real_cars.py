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
    row, period = np.nonzero((plan_kw != 0.0) & (np.abs(plan_kw) < view.max_kw[:, None]))
    least, most, worst = view.min_kw[row], view.max_kw[row], view.min_efficiency[row]
    best, power = np.maximum(view.efficiency[row], 1e-9), plan_kw[row, period]
    along = np.clip((np.abs(power) - least) / np.maximum(most - least, 1e-9), 0.0, 1.0)
    ratio = np.where(worst > 0.0, (worst + along * (best - worst)) / best, 1.0)
    corrected = plan_kw.copy()
    corrected[row, period] = np.where(power > 0.0, np.minimum(power / ratio, most), power * ratio)
    return corrected


def for_real_cars(
    strategy: Callable[[SessionView, Signal], np.ndarray],
) -> Callable[[SessionView, Signal], np.ndarray]:
    """Correct the plans of a strategy for part-load losses and cars that must not be paused."""

    @wraps(strategy)
    def wrapped(view: SessionView, signal: Signal) -> np.ndarray:
        plan = with_low_power_losses(view, strategy(view, signal))
        return without_pauses(view, signal, plan) if view.is_deaf.any() else plan

    return wrapped
