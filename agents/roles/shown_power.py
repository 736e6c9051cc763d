"""What each car has lately shown that it takes, so that full and tapering cars leave their room to others."""

from __future__ import annotations

import numpy as np

FOLLOWS_SHARE = 0.95
"""A car that draws this part of what it was told follows its limit; one that draws less has a limit of its own."""
MARGIN_SHARE, MARGIN_KW = 1.1, 0.1
"""Room kept above what a car has shown: it may grow a little, and then shows more."""
GROWTH = 1.5
"""How much more a car may ask that has taken all of what it was given."""
IDLE_KW = 0.2
"""Mean power below which a car that was given some counts as full (or asleep)."""


class ShownPower:
    """Highest power that the car at each point is expected to take.

    Parameters
    ----------
    n_points : int
        Charging points.
    """

    def __init__(self, n_points: int) -> None:
        self.most_kw = np.full(n_points, np.inf)
        self._periods = np.zeros(n_points, dtype=np.int64)

    def begin(self, cp_row: np.ndarray) -> None:
        """Forget what was shown at points where another car has plugged in."""
        self.most_kw[cp_row], self._periods[cp_row] = np.inf, 0

    def learn(self, told_kw: np.ndarray, measured_kw: np.ndarray) -> None:
        """Take a period's mean power in; the first of a car does not count, it came within it.

        Parameters
        ----------
        told_kw, measured_kw : float arrays, shape (n_points,)
            Finite limits that held, and the meters.
        """
        self._periods += 1
        is_given = (self._periods > 1) & (told_kw > IDLE_KW)
        follows = measured_kw >= FOLLOWS_SHARE * told_kw
        grown = np.where(told_kw * GROWTH >= self.most_kw, told_kw * GROWTH, self.most_kw)
        shown = MARGIN_SHARE * np.maximum(measured_kw, 0.0) + MARGIN_KW
        self.most_kw = np.where(is_given, np.where(follows, grown, shown), self.most_kw)

    def bound(self, asked_kw: np.ndarray, min_kw: np.ndarray, cp_row: np.ndarray) -> np.ndarray:
        """Wanted power less what the car will not take; never below its minimum, with which it may begin again."""
        return np.minimum(asked_kw, np.maximum(self.most_kw[cp_row], min_kw))

    def is_idle(self, cp_row: np.ndarray) -> np.ndarray:
        """Cars that were given power and took none."""
        return np.asarray(self.most_kw[cp_row] <= MARGIN_SHARE * IDLE_KW + MARGIN_KW)
