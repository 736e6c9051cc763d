"""What the main loop sees of physical stations: post limits, read a snapshot, never wait for a network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.hardware.config import HardwareSettings
from agents.hardware.pipe import CentralProcess, HardwareFault
from agents.port import Quality

READ_PATIENCE_S = 0.05
"""Longest that reading a snapshot may hold a step up."""
PERIOD_H = 0.25


@dataclass(frozen=True)
class Snapshot:
    """What the stations did in one period; every array has one value per entry of ``HardwarePort.points``.

    Attributes
    ----------
    power_kw, energy_kwh, register_kwh : float arrays
        Mean power over the period, energy at the meter (by register in metered mode, power times a quarter-hour in hold
        mode), register.
    quality : int8 array
        ``agents.port.Quality``.
    is_occupied, is_steerable : bool arrays
        Car present; proven to fall back and linked, so that flexibility may be offered.
    soc_share : float array
        State of charge; NaN = not told.
    last_kw : float array
        Newest power, as at the end of the period.
    is_metered : bool
        Whether ``energy_kwh`` comes from registers.
    is_late : bool
        Whether the central system did not answer in time, so that the last snapshot is shown as estimated.
    """

    period: int
    power_kw: np.ndarray
    energy_kwh: np.ndarray
    register_kwh: np.ndarray
    quality: np.ndarray
    is_occupied: np.ndarray
    is_steerable: np.ndarray
    soc_share: np.ndarray
    last_kw: np.ndarray
    is_metered: bool
    is_late: bool = False


@dataclass(frozen=True)
class LateEnergy:
    """Energy found later for a settled period."""

    period: int
    row: int
    energy_kwh: float


@dataclass
class Timing:
    """Measured pace, s: how late steps ended, how long reading took, set-point to socket, round trip of calls."""

    late_steps_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    set_point_s: list[float] = field(default_factory=list)
    round_trip_s: list[float] = field(default_factory=list)
    late_reads: int = 0


class HardwarePort:
    """The stations of a run, in a process of their own.

    Parameters
    ----------
    settings : HardwareSettings
        Stations, address, security, pace.

    Raises
    ------
    HardwareFault
        If the central system cannot start (address in use, station held by another run, bad secrets).
    """

    def __init__(self, settings: HardwareSettings) -> None:
        faults = settings.faults()
        if faults:
            raise HardwareFault("; ".join(faults))
        self.settings = settings
        self.points = np.array([s.row for s in settings.stations], dtype=np.int64)
        self.names = list(settings.named)
        self.timing = Timing()
        self.events: list[tuple[str, float, str, str]] = []
        self.figures: dict[str, Any] = {}
        self._late: list[LateEnergy] = []
        self._origin_utc_s, self._first_period = float("nan"), 0
        self._snapshots: dict[int, dict[str, Any]] = {}
        self._given_up: set[int] = set()
        self._last: Snapshot | None = None
        self._is_closed = self._has_stopped = False
        self._central = CentralProcess(settings.to_json(), settings.folder, self._note)
        self.port = self._central.port

    # --- the four calls of the main loop --------------------------------------------------------------------------

    def post(self, period: int, limit_kw: np.ndarray | Sequence[float]) -> None:
        """Post the limits of a period, one per entry of ``points``; returns at once.

        The first call sets the clock: that period starts now.
        """
        now_s = time.time()
        if np.isnan(self._origin_utc_s):
            self._origin_utc_s, self._first_period = now_s, period
            self._central.send({"do": "begin"})
        limits = {name: float(kw) for name, kw in zip(self.names, np.asarray(limit_kw, dtype=float), strict=True)}
        valid_s = max(2.0 * self.settings.period_s, 5.0)
        self._central.send({"do": "post", "limits_kw": limits, "valid_s": valid_s, "decided_utc_s": now_s})

    def read(self, period: int) -> Snapshot:
        """What the stations did in a period that has passed; waits at most 50 ms for the process beside us."""
        start_s = time.perf_counter()
        begin, end = self.bounds_utc_s(period)
        self._central.send({"do": "settle", "period": period, "start_utc_s": begin, "end_utc_s": end})
        self._central.wait_until(lambda: period in self._snapshots, READ_PATIENCE_S)
        self.timing.read_s.append(time.perf_counter() - start_s)
        with self._central.changed:
            found = self._snapshots.pop(period, None)
            if found is None:
                self._given_up.add(period)
        if found is None:
            self.timing.late_reads += 1
            return self._estimated(period)
        self._last = self._snapshot(period, found)
        return self._last

    def late_energy(self) -> list[LateEnergy]:
        """Corrections of settled periods found since the last call, each told once."""
        with self._central.changed:
            found, self._late = self._late, []
        return found

    def close(self, reason: str) -> None:
        """Return the stations to their safe limits and end the process; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._central.send({"do": "stop", "reason": reason})
        patience_s = 15.0 + (self.settings.catch_up_s if self.settings.mode == "metered" else 0.0)
        self._central.wait_until(lambda: self._has_stopped, patience_s)
        self._central.end()

    # --- beside the loop ------------------------------------------------------------------------------------------

    def pace(self, period: int) -> float:
        """Sleep until a period ends on the wall clock; seconds by which we are late (0 = in time)."""
        end_utc_s = self.bounds_utc_s(period)[1]
        left_s = end_utc_s - time.time()
        if left_s > 0:
            time.sleep(left_s)
        late_s = max(time.time() - end_utc_s, 0.0)
        self.timing.late_steps_s.append(late_s)
        return late_s

    def bounds_utc_s(self, period: int) -> tuple[float, float]:
        """Start and end of a period on the wall clock."""
        start = self._origin_utc_s + (period - self._first_period) * self.settings.period_s
        return start, start + self.settings.period_s

    def period_at(self, utc_s: float) -> int:
        """Period of a moment on the wall clock; -1 before the first limits were posted."""
        if np.isnan(self._origin_utc_s) or utc_s < self._origin_utc_s:
            return -1
        return self._first_period + int((utc_s - self._origin_utc_s) // self.settings.period_s)

    def session(self, row: int, wish: str, reason: str = "") -> None:
        """Ask for the start or the stop of a session at a point."""
        name = self.names[int(np.flatnonzero(self.points == row)[0])]
        self._central.send({"do": "session", "station": name, "wish": wish, "reason": reason})

    def emergency_stop(self, reason: str) -> None:
        """Every station to zero and every session ended; holds until the run ends."""
        self._central.send({"do": "emergency", "reason": reason})

    def look(self) -> None:
        """Ask for the newest events and figures; they come soon after, in ``events`` and ``figures``."""
        self._central.send({"do": "look"})

    def alive(self) -> None:
        """Tell the watchdog that a long step is still at work."""
        self._central.send({"do": "alive"})

    @property
    def is_running(self) -> bool:
        """Whether the central system's process lives."""
        return self._central.is_running

    # --- what the process says --------------------------------------------------------------------------------------

    def _note(self, message: dict[str, Any]) -> None:
        self.events.extend((n, t, k, x) for n, t, k, x in message.get("events", ()))
        self.figures = message.get("figures", self.figures)
        self.timing.set_point_s += self.figures.pop("latency_s", ())
        self.timing.round_trip_s += self.figures.pop("round_trip_s", ())
        self._has_stopped |= message["kind"] == "stopped"
        for name, corrections in message.get("corrections", {}).items():
            row = int(self.points[self.names.index(name)])
            self._late += [LateEnergy(self._period_at(at), row, float(kwh)) for at, kwh in corrections]
        if message["kind"] == "snapshot":
            self._note_snapshot(message["period"], message["points"])

    def _note_snapshot(self, period: int, points: dict[str, dict[str, Any]]) -> None:
        """Keep it for :meth:`read`; if that has given up, its energy is late. Hold mode has no corrections."""
        rows = dict(zip(self.names, self.points, strict=True))
        is_late = period in self._given_up
        for name, point in points.items():
            row = int(rows[name])
            if self.settings.mode == "metered":
                self._late += [LateEnergy(self._period_at(at), row, float(kwh)) for at, kwh in point["corrections"]]
            if is_late:
                self._late.append(LateEnergy(period, row, self._energy_kwh(point)))
        if is_late:
            self._given_up.discard(period)
        else:
            self._snapshots = {period: points}

    def _period_at(self, start_utc_s: float) -> int:
        return self._first_period + round((start_utc_s - self._origin_utc_s) / self.settings.period_s)

    def _energy_kwh(self, point: dict[str, Any]) -> float:
        is_metered = self.settings.mode == "metered"
        return float(point["energy_kwh"] if is_metered else point["mean_kw"] * PERIOD_H)

    # --- snapshots ------------------------------------------------------------------------------------------------

    def _snapshot(self, period: int, points: dict[str, dict[str, Any]]) -> Snapshot:
        def column(name: str, dtype: Any = np.float64) -> np.ndarray:
            return np.array([points[station][name] for station in self.names], dtype=dtype)

        is_metered = self.settings.mode == "metered"
        energy_kwh = np.array([self._energy_kwh(points[station]) for station in self.names])
        hours = self.settings.period_s / 3600.0 if is_metered else PERIOD_H
        return Snapshot(
            period,
            energy_kwh / hours,
            energy_kwh,
            column("register_kwh"),
            column("quality", np.int8),
            column("is_occupied", bool),
            column("is_steerable", bool),
            column("soc_share"),
            column("power_kw"),
            is_metered,
        )

    def _estimated(self, period: int) -> Snapshot:
        """Last snapshot once more, marked; the difference comes as late energy."""
        n = len(self.points)
        nothing = np.zeros(n)
        last = self._last or Snapshot(
            period, nothing, nothing, np.full(n, np.nan), np.full(n, Quality.ABSENT, dtype=np.int8),
            np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), np.full(n, np.nan), nothing, False,
        )  # fmt: skip
        quality = np.maximum(last.quality, np.int8(Quality.ESTIMATED))
        return Snapshot(
            period, last.power_kw, np.zeros(n), last.register_kwh, quality, last.is_occupied,
            np.zeros(n, dtype=bool), last.soc_share, last.last_kw, False, is_late=True,
        )  # fmt: skip
