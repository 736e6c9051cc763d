"""What stations, CPO, CSP and aggregator do against signals that are signed but wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.settings import SecuritySettings

PERIOD_MIN = 15.0
FEEDER_MARGIN = 1.25
"""A load above this share of a connection's capacity would have blown its fuse: the reading is wrong."""
GUARANTEED_SHARE = 0.4
"""Part of a point's rating that an absolute signal always leaves, by agreement: below it a signal cannot be honest."""
FLIP_SHARE = 0.8
"""A new limit that turns by more than this share of the rating, against the last such turn, is a flip.

Plans that end a cheap hour with a quarter charged in part turn by less; who switches a fleet wants all of it.
"""
FLIPS_REFUSED, FLIP_MEMORY = 2, 4
"""Flips within an hour after which a station holds its stored profile, and for how many periods."""
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
    _turns: Turns | None = field(default=None, repr=False)

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

    def steady(
        self, limit_kw: np.ndarray, rating_kw: np.ndarray, safe_kw: np.ndarray, session_row: np.ndarray, period: int
    ) -> np.ndarray:
        """Set-points of the CPO; a station that is flung to and fro holds its stored profile for an hour.

        Parameters
        ----------
        limit_kw : float array, shape (n_points,)
            What the CPO told.
        rating_kw, safe_kw : float arrays, shape (n_points,)
            Their rating, and the profile stored in them.
        session_row : int array, shape (n_points,)
            Session at each, -1 where there is no car: what nobody draws by, and what another car got, is no turn.
        """
        if not self.is_checked:
            return limit_kw
        wanted = np.clip(limit_kw, -rating_kw, rating_kw)
        if self._turns is None:
            self._turns = Turns.of(wanted, session_row)
        held = self._turns.note(wanted, FLIP_SHARE * rating_kw, session_row, period)
        self.refused += int(np.sum(held))
        return np.where(held, safe_kw, limit_kw)

    def at_least_guaranteed(self, limit_share: np.ndarray) -> np.ndarray:
        """Absolute limits as a station takes them: never below what the connection is guaranteed."""
        if not self.is_checked:
            return limit_share
        self.refused += int(np.sum(limit_share < GUARANTEED_SHARE))
        return np.maximum(limit_share, GUARANTEED_SHARE)

    def believable(self, load_kw: np.ndarray, capacity_kw: np.ndarray) -> np.ndarray:
        """Which readings of the load behind a connection can be."""
        if not self.is_checked:
            return np.ones(len(load_kw), dtype=bool)
        can_be = np.abs(load_kw) <= FEEDER_MARGIN * capacity_kw
        self.refused += int(np.sum(~can_be))
        return np.asarray(can_be)


@dataclass
class Turns:
    """Large changes of each station's set-point, and those that undo the one before.

    Attributes
    ----------
    before_kw : float array
        Set-point before the last change, and ``now_kw`` the newest.
    session_row : int array
        Session that the set-points are for, -1 = none, and ``began`` the period of its first one.
    way : int array
        Direction of the last large change.
    turned : int array
        Period of it.
    flips : int array
        Flips in a row, none further than an hour from the last.
    held_until : int array
        First period in which the station follows again.
    period : int
        Last period that was noted: a set-point may be told again within a period.
    """

    before_kw: np.ndarray
    now_kw: np.ndarray
    session_row: np.ndarray
    began: np.ndarray
    way: np.ndarray
    turned: np.ndarray
    flips: np.ndarray
    held_until: np.ndarray
    period: int = -1

    @classmethod
    def of(cls, start_kw: np.ndarray, session_row: np.ndarray) -> Turns:
        """No turn yet."""
        none = np.zeros(len(start_kw), dtype=np.int64)
        return cls(
            start_kw.copy(),
            start_kw.copy(),
            session_row.copy(),
            none - 1,
            none.copy(),
            none - 100,
            none.copy(),
            none.copy(),
        )

    def note(self, wanted_kw: np.ndarray, least_kw: np.ndarray, session_row: np.ndarray, period: int) -> np.ndarray:
        """Take in new set-points; which stations hold their stored profile now, bool[n]."""
        if period != self.period:
            self._close(least_kw)
            self.before_kw, self.period = self.now_kw, period
        # a car's first set-point is where its turns begin
        is_other = (session_row != self.session_row) | (session_row < 0)
        self.began = np.where(is_other, period, self.began)
        self.before_kw = np.where(self.began == period, wanted_kw, self.before_kw)
        self.way, self.flips = np.where(is_other, 0, self.way), np.where(is_other, 0, self.flips)
        self.session_row = session_row.copy()
        self.now_kw = wanted_kw
        change = wanted_kw - self.before_kw
        is_flip = (np.abs(change) > least_kw) & (np.sign(change) == -self.way) & (period - self.turned <= FLIP_MEMORY)
        caught = is_flip & (self.flips + 1 >= FLIPS_REFUSED)
        self.held_until = np.where(caught, period + FLIP_MEMORY, self.held_until)
        return self.held_until > period

    def _close(self, least_kw: np.ndarray) -> None:
        """Book the turns of the period that is over."""
        change = self.now_kw - self.before_kw
        is_large = np.abs(change) > least_kw
        is_recent = self.period - self.turned <= FLIP_MEMORY
        way = np.sign(change).astype(np.int64)
        is_flip = is_large & (way == -self.way) & is_recent
        self.flips = np.where(is_flip, self.flips + 1, np.where(is_large | ~is_recent, 0, self.flips))
        self.way, self.turned = np.where(is_large, way, self.way), np.where(is_large, self.period, self.turned)


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
