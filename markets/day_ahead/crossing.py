"""Where demand meets supply: the exact clearing of every market time unit around fixed blocks.

At a price, the net demand of a book is an interval, because orders at their limit may be accepted to any degree. It
falls with the price, so the prices that clear form an interval too, whose ends are found by bisection on the ticks.
Between two neighbouring ticks every curve is straight, so that a crossing off the tick is one division. No sorting
is needed: a bisection step is one pass over the orders of an MTU.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from markets.day_ahead import kernels
from markets.day_ahead.orders import CurveOrders

TOLERANCE_MW = 1e-9


class Book(NamedTuple):
    """Admitted curve orders grouped by MTU, buyers before sellers in each.

    ``row`` is the position in the original book, ``start`` (int64[2 n_mtu + 1]) bounds the groups, prices are ticks.
    """

    row: np.ndarray
    start: np.ndarray
    start_tick: np.ndarray
    end_tick: np.ndarray
    quantity_mw: np.ndarray
    has_linear: np.ndarray

    @classmethod
    def of(
        cls, orders: CurveOrders, code: np.ndarray, start_tick: np.ndarray, end_tick: np.ndarray, n_mtu: int
    ) -> Book:
        """Group the admitted orders (code 0)."""
        return cls(*kernels.group(code, orders.mtu, orders.is_buy, start_tick, end_tick, orders.quantity_mw, n_mtu))


class Interval(NamedTuple):
    """Clearing prices of every MTU, arrays of shape (n_mtu,).

    All prices between ``low_tick`` and ``high_tick`` clear; where both are equal they may lie between two ticks.
    ``is_feasible`` is False where accepted blocks exceed all that the curves can give or take.
    """

    low_tick: np.ndarray
    high_tick: np.ndarray
    is_feasible: np.ndarray


class Volumes(NamedTuple):
    """What the curve orders trade at given prices, arrays of shape (n_mtu,).

    ``buy_share`` and ``sell_share`` are the accepted shares of step orders exactly at the price.
    """

    bought_mw: np.ndarray
    sold_mw: np.ndarray
    buy_share: np.ndarray
    sell_share: np.ndarray


def cross(
    book: Book, block_supply_mw: np.ndarray, limits: tuple[int, int], tolerance_mw: float = TOLERANCE_MW
) -> Interval:
    """Find the prices that clear a grouped book around fixed blocks.

    Parameters
    ----------
    book : Book
        Admitted curve orders.
    block_supply_mw : float64[n_mtu]
        Accepted sell blocks minus accepted buy blocks.
    limits : (int, int)
        Smallest and largest price in ticks.
    tolerance_mw : float
        Volumes closer than this count as equal.

    Returns
    -------
    Interval
        Prices of every MTU in ticks.
    """
    return Interval(*kernels.cross_all(*book[1:], block_supply_mw, limits, tolerance_mw))


def volumes(book: Book, block_supply_mw: np.ndarray, at_tick: np.ndarray) -> Volumes:
    """Give the largest volumes that clear at prices of the interval; arguments as in :func:`cross`."""
    return Volumes(*kernels.volumes_all(*book[1:], block_supply_mw, at_tick))


def accepted_mw(book: Book, traded: Volumes, at_tick: np.ndarray) -> np.ndarray:
    """Give the accepted power of every order of the book at clearing prices, float64[n]."""
    return kernels.accept(*book[1:5], at_tick, traded.buy_share, traded.sell_share)


def curve_surplus(book: Book, mtu: np.ndarray, at_tick: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the gain of the curve orders (tick·MW) and the ends of their net demand (MW) at prices of given MTUs."""
    return kernels.surplus_all(*book[1:], mtu, at_tick)
