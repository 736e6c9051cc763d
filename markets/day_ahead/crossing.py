"""Where demand meets supply: the exact clearing of every market time unit, without and with fixed blocks.

At a price, the net demand of a book is an interval, because orders at their limit may be accepted to any degree. It
falls with the price, so the prices that clear form an interval too, whose ends are found by bisection on the ticks.
Between two neighbouring ticks every curve is straight, so that a crossing off the tick is one division. No sorting
is needed: a bisection step is one pass over the orders of an MTU.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# Two volumes count as equal when they differ by less than this share of the book, or this power at least.
RELATIVE_TOLERANCE = 1e-12
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


class Crossing(NamedTuple):
    """Clearing of every MTU, arrays of shape (n_mtu,).

    ``low_tick`` to ``high_tick`` is the interval of clearing prices in (fractional) ticks, ``at_tick`` its middle,
    ``volume_mw`` the volume of the curve orders that buy, ``buy_share`` and ``sell_share`` the accepted share of step
    orders exactly at the price, ``is_feasible`` whether any price clears.
    """

    low_tick: np.ndarray
    high_tick: np.ndarray
    at_tick: np.ndarray
    bought_mw: np.ndarray
    sold_mw: np.ndarray
    buy_share: np.ndarray
    sell_share: np.ndarray
    is_feasible: np.ndarray


@numba.njit(cache=True)
def group(
    code: np.ndarray,
    mtu: np.ndarray,
    is_buy: np.ndarray,
    start_tick: np.ndarray,
    end_tick: np.ndarray,
    quantity: np.ndarray,
    n_mtu: int,
) -> tuple:
    """Sort the admitted orders (code 0) by MTU and side, keeping their order: the columns of :class:`Book`."""
    start = np.zeros(2 * n_mtu + 1, np.int64)
    for i in range(len(code)):
        if code[i] == 0:
            start[2 * mtu[i] + (0 if is_buy[i] else 1) + 1] += 1
    for k in range(2 * n_mtu):
        start[k + 1] += start[k]
    n = start[2 * n_mtu]
    place = start[:-1].copy()
    row, grouped_quantity = np.empty(n, np.int64), np.empty(n, np.float64)
    first, last = np.empty(n, np.int32), np.empty(n, np.int32)
    has_linear = np.zeros(n_mtu, np.bool_)
    for i in range(len(code)):
        if code[i] == 0:
            key = 2 * mtu[i] + (0 if is_buy[i] else 1)
            k = place[key]
            place[key] = k + 1
            row[k], first[k], last[k], grouped_quantity[k] = i, start_tick[i], end_tick[i], quantity[i]
            if start_tick[i] != end_tick[i]:
                has_linear[mtu[i]] = True
    return row, start, first, last, grouped_quantity, has_linear


@numba.njit(cache=True)
def _step_volume(tick: np.ndarray, quantity: np.ndarray, at: float, sign: int) -> tuple:
    """Volume of step orders better than a price, and better or equal; sign +1 for buyers, -1 for sellers."""
    better, equal = 0.0, 0.0
    if sign > 0:
        for i in range(len(tick)):
            better += quantity[i] if tick[i] > at else 0.0
            equal += quantity[i] if tick[i] == at else 0.0
    else:
        for i in range(len(tick)):
            better += quantity[i] if tick[i] < at else 0.0
            equal += quantity[i] if tick[i] == at else 0.0
    return better, better + equal


@numba.njit(cache=True)
def _curve_volume(first: np.ndarray, last: np.ndarray, quantity: np.ndarray, at: float, sign: int) -> tuple:
    """As :func:`_step_volume` for step and linear orders together."""
    better, equal = 0.0, 0.0
    for i in range(len(first)):
        inside = sign * (first[i] - at)
        if first[i] == last[i]:
            if inside > 0:
                better += quantity[i]
            elif inside == 0:
                equal += quantity[i]
        elif inside > 0:
            better += quantity[i] * min(inside / (sign * (first[i] - last[i])), 1.0)
    return better, better + equal


@numba.njit(cache=True)
def net_demand(
    start: np.ndarray, first: np.ndarray, last: np.ndarray, quantity: np.ndarray, m: int, at: float, is_linear: bool
) -> tuple:
    """Smallest and largest demand and supply of MTU m at a price in ticks: (d_low, d_high, s_low, s_high)."""
    a, b, c = start[2 * m], start[2 * m + 1], start[2 * m + 2]
    if is_linear:
        d_low, d_high = _curve_volume(first[a:b], last[a:b], quantity[a:b], at, 1)
        s_low, s_high = _curve_volume(first[b:c], last[b:c], quantity[b:c], at, -1)
    else:
        d_low, d_high = _step_volume(first[a:b], quantity[a:b], at, 1)
        s_low, s_high = _step_volume(first[b:c], quantity[b:c], at, -1)
    return d_low, d_high, s_low, s_high


@numba.njit(cache=True)
def _cross_one(
    start: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    quantity: np.ndarray,
    m: int,
    is_linear: bool,
    supply: float,
    limits: tuple,
    tolerance: float,
) -> tuple:
    """Interval of clearing prices of one MTU with a net supply of blocks: (is_feasible, low, high) in ticks."""
    tick_min, tick_max = limits
    # smallest tick at which the net demand may be nil or less; `above` is the smallest tick seen with too little
    below, low, above = tick_min - 1, tick_max + 1, tick_max + 1
    excess_below, excess_above = 0.0, 0.0
    while low - below > 1:
        middle = (below + low) // 2
        d_low, d_high, s_low, s_high = net_demand(start, first, last, quantity, m, middle, is_linear)
        if d_low - s_high - supply <= tolerance:
            low = middle
            if d_high - s_low - supply < -tolerance:
                above, excess_above = middle, d_high - s_low - supply
        else:
            below, excess_below = middle, d_low - s_high - supply
    if low > tick_max:
        return False, 0.0, 0.0
    if above == low:
        if below < tick_min:
            return False, 0.0, 0.0
        at = below + excess_below / (excess_below - excess_above)
        return True, at, at
    high = low
    while above - high > 1:
        middle = high + 1 if high == low and above - high > 2 else (high + above) // 2
        d_low, d_high, s_low, s_high = net_demand(start, first, last, quantity, m, middle, is_linear)
        if d_high - s_low - supply >= -tolerance:
            high = middle
        else:
            above = middle
    return True, float(low), float(high)


@numba.njit(cache=True)
def _share(volume: float, low: float, high: float) -> float:
    """Accepted share of the orders at the price when volume lies between low and high."""
    return min(max((volume - low) / (high - low), 0.0), 1.0) if high > low else 0.0


@numba.njit(cache=True)
def cross_all(
    start: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    quantity: np.ndarray,
    has_linear: np.ndarray,
    block_supply: np.ndarray,
    limits: tuple,
    least_tolerance: float,
) -> tuple:
    """Clear every MTU with a fixed net supply of blocks: the columns of :class:`Crossing`.

    Parameters
    ----------
    start, first, last, quantity, has_linear : arrays
        Columns of :class:`Book`.
    block_supply : float64[n_mtu]
        Accepted sell blocks minus accepted buy blocks, MW.
    limits : tuple of int
        Smallest and largest price in ticks.
    least_tolerance : float
        Volumes closer than this count as equal, MW.
    """
    n_mtu = len(has_linear)
    out = np.zeros((7, n_mtu))
    is_feasible = np.zeros(n_mtu, np.bool_)
    for m in range(n_mtu):
        total = quantity[start[2 * m] : start[2 * m + 2]].sum() + abs(block_supply[m])
        tolerance = max(least_tolerance, 1e-12 * total)
        supply = block_supply[m]
        is_feasible[m], low, high = _cross_one(
            start, first, last, quantity, m, has_linear[m], supply, limits, tolerance
        )
        at = 0.5 * (low + high)
        d_low, d_high, s_low, s_high = net_demand(start, first, last, quantity, m, at, has_linear[m])
        bought = max(d_low, min(d_high, s_high + supply))  # the largest volume that clears
        sold = bought - supply
        out[0, m], out[1, m], out[2, m] = low, high, at
        out[3, m], out[4, m] = bought, sold
        out[5, m], out[6, m] = _share(bought, d_low, d_high), _share(sold, s_low, s_high)
    return out[0], out[1], out[2], out[3], out[4], out[5], out[6], is_feasible


@numba.njit(cache=True)
def accept(
    start: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    quantity: np.ndarray,
    at_tick: np.ndarray,
    buy_share: np.ndarray,
    sell_share: np.ndarray,
) -> np.ndarray:
    """Accepted power of every order of the grouped book at the clearing prices, MW."""
    accepted = np.zeros(len(quantity))
    for m in range(len(at_tick)):
        for side in range(2):
            sign, share = (1, buy_share[m]) if side == 0 else (-1, sell_share[m])
            for i in range(start[2 * m + side], start[2 * m + side + 1]):
                inside = sign * (first[i] - at_tick[m])
                if inside == 0 and first[i] == last[i]:
                    accepted[i] = quantity[i] * share
                elif inside > 0:
                    width = sign * (first[i] - last[i])
                    accepted[i] = quantity[i] * min(inside / width, 1.0) if width > 0 else quantity[i]
    return accepted


def cross(
    book: Book, block_supply_mw: np.ndarray, limits: tuple[int, int], tolerance_mw: float = TOLERANCE_MW
) -> Crossing:
    """Clear every MTU of a grouped book around fixed blocks; see :func:`cross_all`."""
    columns = book.start, book.start_tick, book.end_tick, book.quantity_mw, book.has_linear
    return Crossing(*cross_all(*columns, block_supply_mw, limits, tolerance_mw))
