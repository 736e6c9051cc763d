"""Whole weeks of many charging points in one compiled loop."""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.state import FleetState
from agents.fleet.stepping import plug_in_due, step_all
from agents.fleet.tables import Fleet


@njit(cache=True)
def _simulate(
    cars: np.ndarray,
    points: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    point_states: np.ndarray,
    stay_states: np.ndarray,
    active: np.ndarray,
    cursor: np.ndarray,
    floor_share: float,
    reaction_min: float,
    limit_kw: np.ndarray,
    period_h: float,
    power_kw: np.ndarray,
) -> None:
    n_points, n_periods = power_kw.shape
    energy = np.zeros(n_points)
    step_min = round(period_h * 60.0, 9)
    stop = np.full(n_points, np.inf)
    limit = np.full(n_points, np.inf)
    for t in range(n_periods):
        if limit_kw.shape[1]:
            limit[:] = limit_kw[:, t]
        energy[:] = 0.0
        start, end = t * step_min, (t + 1) * step_min
        plug_in_due(cars, stays, car_states, point_states, stay_states, active, cursor, floor_share, end)
        step_all(
            cars,
            points,
            stays,
            car_states,
            point_states,
            stay_states,
            active,
            cursor,
            limit,
            stop,
            start,
            end,
            floor_share,
            reaction_min,
            energy,
        )
        for cp in range(n_points):
            power_kw[cp, t] = energy[cp] / period_h


def simulate(fleet: Fleet, state: FleetState, limit_kw: np.ndarray | None = None) -> np.ndarray:
    """Run the whole horizon.

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
    power = np.zeros((fleet.n_points, fleet.horizon.n_periods), dtype=np.float32)
    limits = np.empty((fleet.n_points, 0)) if limit_kw is None else np.ascontiguousarray(limit_kw, dtype=np.float64)
    frozen = (fleet.vehicles.rows, fleet.points.rows, fleet.sessions.rows)
    changing = (state.car, state.point, state.stay, state.active, state.cursor)
    floor, reaction = fleet.elsewhere_floor_share, fleet.reaction_s / 60.0
    _simulate(*frozen, *changing, floor, reaction, limits, fleet.horizon.period_h, power)
    return power
