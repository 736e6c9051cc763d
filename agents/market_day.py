"""What happens at the gates of a market day: one method per gate of :func:`markets.calendar.market_day`.

A gate belongs to a delivery day; ``now`` is the period in which it closes (negative before the run starts).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.border import Border
from agents.cashbook import Cashbook
from agents.cast import Cast
from agents.exchange import EXCHANGE, Exchange
from agents.nation import Nation
from agents.redispatch import RedispatchDesk, counter_orders
from agents.roles.brp import URGENCY_EUR_PER_MWH
from agents.roles.grid_operator import GridOperator, Needs
from agents.roles.producer import Producer
from agents.transport import TransportRights
from markets import day_ahead
from markets.balancing import CapacityBids
from markets.calendar import Horizon
from markets.day_ahead import CurveOrders
from markets.levers import Regulation


@dataclass
class MarketDay:
    """The gates of a market day.

    Parameters
    ----------
    cast : Cast
        The roles.
    nation : Nation
        What the neighbouring zones offer.
    horizon : Horizon
        The periods.
    regulation : Regulation
        The levers.
    exchange, cashbook, desk
        Where orders go and money is booked.
    """

    cast: Cast
    nation: Nation
    horizon: Horizon
    regulation: Regulation
    exchange: Exchange
    cashbook: Cashbook
    desk: RedispatchDesk
    rights: TransportRights
    reserved: dict[str, np.ndarray] = field(init=False)
    border: Border = field(init=False)

    def __post_init__(self) -> None:
        self.border = Border(self.nation.neighbours, self.exchange)
        self.reserved = {name: np.zeros(self.horizon.n_periods) for name in ("fcr", "up", "down")}

    def periods_of(self, day: int) -> np.ndarray:
        """Periods of a delivery day."""
        span = self.horizon.day_slice(day)
        return np.arange(span.start, span.stop)

    def quarters_of(self, periods: np.ndarray) -> np.ndarray:
        """Quarter of the local day of every period; the repeated hour of autumn repeats its quarters."""
        return (self.horizon.local_hour[periods] * 4.0).astype(np.int64) % 96

    # --- before the run ----------------------------------------------------------------------------------------------

    def forward(self) -> None:
        """Trade base and peak power for the whole run ahead of everything else."""
        periods = np.arange(self.horizon.n_periods)
        everyone = (*self.cast.brps, *self.cast.producers)
        orders = [who.forward_orders(periods) for who in everyone]
        book = CurveOrders.concatenate(orders)
        clearing = day_ahead.clear(book, n_mtu=2, mtu_h=1.0)
        peak = self.horizon.is_peak
        signed = np.where(book.is_buy, clearing.accepted_mw, -clearing.accepted_mw)
        for mtu, hours in ((0, np.ones(len(periods), bool)), (1, peak)):
            price = float(clearing.price_eur_per_mwh[mtu])
            for row, party in enumerate(self.exchange.positions.parties):
                mw = float(np.sum(signed[(book.owner == row) & (book.mtu == mtu)]))
                if abs(mw) < 1e-9:
                    continue
                self.exchange.positions.bought_mwh["forward"][row, hours] += 0.25 * mw
                self.cashbook.pay_series(
                    periods[hours], self.exchange.accounts[row], EXCHANGE, np.full(int(hours.sum()), 0.25 * mw * price),
                    "forward", national=True,
                )  # fmt: skip
                pair = (EXCHANGE, party) if mw > 0 else (party, EXCHANGE)
                for period in periods[hours].tolist():
                    self.exchange.trades.add("forward", -96, period, *pair, abs(mw), price)

    # --- D-1 morning -------------------------------------------------------------------------------------------------

    def capacity_calls(self, now: int, day: int) -> None:
        """Capacity-limiting contracts are called before the auction; nobody trades them back."""
        if self.regulation.congestion_tool not in ("both", "capacity_call"):
            return
        periods, dso = self.periods_of(day), self.cast.dso
        dso.hear()
        price = self.regulation.capacity_call_eur_per_mwh
        called = dso.call_capacity(periods, price)
        for call in called:
            self.cashbook.pay(call.period, dso.account, self.cast.csp.account, call.owed_eur, "capacity_call")
            self.desk.pool_receipts_eur[call.period] += call.owed_eur
            row = (call.period, "capacity_call", "via_csp", call.branch, call.withheld_mw, call.owed_eur)
            self.desk.interventions.rows.append(row)
        self.desk.flex.note_calls(now, dso, called, price)
        self.cast.csp.pass_on_signals()

    def fcr_auction(self, now: int, day: int) -> None:
        """Sell frequency containment reserve in six blocks."""
        self.cast.tso.publish_forecast(now, self.periods_of(day))
        periods = self.periods_of(day)
        self.cast.pool.each(lambda a: a.offer_reserves(int(periods[0]), self.quarters_of(periods)))
        self._reserve_auction((0,), day)

    def afrr_capacity_auction(self, now: int, day: int) -> None:
        """Sell automatic restoration reserve, up and down apart."""
        self._reserve_auction((1, -1), day)
        periods = self.periods_of(day)
        self.cast.tso.tell_award(int(periods[0]), {name: self.reserved[name][periods] for name in self.reserved})
        self.cast.bsp.take_awards()

    def _reserve_auction(self, products: tuple[int, ...], day: int) -> None:
        periods, bsp, tso = self.periods_of(day), self.cast.bsp, self.cast.tso
        block = np.minimum(self.horizon.local_hour[periods] // 4.0, 5.0).astype(np.int64)
        start = periods[np.searchsorted(block, np.arange(6))]
        bids = self._capacity_bids(products, block, int(periods[0]))
        prequalified = dict.fromkeys(range(len(self.exchange.positions.parties)), np.inf)
        prequalified[bsp.row] = bsp.prequalified_mw
        award, won = tso.auction(products, bids, int(periods[0]), start, bsp.row, prequalified)
        tso.duty.note_award(award, bids, block, int(periods[0]))
        for producer in self.cast.producers:
            for product in award.directions:
                producer.take_contract(product, periods, tso.duty.contracted_mw[product][producer.row, periods])
        names = {0: "fcr", 1: "up", -1: "down"}
        for i, product in enumerate(award.directions):
            self.reserved[names[product]][periods] = won[i][block]
        for row in np.flatnonzero(award.payment_eur).tolist():
            owner, first = int(bids.owner[row]), int(start[int(bids.block[row])])
            account = bsp.account if owner == bsp.row else self.exchange.accounts[owner]
            reason = "fcr" if products == (0,) else "afrr_capacity"
            self.cashbook.pay_national(first, tso.account, account, float(award.payment_eur[row]), reason)
            if owner == bsp.row:
                bsp.reserve_eur[first] += float(award.payment_eur[row]) / self.cashbook.representation

    def _capacity_bids(self, products: tuple[int, ...], block: np.ndarray, first: int) -> CapacityBids:
        owner, columns = [], []
        for producer in self.cast.producers:
            offers = producer.offer_reserves(products)
            if offers is not None:
                owner.append(np.full(len(offers.block), producer.row))
                columns.append((offers.block, offers.quantity_mw, offers.price_eur_per_mw_h * 4.0, offers.direction))
        own = self.cast.bsp.capacity_bids(products, block, first)
        if own is not None:
            owner.append(own.owner)
            columns.append((own.block, own.quantity_mw, own.price_eur_per_mw, own.direction))
        if not columns:
            return CapacityBids(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0))
        joined = [np.concatenate(c) for c in zip(*columns, strict=True)]
        return CapacityBids(np.concatenate(owner), joined[0], joined[1], np.round(joined[2], 2), joined[3])

    # --- D-1 noon and afternoon --------------------------------------------------------------------------------------

    def day_ahead_auction(self, now: int, day: int) -> None:
        """Everybody bids from its own forecast; the price tells supplier, aggregator and drivers."""
        periods, cast = self.periods_of(day), self.cast
        per_mtu = self.regulation.day_ahead_mtu_min // 15
        cast.pool.each(lambda a: a.forecast_pool(now, periods, self.quarters_of(periods)))
        single = Horizon(self.horizon.date_of(day), 1)
        for brp in cast.brps:
            brp.hear()
        for producer in cast.producers:
            producer.hear()
        demand = [brp.bid_day_ahead(now, periods, per_mtu) for brp in cast.brps]
        supply = [p.offer_day_ahead(now, single, periods, per_mtu) for p in cast.producers]
        border = self.border.day_ahead_orders(periods, per_mtu)
        span = self.horizon.day_slice(day)
        accepted = self.exchange.day_ahead(now, span, [*demand, *supply, border])
        for producer, award in zip(cast.producers, accepted[len(demand) : -1], strict=True):
            producer.take_award(periods, award, per_mtu)
        for producer in cast.producers:
            producer.offer_balancing(now, periods)
        cast.pool_brp.publish(int(periods[0]), self.exchange.day_ahead_eur_per_mwh[span], periods)
        cast.supplier.price()

    def transport_limits(self, now: int, day: int) -> None:
        """The DSO decides what non-firm and pooled agreements leave on the day, within what they promise."""
        rights, dso = self.rights, self.cast.dso
        if not rights.may_be_limited:
            return
        periods = self.periods_of(day)
        wanted = dso.leave_room(periods, rights.rows, rights.right_kw[:, periods])
        dso.tell_limits(int(periods[0]), rights.rows, rights.withhold(periods, wanted), rights.group)

    def nominations(self, now: int, day: int) -> None:
        """Balance responsible parties tell the operator their programme: the position after the auction."""
        periods = self.periods_of(day)
        for brp in self.cast.brps:
            brp.nominate(periods)

    def demand_prognoses(self, now: int, day: int) -> None:
        """The pool's prognosis goes to the grid operators through the CSP."""
        periods = self.periods_of(day)
        self.cast.pool.hear(max(now, 0))
        self.cast.pool.offer_against_congestion(now, periods, self.quarters_of(periods))
        self.cast.csp.pass_on_offer()
        self.cast.dso.hear()
        self.cast.tso.hear()

    def intraday_auction_1(self, now: int, day: int) -> None:
        """IDA1 for the whole next day."""
        self._intraday_auction("ida1", now, self.periods_of(day))

    def intraday_auction_2(self, now: int, day: int) -> None:
        """IDA2 for the whole next day."""
        self._intraday_auction("ida2", now, self.periods_of(day))

    def intraday_auction_3(self, now: int, day: int) -> None:
        """IDA3 for the second half of the day."""
        periods = self.periods_of(day)
        self._intraday_auction("ida3", now, periods[self.horizon.local_hour[periods] >= 12.0])

    def _intraday_auction(self, name: str, now: int, periods: np.ndarray) -> None:
        for brp in self.cast.brps:
            brp.hear()
        urgency = URGENCY_EUR_PER_MWH[name]
        orders = [brp.close_gap(name, now, periods) for brp in self.cast.brps]
        orders += [p.intraday_orders(name, now, periods, urgency) for p in self.cast.producers]
        orders.append(self.border.intraday_orders(periods))
        self.exchange.intraday_auction(name, now, slice(int(periods[0]), int(periods[-1]) + 1), orders)
        for producer in self.cast.producers:
            producer.reschedule(now, periods)

    def congestion_forecast(self, now: int, day: int) -> None:
        """DSO and TSO predict the loading of their wires and announce congestion."""
        periods = self.periods_of(day)
        self._needs: list[tuple[GridOperator, Needs]] = self._announce(now, periods)

    def redispatch_auction(self, now: int, day: int) -> None:
        """The announced congestion of the day is cleared."""
        self.redispatch(now, self.periods_of(day), self._needs)

    def _announce(self, now: int, periods: np.ndarray) -> list[tuple[GridOperator, Needs]]:
        operators: tuple[GridOperator, ...] = (self.cast.dso, self.cast.tso)
        announced = [(operator, operator.announce(now, periods)) for operator in operators]
        for operator, needs in announced:
            self.desk.flex.note_needs(now, operator, needs)
        return announced

    def redispatch_intraday(self, now: int, periods: np.ndarray) -> None:
        """A later round for the hour whose gate is about to close."""
        self.redispatch(now, periods, self._announce(now, periods))

    def redispatch(self, now: int, periods: np.ndarray, needs: list[tuple[GridOperator, Needs]]) -> None:
        """Clear one round and tell the CSP what was taken (DSO-4, TSO-2, CSP-6)."""
        placed = self.cast.csp.place_orders(int(periods[0]), len(periods))
        if self.regulation.congestion_tool not in ("both", "redispatch"):
            return
        self.desk.duty.request(needs)
        if placed is None:
            return
        firm: list[Producer] = [p for p in self.cast.producers if not p.is_weather.all()]
        result = self.desk.clear(now, needs, placed, counter_orders(firm, now, periods))
        if result is None:
            return
        operator = next(o for o, n in needs if len(n.branches))
        operator.send(operator.order(int(periods[0]), result.rows, result.change_kw))  # type: ignore[call-arg]
        self.cast.csp.pass_on_signals()
        for producer in firm:
            producer.reschedule(now, periods)
