"""The central system's own process: commands come as JSON lines on standard input, snapshots go to standard output.

A process of its own keeps the round trip at a millisecond beside a busy simulation; the end of standard input is the
surest sign that the simulation has died.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from agents.hardware.central import CentralSystem
from agents.hardware.config import HardwareSettings
from agents.hardware.guard import GuardError
from agents.hardware.keep import LeaseHeld

log = logging.getLogger(__name__)
MAX_LINE = 4 * 1024 * 1024
LINGER_S = 3.0
"""How long a safe limit may take to reach the stations after the simulation died."""


class Child:
    """Serves one simulation until it says stop or dies.

    Parameters
    ----------
    central : CentralSystem
        The stations.
    """

    def __init__(self, central: CentralSystem) -> None:
        self._central = central
        self._cursor: dict[str, int] = {}
        self.is_stopped = False

    async def serve(self, lines: asyncio.StreamReader) -> None:
        """Take commands until the end."""
        while not self.is_stopped:
            line = await lines.readline()
            if not line:
                await self._died()
                return
            try:
                await self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as fault:
                log.error("a command could not be read: %s", type(fault).__name__)

    async def _take(self, command: dict[str, Any]) -> None:
        kind = command["do"]
        if kind == "post":
            self._central.post(command["limits_kw"], command["valid_s"], command["decided_utc_s"])
        elif kind == "begin":
            self._central.begin()
        elif kind == "settle":
            self._central.heard()
            snapshot = self._snapshot(command)
            self._central.keep()
            tell(snapshot)
        elif kind == "session":
            self._central.session(command["station"], command["wish"], command["reason"])
        elif kind == "emergency":
            self._central.emergency_stop(command["reason"])
        elif kind == "look":
            self._central.heard()
            tell(self._report("look"))
        elif kind == "alive":
            self._central.heard()
        elif kind == "stop":
            self.is_stopped = True
            corrections = await self._central.catch_up()
            await self._central.stop(command["reason"])
            tell(self._report("stopped") | {"corrections": corrections})

    async def _died(self) -> None:
        """Standard input ended without a word: the simulation is dead."""
        self._central.simulation_died("its process ended")
        await asyncio.sleep(LINGER_S if self._central.settings.on_death == "stop" else 0.2)
        await self._central.stop("the simulation died")

    def _snapshot(self, command: dict[str, Any]) -> dict[str, Any]:
        points = {
            name: self._central.settle(name, command["start_utc_s"], command["end_utc_s"])
            for name in self._central.points
        }
        return self._report("snapshot") | {"period": command["period"], "points": points}

    def _report(self, kind: str) -> dict[str, Any]:
        events = []
        for name, point in self._central.points.items():
            for event in point.events(self._cursor.get(name, 0)):
                events.append([name, event.utc_s, event.kind, event.text])
                self._cursor[name] = max(self._cursor.get(name, 0), event.cursor)
        return {"kind": kind, "events": events, "figures": self._figures()}

    def _figures(self) -> dict[str, Any]:
        """Measured times since the last report, and who is there."""
        c = self._central
        return {
            "latency_s": c.latencies(),
            "round_trip_s": c.round_trips(),
            "turned_away": c.turned_away,
            "steerable": [name for name, p in c.points.items() if p.is_steerable and p.transaction is not None],
            "connected": sum(p.is_linked for p in c.points.values()),
        }


def tell(message: dict[str, Any]) -> None:
    """One line to the simulation; if it is gone there is nobody to tell."""
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        log.warning("nobody listens any more")


async def main() -> int:
    """Run one central system."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        central = CentralSystem(HardwareSettings.from_json((await lines.readline()).decode()))
        port = await central.start()
    except (GuardError, LeaseHeld, OSError) as fault:
        tell({"kind": "refused", "reason": str(fault)})
        return 2
    tell({"kind": "started", "port": port})
    await Child(central).serve(lines)
    return 0


def hurry() -> None:
    """Ask for a higher priority, where the system grants it: set-points must not wait behind a busy simulation."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


if __name__ == "__main__":
    hurry()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the simulation, which ends us in order
    os.setpgrp()
    raise SystemExit(asyncio.run(main()))
