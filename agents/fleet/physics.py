"""The physics of one period for every charging point: arrivals, charging within all limits, accounts, departures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agents.fleet.behaviour import rated
from agents.fleet.state import FleetState
from agents.fleet.stepping import plug_in_due, step_all
from agents.fleet.tables import VOLT, Fleet

_EVERYONE = np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class StepResult:
    """What one period did.

    Attributes
    ----------
    energy_kwh : float array, shape (n_points,)
        Energy at the meter, positive into the car.
    period_h : float
        Length of the period.
    present : int array
        Session rows that were plugged in during the period.
    departed : int array
        Those of them that ended in it.
    """

    energy_kwh: np.ndarray
    period_h: float
    present: np.ndarray
    departed: np.ndarray
    fleet: Fleet

    @cached_property
    def power_kw(self) -> np.ndarray:
        """Mean power per point over the period, positive into the car, float64[n_points]."""
        return self.energy_kwh / self.period_h

    @cached_property
    def phase_kw(self) -> np.ndarray:
        """Power per conductor, float64[n_points, 3]; one-phase cars load the point's first conductor."""
        return phase_power_kw(self.fleet, self.present, self.power_kw)

    @cached_property
    def phase_current_a(self) -> np.ndarray:
        """Mean current per conductor at 230 V, float64[n_points, 3]."""
        return self.phase_kw * (1000.0 / VOLT)


def minutes_of(period_h: float) -> float:
    """Length of a step in minutes, free of the rounding that would shift its bounds."""
    return round(period_h * 60.0, 9)


def phase_power_kw(fleet: Fleet, present: np.ndarray, power_kw: np.ndarray) -> np.ndarray:
    """Split the power of each point over its conductors.

    Parameters
    ----------
    present : int array
        Session rows plugged in; a point that changed cars within the period counts with the later one.
    power_kw : float array, shape (n_points,)
        Power at the meter.

    Returns
    -------
    float array, shape (n_points, 3)
    """
    s, p = fleet.sessions, fleet.points
    phases = np.full(fleet.n_points, 3)
    phases[s.cp_row[present]] = rated(fleet.vehicles, p, s.ev_row[present], s.cp_row[present])[0]
    share = np.arange(3)[None, :] < phases[:, None]
    power = np.zeros((fleet.n_points, 3))
    conductor = (p.first_phase[:, None] + np.arange(3)[None, :]) % 3
    per_phase = np.where(share, (power_kw / np.maximum(phases, 1))[:, None], 0.0)
    np.put_along_axis(power, conductor, per_phase, axis=1)
    return power


def plug_in(fleet: Fleet, state: FleetState, period: int, period_h: float = 0.25) -> np.ndarray:
    """Plug in everyone who arrives during a period, before it is controlled.

    Parameters
    ----------
    fleet : Fleet
        The fixed part.
    state : FleetState
        Changed in place: the trip is taken from the battery, the point is taken.
    period : int
        Period from the start of the horizon in steps of ``period_h``.

    Returns
    -------
    int array
        Session rows that arrived (in the first period also those that were open before).
    """
    before = int(state.cursor[0])
    _plug_in(fleet, state, (period + 1) * minutes_of(period_h))
    rows = np.arange(before, int(state.cursor[0]))
    return rows[fleet.sessions.departure_min[rows] > 0]


def _plug_in(fleet: Fleet, state: FleetState, end_min: float) -> None:
    tables = (fleet.vehicles.rows, fleet.sessions.rows, state.car, state.point, state.stay, state.active, state.cursor)
    plug_in_due(*tables, _EVERYONE, fleet.elsewhere_floor_share, end_min)


def step(
    fleet: Fleet,
    state: FleetState,
    period: int,
    limit_kw: np.ndarray,
    period_h: float = 0.25,
    stop_kwh: np.ndarray | None = None,
) -> StepResult:
    """Move every car through one period.

    A car takes the smallest of the limit, its own and the point's rating; below 6 A per phase (some cars 8 A) it does
    not charge at all. Near full it tapers. A negative limit asks a V2X car to deliver, down to its reserve. Arrivals
    and departures inside the period count by the minute.

    Parameters
    ----------
    fleet : Fleet
        The fixed part.
    state : FleetState
        Changed in place.
    period : int
        Period from the start of the horizon in steps of ``period_h``.
    limit_kw : float array, shape (n_points,)
        Set-point of each point at the meter; infinite: no limit; negative: deliver.
    period_h : float
        Length of the step.
    stop_kwh : float array, shape (n_points,), optional
        Energy in the battery at which the point stops the session, if below what the car wants.

    Returns
    -------
    StepResult
    """
    step_min = minutes_of(period_h)
    start, end = period * step_min, (period + 1) * step_min
    energy = np.zeros(fleet.n_points)
    limit = np.ascontiguousarray(limit_kw, dtype=np.float64)
    stop = np.full(fleet.n_points, np.inf) if stop_kwh is None else np.ascontiguousarray(stop_kwh, dtype=np.float64)
    _plug_in(fleet, state, end)
    present = state.active_sessions.copy()
    frozen = (fleet.vehicles.rows, fleet.points.rows, fleet.sessions.rows)
    changing = (state.car, state.point, state.stay, state.active, state.cursor)
    floor, reaction = fleet.elsewhere_floor_share, fleet.reaction_s / 60.0
    step_all(*frozen, *changing, limit, stop, start, end, floor, reaction, energy, state.take_seats())
    departed = present[fleet.sessions.departure_min[present] <= end]
    return StepResult(energy, period_h, present, departed, fleet)


def uncontrolled_kw(fleet: Fleet) -> np.ndarray:
    """The limits of a fleet nobody steers: none."""
    return np.full(fleet.n_points, np.inf)
