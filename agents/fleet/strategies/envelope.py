"""A pool as one virtual battery: flexibility envelope, its optimum, and the split back to cars.

The envelope holds the most and the least energy the pool can have taken by each moment, and its power. Planning it
takes one small exact optimisation instead of one per car. Cars are put together by departure and by hours of charging
they need, since cars alike lose nothing by being added up; the split gives each period's energy to the least lax.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from agents.fleet.sorting import ascending
from agents.fleet.strategies.filling import wanted_kwh
from agents.fleet.strategies.minimum import carry_trickles
from agents.fleet.strategies.storage import thresholds
from agents.fleet.view import SessionView, Signal, available_share


@dataclass(frozen=True)
class Envelope:
    """Flexibility of a pool in energy at the meter.

    Attributes
    ----------
    upper_kwh, lower_kwh : float arrays, shape (n_ahead + 1,)
        Most and least energy taken by the start of each period (and the end).
    power_kw : float array, shape (n_ahead,)
        Most power of all cars together.
    """

    upper_kwh: np.ndarray
    lower_kwh: np.ndarray
    power_kw: np.ndarray


def _meter_terms(view: SessionView, signal: Signal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hours there, most energy per period and need, at the meter."""
    hours = available_share(view, signal.n_ahead) * signal.period_h
    slots = view.max_kw[:, None] * hours
    need = np.minimum(wanted_kwh(view) / np.maximum(view.efficiency, 1e-9), slots.sum(axis=1))
    return hours, slots, need


def envelope(view: SessionView, signal: Signal) -> Envelope:
    """Envelope of all cars of a view: charging at once, and as late as possible."""
    _, slots, need = _meter_terms(view, signal)
    return _envelope(slots, need, signal.period_h)


def _envelope(slots: np.ndarray, need: np.ndarray, period_h: float) -> Envelope:
    taken = np.concatenate([np.zeros((len(need), 1)), np.cumsum(slots, axis=1)], axis=1)
    upper = np.minimum(taken, need[:, None]).sum(axis=0)
    lower = np.maximum(need[:, None] - (taken[:, -1:] - taken), 0.0).sum(axis=0)
    return Envelope(upper, lower, slots.sum(axis=0) / period_h)


@njit(cache=True)
def _plan_envelope(lower: np.ndarray, upper: np.ndarray, most: np.ndarray, price: np.ndarray) -> np.ndarray:
    n = len(most)
    slope, length = np.empty(2 * n + 8 + n), np.empty(2 * n + 8 + n)
    buy_below, sell_above = np.empty(n), np.empty(n)
    none = np.zeros(n)
    thresholds(lower, upper, most, none, price, price, upper[n], slope, length, buy_below, sell_above)
    change = np.zeros(n)
    energy = 0.0
    for t in range(n):
        aim = min(max(buy_below[t], lower[t + 1]), upper[t + 1])
        change[t] = min(max(aim - energy, 0.0), most[t])
        energy += change[t]
    return change


def plan_envelope(pool: Envelope, price_eur_per_kwh: np.ndarray, period_h: float) -> np.ndarray:
    """Cheapest power of a virtual battery with this envelope, float64[n_ahead]."""
    most = pool.power_kw * period_h
    return _plan_envelope(pool.lower_kwh, pool.upper_kwh, most, np.asarray(price_eur_per_kwh, dtype=float)) / period_h


@njit(cache=True)
def _split(slots: np.ndarray, need: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Give each period's energy to the least lax first, after what each must take now."""
    n, n_periods = slots.shape
    used = np.zeros((n, n_periods))
    left = need.copy()
    later = np.zeros(n)
    for i in range(n):
        for t in range(n_periods):
            later[i] += slots[i, t]
    laxity = np.empty(n)
    for t in range(n_periods):
        room = total[t]
        for i in range(n):
            later[i] -= slots[i, t]
            must = min(max(left[i] - later[i], 0.0), slots[i, t])
            used[i, t] = must
            left[i] -= must
            room -= must
            rate = max(slots[i, t], 1e-12)
            laxity[i] = (later[i] - left[i]) / rate if slots[i, t] > 0.0 else np.inf
        for i in ascending(laxity):
            if room <= 1e-12 or laxity[i] == np.inf:
                break
            more = min(min(slots[i, t] - used[i, t], left[i]), room)
            used[i, t] += more
            left[i] -= more
            room -= more
    return used


def disaggregate(view: SessionView, signal: Signal, power_kw: np.ndarray) -> np.ndarray:
    """Split a pool's power over its cars so that nobody misses energy that could still come.

    Parameters
    ----------
    view, signal
        The cars and the length of a period.
    power_kw : float array, shape (n_ahead,)
        Power of the pool; where cars must charge to be ready in time, they do so even above it.

    Returns
    -------
    float array, shape (n_sessions, n_ahead)
        Power at the meter while the car is there, kW.
    """
    hours, slots, need = _meter_terms(view, signal)
    used = _split(slots, need, np.asarray(power_kw, dtype=float) * signal.period_h)
    return np.divide(used, hours, out=np.zeros_like(used), where=hours > 0.0)


def _groups(view: SessionView, need: np.ndarray, n_departures: int = 12, n_hours: int = 6) -> np.ndarray:
    """Group number of each car: bucket of departure (and arrival) by hours of charging needed."""
    hours = need / np.maximum(view.max_kw, 1e-9)
    quantiles = np.linspace(0.0, 1.0, n_departures + 1)[1:-1]
    leave = np.searchsorted(np.quantile(view.departure_period, quantiles), view.departure_period)
    come = np.searchsorted(np.quantile(view.arrival_period, quantiles), view.arrival_period)
    length = np.searchsorted(np.quantile(hours, np.linspace(0, 1, n_hours + 1)[1:-1]), hours)
    return np.unique((leave * n_departures + come) * n_hours + length, return_inverse=True)[1]


def pooled_envelope(view: SessionView, signal: Signal) -> np.ndarray:
    """Plan a pool by envelopes of like cars and split the result back to the cars."""
    if len(view) == 0:
        return np.zeros((0, signal.n_ahead))
    hours, slots, need = _meter_terms(view, signal)
    price = signal.prices(len(view)).mean(axis=0)
    group = _groups(view, need)
    used = np.zeros_like(slots)
    for number in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == number)
        pool = _envelope(slots[rows], need[rows], signal.period_h)
        total = plan_envelope(pool, price, signal.period_h) * signal.period_h
        used[rows] = _split(slots[rows], need[rows], total)
    plan = np.divide(used, hours, out=np.zeros_like(used), where=hours > 0.0)
    free = np.full((int(view.site.max()) + 1, signal.n_ahead), np.inf)
    carry_trickles(plan, hours / signal.period_h, view.min_kw, view.max_kw, view.site, free)
    return plan
