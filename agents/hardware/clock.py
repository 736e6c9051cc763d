"""Clocks of the port: wall-clock UTC goes on the wire, monotonic time measures durations; a replay sets both."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks in seconds."""

    def utc_s(self) -> float:
        """Seconds of wall-clock UTC since 1970."""
        ...

    def mono_s(self) -> float:
        """Seconds that never jump."""
        ...


class SystemClock:
    """The machine's clocks."""

    def utc_s(self) -> float:
        """Seconds of wall-clock UTC since 1970."""
        return time.time()

    def mono_s(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()


@dataclass
class SetClock:
    """Clocks that show what they were set to (replay, tests)."""

    utc: float = 0.0
    mono: float = 0.0

    def utc_s(self) -> float:
        """Seconds of wall-clock UTC since 1970."""
        return self.utc

    def mono_s(self) -> float:
        """Seconds that never jump."""
        return self.mono

    def advance(self, seconds: float) -> None:
        """Move both."""
        self.utc += seconds
        self.mono += seconds


def iso(utc_s: float) -> str:
    """Time stamp as OCPP writes it, to the millisecond.

    >>> iso(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    stamp = datetime.fromtimestamp(round(utc_s, 3), UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def seconds(stamp: object) -> float:
    """Seconds since 1970 of a time stamp; NaN where it is none. Without zone it is UTC (as stations mean it).

    >>> seconds("1970-01-01T01:00:00+01:00"), seconds("1970-01-01T00:00:00.1234567Z"), seconds("yesterday")
    (0.0, 0.123456, nan)
    """
    if not isinstance(stamp, str) or not 16 <= len(stamp) <= 40 or not stamp[:4].isdigit() or stamp[10] not in "Tt ":
        return float("nan")
    try:
        parsed = datetime.fromisoformat(stamp.upper())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("nan")
