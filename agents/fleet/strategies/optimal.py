"""Cheapest charging of one car, without (V1G) and with delivery (V2X), both exact."""

from __future__ import annotations

import numpy as np

from agents.fleet.strategies.filling import fill_in_order
from agents.fleet.strategies.storage import plan_many
from agents.fleet.view import SessionView, Signal, available_share

_HALVINGS = 24


def price_optimal_v1g(view: SessionView, signal: Signal) -> np.ndarray:
    """Meet the need at the lowest cost: the cheapest periods at full power, one of them in part."""
    return fill_in_order(view, signal.prices(len(view)), signal)


def price_optimal_v2x(view: SessionView, signal: Signal) -> np.ndarray:
    """Meet the need at the lowest cost, also by delivering; ageing counts as ``signal.wear_eur_per_kwh``.

    Exact for one efficiency per direction and a selling price that never exceeds the buying price by more than the
    losses; where it does (strongly negative prices), it plans as if both were equal rather than burn energy. The last
    periods are kept for the taper of cars that want to be full. Where other load behind the meter is known, the better
    of two plans counts: deliver to the house and no more, or deliver at full power for the feed-in price.
    """
    sell = signal.selling(len(view))
    most_kw = np.broadcast_to(view.max_discharge_kw[:, None], sell.shape)
    plan = _storage_plan(view, signal, sell, most_kw)
    if signal.own_use_kw is None or signal.own_use_eur_per_kwh is None:
        return plan
    house_kw = to_the_house(signal.own_use_kw, view.min_kw[:, None])
    to_house = _storage_plan(view, signal, signal.own_use_eur_per_kwh, np.minimum(most_kw, house_kw))
    is_better = _earnings_eur(view, signal, to_house) > _earnings_eur(view, signal, plan)
    return np.where(is_better[:, None], to_house, plan)


def to_the_house(own_use_kw: np.ndarray, min_kw: np.ndarray) -> np.ndarray:
    """Delivery that follows the load behind the meter, float array of the same shape.

    A car cannot deliver less than its minimum: it does so where at least half of that is used, else nothing.
    """
    return np.where(own_use_kw >= 0.5 * min_kw, np.maximum(own_use_kw, min_kw), 0.0)


def _earnings_eur(view: SessionView, signal: Signal, plan_kw: np.ndarray) -> np.ndarray:
    """What plans earn less what they cost, with own use at its own price, float64[n_sessions]."""
    hours = available_share(view, signal.n_ahead) * signal.period_h
    assert signal.own_use_kw is not None and signal.own_use_eur_per_kwh is not None
    delivered = np.maximum(-plan_kw, 0.0)
    to_house = np.minimum(delivered, signal.own_use_kw)
    wear = signal.wear_eur_per_kwh / np.maximum(view.discharge_efficiency, 1e-9)[:, None]
    sold = to_house * signal.own_use_eur_per_kwh + (delivered - to_house) * signal.selling(len(view)) - delivered * wear
    return np.asarray(np.sum((sold - np.maximum(plan_kw, 0.0) * signal.prices(len(view))) * hours, axis=1))


def _storage_plan(view: SessionView, signal: Signal, selling: np.ndarray, most_kw: np.ndarray) -> np.ndarray:
    """Exact plan for one selling price and one highest delivered power per session and period."""
    hours = available_share(view, signal.n_ahead) * signal.period_h
    planned = np.minimum(view.departure_period, signal.n_ahead)
    has_taper = bool(view.taper_kwh.any())
    if has_taper:
        planned = np.maximum(np.minimum(view.departure_period - _taper_periods(view, hours), signal.n_ahead),
                             np.minimum(view.departure_period, 1))  # fmt: skip
    eta, back = view.efficiency[:, None], view.discharge_efficiency[:, None]
    charge_kwh = view.max_kw[:, None] * eta * hours
    discharge_kwh = most_kw / np.maximum(back, 1e-9) * hours
    buy = signal.prices(len(view)) / np.maximum(eta, 1e-9)
    sell = selling * back - signal.wear_eur_per_kwh
    change = _within_warranty(view, planned, charge_kwh, discharge_kwh, buy, sell)
    battery_kw = np.divide(change, hours, out=np.zeros_like(change), where=hours > 0.0)
    plan = np.where(change > 0.0, battery_kw / np.maximum(eta, 1e-9), battery_kw * back)
    if has_taper:
        needs = (view.energy_needed_kwh > 0)[:, None]
        is_taper = (np.arange(signal.n_ahead) >= planned[:, None]) & (hours > 0.0) & needs
        plan = np.where(is_taper, view.max_kw[:, None], plan)
    return _on_or_off(plan, view.min_kw[:, None])


def _taper_periods(view: SessionView, hours: np.ndarray) -> np.ndarray:
    """Periods at the end of each stay that are kept for the taper, int[n_sessions]."""
    taper_hours = view.taper_kwh / np.maximum(view.max_kw * view.efficiency, 1e-9)
    hours_left = np.cumsum(hours[:, ::-1], axis=1)[:, ::-1] * (hours > 0.0)
    is_late = (hours_left > 0.0) & (hours_left < taper_hours[:, None] - 1e-9)
    return np.asarray(is_late.sum(axis=1) + (taper_hours > 1e-9))


def _within_warranty(
    view: SessionView,
    planned: np.ndarray,
    charge_kwh: np.ndarray,
    discharge_kwh: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
) -> np.ndarray:
    """Optimal change of the stored energy; cars above what their warranty allows pay for delivery until they are not.

    The price on delivery is the multiplier of the warranty's limit, found by halving: what remains is the optimum
    under the limit but for the last step of one period.
    """

    def plan(rows: np.ndarray | slice, extra: np.ndarray) -> np.ndarray:
        energy = view.energy_now_kwh[rows]
        window = (view.reserve_kwh[rows], view.capacity_kwh[rows], planned[rows])
        per_period = (charge_kwh[rows], discharge_kwh[rows], buy[rows], sell[rows] - extra[:, None])
        return plan_many(
            energy,
            energy + view.energy_needed_kwh[rows],
            *window,
            *(np.ascontiguousarray(values) for values in per_period),
        )

    change = plan(slice(None), np.zeros(len(view)))
    if np.isinf(view.discharge_left_kwh).all():
        return change
    over = np.flatnonzero(-np.minimum(change, 0.0).sum(axis=1) > view.discharge_left_kwh + 1e-9)
    low, high = np.zeros(len(over)), np.full(len(over), np.ptp(sell) + 1.0) if len(over) else np.zeros(0)
    for _ in range(_HALVINGS if len(over) else 0):
        middle = 0.5 * (low + high)
        is_over = -np.minimum(plan(over, middle), 0.0).sum(axis=1) > view.discharge_left_kwh[over]
        low, high = np.where(is_over, middle, low), np.where(is_over, high, middle)
    if len(over):
        change[over] = plan(over, high)
    return change


def _on_or_off(plan: np.ndarray, min_kw: np.ndarray) -> np.ndarray:
    """Raise charging below the minimum to it (the car stops when full); drop delivery below it."""
    lifted = np.where((plan > 1e-9) & (plan < min_kw), min_kw, plan)
    return np.where((lifted < 0.0) & (lifted > -min_kw), 0.0, lifted)
