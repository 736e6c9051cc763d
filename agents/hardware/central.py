"""The central system (CSMS): stations come and go, each with its link, its steering and its watch."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agents.hardware import wire
from agents.hardware.clock import Clock, SystemClock
from agents.hardware.config import HardwareSettings, StationSettings
from agents.hardware.crew import Crew
from agents.hardware.dialect import Dialect
from agents.hardware.guard import GuardError
from agents.hardware.keep import Leases, read_known, stop_button, write_known
from agents.hardware.link import Counters, Link
from agents.hardware.ocpp2 import Dialect2
from agents.hardware.ocpp16 import Dialect16
from agents.hardware.point import PhysicalPoint
from agents.hardware.recorder import Recorder
from agents.hardware.schema import warm_up
from agents.hardware.server import Door
from agents.hardware.sockets import Sockets
from agents.hardware.steering import Steering
from agents.hardware.sunspec import SunSpecDialect
from agents.hardware.wishes import Known
from agents.port import Plan, Ticket

if TYPE_CHECKING:
    from agents.hardware.modbus import SunSpecDriver

log = logging.getLogger(__name__)


def dialect_of(version: str) -> Dialect:
    """Dialect of an OCPP version."""
    if version == "sunspec":
        return SunSpecDialect()
    return Dialect16() if version == "1.6" else Dialect2(version)


@dataclass(frozen=True)
class _Watch:
    """Notes what crosses a link."""

    recorder: Recorder | None
    station: str

    def saw(self, direction: str, frame: wire.Frame, size: int) -> None:
        """Note one message."""
        if self.recorder is not None:
            self.recorder.frame(self.station, direction, frame, size)


class CentralSystem:
    """All stations of a run.

    Parameters
    ----------
    settings : HardwareSettings
        Stations, address, security.
    clock : Clock, optional
        Clocks.

    Raises
    ------
    GuardError
        Lists every fault of the settings at once.
    """

    def __init__(self, settings: HardwareSettings, clock: Clock | None = None) -> None:
        faults = settings.faults()
        if faults:
            raise GuardError("; ".join(faults))
        self.settings, self.clock = settings, clock or SystemClock()
        self.points: dict[str, PhysicalPoint] = {}
        self.port = settings.port
        self.crews: dict[str, Crew] = {}
        self._sockets = Sockets(settings, self.clock, self.crews, dialect_of, self)
        self.counters = self._sockets.counters
        self._door = Door(settings, self._sockets.enter)
        self._leases = Leases(settings.state_folder / "leases")
        self._recorder: Recorder | None = None
        self._heard_mono_s = self.clock.mono_s()
        self._is_dead = self._is_stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._drivers: dict[str, SunSpecDriver] = {}
        self._kept: dict[str, Known] = {}
        self._writer = ThreadPoolExecutor(1, "hardware-state")
        self._told_counts: dict[str, Counters] = {}

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> int:
        """Take the leases, read what is known, listen; the port."""
        if stop_button(self.settings.state_folder).exists():
            where = stop_button(self.settings.state_folder)
            raise GuardError(f"the emergency stop is set ({where}); `flexpolder hil stop --release` takes it back")
        try:
            for station_id in self.settings.members:
                self._leases.take(station_id)
            self._recorder = Recorder(self.settings.folder, self.clock)
            since_utc_s = self.clock.utc_s()
            for name, station in self.settings.named.items():
                self._add_point(name, station, since_utc_s)
            for station_id in self.settings.members:
                self.crews[station_id] = Crew(self.points_of(station_id), since_utc_s)
            await warm_up()
            self.port = await self._door.open()
        except BaseException:
            self._leases.release()
            raise
        self._tasks = [asyncio.create_task(self._tick())]
        self._tasks += [asyncio.create_task(self._drive(s)) for s in self.settings.stations if s.address]
        return self.port

    async def _drive(self, station: StationSettings) -> None:
        """Call a device that does not call us."""
        from agents.hardware.modbus import SunSpecDriver  # pymodbus only where it is needed

        name = station.station_id
        point, watch = self.points[name], self.watch(name)
        self._drivers[name] = SunSpecDriver(point, station.address, watch.saw, self.settings.call_timeout_s)
        await self._drivers[name].run(lambda: self.came(name, "sunspec"), lambda reason: self.went(name, reason))

    async def catch_up(self) -> dict[str, list[list[float]]]:
        """Wait a while for samples of the last settled period (metered mode); corrections by point."""
        if self.settings.mode != "metered":
            return {}
        deadline_s = self.clock.mono_s() + self.settings.catch_up_s
        while self.clock.mono_s() < deadline_s and any(p.owes_samples for p in self.points.values()):
            await asyncio.sleep(0.1)
        found = {}
        for name, point in self.points.items():
            self._own(name, "correct")
            found[name] = corrections(point)
        return found

    async def stop(self, reason: str) -> None:
        """Return every station to its safe limit, close, write the recording."""
        self.release(reason)
        await asyncio.sleep(0)
        await self._last_words()
        await self._sockets.close(reason)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._door.close()
        self.keep()
        self._writer.shutdown(wait=True)
        self._own("", "stop", reason=reason)
        if self._recorder is not None:
            self._recorder.close()
        self._leases.release()

    def points_of(self, station_id: str) -> list[PhysicalPoint]:
        """Points of one station."""
        return [point for point in self.points.values() if point.settings.station_id == station_id]

    def _add_point(self, name: str, station: StationSettings, since_utc_s: float) -> None:
        known = read_known(self.settings.state_folder, name)
        self.points[name] = PhysicalPoint(station, self.clock, known)
        details = asdict(station) | {"id_tags": []}
        known_before = _finite(asdict(known))
        self._own(name, "watch", settings=_finite(details), known=known_before, since_utc_s=since_utc_s)

    async def _last_words(self) -> None:
        """Give every station a moment to take the safe limit."""
        deadline_s = self.clock.mono_s() + 1.0
        while self._owes() and self.clock.mono_s() < deadline_s:
            await asyncio.sleep(0.02)

    def _owes(self) -> bool:
        steerings = (self.steering_of(name) for name in self.points)
        return any(s is not None and s.point.is_linked and s.owes_limit for s in steerings)

    async def _tick(self) -> None:
        """Watchdog, and keeping what must outlive us."""
        while True:
            await asyncio.sleep(0.25)
            silent_s = self.clock.mono_s() - self._heard_mono_s
            if silent_s > self.settings.watchdog_s and not self._is_dead:
                self.simulation_died(f"silent for {silent_s:.1f} s")
            self._look_at_button()
            if self._recorder is not None:
                self._recorder.flush()
            self.keep()
            for station_id, crew in self.crews.items():
                self._tell_counts(station_id, crew.lead)

    def _look_at_button(self) -> None:
        """The emergency stop may be set from outside, whatever the simulation does."""
        if not self._is_stopped and stop_button(self.settings.state_folder).exists():
            self.emergency_stop("the emergency stop was set")

    def _tell_counts(self, name: str, point: PhysicalPoint) -> None:
        """Turn what a link only counts into events, at most one of a kind each tick."""
        counted, told = self.counters[name], self._told_counts.setdefault(name, Counters())
        for kind in ("malformed", "schema", "duplicates", "unexpected", "handler_faults", "slowed_s"):
            more = getattr(counted, kind) - getattr(told, kind)
            if more >= 1:
                point.note(kind.removesuffix("_s"), f"{more:.4g} more")
                setattr(told, kind, getattr(counted, kind))

    def keep(self) -> None:
        """Keep what must outlive us, beside the loop: files never hold a set-point up."""
        known = self._changed()
        if known:
            self._writer.submit(self._write, known)

    def _changed(self) -> dict[str, Known]:
        """What is known of each station, where it differs from what was kept last."""
        now = {name: point.known() for name, point in self.points.items()}
        changed = {name: known for name, known in now.items() if self._kept.get(name) != known}
        self._kept |= changed
        return changed

    def _write(self, known: dict[str, Known]) -> None:
        for name, one in known.items():
            write_known(self.settings.state_folder, name, one)

    # --- what the run asks ------------------------------------------------------------------------------------------

    def post(
        self, limits_kw: Mapping[str, float], valid_s: float, decided_utc_s: float = math.nan
    ) -> dict[str, Ticket]:
        """Post limits; returns at once."""
        self.heard()
        now_s = self.clock.utc_s()
        tickets = {}
        for name, limit_kw in limits_kw.items():
            self._own(name, "command", limit_kw=repr(float(limit_kw)), valid_until=now_s + valid_s)
            tickets[name] = self.points[name].command(Plan(float(limit_kw), now_s + valid_s))
            if not math.isnan(decided_utc_s):
                tickets[name].sent_utc_s = decided_utc_s
        return tickets

    def begin(self) -> None:
        """The first period starts now: means are taken from here."""
        for name, point in self.points.items():
            self._own(name, "begin")
            point.mean_kw()

    def heard(self) -> None:
        """The simulation lives."""
        self._heard_mono_s = self.clock.mono_s()
        self._is_dead = False

    def session(self, station: str, wish: Any, reason: str = "") -> Ticket:
        """Ask for the start or the stop of a session."""
        self._own(station, "session", wish=wish, reason=reason)
        return self.points[station].session(wish, reason)

    def release(self, reason: str) -> None:
        """Every station back to its safe limit."""
        for name, point in self.points.items():
            self._own(name, "release", reason=reason)
            point.release(reason)

    def emergency_stop(self, reason: str) -> None:
        """Every station to zero, every session ended; holds until the end of the run."""
        self._is_stopped = True
        for name, point in self.points.items():
            self._own(name, "emergency", reason=reason)
            point.emergency_stop(reason)

    def simulation_died(self, reason: str) -> None:
        """The watchdog: nobody steers any more."""
        self._is_dead = True
        log.warning("the simulation is gone (%s): stations return to their safe limits", reason)
        self.release(f"watchdog: {reason}")
        if self.settings.on_death == "stop":
            for name, point in self.points.items():
                if point.transaction is not None:
                    self.session(name, "stop", "watchdog")

    def settle(self, station: str, start_utc_s: float, end_utc_s: float) -> dict[str, Any]:
        """Book a period of one point and give its reading."""
        self._own(station, "settle", start=start_utc_s, end=end_utc_s)
        return settle(self.points[station], start_utc_s, end_utc_s)

    def link_of(self, station_id: str) -> Link | None:
        """Open link of a station (for checks beyond steering)."""
        connection = self._sockets.open.get(station_id)
        return connection.link if connection else None

    def steering_of(self, name: str) -> Steering | None:
        """Steering of a point whose station is connected."""
        if name in self._drivers:
            return self._drivers[name].steering
        point = self.points[name]
        connection = self._sockets.open.get(point.settings.station_id)
        return next((s for s in connection.steerings if s.point is point), None) if connection else None

    def latencies(self) -> list[float]:
        """Set-point to socket since the last question, s."""
        found, self._sockets.latency_s = self._sockets.latency_s, []
        return found

    def round_trips(self) -> list[float]:
        """Round trips of calls since the last question, s."""
        found: list[float] = []
        for counters in self.counters.values():
            found += counters.round_trip_s
            counters.round_trip_s.clear()
        return found

    @property
    def turned_away(self) -> dict[str, int]:
        """Handshakes refused, by reason."""
        return dict(self._door.turned_away)

    def _own(self, station: str, action: str, **details: Any) -> None:
        if self._recorder is not None:
            self._recorder.own(station, action, **details)

    # --- comings and goings (sockets.Ledger) ------------------------------------------------------------------------

    def came(self, station: str, version: str) -> None:
        """A station's link is open."""
        self._own(station, "linked", version=version)
        self.crews[station].linked(version)

    def went(self, station: str, reason: str) -> None:
        """A station's link is gone."""
        self._own(station, "unlinked", reason=reason)
        self.crews[station].unlinked(reason)

    def watch(self, station: str) -> _Watch:
        """Sees a station's messages."""
        return _Watch(self._recorder, station)


def settle(point: PhysicalPoint, start_utc_s: float, end_utc_s: float) -> dict[str, Any]:
    """Book a period: energy by register, corrections of earlier ones, and the reading (plain numbers)."""
    reading = point.sample()
    mean_kw = point.mean_kw()
    is_dark = reading.quality >= reading.quality.SUSPECT or not point.register.is_known
    estimate_w = 1000.0 * (mean_kw if is_dark else reading.power_kw)
    energy_kwh = point.register.settle(start_utc_s, end_utc_s, estimate_w)
    return {
        "power_kw": reading.power_kw,
        "mean_kw": mean_kw,
        "energy_kwh": energy_kwh,
        "register_kwh": reading.register_kwh,
        "quality": int(reading.quality),
        "is_occupied": reading.is_occupied,
        "is_steerable": point.is_steerable and point.is_linked,
        "soc_share": reading.soc_share,
        "corrections": corrections(point),
    }


def corrections(point: PhysicalPoint) -> list[list[float]]:
    """Start and energy (kWh) of what was found since for settled periods, each told once."""
    return [[c.start_utc_s, c.energy_kwh] for c in point.register.corrections()]


def _finite(value: Any) -> Any:
    """JSON-safe copy: infinities as text."""
    return json.loads(json.dumps(value, default=str).replace("Infinity", '"inf"').replace('-"inf"', '"-inf"'))
