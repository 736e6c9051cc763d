"""Charging point: passes limits to the car, measures it, falls back on its own, obeys the DSO's absolute signal."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.tables import ChargingPoints
from agents.links import Links
from agents.messages import (
    AbsoluteSignalDirect,
    ChargeLimit,
    EvStatus,
    LocalLoad,
    MeterValues,
    PowerDrawn,
    SessionEnded,
    SessionStarted,
    StationLimit,
)
from agents.role import Role

OFFLINE_AFTER_PERIODS = 2
"""Periods without word from the CPO after which a point follows its stored profile."""


class ChargingPoint(mesa.Agent):
    """One charging point: a view on a row."""

    def __init__(self, model: mesa.Model, row: int, points: ChargingPoints) -> None:
        super().__init__(model)
        self.row, self._points = row, points

    @property
    def max_kw(self) -> float:
        """Rated power."""
        return float(self._points.max_kw[self.row])


class Stations(Role):
    """All charging points together.

    This class is the simulated side of the charging port (:mod:`agents.port`): ``command`` and ``sample`` are all
    that a CPO can do with a point, so that a physical station can take its place.
    """

    role: ClassVar[str] = "charging_point"

    def __init__(
        self, model: mesa.Model, party: str, links: Links, points: ChargingPoints, connection_kw: np.ndarray
    ) -> None:
        super().__init__(model, party, links)
        n = len(points.rows)
        self.points = points
        self.set_kw = np.full(n, np.inf)
        self.fallback_kw = points.max_kw.astype(np.float64)
        self.heard_period = np.full(n, -1)
        self.measured_kw = np.zeros(n)
        self.is_interrupted = np.zeros(n, dtype=bool)
        self._busy = np.zeros(n, dtype=bool)
        self._connection_kw = connection_kw
        self._absolute_share = np.ones(len(connection_kw))
        self._absolute_until = np.full(len(connection_kw), -1)
        self._local_kw = np.zeros(len(connection_kw))

    def announce(
        self,
        arrived: np.ndarray,
        cp_row: np.ndarray,
        arrival_min: np.ndarray,
        ratings: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> None:
        """Start transactions with the CPO, with whatever the cars said (CP-6)."""
        said = {k: np.full(len(arrived), np.nan) for k in ("soc", "capacity", "departure", "desired")}
        place = {int(row): i for i, row in enumerate(arrived)}
        for status in self.knowledge.take(EvStatus):
            here = np.array([place[int(r)] for r in status.session_row], dtype=np.int64)
            said["soc"][here], said["capacity"][here] = status.soc_kwh, status.capacity_kwh
            said["desired"][here] = status.desired_kwh
            said["departure"][here] = np.where(status.departure_min >= 0, status.departure_min, np.nan)
        if len(arrived):
            self.send(
                SessionStarted(
                    arrived, cp_row, arrival_min, *ratings,
                    said["soc"], said["capacity"], said["departure"], said["desired"],
                )
            )  # fmt: skip

    def command(self, period: int) -> None:
        """Take set-points from the CPO, the local meter and the DSO, and tell the cars (CP-1, CP-2, CP-5, CP-7, CP-8).

        The lowest limit wins (hardware rules; report 6.1).
        """
        for plan in self.knowledge.take(StationLimit):
            self.set_kw[plan.cp_row] = plan.limit_kw
            self.fallback_kw[plan.cp_row] = plan.fallback_kw
            self.heard_period[plan.cp_row] = period
        for local in self.knowledge.take(LocalLoad):
            self._local_kw[local.connection_row] = local.load_kw
        for signal in self.knowledge.take(AbsoluteSignalDirect):
            self._absolute_share[signal.connection_row] = signal.limit_share
            self._absolute_until[signal.connection_row] = signal.first_period
        is_offline = period - self.heard_period > OFFLINE_AFTER_PERIODS
        limit = np.where(is_offline, self.fallback_kw, self.set_kw)
        limit = np.minimum(limit, self._room_kw(limit))
        row = self.points.connection_row
        share = np.where(self._absolute_until[row] >= period, self._absolute_share[row], 1.0)
        limit = np.where(share < 1.0, np.minimum(limit, share * self.points.max_kw), limit)
        self.send(ChargeLimit(np.arange(len(limit)), limit))

    def _room_kw(self, wanted_kw: np.ndarray) -> np.ndarray:
        """Power each point may draw so that its connection, with the load measured behind it, holds."""
        row = self.points.connection_row
        room = np.maximum(self._connection_kw - np.maximum(self._local_kw, 0.0), 0.0)
        asked = np.clip(np.minimum(wanted_kw, self.points.max_kw), 0.0, None)
        total = np.bincount(row, weights=np.where(self.is_busy, asked, 0.0), minlength=len(room))
        share = np.minimum(1.0, room / np.maximum(total, 1e-9))
        return np.where(share[row] < 1.0, asked * share[row], np.inf)

    @property
    def is_busy(self) -> np.ndarray:
        """Points with a car."""
        return self._busy

    def sample(self, period: int, ended: np.ndarray, ended_cp: np.ndarray, ended_kwh: np.ndarray) -> None:
        """Read the meters, stop whoever draws more than told, tell the CPO (CP-3, CP-4)."""
        self.measured_kw[:] = 0.0
        for drawn in self.knowledge.take(PowerDrawn):
            self.measured_kw[drawn.cp_row] = drawn.power_kw
        self.is_interrupted = self.measured_kw > 1.05 * self.points.max_kw + 0.05
        in_use = np.flatnonzero(self.measured_kw)
        self.send(MeterValues(in_use, self.measured_kw[in_use]))
        if len(ended):
            self.send(SessionEnded(ended, ended_cp, ended_kwh))

    def occupy(self, busy: np.ndarray) -> None:
        """Note which points have a car (the socket's proximity contact)."""
        self._busy = busy
