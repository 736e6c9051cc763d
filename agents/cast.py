"""Who plays which role in a run: companies of the scenario become agents with what they own and can see."""

from __future__ import annotations

from dataclasses import dataclass

import mesa
import numpy as np

from agents.cashbook import Cashbook
from agents.exchange import BORDER, Exchange
from agents.fleet.acceptance import AcceptanceSpec
from agents.information.customers import Customers, first_holders
from agents.information.organisation import takes_part
from agents.links import Links
from agents.nation import Nation
from agents.pool import Pool
from agents.positions import Positions
from agents.roles.aggregator import Aggregator
from agents.roles.brp import BRP
from agents.roles.bsp import BSP
from agents.roles.charging_point import ChargingPoint, Stations
from agents.roles.cpo import CPO
from agents.roles.csp import CSP
from agents.roles.dso import DSO
from agents.roles.emsp import EMSP
from agents.roles.energy_manager import EnergyManager
from agents.roles.ev import EV, Evs
from agents.roles.ev_driver import Drivers, EVDriver
from agents.roles.fleet_operator import FleetOperator
from agents.roles.producer import Producer
from agents.roles.supplier import Supplier
from agents.roles.tso import TSO
from agents.roles.vehicle_maker import VehicleMaker
from agents.roles.weather_service import WeatherService
from agents.settings import Settings
from agents.streams import generator
from agents.town import Town
from agents.world.forecast import ErrorGrowth, forecast_source
from agents.world.standard import standard_loads
from markets import balancing
from markets.calendar import Horizon
from markets.contracts import Clock

TOWN_ERROR = ErrorGrowth((0.25, 1.0, 6.0, 24.0, 48.0), (0.004, 0.010, 0.018, 0.028, 0.035))
"""Forecast error of a town's load against lead time, share of its mean: somewhat above the country's (assumption)."""
REST = "Rest of the country"
"""Balance responsible party of everybody outside the town(s), where the scenario names none."""
LOSSES_SHARE = 0.025
"""Grid losses that the town's balance responsible party expects on top of what customers use."""


@dataclass(frozen=True)
class Cast:
    """All roles of a run, by their names in the report."""

    drivers: Drivers
    evs: Evs
    stations: Stations
    cpo: CPO
    emsp: EMSP
    pool: Pool
    csp: CSP
    bsp: BSP
    brps: tuple[BRP, ...]
    supplier: Supplier
    producers: tuple[Producer, ...]
    dso: DSO
    tso: TSO
    fleet_operator: FleetOperator
    energy_manager: EnergyManager
    vehicle_maker: VehicleMaker
    weather_service: WeatherService

    @property
    def aggregators(self) -> tuple[Aggregator, ...]:
        """All aggregators, in the order of the scenario."""
        return self.pool.members

    @property
    def aggregator(self) -> Aggregator:
        """The aggregator; where there are several, the first."""
        return self.pool.members[0]

    @property
    def pool_brp(self) -> BRP:
        """The balance responsible party of the simulated town."""
        return self.brps[0]


def holders(settings: Settings, role: str) -> list[str]:
    """Parties that hold a role, in the order of the scenario."""
    return [p.name for p in settings.parties if role in p.roles]


def holder(settings: Settings, role: str) -> str:
    """The party that holds a role that exists once."""
    found = holders(settings, role)
    if len(found) != 1:
        raise ValueError(f"role {role} is held by {len(found)} parties ({', '.join(found) or 'none'}); one is right")
    return found[0]


def trading_parties(settings: Settings) -> list[str]:
    """Balance responsible parties, the town's first and the border last."""
    town, producing = holder(settings, "supplier"), set(holders(settings, "producer"))
    others = [name for name in [*holders(settings, "brp"), *producing] if name != town]
    consuming = [name for name in others if name not in producing] or [REST]
    return [town, *consuming, *holders(settings, "producer"), BORDER]


def account_of(settings: Settings, party: str) -> str:
    """Ledger account under which a balance responsible party trades."""
    roles = next((p.roles for p in settings.parties if p.name == party), ())
    for role in ("supplier", "producer", "brp"):
        if role in roles:
            return f"{role}: {party}"
    return party


def local_accounts(settings: Settings) -> set[str]:
    """Accounts of parties that act for the town and its twins."""
    local = ("supplier", "aggregator", "csp", "bsp", "cpo", "emsp", "dso", "fleet_operator", "energy_manager")
    return {f"{r}: {p.name}" for p in settings.parties for r in p.roles if r in local}


def engage(
    model: mesa.Model,
    settings: Settings,
    horizon: Horizon,
    town: Town,
    nation: Nation,
    links: Links,
    exchange: Exchange,
) -> Cast:
    """Create every role of a run."""

    def one(role: str) -> tuple[mesa.Model, str, Links]:
        return model, holder(settings, role), links

    rules, fleet = settings.regulation, town.fleet
    points, table = fleet.points, town.grid.connections
    in_pool = takes_part(settings, points)
    clock = Clock.of(horizon)
    producers = _producers(model, settings, nation, links, exchange)
    operators = _operators(one, settings, horizon, town, nation, exchange)
    pool = _pool(model, settings, horizon, town, links, in_pool)
    rating_mw = float(np.sum(points.max_kw[in_pool])) * settings.representation / 1000.0
    site_kw = np.full(int(points.site.max()) + 1, np.inf)
    site_kw[points.site] = table.capacity_kw[points.connection_row]
    cast = Cast(
        drivers=Drivers(
            model, "drivers", links, fleet, settings.seed, AcceptanceSpec(settings.fleet.drivers.refuse_share)
        ),
        evs=Evs(model, "cars", links, fleet, rules.iso15118_share, rules.oem_api_share),
        stations=Stations(model, "stations", links, points, table.capacity_kw.astype(np.float64)),
        cpo=CPO(*one("cpo"), points, site_kw),
        emsp=EMSP(*one("emsp")),
        pool=pool,
        csp=CSP(*one("csp"), table.capacity_kw, 1000.0 * 0.1),
        bsp=BSP(
            *one("bsp"), len(exchange.positions.parties), rating_mw,
            balancing.pool_rules(rules), min(rules.min_bid_mw, 1.0), horizon.n_periods,
        ),
        brps=_brps(model, settings, horizon, town, nation, links, exchange),
        supplier=Supplier(*one("supplier"), rules, clock),
        producers=producers,
        dso=operators[0],
        tso=operators[1],
        fleet_operator=FleetOperator(*one("fleet_operator"), fleet),
        energy_manager=EnergyManager(*one("energy_manager")),
        vehicle_maker=VehicleMaker(*one("vehicle_maker")),
        weather_service=WeatherService(model, "weather service", links, nation.driver_forecast["solar"]),
    )  # fmt: skip
    for row in range(fleet.n_evs):
        EV(model, row, fleet, cast.evs.state)
        EVDriver(model, row, fleet)
    for row in range(fleet.n_points):
        ChargingPoint(model, row, points)
    return cast


def _strategies(settings: Settings) -> dict[str, str]:
    """Strategy by the fleet's own names of segments."""
    names = {"office": "work", "dc_site": "dc"}
    return {names.get(n, n): s.strategy for n, s in settings.fleet.segments.items()}


def _pool(
    model: mesa.Model, settings: Settings, horizon: Horizon, town: Town, links: Links, in_pool: np.ndarray
) -> Pool:
    """All aggregators with their customers; links share out what is for one of several."""
    fleet, rules = town.fleet, settings.regulation
    parties = [p for p in settings.parties if "aggregator" in p.roles]
    first = first_holders(settings, parties, fleet.n_evs)
    is_cpo = rules.aggregator_choice == "cpo"
    customers = Customers(fleet, in_pool, first, len(parties), is_cpo_choosing=is_cpo)
    members = []
    for k, party in enumerate(parties):
        strategies = dict.fromkeys(_strategies(settings), party.strategy) if party.strategy else _strategies(settings)
        share = None if len(parties) == 1 else customers.share[k].copy()
        member = Aggregator(
            model, party.name, links, fleet.points, strategies, in_pool, len(fleet.sessions), horizon.local_hour,
            settings.representation, share,
        )  # fmt: skip
        member.reward_share, member.passive_share = party.reward_share, rules.passive_balancing_share
        members.append(member)
    if len(members) > 1:
        links.routes["aggregator"] = customers
    return Pool(tuple(members), customers, rules.aggregator_switching, rules.aggregator_notice_days)


def _producers(
    model: mesa.Model, settings: Settings, nation: Nation, links: Links, exchange: Exchange
) -> tuple[Producer, ...]:
    """Share the units out: with two or more producers the last one owns wind and sun."""
    names = holders(settings, "producer")
    weather = np.flatnonzero(nation.is_weather_driven)
    firm = np.flatnonzero(~nation.is_weather_driven)
    if len(names) == 1:
        shares = [np.arange(len(nation.units))]
    else:
        shares = [*(firm[k :: len(names) - 1] for k in range(len(names) - 1)), weather]
    seeds = np.random.SeedSequence(settings.seed, spawn_key=(1000,)).spawn(len(names))
    found = []
    for k, (name, rows) in enumerate(zip(names, shares, strict=True)):

        def available(now: int, periods: np.ndarray | slice, rows: np.ndarray = rows) -> np.ndarray:
            return nation.available_forecast_mw(now, periods)[rows]

        units = [nation.units[r] for r in rows]
        rng = np.random.default_rng(seeds[k])
        found.append(
            Producer(model, name, links, exchange, units, available, nation.fuel, rng, has_other_flexibility=k == 0)
        )
    return tuple(found)


def _brps(
    model: mesa.Model,
    settings: Settings,
    horizon: Horizon,
    town: Town,
    nation: Nation,
    links: Links,
    exchange: Exchange,
) -> tuple[BRP, ...]:
    """The town's party first; every other party with the role but no plants carries a share of the country."""
    producing = set(holders(settings, "producer"))
    names = [n for n in trading_parties(settings)[:-1] if n not in producing]
    base = town.base_kw.sum(axis=0, dtype=np.float64) * settings.representation / 1000.0 * (1.0 + LOSSES_SHARE)
    mean = float(np.mean(np.abs(base)))
    growth = ErrorGrowth(TOWN_ERROR.lead_h, tuple(mean * s for s in TOWN_ERROR.sigma))
    own = forecast_source(base, growth, generator(settings.seed, "forecast_town"), memory_h=6.0)
    rest = nation.load_forecast.scaled(1.0 / max(len(names) - 1, 1))
    return tuple(
        BRP(model, name, links, exchange, own if k == 0 else rest, horizon.local_hour, has_pool=k == 0)
        for k, name in enumerate(names)
    )


def _operators(
    one: object, settings: Settings, horizon: Horizon, town: Town, nation: Nation, exchange: Exchange
) -> tuple[DSO, TSO]:
    arrays, table, rules = town.grid.arrays, town.grid.connections, settings.regulation
    is_high = np.array([arrays.node["u_rated"][t] >= 110e3 for t in arrays.to_node])
    sun = nation.driver_forecast["solar"]
    standard = standard_loads(
        horizon, table, arrays.n_nodes, town.home_kw + town.site_kw, town.roof_kw, sun.actual, sun.issued_at,
        generator(settings.seed, "yearly_meters"),
    )  # fmt: skip
    common = (table.node_index.astype(np.int64), standard, rules.congestion_threshold_share)
    units = nation.units
    weather = np.array([bool(u.driver) for u in units])

    def weather_mw(now: int, periods: np.ndarray) -> np.ndarray:
        return np.asarray(nation.available_forecast_mw(now, periods)[weather].sum(axis=0))

    dso = DSO(
        *one("dso"), town.flow.linear, ~is_high, *common,  # type: ignore[operator]
        threshold_share=rules.absolute_signal_threshold_share, path=rules.absolute_signal_path,
        is_announced=rules.absolute_signal_announced,
    )  # fmt: skip
    tso = TSO(
        *one("tso"), town.flow.linear, is_high, *common,  # type: ignore[operator]
        regulation=rules, load_forecast=nation.load_forecast, weather_mw=weather_mw,
        parties=[*exchange.positions.parties, holder(settings, "bsp")], rejections=exchange.rejections,
    )  # fmt: skip
    dso.equip(settings.signals, len(table), generator(settings.seed, "signal_hardware"))
    dso.uses_ac = tso.uses_ac = town.flow.fidelity != "linear"
    return dso, tso


def open_books(settings: Settings, horizon: Horizon) -> tuple[Positions, Cashbook, Exchange]:
    """Empty accounts of energy and money, and the exchange that fills them."""
    parties = trading_parties(settings)
    positions = Positions(parties, horizon.n_periods)
    cashbook = Cashbook(settings.representation, local_accounts(settings))
    accounts = [account_of(settings, name) for name in parties]
    return positions, cashbook, Exchange(horizon, settings.regulation, positions, cashbook, accounts)
