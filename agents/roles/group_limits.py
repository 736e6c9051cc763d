"""Limits that grid operators put on groups of connections, as the aggregator keeps them."""

from __future__ import annotations

import numpy as np

from agents.fleet.strategies.allocation import allocate


class GroupLimits:
    """Largest charging power of groups of charging points, per period.

    Parameters
    ----------
    connection_row : int array, shape (n_points,)
        Connection of every point.
    n_periods : int
        Length of the run.
    """

    def __init__(self, connection_row: np.ndarray, n_periods: int) -> None:
        self._connection_row, self._n = connection_row, n_periods
        self._groups: list[tuple[int, int, np.ndarray, np.ndarray]] = []

    def add(self, first: int, connections: np.ndarray, limit_kw: np.ndarray) -> np.ndarray:
        """Keep a limit (infinite: none in that period); returns the points it concerns."""
        points = np.flatnonzero(np.isin(self._connection_row, connections))
        if len(points) and np.isfinite(limit_kw).any():
            self._groups.append((first, first + len(limit_kw), points, limit_kw))
        return points

    def forget(self, period: int) -> None:
        """Drop limits that have passed."""
        self._groups = [g for g in self._groups if g[1] > period]

    def squeeze(
        self, period: int, points: np.ndarray, target_kw: np.ndarray, min_kw: np.ndarray, laxity_h: np.ndarray
    ) -> np.ndarray:
        """Bring the targets of the given points under every group's limit; who has most time to spare waits.

        Below its minimum a car does not charge at all: cars are switched, not scaled.

        Parameters
        ----------
        points : int array, shape (n,)
            Points with a car.
        target_kw, min_kw, laxity_h : float arrays, shape (n,)
            Finite targets, lowest powers other than zero, and time to spare.
        """
        power = np.asarray(target_kw, dtype=np.float64).copy()
        for first, end, members, limit in self._groups:
            if first <= period < end and np.isfinite(limit[period - first]):
                most = max(float(limit[period - first]), 0.0)
                rows = np.flatnonzero(np.isin(points, members))
                if float(np.sum(power[rows])) > most:
                    power[rows] = allocate(power[rows], min_kw[rows], most, "least_laxity", laxity_h=laxity_h[rows])
        return power

    def is_limited(self, period: int) -> np.ndarray:
        """Points whose power is sold or capped in a period, bool[n_points]: nothing more may be promised of them."""
        limited = np.zeros(len(self._connection_row), dtype=bool)
        for first, end, members, limit in self._groups:
            if first <= period < end and np.isfinite(limit[period - first]):
                limited[members] = True
        return limited

    def penalty_eur_per_kwh(self, period: int, n_ahead: int, points: np.ndarray, size: float) -> np.ndarray | None:
        """Price that makes plans avoid limited periods, float[n_points, n_ahead]; None where nothing is limited."""
        if self.is_empty:
            return None
        extra = np.zeros((len(points), n_ahead))
        place = np.full(len(self._connection_row), -1)
        place[points] = np.arange(len(points))
        for first, end, members, limit in self._groups:
            low, high = max(first, period), min(end, period + n_ahead)
            if low < high:
                is_limited = np.isfinite(limit[low - first : high - first])
                rows = place[members]
                extra[np.ix_(rows[rows >= 0], np.arange(low - period, high - period)[is_limited])] = size
        return extra if extra.any() else None

    @property
    def is_empty(self) -> bool:
        """No limit is known."""
        return not self._groups
