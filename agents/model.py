"""The main loop: a market simulation of one or more towns and their country, one quarter-hour a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import mesa
import numpy as np

from agents.bid_duty import BidDuty
from agents.billing import Billing
from agents.cast import Cast, engage, open_books
from agents.dispatch import Dispatch
from agents.events import GridEvents
from agents.information.assembly import equip, open_links
from agents.market_day import MarketDay
from agents.nation import build_nation
from agents.outcome import Outcome, collect
from agents.real_stations import RealStations
from agents.record import Record
from agents.redispatch import RedispatchDesk
from agents.settings import Settings
from agents.streams import generator
from agents.submeters import SubMeters
from agents.town import build_town
from agents.transport import TransportRights
from agents.twin import Twin
from agents.world.weather import build_weather
from markets.calendar import Gate, Horizon, agenda
from markets.contracts import Clock
from markets.redispatch import RedispatchRules


class Flexpolder(mesa.Model):
    """One run.

    Parameters
    ----------
    settings : Settings
        Everything that defines it; checked by the scenario reader.

    Attributes
    ----------
    town, nation
        The real world; roles see only what they own, measure or are told.
    cast : Cast
        The roles.
    period : int
        The next period to simulate.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(rng=int(settings.seed))
        self.settings = settings
        self.horizon = Horizon(settings.first_day, settings.days)
        weather = build_weather(self.horizon, generator(settings.seed, "weather"))
        self.town = build_town(settings, self.horizon, weather)
        self.nation = build_nation(settings, self.horizon, weather, self.town)
        self.links = open_links(settings)
        self.positions, self.cashbook, self.exchange = open_books(settings, self.horizon)
        self.cast: Cast = engage(self, settings, self.horizon, self.town, self.nation, self.links, self.exchange)
        equip(self.links, settings, self.town, self.cast, self.nation)
        clock = Clock.of(self.horizon)
        rules = settings.regulation
        self.rights = TransportRights(
            rules.transport_right,
            rules.is_clustering_allowed,
            self.town.grid.connections,
            self.town.fleet.points,
            clock,
            settings.agreements,
        )
        self.submeters = SubMeters(settings.tenants, self.town, self.horizon.n_periods)
        self.cast.supplier.tenant_points = self.submeters.points_by_contract()
        if self.submeters.parks:
            self.cast.cpo.share_parks = self.submeters.share
        self.market_day = MarketDay(
            self.cast,
            self.nation,
            self.horizon,
            settings.regulation,
            self.exchange,
            self.cashbook,
            self._desk(),
            self.rights,
        )
        self.twin = Twin(self.town, settings.grid)
        self.billing = Billing(self.town, self.cast, self.cashbook, settings.regulation, clock, self.rights, self.twin)
        self.record = Record(self.horizon.n_periods, self.town, len(self.positions.parties), settings.grid.quality)
        self.events = GridEvents(self.town, settings.grid, self.record.note_event)
        self.dispatch = Dispatch(self)
        self.period = 0
        self.real = (
            None
            if settings.hardware is None
            else RealStations(settings.hardware, self.town.fleet.points, self.town.grid.connections, self.horizon)
        )
        self._gates: dict[int, list[tuple[Gate, int]]] = defaultdict(list)
        for period, gate, day in agenda(self.horizon, settings.regulation.capacity_call_hour):
            self._gates[period].append((gate, day))

    def step(self) -> None:
        """Simulate one quarter-hour, in the order of a market day (report 6.2, 6.3).

        ======================  ==========================================================================  =======
        phase                   what happens                                                                report
        ======================  ==========================================================================  =======
        links                   messages that waited or were slow arrive; failures begin and end                    7.2
        gates                   auctions, calls, prognoses and announcements whose gate closes now          6.2, 7.1
        arrive                  cars plug in; wires fail or are restored; drivers and cars tell what they   6.3
                                share
        plan                    the aggregator plans on what reached it; forecasts go to BRP and BSP        6.2.2
        trade                   BRPs and producers trade the coming quarters; last redispatch round         6.2.3
        steer                   targets, reconciled by the CPO with the limits of its sites, reach points   6.1
        balance                 four-second balancing of the country; the pool follows its activation       4.1.3
        charge                  cars charge and deliver within every limit                                  3.2
        flow                    power flow; the DSO measures, and protects its wires                        3.1, 7.1
        meter                   meters are read and reported; sessions end; drivers are told                6.3
        settle                  energy accounts close, money moves, the balance is published                6.2.3
        ======================  ==========================================================================  =======
        """
        t = self.period
        self.links.open(t)
        self.open_gates(t)
        self.dispatch.arrive(t)
        self.dispatch.plan(t)
        self.dispatch.trade(t)
        self.dispatch.steer(t)
        self.dispatch.balance(t)
        self.dispatch.charge(t)
        self.dispatch.flow(t)
        self.dispatch.meter(t)
        self.dispatch.settle(t)
        self.period = t + 1

    def run(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Repeat :meth:`step` until the horizon ends."""
        self.open_early_gates()
        while self.period < self.horizon.n_periods:
            self.step()
            if progress is not None:
                progress(self.period, self.horizon.n_periods)
        self.dispatch.dismiss(self.horizon.n_periods - 1)

    def open_gates(self, period: int) -> None:
        """Everything whose gate closes in a period."""
        for gate, day in self._gates.get(period, ()):
            getattr(self.market_day, gate.name)(period, day)

    def open_early_gates(self) -> None:
        """Forward trade, and the gates of the first delivery day that close before the run starts."""
        self.market_day.forward()
        for period in sorted(p for p in self._gates if p < 0):
            self.open_gates(period)

    def close(self) -> None:
        """Let the run go: stations return to safe limits, and Mesa forgets the model (it would keep it)."""
        if self.real is not None:
            self.real.close("the run ended")
        ids = getattr(mesa.Agent, "_ids", None)
        if ids is not None:
            ids.pop(self, None)

    def _desk(self) -> RedispatchDesk:
        cast, town_brp = self.cast, self.cast.pool_brp
        rules = RedispatchRules.of(self.settings.regulation)
        flexible = np.unique(self.town.fleet.points.connection_row)
        capacity = self.town.grid.connections.capacity_kw[flexible]
        return RedispatchDesk(
            (cast.dso, cast.tso),
            rules,
            self.positions,
            self.cashbook,
            self.exchange.trades,
            self.exchange.rejections,
            (town_brp.party, town_brp.row, cast.csp.account),
            self.settings.representation,
            self.exchange.accounts,
            self.horizon,
            BidDuty(self.settings.regulation, rules, flexible, capacity, self.horizon.n_periods),
        )


def simulate(settings: Settings, progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Run a scenario from start to end.

    Parameters
    ----------
    settings : Settings
        A checked scenario.
    progress : callable, optional
        Told (periods done, periods in all).

    Returns
    -------
    Outcome
        Result tables as columns.
    """
    model = Flexpolder(settings)
    try:
        model.run(progress)
        return collect(model)
    finally:
        model.close()
