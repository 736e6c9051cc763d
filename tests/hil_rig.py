"""What the tests of the hardware port share: settings with short times, a central system, waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agents.hardware.central import CentralSystem
from agents.hardware.config import HardwareSettings, StationSettings
from agents.hardware.envelope import Envelope
from agents.hardware.keep import write_known
from agents.hardware.virtual.car import Car
from agents.hardware.virtual.station import StationOptions, VirtualStation
from agents.hardware.wishes import Known
from agents.port import Ticket, TicketState

ENVELOPE = Envelope(11.04, 11.04)


def station(name: str = "S1", **other: Any) -> StationSettings:
    """A station with a lease of 3 s and samples each second; override any field."""
    given: dict[str, Any] = {"envelope": ENVELOPE, "lease_s": 3.0, "meter_interval_s": 1.0, "insist": True}
    return StationSettings(name, **(given | other))


def settings(folder: Path, *stations: StationSettings, **other: Any) -> HardwareSettings:
    """A central system on a free port of this machine."""
    given: dict[str, Any] = {"port": 0, "call_timeout_s": 1.0, "watchdog_s": 60.0}
    return HardwareSettings(stations or (station(),), folder / "rec", folder / "state", **(given | other))


@asynccontextmanager
async def central(given: HardwareSettings) -> AsyncIterator[CentralSystem]:
    """A running central system."""
    system = CentralSystem(given)
    await system.start()
    try:
        yield system
    finally:
        await system.stop("the test ended")


@asynccontextmanager
async def virtual(
    system: CentralSystem, name: str = "S1", *, version: str = "1.6", plugs: bool = True, **other: Any
) -> AsyncIterator[VirtualStation]:
    """A virtual station that has booted, with a car."""
    given: dict[str, Any] = {"meter_interval_s": 0.3, "reconnect_s": 0.2, "car": Car()}
    scheme = "wss" if system.settings.security_profile > 1 else "ws"
    host = "localhost" if scheme == "wss" else "127.0.0.1"
    options = StationOptions(f"{scheme}://{host}:{system.port}/ocpp", name, version, **(given | other))
    options = StationOptions(**{**vars(options), "faults": frozenset(options.faults)})
    one = VirtualStation(options)
    task = asyncio.create_task(one.run())
    try:
        if plugs:
            await until(one.booted.is_set)
            one.plug()
        yield one
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(is_true: Callable[[], Any], seconds: float = 8.0) -> None:
    """Wait until something is so; the test fails if it does not come."""
    deadline_s = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline_s, "did not come in time"
        await asyncio.sleep(0.02)


async def confirmed(ticket: Ticket) -> None:
    """Wait until the meter confirms a command."""
    await until(lambda: ticket.state == TicketState.CONFIRMED)


def proven(given: HardwareSettings) -> HardwareSettings:
    """Note for every station that an earlier commissioning saw it fall back."""
    for one in given.stations:
        write_known(given.state_folder, one.station_id, Known(True, ""))
    return given
