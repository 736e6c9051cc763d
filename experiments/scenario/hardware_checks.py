"""What is wrong with physical stations and how they are reached, before anything is simulated."""

from __future__ import annotations

from pathlib import Path

from agents.hardware.config import HardwareSettings, StationSettings, pace
from agents.hardware.envelope import Envelope
from agents.settings import SEGMENTS
from experiments.scenario.faults import Fault
from experiments.scenario.sections import FleetSection, HardwarePortSection, HardwareSection

WIDE_KW = 1e6
"""Connection and rating are known only in the run: here they bind nothing."""
FILES = ("certificate", "private_key", "station_ca", "secrets")


def hardware_faults(
    stations: list[HardwareSection], port: HardwarePortSection, fleet: FleetSection, file: str
) -> list[Fault]:
    """All faults at once; points of recorded sessions are known only in the run."""
    if not stations:
        return []
    faults = [] if fleet.sessions is not None else _unknown_points(stations, fleet, file)
    names = [s.charging_point for s in stations]
    for name in sorted({n for n in names if names.count(n) > 1}):
        faults.append(Fault(file, "hardware", f"charging point {name!r} has {names.count(name)} stations"))
    faults += [Fault(file, "hardware", text) for text in _settings(stations, port).faults()]
    for key in FILES:
        path = getattr(port, key)
        if path and not Path(path).is_file():
            faults.append(Fault(file, f"hardware_port.{key}", f"{path!r} is not a file"))
    return faults


def _unknown_points(stations: list[HardwareSection], fleet: FleetSection, file: str) -> list[Fault]:
    """Stations whose charging point does not exist."""
    counts = {name: getattr(fleet, name).charging_points or getattr(fleet, name).evs for name in SEGMENTS}
    known = ", ".join(f"{name}/0 to {name}/{n - 1}" for name, n in counts.items() if n)
    faults = []
    for k, station in enumerate(stations):
        segment, _, number = station.charging_point.partition("/")
        if not (number.isdigit() and int(number) < counts.get(segment, 0)):
            text = f"{station.charging_point!r} does not exist; there are {known}"
            faults.append(Fault(file, f"hardware.{k + 1}.charging_point", text))
    return faults


def _settings(stations: list[HardwareSection], port: HardwarePortSection) -> HardwareSettings:
    """Settings of the port as far as they are known without the grid."""
    mode, period_s = pace(port.real_time_factor)
    known = tuple(
        StationSettings(
            s.station_id,
            k,
            Envelope(WIDE_KW, WIDE_KW, s.cable_a, s.safe_kw, s.phases),
            connector=s.connector or None,
            unit=s.unit,
            lease_s=s.lease_s,
            meter_interval_s=s.meter_interval_s,
            address=s.address,
            station_limit_kw=s.station_limit_kw or float("inf"),
        )
        for k, s in enumerate(stations)
    )
    return HardwareSettings(
        known,
        Path(port.folder),
        Path(port.folder),
        port.host,
        port.port,
        port.security_profile,
        _path(port.certificate),
        _path(port.private_key),
        _path(port.station_ca),
        _path(port.secrets),
        mode,
        period_s,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
