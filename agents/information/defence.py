"""What stations, CPO, CSP and aggregator do against signals that are signed but wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.settings import SecuritySettings

PERIOD_MIN = 15.0
FEEDER_MARGIN = 1.25
"""A load above this share of a connection's capacity would have blown its fuse: the reading is wrong."""
LARGEST_SWING_SHARE = 0.5
"""Share of the power that connected cars could draw which an honest aggregator does not move in one period."""


@dataclass
class Defence:
    """How stations follow a new limit.

    Parameters
    ----------
    rate_share : float
        Most that a limit may change per period, share of the rating; 0 = no limit.
    delay_min : float array, shape (n_points,)
        Delay of each station, drawn once, minutes.
    is_checked : bool
        Stations refuse readings that cannot be.
    """

    rate_share: float
    delay_min: np.ndarray
    is_checked: bool
    refused: int = 0
    _period: int = field(default=-1, repr=False)
    _before: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    _latest: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)

    @classmethod
    def of(cls, security: SecuritySettings, n_points: int, rng: np.random.Generator) -> Defence:
        """The defence of a scenario."""
        delay = security.random_delay_min * rng.random(n_points)
        return cls(security.rate_limit_share, delay, security.is_plausibility_checked)

    def follow(self, limit_kw: np.ndarray, rating_kw: np.ndarray, period: int) -> np.ndarray:
        """Limits that stations really give to their cars, mean over the period.

        Parameters
        ----------
        limit_kw : float array, shape (n_points,)
            What they were told.
        rating_kw : float array, shape (n_points,)
            Their rating.
        """
        if not self.rate_share and not self.delay_min.any():
            return limit_kw
        wanted = np.clip(limit_kw, -rating_kw, rating_kw)
        if period != self._period:
            self._before = self._latest if len(self._latest) else wanted
            self._period = period
        reached = wanted
        if self.rate_share:
            step = self.rate_share * rating_kw
            reached = np.clip(wanted, self._before - step, self._before + step)
        self._latest = reached
        late = np.minimum(self.delay_min / PERIOD_MIN, 1.0)
        return late * self._before + (1.0 - late) * reached

    def believable(self, load_kw: np.ndarray, capacity_kw: np.ndarray) -> np.ndarray:
        """Which readings of the load behind a connection can be."""
        if not self.is_checked:
            return np.ones(len(load_kw), dtype=bool)
        can_be = np.abs(load_kw) <= FEEDER_MARGIN * capacity_kw
        self.refused += int(np.sum(~can_be))
        return np.asarray(can_be)


def is_swing(target_kw: np.ndarray, before_kw: np.ndarray, max_kw: np.ndarray) -> bool:
    """Whether a batch of targets moves more at once than an honest aggregator does.

    Parameters
    ----------
    target_kw, before_kw : float arrays
        New and last targets of the same points.
    max_kw : float array
        Most that each car could draw.
    """
    new, old = np.minimum(target_kw, max_kw), np.minimum(before_kw, max_kw)
    return bool(abs(float(np.sum(new - old))) > LARGEST_SWING_SHARE * max(float(np.sum(max_kw)), 1e-9))


def is_upside_down(price: np.ndarray, expected: np.ndarray) -> bool:
    """Whether prices run against what was expected for the same periods: dear where cheap was expected."""
    n = min(len(price), len(expected))
    if n < 8 or np.std(price[:n]) < 1e-9 or np.std(expected[:n]) < 1e-9:
        return False
    return bool(np.corrcoef(price[:n], expected[:n])[0, 1] < -0.3)
