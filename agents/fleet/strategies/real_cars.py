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
    slots = view.max_kw[:, None] * view.efficiency[:, None] * share * signal.period_h
    now = np.clip(urgent[:, None] - (np.cumsum(slots, axis=1) - slots), 0.0, slots)
    taken = np.divide(now, slots, out=np.zeros_like(now), where=slots > 0.0) * share
    is_free = share - taken > 1e-9
    first = np.argmax(is_free, axis=1)
    left = np.take_along_axis(share - taken, first[:, None], axis=1)[:, 0]
    first = np.where(is_free.any(axis=1), first, view.departure_period)
    rest = replace(
        view,
        energy_now_kwh=view.energy_now_kwh + np.minimum(urgent, view.energy_needed_kwh),
        energy_needed_kwh=np.where(view.must_charge, 0.0, view.energy_needed_kwh - urgent),
        arrival_period=np.where(urgent > 0.0, np.maximum(first, view.arrival_period), view.arrival_period),
        first_share=np.where(urgent > 0.0, left, view.first_share),
        last_share=np.where((urgent > 0.0) & (first == view.departure_period - 1), left, view.last_share),
    )
    later = strategy(rest, signal) * available_share(rest, signal.n_ahead)
    full = taken * view.max_kw[:, None]
    return np.divide(full + later, share, out=np.zeros_like(full), where=share > 0.0)


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
