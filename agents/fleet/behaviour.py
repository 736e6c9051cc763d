"""When EVs come, how long they stay and what they have driven: the sessions of a run.

Each EV has one battery and one diary. Activities (own point, street, work, fast charging) put wishes in the diary with
:mod:`agents.fleet.draws`; :mod:`agents.fleet.schedule` makes them one place at a time and finds points. What the car
has driven since its previous session is the energy of the wish; its state of charge on arrival follows in the physics.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.special import ndtri

from agents.fleet.charging import KW_PER_A, efficiency_array, ratings_array
from agents.fleet.draws import joint
from agents.fleet.figures import FIGURES, season_factor
from agents.fleet.keyed import normals, uniforms
from agents.fleet.schedule import carry_need, find_points, one_place_at_a_time
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import SEGMENT_OF_KIND, ChargingPoints, Fleet, Sessions, Vehicles
from agents.fleet.vehicles import (
    ANXIOUS_FREQUENCY,
    DEPOT,
    HOME,
    SHARED,
    STREET,
    VISITOR,
    draw_vehicles,
    driver_effects,
    frequency_factor,
)
from markets.calendar import Horizon

LEAD_DAYS = 3
HYBRID_ENERGY_SHARE = 0.7  # A: a hybrid's session against a battery car's, before its battery limits it
_TRUCK_ENERGY_FACTOR = 5.5  # 43 kWh (van) -> 240 kWh, middle of 150-350 kWh
_SHARED_SLOTS = 3


@dataclass(frozen=True)
class Wishes:
    """Stays that drivers would like, one row each; minutes after the start of the horizon."""

    ev: np.ndarray
    segment: np.ndarray
    arrival: np.ndarray
    departure: np.ndarray
    need_kwh: np.ndarray
    u_point: np.ndarray
    day: np.ndarray

    def take(self, rows: np.ndarray) -> Wishes:
        """Some rows."""
        return Wishes(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Days:
    """The days of the run with three lead days: date number, weekday, season, start minute and length."""

    ordinal: np.ndarray
    weekday: np.ndarray
    season: np.ndarray
    start_min: np.ndarray
    length_min: np.ndarray

    @classmethod
    def of(cls, horizon: Horizon) -> _Days:
        """Days of a horizon."""
        offsets = range(-LEAD_DAYS, horizon.days + 1)
        origin = horizon.midnight_utc(0)
        start = np.array([(horizon.midnight_utc(d) - origin).total_seconds() / 60 for d in offsets])
        dates = [horizon.first_day + timedelta(days=d) for d in offsets][:-1]
        return cls(
            ordinal=np.array([d.toordinal() for d in dates]),
            weekday=np.array([d.weekday() for d in dates]),
            season=season_factor(np.array([d.timetuple().tm_yday for d in dates])),
            start_min=start[:-1],
            length_min=np.diff(start),
        )

    def minute(self, hour: np.ndarray) -> np.ndarray:
        """Minute of a local clock hour on each day (last axis), clock changes at 3 h included."""
        shift = np.where(hour >= 3.0, self.length_min - 1440.0, 0.0)
        return np.floor(self.start_min + hour * 60.0 + shift).astype(np.int64)


def build_fleet(spec: FleetSpec, horizon: Horizon, charging_points: ChargingPoints, seed: int) -> Fleet:
    """Draw the EVs and every session of the horizon.

    Against the published whole-session figures (mean / median of stay in h, of energy in kWh), with 38 % hybrids and
    11 kW points: home 11.8 / 11.0 and 23.9 / 19.4, public 7.9 / 4.4 and 11.9 / 7.2, work 6.3 / 4.9 and 12.4 / 8.8;
    ``tests/test_fleet_behaviour.py`` states and holds the residuals.

    Parameters
    ----------
    spec : FleetSpec
        Counts, shares and habits.
    horizon : Horizon
        The days; sessions that are open at its start or its end are kept.
    charging_points : ChargingPoints
        Where one can charge.
    seed : int
        Draws are keyed by (seed, purpose, EV, date): another EV, another day or another policy re-rolls nothing.

    Returns
    -------
    Fleet

    Raises
    ------
    ValueError
        Lists every parameter out of range.
    """
    faults = spec.faults()
    if faults:
        raise ValueError("; ".join(faults))
    vehicles = draw_vehicles(spec, charging_points, seed)
    wishes = _limit_to_battery(_wishes(spec, horizon, vehicles, charging_points, seed), vehicles, charging_points, spec)
    kept, point, turned_away = _place(wishes, vehicles, charging_points)
    inside = (kept.departure > 0) & (kept.arrival < horizon.n_periods * horizon.period_min)
    kept, point = kept.take(inside), point[inside]
    sessions = _sessions(spec, kept, point, vehicles, charging_points, seed)
    is_seen = turned_away[:, 2] >= 0 if len(turned_away) else np.zeros(0, dtype=bool)
    return Fleet(vehicles, charging_points, sessions, horizon, turned_away[is_seen], spec.floor_share, spec.delay_s)


def _wishes(spec: FleetSpec, horizon: Horizon, vehicles: Vehicles, points: ChargingPoints, seed: int) -> Wishes:
    """All wishes of all activities, sorted by (ev, arrival)."""
    days, per_week = _Days.of(horizon), spec.sessions_per_week
    own, group = vehicles.base_point >= 0, vehicles.group
    has_public = bool(np.any(points.segment == SEGMENT_OF_KIND["public_ac"]))
    parts: list[Wishes] = []
    activities: list[tuple[str, str, np.ndarray, float, int]] = [
        ("home", "home", own & (group == HOME), per_week["home"], 1),
        ("street", "public_ac", has_public & ~own & (group <= 1), per_week["public_ac"], 1),
        ("away", "public_ac", has_public & own & (group == HOME), per_week["home_on_street"], 1),
        ("work", "work", vehicles.work_site >= 0, per_week["work"], 1),
        ("depot", "depot", own & (group == DEPOT), per_week["depot"], 1),
        ("shared", "shared", own & (group == SHARED), per_week["shared"], _SHARED_SLOTS),
        ("dc", "dc", group == VISITOR, per_week["dc"], 1),
    ]
    for name, segment, members, rate, slots in activities:
        rows = np.flatnonzero(members)
        parts += [
            _activity(f"{name}{slot}", segment, rows, rate / slots, days, vehicles, spec, seed)
            for slot in range(slots if len(rows) else 0)
        ]
    if not parts:
        return Wishes(*(np.empty(0, dtype=t) for t in (int, int, int, int, float, float, int)))
    joined = Wishes(*(np.concatenate([getattr(p, n) for p in parts]) for n in Wishes.__dataclass_fields__))
    return joined.take(np.lexsort((joined.segment, joined.arrival, joined.ev)))


def _activity(
    purpose: str,
    segment: str,
    rows: np.ndarray,
    rate: float,
    days: _Days,
    vehicles: Vehicles,
    spec: FleetSpec,
    seed: int,
) -> Wishes:
    """Wishes of one activity of some EVs over all days."""
    figures = FIGURES[segment]
    uid, day = vehicles.uid[rows][:, None], days.ordinal[None, :]
    u = uniforms(seed, purpose, uid, day)
    habit = driver_effects(seed, vehicles.uid[rows])[:, :, None]
    # more often for less: a driver's energy stays, and so do the means of all sessions
    usual = 1.0 + spec.anxious_share * (ANXIOUS_FREQUENCY - 1.0) * (vehicles.group[rows] <= STREET)
    eager = (np.where(vehicles.is_anxious[rows], ANXIOUS_FREQUENCY, 1.0) / usual)[:, None]
    often = eager * frequency_factor(habit[3]) * figures.day_weight[days.weekday] * rate / figures.day_weight.sum()
    hour, stay_h, energy = joint(figures, days.weekday >= 5, habit[:3], ndtri(u[1:]), spec.driver_rho)
    arrival = days.minute(hour)
    departure = arrival + np.maximum(np.round(stay_h * 60.0), 5).astype(np.int64)
    e, d = np.nonzero(u[0] < np.minimum(often, 0.97))
    is_small = vehicles.capacity_kwh[rows] < 20.0
    is_truck = vehicles.capacity_kwh[rows] > 200.0
    size = np.where(is_small, HYBRID_ENERGY_SHARE, np.where(is_truck, _TRUCK_ENERGY_FACTOR, 1.0))
    return Wishes(
        ev=rows[e],
        segment=np.full(len(e), SEGMENT_OF_KIND[segment]),
        arrival=arrival[e, d],
        departure=departure[e, d],
        need_kwh=(energy * size[:, None] / eager * days.season)[e, d],
        u_point=uniforms(seed, purpose, uid, day, slot=1)[0][e, d],
        day=days.ordinal[d],
    )


def _limit_to_battery(wishes: Wishes, vehicles: Vehicles, points: ChargingPoints, spec: FleetSpec) -> Wishes:
    """Cap the energy by what the battery holds and by what the car can take during the stay."""
    ev = wishes.ev
    usable = (vehicles.desired_share[ev] - spec.floor_share - 0.02) * vehicles.capacity_kwh[ev]
    own_kw = points.max_kw[np.maximum(vehicles.base_point[ev], 0)] if len(points) else np.zeros(len(ev))
    is_own = np.isin(wishes.segment, [SEGMENT_OF_KIND[k] for k in ("home", "depot", "shared")])
    ampere = np.where(is_own, vehicles.ac_a[ev], np.minimum(vehicles.ac_a[ev], vehicles.cable_a[ev]))
    ac_kw = vehicles.phases[ev] * ampere * 0.23
    point_kw = np.where(is_own, own_kw, 11.04)
    is_dc = (wishes.segment == SEGMENT_OF_KIND["dc"]) | (point_kw > 43.5)
    power = np.where(is_dc, np.minimum(vehicles.dc_kw[ev], 150.0), np.minimum(ac_kw, point_kw))
    stay_h = (wishes.departure - wishes.arrival) / 60.0
    need = np.minimum(wishes.need_kwh, np.minimum(usable / 0.9, 0.95 * power * stay_h))
    fields = {name: getattr(wishes, name) for name in Wishes.__dataclass_fields__} | {"need_kwh": np.maximum(need, 0.3)}
    return Wishes(**fields)


def _pools(vehicles: Vehicles, points: ChargingPoints, wishes: Wishes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pool number of every wish and the points of every pool (work: the site; else segment and area)."""
    work = SEGMENT_OF_KIND["work"]
    width = int(max(points.area.max(initial=0), points.site.max(initial=0))) + 1
    key = points.segment.astype(np.int64) * width + np.where(points.segment == work, points.site, points.area)
    order = np.argsort(key, kind="stable")
    keys, start = np.unique(key[order], return_index=True)
    place = np.where(wishes.segment == work, vehicles.work_site[wishes.ev], vehicles.home_area[wishes.ev])
    wanted = wishes.segment * width + place
    # an area without such points: the next area that has some (they are sorted by segment, then area)
    low = np.searchsorted(keys, wishes.segment * width)
    high = np.searchsorted(keys, (wishes.segment + 1) * width)
    pool = np.searchsorted(keys, wanted)
    return np.where(pool < high, pool, low), np.append(start, len(key)), order


def _place(wishes: Wishes, vehicles: Vehicles, points: ChargingPoints) -> tuple[Wishes, np.ndarray, np.ndarray]:
    """Resolve overlaps, find points, pass on the need of those turned away; returns stays by arrival."""
    keep, departure = one_place_at_a_time(wishes.ev, wishes.segment, wishes.arrival, wishes.departure)
    fields = {name: getattr(wishes, name) for name in Wishes.__dataclass_fields__} | {"departure": departure}
    wishes = Wishes(**fields).take(keep)
    point = np.full(len(wishes.ev), -1, dtype=np.int64)
    own = np.isin(wishes.segment, [SEGMENT_OF_KIND[k] for k in ("home", "depot", "shared")])
    point[own] = vehicles.base_point[wishes.ev[own]]
    seekers = np.flatnonzero(~own)
    if len(seekers):
        seekers = seekers[np.lexsort((vehicles.uid[wishes.ev[seekers]], wishes.arrival[seekers]))]
        some = wishes.take(seekers)
        pool, start, order = _pools(vehicles, points, some)
        point[seekers] = find_points(pool, some.arrival, some.departure, some.u_point, start, order, len(points))
    found = point >= 0
    need = carry_need(wishes.ev, wishes.need_kwh, found)
    away = np.column_stack([wishes.ev[~found], wishes.segment[~found], wishes.arrival[~found]]).astype(np.int32)
    fields = {name: getattr(wishes, name) for name in Wishes.__dataclass_fields__} | {"need_kwh": need}
    stays = Wishes(**fields).take(found)
    by_arrival = np.lexsort((stays.ev, stays.arrival))
    return stays.take(by_arrival), point[found][by_arrival], away


def ampere_of(vehicles: Vehicles, points: ChargingPoints, ev: np.ndarray, cp: np.ndarray) -> np.ndarray:
    """Highest current per phase that charger and cable carry, of EVs at points (row arrays)."""
    with_cable = np.minimum(vehicles.ac_a[ev], vehicles.cable_a[ev])
    return np.where(points.is_tethered[cp], vehicles.ac_a[ev], with_cable)


def own_kw_array(vehicles: Vehicles, ev: np.ndarray, is_dc: np.ndarray) -> np.ndarray:
    """NumPy twin of :func:`agents.fleet.charging.own_kw` for EVs at alternating- or direct-current points."""
    on_board = vehicles.phases[ev] * KW_PER_A * vehicles.ac_a[ev].astype(np.float64)
    return np.where(is_dc, vehicles.dc_kw[ev], on_board)


def rated(vehicles: Vehicles, points: ChargingPoints, ev: np.ndarray, cp: np.ndarray) -> tuple[np.ndarray, ...]:
    """Phases, highest and lowest kW, and efficiency at the highest, of EVs at points (row arrays)."""
    phases, high, low = ratings_array(
        vehicles.phases[ev],
        ampere_of(vehicles, points, ev, cp),
        vehicles.min_a[ev],
        vehicles.dc_kw[ev],
        points.max_kw[cp],
        points.phases[cp],
        points.is_dc[cp],
    )
    return phases, high, low, efficiency_array(high, phases, vehicles.efficiency_pu[ev], points.is_dc[cp])


def _sessions(
    spec: FleetSpec,
    stays: Wishes,
    point: np.ndarray,
    vehicles: Vehicles,
    points: ChargingPoints,
    seed: int,
) -> Sessions:
    """Finish the table: driven energy in the battery and what drivers say."""
    ev = stays.ev
    eta = rated(vehicles, points, ev, point)[3]
    uid = vehicles.uid[ev]
    z = normals(seed, "statement", uid, stays.day, slot=0)
    u = uniforms(seed, "override", uid, stays.day * 16 + stays.segment)
    states = vehicles.app_u[ev] < spec.stating_share
    said = stays.departure + spec.stating_error_min * z[0]
    if spec.stating_error_min > 0:
        said = np.round(said / 15.0) * 15.0
    said = np.maximum(said, stays.arrival + 15)
    drive = stays.need_kwh * eta
    return Sessions(
        ev_row=ev,
        cp_row=point,
        arrival_min=stays.arrival,
        departure_min=stays.departure,
        stated_departure_min=np.where(states, said, -1),
        drive_kwh=drive,
        need_kwh=stays.need_kwh,
        desired_kwh=vehicles.desired_share[ev] * vehicles.capacity_kwh[ev],
        stated_kwh=np.where(states, stays.need_kwh * np.exp(spec.stating_error_share * z[1]), -1.0),
        is_override=u[0] < spec.override_share,
    )
