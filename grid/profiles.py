"""The year of quarter-hours that a foreign grid brings along, and how a run's days are found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

PROFILE_YEAR = 2016
N_STEPS = 35_136
"""Quarter-hours of the SimBench year, a leap year."""
_DAYS = N_STEPS // 96
_START = date(PROFILE_YEAR, 1, 1)


@dataclass(frozen=True)
class ProfileYear:
    """Consumption of every connection of an imported grid (SimBench: 2016, CET without daylight saving).

    Parameters
    ----------
    shape : ndarray, (35136, n_shapes)
        The distinct profiles; the last column is 1 (constant).
    p_shape, q_shape : ndarray of int, (n_connections,)
        Column of each connection.
    p_kw, q_kvar : ndarray, (n_connections,)
        What a shape of 1 means; feed-in is negative.
    """

    shape: np.ndarray
    p_shape: np.ndarray
    q_shape: np.ndarray
    p_kw: np.ndarray
    q_kvar: np.ndarray

    def __post_init__(self) -> None:
        if len(self.shape) != N_STEPS:
            raise ValueError(f"profiles have {len(self.shape)} steps; the {N_STEPS} quarter-hours of 2016 are readable")
        if not np.isfinite(self.shape).all():
            raise ValueError("profiles hold values that are not numbers")

    def connection_kw(self, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Return consumption in steps ``first`` to ``stop``, (n_steps, n_connections)."""
        return self.shape[first:stop, self.p_shape] * self.p_kw

    def connection_kvar(self, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Return reactive power in steps ``first`` to ``stop``, (n_steps, n_connections)."""
        return self.shape[first:stop, self.q_shape] * self.q_kvar

    def at(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return consumption in kW and reactive power in kvar at chosen steps, (n_connections, n_steps) each."""
        chosen = self.shape[steps].T
        return chosen[self.p_shape] * self.p_kw[:, None], chosen[self.q_shape] * self.q_kvar[:, None]


def profile_day(day: date) -> int:
    """Return the day of the profile year that stands for a day: of the same weekday, at most three days apart.

    At the ends of the year, where that would lie outside it, up to six days apart.
    """
    same = date(PROFILE_YEAR, day.month, day.day)
    found = (same - _START).days + (day.weekday() - same.weekday() + 3) % 7 - 3
    return found + 7 if found < 0 else found - 7 if found >= _DAYS else found


def steps_of(days: Sequence[date], day_of: np.ndarray, local_hour: np.ndarray) -> np.ndarray:
    """Return the step of the profile year for every period of a run.

    Parameters
    ----------
    days : sequence of date
        Local days of the run.
    day_of : ndarray of int, (n_periods,)
        Row in ``days``.
    local_hour : ndarray, (n_periods,)
        Local clock hour. The habits behind a profile follow the clock; its sun is then up to an hour off in summer.
    """
    first = np.array([96 * profile_day(day) for day in days])
    return first[day_of] + (local_hour * 4.0).astype(np.int64) % 96
