"""What changes while a run goes on: batteries, accounts and who is plugged in where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.fleet.charging import charge, own_kw
from agents.fleet.columns import columns_of, record_type
from agents.fleet.stepping import SEAT, car_ratings
from agents.fleet.tables import Fleet


@dataclass(eq=False)
class FleetState:
    """State records of EVs, points and sessions; columns in ``columns.COLUMNS`` under ``..._state``.

    Attributes
    ----------
    car, point, stay : record arrays, shapes (n_evs,), (n_points,), (n_sessions,)
        The three state tables; the other attributes are views of their columns.
    active : int array
        Session rows now plugged in, oldest first; the first ``cursor[1]`` entries count.
    cursor : int array, shape (2,)
        Next session to arrive, and number of active sessions.
    seats : record array
        Shortcuts of calm cars (:data:`agents.fleet.stepping.SEAT`), made by the first step.
    """

    car: np.ndarray
    point: np.ndarray
    stay: np.ndarray
    active: np.ndarray
    cursor: np.ndarray
    seats: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=SEAT), repr=False)
    battery_kwh: np.ndarray = field(init=False, repr=False)
    driven_kwh: np.ndarray = field(init=False, repr=False)
    elsewhere_kwh: np.ndarray = field(init=False, repr=False)
    discharged_kwh: np.ndarray = field(init=False, repr=False)
    loss_kwh: np.ndarray = field(init=False, repr=False)
    paused_min: np.ndarray = field(init=False, repr=False)
    wake_left_min: np.ndarray = field(init=False, repr=False)
    ev_session: np.ndarray = field(init=False, repr=False)
    import_kwh: np.ndarray = field(init=False, repr=False)
    export_kwh: np.ndarray = field(init=False, repr=False)
    last_kw: np.ndarray = field(init=False, repr=False)
    session_row: np.ndarray = field(init=False, repr=False)
    arrival_kwh: np.ndarray = field(init=False, repr=False)
    departure_kwh: np.ndarray = field(init=False, repr=False)
    session_import_kwh: np.ndarray = field(init=False, repr=False)
    session_export_kwh: np.ndarray = field(init=False, repr=False)
    has_driven: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for rows, table in ((self.car, "vehicle"), (self.point, "point"), (self.stay, "session")):
            for column in columns_of(f"{table}_state"):
                setattr(self, column.name, rows[column.name])

    def copy(self) -> FleetState:
        """An independent copy."""
        parts = (self.car, self.point, self.stay, self.active, self.cursor, self.seats)
        return FleetState(*(_copy(part) for part in parts))

    def nbytes(self) -> int:
        """Memory in bytes."""
        parts = (self.car, self.point, self.stay, self.active, self.cursor, self.seats)
        return int(np.sum([part.nbytes for part in parts]))

    def take_seats(self) -> np.ndarray:
        """Seats of the first active sessions, one per point; made when first asked for."""
        if len(self.seats) == 0:
            self.seats = np.zeros(len(self.point), dtype=SEAT)
            self.seats["row"] = -1
        return self.seats

    @property
    def active_sessions(self) -> np.ndarray:
        """Session rows now plugged in."""
        return self.active[: self.cursor[1]]


def _copy(records: np.ndarray) -> np.ndarray:
    """Copy of an array, as bytes: NumPy copies records field by field, which takes ten times as long."""
    return records.view(np.uint8).copy().view(records.dtype)


def empty_state(fleet: Fleet) -> FleetState:
    """State with every EV on the road with its starting energy and nobody plugged in."""
    counts = {"vehicle": fleet.n_evs, "point": fleet.n_points, "session": len(fleet.sessions)}
    car, point, stay = (np.zeros(n, dtype=record_type(f"{table}_state")) for table, n in counts.items())
    car["battery_kwh"] = fleet.vehicles.start_kwh
    car["ev_session"] = -1
    point["session_row"] = -1
    stay["arrival_kwh"] = np.nan
    stay["departure_kwh"] = np.nan
    active = np.zeros(min(len(stay), 2 * len(point)) + 1, dtype=np.int32)
    return FleetState(car, point, stay, active, np.zeros(2, dtype=np.int64))


def initial_state(fleet: Fleet) -> FleetState:
    """State at the start of the horizon.

    Sessions that arrived before it have charged without control until then (not in the run's accounts), so that every
    policy starts from the same batteries.
    """
    state, v, p, s = empty_state(fleet), fleet.vehicles, fleet.points, fleet.sessions
    for row in range(int(np.searchsorted(s.arrival_min, 0))):
        ev, cp = int(s.ev_row[row]), int(s.cp_row[row])
        floor = min(fleet.elsewhere_floor_share * v.capacity_kwh[ev], state.battery_kwh[ev])
        battery = max(state.battery_kwh[ev] - float(s.drive_kwh[row]), floor)
        n, high, low = car_ratings(v.rows[ev], p.rows[cp])
        minutes = float(min(0, s.departure_min[row]) - s.arrival_min[row])
        if n > 0:
            stop, full = float(s.desired_kwh[row]), float(v.capacity_kwh[ev])
            factor = v.efficiency_pu[ev]
            own = own_kw(int(v.phases[ev]), float(v.ac_a[ev]), float(v.dc_kw[ev]), bool(p.is_dc[cp]))
            battery, _ = charge(battery, stop, full, high, own, low, n, factor, p.is_dc[cp], minutes)
        state.battery_kwh[ev], state.has_driven[row] = battery, True
    return state
