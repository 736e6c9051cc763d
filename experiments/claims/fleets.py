"""Experiments on many EVs: the rebound peak, flexibility by segment, delivery, and pools that reach one megawatt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from agents.fleet.behaviour import build_fleet, rated
from agents.fleet.spec import FleetSpec
from agents.fleet.strategies import STRATEGIES
from agents.fleet.tables import SEGMENT_OF_KIND, ChargingPoints, Fleet
from agents.fleet.view import SessionView, Signal
from agents.world.homes import home_load_kw
from agents.world.weather import build_weather
from experiments.claims.claim import Evidence, certain, over
from markets.balancing import prequalify
from markets.calendar import Horizon
from markets.contracts import Clock
from markets.tariffs import TimeOfUse

WINTER_WEEK = Horizon(date(2026, 1, 19), 7)
WINTER_DAYS = Horizon(date(2026, 1, 20), 2)
SHARES = (0.1, 0.3, 0.6, 1.0)
"""Shares of homes with an EV at which the rebound is looked for."""


@dataclass(frozen=True)
class Stays:
    """Sessions of one segment on the quarter-hour grid."""

    arrival: np.ndarray
    departure: np.ndarray
    need_kwh: np.ndarray
    max_kw: np.ndarray
    min_kw: np.ndarray
    discharge_kw: np.ndarray
    ev_row: np.ndarray

    @property
    def slack_h(self) -> np.ndarray:
        """Hours that a car is plugged in beyond the time it needs."""
        return np.maximum((self.departure - self.arrival) * 0.25 - self.need_kwh / self.max_kw, 0.0)


def stays_of(fleet: Fleet, segment: str) -> Stays:
    """Sessions of a segment that start within the horizon; needs at the meter, as far as the car can take them."""
    s, v, p = fleet.sessions, fleet.vehicles, fleet.points
    is_here = (p.segment[s.cp_row] == SEGMENT_OF_KIND[segment]) & (s.arrival_min >= 0)
    rows = np.flatnonzero(is_here & (s.arrival_min < fleet.horizon.n_periods * 15))
    _, high, low, eta = rated(v, p, s.ev_row[rows], s.cp_row[rows])
    rows, high, low, eta = rows[high > 0], high[high > 0], low[high > 0], eta[high > 0]
    ev, cp = s.ev_row[rows], s.cp_row[rows]
    can = p.is_bidirectional[cp]
    return Stays(
        arrival=s.arrival_min[rows] // 15,
        departure=np.ceil(s.departure_min[rows] / 15).astype(np.int64),
        need_kwh=np.minimum(s.need_kwh[rows], v.capacity_kwh[ev]) / np.maximum(eta, 0.5),
        max_kw=high,
        min_kw=low,
        discharge_kw=np.where(can, np.minimum(v.discharge_kw[ev], high), 0.0),
        ev_row=ev,
    )


def _homes(n: int, seed: int, horizon: Horizon, v2x_share: float = 0.0) -> Fleet:
    points = ChargingPoints.of(np.arange(n), ["home"] * n, 11.04, 3, 0, None, np.ones(n, bool))
    return build_fleet(FleetSpec(v2x_share=v2x_share), horizon, points, seed)


def rebound(draws: int, size: int) -> Evidence:
    """A street of homes whose EVs wait for the low grid fee at 21:00, at rising numbers of EVs.

    ``size`` is the number of homes.
    """
    fee = TimeOfUse().fee_eur_per_kwh(Clock.of(WINTER_DAYS))
    is_low = fee <= fee.min()
    ratio: dict[float, list[float]] = {share: [] for share in SHARES}
    evening: list[float] = []
    for seed in range(draws):
        weather = build_weather(WINTER_DAYS, np.random.default_rng([3, seed]))
        load = home_load_kw(WINTER_DAYS, size, np.random.default_rng([5, seed]), weather).sum(axis=0)
        stays = stays_of(_homes(size, seed, WINTER_DAYS), "home")
        for share in SHARES:
            rows = stays.ev_row < share * size
            free, steered = (_power(stays, rows, name, fee, is_low) for name in ("uncontrolled", "time_of_use"))
            ratio[share].append(float((load + steered).max() / (load + free).max()))
            if share == 1.0:
                high = ~is_low
                evening.append(float(steered[high].sum() / max(free[high].sum(), 1e-9)))
    checks = [
        over(f"peak with the fee over peak without, EVs at {100 * s:.0f} % of homes", ratio[s], "") for s in SHARES[:-1]
    ]
    most = over("peak with the fee over peak without, an EV at every home", ratio[1.0], "", above=1.0)
    moved = over("charging left in the high-fee hours, of what it was", evening, "share", below=0.5)
    start = next((s for s in SHARES if np.mean(ratio[s]) > 1.0), None)
    where = f"The new peak is the higher one from about {100 * start:.0f} % of homes on." if start else "It never is."
    return Evidence((moved, most, *checks), where)


def _power(stays: Stays, rows: np.ndarray, strategy: str, price: np.ndarray, is_low: np.ndarray) -> np.ndarray:
    """Power of some stays under a strategy that knows departures, float64[n_periods]."""
    n = int(rows.sum())
    view = SessionView.of(
        n,
        energy_needed_kwh=stays.need_kwh[rows],
        efficiency=1.0,
        arrival_period=stays.arrival[rows],
        departure_period=stays.departure[rows],
        max_kw=stays.max_kw[rows],
        min_kw=stays.min_kw[rows],
        capacity_kwh=1000.0,
    )
    plan = STRATEGIES[strategy](view, Signal(price, is_low_tariff=is_low))
    return plan.sum(axis=0)


def delivery_doubles(draws: int, size: int) -> Evidence:
    """Steerable power of plugged-in home EVs with and without delivery to the grid, hour by hour.

    ``size`` is the number of homes; every car can deliver in the second fleet.
    """
    ratio, swing, plugged = [], [], []
    for seed in range(draws):
        stays = stays_of(_homes(size, seed, WINTER_WEEK, v2x_share=1.0), "home")
        up, both = np.zeros(WINTER_WEEK.n_periods), np.zeros(WINTER_WEEK.n_periods)
        for a, d, high, back in zip(stays.arrival, stays.departure, stays.max_kw, stays.discharge_kw, strict=True):
            up[a:d] += high
            both[a:d] += high + back
        settled = slice(96, None)
        ratio.append(float(both[settled].sum() / up[settled].sum()))
        swing.append(float(both[settled].max() / 1000.0))
        plugged.append(float(np.mean(stays.discharge_kw > 0)))
    return Evidence(
        (
            over("steerable power with delivery over that without", ratio, "", above=1.8),
            over("largest swing that one hand on all switches could cause", swing, f"MW per {size} homes"),
            over("sessions of cars that can deliver", plugged, "share"),
        ),
        "Twice the power for balancing is twice the power for an attacker. Plug-in hybrids and chargers that cannot "
        "deliver keep the ratio below two; empty batteries and reserves lower it further from hour to hour.",
    )


def dc_flexibility(draws: int, size: int) -> Evidence:
    """Time that cars are plugged in beyond what they need, at fast chargers and elsewhere.

    ``size`` is the number of charging points per segment.
    """
    places = ("home", "public_ac", "office", "dc_site")
    slack: dict[str, list[float]] = {p: [] for p in places}
    shiftable: dict[str, list[float]] = {p: [] for p in places}
    for seed in range(draws):
        fleet = _mixed(size, seed)
        for place in places:
            stays = stays_of(fleet, place)
            slack[place].append(float(np.median(stays.slack_h)))
            waits = stays.slack_h >= 1.0
            shiftable[place].append(float(stays.need_kwh[waits].sum() / max(stays.need_kwh.sum(), 1e-9)))
    others = [
        over(
            f"hours to spare per session, {p.replace('_', ' ')} less fast charger",
            np.subtract(slack[p], slack["dc_site"]),
            "h",
            above=0.0,
        )
        for p in places[:-1]
    ]
    return Evidence(
        (
            over("energy at fast chargers that could wait an hour", shiftable["dc_site"], "share", below=0.1),
            *others,
            over("energy at home that could wait an hour", shiftable["home"], "share"),
        ),
        "Only the fast chargers' own connection limit is left to optimise.",
    )


def _mixed(size: int, seed: int) -> Fleet:
    kinds = ["home"] * size + ["public_ac"] * size + ["office"] * size + ["dc_site"] * max(size // 10, 2)
    power = np.where(np.array(kinds) == "dc_site", 150.0, 11.04)
    points = ChargingPoints.of(np.arange(len(kinds)), kinds, power, 3, 0)
    return build_fleet(FleetSpec(), WINTER_WEEK, points, seed)


def pooling(draws: int, size: int) -> Evidence:
    """Power that public points can surely give for four hours, by feeder, by station and all together.

    ``size`` is the number of public points (the report: 10,000). A feeder has 16, a station 160 of them. What a
    cluster can surely give is its lowest power in the best four-hour block of the day.
    """
    feeder, station, whole, recognised, by_station, hours = [], [], [], [], [], []
    for seed in range(draws):
        points = ChargingPoints.of(np.arange(size), ["public_ac"] * size, 11.04, 3, np.arange(size) // 16)
        fleet = build_fleet(FleetSpec(), WINTER_DAYS, points, seed)
        power = _uncontrolled_kw(fleet)[:, 96:]
        feeder.append(_best_block_mw(_sums(power, 16)))
        station.append(_best_block_mw(_sums(power, 160)))
        whole.append(_best_block_mw(power.sum(axis=0, keepdims=True)))
        by_station.append(prequalify(_blocks_mw(_sums(power, 160)).max(axis=1)).prequalified_mw)
        recognised.append(prequalify(_blocks_mw(_sums(power, 1600)).max(axis=1)).prequalified_mw)
        hours.append(float(np.mean(power.sum(axis=0) >= 1000.0)))
    return Evidence(
        (
            over("best feeder", feeder, "MW", below=1.0),
            over("best station", station, "MW", below=1.0),
            over("all points together", whole, "MW", above=1.0),
            over("pool that the operator recognises, in groups of ten stations", recognised, "MW"),
            over("pool that the operator recognises, in groups of one station", by_station, "MW"),
            over("share of the day in which all together draw 1 MW", hours, "share"),
        ),
        f"Reducible power of {size} public points on a winter day, without delivery to the grid.",
    )


def _uncontrolled_kw(fleet: Fleet) -> np.ndarray:
    from agents.fleet.kernels import run_week
    from agents.fleet.state import initial_state

    return run_week(fleet, initial_state(fleet)).power_kw


def _sums(power: np.ndarray, members: int) -> np.ndarray:
    return np.add.reduceat(power, np.arange(0, len(power), members), axis=0)


def _blocks_mw(power_kw: np.ndarray) -> np.ndarray:
    """Lowest power of each four-hour block, MW, float64[n_clusters, n_blocks]."""
    return power_kw.reshape(len(power_kw), -1, 16).min(axis=2) / 1000.0


def _best_block_mw(power_kw: np.ndarray) -> float:
    return float(_blocks_mw(power_kw).max())


def single_case() -> Evidence:
    """The worked case of 100 EVs: 550 kW uncontrolled, 1,100 kW after the fee drops."""
    arrival = np.repeat([68, 76], 50)
    view = SessionView.of(
        100, energy_needed_kwh=22.0, efficiency=1.0, arrival_period=arrival, departure_period=120, max_kw=11.0
    )
    price = np.full(120, 0.05)
    price[68:84] = 0.20
    plans = [STRATEGIES[n](view, Signal(price, is_low_tariff=price < 0.1)) for n in ("uncontrolled", "time_of_use")]
    free, steered = (p.sum(axis=0).max() for p in plans)
    return Evidence((certain("peak of 100 EVs with the fee over that without", steered / free, "", above=1.0),))
