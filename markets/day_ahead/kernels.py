"""Compiled loops over the grouped curve orders of an auction.

They stand in one file because a compiled function keeps the version of a callee that it was compiled with. Orders are
grouped as in :class:`markets.day_ahead.crossing.Book`: ``start`` bounds the groups (buyers, then sellers, by MTU),
``first`` and ``last`` are the prices of nothing and of full acceptance in ticks, ``quantity`` is in MW.
"""

from __future__ import annotations

import numba
import numpy as np

# Two volumes count as equal when they differ by less than this share of the book, or by the tolerance given in MW.
RELATIVE_TOLERANCE = 1e-12


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
    """Find the clearing prices of every MTU; see :func:`cross`, which gives the columns of a :class:`Book`."""
    n_mtu = len(has_linear)
    low, high, is_feasible = np.zeros(n_mtu), np.zeros(n_mtu), np.zeros(n_mtu, np.bool_)
    for m in range(n_mtu):
        total = quantity[start[2 * m] : start[2 * m + 2]].sum() + abs(block_supply[m])
        tolerance = max(least_tolerance, RELATIVE_TOLERANCE * total)
        is_feasible[m], low[m], high[m] = _cross_one(
            start, first, last, quantity, m, has_linear[m], block_supply[m], limits, tolerance
        )
    return low, high, is_feasible


@numba.njit(cache=True)
def volumes_all(
    start: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    quantity: np.ndarray,
    has_linear: np.ndarray,
    block_supply: np.ndarray,
    at_tick: np.ndarray,
) -> tuple:
    """Find the largest volumes at the given prices; see :func:`volumes`, which gives the columns of a :class:`Book`."""
    out = np.zeros((4, len(at_tick)))
    for m in range(len(at_tick)):
        d_low, d_high, s_low, s_high = net_demand(start, first, last, quantity, m, at_tick[m], has_linear[m])
        bought = max(d_low, min(d_high, s_high + block_supply[m]))
        sold = bought - block_supply[m]
        out[0, m], out[1, m] = bought, sold
        out[2, m], out[3, m] = _share(bought, d_low, d_high), _share(sold, s_low, s_high)
    return out[0], out[1], out[2], out[3]


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


@numba.njit(cache=True)
def surplus_all(
    start: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    quantity: np.ndarray,
    has_linear: np.ndarray,
    mtu: np.ndarray,
    at_tick: np.ndarray,
) -> tuple:
    """Give what the curve orders of an MTU gain at a price, and their net demand there.

    Parameters
    ----------
    start, first, last, quantity, has_linear : arrays
        Columns of :class:`Book`.
    mtu : int64[n]
        Market time units to look at.
    at_tick : float64[n]
        Price for each, in ticks.

    Returns
    -------
    surplus : float64[n]
        Gain of buyers and sellers who trade all they like, tick·MW.
    net_low, net_high : float64[n]
        Smallest and largest demand minus supply, MW.
    """
    surplus, net_low, net_high = np.zeros(len(mtu)), np.zeros(len(mtu)), np.zeros(len(mtu))
    for k in range(len(mtu)):
        m, at = mtu[k], at_tick[k]
        for side in range(2):
            sign = 1 if side == 0 else -1
            for i in range(start[2 * m + side], start[2 * m + side + 1]):
                inside, width = sign * (first[i] - at), sign * (first[i] - last[i])
                if inside >= width:
                    surplus[k] += quantity[i] * (inside - 0.5 * width)
                elif inside > 0:
                    surplus[k] += quantity[i] * inside * inside / (2 * width)
        d_low, d_high, s_low, s_high = net_demand(start, first, last, quantity, m, at, has_linear[m])
        net_low[k], net_high[k] = d_low - s_high, d_high - s_low
    return surplus, net_low, net_high
