"""The same drivers, sessions and draws with nobody steering: the reference every saving is measured against."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.fleet import physics
from agents.fleet.charging import rate_stays
from agents.fleet.state import FleetState, initial_state
from agents.fleet.strategies.allocation import allocate
from agents.fleet.tables import SEGMENTS, ChargingPoints, Fleet


@dataclass
class SessionEnergy:
    """What sessions drew in every period, kWh at the meter; only those that drew something.

    Parameters
    ----------
    n_sessions : int
        Sessions of the fleet.
    """

    n_sessions: int
    _found: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._seen_kwh = np.zeros(self.n_sessions)

    def note(self, state: FleetState, present: np.ndarray) -> None:
        """Read the accounts of the sessions of a period when it is over."""
        now = state.session_import_kwh[present]
        drawn = now - self._seen_kwh[present]
        self._seen_kwh[present] = now
        moved = np.flatnonzero(drawn)
        self._found.append((present[moved], drawn[moved]))

    def of(self, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Session rows and what each drew, int[n] and float64[n]."""
        return self._found[period]


@dataclass(frozen=True)
class Outcome:
    """A whole run of the fleet.

    Attributes
    ----------
    power_kw : float array, shape (n_points, n_periods)
        Mean power per point and period, positive into the car.
    state : FleetState
        At the end: accounts per EV and point, and per session what came in, what went out and the battery at departure.
    drawn : SessionEnergy
        What each session drew, period by period.
    """

    fleet: Fleet
    power_kw: np.ndarray
    state: FleetState
    drawn: SessionEnergy = field(default_factory=lambda: SessionEnergy(0))

    def segment_kw(self) -> np.ndarray:
        """Power per segment, float64[len(SEGMENTS), n_periods]."""
        total = np.zeros((len(SEGMENTS), self.power_kw.shape[1]))
        for code in range(len(SEGMENTS)):
            total[code] = self.power_kw[self.fleet.points.segment == code].sum(axis=0, dtype=np.float64)
        return total

    def missing_kwh(self) -> np.ndarray:
        """Energy missing in the battery at departure, float64[n_sessions]; nan for sessions still open."""
        return np.maximum(self.fleet.sessions.desired_kwh - self.state.departure_kwh, 0.0)


def within_connections_kw(
    fleet: Fleet, state: FleetState, period: int, capacity_kw: np.ndarray, is_tight: np.ndarray | None = None
) -> np.ndarray:
    """Limit of every point when nobody steers: what the fuse of its connection leaves, in turns where it is short.

    Full cars have no turn.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        Cars that arrive in the period are plugged in.
    period : int
        The period.
    capacity_kw : float array, shape (n_connections,)
        Capacity of the connections; load behind the meter is not known to a point that hears nobody.
    is_tight : bool array, shape (n_points,), optional
        Result of :func:`is_tight_at`, for callers that ask in every period.

    Returns
    -------
    float array, shape (n_points,)
        Infinite where nothing is short.
    """
    p, s = fleet.points, fleet.sessions
    physics.plug_in(fleet, state, period, fleet.horizon.period_h)
    limit = physics.uncontrolled_kw(fleet)
    is_tight = is_tight_at(p, capacity_kw) if is_tight is None else is_tight
    rows = state.active_sessions[is_tight[s.cp_row[state.active_sessions]]]
    rows = rows[state.battery_kwh[s.ev_row[rows]] < s.desired_kwh[rows]]
    if not len(rows):
        return limit
    cp = s.cp_row[rows]
    connection = p.connection_row[cp].astype(np.int64)
    _, high, low = rate_stays(fleet.vehicles.rows, p.rows, s.rows, rows)[:3]
    short = np.bincount(connection, weights=high, minlength=len(capacity_kw)) > capacity_kw + 1e-9
    at = np.flatnonzero(short[connection])
    if not len(at):
        return limit
    room = np.asarray(capacity_kw, dtype=np.float64)
    limit[cp[at]] = allocate(high[at], low[at], room, "rotating", site=connection[at], turn=period)
    return limit


def is_tight_at(points: ChargingPoints, capacity_kw: np.ndarray) -> np.ndarray:
    """Points whose connection could not carry all of its points, bool[n_points]."""
    rated = np.bincount(points.connection_row, weights=points.max_kw, minlength=len(capacity_kw))
    return np.asarray((rated > capacity_kw + 1e-9)[points.connection_row])


def simulate(
    fleet: Fleet,
    state: FleetState,
    limit_kw: np.ndarray | None = None,
    capacity_kw: np.ndarray | None = None,
    drawn: SessionEnergy | None = None,
) -> np.ndarray:
    """Run the whole horizon with given set-points.

    Parameters
    ----------
    fleet : Fleet
        The fixed part.
    state : FleetState
        Start; changed in place.
    limit_kw : float array, shape (n_points, n_periods), optional
        Set-points; without it nobody is limited.
    capacity_kw : float array, shape (n_connections,), optional
        Capacity that the points of a connection share when there are no set-points.
    drawn : SessionEnergy, optional
        Takes what every session draws.

    Returns
    -------
    float32 array, shape (n_points, n_periods)
        Mean power at the meter.
    """
    free = physics.uncontrolled_kw(fleet)
    is_tight = None if capacity_kw is None else is_tight_at(fleet.points, capacity_kw)
    power = np.zeros((fleet.horizon.n_periods, fleet.n_points), dtype=np.float32)
    for t in range(len(power)):
        limit = free if limit_kw is None else limit_kw[:, t]
        if limit_kw is None and capacity_kw is not None:
            limit = within_connections_kw(fleet, state, t, capacity_kw, is_tight)
        result = physics.step(fleet, state, t, limit, fleet.horizon.period_h)
        power[t] = result.power_kw
        if drawn is not None:
            drawn.note(state, result.present)
    return power.T


def uncontrolled(fleet: Fleet, capacity_kw: np.ndarray | None = None) -> Outcome:
    """Charge every car at once and at full power as soon as it is plugged in, within its connection.

    Parameters
    ----------
    fleet : Fleet
        The fleet of the run that is compared; random draws are part of it, so both runs share them.
    capacity_kw : float array, shape (n_connections,), optional
        Capacity of the connections; without it they carry everything.
    """
    state, drawn = initial_state(fleet), SessionEnergy(len(fleet.sessions))
    return Outcome(fleet, simulate(fleet, state, capacity_kw=capacity_kw, drawn=drawn), state, drawn)
