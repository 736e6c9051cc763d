"""Open sockets of OCPP stations: each with its link, its steering, its pump; the newest of a station wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from agents.hardware.clock import Clock
from agents.hardware.config import HardwareSettings
from agents.hardware.crew import Crew
from agents.hardware.dialect import Dialect
from agents.hardware.link import Counters, Link, LinkSettings, Observer, pause
from agents.hardware.point import PhysicalPoint
from agents.hardware.steering import Steering
from agents.port import Ticket

log = logging.getLogger(__name__)
BURST_S = 4.0
"""Seconds' worth of messages that a station may send at once."""


class Ledger(Protocol):
    """Where the coming and going of a station is written down."""

    def came(self, station: str, version: str) -> None:
        """Its socket is open."""
        ...

    def went(self, station: str, reason: str) -> None:
        """Its socket is gone."""
        ...

    def watch(self, station: str) -> Observer:
        """Sees its messages."""
        ...


@dataclass
class Connection:
    """One open socket of a station."""

    link: Link
    steerings: tuple[Steering, ...]
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Sockets:
    """All open sockets.

    Parameters
    ----------
    settings : HardwareSettings
        Times and rates.
    clock : Clock
        Clocks.
    crews : mapping
        Points of each station.
    dialect_of : callable
        Dialect of a version.
    ledger : Ledger
        Takes comings and goings.
    """

    def __init__(
        self,
        settings: HardwareSettings,
        clock: Clock,
        crews: Mapping[str, Crew],
        dialect_of: Callable[[str], Dialect],
        ledger: Ledger,
    ) -> None:
        self._settings, self._clock, self._crews = settings, clock, crews
        self._dialect_of, self._ledger = dialect_of, ledger
        self.open: dict[str, Connection] = {}
        self.counters: dict[str, Counters] = {s.station_id: Counters() for s in settings.stations}
        self.latency_s: list[float] = []

    async def enter(self, station: str, version: str, socket: ServerConnection) -> None:
        """Serve one socket until it closes."""
        connection = self._connect(station, self._dialect_of(version), socket)
        tasks = [
            asyncio.create_task(connection.link.run()),
            asyncio.create_task(self._pump(connection)),
            asyncio.create_task(self._keep_alive(connection, socket)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._explain(station, tasks)
        finally:
            self._disconnect(station, connection, socket)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.link.close("closing")

    async def close(self, reason: str) -> None:
        """Close all."""
        await asyncio.gather(*(c.link.close(reason) for c in list(self.open.values())), return_exceptions=True)

    def _connect(self, station: str, dialect: Dialect, socket: ServerConnection) -> Connection:
        crew = self._crews[station]
        older = self.open.pop(station, None)
        if older is not None:
            crew.lead.note("replaced", "a newer socket of the same station")
            self._ledger.went(station, "replaced")
            older.link.abandon()
        self._ledger.came(station, dialect.version)
        connection = Connection(self._link(station, dialect, socket), crew.steerings(dialect))
        self.open[station] = connection
        crew.wakes(connection.wake.set)
        return connection

    def _link(self, station: str, dialect: Dialect, socket: ServerConnection) -> Link:
        crew, rate = self._crews[station], self._settings.messages_per_s
        link = Link(
            socket,
            dialect.version,
            lambda action, payload: crew.answer(dialect, action, payload),
            self._clock,
            LinkSettings(self._settings.call_timeout_s, rate, BURST_S * rate, crew.lead.settings.is_strict),
            self._ledger.watch(station),
            name=f"{int(self._clock.utc_s() * 1000) & 0xFFFFFFFF:x}",
        )
        link.counters = self.counters[station]
        return link

    def _disconnect(self, station: str, connection: Connection, socket: ServerConnection) -> None:
        """Clean up, unless a newer socket has taken over."""
        if self.open.get(station) is connection:
            del self.open[station]
            self._ledger.went(station, f"{socket.close_code or 'lost'}")

    def _explain(self, station: str, tasks: list[asyncio.Task[None]]) -> None:
        """A task that failed is our fault: into the log and the events with it."""
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                fault = task.exception()
                log.error("a connection's task failed: %s", type(fault).__name__, exc_info=fault)
                self._crews[station].lead.note("internal_fault", type(fault).__name__)

    async def _pump(self, connection: Connection) -> None:
        """Tell the station what it is to be told, one call after the other, its connectors in turn."""
        link, steerings, turn = connection.link, connection.steerings, 0
        while link.is_open:
            connection.wake.clear()
            for k in range(len(steerings)):
                steering = steerings[(turn + k) % len(steerings)]
                work = steering.next()
                if work is not None:
                    break
            else:
                await pause(connection.wake, min(s.due_s() for s in steerings))
                continue
            turn = (turn + k + 1) % len(steerings)
            self._note_latency(work.tickets, steering.point)
            mark = str(steering.point.settings.connector) if len(steerings) > 1 else ""
            steering.done(work, await link.call(*work.wire, mark=mark))

    def _note_latency(self, tickets: tuple[Ticket, ...], point: PhysicalPoint) -> None:
        """Time from the decision to the socket, of commands that found a link and a session."""
        now_s = self._clock.utc_s()
        since_s = max(point.begun_utc_s, point.linked_since_s)
        self.latency_s.extend(now_s - t.sent_utc_s for t in tickets if t.sent_utc_s > since_s)

    async def _keep_alive(self, connection: Connection, socket: ServerConnection) -> None:
        """Find half-open connections: neither a pong nor any message within the time."""
        every_s = self._settings.keepalive_s
        while True:
            await asyncio.sleep(every_s)
            received = connection.link.counters.received
            try:
                pong = await socket.ping()
                async with asyncio.timeout(every_s):
                    await asyncio.shield(pong)
            except TimeoutError:
                if connection.link.counters.received == received:
                    connection.link.abandon()
                    socket.transport.abort()
                    return
            except ConnectionClosed:
                return
