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

    @cached_property
    def is_peak(self) -> np.ndarray:
        """Periods of the peak product of the forward market: working days from 08:00 to 20:00, bool[n_periods]."""
        is_working_day = np.array([not self.is_weekend(d) for d in range(self.days)])
        return is_working_day[self.day_of] & (self.local_hour >= 8.0) & (self.local_hour < 20.0)

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


@dataclass(frozen=True)
class Gate:
    """Something that happens at a fixed clock time for every delivery day.

    Parameters
    ----------
    name : str
        Name of the event; the model has one method of this name.
    day_offset : int
        Days after the delivery day (-1 = the day before).
    hour : float
        Local clock hour.
    source : str
        Where the time comes from.
    """

    name: str
    day_offset: int
    hour: float
    source: str


def market_day(capacity_call_hour: float = 8.0) -> tuple[Gate, ...]:
    """All gates of one delivery day in the order of the day.

    Parameters
    ----------
    capacity_call_hour : float
        Hour of D-1 at which capacity-limiting contracts are called (lever ``capacity_call_hour``).
    """
    gates = (
        Gate("capacity_calls", -1, capacity_call_hour, "Netcode; before the day-ahead auction (assumption)"),
        Gate("fcr_auction", -1, 8.0, "TenneT FCR handbook 3.10: gate 08:00 D-1"),
        Gate("afrr_capacity_auction", -1, 9.0, "TenneT (hour: assumption)"),
        Gate("day_ahead_auction", -1, 12.0, "SDAC: gate 12:00 D-1"),
        Gate("nominations", -1, 14.0, "TenneT: schedules after the auction"),
        Gate("demand_prognoses", -1, 14.5, "UFTP plan phase (D-prognosis)"),
        Gate("intraday_auction_1", -1, 15.0, "IDA1 15:00 D-1"),
        Gate("congestion_forecast", -1, 15.5, "UFTP validate phase"),
        Gate("transport_limits", -1, 15.75, "report 7.4.1: limits of non-firm agreements (hour: assumption)"),
        Gate("redispatch_auction", -1, 16.0, "GOPACS announcement and clearing"),
        Gate("intraday_auction_2", -1, 22.0, "IDA2 22:00 D-1"),
        Gate("intraday_auction_3", 0, 10.0, "IDA3 10:00 D, second half of the day"),
    )
    return tuple(sorted(gates, key=lambda g: (g.day_offset, g.hour)))


def agenda(horizon: Horizon, capacity_call_hour: float = 8.0) -> list[tuple[int, Gate, int]]:
    """Every gate of a horizon in order of time.

    Returns
    -------
    list of (period, Gate, delivery day)
        Gates of the first delivery day lie before the horizon and have a negative period.
    """
    gates = market_day(capacity_call_hour)
    events = [
        (horizon.period_at(d + g.day_offset, g.hour), k, g, d) for d in range(horizon.days) for k, g in enumerate(gates)
    ]
    return [(period, gate, day) for period, _, gate, day in sorted(events, key=lambda e: (e[0], e[1], e[3]))]
