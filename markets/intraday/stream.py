"""Fast matching of a long stream of orders and cancellations in one book: the compiled twin of :class:`OrderBook`.

It knows limit, immediate-or-cancel and fill-or-kill orders and cancellations; all-or-none, icebergs and replacements
need the readable book. Orders of one price are a linked queue; the prices in use are an array of ticks, with the number
of used ticks in each stretch of 1,024, so that the next price is found in a few steps however thin the book is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numba
import numpy as np

from markets.intraday.orders import SELF_TRADE_RULES, BookTerms

STREAM_KINDS = ("limit", "ioc", "fok", "cancel")
RULES = (
    "",
    "not_a_number",
    "before_gate_opening",
    "after_gate_closure",
    "unknown_order_kind",
    "negative_volume",
    "volume_above_maximum",
    "volume_off_step",
    "zero_volume",
    "price_outside_limits",
    "price_off_tick",
    "unknown_order",
    "not_the_owner",
)
_LIMIT, _IOC, _FOK, _CANCEL = range(4)
_STRETCH = 1024  # ticks
_MOST_TICKS = 1e9


@dataclass(frozen=True)
class Stream:
    """Orders and cancellations in order of arrival, as columns of one length; the row is an order's identifier.

    Parameters
    ----------
    owner : int64[n]
        Trader; of a cancellation the one who asks.
    is_buy : bool[n]
        Side; ignored for cancellations.
    quantity_mw, price_eur_per_mwh : float64[n]
        Power and limit; ignored for cancellations.
    kind : int8[n]
        Position in :data:`STREAM_KINDS`.
    target : int64[n]
        Row of the order that a cancellation takes out; ignored for orders.
    time_min : float64[n]
        Arrival in minutes from the start of the horizon.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    owner: np.ndarray
    is_buy: np.ndarray
    quantity_mw: np.ndarray
    price_eur_per_mwh: np.ndarray
    kind: np.ndarray
    target: np.ndarray
    time_min: np.ndarray

    def __post_init__(self) -> None:
        kinds = (np.int64, np.bool_, np.float64, np.float64, np.int8, np.int64, np.float64)
        for f, kind in zip(fields(self), kinds, strict=True):
            object.__setattr__(self, f.name, np.ascontiguousarray(getattr(self, f.name), dtype=kind))
        wrong = [f.name for f in fields(self) if getattr(self, f.name).shape != (len(self),)]
        if wrong:
            raise ValueError(f"columns {', '.join(wrong)}: {len(self)} rows each are right")

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True)
class Matched:
    """What became of a stream.

    Parameters
    ----------
    event, buy_order, sell_order : int64[n_trades]
        Row that caused each trade, and the rows of both orders.
    quantity_mw, price_eur_per_mwh : float64[n_trades]
        Power and price of each trade.
    remaining_mw : float64[n]
        Power that rests in the book at the end, by row.
    refused : uint8[n]
        Position in :data:`RULES` of the first broken rule, 0 for none, by row.
    """

    event: np.ndarray
    buy_order: np.ndarray
    sell_order: np.ndarray
    quantity_mw: np.ndarray
    price_eur_per_mwh: np.ndarray
    remaining_mw: np.ndarray
    refused: np.ndarray

    def __len__(self) -> int:
        return len(self.event)


def match(stream: Stream, terms: BookTerms | None = None) -> Matched:
    """Match a stream from an empty book.

    Parameters
    ----------
    stream : Stream
        Orders and cancellations.
    terms : BookTerms, optional
        Price band, tick, volume step, gates and self-trade rule.

    Returns
    -------
    Matched
        The same trades and refusals, in the same order, as :class:`markets.intraday.OrderBook` gives.
    """
    terms = terms if terms is not None else BookTerms()
    band = terms.price_min_eur_per_mwh, terms.price_max_eur_per_mwh, terms.tick_eur_per_mwh
    volume = terms.lot_mw, terms.volume_max_mw, terms.volume_step_mw > 0.0
    columns = stream.quantity_mw, stream.price_eur_per_mwh, stream.kind, stream.time_min
    code, tick, lots = _admit(*columns, band, volume, (terms.opens_min, terms.closes_min))
    is_order = (code == 0) & (stream.kind != _CANCEL)
    first = int(tick[is_order].min()) if is_order.any() else 0
    n_ticks = int(tick[is_order].max()) - first + 1 if is_order.any() else 1
    rule = SELF_TRADE_RULES.index(terms.self_trade)
    rows = stream.owner, stream.is_buy, stream.kind, stream.target
    event, resting, traded = _run(*rows, code, tick - first, lots, n_ticks, rule)
    is_buy = stream.is_buy[event]
    buy, sell = np.where(is_buy, event, resting), np.where(is_buy, resting, event)
    price, mw = _scaled(tick[resting], terms.tick_eur_per_mwh), _scaled(traded, terms.lot_mw)
    return Matched(event, buy, sell, mw, price, _scaled(lots, terms.lot_mw), code)


def _scaled(counts: np.ndarray, unit: float) -> np.ndarray:
    """Counts times a unit; for a unit of one part in n, the nearest float of the decimal number."""
    parts = round(1.0 / unit)
    return counts / parts if parts > 0 and abs(parts * unit - 1.0) < 1e-12 else counts * unit


@numba.njit(cache=True)
def _admit(
    quantity: np.ndarray,
    price: np.ndarray,
    kind: np.ndarray,
    time: np.ndarray,
    band: tuple,
    volume: tuple,
    gates: tuple,
) -> tuple:
    """First broken rule, price in ticks and volume in lots of every row."""
    n = len(quantity)
    code, ticks, lots = np.zeros(n, np.uint8), np.zeros(n, np.int64), np.zeros(n, np.int64)
    low, high, tick = band
    lot, most, has_step = volume
    for i in range(n):
        if kind[i] == _CANCEL:
            code[i] = 0 if time[i] < gates[1] else 3
            continue
        p, q = price[i] / tick, quantity[i] / lot
        if not (np.isfinite(price[i]) and np.isfinite(quantity[i])):
            code[i] = 1
        elif time[i] < gates[0]:
            code[i] = 2
        elif not time[i] < gates[1]:
            code[i] = 3
        elif kind[i] < 0 or kind[i] > _CANCEL:
            code[i] = 4
        elif quantity[i] < 0.0:
            code[i] = 5
        elif quantity[i] > most:
            code[i] = 6
        elif has_step and abs(q - np.rint(q)) > 1e-6:
            code[i] = 7
        elif q + 1e-6 < 1.0:
            code[i] = 8
        elif not (low - 1e-6 * tick <= price[i] <= high + 1e-6 * tick) or abs(p) > _MOST_TICKS:
            code[i] = 9
        elif abs(p - np.rint(p)) > 1e-6:
            code[i] = 10
        else:
            ticks[i], lots[i] = np.int64(np.rint(p)), np.int64(np.floor(q + 1e-6))
    return code, ticks, lots


@numba.njit(cache=True)
def _run(
    owner: np.ndarray,
    is_buy: np.ndarray,
    kind: np.ndarray,
    target: np.ndarray,
    code: np.ndarray,
    tick: np.ndarray,
    lots: np.ndarray,
    n_ticks: int,
    self_trade: int,
) -> tuple:
    """Trades as event row, resting row and lots; ``lots`` becomes what rests, ``code`` gains what the book refuses.

    Column 0 of the two-sided arrays belongs to sellers, column 1 to buyers.
    """
    n = len(owner)
    head, tail = np.full((n_ticks, 2), -1, np.int32), np.full((n_ticks, 2), -1, np.int32)
    used = np.zeros((n_ticks // _STRETCH + 1, 2), np.int64)
    link = np.full((n, 2), -1, np.int32)  # row before and behind in the queue of a price
    rests = np.zeros(n, np.bool_)
    best = np.array([n_ticks, -1], np.int64)
    event, resting, traded, k = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), 0
    queues = head, tail, used, link, rests, best
    for i in range(n):
        if code[i] != 0:
            continue
        if kind[i] == _CANCEL:
            t = target[i]
            if t < 0 or t >= n or not rests[t]:
                code[i] = 11
            elif owner[t] != owner[i]:
                code[i] = 12
            else:
                _leave(queues, t, tick[t], 1 if is_buy[t] else 0)
                lots[t] = 0
            continue
        side, other = (1, 0) if is_buy[i] else (0, 1)
        if kind[i] == _FOK and not _fits(head, link, best, used, owner, tick, lots, i, other, self_trade):
            lots[i] = 0
            continue
        while lots[i] > 0 and _crosses(best[other], tick[i], other, n_ticks):
            r = head[best[other], other]
            if owner[r] == owner[i] and self_trade == 1:
                lots[i] = 0
            elif owner[r] == owner[i] and self_trade == 0:
                _leave(queues, r, tick[r], other)
                lots[r] = 0
            else:
                size = min(lots[i], lots[r])
                event[k], resting[k], traded[k] = i, r, size
                k += 1
                lots[i] -= size
                lots[r] -= size
                if lots[r] == 0:
                    _leave(queues, r, tick[r], other)
        if kind[i] != _LIMIT:
            lots[i] = 0
        elif lots[i] > 0:
            _join(queues, i, tick[i], side)
    return event[:k].copy(), resting[:k].copy(), traded[:k].copy()


@numba.njit(cache=True)
def _crosses(best: int, limit: int, other: int, n_ticks: int) -> bool:
    """Whether an order with this limit meets the best price of the other side (0: sellers)."""
    return best <= limit and best < n_ticks if other == 0 else best >= limit and best >= 0


@numba.njit(cache=True)
def _join(queues: tuple, row: int, at: int, side: int) -> None:
    """Put an order at the end of the queue of its price."""
    head, tail, used, link, rests, best = queues
    rests[row] = True
    link[row, 0], link[row, 1] = tail[at, side], -1
    if tail[at, side] >= 0:
        link[tail[at, side], 1] = row
    else:
        head[at, side] = row
        used[at // _STRETCH, side] += 1
    tail[at, side] = row
    if (side == 0 and at < best[0]) or (side == 1 and at > best[1]):
        best[side] = at


@numba.njit(cache=True)
def _leave(queues: tuple, row: int, at: int, side: int) -> None:
    """Take an order out of the queue of its price."""
    head, tail, used, link, rests, best = queues
    rests[row] = False
    before, behind = link[row, 0], link[row, 1]
    if before >= 0:
        link[before, 1] = behind
    else:
        head[at, side] = behind
    if behind >= 0:
        link[behind, 0] = before
    else:
        tail[at, side] = before
    if head[at, side] < 0:
        used[at // _STRETCH, side] -= 1
        if best[side] == at:
            best[side] = _next_price(head, used, at, side)


@numba.njit(cache=True)
def _next_price(head: np.ndarray, used: np.ndarray, at: int, side: int) -> int:
    """Next used price after ``at`` in the direction that is worse for the side; the end of the array when none is."""
    step, n = (1, len(head)) if side == 0 else (-1, len(head))
    at += step
    while 0 <= at < n:
        if head[at, side] >= 0:
            return at
        stretch = at // _STRETCH
        if used[stretch, side] == 0:
            at = (stretch + 1) * _STRETCH if side == 0 else stretch * _STRETCH - 1
        else:
            at += step
    return n if side == 0 else -1


@numba.njit(cache=True)
def _fits(
    head: np.ndarray,
    link: np.ndarray,
    best: np.ndarray,
    used: np.ndarray,
    owner: np.ndarray,
    tick: np.ndarray,
    lots: np.ndarray,
    row: int,
    other: int,
    self_trade: int,
) -> bool:
    """Whether a fill-or-kill order finds all of its lots."""
    left, at = lots[row], best[other]
    while left > 0 and _crosses(at, tick[row], other, len(head)):
        r = head[at, other]
        while r >= 0 and left > 0:
            if owner[r] == owner[row] and self_trade == 1:
                return False
            if owner[r] != owner[row] or self_trade == 2:
                left -= lots[r]
            r = link[r, 1]
        at = _next_price(head, used, at, other)
    return left <= 0
