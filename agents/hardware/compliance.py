"""Exercises one station and tells what it keeps of what it promises; only the meter is believed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.hardware.central import CentralSystem, dialect_of
from agents.hardware.config import HardwareSettings
from agents.hardware.dialect import SESSION_ID, accepted
from agents.hardware.link import Reply
from agents.hardware.point import PhysicalPoint
from agents.port import Quality, Ticket, TicketState

Outcome = Literal["pass", "fail", "skip", "note"]
STEP_S = 0.1


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    name: str
    outcome: Outcome
    detail: str = ""


@dataclass
class Patience:
    """Longest waits, s."""

    connect_s: float = 60.0
    session_s: float = 30.0
    reconnect_s: float = 60.0


@dataclass
class Check:
    """One station's check.

    Parameters
    ----------
    settings : HardwareSettings
        With exactly one station.
    patience : Patience
        Longest waits.
    say : callable
        Takes a line of progress.
    with_reset : bool
        Also unlock the plug and restart the station.
    """

    settings: HardwareSettings
    patience: Patience = field(default_factory=Patience)
    say: Callable[[str], None] = lambda line: None
    with_reset: bool = False
    findings: list[Finding] = field(default_factory=list)

    async def run(self) -> list[Finding]:
        """Exercise the station; stops early where nothing more can be tried."""
        self._central = CentralSystem(self.settings)
        port = await self._central.start()
        self._name = self.settings.stations[0].station_id
        self.say(f"waiting for the station on {self.settings.host}:{port}")
        try:
            await self._exercise()
        finally:
            await self._central.stop("the check ended")
        return self.findings

    @property
    def _point(self) -> PhysicalPoint:
        return self._central.points[self._name]

    async def _exercise(self) -> None:
        if not await self._connects():
            return
        await self._settles_in()
        if await self._has_session():
            await self._meters()
            await self._falls_back()
            await self._follows()
            await self._composite()
            await self._clears()
            await self._comes_back()
            await self._stops()
        if self.with_reset and self._point.version != "sunspec":
            await self._unlocks()
            await self._restarts()
        self._sums_up()

    def _find(self, name: str, is_good: bool | None, detail: str = "", *, note: bool = False) -> None:
        outcome: Outcome = "skip" if is_good is None else "note" if note else "pass" if is_good else "fail"
        self.findings.append(Finding(name, outcome, detail))
        self.say(f"{name}: {outcome} {detail}")

    async def _until(self, is_true: Callable[[], bool], patience_s: float) -> bool:
        """Wait for something; whether it came."""
        deadline_s = self._central.clock.mono_s() + patience_s
        while not is_true():
            if self._central.clock.mono_s() > deadline_s:
                return False
            await asyncio.sleep(STEP_S)
        return True

    async def _call(self, wire: tuple[str, dict[str, Any]]) -> Reply:
        link = self._central.link_of(self._name)
        return await link.call(*wire) if link else Reply(error="LinkDown")

    async def _connects(self) -> bool:
        is_here = await self._until(lambda: self._point.is_linked, self.patience.connect_s)
        away = ", ".join(f"{k} x{n}" for k, n in self._central.turned_away.items())
        self._find("connects with a known sub-protocol", is_here, self._point.version or away or "nobody came")
        return is_here

    async def _settles_in(self) -> None:
        is_ocpp = self._point.version != "sunspec"
        booted = await self._until(lambda: bool(self._point.identity), 5.0) if is_ocpp else None
        self._find("tells who it is (BootNotification)", booted, self._point.identity)
        await self._until(lambda: self._answered("status") or self._answered("station_max"), 30.0)
        found = self._found()
        told = await self._until(lambda: self._point.state != "unknown", 5.0)
        self._find("tells its state", told, self._point.state)
        for kind, name in (
            ("probe", "answers a question about its settings"),
            ("default", "takes a default profile (safe limit)"),
            ("station_max", "takes a station maximum"),
            ("configure", "takes a meter interval"),
        ):
            answer = next((v for k, v in found.items() if k.startswith(f"{kind}:")), "")
            is_luxury = kind != "default" and answer in ("NotImplemented", "NotSupported", "UnknownKey")
            is_good = answer in ("Accepted", "RebootRequired")
            self._find(name, is_good if answer else None, answer, note=is_luxury)
        said = "; ".join(
            f"{k[5:]} {v}" for k, v in found.items() if (k.startswith("said:") and "tack" in k) or "Rate" in k
        )
        self._find("limits in", True, f"{self._point.unit}; {said}", note=True)

    def _found(self) -> dict[str, str]:
        steering = self._central.steering_of(self._name)
        return steering.found if steering else {}

    def _answered(self, kind: str) -> bool:
        return any(k.startswith(f"{kind}:") for k in self._found())

    async def _has_session(self) -> bool:
        def is_on() -> bool:
            return self._point.transaction is not None

        by_itself = await self._until(is_on, self.patience.session_s)
        if by_itself:
            asked = self._point.counts["start_sent"]
            self._find("starts a session", True, "asked by the central system" if asked else "by itself")
            return True
        ticket = self._central.session(self._name, "start", "check")
        await self._until(is_on, self.patience.session_s)
        self._find("starts a session", is_on(), f"remote start {ticket.state}; is a car connected?")
        return is_on()

    async def _meters(self) -> None:
        point, interval_s = self._point, self.settings.stations[0].meter_interval_s
        came = await self._until(lambda: point.register.is_known, 6.0 * interval_s + 5.0)
        self._find("meters energy (register)", came, f"{point.register.last_kwh:.3f} kWh" if came else "no register")
        came = await self._until(lambda: not math.isnan(point.heard_utc_s), 3.0 * interval_s + 5.0)
        self._find("meters power", came, f"{point.power_kw:.2f} kW" if came else "neither power nor a rising register")
        off_s = abs(point.register.offset_s)
        self._find("clock agrees", off_s < 60.0, f"{off_s:.0f} s off" if off_s else "")

    async def _falls_back(self) -> None:
        point, station = self._point, self.settings.stations[0]
        if station.insist:
            self._find("falls back by itself", None, "not tried (insist)")
            return
        await self._until(lambda: not point.proof.is_open, 5.0 * station.lease_s + 2.0 * station.reaction_s)
        took = f"after {point.proof.took_s:.1f} s, told {station.lease_s:g} s" if point.proof.took_s > 0 else ""
        known = point.known().falls_back
        self._find("falls back by itself", known, took or f"{point.proof.state}; {point.power_kw:.2f} kW drawn")

    async def _follows(self) -> None:
        envelope = self.settings.stations[0].envelope
        if not self._point.is_steerable:
            self._find("follows set-points", None, "is not steered")
            return
        middle_kw = 0.5 * (envelope.min_kw + envelope.max_kw)
        for limit_kw, name in (
            (middle_kw, "follows a middle limit"),
            (envelope.min_kw, "follows the least limit"),
            (0.0, "pauses at zero"),
            (envelope.max_kw, "takes the full limit again"),
        ):
            ticket = await self._post(limit_kw)
            took_s = ticket.settled_utc_s - ticket.sent_utc_s
            detail = f"{limit_kw:.2f} kW: {ticket.state}, {self._point.power_kw:.2f} kW drawn"
            detail += f", {took_s:.1f} s" if took_s > 0 else f" {ticket.reason}"
            self._find(name, ticket.state == TicketState.CONFIRMED, detail)
        resumed = await self._until(lambda: self._point.power_kw > 0.1, self.settings.stations[0].reaction_s + 5.0)
        self._find("goes on after a pause", resumed, f"{self._point.power_kw:.2f} kW")

    async def _post(self, limit_kw: float) -> Ticket:
        ticket = self._central.post({self._name: limit_kw}, 600.0)[self._name]
        reaction_s = self.settings.stations[0].reaction_s
        await self._until(lambda: not ticket.is_open, reaction_s + self.settings.call_timeout_s + 10.0)
        return ticket

    async def _composite(self) -> None:
        if self._point.version == "sunspec":
            return
        dialect = dialect_of(self._point.version)
        reply = await self._call(dialect.composite(self._point.connector or 1, 60, self._point.unit or "A"))
        is_known = reply.is_ok or reply.error not in ("NotImplemented", "NotSupported")
        self._find("tells its composite schedule", accepted(reply) if is_known else None, _said(reply))

    async def _clears(self) -> None:
        if self._point.version == "sunspec":
            return
        reply = await self._call(dialect_of(self._point.version).clear(None, SESSION_ID))
        self._find("clears a profile", accepted(reply) or reply.get("status") == "Unknown", _said(reply))

    async def _comes_back(self) -> None:
        """Drop the socket: it must return, and we must know what became of the session."""
        point, link = self._point, self._central.link_of(self._name)
        if link is None:
            return
        before, was_at_s = point.transaction, self._central.clock.mono_s()
        since_s = point.linked_since_s
        await link.close("check of the reconnection")
        came = await self._until(lambda: point.is_linked and point.linked_since_s > since_s, self.patience.reconnect_s)
        took_s = self._central.clock.mono_s() - was_at_s
        self._find("comes back after a lost socket", came, f"after {took_s:.1f} s")
        if came:
            await self._until(lambda: point.sample().quality == Quality.FRESH, point.settings.reaction_s + 5.0)
            kept = point.transaction == before
            self._find("keeps its session over a lost socket", kept, "" if kept else "another or none", note=not kept)

    async def _stops(self) -> None:
        if self._point.transaction is None:
            self._find("stops when asked", None, "no session")
            return
        ticket = self._central.session(self._name, "stop", "check")
        ended = await self._until(lambda: self._point.transaction is None, 20.0)
        self._find("stops when asked", ended, str(ticket.state))

    async def _unlocks(self) -> None:
        reply = await self._call(dialect_of(self._point.version).unlock(self._point.connector or 1))
        is_known = reply.is_ok and reply.get("status") != "NotSupported"
        self._find("unlocks the plug", accepted(reply) if is_known else None, _said(reply))

    async def _restarts(self) -> None:
        """A soft restart: accepted, and it boots again."""
        boots = self._point.counts["booted"]
        reply = await self._call(dialect_of(self._point.version).reset(hard=False))
        came = accepted(reply) and await self._until(
            lambda: self._point.counts["booted"] > boots, self.patience.reconnect_s
        )
        self._find("restarts when asked and boots again", came, _said(reply))

    def _sums_up(self) -> None:
        point, counters = self._point, self._central.counters[self._name]
        faults = ", ".join(f"{k} x{n}" for k, n in sorted(point.register.faults.items()))
        self._find("believable meter", not point.register.faults, faults)
        self._find("keeps the schemas", counters.schema == 0, f"{counters.schema} messages break them")
        self._find("well-formed messages", counters.malformed == 0, f"{counters.malformed} malformed")
        self._find(
            "draws no more than told", point.counts["overdraw"] == 0, f"{point.counts['overdraw']} samples above"
        )
        trips = sorted(counters.round_trip_s)
        if trips:
            self._find("answers", True, f"median {1000.0 * trips[len(trips) // 2]:.0f} ms of {len(trips)}", note=True)


def _said(reply: Reply) -> str:
    return str(reply.get("status") or "answered") if reply.is_ok else reply.error
