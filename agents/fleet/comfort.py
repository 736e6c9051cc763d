"""Service at departure: the energy that is missing of what was physically possible."""

from __future__ import annotations

import numpy as np

from agents.fleet.behaviour import own_kw_array, rated
from agents.fleet.plain import charge_array
from agents.fleet.state import FleetState
from agents.fleet.tables import Fleet


def possible_kwh(fleet: Fleet, state: FleetState, sessions: np.ndarray) -> np.ndarray:
    """Most energy that the battery of each session can have held at departure: full power from arrival on.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        A run; sessions that have not begun are nan.
    sessions : int array
        Session rows.
    """
    s, v, p = fleet.sessions, fleet.vehicles, fleet.points
    ev, cp = s.ev_row[sessions], s.cp_row[sessions]
    phases, high, low, _ = rated(v, p, ev, cp)
    minutes = (s.departure_min[sessions] - np.maximum(s.arrival_min[sessions], 0)).astype(np.float64)
    car = (phases, v.efficiency_pu[ev], p.is_dc[cp])
    own = own_kw_array(v, ev, p.is_dc[cp])
    arrival = state.arrival_kwh[sessions]
    start = np.nan_to_num(arrival)
    best, _ = charge_array(start, s.desired_kwh[sessions], v.capacity_kwh[ev], high, own, low, *car, minutes)
    return np.where(np.isnan(arrival), np.nan, best)


def missing_kwh(fleet: Fleet, state: FleetState, sessions: np.ndarray) -> np.ndarray:
    """Energy in the battery missing at departure of what was possible, kWh; nan for sessions still open.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        A run.
    sessions : int array
        Session rows.
    """
    return np.maximum(possible_kwh(fleet, state, sessions) - state.departure_kwh[sessions], 0.0)


def service_level(fleet: Fleet, state: FleetState) -> float:
    """Share of the energy that could have been delivered and was, over all sessions that have ended."""
    rows = np.flatnonzero(~np.isnan(state.departure_kwh))
    possible = possible_kwh(fleet, state, rows) - state.arrival_kwh[rows]
    return float(1.0 - np.sum(missing_kwh(fleet, state, rows)) / max(np.sum(np.maximum(possible, 0.0)), 1e-9))
