"""How an aggregator forecasts its pool: the sessions of the last day come again, planned with the prices that hold.

The energy that a finished session took tells its need; its stay tells when such a car is there. A stay is cut by the
same safety margin as for a real car, and the same strategies plan it, so that the forecast answers to prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from agents.fleet.strategies import STRATEGIES
from agents.fleet.tables import ChargingPoints
from agents.fleet.view import SessionView, Signal
from agents.roles.belief_kernels import EFFICIENCY, FIRST_KWH
from agents.roles.beliefs import Beliefs
from agents.roles.carbon import CarbonOutlook

DAY = 96
"""Periods of an ordinary day."""


def summing(target: np.ndarray, n: int) -> csr_matrix:
    """Matrix that adds rows up by target, csr[n, len(target)]: many times quicker than adding in place."""
    rows = np.arange(len(target))
    return csr_matrix((np.ones(len(target)), (target, rows)), shape=(n, len(target)))


@dataclass(frozen=True)
class Replay:
    """Sessions that are expected to come.

    Attributes
    ----------
    first : int
        Period in which the forecast was made; column 0 of the plans.
    arrival : int array, shape (n_sessions,)
        Period in which each is expected.
    cp_row : int array, shape (n_sessions,)
        Where.
    plan_kw : float32 array, shape (n_sessions, n_ahead)
        What it would draw.
    """

    first: int
    arrival: np.ndarray
    cp_row: np.ndarray
    plan_kw: np.ndarray

    def points_kw(self, periods: np.ndarray, after: int, n_points: int) -> np.ndarray:
        """Expected power per point of sessions that come after a period, float64[n_points, n]."""
        known, to_come = self._known(periods), self.arrival > after
        found = summing(self.cp_row[to_come], n_points) @ self.plan_kw[to_come, known]
        return _padded(found, periods - self.first, known)

    def total_kw(self, periods: np.ndarray, after: int) -> np.ndarray:
        """The same summed over points, float64[n]."""
        known = self._known(periods)
        found = self.plan_kw[self.arrival > after, known].sum(axis=0, dtype=np.float64)
        return _padded(found, periods - self.first, known)

    def _known(self, periods: np.ndarray) -> slice:
        """Columns of the plans that lie within some periods that follow one another."""
        n = self.plan_kw.shape[1]
        return slice(min(max(int(periods[0]) - self.first, 0), n), min(max(int(periods[-1]) + 1 - self.first, 0), n))


def _padded(found: np.ndarray, at: np.ndarray, known: slice) -> np.ndarray:
    """Values of some columns with zeros for the columns ``at`` that are not known, float64[..., n]."""
    if found.shape[-1] == len(at):
        return np.asarray(found)
    total = np.zeros((*found.shape[:-1], len(at)))
    first = known.start - int(at[0])
    total[..., first : first + found.shape[-1]] = found
    return total


def replay(
    believed: Beliefs,
    points: ChargingPoints,
    strategy_of_point: np.ndarray,
    now: int,
    n_ahead: int,
    signal: Signal,
    carbon: CarbonOutlook,
) -> Replay:
    """Plan the sessions of the last day as if they came again.

    Parameters
    ----------
    believed : Beliefs
        What is known of past sessions.
    points : ChargingPoints
        The pool.
    strategy_of_point : array of str, shape (n_points,)
        How each point is steered.
    now : int
        Period in which the forecast is made.
    n_ahead : int
        Periods it covers.
    signal : Signal
        Prices of these periods.
    carbon : CarbonOutlook
        Expected CO2, for drivers who mind.
    """
    b = believed
    begun = np.flatnonzero(b.arrival_min > (now - DAY) * 15.0)
    begun = begun[b.arrival_min[begun] < now * 15.0]
    arrival = np.floor_divide(b.arrival_min[begun], 15.0).astype(np.int64)
    rows = np.concatenate([begun] * 2)
    due = np.concatenate([arrival + DAY, arrival + 2 * DAY])
    keep = (due > now) & (due < now + n_ahead)
    rows, due = rows[keep], due[keep]
    view = _view(b, points, rows, due - now)
    plan = np.zeros((len(rows), n_ahead), dtype=np.float32)
    names = strategy_of_point[b.cp_row[rows]]
    for name in sorted(set(names.tolist())):
        chosen = np.flatnonzero(names == name)
        prices = carbon.weigh(signal, b.co2_focus[rows[chosen]], now)
        power = STRATEGIES[name](view.take(chosen), prices)
        plan[chosen, : power.shape[1]] = power[:, :n_ahead]
    return Replay(now, due, b.cp_row[rows], plan)


def _view(b: Beliefs, points: ChargingPoints, rows: np.ndarray, arrival: np.ndarray) -> SessionView:
    ready = b.departure_of(rows, points.segment[b.cp_row[rows]])
    stay = np.maximum(np.ceil((ready - b.arrival_min[rows]) / 15.0), 1.0)
    took = EFFICIENCY * b.metered_kwh[rows]
    need = np.where(b.is_here[rows], np.maximum(b.need_of(rows) + took, took), took)
    return SessionView.of(
        len(rows),
        session_row=rows,
        cp_row=b.cp_row[rows],
        energy_now_kwh=10.0,
        energy_needed_kwh=need,
        capacity_kwh=10.0 + need,
        max_kw=b.max_kw[rows],
        min_kw=b.min_kw[rows],
        efficiency=EFFICIENCY,
        discharge_efficiency=EFFICIENCY,
        arrival_period=arrival,
        departure_period=arrival + stay.astype(np.int64),
        must_charge=b.charge_now[rows],
        is_deaf=b.is_deaf[rows],
        urgent_kwh=np.where(np.isnan(b.departure_min[rows]), np.minimum(FIRST_KWH, need), 0.0),
        site=points.site[b.cp_row[rows]],
    )
