"""Strategies without a forecast of prices: as soon, as late, in the low tariff, with the sun."""

from __future__ import annotations

import numpy as np

from agents.fleet.strategies.filling import fill_in_order, full_period_kwh, wanted_kwh
from agents.fleet.view import SessionView, Signal


def uncontrolled(view: SessionView, signal: Signal) -> np.ndarray:
    """Full power at once until the car is full."""
    early = np.broadcast_to(np.arange(signal.n_ahead, dtype=np.float64), (len(view), signal.n_ahead))
    return fill_in_order(view, early, signal)


def delayed(view: SessionView, signal: Signal) -> np.ndarray:
    """Full power as late as the departure allows."""
    late = np.broadcast_to(-np.arange(signal.n_ahead, dtype=np.float64), (len(view), signal.n_ahead))
    return fill_in_order(view, late, signal)


def time_of_use(view: SessionView, signal: Signal) -> np.ndarray:
    """At once in the low tariff; in the high tariff only what no longer fits, as late as possible.

    All who follow start together when the low tariff begins: the rebound peak of Flexpower Amsterdam (report 7.4.1).
    """
    ahead = np.arange(signal.n_ahead, dtype=np.float64)
    low = signal.is_low_tariff
    if low is None:
        mean = np.mean(signal.price_eur_per_kwh, axis=0) if np.ndim(signal.price_eur_per_kwh) == 2 else None
        price = signal.price_eur_per_kwh if mean is None else mean
        low = price <= np.median(price)
    rank = np.where(low, ahead, 3.0 * signal.n_ahead - ahead)
    return fill_in_order(view, np.broadcast_to(rank, (len(view), signal.n_ahead)), signal)


def pv_following(view: SessionView, signal: Signal) -> np.ndarray:
    """Follow the surplus of the site, most urgent first; what is missing comes as late as possible at full power.

    A car whose minimum exceeds the surplus waits, unless it is the site's first and half of its minimum is there.
    """
    n, ahead = len(view), signal.n_ahead
    surplus = _per_site(signal.pv_surplus_kw, int(view.site.max(initial=-1)) + 1, ahead)
    plan = np.zeros((n, ahead))
    left = wanted_kwh(view)
    slots = full_period_kwh(view, signal)
    order = np.lexsort((np.arange(n), -view.priority))
    for row in order:
        site = view.site[row]
        is_usable = surplus[site] >= 0.5 * view.min_kw[row]
        power = np.where(is_usable, np.clip(surplus[site], view.min_kw[row], view.max_kw[row]), 0.0)
        energy = power * slots[row] / max(view.max_kw[row], 1e-12)
        before = np.cumsum(energy) - energy
        taken = np.clip(left[row] - before, 0.0, energy)
        plan[row] = np.where(taken > 0, power * np.where(energy > 0, taken / np.maximum(energy, 1e-12), 0.0), 0.0)
        left[row] -= taken.sum()
        surplus[site] -= plan[row]
    return np.maximum(plan, _missing_late(view, signal, plan, left))


def _missing_late(view: SessionView, signal: Signal, plan: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Plan that adds the missing energy as late as possible in the room above ``plan``."""
    slots = full_period_kwh(view, signal)
    used = plan / np.maximum(view.max_kw, 1e-12)[:, None] * slots
    room = np.maximum(slots - used, 0.0)
    later = np.cumsum(room[:, ::-1], axis=1)[:, ::-1] - room
    extra = np.clip(left[:, None] - later, 0.0, room)
    return plan + extra / np.maximum(slots, 1e-12) * view.max_kw[:, None] * (slots > 0)


def _per_site(values: np.ndarray | None, n_sites: int, n_ahead: int) -> np.ndarray:
    if values is None:
        return np.zeros((n_sites, n_ahead))
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), (n_sites, n_ahead)))
