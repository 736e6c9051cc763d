"""What an aggregator learns from meters about cars that do not resume after a pause (evcc #4788)."""

from __future__ import annotations

import numpy as np

from agents.fleet.tables import SEGMENTS, ChargingPoints
from agents.roles.beliefs import Beliefs

ASKED_KW, DRAWN_KW = 1.0, 0.1
"""Power from which a car was asked to charge, and below which it does nothing."""
NEED_KWH = 2.0
"""Believed need above which a car that does nothing is not simply full: statements are wrong by a few kWh."""
NEED_TO_TAKEN = 3.0
"""Believed need against what the session took, above which a wrong statement does not explain that a car stops."""
SILENT_PERIODS = 2
"""Quarters without an answer after which a session counts; a car that only sleeps wakes well within one."""
SILENT_SESSIONS = 2
"""Sessions that count after which the car of a point is planned without pauses."""


class Followers:
    """Whether the car of each home resumes when it is asked to; at other points the next car is another one.

    Parameters
    ----------
    points : ChargingPoints
        The pool.

    Attributes
    ----------
    silent_sessions : int array, shape (n_points,)
        Sessions in which the car did not resume.
    """

    def __init__(self, points: ChargingPoints) -> None:
        self._has_own_car = points.segment == SEGMENTS.index("home")
        self._is_paused = np.zeros(len(points.segment), dtype=bool)
        self._has_counted = np.zeros(len(points.segment), dtype=bool)
        self._silent_periods = np.zeros(len(points.segment), dtype=np.int64)
        self.silent_sessions = np.zeros(len(points.segment), dtype=np.int64)

    def is_deaf(self, cp_row: np.ndarray) -> np.ndarray:
        """Whether cars at some points are better not paused."""
        return np.asarray(self.silent_sessions[cp_row] >= SILENT_SESSIONS)

    def begin(self, cp_row: np.ndarray) -> None:
        """A session begins: plugging in wakes every car."""
        self._is_paused[cp_row] = self._has_counted[cp_row] = False
        self._silent_periods[cp_row] = 0

    def note(
        self, cp_row: np.ndarray, sessions: np.ndarray, told_kw: np.ndarray, metered_kw: np.ndarray, believed: Beliefs
    ) -> None:
        """Compare a period's targets with the meters.

        Only who draws nothing after a pause, with most of a sizeable need still open, leaves a target unanswered: a car
        that stops while it charges is full. Of cars that stood there before the run the meters tell too little.

        Parameters
        ----------
        cp_row, sessions : int arrays, shape (n,)
            Points and the sessions at them.
        told_kw, metered_kw : float arrays, shape (n,)
            Target, at most what the car can take, and what the meter shows: meters at rest send nothing, which is 0.
        believed : Beliefs
            For the need.
        """
        is_still = np.abs(metered_kw) < DRAWN_KW
        self._is_paused[cp_row] = is_still & (self._is_paused[cp_row] | (np.abs(told_kw) < DRAWN_KW))
        asked = self._has_own_car[cp_row] & self._is_paused[cp_row] & (told_kw >= ASKED_KW)
        self._silent_periods[cp_row[~asked]] = 0
        cp, rows = cp_row[asked], sessions[asked]
        if not len(cp):
            return
        needs = believed.need_of(rows) > np.maximum(NEED_KWH, NEED_TO_TAKEN * believed.metered_kwh[rows])
        self._silent_periods[cp] = np.where(
            needs & (believed.arrival_min[rows] >= 0.0), self._silent_periods[cp] + 1, 0
        )
        counts = cp[(self._silent_periods[cp] >= SILENT_PERIODS) & ~self._has_counted[cp]]
        self.silent_sessions[counts] += 1
        self._has_counted[counts] = True
