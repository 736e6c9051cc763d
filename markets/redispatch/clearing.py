"""Which orders the grid operators buy and sell to relieve congested elements at least spread.

First the relief that the orders can give is made as large as possible, then its spread as small as possible. Buys
equal sells in every period, no element gets more than its headroom, none that is over its limit gets worse. Periods
are separate problems unless an order with one share for its whole window ties them together.

Source: GOPACS (IDCONS conditions: location, helps, no new congestion, national balance); report 6.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from markets.redispatch.orders import RULES, RedispatchOrders, RedispatchRules, Rejection, faults
from markets.redispatch.programme import Programme, Solution

_RELIEF_MW = 1e-9  # needs below this are none
_VOLUME_MW = 1e-6


@dataclass(frozen=True)
class RedispatchClearing:
    """What the operators took.

    Parameters
    ----------
    accepted_mw : float64[n_orders, n_periods]
        Volume taken, positive on both sides.
    is_buy : bool[n_orders]
        Side of each order.
    price_eur_per_mwh : float64[n_orders]
        Price at which each order is settled.
    period_h : float
        Length of a period.
    spread_cost_eur : float
        What the operators pay: sells minus buys.
    spread_cost_per_period_eur : float64[n_periods]
        The same by period.
    relief_mw : float64[n_elements, n_periods]
        How much less each element carries in its congested direction; negative where it carries more.
    unresolved_mw : float64[n_elements, n_periods]
        Needed relief that was not found.
    rejections : tuple of Rejection
        Refused orders with the name of the rule.
    gap_share : float
        Largest relative distance from the proven optimum; 0 when exact.
    """

    accepted_mw: np.ndarray
    is_buy: np.ndarray
    price_eur_per_mwh: np.ndarray
    period_h: float
    spread_cost_eur: float
    spread_cost_per_period_eur: np.ndarray
    relief_mw: np.ndarray
    unresolved_mw: np.ndarray
    rejections: tuple[Rejection, ...]
    gap_share: float = 0.0

    @property
    def signed_mw(self) -> np.ndarray:
        """Change of consumption per order and period (buy positive), float64[n_orders, n_periods]."""
        return np.where(self.is_buy[:, None], self.accepted_mw, -self.accepted_mw)


def clear(
    orders: RedispatchOrders,
    *,
    needed_relief_mw: np.ndarray,
    effectivity: np.ndarray,
    headroom_mw: np.ndarray,
    period_h: float = 0.25,
    rules: RedispatchRules | None = None,
    headroom_reverse_mw: np.ndarray | None = None,
    first_open_period: int = 0,
) -> RedispatchClearing:
    """Clear redispatch orders against the relief each element needs.

    Parameters
    ----------
    orders : RedispatchOrders
        Orders with their volume per period.
    needed_relief_mw : float64[n_elements, n_periods]
        By how much each element is over its limit in its congested direction; 0 where it is not.
    effectivity : float64[n_orders, n_elements]
        Change of an element's load, counted in its congested direction, per MW more consumption at the order's
        connection. Positive inside an area with offtake congestion, negative with feed-in congestion.
    headroom_mw : float64[n_elements, n_periods]
        How much more each element may carry in that direction; below 0 or NaN counts as none.
    period_h : float
        Length of a period in hours.
    rules : RedispatchRules, optional
        Limits and thresholds.
    headroom_reverse_mw : float64[n_elements, n_periods], optional
        How much less each element may carry before it is over its limit the other way; unlimited when absent.
    first_open_period : int
        First period whose gate is open.

    Returns
    -------
    RedispatchClearing
        Accepted volumes, cost, relief, unresolved relief, rejections.

    Raises
    ------
    ValueError
        If the shapes do not fit; each wrong one is named.
    """
    rules = RedispatchRules() if rules is None else rules
    need, eff, room, reverse = _checked(orders, needed_relief_mw, effectivity, headroom_mw, headroom_reverse_mw)
    codes = faults(orders, eff, rules, first_open_period)
    rejections = tuple(Rejection(int(r), RULES[codes[r]]) for r in np.flatnonzero(codes))
    valid = np.flatnonzero(codes == 0)
    accepted = np.zeros(orders.quantity_mw.shape)
    gap = 0.0
    if valid.size and (need > _RELIEF_MW).any():
        book = _without_dust(orders.rows(valid))
        for periods in _coupled_periods(book, need):
            programme = Programme(
                book, periods, need[:, periods], eff[valid], room[:, periods], reverse[:, periods], rules
            )
            solution: Solution = programme.solve()
            accepted[np.ix_(valid, periods)] = solution.accepted_mw
            gap = max(gap, solution.gap_share)
    return _result(orders, accepted, need, np.nan_to_num(eff), period_h, rejections, gap)


def _checked(
    orders: RedispatchOrders,
    need: np.ndarray,
    effectivity: np.ndarray,
    headroom: np.ndarray,
    reverse: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shapes tested, gaps in forecasts made safe: an unknown need is none, an unknown headroom is none."""
    need = np.asarray(need, dtype=np.float64)
    eff = np.asarray(effectivity, dtype=np.float64)
    room = np.asarray(headroom, dtype=np.float64)
    back = np.full(need.shape, np.inf) if reverse is None else np.asarray(reverse, dtype=np.float64)
    shape = (need.shape[0], orders.n_periods)
    wanted = {
        "needed_relief_mw": (need, shape),
        "effectivity": (eff, (orders.n_orders, need.shape[0])),
        "headroom_mw": (room, shape),
        "headroom_reverse_mw": (back, shape),
    }
    wrong = [f"{name} has shape {a.shape}, not {s}" for name, (a, s) in wanted.items() if a.shape != s]
    if wrong:
        raise ValueError("redispatch: " + "; ".join(wrong))
    no_room = np.where(need > 0.0, 0.0, np.maximum(np.nan_to_num(room, nan=0.0, posinf=np.inf), 0.0))
    back = np.maximum(np.nan_to_num(back, nan=0.0, posinf=np.inf), 0.0)
    return np.maximum(np.nan_to_num(need, nan=0.0), 0.0), eff, no_room, back


def _without_dust(orders: RedispatchOrders) -> RedispatchOrders:
    """Volumes below a watt are none; they would only spoil the optimiser's numbers."""
    return replace(orders, quantity_mw=np.where(orders.quantity_mw < _VOLUME_MW, 0.0, orders.quantity_mw))


def _coupled_periods(orders: RedispatchOrders, need: np.ndarray) -> list[np.ndarray]:
    """Groups of periods that must be solved together, only those with a need."""
    label = np.arange(orders.n_periods)
    for row in np.flatnonzero(orders.is_window):
        touched = np.unique(label[orders.quantity_mw[row] > 0.0])
        if touched.size > 1:
            label[np.isin(label, touched)] = touched[0]
    is_needed = (need > _RELIEF_MW).any(axis=0)
    return [np.flatnonzero(label == group) for group in np.unique(label[is_needed])]


def _result(
    orders: RedispatchOrders,
    accepted: np.ndarray,
    need: np.ndarray,
    effectivity: np.ndarray,
    period_h: float,
    rejections: tuple[Rejection, ...],
    gap: float,
) -> RedispatchClearing:
    signed = np.where(orders.is_buy[:, None], accepted, -accepted)
    price = orders.settled_price_eur_per_mwh
    is_taken = accepted.any(axis=1)
    cost = -(np.where(is_taken, price, 0.0) @ signed) * period_h
    relief = -(effectivity.T @ signed)
    unresolved = np.maximum(need - relief, 0.0)
    unresolved[(need <= 0.0) | (unresolved < 1e-6)] = 0.0  # the optimiser's feasibility tolerance, 1 W
    return RedispatchClearing(
        accepted_mw=accepted,
        is_buy=orders.is_buy,
        price_eur_per_mwh=price,
        period_h=period_h,
        spread_cost_eur=float(np.sum(cost)),
        spread_cost_per_period_eur=cost,
        relief_mw=relief,
        unresolved_mw=unresolved,
        rejections=rejections,
        gap_share=gap,
    )
