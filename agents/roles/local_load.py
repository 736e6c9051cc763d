"""What an aggregator knows of the load behind each meter: the last measurement, yesterday's, and the sun to come."""

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
        self._peak_kw = np.zeros(n_connections)
        self._solar_share = np.zeros(0)
        self._measured_at = np.full(DAY, -1)

    def hear_panels(self, rows: np.ndarray, peak_kw: np.ndarray) -> None:
        """Take in the peak power of panels; what cannot be is no panel."""
        known = (rows < len(self._peak_kw)) & np.isfinite(peak_kw)
        self._peak_kw[rows[known]] = np.maximum(peak_kw[known], 0.0)

    def hear_weather(self, first: int, solar_share: np.ndarray) -> None:
        """Take in a forecast of the sun; of what is over, the last forecast before it stays."""
        end = first + len(solar_share)
        if end > len(self._solar_share):
            self._solar_share = np.append(self._solar_share, np.full(end - len(self._solar_share), np.nan))
        self._solar_share[first:end] = np.clip(solar_share, 0.0, 1.5)

    def _sun(self, periods: np.ndarray) -> np.ndarray:
        """Forecast output of panels, share of their peak; NaN where none came."""
        n = len(self._solar_share)
        if not n:
            return np.full(len(periods), np.nan)
        is_known = (periods >= 0) & (periods < n)
        return np.where(is_known, self._solar_share[np.clip(periods, 0, n - 1)], np.nan)

    def _more_sun(self, periods: np.ndarray, than: np.ndarray) -> np.ndarray:
        """Output of panels in some periods above that in others, share of their peak; 0 where a forecast is missing."""
        return np.nan_to_num(self._sun(periods) - self._sun(than))

    def hear(self, period: int, rows: np.ndarray, load_kw: np.ndarray) -> None:
        """Take a measurement in; connections beyond those known are not the aggregator's."""
        known = rows < len(self._now_kw)
        rows, load = rows[known], np.asarray(load_kw, dtype=np.float64)[known]
        quarter = period % DAY
        before = self._yesterday_kw[rows, quarter]
        if self._measured_at[quarter] >= 0:
            more = self._more_sun(np.array([period]), self._measured_at[[quarter]])[0]
            before = before - self._peak_kw[rows] * more
        self._measured_at[quarter] = period
        self._excess_kw[rows] = np.where(np.isnan(before), 0.0, load - before)
        self._now_kw[rows] = load
        self._yesterday_kw[rows, quarter] = load

    def now_kw(self, rows: np.ndarray) -> np.ndarray:
        """Last measurement of some connections, float64[n]; 0 where nothing came."""
        return self._now_kw[rows]

    def forecast_kw(self, period: int, n_ahead: int, rows: np.ndarray) -> np.ndarray:
        """Expected net load from a period on, float64[n, n_ahead].

        Yesterday's quarter-hours come again, with the sun that is forecast in the place of yesterday's where panels and
        weather were told, shifted by what is different now, which fades; a quarter-hour that was never measured is
        expected to be like now.
        """
        ahead = np.arange(n_ahead)
        quarter = (period + ahead) % DAY
        profile = self._yesterday_kw[rows][:, quarter].astype(np.float64)
        peak = self._peak_kw[rows]
        if peak.any():
            profile -= peak[:, None] * self._more_sun(period + ahead, self._measured_at[quarter])
        fading = np.exp(-ahead / FADING_PERIODS)
        expected = profile + self._excess_kw[rows][:, None] * fading
        return np.where(np.isnan(profile), self._now_kw[rows][:, None], expected)
