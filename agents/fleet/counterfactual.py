"""The same drivers, sessions and draws with nobody steering: the reference every saving is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.fleet import physics
from agents.fleet.state import FleetState, initial_state
from agents.fleet.tables import SEGMENTS, Fleet


@dataclass(frozen=True)
class Outcome:
    """A whole run of the fleet.

    Attributes
    ----------
    power_kw : float array, shape (n_points, n_periods)
        Mean power per point and period, positive into the car.
    state : FleetState
        At the end: accounts per EV and point, and per session what came in, what went out and the battery at departure.
    """

    fleet: Fleet
    power_kw: np.ndarray
    state: FleetState

    def segment_kw(self) -> np.ndarray:
        """Power per segment, float64[len(SEGMENTS), n_periods]."""
        total = np.zeros((len(SEGMENTS), self.power_kw.shape[1]))
        for code in range(len(SEGMENTS)):
            total[code] = self.power_kw[self.fleet.points.segment == code].sum(axis=0, dtype=np.float64)
        return total

    def missing_kwh(self) -> np.ndarray:
        """Energy missing in the battery at departure, float64[n_sessions]; nan for sessions still open."""
        return np.maximum(self.fleet.sessions.desired_kwh - self.state.departure_kwh, 0.0)


def simulate(fleet: Fleet, state: FleetState, limit_kw: np.ndarray | None = None) -> np.ndarray:
    """Run the whole horizon with given set-points.

    Parameters
    ----------
    fleet : Fleet
        The fixed part.
    state : FleetState
        Start; changed in place.
    limit_kw : float array, shape (n_points, n_periods), optional
        Set-points; without it nobody is limited.

    Returns
    -------
    float32 array, shape (n_points, n_periods)
        Mean power at the meter.
    """
    free = physics.uncontrolled_kw(fleet)
    power = np.zeros((fleet.horizon.n_periods, fleet.n_points), dtype=np.float32)
    for t in range(len(power)):
        limit = free if limit_kw is None else limit_kw[:, t]
        power[t] = physics.step(fleet, state, t, limit, fleet.horizon.period_h).power_kw
    return power.T


def uncontrolled(fleet: Fleet) -> Outcome:
    """Charge every car at once and at full power as soon as it is plugged in.

    Parameters
    ----------
    fleet : Fleet
        The fleet of the run that is compared; random draws are part of it, so both runs share them.
    """
    state = initial_state(fleet)
    return Outcome(fleet, simulate(fleet, state), state)
