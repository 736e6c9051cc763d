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
def _side_volume(side: tuple, at: float, sign: int, is_linear: bool) -> tuple:
    """Volume of the orders (first, last, quantity) of one side that are better than a price, and better or equal.

    Sign +1 is for buyers, -1 for sellers. Without linear orders the loop has no branches and runs several rows at once.
    """
    first, last, quantity = side
    better, equal = 0.0, 0.0
    if not is_linear:
        for i in range(len(first)):
            better += quantity[i] if sign * first[i] > sign * at else 0.0
            equal += quantity[i] if first[i] == at else 0.0
        return better, better + equal
    for i in range(len(first)):
        inside, width = sign * (first[i] - at), sign * (first[i] - last[i])
        if width == 0:
            better += quantity[i] if inside > 0 else 0.0
            equal += quantity[i] if inside == 0 else 0.0
        elif inside > 0:
            better += quantity[i] * min(inside / width, 1.0)
    return better, better + equal


@numba.njit(cache=True)
def _sides(
    start: np.ndarray, first: np.ndarray, last: np.ndarray, quantity: np.ndarray, m: int, at: float, is_linear: bool
) -> tuple:
    """Smallest and largest demand and supply of MTU m at a price in ticks: (d_low, d_high, s_low, s_high)."""
    a, b, c = start[2 * m], start[2 * m + 1], start[2 * m + 2]
    d_low, d_high = _side_volume((first[a:b], last[a:b], quantity[a:b]), at, 1, is_linear)
    s_low, s_high = _side_volume((first[b:c], last[b:c], quantity[b:c]), at, -1, is_linear)
    return d_low, d_high, s_low, s_high


@numba.njit(cache=True)
def _excess(buy: tuple, sell: tuple, base: float, at: float, is_linear: bool) -> tuple:
    """Smallest and largest net demand of the open orders (first, last, quantity) over a decided part, at a price."""
    d_low, d_high = _side_volume(buy, at, 1, is_linear)
    s_low, s_high = _side_volume(sell, at, -1, is_linear)
    return d_low - s_high + base, d_high - s_low + base


@numba.njit(cache=True)
def _keep_open(side: tuple, at: int, rises: bool, is_buy: bool) -> tuple:
    """Move the orders that are still open to the front; gives their number and the volume of those accepted in full.

    On the far side of ``at`` (above when the price rises) every order is either open or decided: nothing, or all of it.
    """
    first, last, quantity = side
    falls_out = is_buy == rises
    n, full = 0, 0.0
    for i in range(len(first)):
        edge = first[i] if falls_out else last[i]
        if edge <= at if rises else edge >= at:
            full += 0.0 if falls_out else quantity[i]
        else:
            first[n], last[n], quantity[n] = first[i], last[i], quantity[i]
            n += 1
    return n, full


@numba.njit(cache=True)
def _narrow(buy: tuple, sell: tuple, is_linear: bool, supply: float, limits: tuple, tolerance: float) -> tuple:
    """Search one price that clears, looking at the price of some order, by turns at the middle of what is left.

    Orders that the remaining prices decide are put aside, so that all passes together look at each order a few times
    only. Gives (is_found, price, price below, price above, net demands there, open buyers and sellers, net demand of
    the decided orders); up to the price below there is too much demand, from the price above on too little.
    """
    below, above = np.int64(limits[0] - 1), np.int64(limits[1] + 1)
    at, base, n_round = below, -supply, 0
    excess_below, excess_above, is_found = 0.0, 0.0, False
    while above - below > 1 and not is_found:
        at = np.int64((below + above) // 2)
        if n_round % 3 < 2 and len(buy[0]) + len(sell[0]) > 0:
            prices = buy[0] if len(buy[0]) > len(sell[0]) else sell[0]
            price = np.int64(prices[len(prices) // 2])
            at = price if below < price < above else at
        n_round += 1
        least, most = _excess(buy, sell, base, float(at), is_linear)
        is_found = least <= tolerance and most >= -tolerance
        if is_found:
            continue
        rises = least > tolerance
        if rises:
            below, excess_below = at, least
        else:
            above, excess_above = at, most
        n_buy, full_buy = _keep_open(buy, at, rises, True)
        n_sell, full_sell = _keep_open(sell, at, rises, False)
        base += full_buy - full_sell
        buy, sell = (
            (buy[0][:n_buy], buy[1][:n_buy], buy[2][:n_buy]),
            (sell[0][:n_sell], sell[1][:n_sell], sell[2][:n_sell]),
        )
    return is_found, at, below, above, excess_below, excess_above, buy, sell, base


@numba.njit(cache=True)
def _cross_one(buy: tuple, sell: tuple, is_linear: bool, supply: float, limits: tuple, tolerance: float) -> tuple:
    """Interval of clearing prices of one MTU with a net supply of blocks: (is_feasible, low, high) in ticks.

    ``buy`` and ``sell`` are copies (first, last, quantity) that are overwritten.
    """
    is_found, at, below, above, excess_below, excess_above, buy, sell, base = _narrow(
        buy, sell, is_linear, supply, limits, tolerance
    )
    if not is_found:
        if below < limits[0] or above > limits[1]:
            return False, 0.0, 0.0
        between = below + excess_below / (excess_below - excess_above)
        return True, between, between
    low, high = at, at
    while low - below > 1:
        middle = np.int64((below + low) // 2)
        if _excess(buy, sell, base, float(middle), is_linear)[0] <= tolerance:
            low = middle
        else:
            below = middle
    while above - high > 1:
        middle = np.int64(high + 1 if high == low and above - high > 2 else (high + above) // 2)
        if _excess(buy, sell, base, float(middle), is_linear)[1] >= -tolerance:
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
        a, b, c = start[2 * m], start[2 * m + 1], start[2 * m + 2]
        tolerance = max(least_tolerance, RELATIVE_TOLERANCE * (quantity[a:c].sum() + abs(block_supply[m])))
        buy = first[a:b].copy(), last[a:b].copy(), quantity[a:b].copy()
        sell = first[b:c].copy(), last[b:c].copy(), quantity[b:c].copy()
        is_feasible[m], low[m], high[m] = _cross_one(buy, sell, has_linear[m], block_supply[m], limits, tolerance)
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
        d_low, d_high, s_low, s_high = _sides(start, first, last, quantity, m, at_tick[m], has_linear[m])
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
        d_low, d_high, s_low, s_high = _sides(start, first, last, quantity, m, at, has_linear[m])
        net_low[k], net_high[k] = d_low - s_high, d_high - s_low
    return surplus, net_low, net_high


@numba.njit(cache=True)
def worth_all(
    is_buy: np.ndarray, accepted: np.ndarray, quantity: np.ndarray, price: np.ndarray, end: np.ndarray
) -> float:
    """Value to buyers minus cost of sellers of accepted power, €/h; prices along a linear order are averaged."""
    total = 0.0
    for i in range(len(accepted)):
        if accepted[i] > 0.0:
            worth = accepted[i] * (price[i] + 0.5 * (end[i] - price[i]) * accepted[i] / quantity[i])
            total += worth if is_buy[i] else -worth
    return total
