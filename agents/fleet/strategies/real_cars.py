"""What plans owe to real cars and drivers.

Strategies plan with one efficiency, free pauses and a whole need that may wait. :func:`for_real_cars` corrects the plan
of any of them for losses that grow at low power, for cars that do not resume after a pause (evcc #4788), and for
drivers who want some or all of their energy at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps

import numpy as np
from numba import njit

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
    if not view.min_efficiency.any():
        return plan_kw
    row, period = np.nonzero((plan_kw != 0.0) & (np.abs(plan_kw) < view.max_kw[:, None]))
    least, most, worst = view.min_kw[row], view.max_kw[row], view.min_efficiency[row]
    best, power = np.maximum(view.efficiency[row], 1e-9), plan_kw[row, period]
    along = np.clip((np.abs(power) - least) / np.maximum(most - least, 1e-9), 0.0, 1.0)
    ratio = np.where(worst > 0.0, (worst + along * (best - worst)) / best, 1.0)
    corrected = plan_kw.copy()
    corrected[row, period] = np.where(power > 0.0, np.minimum(power / ratio, most), power * ratio)
    return corrected


def urgent_first(
    view: SessionView, signal: Signal, strategy: Callable[[SessionView, Signal], np.ndarray]
) -> np.ndarray:
    """Charge what is urgent at full power at once, and let a strategy plan the rest of the need and of the stay.

    Parameters
    ----------
    view, signal
        As in every strategy.
    strategy : callable
        Plans the rest.

    Returns
    -------
    float array, shape (n_sessions, n_ahead)
        All of the need at once for drivers who want no steering.
    """
    urgent = np.where(view.must_charge, wanted_kwh(view), np.minimum(view.urgent_kwh, view.energy_needed_kwh))
    share = available_share(view, signal.n_ahead)
    taken, first, left = _take_at_once(urgent, view.max_kw * view.efficiency * signal.period_h, share)
    first = np.where(first >= 0, first, view.departure_period)
    rest = replace(
        view,
        energy_now_kwh=view.energy_now_kwh + np.minimum(urgent, view.energy_needed_kwh),
        energy_needed_kwh=np.where(view.must_charge, 0.0, view.energy_needed_kwh - urgent),
        arrival_period=np.where(urgent > 0.0, np.maximum(first, view.arrival_period), view.arrival_period),
        first_share=np.where(urgent > 0.0, left, view.first_share),
        last_share=np.where((urgent > 0.0) & (first == view.departure_period - 1), left, view.last_share),
    )
    return _join(taken, view.max_kw, strategy(rest, signal), available_share(rest, signal.n_ahead), share)


@njit(cache=True)
def _take_at_once(
    urgent_kwh: np.ndarray, slot_kwh: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill periods from the first one on with what is urgent.

    Parameters
    ----------
    urgent_kwh, slot_kwh : float arrays, shape (n,)
        What is urgent, and what a whole period puts into the battery.
    share : float array, shape (n, n_ahead)
        Share of each period that the car is there.

    Returns
    -------
    taken : float array, shape (n, n_ahead)
        Share of each period that it takes.
    first : int array, shape (n,)
        First period with time left, -1 if there is none.
    left : float array, shape (n,)
        Share of it that is left.
    """
    n, n_ahead = share.shape
    taken, first, left = np.zeros((n, n_ahead)), np.full(n, -1), np.zeros(n)
    for i in range(n):
        rest = urgent_kwh[i]
        for t in range(n_ahead):
            slot = slot_kwh[i] * share[i, t]
            if slot > 0.0 and rest > 0.0:
                taken[i, t] = min(rest, slot) / slot * share[i, t]
                rest -= min(rest, slot)
            if first[i] < 0 and share[i, t] - taken[i, t] > 1e-9:
                first[i], left[i] = t, share[i, t] - taken[i, t]
            if first[i] >= 0 and rest <= 0.0:
                break
    return taken, first, left


@njit(cache=True)
def _join(
    taken: np.ndarray, max_kw: np.ndarray, later_kw: np.ndarray, later_share: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Mean power of each period: at once at full power, then as planned for the rest of it."""
    joined = np.zeros(share.shape)
    for i in range(share.shape[0]):
        for t in range(share.shape[1]):
            if share[i, t] > 0.0:
                joined[i, t] = (taken[i, t] * max_kw[i] + later_kw[i, t] * later_share[i, t]) / share[i, t]
    return joined


def for_real_cars(
    strategy: Callable[[SessionView, Signal], np.ndarray],
) -> Callable[[SessionView, Signal], np.ndarray]:
    """Correct the plans of a strategy for part-load losses and cars that must not be paused."""

    @wraps(strategy)
    def wrapped(view: SessionView, signal: Signal) -> np.ndarray:
        is_urgent = view.must_charge.any() or np.any(view.urgent_kwh > 0.0)
        raw = urgent_first(view, signal, strategy) if is_urgent else strategy(view, signal)
        plan = with_low_power_losses(view, raw)
        return without_pauses(view, signal, plan) if view.is_deaf.any() else plan

    return wrapped
