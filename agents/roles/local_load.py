"""What an aggregator knows of the load behind each meter: the last measurement, and the same quarter of yesterday."""

from __future__ import annotations

import numpy as np

DAY = 96
"""Periods of an ordinary day; after a clock change yesterday's profile is an hour off for a day."""
FADING_PERIODS = 8.0
"""Time in which the difference to yesterday fades to a third, periods (two hours)."""


class LocalLoads:
    """Measured net load (household and site less roof) of connections, and a forecast from it.

    Parameters
    ----------
    n_connections : int
        Connection rows that can be asked for.
    """

    def __init__(self, n_connections: int) -> None:
        self._yesterday_kw = np.full((n_connections, DAY), np.nan, dtype=np.float32)
        self._excess_kw = np.zeros(n_connections)
        self._now_kw = np.zeros(n_connections)

    def hear(self, period: int, rows: np.ndarray, load_kw: np.ndarray) -> None:
        """Take a measurement in; connections beyond those known are not the aggregator's."""
        known = rows < len(self._now_kw)
        rows, load = rows[known], np.asarray(load_kw, dtype=np.float64)[known]
        quarter = period % DAY
        before = self._yesterday_kw[rows, quarter]
        self._excess_kw[rows] = np.where(np.isnan(before), 0.0, load - before)
        self._now_kw[rows] = load
        self._yesterday_kw[rows, quarter] = load

    def now_kw(self, rows: np.ndarray) -> np.ndarray:
        """Last measurement of some connections, float64[n]; 0 where nothing came."""
        return self._now_kw[rows]

    def forecast_kw(self, period: int, n_ahead: int, rows: np.ndarray) -> np.ndarray:
        """Expected net load from a period on, float64[n, n_ahead].

        Yesterday's quarter-hours come again, shifted by what is different now, which fades; a quarter-hour that was
        never measured is expected to be like now.
        """
        ahead = np.arange(n_ahead)
        profile = self._yesterday_kw[rows][:, (period + ahead) % DAY].astype(np.float64)
        fading = np.exp(-ahead / FADING_PERIODS)
        expected = profile + self._excess_kw[rows][:, None] * fading
        return np.where(np.isnan(profile), self._now_kw[rows][:, None], expected)
