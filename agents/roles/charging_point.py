"""Charging point: passes limits to the car, measures it, falls back on its own, obeys the DSO's absolute signal."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.fleet.strategies.allocation import allocate
from agents.fleet.tables import ChargingPoints
from agents.information.defence import Defence
from agents.links import Links
from agents.messages import (
    AbsoluteSignalDirect,
    ChargeLimit,
    EnergyCounted,
    EvStatus,
    LocalLoad,
    MeterValues,
    PowerDrawn,
    SessionEnded,
    SessionStarted,
    StationLimit,
    SteeringAbility,
)
from agents.role import Role
from agents.roles.shown_power import ShownPower

OVERDRAW_SHARE, OVERDRAW_KW = 1.05, 0.05
"""A car that draws more than this above what it was told is stopped until it leaves (CP-3; hardware rules)."""
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
        self.meter_factor = np.ones(n)
        """What each point's meter shows of a true kWh."""
        self.is_interrupted = np.zeros(n, dtype=bool)
        self.told_kw, self._is_new = np.full(n, np.inf), np.ones(n, dtype=bool)
        self._busy, self._transaction = np.zeros(n, dtype=bool), np.full(n, -1, dtype=np.int64)
        self._shown, self._told_before_kw = ShownPower(n), np.zeros(n)
        self._min_kw, self._car_kw = np.zeros(n), points.max_kw.astype(np.float64)
        self._connection_kw = connection_kw
        self._absolute_share = np.ones(len(connection_kw))
        self._absolute_from = np.zeros(len(connection_kw), dtype=np.int64)
        self._absolute_until = np.full(len(connection_kw), -1)
        self.signalled, self.unsignalled_kw = np.zeros(0, dtype=np.int64), np.zeros(0)
        self._local_kw = np.zeros(len(connection_kw))
        self.defence = Defence(0.0, np.zeros(n), is_checked=False)

    def announce(
        self,
        arrived: np.ndarray,
        cp_row: np.ndarray,
        arrival_min: np.ndarray,
        ratings: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> None:
        """Start transactions with the CPO, with whatever the cars said (CP-6)."""
        self._is_new[:] = False
        self._is_new[cp_row], self.is_interrupted[cp_row] = True, False
        self._car_kw[cp_row], self._min_kw[cp_row] = ratings[0], ratings[1]
        self._transaction[cp_row] = arrived
        self._shown.begin(cp_row)
        said = {k: np.full(len(arrived), np.nan) for k in ("soc", "capacity", "efficiency", "departure", "desired")}
        place = {int(row): i for i, row in enumerate(arrived)}
        for status in self.knowledge.take(EvStatus):
            known = np.array([int(r) in place for r in status.session_row], dtype=bool)
            here = np.array([place[int(r)] for r in status.session_row[known]], dtype=np.int64)
            said["soc"][here], said["capacity"][here] = status.soc_kwh[known], status.capacity_kwh[known]
            said["efficiency"][here], said["desired"][here] = status.efficiency_share[known], status.desired_kwh[known]
            departure = status.departure_min[known]
            said["departure"][here] = np.where(departure >= 0, departure, np.nan)
        if len(arrived):
            self.send(
                SessionStarted(
                    arrived, cp_row, arrival_min, *ratings,
                    *(said[k] for k in ("soc", "capacity", "efficiency", "departure", "desired")),
                )
            )  # fmt: skip

    def tell_steering(self, cp_row: np.ndarray, is_steerable: np.ndarray) -> None:
        """Tell the CPO which physical stations follow limits, and prove it (CP-4)."""
        if len(cp_row):
            self.send(SteeringAbility(cp_row, is_steerable))

    def command(self, period: int) -> None:
        """Take set-points from the CPO, the local meter and the DSO, and tell the cars (CP-1, CP-2, CP-5, CP-7, CP-8).

        The lowest limit wins (hardware rules; report 6.1).
        """
        for plan in self.knowledge.take(StationLimit):
            self.set_kw[plan.cp_row] = plan.limit_kw
            self.fallback_kw[plan.cp_row] = plan.fallback_kw
            self.heard_period[plan.cp_row] = period
        for local in self.knowledge.take(LocalLoad):
            row = local.connection_row
            can_be = self.defence.believable(local.load_kw, self._connection_kw[row])
            self._local_kw[row[can_be]] = local.load_kw[can_be]
        for signal in self.knowledge.take(AbsoluteSignalDirect):
            rows = signal.connection_row
            goes_on = self._absolute_until[rows] >= signal.first_period - 1
            self._absolute_from[rows] = np.where(goes_on, self._absolute_from[rows], signal.first_period)
            self._absolute_share[rows] = self.defence.at_least_guaranteed(signal.limit_share)
            self._absolute_until[rows] = signal.first_period
        is_offline = period - self.heard_period > OFFLINE_AFTER_PERIODS
        limit = np.where(is_offline, self.fallback_kw, self.set_kw)
        session = np.where(self.is_busy, self._transaction, -1)
        limit = self.defence.steady(limit, self.points.max_kw, self.fallback_kw, session, period)
        limit = np.minimum(limit, self._room_kw(limit, period))
        row = self.points.connection_row
        is_on = (self._absolute_from[row] <= period) & (period <= self._absolute_until[row])
        share = np.where(is_on, self._absolute_share[row], 1.0)
        self.signalled = np.flatnonzero(is_on)
        self.unsignalled_kw = limit[self.signalled]
        limit = np.where(share < 1.0, np.minimum(limit, share * self.points.max_kw), limit)
        limit = self.defence.follow(limit, self.points.max_kw, period)
        limit = np.where(self.is_interrupted, 0.0, limit)
        self.told_kw = np.maximum(limit, np.where(self._is_new, np.inf, -np.inf))
        self.send(ChargeLimit(np.arange(len(limit)), limit))

    def _room_kw(self, wanted_kw: np.ndarray, period: int) -> np.ndarray:
        """Power each point may draw so that its connection, with the load measured behind it, holds.

        Cars cannot run below 6 A, so the points of a connection that is short take turns instead of all shrinking; who
        has shown to take less leaves the rest to others.
        """
        row = self.points.connection_row
        room = np.maximum(self._connection_kw - self._local_kw, 0.0)
        asked = np.where(self.is_busy, np.minimum(wanted_kw, self._car_kw), 0.0)
        total = np.bincount(row, weights=asked, minlength=len(room))
        most = np.full(len(row), np.inf)
        short = np.flatnonzero((total > room + 1e-9)[row] & self.is_busy)
        if len(short):
            least, site = self._min_kw[short], row[short].astype(np.int64)
            most[short] = allocate(
                self._shown.bound(asked[short], least, short), least, room, "rotating", site=site, turn=period
            )
        return most

    @property
    def is_busy(self) -> np.ndarray:
        """Points with a car."""
        return self._busy

    def sample(self, period: int, ended: np.ndarray, ended_cp: np.ndarray, ended_kwh: np.ndarray) -> None:
        """Read the meters, stop whoever draws more than told, tell the CPO (CP-3, CP-4)."""
        self.measured_kw[:] = 0.0
        for drawn in self.knowledge.take(PowerDrawn):
            self.measured_kw[drawn.cp_row] = drawn.power_kw * self.meter_factor[drawn.cp_row]
        told = np.clip(np.minimum(self.told_kw, self.points.max_kw), 0.0, None)
        self._shown.learn(np.minimum(told, self._car_kw), self.measured_kw)
        # a lower limit takes effect after the car's reaction and ramp: a quarter's mean may hold some of the old power
        allowed, self._told_before_kw = np.maximum(told, self._told_before_kw), told
        self.is_interrupted |= (self.measured_kw > OVERDRAW_SHARE * allowed + OVERDRAW_KW) & self._busy
        in_use = np.flatnonzero(self.measured_kw)
        transaction = np.where(self._busy, self._transaction, -1)[in_use]
        self.send(MeterValues(in_use, self.measured_kw[in_use], transaction))
        if len(ended):
            self.send(SessionEnded(ended, ended_cp, ended_kwh * self.meter_factor[ended_cp], self._counted(ended)))

    def _counted(self, ended: np.ndarray) -> np.ndarray:
        """What the cars of ended sessions counted themselves, NaN where they said nothing."""
        counted = np.full(len(ended), np.nan)
        for told in self.knowledge.take(EnergyCounted):
            place = {int(row): value for row, value in zip(told.session_row, told.counted_kwh, strict=True)}
            counted = np.array([place.get(int(r), c) for r, c in zip(ended, counted, strict=True)])
        return counted

    def occupy(self, busy: np.ndarray) -> None:
        """Note which points have a car (the socket's proximity contact)."""
        self._busy = busy
        self.is_interrupted &= busy
