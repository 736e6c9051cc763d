"""Settings of the hardware port: plain frozen data that a scenario fills; imports nothing of any protocol."""

from __future__ import annotations

import ipaddress
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents.hardware.envelope import Envelope

OWN_TAG = "FLEXPOLDER"
"""Identity under which sessions are started from here."""


@dataclass(frozen=True)
class StationSettings:
    """One physical station and the charging point whose place it takes.

    Attributes
    ----------
    station_id : str
        Identity in the URL, the password file and the certificate.
    row : int
        Row of the charging point it replaces.
    envelope : Envelope
        Limits that are enforced whatever the agents ask.
    connector : int or None
        Connector (EVSE) used; None = the first one on which a session starts.
    unit : str
        ``A`` or ``W`` for limits; empty = what the station says it takes.
    lease_s : float
        Duration of a session's profile, renewed at a third of it: the time within which a station that loses us is
        back at its safe limit.
    meter_interval_s : float
        Interval of meter samples asked for.
    is_strict : bool
        Refuse messages that break their schema; otherwise they are counted and tried.
    insist : bool
        Steer the station even if it was not shown to fall back by itself.
    starts_sessions : bool
        Start a session when a car has been connected for ``start_after_s`` and nobody else did.
    address : str
        Empty for OCPP (the station calls us); ``modbus://host:502?unit=1`` for SunSpec (we call the device).
    id_tags : tuple of str
        Identities that may charge; empty = all.
    station_limit_kw : float
        Limit of the whole station, which its connectors share.
    vendor, model, serial_number : str
        What it must say of itself at its start; empty = anything.
    """

    station_id: str
    row: int = 0
    envelope: Envelope = field(default_factory=lambda: Envelope(11.04, 11.04))
    connector: int | None = None
    unit: str = ""
    lease_s: float = 60.0
    meter_interval_s: float = 10.0
    is_strict: bool = True
    insist: bool = False
    starts_sessions: bool = True
    start_after_s: float = 5.0
    address: str = ""
    id_tags: tuple[str, ...] = ()
    station_limit_kw: float = math.inf
    vendor: str = ""
    model: str = ""
    serial_number: str = ""

    @property
    def reaction_s(self) -> float:
        """Time within which the meter must confirm a new limit: two meter intervals and a second."""
        return 2.0 * self.meter_interval_s + 1.0

    def faults(self) -> list[str]:
        """What is wrong with these settings, all at once."""
        place = f"station {self.station_id!r}"
        e = self.envelope
        checks = [
            (bool(self.station_id) and len(self.station_id) <= 48 and self.station_id.isprintable(), "identity"),
            (e.max_kw > 0 and math.isfinite(e.max_kw), f"limits of {e.max_kw:g} kW"),
            (0 <= e.safe_kw <= e.max_kw, f"safe limit of {e.safe_kw:g} kW outside 0 to {e.max_kw:g} kW"),
            (e.phases in (1, 3), f"{e.phases} phases, must be 1 or 3"),
            (self.address == "" or self.address.startswith("modbus://"), f"address {self.address!r}"),
            (self.unit in ("", "A", "W"), f"unit {self.unit!r}, must be A or W"),
            (self.lease_s >= 3, f"lease of {self.lease_s:g} s, must be 3 s or more"),
            (self.meter_interval_s >= 1, f"meter interval of {self.meter_interval_s:g} s, must be 1 s or more"),
            (self.connector is None or self.connector >= 1, f"connector {self.connector}, must be 1 or more"),
            (self.station_limit_kw > 0, f"limit of {self.station_limit_kw:g} kW for the station, must be positive"),
            (e.ramp_kw_per_s > 0, f"ramp of {e.ramp_kw_per_s:g} kW/s, must be positive"),
        ]
        return [f"{place}: {text}" for good, text in checks if not good]


def _sharing_faults(station_id: str, members: list[StationSettings]) -> list[str]:
    """What is wrong with several connectors of one station."""
    if len(members) == 1:
        return []
    place, connectors = f"station {station_id!r}", [m.connector for m in members]
    found = []
    if None in connectors or len(set(connectors)) < len(connectors):
        found.append(f"{place} is named {len(members)} times: each needs a connector of its own")
    if any(m.address for m in members):
        found.append(f"{place}: a SunSpec device has one connector")
    limit_kw, safe_kw = min(m.station_limit_kw for m in members), sum(m.envelope.safe_kw for m in members)
    if safe_kw > limit_kw:
        found.append(f"{place}: safe limits add up to {safe_kw:g} kW, more than the station's {limit_kw:g} kW")
    return found


PERIOD_S = 900.0


def pace(factor: float) -> tuple[Literal["metered", "hold"], float]:
    """Mode and wall-clock length of a market period at a real-time factor.

    >>> pace(1.0), pace(60.0)
    (('metered', 900.0), ('hold', 15.0))
    """
    return ("metered", PERIOD_S) if factor == 1.0 else ("hold", PERIOD_S / factor)


@dataclass(frozen=True)
class HardwareSettings:
    """All physical stations of a run and how they are reached.

    Attributes
    ----------
    folder : Path
        Where messages, readings and events are recorded.
    state_folder : Path
        What outlives a run: leases, proofs of fallback, how far registers were booked.
    security_profile : int
        0 none, 1 password, 2 TLS and password, 3 TLS with certificates on both sides. 0 and 1 on loopback only.
    mode : str
        ``metered``: real time, settled on registers. ``hold``: market time runs faster, power only, not metered.
    period_s : float
        Wall-clock seconds of one market period.
    watchdog_s : float
        Silence of the simulation after which stations return to their safe limits.
    on_death : str
        What happens to sessions when the simulation dies: ``safe`` limit or ``stop``.
    """

    stations: tuple[StationSettings, ...]
    folder: Path
    state_folder: Path
    host: str = "127.0.0.1"
    port: int = 9000
    security_profile: int = 0
    certificate: Path | None = None
    private_key: Path | None = None
    station_ca: Path | None = None
    secrets: Path | None = None
    mode: Literal["metered", "hold"] = "metered"
    period_s: float = 900.0
    watchdog_s: float = 1800.0
    on_death: Literal["safe", "stop"] = "safe"
    call_timeout_s: float = 10.0
    keepalive_s: float = 20.0
    messages_per_s: float = 50.0

    @property
    def catch_up_s(self) -> float:
        """Longest wait at the end for samples of the last period."""
        return min(max((s.reaction_s for s in self.stations), default=0.0), 60.0)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach us."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def members(self) -> dict[str, list[StationSettings]]:
        """Settings of the connectors of each station."""
        of: dict[str, list[StationSettings]] = {}
        for station in self.stations:
            of.setdefault(station.station_id, []).append(station)
        return of

    @property
    def named(self) -> dict[str, StationSettings]:
        """Settings by name of the point: the station's identity, and its connector where it has several."""
        several = {name for name, members in self.members.items() if len(members) > 1}
        return {f"{s.station_id}/{s.connector}" if s.station_id in several else s.station_id: s for s in self.stations}

    def faults(self) -> list[str]:
        """What is wrong, all at once."""
        found = [fault for station in self.stations for fault in station.faults()]
        for station_id, members in self.members.items():
            found += _sharing_faults(station_id, members)
        rows = [s.row for s in self.stations]
        found += [f"charging point row {r} has two stations" for r in sorted({r for r in rows if rows.count(r) > 1})]
        if self.security_profile not in (0, 1, 2, 3):
            found.append(f"security profile {self.security_profile}, must be 0 to 3")
        if self.security_profile in (0, 1) and not self.is_loopback:
            found.append(f"security profile {self.security_profile} is allowed on loopback only, not on {self.host}")
        if self.security_profile in (2, 3) and not (self.certificate and self.private_key):
            found.append("TLS needs a certificate and a private key")
        if self.security_profile == 3 and not self.station_ca:
            found.append("security profile 3 needs the authority that signs the stations' certificates")
        if self.security_profile in (1, 2) and not self.secrets:
            found.append("security profiles 1 and 2 need a file of hashed passwords")
        if self.mode == "metered" and self.period_s <= 0:
            found.append("a period needs a length")
        return found

    def to_json(self) -> str:
        """As one line of JSON (no secret is in the settings, only the paths of files)."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> HardwareSettings:
        """Back from :meth:`to_json`."""
        raw: dict[str, Any] = json.loads(text)
        stations = tuple(
            StationSettings(**{**s, "envelope": Envelope(**s["envelope"]), "id_tags": tuple(s["id_tags"])})
            for s in raw.pop("stations")
        )
        paths = ("folder", "state_folder", "certificate", "private_key", "station_ca", "secrets")
        raw.update({name: Path(raw[name]) for name in paths if raw[name]})
        return HardwareSettings(stations=stations, **raw)
