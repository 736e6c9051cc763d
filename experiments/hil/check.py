"""The check of one station from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agents.hardware.compliance import Check, Finding, Patience
from agents.hardware.config import HardwareSettings, StationSettings
from agents.hardware.envelope import Envelope
from agents.hardware.guard import GuardError
from agents.hardware.keep import kept_at
from agents.hardware.server import ANY, station_in
from experiments.hil.programs import station_programs

OWN_PORT = 9016


@dataclass(frozen=True)
class CheckOptions:
    """What the user asked for; see ``flexpolder hil check --help``."""

    target: str
    max_kw: float
    safe_kw: float
    phases: int
    lease_s: float
    interval_s: float
    wait_s: float
    is_strict: bool
    folder: Path
    state: Path
    with_reset: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    station_ca: Path | None = None
    secrets: Path | None = None

    @property
    def security_profile(self) -> int:
        """What the given files and the address amount to."""
        if not self.target.startswith("wss:"):
            return 1 if self.secrets else 0
        return 3 if self.station_ca else 2


def run_check(options: CheckOptions, say: Callable[[str], None]) -> list[Finding]:
    """Exercise the station that the target names.

    Raises
    ------
    GuardError
        If the target or a limit makes no sense.
    """
    settings = _settings(options)
    faults = settings.faults()
    if faults:
        raise GuardError("; ".join(faults))
    kept_at(settings.state_folder, settings.stations[0].station_id).unlink(missing_ok=True)  # a check starts anew
    patience = Patience(options.wait_s, session_s=max(15.0, options.wait_s / 2.0))
    check = Check(settings, patience, say, options.with_reset)
    if options.target != "station":
        return asyncio.run(check.run())
    own = [f"ws://127.0.0.1:{OWN_PORT}", "--quiet", "--interval", f"{options.interval_s:g}"]
    with station_programs([own]):
        return asyncio.run(check.run())


def _settings(options: CheckOptions) -> HardwareSettings:
    is_modbus = options.target.startswith("modbus://")
    url = urlsplit(f"ws://127.0.0.1:{OWN_PORT}" if options.target == "station" else options.target)
    if url.scheme not in ("ws", "wss", "modbus") or not url.hostname:
        known = "ws://HOST:PORT[/IDENTITY], wss://HOST:PORT/IDENTITY, modbus://HOST:PORT?unit=N or station"
        raise GuardError(f"{options.target}: must be {known}")
    name = "SUNSPEC" if is_modbus else station_in(url.path) or ANY
    station = StationSettings(
        name,
        envelope=Envelope(options.max_kw, options.max_kw, 80.0, options.safe_kw, options.phases),
        lease_s=options.lease_s,
        meter_interval_s=options.interval_s,
        is_strict=options.is_strict,
        start_after_s=3.0,
        address=options.target if is_modbus else "",
    )
    host = "127.0.0.1" if is_modbus else url.hostname
    port = 0 if is_modbus else url.port if url.port is not None else 9000
    if options.security_profile and name == ANY:
        raise GuardError(f"{options.target}: with passwords or certificates the identity belongs to the address")
    return HardwareSettings(
        (station,), options.folder, options.state, host, port, options.security_profile, options.certificate,
        options.private_key, options.station_ca, options.secrets,
    )  # fmt: skip
