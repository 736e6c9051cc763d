"""Fill a car's periods in some order: the core of every strategy without delivery."""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.view import SessionView, Signal, available_share


def full_period_kwh(view: SessionView, signal: Signal) -> np.ndarray:
    """Energy into the battery per period at full power, float64[n_sessions, n_ahead]."""
    per_hour = (view.max_kw * view.efficiency)[:, None]
    return per_hour * available_share(view, signal.n_ahead) * signal.period_h


@njit(cache=True)
def _fill(
    order: np.ndarray, slots: np.ndarray, wanted: np.ndarray, max_kw: np.ndarray, min_kw: np.ndarray, plan: np.ndarray
) -> None:
    """Fill each row's slots in order; a last share below the minimum borrows from the one before.

    One row of ``order`` serves all cars.
    """
    for i in range(len(wanted)):
        left = wanted[i]
        if left <= 0.0 or max_kw[i] <= 0.0:
            continue
        least = min_kw[i] / max_kw[i]
        previous = -1
        for t in order[min(i, len(order) - 1)]:
            slot = slots[i, t]
            if slot <= 0.0:
                continue
            share = min(left / slot, 1.0)
            left -= share * slot
            if left <= 1e-12 and share < least - 1e-12:
                if previous >= 0:
                    moved = (least - share) * slot / slots[i, previous]
                    plan[i, previous] = max(plan[i, previous] - moved * max_kw[i], min_kw[i])
                share = least
            plan[i, t] = share * max_kw[i]
            previous = t
            if left <= 1e-12:
                break


def fill_in_order(view: SessionView, rank: np.ndarray, signal: Signal) -> np.ndarray:
    """Full power in the periods of lowest rank until the need is met; the last one gets what remains.

    For equal efficiency at all powers this is the optimum of the linear program with the ranks as prices: a
    fractional knapsack. A remainder below the car's minimum is made possible by taking the difference from the next
    cheapest period; a need below one period's minimum is planned at the minimum, and the car stops when full.

    Parameters
    ----------
    view : SessionView
        The sessions.
    rank : float array, shape (n_sessions, n_ahead)
        Lowest first; ties go to the earlier period.
    signal : Signal
        For the length of a period.

    Returns
    -------
    float array, shape (n_sessions, n_ahead)
        Power at the meter while the car is there, kW.
    """
    plan = np.zeros((len(view), signal.n_ahead))
    slots = full_period_kwh(view, signal)
    shared = rank[:1] if np.ndim(rank) == 2 and rank.strides[0] == 0 else rank
    _fill(np.argsort(shared, axis=1, kind="stable"), slots, wanted_kwh(view), view.max_kw, view.min_kw, plan)
    return plan


def wanted_kwh(view: SessionView) -> np.ndarray:
    """Energy to reserve: the need and, if there is any, the time the taper takes."""
    return view.energy_needed_kwh + np.where(view.energy_needed_kwh > 0.0, view.taper_kwh, 0.0)


def fill_in_order_plain(view: SessionView, rank: np.ndarray, signal: Signal) -> np.ndarray:
    """NumPy twin of :func:`fill_in_order`."""
    slots = full_period_kwh(view, signal)
    order = np.argsort(np.where(slots > 0.0, rank, np.inf), axis=1, kind="stable")
    sorted_slots = np.take_along_axis(slots, order, axis=1)
    before = np.cumsum(sorted_slots, axis=1) - sorted_slots
    taken = np.clip(wanted_kwh(view)[:, None] - before, 0.0, sorted_slots)
    share = np.divide(taken, sorted_slots, out=np.zeros_like(taken), where=sorted_slots > 0.0)
    _respect_minimum(view, share, sorted_slots)
    plan = np.zeros_like(share)
    np.put_along_axis(plan, order, share * view.max_kw[:, None], axis=1)
    return plan


def _respect_minimum(view: SessionView, share: np.ndarray, slots: np.ndarray) -> None:
    """Lift a last share below the minimum by moving energy from the period before it in rank."""
    least = np.divide(view.min_kw, view.max_kw, out=np.zeros(len(view)), where=view.max_kw > 0.0)
    count = np.count_nonzero(share > 0.0, axis=1)
    rows = np.flatnonzero((count > 0) & (least > 0.0))
    last = count[rows] - 1
    short = least[rows] - share[rows, last]
    rows, last, short = rows[short > 1e-12], last[short > 1e-12], short[short > 1e-12]
    share[rows, last] = least[rows]
    donors = rows[last > 0]
    previous = last[last > 0] - 1
    moved = short[last > 0] * slots[donors, previous + 1] / np.maximum(slots[donors, previous], 1e-12)
    share[donors, previous] = np.maximum(share[donors, previous] - moved, least[donors])
