"""The local clock that contracts and tariffs are written in, as arrays over the periods they apply to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from markets.calendar import Horizon


@dataclass(frozen=True)
class Clock:
    """Local time of consecutive periods.

    Parameters
    ----------
    period_h : float
        Length of a period in hours.
    local_hour : float64[n_periods]
        Clock hour at the start of each period, with fraction.
    day : int64[n_periods]
        Running day.
    month : int64[n_periods]
        Running month.
    is_weekend : bool[n_periods]
        Saturday or Sunday.
    """

    period_h: float
    local_hour: np.ndarray
    day: np.ndarray
    month: np.ndarray
    is_weekend: np.ndarray

    @classmethod
    def of(cls, horizon: Horizon) -> Clock:
        """The clock of a run; days of 92 or 100 quarters keep their true local hours."""
        dates = [horizon.date_of(d) for d in range(horizon.days)]
        months = np.array([d.year * 12 + d.month for d in dates], dtype=np.int64)
        weekend = np.array([d.weekday() >= 5 for d in dates])
        day = horizon.day_of
        return cls(horizon.period_h, horizon.local_hour, day, (months - months[0])[day], weekend[day])

    @classmethod
    def plain(cls, n_days: int = 1, period_h: float = 0.25) -> Clock:
        """``n_days`` days of 24 hours in one month, starting on a Monday."""
        per_day = round(24 / period_h)
        day = np.repeat(np.arange(n_days), per_day)
        hour = np.tile(np.arange(per_day) * period_h, n_days)
        return cls(period_h, hour, day, np.zeros(day.shape[0], dtype=np.int64), day % 7 >= 5)

    @property
    def n_periods(self) -> int:
        """Number of periods."""
        return int(self.local_hour.shape[0])

    @property
    def hours(self) -> float:
        """Length of all periods together."""
        return self.n_periods * self.period_h

    def block(self, block_h: float = 4.0) -> np.ndarray:
        """Running number of the fixed local block of ``block_h`` hours each period lies in, int64[n_periods]."""
        per_day = int(np.ceil(24 / block_h))
        return self.day * per_day + np.floor(self.local_hour / block_h + 1e-9).astype(np.int64)

    @cached_property
    def day_starts(self) -> np.ndarray:
        """First period of every day."""
        return starts_of(self.day)

    def is_between(self, windows: tuple[tuple[float, float], ...]) -> np.ndarray:
        """Whether a period starts inside one of the daily (from, to) hour windows; to < from runs past midnight."""
        inside = np.zeros(self.n_periods, dtype=np.bool_)
        for start, end in windows:
            after, before = self.local_hour >= start - 1e-9, self.local_hour < end - 1e-9
            inside |= (after & before) if end > start else (after | before)
        return inside


def starts_of(label: np.ndarray) -> np.ndarray:
    """First position of each run of equal labels, int64[n_runs]."""
    return np.flatnonzero(np.r_[True, label[1:] != label[:-1]])
