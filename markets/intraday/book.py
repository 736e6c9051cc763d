"""The continuous order book of one product: price first, then time, at the price of the order that came first.

This is the readable book that the simulation uses; :func:`markets.intraday.stream.match` is its fast twin for long
streams and is tested against it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

from markets.intraday.orders import KINDS, BookTerms, Level, Order, Product, Refusal, Snapshot, Trade


@dataclass(eq=False, slots=True)
class _Entry:
    """An order in the book. ``badness`` and ``turn`` order a side: price, then time; ``since`` dates its price."""

    order_id: int
    owner: int
    is_buy: bool
    kind: str
    tick: int
    lots: int
    shown: int
    peak: int
    since: int
    turn: int
    until_min: float

    @property
    def badness(self) -> int:
        return -self.tick if self.is_buy else self.tick

    def crosses(self, other: _Entry) -> bool:
        return self.tick >= other.tick if self.is_buy else self.tick <= other.tick


class _Queue:
    """One side of the book in the order of execution."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int, _Entry]] = []
        self._whole: list[tuple[int, int, _Entry]] = []  # the all-or-none orders among them

    def add(self, entry: _Entry) -> None:
        for places in self._lists(entry):
            insort(places, (entry.badness, entry.turn, entry))

    def remove(self, entry: _Entry) -> None:
        for places in self._lists(entry):
            del places[bisect_left(places, (entry.badness, entry.turn))]

    def _lists(self, entry: _Entry) -> tuple[list[tuple[int, int, _Entry]], ...]:
        return (self._places, self._whole) if entry.kind == "aon" else (self._places,)

    def all_or_none(self) -> list[_Entry]:
        """The waiting all-or-none orders, best first."""
        return [entry for _, _, entry in self._whole]

    def levels(self) -> Iterator[list[_Entry]]:
        """The orders of each price, best price first."""
        start = 0
        while start < len(self._places):
            badness = self._places[start][0]
            end = bisect_left(self._places, (badness + 1,), lo=start)
            yield [entry for _, _, entry in self._places[start:end]]
            start = end


@dataclass
class _Plan:
    """What an incoming order would do: fills in order, and resting orders of its own owner that it would meet."""

    fills: list[tuple[_Entry, int]]
    own: list[_Entry]
    lots: int


class OrderBook:
    """Continuous trade in one product.

    A side is a queue by price and time. An incoming order takes the best prices first; each trade has the price of
    the order that was in the book first. An all-or-none order keeps its place and is passed over by orders smaller
    than itself; when later orders rest against it, it is tried again as a whole. An iceberg's next peak joins the end
    of the queue at its price. Replacing an order keeps its place only when the quantity falls and nothing else changes.
    An order that is good till a date leaves the book when its time has come, before anything else happens there.

    Parameters
    ----------
    product : Product, optional
        What is traded.
    terms : BookTerms, optional
        Price band, tick, volume step, gates and self-trade rule.

    Attributes
    ----------
    trades : list of Trade
        All trades so far.
    refusals : list of Refusal
        Refused orders, cancellations and replacements with the rule's name.
    cancelled : list of (float, int, int, float, str)
        Time, order, owner, power and reason of everything that left the book or was dropped without trade.
    last_order_id : int
        Identifier of the latest accepted order, -1 before the first.
    """

    def __init__(self, product: Product | None = None, terms: BookTerms | None = None) -> None:
        self.product = product if product is not None else Product(0)
        self.terms = terms if terms is not None else BookTerms()
        self.trades: list[Trade] = []
        self.refusals: list[Refusal] = []
        self.cancelled: list[tuple[float, int, int, float, str]] = []
        self.last_order_id = -1
        self._next_id = 0
        self._turn = 0
        self._used: set[int] = set()
        self._dated: list[tuple[float, int]] = []
        self._resting: dict[int, _Entry] = {}
        self._queues = {True: _Queue(), False: _Queue()}

    def submit(self, order: Order, time_min: float = 0.0) -> list[Trade]:
        """Enter an order and trade what can be traded.

        Parameters
        ----------
        order : Order
            The order; one that breaks a rule is refused (see :attr:`refusals`) and changes nothing.
        time_min : float
            Time of entry in minutes from the start of the horizon.

        Returns
        -------
        list of Trade
            The trades it caused, in order.
        """
        self._expire_dated(time_min)
        rule = self._broken_rule(order, time_min)
        if rule:
            self.refusals.append(Refusal(time_min, order.order_id, order.owner, rule))
            return []
        order_id = order.order_id
        if order_id < 0:
            while self._next_id in self._used:
                self._next_id += 1
            order_id = self._next_id
        self._used.add(order_id)
        self.last_order_id = order_id
        return self._enter(self._entry_of(order, order_id), time_min)

    def is_fillable(self, order: Order, time_min: float = 0.0) -> bool:
        """Whether an order breaks no rule and would trade completely at once."""
        self._expire_dated(time_min)
        if self._broken_rule(order, time_min):
            return False
        entry = self._entry_of(order, -1)
        return self._plan(entry).lots == entry.lots

    def cancel(self, order_id: int, owner: int | None = None, time_min: float = 0.0) -> bool:
        """Take an order out; an unknown one, another owner's, or one after the gate is refused.

        Returns
        -------
        bool
            Whether an order left the book.
        """
        self._expire_dated(time_min)
        rule = self._access_rule(order_id, owner, time_min)
        if rule:
            self.refusals.append(Refusal(time_min, order_id, -1 if owner is None else owner, rule))
            return False
        self._drop(self._resting[order_id], time_min, "cancelled")
        return True

    def replace(
        self,
        order_id: int,
        *,
        quantity_mw: float | None = None,
        price_eur_per_mwh: float | None = None,
        owner: int | None = None,
        time_min: float = 0.0,
    ) -> list[Trade]:
        """Change the remaining quantity or the limit of a resting order.

        A smaller quantity alone keeps the place in the queue; anything else takes a new place and may trade at once.

        Returns
        -------
        list of Trade
            The trades it caused.
        """
        self._expire_dated(time_min)
        rule = self._access_rule(order_id, owner, time_min)
        if rule:
            self.refusals.append(Refusal(time_min, order_id, -1 if owner is None else owner, rule))
            return []
        entry = self._resting[order_id]
        quantity = self.terms.mw(entry.lots) if quantity_mw is None else quantity_mw
        price = self.terms.price(entry.tick) if price_eur_per_mwh is None else price_eur_per_mwh
        peak = min(self.terms.mw(entry.peak), quantity) if entry.peak else 0.0
        changed = Order(entry.owner, entry.is_buy, quantity, price, entry.kind, peak, good_till_min=entry.until_min)
        rule = self._broken_rule(changed, time_min)
        if rule:
            self.refusals.append(Refusal(time_min, order_id, entry.owner, rule))
            return []
        renewed = self._entry_of(changed, order_id)
        if renewed.tick == entry.tick and renewed.lots <= entry.lots:
            entry.lots, entry.peak = renewed.lots, renewed.peak
            entry.shown = min(entry.shown, entry.lots)
            return self._retry_all_or_none(entry.is_buy, time_min)
        self._remove(entry)
        return self._enter(renewed, time_min)

    def snapshot(self, time_min: float = 0.0, depth: int | None = None) -> Snapshot:
        """Give the visible book: price levels with shown power, best first, at most ``depth`` a side."""
        self._expire_dated(time_min)
        bids, asks = (tuple(self._levels(side, depth)) for side in (True, False))
        return Snapshot(time_min, bids, asks)

    def remaining_mw(self, order_id: int) -> float:
        """Power of an order that still rests, hidden part included; 0 when it does not rest."""
        entry = self._resting.get(order_id)
        return self.terms.mw(entry.lots) if entry else 0.0

    def resting(self, owner: int | None = None) -> list[int]:
        """Identifiers of resting orders, of one owner or all, in order of entry."""
        return [i for i, e in self._resting.items() if owner is None or e.owner == owner]

    def expire(self, time_min: float) -> int:
        """Drop everything that rests (gate closure); gives the number of orders dropped."""
        entries = list(self._resting.values())
        for entry in entries:
            self._drop(entry, time_min, "expired")
        return len(entries)

    def _expire_dated(self, time_min: float) -> None:
        """Drop the orders whose date has come."""
        while self._dated and self._dated[0][0] <= time_min:
            entry = self._resting.get(heappop(self._dated)[1])
            if entry is not None and entry.until_min <= time_min:
                self._drop(entry, entry.until_min, "good_till_date")

    # --- entry -----------------------------------------------------------------------------------------------------

    def _broken_rule(self, order: Order, time_min: float) -> str:
        """First rule an order breaks, or an empty string."""
        terms, mw, price, peak_mw = self.terms, order.quantity_mw, order.price_eur_per_mwh, order.peak_mw
        if not (math.isfinite(mw) and math.isfinite(price) and math.isfinite(peak_mw)) or math.isnan(
            order.good_till_min
        ):
            return "not_a_number"
        low, high, most = terms.price_min_eur_per_mwh, terms.price_max_eur_per_mwh, terms.volume_max_mw
        if time_min < terms.opens_min:
            return "before_gate_opening"
        if not time_min < terms.closes_min:
            return "after_gate_closure"
        if order.good_till_min <= time_min:
            return "good_till_date_past"
        if order.kind not in KINDS:
            return "unknown_order_kind"
        if mw < 0.0 or peak_mw < 0.0:
            return "negative_volume"
        if mw > most:
            return "volume_above_maximum"
        lots, peaks = mw / terms.lot_mw, min(peak_mw, most) / terms.lot_mw
        if terms.volume_step_mw and (abs(lots - round(lots)) > 1e-6 or abs(peaks - round(peaks)) > 1e-6):
            return "volume_off_step"
        if self._lots(mw) == 0:
            return "zero_volume"
        noise = 1e-6 * terms.tick_eur_per_mwh
        if not low - noise <= price <= high + noise:
            return "price_outside_limits"
        ticks = min(max(price, low), high) / terms.tick_eur_per_mwh
        if abs(ticks - round(ticks)) > 1e-6:
            return "price_off_tick"
        if order.kind == "iceberg" and not 1 <= self._lots(min(peak_mw, most)) <= lots + 1e-6:
            return "peak_outside_quantity"
        return "duplicate_id" if order.order_id in self._used else ""

    def _access_rule(self, order_id: int, owner: int | None, time_min: float) -> str:
        entry = self._resting.get(order_id)
        if not time_min < self.terms.closes_min:
            return "after_gate_closure"
        if entry is None:
            return "unknown_order"
        return "not_the_owner" if owner is not None and owner != entry.owner else ""

    def _lots(self, quantity_mw: float) -> int:
        return math.floor(quantity_mw / self.terms.lot_mw + 1e-6)

    def _entry_of(self, order: Order, order_id: int) -> _Entry:
        lots, peak = self._lots(order.quantity_mw), self._lots(order.peak_mw) if order.kind == "iceberg" else 0
        tick = round(order.price_eur_per_mwh / self.terms.tick_eur_per_mwh)
        self._turn += 1
        return _Entry(
            order_id,
            order.owner,
            order.is_buy,
            order.kind,
            tick,
            lots,
            peak or lots,
            peak,
            self._turn,
            self._turn,
            order.good_till_min,
        )

    # --- matching --------------------------------------------------------------------------------------------------

    def _enter(self, entry: _Entry, time_min: float) -> list[Trade]:
        trades = self._take(entry, time_min)
        if entry.lots == 0:
            return trades
        if entry.kind in ("ioc", "fok"):
            self._note(entry, time_min, "not_filled")
            return trades
        entry.shown = min(entry.peak, entry.lots) if entry.peak else entry.lots
        self._resting[entry.order_id] = entry
        if entry.until_min < math.inf:
            heappush(self._dated, (entry.until_min, entry.order_id))
        self._queues[entry.is_buy].add(entry)
        return trades + self._retry_all_or_none(not entry.is_buy, time_min)

    def _take(self, entry: _Entry, time_min: float) -> list[Trade]:
        """Trade an order against the other side as far as its kind allows."""
        plan = self._plan(entry)
        if entry.kind in ("fok", "aon") and plan.lots < entry.lots:
            return []
        for own in plan.own:
            if self.terms.self_trade == "cancel_resting":
                self._drop(own, time_min, "self_trade")
        trades = [self._fill(entry, resting, lots, time_min) for resting, lots in plan.fills]
        if plan.own and self.terms.self_trade == "cancel_incoming" and entry.lots:
            self._note(entry, time_min, "self_trade")
            entry.lots = 0
        return trades

    def _plan(self, entry: _Entry) -> _Plan:
        """Walk the other side in price–time order without changing it."""
        plan = _Plan([], [], 0)
        for resting, lots in self._visits(entry):
            left = entry.lots - plan.lots
            if resting.kind == "aon" and resting.lots > left:
                continue
            if resting.owner == entry.owner and self.terms.self_trade != "allow":
                if resting not in plan.own:
                    plan.own.append(resting)
                if self.terms.self_trade == "cancel_incoming":
                    break
                continue
            taken = min(lots, left)
            plan.fills.append((resting, taken))
            plan.lots += taken
            if plan.lots == entry.lots:
                break
        return plan

    def _visits(self, entry: _Entry) -> Iterator[tuple[_Entry, int]]:
        """Resting orders that cross, with the visible lots of each visit; an iceberg comes again with every peak."""
        for level in self._queues[not entry.is_buy].levels():
            if not entry.crosses(level[0]):
                return
            yield from _level_visits(level)

    def _fill(self, entry: _Entry, resting: _Entry, lots: int, time_min: float) -> Trade:
        """Execute one planned fill at the price of the order that came first."""
        first = min(entry, resting, key=lambda e: e.since)
        buy, sell = (entry, resting) if entry.is_buy else (resting, entry)
        is_buy_incoming = first is sell
        price, quantity = self.terms.price(first.tick), self.terms.mw(lots)
        trade = Trade(time_min, buy.order_id, sell.order_id, buy.owner, sell.owner, quantity, price, is_buy_incoming)
        self.trades.append(trade)
        entry.lots -= lots
        resting.lots -= lots
        resting.shown -= lots
        if resting.shown == 0:
            self._next_peak(resting)
        return trade

    def _next_peak(self, entry: _Entry) -> None:
        """Take an exhausted order out, or put the next peak of an iceberg at the end of its price level."""
        self._queues[entry.is_buy].remove(entry)
        if entry.lots == 0:
            del self._resting[entry.order_id]
            return
        self._turn += 1
        entry.turn, entry.shown = self._turn, min(entry.peak, entry.lots)
        self._queues[entry.is_buy].add(entry)

    def _retry_all_or_none(self, is_buy: bool, time_min: float) -> list[Trade]:
        """Try the waiting all-or-none orders of one side again, best first, until none can trade."""
        trades: list[Trade] = []
        for entry in self._queues[is_buy].all_or_none():
            found = self._take(entry, time_min)
            if found:
                self._remove(entry)
            trades += found
        return trades

    # --- leaving ---------------------------------------------------------------------------------------------------

    def _remove(self, entry: _Entry) -> None:
        self._queues[entry.is_buy].remove(entry)
        del self._resting[entry.order_id]

    def _drop(self, entry: _Entry, time_min: float, reason: str) -> None:
        self._remove(entry)
        self._note(entry, time_min, reason)

    def _note(self, entry: _Entry, time_min: float, reason: str) -> None:
        self.cancelled.append((time_min, entry.order_id, entry.owner, self.terms.mw(entry.lots), reason))

    def _levels(self, is_buy: bool, depth: int | None) -> list[Level]:
        price, mw = self.terms.price, self.terms.mw
        levels = islice(self._queues[is_buy].levels(), depth)
        return [Level(price(orders[0].tick), mw(sum(e.shown for e in orders)), len(orders)) for orders in levels]


def _level_visits(level: list[_Entry]) -> Iterator[tuple[_Entry, int]]:
    """Visits at one price: everyone's visible part in turn, then the next peaks, until all is shown."""
    hidden = {e.order_id: e.lots - e.shown for e in level}
    round_of = [(e, e.shown) for e in level]
    while round_of:
        following: list[tuple[_Entry, int]] = []
        for entry, lots in round_of:
            yield entry, lots
            peak = min(entry.peak, hidden[entry.order_id])
            if peak:
                hidden[entry.order_id] -= peak
                following.append((entry, peak))
        round_of = following
