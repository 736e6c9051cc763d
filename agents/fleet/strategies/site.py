"""Cheapest charging of many cars under one shared limit, with a price on the peak.

All cars of a site pay the same price, so a plan's cost depends on the total per period only, and the totals that can
be served form a polymatroid: serving the cheapest period as far as possible, then the next, is optimal (Edmonds 1970).
"As far as possible" is a maximum flow: a car without need left may give way in another period to a car that still has
some. The peak price makes one outer search over the height of the peak, in which the cost is convex.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.strategies.filling import wanted_kwh
from agents.fleet.strategies.minimum import carry_trickles
from agents.fleet.view import SessionView, Signal, available_share

_EPS = 1e-9
_MISSING_EUR_PER_KWH = 10.0
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


@njit(cache=True)
def _reroute(
    period: int,
    room: float,
    slots: np.ndarray,
    used: np.ndarray,
    left: np.ndarray,
    car_from: np.ndarray,
    period_from: np.ndarray,
    queue: np.ndarray,
) -> float:
    """One shortest augmenting path into ``period``; returns the energy moved (0: none left)."""
    n, n_periods = slots.shape
    car_from[:] = -1
    period_from[:] = -1
    period_from[period] = -2
    queue[0] = period
    head, tail = 0, 1
    found = -1
    while head < tail and found < 0:
        t = queue[head]
        head += 1
        for i in range(n):
            if car_from[i] < 0 and slots[i, t] - used[i, t] > _EPS:
                car_from[i] = t
                if left[i] > _EPS:
                    found = i
                    break
                for s in range(n_periods):
                    if period_from[s] == -1 and used[i, s] > _EPS:
                        period_from[s] = i
                        queue[tail] = s
                        tail += 1
    if found < 0:
        return 0.0
    amount = min(room, left[found])
    car = found
    while True:
        t = car_from[car]
        amount = min(amount, slots[car, t] - used[car, t])
        if t == period:
            break
        car = period_from[t]
        amount = min(amount, used[car, t])
    left[found] -= amount
    car = found
    while True:
        t = car_from[car]
        used[car, t] += amount
        if t == period:
            return amount
        car = period_from[t]
        used[car, t] -= amount


@njit(cache=True)
def serve(slots: np.ndarray, need: np.ndarray, limit: np.ndarray, order: np.ndarray, urgency: np.ndarray) -> np.ndarray:
    """Energy per car and period: periods filled in ``order`` as far as cars and limits allow.

    Parameters
    ----------
    slots : float array, shape (n, T)
        Most energy per car and period.
    need : float array, shape (n,)
        Energy wanted per car.
    limit : float array, shape (T,)
        Most energy per period.
    order : int array, shape (T,)
        Periods, cheapest first.
    urgency : int array, shape (n,)
        Cars in the order in which they get first pick (changes the split, not the totals).
    """
    n, n_periods = slots.shape
    used = np.zeros((n, n_periods))
    left = need.copy()
    car_from, period_from = np.empty(n, dtype=np.int64), np.empty(n_periods, dtype=np.int64)
    queue = np.empty(n_periods + 1, dtype=np.int64)
    for t in order:
        room = limit[t]
        for i in urgency:
            amount = min(min(slots[i, t], left[i]), room)
            if amount > 0.0:
                used[i, t] += amount
                left[i] -= amount
                room -= amount
        while room > _EPS:
            moved = _reroute(t, room, slots, used, left, car_from, period_from, queue)
            if moved <= 0.0:
                break
            room -= moved
    return used


def site_optimal(view: SessionView, signal: Signal) -> np.ndarray:
    """Cheapest plan of every site under its own limit, peak price included; need that does not fit stays open.

    Sites are solved one after another; a site without limit and peak price costs no more than filling car by car.
    """
    plan = np.zeros((len(view), signal.n_ahead))
    n_sites = int(view.site.max(initial=-1)) + 1
    limits = np.full((n_sites, signal.n_ahead), np.inf)
    if signal.limit_kw is not None:
        limits = np.broadcast_to(np.asarray(signal.limit_kw, dtype=np.float64), limits.shape)
    for site in np.unique(view.site):
        rows = np.flatnonzero(view.site == site)
        plan[rows] = _one_site(view.take(rows), signal, np.maximum(limits[site], 0.0))
    share = available_share(view, signal.n_ahead)
    carry_trickles(plan, share, view.min_kw, view.max_kw, view.site, np.ascontiguousarray(limits))
    return plan


def _one_site(view: SessionView, signal: Signal, limit_kw: np.ndarray) -> np.ndarray:
    hours = available_share(view, signal.n_ahead) * signal.period_h
    slots = view.max_kw[:, None] * hours
    need = np.minimum(wanted_kwh(view) / np.maximum(view.efficiency, 1e-9), slots.sum(axis=1))
    price = signal.prices(len(view)).mean(axis=0)
    order = np.argsort(price, kind="stable")
    slack = np.count_nonzero(slots, axis=1) - need / np.maximum(slots.max(axis=1), 1e-9)
    urgency = np.argsort(slack, kind="stable")
    flat = np.where(np.isfinite(limit_kw), limit_kw, slots.sum(axis=0).max() / signal.period_h + 1.0)

    def under(peak_kw: float) -> np.ndarray:
        return serve(slots, need, np.minimum(flat, peak_kw) * signal.period_h, order, urgency)

    used = under(np.inf) if signal.peak_eur_per_kw <= 0.0 else _best_peak(under, need, price, flat, signal)
    return np.divide(used, hours, out=np.zeros_like(used), where=hours > 0.0)


def _best_peak(under, need: np.ndarray, price: np.ndarray, limit_kw: np.ndarray, signal: Signal) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Golden-section search over the height of the peak."""

    def cost(peak_kw: float) -> float:
        used = under(peak_kw)
        missing = need.sum() - used.sum()
        return float(used.sum(axis=0) @ price + _MISSING_EUR_PER_KWH * missing + signal.peak_eur_per_kw * peak_kw)

    low, high = 0.0, float(under(np.inf).sum(axis=0).max() / signal.period_h)
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    cost_a, cost_b = cost(a), cost(b)
    while high - low > max(2e-4 * high, 1e-6):
        if cost_a <= cost_b:
            high, b, cost_b = b, a, cost_a
            a = high - _GOLDEN * (high - low)
            cost_a = cost(a)
        else:
            low, a, cost_a = a, b, cost_b
            b = low + _GOLDEN * (high - low)
            cost_b = cost(b)
    return np.asarray(under(high))
