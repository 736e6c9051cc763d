"""The phases of one quarter-hour: who acts on what, in order. The list of phases is in :mod:`agents.model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agents.fleet.physics import StepResult, plug_in
from agents.roles.brp import URGENCY_EUR_PER_MWH
from agents.roles.tso import Balanced
from agents.settings import SEGMENTS
from agents.settlement import Delivered, Settlement
from agents.streams import generator
from markets import balancing
from markets.balancing import EnergyBids, PassiveGroups
from markets.intraday import Product

if TYPE_CHECKING:
    from agents.model import Flexpolder

INTRADAY_LEADS = ((8, 4), (4, 2), (3, 1))
"""When a product is traded continuously: quarters before delivery, and its length in quarters. Hours first, then half
hours and quarters for the shape; quarters once more at the last moment before their gate."""
BALANCING_LEAD = 2
"""Quarters between the last change of a balancing bid and delivery (TenneT: 30 minutes)."""


def intraday_leads(gate_min: float) -> tuple[tuple[int, int], ...]:
    """Lead and length of the products that are traded in a period: those whose gate is open, the last quarter last."""
    last = max(1, int(gate_min // 15) + 1)
    return (*(pair for pair in INTRADAY_LEADS if pair[0] > last or (pair[0] == last and pair[1] > 1)), (last, 1))


class Dispatch:
    """Acts out the phases of a run's periods.

    Parameters
    ----------
    model : Flexpolder
        The run.
    """

    def __init__(self, model: Flexpolder) -> None:
        self.model, self.cast, self.town, self.nation = model, model.cast, model.town, model.nation
        self.scale = model.settings.representation / 1000.0
        self.regulation = model.settings.regulation
        self.record, self.positions = model.record, model.positions
        n = model.horizon.n_periods
        self._behind_meter, count = np.unique(self.town.fleet.points.connection_row, return_counts=True)
        self._is_shared = count > 1
        self.frequency_hz = balancing.frequency_deviation_hz(n * 225, generator(model.settings.seed, "frequency"))
        self._point_of = self.town.fleet.points.connection_row
        self._settlement = Settlement(model)
        self._droop_owed_mw = 0.0
        self._leads = intraday_leads(self.regulation.intraday_gate_closure_min)
        self._step: StepResult | None = None
        self._balanced: Balanced | None = None
        self._output: list[np.ndarray] = []

    # --- cars and information ----------------------------------------------------------------------------------------

    def arrive(self, t: int) -> None:
        """Cars plug in and everybody says what is shared."""
        cast, fleet = self.cast, self.town.fleet
        self._real_stations(t)
        arrived = plug_in(fleet, cast.evs.state, t)
        self._supply(t)
        cast.pool.open_day(t, cast.dso)
        cast.weather_service.publish(t)
        cast.pool.begin(arrived)
        cast.drivers.wish(arrived, cast.evs.state.battery_kwh)
        cast.evs.introduce(arrived)
        cast.drivers.withdraw(t, cast.evs.state.session_row)
        cast.vehicle_maker.share()
        cast.emsp.pass_on_wishes()
        s = fleet.sessions
        cast.stations.announce(
            arrived, s.cp_row[arrived].astype(np.int64), s.arrival_min[arrived].astype(np.float64),
            cast.evs.ratings(arrived),
        )  # fmt: skip
        cast.stations.occupy(cast.evs.state.session_row >= 0)
        cast.cpo.pass_on_sessions()
        cast.fleet_operator.schedule(arrived, cast.evs.state.battery_kwh)
        load = self.town.base_kw[self._behind_meter, t].astype(np.float64)
        cast.energy_manager.measure(self._behind_meter, load, self._is_shared)

    def _real_stations(self, t: int) -> None:
        """Physical stations come and go; the CPO hears which of them can be steered."""
        real = self.model.real
        if real is None:
            return
        if real.join(t) or t in real.live:
            self.cast.stations.tell_steering(real.rows, real.is_biddable)
        elif real.leave(t):
            real.log.settle_late(self.model, t)
            self.cast.stations.tell_steering(real.rows, np.ones(len(real.rows), dtype=bool))

    def dismiss(self, t: int) -> None:
        """The run is over: physical stations return to their safe limits; what they metered late is booked."""
        real = self.model.real
        if real is not None and real.leave(t + 1):
            real.log.settle_late(self.model, t)

    def _supply(self, t: int) -> None:
        """Outages begin and end; operators know their switches, and what is dark feeds itself if it can."""
        events, evs = self.model.events, self.cast.evs
        if events.switch(t):
            for operator in (self.cast.dso, self.cast.tso):
                operator.rewire(events.flow.linear)
        evs.dark = events.supply(t, evs.state)

    def plan(self, t: int) -> None:
        """The aggregator plans; BRP and BSP learn what it will do."""
        cast, n = self.cast, self.model.horizon.n_periods
        cast.pool.hear(t)
        cast.pool.plan(t)
        ahead = np.arange(t, min(t + 96, n))
        quarters = self.model.market_day.quarters_of(ahead)
        cast.pool.update_forecast(t, ahead, quarters, is_hourly=t % 4 == 0)
        if t % 4 == 0:
            cast.pool.offer_against_congestion(t, ahead, quarters)
            cast.csp.pass_on_offer()
            cast.dso.hear()
            cast.tso.hear()
        if t + BALANCING_LEAD < n:
            cast.pool.each(lambda a: a.offer_balancing(t + BALANCING_LEAD, 1))
        cast.bsp.hear()
        for brp in cast.brps:
            brp.hear()

    def trade(self, t: int) -> None:
        """Continuous intraday trade of the coming quarters, and the last redispatch round of an hour."""
        n, exchange = self.model.horizon.n_periods, self.model.exchange
        urgency = URGENCY_EUR_PER_MWH["continuous"]
        for lead, length in self._leads:
            first = t + lead
            if first % length or first + length > n:
                continue
            product = Product(first, length)
            quotes = [q for producer in self.cast.producers for q in producer.quotes(t, product)]
            exchange.quote(t, product, [*quotes, *self.model.market_day.border.quotes(t, product)])
            if length == 1:
                exchange.snapshot(t, first)
            for brp in self.cast.brps:
                brp.trade_continuously(t, product)
            for producer in self.cast.producers:
                producer.trade_weather(t, product, urgency)
                producer.reschedule(t, product.span)
        exchange.close(t)
        gate = -(-self.regulation.redispatch_gate_min // 15)
        if t % 4 == 0 and t + gate < n:
            self.model.market_day.redispatch_intraday(t, np.arange(t + gate, min(t + gate + 4, n)))

    def steer(self, t: int) -> None:
        """Targets of the aggregator, reconciled by the CPO, become limits of the points."""
        self.cast.csp.pass_on_signals()
        self.cast.pool.hear(t)
        self._send_targets(t)

    def _send_targets(self, t: int) -> None:
        self.cast.pool.steer(t)
        self.cast.cpo.steer(t)
        self.cast.stations.command(t)
        self.cast.evs.obey()

    # --- balancing ---------------------------------------------------------------------------------------------------

    def balance(self, t: int) -> None:
        """Balance the country against what the cars would do; the pool then follows what was activated."""
        cast = self.cast
        self._output = [producer.deliver(t) for producer in cast.producers]
        baseline_kw = cast.evs.rehearse(t).power_kw
        error = self._open_loop_mw(t, float(np.sum(baseline_kw)))
        bids = self._bids(t)
        up, down = cast.pool.passive_range_mw(t)
        passive = PassiveGroups(up, down, 10.0, self.regulation.pass_through_ramp_share_per_min)
        prequalified = dict.fromkeys(range(len(self.positions.parties)), np.inf)
        prequalified[cast.bsp.row] = cast.bsp.prequalified_mw
        price = float(self.model.exchange.day_ahead_eur_per_mwh[t])
        self._balanced = cast.tso.balance(t, bids, error, passive, prequalified, price)
        self._check_reserves(t, self._balanced, baseline_kw)
        self._follow(t, self._balanced)
        self.record.baseline_kw[t] = float(np.sum(baseline_kw))

    def _open_loop_mw(self, t: int, ev_kw: float) -> np.ndarray:
        """Area control error of a period before balancing: what was bought less what is used, and the disturbance."""
        base = float(self.town.base_kw[:, t].sum(dtype=np.float64))
        town_mw = (base + ev_kw) * self.scale * (1.0 + self.record.losses_share)
        rest = self.nation.parts_of_load_mw(t, len(self.cast.brps) - 1)
        used = np.array([town_mw, *rest, *(-float(o.sum()) for o in self._output)])
        bought = self.positions.all_mwh(t)[:-1] / 0.25
        disturbance = self.nation.disturbance_mw[t]
        return float(np.sum(bought) - np.sum(used)) + disturbance

    def _bids(self, t: int) -> EnergyBids:
        books = [producer.balancing_bids(t) for producer in self.cast.producers]
        books.append(self.cast.bsp.energy_bids(t))
        return EnergyBids.concatenate([b for b in books if b is not None and len(b)])

    def _follow(self, t: int, balanced: Balanced) -> None:
        """Pass activation, passive reaction and droop on to the pool, which steers anew."""
        cast = self.cast
        activated_mw = balanced.energy_of(cast.bsp.row) / 0.25
        passive_mw = float(np.sum(balanced.activation.passive_energy_mwh)) / 0.25
        droop_mw = self._droop_owed_mw = self._droop_mw(t)
        if activated_mw:
            cast.tso.activate(t, activated_mw)
            cast.bsp.pass_on_activation()
            cast.pool.each(lambda a: a.hear_activations())
            cast.pool.note_activated(cast.bsp.called_mw, 0.25 * activated_mw)
        if passive_mw or droop_mw:
            cast.pool.react(t, passive_mw, droop_mw)
        if activated_mw or passive_mw or droop_mw:
            self._send_targets(t)
        self.record.activated_mwh[t] = 0.25 * activated_mw
        self.record.passive_mwh[t] = 0.25 * passive_mw

    def _check_reserves(self, t: int, balanced: Balanced, baseline_kw: np.ndarray) -> None:
        """Contracted reserve that was not bid, or not there, costs its provider a penalty (TSO-1)."""
        tso, bsp = self.cast.tso, self.cast.bsp
        fallen = tso.duty.check_bids(t, balanced.bids)
        room = np.zeros(2)
        for aggregator, here, sessions in self.cast.pool.here():
            now = np.maximum(baseline_kw[here], 0.0)
            most = aggregator.believed.max_kw[sessions]
            room += [self.scale * float(np.sum(kw)) for kw in (now, np.maximum(most - now, 0.0))]
        frequency = 50.0 + self.frequency_hz[225 * t : 225 * (t + 1)]
        fallen += tso.duty.check_fcr(t, bsp.row, frequency, *room.tolist())
        for owner, eur in fallen:
            account = bsp.account if owner == bsp.row else self.model.exchange.accounts[owner]
            self.model.cashbook.pay_national(t, account, tso.account, eur, "reserve_penalty")
            if owner == bsp.row:
                bsp.reserve_eur[t] -= eur / self.model.settings.representation

    def _droop_mw(self, t: int) -> float:
        """Mean FCR that the contracted capacity owes in a period, + = up."""
        capacity = float(self.cast.pool.fcr_mw[t])
        if not capacity:
            return 0.0
        frequency = 50.0 + self.frequency_hz[225 * t : 225 * (t + 1)]
        return float(np.mean(balancing.fcr_response_mw(frequency, capacity)))

    # --- physics -----------------------------------------------------------------------------------------------------

    def charge(self, t: int) -> None:
        """Every car moves through the period."""
        if self.cast.evs.dark is not None:
            self.model.events.postpone(self.cast.evs.wish(t))
        if self.model.real is not None:
            self.cast.evs.real_rows, self.cast.evs.real_kw = self.model.real.drive(t, self.cast.evs.limit_kw)
        unsignalled_kwh = self._unsignalled_kwh(t)
        self._step = self.cast.evs.charge(t)
        power = self._step.power_kw
        if unsignalled_kwh is not None:
            self.record.withheld_kwh[t] = unsignalled_kwh - float(np.sum(self._step.energy_kwh))
        self.record.segment_kw[:, t] = np.bincount(
            self.town.fleet.points.segment, weights=power, minlength=len(SEGMENTS)
        )
        self.record.ev_kw[:, t] = self.town.at_connections(power)
        self.model.submeters.note(t, power)

    def _unsignalled_kwh(self, t: int) -> float | None:
        """What cars would draw without the direct signals that hold now; None where none does, or supply failed."""
        stations, evs = self.cast.stations, self.cast.evs
        if not len(stations.signalled) or evs.dark is not None:
            return None
        limit = evs.limit_kw.copy()
        limit[stations.signalled] = np.maximum(limit[stations.signalled], stations.unsignalled_kw)
        return float(np.sum(evs.wish(t, limit).energy_kwh))

    def flow(self, t: int) -> None:
        """Power flow of the wires; the operators measure them and protect them."""
        base = self.town.base_kw[:, t].astype(np.float64)
        ev = self.record.ev_kw[:, t].astype(np.float64)
        wires = self.model.events.flow
        state = wires.solve(base, ev_kw=ev, connection_kvar=self.town.kvar_at(t))
        self.record.note_flow(t, state, float(np.sum(base) + np.sum(ev)))
        node_kw = np.where(wires.arrays.is_energised, wires.node_kw(base + ev), np.nan)
        loading = self.record.loading_share[t]
        self.model.events.protect(t, loading)
        for operator in (self.cast.dso, self.cast.tso):
            operator.monitor(t, node_kw, loading)
        self.cast.dso.protect(t, loading, self._behind_meter)
        self.cast.csp.pass_on_signals()

    def meter(self, t: int) -> None:
        """Meters are read, sessions end, everybody reports."""
        assert self._step is not None
        cast, s = self.cast, self.town.fleet.sessions
        gone = self._step.departed
        state = cast.evs.state
        net = state.session_import_kwh[gone] - state.session_export_kwh[gone]
        cast.stations.sample(t, gone, s.cp_row[gone].astype(np.int64), net)
        cast.cpo.report()
        cast.pool.hear(t)
        quarter = int(self.model.market_day.quarters_of(np.array([t]))[0])
        cast.pool.remember(t, quarter)
        cast.pool.report_use(t)
        cast.bsp.report()
        cast.csp.report()
        cast.tso.hear_use()
        cast.pool_brp.note_pool_metered(t, float(np.sum(self._step.power_kw)) * self.scale)

    # --- settlement --------------------------------------------------------------------------------------------------

    def settle(self, t: int) -> None:
        """Energy accounts close and money moves."""
        assert self._step is not None and self._balanced is not None
        self._settlement.settle(Delivered(t, self._step, self._balanced, self._output, self._droop_owed_mw))
        if self.model.real is not None:
            self.model.real.log.settle_late(self.model, t)
        self.cast.tso.publish_balance(t)
