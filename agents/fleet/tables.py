"""Frozen tables of the fleet: vehicles, charging points and sessions as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from agents.fleet.columns import columns_of, record_type
from markets.calendar import Horizon

SEGMENTS = ("home", "public_ac", "work", "depot", "shared", "dc")
SEGMENT_OF_KIND = {name: code for code, name in enumerate(SEGMENTS)} | {"office": 2, "dc_site": 5}
GROUPS = ("home", "street", "depot", "shared", "dc_visitor")
VOLT = 230.0
DC_ABOVE_KW = 43.5
_WITH_CABLE = (0, 3)  # A: home boxes and depot points have a cable


class Table:
    """Base of the frozen tables: every field is one declared column, a read-only view of the records in ``rows``."""

    table: ClassVar[str]
    rows: np.ndarray

    def __post_init__(self) -> None:
        columns = columns_of(self.table)
        given = {column.name: np.asarray(getattr(self, column.name)) for column in columns}
        lengths = {name: len(values) for name, values in given.items() if values.ndim}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of {self.table} differ in length: {lengths}")
        rows = np.zeros(max(lengths.values(), default=0), dtype=record_type(self.table))
        for name, values in given.items():
            rows[name] = values
        rows.setflags(write=False)
        object.__setattr__(self, "rows", rows)
        for name in given:
            object.__setattr__(self, name, rows[name])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Self:
        """The same table with only these rows, in this order."""
        return type(self)(**{column.name: getattr(self, column.name)[rows] for column in columns_of(self.table)})

    @classmethod
    def _filled(cls, n: int, neutral: dict[str, Any], given: dict[str, Any]) -> Self:
        """Table of ``n`` rows from given columns, neutral values for the rest."""
        unknown = set(given) - set(neutral)
        if unknown:
            raise ValueError(f"unknown columns of {cls.table}: {', '.join(sorted(unknown))}")
        return cls(**{name: np.broadcast_to(np.asarray(value), n) for name, value in (neutral | given).items()})

    def nbytes(self) -> int:
        """Memory of the columns in bytes."""
        return int(self.rows.nbytes)


@dataclass(frozen=True, eq=False)
class Vehicles(Table):
    """One row per EV; columns in ``columns.COLUMNS`` under ``vehicle``."""

    table: ClassVar[str] = "vehicle"
    uid: np.ndarray
    group: np.ndarray
    model: np.ndarray
    home_area: np.ndarray
    base_point: np.ndarray
    work_site: np.ndarray
    capacity_kwh: np.ndarray
    soh_share: np.ndarray
    start_kwh: np.ndarray
    phases: np.ndarray
    ac_a: np.ndarray
    min_a: np.ndarray
    cable_a: np.ndarray
    dc_kw: np.ndarray
    efficiency_pu: np.ndarray
    discharge_kw: np.ndarray
    reserve_share: np.ndarray
    warranty_kwh: np.ndarray
    desired_share: np.ndarray
    minimum_share: np.ndarray
    sleep_after_min: np.ndarray
    wake_min: np.ndarray
    price_focus: np.ndarray
    app_u: np.ndarray
    oem_u: np.ndarray
    iso15118_u: np.ndarray
    is_opt_out: np.ndarray
    is_anxious: np.ndarray

    @classmethod
    def of(cls, n: int, **columns: Any) -> Vehicles:
        """``n`` three-phase 16 A cars of 60 kWh, for recorded sessions, notebooks and tests; override any column."""
        neutral = {column.name: 0 for column in columns_of(cls.table)} | {
            "uid": np.arange(n, dtype=np.uint64),
            "base_point": -1,
            "work_site": -1,
            "capacity_kwh": 60.0,
            "soh_share": 1.0,
            "start_kwh": 60.0,
            "phases": 3,
            "ac_a": 16.0,
            "min_a": 6.0,
            "cable_a": 32,
            "dc_kw": 100.0,
            "efficiency_pu": 1.0,
            "warranty_kwh": np.inf,
            "desired_share": 1.0,
            "sleep_after_min": np.inf,
            "price_focus": 1.0,
        }
        return cls._filled(n, neutral, columns)


@dataclass(frozen=True, eq=False)
class ChargingPoints(Table):
    """One row per charging point; columns in ``columns.COLUMNS`` under ``point``."""

    table: ClassVar[str] = "point"
    connection_row: np.ndarray
    segment: np.ndarray
    area: np.ndarray
    site: np.ndarray
    max_kw: np.ndarray
    phases: np.ndarray
    first_phase: np.ndarray
    is_dc: np.ndarray
    is_bidirectional: np.ndarray
    is_tethered: np.ndarray

    @classmethod
    def of(
        cls,
        connection_row: Any,
        segment: Sequence[str] | np.ndarray,
        max_kw: Any,
        phases: Any,
        area: Any,
        first_phase: Any = None,
        is_bidirectional: Any = None,
        is_tethered: Any = None,
    ) -> ChargingPoints:
        """Build the table from what a grid knows, with defaults for the rest.

        Parameters
        ----------
        connection_row : int array, shape (n_points,)
            Row of the grid connection.
        segment : sequence of str or int array
            Names of ``SEGMENTS`` (``office`` and ``dc_site`` are understood) or their codes.
        max_kw, phases, area : arrays or scalars
            Rated power, phases of the socket (1 or 3), low-voltage area.
        first_phase : int array, optional
            Conductor of one-phase cars; by default points take turns, as installers rotate them.
        is_bidirectional : bool array, optional
            Defaults to every alternating-current point.
        is_tethered : bool array, optional
            Defaults to points of homes, depots and direct current; street and office have sockets.

        Raises
        ------
        ValueError
            Lists every unknown segment, power or phase count at once.
        """
        connection = np.asarray(connection_row, dtype=np.int32)
        n = len(connection)
        codes = _segment_codes(segment)
        power = np.broadcast_to(np.asarray(max_kw, dtype=np.float64), n)
        socket = np.broadcast_to(np.asarray(phases, dtype=np.int8), n)
        faults = _point_faults(codes, segment, power, socket)
        if faults:
            raise ValueError("; ".join(faults))
        is_dc = (codes == SEGMENT_OF_KIND["dc"]) | (power > DC_ABOVE_KW)
        return cls(
            connection_row=connection,
            segment=codes,
            area=np.broadcast_to(np.asarray(area, dtype=np.int32), n),
            site=np.unique(connection, return_inverse=True)[1],
            max_kw=power,
            phases=socket,
            first_phase=np.arange(n) % 3 if first_phase is None else first_phase,
            is_dc=is_dc,
            is_bidirectional=~is_dc if is_bidirectional is None else is_bidirectional,
            is_tethered=is_dc | np.isin(codes, _WITH_CABLE) if is_tethered is None else is_tethered,
        )

    @property
    def n_sites(self) -> int:
        """Number of different connections."""
        return int(self.site.max()) + 1 if len(self) else 0


def _segment_codes(segment: Sequence[str] | np.ndarray) -> np.ndarray:
    values = np.asarray(segment)
    if values.dtype.kind in "iu":
        return values.astype(np.int8)
    return np.array([SEGMENT_OF_KIND.get(str(name), -1) for name in values], dtype=np.int8)


def _point_faults(codes: np.ndarray, segment: Any, power: np.ndarray, socket: np.ndarray) -> list[str]:
    bad_code = (codes < 0) | (codes >= len(SEGMENTS))
    faults = [
        f"point {i}: segment {segment[i]!r} is not one of {', '.join(SEGMENTS)}" for i in np.flatnonzero(bad_code)
    ]
    bad_power = ~(np.isfinite(power) & (power > 0))
    faults += [f"point {i}: max_kw {power[i]:g} is not a positive number" for i in np.flatnonzero(bad_power)]
    bad_phases = (socket != 1) & (socket != 3)
    faults += [f"point {i}: {socket[i]} phases, must be 1 or 3" for i in np.flatnonzero(bad_phases)]
    return faults


@dataclass(frozen=True, eq=False)
class Sessions(Table):
    """One row per stay at a charging point, sorted by arrival; columns under ``session``."""

    table: ClassVar[str] = "session"
    ev_row: np.ndarray
    cp_row: np.ndarray
    arrival_min: np.ndarray
    departure_min: np.ndarray
    stated_departure_min: np.ndarray
    drive_kwh: np.ndarray
    need_kwh: np.ndarray
    desired_kwh: np.ndarray
    stated_kwh: np.ndarray
    is_override: np.ndarray

    @classmethod
    def of(cls, n: int, **columns: Any) -> Sessions:
        """``n`` sessions of twelve hours from minute 0, one per EV and point; override any column."""
        neutral = {
            "ev_row": np.arange(n),
            "cp_row": np.arange(n),
            "arrival_min": 0,
            "departure_min": 720,
            "stated_departure_min": -1,
            "drive_kwh": 0.0,
            "need_kwh": 0.0,
            "desired_kwh": 60.0,
            "stated_kwh": -1.0,
            "is_override": False,
        }
        return cls._filled(n, neutral, columns)


@dataclass(frozen=True, eq=False)
class Fleet:
    """The fixed part of a run: who exists, where the points are, who comes when.

    Attributes
    ----------
    turned_away : int array, shape (n, 3)
        Attempts that found no free point: EV row, segment code, minute.
    elsewhere_floor_share : float
        State of charge at which a driver on the road stops at a fast charger outside the simulated points.
    reaction_s : float
        Time a car keeps its old power after a new set-point.
    """

    vehicles: Vehicles
    points: ChargingPoints
    sessions: Sessions
    horizon: Horizon
    turned_away: np.ndarray = field(default_factory=lambda: np.empty((0, 3), dtype=np.int32))
    elsewhere_floor_share: float = 0.08
    reaction_s: float = 0.0

    @property
    def n_evs(self) -> int:
        """Number of EVs."""
        return len(self.vehicles)

    @property
    def n_points(self) -> int:
        """Number of charging points."""
        return len(self.points)

    def nbytes(self) -> int:
        """Memory of the three tables in bytes."""
        return self.vehicles.nbytes() + self.points.nbytes() + self.sessions.nbytes()
