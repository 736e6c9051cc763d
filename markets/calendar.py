"""When things happen: the horizon in quarter-hours and the market day declared as data.

Clock times are Dutch local time (Europe/Amsterdam); instants are UTC. A day has 96 quarters, 92 on the last Sunday
of March and 100 on the last Sunday of October.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Horizon:
    """The simulated days, cut into periods of 15 minutes.

    Parameters
    ----------
    first_day : date
        First local day.
    days : int
        Number of local days.
    time_zone : str
        IANA name.
    """

    first_day: date
    days: int
    time_zone: str = "Europe/Amsterdam"
    period_min: int = 15

    @cached_property
    def zone(self) -> ZoneInfo:
        """The local time zone."""
        return ZoneInfo(self.time_zone)

    def midnight_utc(self, day: int) -> datetime:
        """Start of local day ``day`` (0 = first day; may lie outside the horizon) as an aware UTC instant."""
        local = datetime.combine(self.first_day + timedelta(days=day), time(), tzinfo=self.zone)
        return local.astimezone(UTC)

    @cached_property
    def day_start_period(self) -> np.ndarray:
        """Period index at which each day starts, with the end of the horizon as last entry, int64[days + 1]."""
        origin = self.midnight_utc(0)
        minutes = [(self.midnight_utc(d) - origin).total_seconds() / 60 for d in range(self.days + 1)]
        return (np.array(minutes) / self.period_min).astype(np.int64)

    @cached_property
    def n_periods(self) -> int:
        """Number of periods."""
        return int(self.day_start_period[-1])

    @property
    def period_h(self) -> float:
        """Length of a period in hours."""
        return self.period_min / 60

    @cached_property
    def start_utc(self) -> np.ndarray:
        """Start of every period, datetime64[s] in UTC, shape (n_periods,)."""
        origin = np.datetime64(self.midnight_utc(0).replace(tzinfo=None), "s")
        return origin + np.arange(self.n_periods) * np.timedelta64(self.period_min * 60, "s")

    @cached_property
    def day_of(self) -> np.ndarray:
        """Day index of every period, int64[n_periods]."""
        return np.repeat(np.arange(self.days), np.diff(self.day_start_period))

    @cached_property
    def local_hour(self) -> np.ndarray:
        """Local clock hour (with fraction) at the start of every period, float64[n_periods]."""
        offsets = [self._utc_offset_h(t) for t in self.start_utc]
        seconds = (self.start_utc - self.start_utc[0].astype("datetime64[D]")).astype(np.int64)
        return (seconds / 3600 + np.array(offsets)) % 24

    def _utc_offset_h(self, instant: np.datetime64) -> float:
        aware = instant.astype(datetime).replace(tzinfo=UTC).astimezone(self.zone)
        offset = aware.utcoffset()
        assert offset is not None
        return offset.total_seconds() / 3600

    def day_slice(self, day: int) -> slice:
        """The periods of one day."""
        return slice(int(self.day_start_period[day]), int(self.day_start_period[day + 1]))

    def date_of(self, day: int) -> date:
        """Local date of a day index."""
        return self.first_day + timedelta(days=day)

    def is_weekend(self, day: int) -> bool:
        """Whether a day index is a Saturday or Sunday."""
        return self.date_of(day).weekday() >= 5

    def period_at(self, day: int, hour: float) -> int:
        """Period that holds a local clock time; negative before the horizon (hours count wall-clock from midnight)."""
        whole = int(hour)
        local = datetime.combine(self.first_day + timedelta(days=day), time(), tzinfo=self.zone)
        local = local.replace(hour=whole % 24, minute=round((hour - whole) * 60) % 60) + timedelta(days=whole // 24)
        seconds = (local.astimezone(UTC) - self.midnight_utc(0)).total_seconds()
        return int(seconds // (self.period_min * 60))
