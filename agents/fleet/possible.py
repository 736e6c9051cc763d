"""Energy that was physically possible for all cars of a connection together: the measure of the service level.

What one car could have taken alone is in :mod:`agents.fleet.comfort`. Where cars share a connection, the most they
could have had together is a maximum flow: periods with room on one side, cars with windows and needs on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from agents.fleet.behaviour import rated
from agents.fleet.comfort import possible_kwh
from agents.fleet.state import FleetState
from agents.fleet.strategies.site import serve
from agents.fleet.tables import Fleet


@dataclass(frozen=True, eq=False)
class Service:
    """What finished sessions got of what was possible, one entry per segment and connection that had any.

    Attributes
    ----------
    segment, connection_row : int arrays, shape (n,)
        Where.
    possible_kwh : float array, shape (n,)
        Most that the batteries could have got together, by cars, cables, points, stays and the room of the connection.
    missing_kwh : float array, shape (n,)
        What they did not get of it.
    """

    segment: np.ndarray
    connection_row: np.ndarray
    possible_kwh: np.ndarray
    missing_kwh: np.ndarray

    def of_segment(self, code: int) -> tuple[float, float]:
        """Possible and missing energy of a segment, kWh."""
        here = self.segment == code
        return float(np.sum(self.possible_kwh[here])), float(np.sum(self.missing_kwh[here]))


@njit(cache=True)
def _most_together(
    start: np.ndarray,
    first_min: np.ndarray,
    last_min: np.ndarray,
    high_kw: np.ndarray,
    need_kwh: np.ndarray,
    room_kw: np.ndarray,
    step_min: float,
) -> np.ndarray:
    """Most energy at the meter per session, groups of sessions after ``start`` sharing a row of ``room_kw``."""
    most = need_kwh.copy()
    n_periods = room_kw.shape[1]
    for g in range(len(start) - 1):
        a, b = start[g], start[g + 1]
        begin, end = n_periods, 0
        for i in range(a, b):
            begin = min(begin, int(first_min[i] // step_min))
            end = max(end, min(int(np.ceil(last_min[i] / step_min)), n_periods))
        width = max(end - begin, 0)
        slots, limit = np.zeros((b - a, width)), np.zeros(width)
        is_tight = False
        for t in range(width):
            low, total = (begin + t) * step_min, 0.0
            for i in range(a, b):
                minutes = min(last_min[i], low + step_min) - max(first_min[i], low)
                if minutes > 0.0:
                    slots[i - a, t] = high_kw[i] * minutes / 60.0
                    total += slots[i - a, t]
            limit[t] = max(room_kw[g, begin + t], 0.0) * step_min / 60.0
            is_tight |= total > limit[t] + 1e-9
        if is_tight:
            used = serve(slots, need_kwh[a:b], limit, np.arange(width), np.argsort(last_min[a:b]))
            for i in range(a, b):
                most[i] = used[i - a].sum()
    return most


def service(fleet: Fleet, state: FleetState, capacity_kw: np.ndarray, load_kw: np.ndarray) -> Service:
    """Service of all sessions that have ended.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        A run at its end.
    capacity_kw : float array, shape (n_connections,)
        Capacity of the connections.
    load_kw : float array, shape (n_connections, n_periods)
        Other load behind them less what roofs make.

    Returns
    -------
    Service
        Missing energy is netted among the cars of a connection: who got it first does not matter to the total.
    """
    s, p, step = fleet.sessions, fleet.points, fleet.horizon.period_min
    rows = np.flatnonzero(~np.isnan(state.departure_kwh) & ~np.isnan(state.arrival_kwh))
    cp, ev = s.cp_row[rows], s.ev_row[rows]
    key = p.connection_row[cp].astype(np.int64) * 256 + p.segment[cp]
    order = np.argsort(key, kind="stable")
    rows, cp, ev, key = rows[order], cp[order], ev[order], key[order]
    keys, start = np.unique(key, return_index=True)
    connection, bounds = (keys // 256).astype(np.int64), np.append(start, len(rows)).astype(np.int64)
    alone = np.maximum(possible_kwh(fleet, state, rows) - state.arrival_kwh[rows], 0.0)
    got = np.clip(state.departure_kwh[rows] - state.arrival_kwh[rows], 0.0, alone)
    _, high, _, eta = rated(fleet.vehicles, p, ev, cp)
    room = capacity_kw[connection][:, None] - load_kw[connection].astype(np.float64)
    arrive, leave = np.maximum(s.arrival_min[rows], 0), s.departure_min[rows]
    most = eta * _most_together(
        bounds,
        arrive.astype(np.float64),
        leave.astype(np.float64),
        high,
        alone / np.maximum(eta, 1e-9),
        room,
        float(step),
    )
    together, given = (np.add.reduceat(v, start) if len(rows) else np.zeros(0) for v in (np.minimum(most, alone), got))
    return Service((keys % 256).astype(np.int64), connection, together, np.maximum(together - given, 0.0))
