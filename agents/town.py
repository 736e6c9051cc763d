"""The simulated town: its wires, what its homes and sites use, its charging points and EVs.

This is the real world of a run; roles never see it, only what they measure or are told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from agents.fleet.behaviour import build_fleet
from agents.fleet.counterfactual import Outcome as FleetOutcome
from agents.fleet.counterfactual import uncontrolled
from agents.fleet.placing import place, points_per_segment
from agents.fleet.recorded import RecordedSessions, read_recorded
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import ChargingPoints, Fleet
from agents.settings import Settings
from agents.streams import generator
from agents.world.homes import home_load_kw, home_pv_kw
from agents.world.imported import use_profiles
from agents.world.load import site_load_kw
from agents.world.weather import Weather
from grid.generator import dutch_town
from grid.parameters import GridParameters
from grid.power_flow import PowerFlow
from grid.profiles import ProfileYear
from grid.sources import load_source
from grid.topology import Grid
from markets.calendar import Horizon

KIND_OF_SEGMENT = {
    "home": "home",
    "public_ac": "public_ac",
    "office": "office",
    "depot": "depot",
    "shared": "shared",
    "dc_site": "dc_site",
}
POINT_KW = {"home": 11.04, "public_ac": 11.04, "office": 11.04, "depot": 22.08, "shared": 11.04, "dc_site": 150.0}
"""Rating of one charging point, kW (report 7.4.2: 3 phases x 16 A = 11.04 kW; DC sites: calibration, 150-300 kW)."""

TRUCK_POINT_KW = 60.0
"""Rating of a depot's point for a truck: 150-350 kWh a night in about ten hours (calibration)."""


@dataclass(frozen=True)
class Town:
    """Everything physical that is simulated in full.

    Attributes
    ----------
    grid : Grid
        The wires and their connections.
    flow : PowerFlow
        Solver of the wires.
    fleet : Fleet
        Charging points, EVs and sessions.
    home_kw, roof_kw, site_kw : float32 arrays, shape (n_connections, n_periods)
        Consumption of homes and sites without charging, and generation of roofs (positive), per connection.
    reference : FleetOutcome
        The same drivers with nobody steering.
    """

    grid: Grid
    flow: PowerFlow
    fleet: Fleet
    home_kw: np.ndarray
    roof_kw: np.ndarray
    site_kw: np.ndarray
    reference: FleetOutcome
    base_kvar: np.ndarray | None = None
    """Reactive power per connection without charging, shape (n_connections, n_periods); None: power factor 1."""
    refused_sessions: tuple[tuple[int, str], ...] = ()
    """Rows of a file of recorded sessions that could not be used, with the reason."""

    @cached_property
    def base_kw(self) -> np.ndarray:
        """Net consumption per connection without charging, float32[n_connections, n_periods]."""
        return self.home_kw + self.site_kw - self.roof_kw

    @property
    def n_connections(self) -> int:
        """Number of connections."""
        return len(self.grid.connections.ean)

    def kvar_at(self, period: int) -> np.ndarray | None:
        """Reactive power of the connections in a period."""
        return None if self.base_kvar is None else self.base_kvar[:, period].astype(np.float64)

    def at_connections(self, point_kw: np.ndarray) -> np.ndarray:
        """Sum charging power per connection."""
        return np.bincount(self.fleet.points.connection_row, weights=point_kw, minlength=self.n_connections)

    @cached_property
    def reference_ev_kw(self) -> np.ndarray:
        """Uncontrolled charging per connection, float64[n_connections, n_periods]."""
        at = self.fleet.points.connection_row
        to_connection = csr_matrix((np.ones(len(at)), (at, np.arange(len(at)))), shape=(self.n_connections, len(at)))
        return np.asarray(to_connection @ self.reference.power_kw.astype(np.float64))


def build_town(settings: Settings, horizon: Horizon, weather: Weather) -> Town:
    """Draw the town of a scenario.

    Parameters
    ----------
    settings : Settings
        Size, shares and seed.
    horizon : Horizon
        The days.
    weather : Weather
        Temperature and sun.
    """
    recorded = recorded_sessions_of(settings)
    points = _points(settings)
    grid, profiles = _grid_and_profiles(settings)
    stands = _charging_points(grid, points, settings)
    spec = _fleet_spec(settings)
    if recorded is None:
        fleet = _with_bidirectional_bases(build_fleet(spec, horizon, stands, settings.seed))
    else:
        fleet = place(recorded.fleet, stands, spec, settings.seed)
    home, roof, site = _base_loads(settings, grid, horizon, weather)
    kvar = None if profiles is None else use_profiles(profiles, grid.connections, horizon, home, roof, site)
    reference = uncontrolled(fleet, grid.connections.capacity_kw)
    refused = () if recorded is None else tuple(recorded.rejections.select("row", "reason").iter_rows())
    flow = PowerFlow(grid, settings.grid.fidelity)  # type: ignore[arg-type]
    return Town(grid, flow, fleet, home, roof, site, reference, kvar, refused)


def _with_bidirectional_bases(fleet: Fleet) -> Fleet:
    """Whoever owns a car that can deliver has a point at home, or in the depot, that can take it."""
    v = fleet.vehicles
    bases = v.base_point[(v.discharge_kw > 0.0) & (v.base_point >= 0)]
    can = fleet.points.is_bidirectional.copy()
    can[bases] = True
    return replace(fleet, points=replace(fleet.points, is_bidirectional=can))


def recorded_sessions_of(settings: Settings) -> RecordedSessions | None:
    """The user's recorded sessions within the days of a run; None where sessions are drawn."""
    f = settings.fleet
    if f.sessions is None:
        return None
    changed_ns = Path(f.sessions).stat().st_mtime_ns
    return _recorded_once(f.sessions, settings.first_day, settings.days, f.sessions_time_zone, changed_ns)


@lru_cache(maxsize=2)
def _recorded_once(path: str, first_day: date, days: int, time_zone: str, changed_ns: int) -> RecordedSessions:
    """Read a file once as long as it does not change."""
    return read_recorded(path, Horizon(first_day, days), time_zone=time_zone or None)


def _points(settings: Settings) -> dict[str, int]:
    """Charging points by segment."""
    recorded = recorded_sessions_of(settings)
    if recorded is not None:
        names = {"work": "office", "dc": "dc_site"}
        return {names.get(n, n): count for n, count in points_per_segment(recorded.fleet).items()}
    return {n: s.charging_points or s.evs for n, s in settings.fleet.segments.items() if s.evs > 0}


def town_grid(settings: Settings) -> Grid:
    """The generated town, or the user's own grid with the homes and sites that its charging points still need."""
    return _grid_and_profiles(settings)[0]


def _grid_and_profiles(settings: Settings) -> tuple[Grid, ProfileYear | None]:
    points = _points(settings)
    wanted, rng = _grid_parameters(settings, points), generator(settings.seed, "grid")
    if settings.grid.file is None:
        return dutch_town(wanted, rng), None
    least = {
        "home": points.get("home", 0),
        "public_ac": int(np.ceil(points.get("public_ac", 0) / 2)),
        "shared": wanted.shared_sites,
        "office": wanted.offices,
        "depot": wanted.depots,
        "dc_site": wanted.dc_sites,
    }
    found = load_source(settings.grid.file, least, rng)
    return found.grid, found.profiles if settings.grid.loads == "own" else None


def _grid_parameters(settings: Settings, points: dict[str, int]) -> GridParameters:
    areas = settings.grid.lv_areas
    posts = int(np.ceil(points.get("public_ac", 0) / 2 / areas))
    return GridParameters(
        homes=settings.grid.homes,
        lv_areas=areas,
        public_posts_per_area=posts,
        shared_sites=int(np.ceil(points.get("shared", 0) / 5)),
        offices=int(np.ceil(points.get("office", 0) / 25)),
        depots=int(np.ceil(points.get("depot", 0) / 60)),
        dc_sites=int(np.ceil(points.get("dc_site", 0) / 6)),
        dc_site_kw=settings.grid.dc_site_kw,
    )


def _charging_points(grid: Grid, points: dict[str, int], settings: Settings) -> ChargingPoints:
    """Spread the points of each segment evenly over its connections."""
    table = grid.connections
    row, segment, rating, phases, first = [], [], [], [], []
    for name, n in points.items():
        rows = table.rows_of_kind(KIND_OF_SEGMENT[name])
        chosen = rows[np.sort((np.arange(n) * len(rows) // n) if n >= len(rows) else _spread(n, len(rows)))]
        one_phase = table.ev_phase[chosen] > 0
        row.append(chosen)
        segment += [name] * n
        rated_kw = np.full(n, POINT_KW[name])
        if name == "depot":
            rated_kw[n - round(n * settings.fleet.truck_share) :] = TRUCK_POINT_KW
        rating.append(np.minimum(np.where(one_phase, 7.36, rated_kw), table.capacity_kw[chosen]))
        phases.append(np.where(one_phase, 1, 3))
        first.append(np.where(one_phase, table.ev_phase[chosen] - 1, 0))
    rows_all = np.concatenate(row)
    area_names = np.array(grid.arrays.area)[table.node_index[rows_all]]
    area = np.unique(area_names, return_inverse=True)[1]
    shared = np.array([name in ("public_ac", "office", "shared") for name in segment])
    v2x = shared & (generator(settings.seed, "adoption").random(len(rows_all)) < settings.fleet.v2x_share)
    return ChargingPoints.of(
        rows_all, segment, np.concatenate(rating), np.concatenate(phases), area, np.concatenate(first), v2x
    )


def _spread(n: int, of: int) -> np.ndarray:
    """Choose n different rows evenly among ``of``."""
    return (np.arange(n) * of) // n


def _fleet_spec(settings: Settings) -> FleetSpec:
    """Turn EVs per segment into the habits that the fleet understands."""
    own = {n: s for n, s in settings.fleet.segments.items() if s.evs > 0 and n != "office"}
    per_point = {("dc" if n == "dc_site" else n): s.evs / (s.charging_points or s.evs) for n, s in own.items()}
    drivers = sum(s.evs for n, s in own.items() if n in ("home", "public_ac"))
    office = settings.fleet.segments.get("office")
    commuters = min(1.0, office.evs / drivers) if office and drivers else 0.0
    default = FleetSpec()
    return FleetSpec(
        evs_per_point={**default.evs_per_point, **per_point},
        plug_in_hybrid_share=settings.fleet.plug_in_hybrid_share,
        car_model=settings.fleet.car_model,
        v2x_share=settings.fleet.v2x_share,
        commuter_share=commuters,
        stating_share=settings.regulation.emsp_app_share,
        override_share=settings.fleet.opt_out_share,
        opt_out_share=settings.fleet.drivers.refuse_share,
        **{name: value for name, value in asdict(settings.fleet.drivers).items() if name != "refuse_share"},
        **asdict(settings.fleet.cars),
    )


def _base_loads(
    settings: Settings, grid: Grid, horizon: Horizon, weather: Weather
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = grid.connections
    shape = (len(table.ean), horizon.n_periods)
    home, roof, site = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    homes = table.rows_of_kind("home")
    home[homes] = home_load_kw(
        horizon,
        len(homes),
        generator(settings.seed, "homes"),
        weather,
        heat_pump_share=settings.grid.heat_pump_share,
    )
    roof[homes] = home_pv_kw(len(homes), generator(settings.seed, "roofs"), weather, pv_share=settings.grid.pv_share)
    rng = generator(settings.seed, "sites")
    for kind in ("office", "depot", "business"):
        for row in table.rows_of_kind(kind):
            site[row] = site_load_kw(kind, float(table.capacity_kw[row]), horizon, rng, weather)
    if settings.grid.site_pv_share > 0.0:
        sunny = np.concatenate([table.rows_of_kind("office"), table.rows_of_kind("business")])
        peak_kw = settings.grid.site_pv_share * table.capacity_kw[sunny]
        roof[sunny] = peak_kw.astype(np.float32)[:, None] * weather.panel_south_share.astype(np.float32)
    return home, roof, site
