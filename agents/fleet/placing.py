"""Recorded sessions in a run: their points stand on the connections of a grid, their drivers say what drivers say.

A file tells when, where and how much. Who shares data, who states a departure and who wants no steering is not in it:
that is drawn per car as for every other fleet, so that the levers of a scenario work on recorded sessions too.
"""

from __future__ import annotations

import numpy as np

from agents.fleet.columns import columns_of
from agents.fleet.keyed import normals, uniforms
from agents.fleet.spec import FleetSpec
from agents.fleet.tables import SEGMENTS, ChargingPoints, Fleet, Sessions, Vehicles
from agents.fleet.vehicles import ANXIOUS_MINIMUM_SHARE, DEPOT, HOME, SHARED, STREET, VISITOR

_GROUP_OF_SEGMENT = np.array([HOME, STREET, HOME, DEPOT, SHARED, VISITOR])


def points_per_segment(fleet: Fleet) -> dict[str, int]:
    """Charging points of a recorded fleet by segment, in the order of ``SEGMENTS``."""
    count = np.bincount(fleet.points.segment, minlength=len(SEGMENTS))
    return {name: int(count[code]) for code, name in enumerate(SEGMENTS) if count[code]}


def place(recorded: Fleet, stands: ChargingPoints, spec: FleetSpec, seed: int) -> Fleet:
    """Put a recorded fleet on the grid.

    Parameters
    ----------
    recorded : Fleet
        Of :func:`agents.fleet.recorded.read_recorded`.
    stands : ChargingPoints
        As many points of every segment, on connections of the grid.
    spec : FleetSpec
        Shares of drivers who state, press "charge now" or opt out.
    seed : int
        Of the run; draws are keyed by car and session.

    Returns
    -------
    Fleet
        The same cars and sessions; points keep the power of the file.
    """
    at = _stand_of_point(recorded.points.segment, stands.segment)
    order = np.argsort(at)
    points = ChargingPoints.of(
        stands.connection_row,
        stands.segment.astype(np.int64),
        recorded.points.max_kw[order].astype(np.float64),
        recorded.points.phases[order],
        stands.area,
        stands.first_phase,
    )
    cp = at[recorded.sessions.cp_row]
    vehicles = _drivers(recorded.vehicles, recorded.sessions, points, cp, spec, seed)
    sessions = _statements(recorded.sessions, cp, vehicles, spec, seed)
    return Fleet(vehicles, points, sessions, recorded.horizon, reaction_s=spec.delay_s)


def _stand_of_point(segment: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Stand of every recorded point: the first of a segment takes the first, and so on."""
    at = np.zeros(len(segment), dtype=np.int64)
    for code in np.unique(segment):
        at[segment == code] = np.flatnonzero(stands == code)
    return at


def _changed(table: Vehicles | Sessions, **columns: np.ndarray) -> dict[str, np.ndarray]:
    return {c.name: getattr(table, c.name) for c in columns_of(table.table)} | columns


def _drivers(
    cars: Vehicles, sessions: Sessions, points: ChargingPoints, cp: np.ndarray, spec: FleetSpec, seed: int
) -> Vehicles:
    """Cars with the draws that decide what they and their drivers share."""
    more, driver = uniforms(seed, "driver", cars.uid, slot=1), uniforms(seed, "driver", cars.uid)
    first = np.unique(sessions.ev_row, return_index=True)[1]
    home = np.zeros(len(cars), dtype=np.int64)
    home[sessions.ev_row[first]] = cp[first]
    is_anxious = more[3] < spec.anxious_share
    columns = _changed(
        cars,
        group=_GROUP_OF_SEGMENT[points.segment[home]],
        home_area=points.area[home],
        price_focus=np.where(driver[2] < spec.co2_focus_share, 0.0, 1.0),
        app_u=more[0],
        oem_u=more[1],
        iso15118_u=more[2],
        is_opt_out=driver[3] < spec.opt_out_share,
        is_anxious=is_anxious,
        minimum_share=np.where(is_anxious, ANXIOUS_MINIMUM_SHARE, spec.minimum_share * (0.5 + driver[1])),
    )
    return Vehicles(**columns)


def _statements(sessions: Sessions, cp: np.ndarray, vehicles: Vehicles, spec: FleetSpec, seed: int) -> Sessions:
    """Sessions at their stands with what drivers say: as often and as wrongly as all others."""
    ev, day = sessions.ev_row, sessions.arrival_min // 1440
    uid = vehicles.uid[ev]
    z = normals(seed, "statement", uid, day, slot=0)
    u = uniforms(seed, "override", uid, day * 16)
    states = vehicles.app_u[ev] < spec.stating_share
    said = np.round((sessions.departure_min + spec.stating_error_min * z[0]) / 15.0) * 15.0
    columns = _changed(
        sessions,
        cp_row=cp,
        stated_departure_min=np.where(states, np.maximum(said, sessions.arrival_min + 15), -1),
        stated_kwh=np.where(states, sessions.need_kwh * np.exp(spec.stating_error_share * z[1]), -1.0),
        is_override=u[0] < spec.override_share,
    )
    return Sessions(**columns)
