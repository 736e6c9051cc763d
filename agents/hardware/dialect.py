"""What every version of OCPP can say, in neutral words; one dialect per version translates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agents.hardware.clock import iso
from agents.hardware.link import Refused, Reply
from agents.hardware.meter import Sample
from agents.hardware.standing import Standing

Purpose = Literal["station_max", "default", "session"]
Wire = tuple[str, dict[str, Any]]
"""Action and payload of a call."""

BACKDATE_S = 2.0
"""A profile starts this much in the past, so that a station whose clock is a little behind obeys at once."""
STATION_MAX_ID, DEFAULT_ID, SESSION_ID, LEASED_DEFAULT_ID = 9001, 9002, 9003, 9004


@dataclass(frozen=True)
class Profile:
    """A charging profile of one constant limit.

    Attributes
    ----------
    limit : float
        Limit on the wire, in ``unit``.
    start_utc_s, duration_s : float or None
        Now, and how long it shall hold from now; without them the profile holds until cleared.
    """

    purpose: Purpose
    profile_id: int
    stack: int
    limit: float
    unit: str
    connector: int
    transaction: str | None = None
    start_utc_s: float | None = None
    duration_s: float | None = None
    discharges: bool = False


@dataclass(frozen=True)
class Setting:
    """A setting of the station that we want."""

    name: str
    value: str


class Sink(Protocol):
    """What a dialect tells about a station."""

    def booted(self, vendor: str, model: str, firmware: str, serial: str = "") -> Standing:
        """It started; whether it may take part."""
        ...

    def status(self, connector: int, state: str, utc_s: float, plug: int = 0) -> None:
        """A connector (an EVSE, one of its plugs) is free, occupied, charging, faulted or unavailable."""
        ...

    def authorises(self, tag: str, connector: int = 0) -> bool:
        """Whether this identity may charge, at a connector or (0) at any."""
        ...

    def started(self, key: str, connector: int, utc_s: float, samples: Iterable[Sample]) -> str:
        """A transaction started; its id."""
        ...

    def metered(self, connector: int | None, transaction: str | None, samples: Iterable[Sample]) -> None:
        """Meter values came."""
        ...

    def stopped(self, transaction: str, utc_s: float, samples: Iterable[Sample], reason: str) -> None:
        """A transaction ended."""
        ...

    def note(self, kind: str, text: str) -> None:
        """Something else happened."""
        ...

    def now_s(self) -> float:
        """Wall clock."""
        ...


class Dialect(Protocol):
    """One version of OCPP, or another protocol in its words."""

    version: str
    stops_at_once: bool
    """Whether an accepted stop ends the session without a message about it."""

    def answer(self, sink: Sink, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Tell the sink and give the answer's payload."""
        ...

    def probe(self) -> Wire:
        """Ask what the station can do."""
        ...

    def probed(self, reply: Reply) -> dict[str, str]:
        """What it said, by setting."""
        ...

    def configure(self, meter_interval_s: float) -> Sequence[Wire]:
        """Ask for the meter samples we need."""
        ...

    def set_profile(self, profile: Profile) -> Wire:
        """Set a charging profile."""
        ...

    def clear(self, purpose: Purpose | None, profile_id: int | None = None) -> Wire:
        """Clear profiles."""
        ...

    def composite(self, connector: int, duration_s: int, unit: str) -> Wire:
        """Ask what the profiles amount to."""
        ...

    def start(self, connector: int, tag: str, number: int) -> Wire:
        """Start a session."""
        ...

    def stop(self, transaction: str) -> Wire:
        """Stop a session."""
        ...

    def available(self, connector: int, *, is_available: bool) -> Wire:
        """Take out of or into service."""
        ...

    def reset(self, *, hard: bool) -> Wire:
        """Restart the station."""
        ...

    def unlock(self, connector: int) -> Wire:
        """Unlock the plug."""
        ...

    def trigger(self, what: Literal["status", "meter", "boot"], connector: int | None, attempt: int = 0) -> Wire:
        """Ask for a message; a second attempt asks in another way where there is one."""
        ...


def accepted(reply: Reply) -> bool:
    """Whether a call was accepted by its status (of 2.x: also ``Scheduled``)."""
    return reply.is_ok and str(reply.get("status")) in ("Accepted", "Scheduled", "Unlocked")


def boot_answer(standing: Standing, now_s: float) -> dict[str, Any]:
    """Answer to a BootNotification; all versions write it alike."""
    return {"currentTime": iso(now_s), "interval": standing.interval_s, "status": standing.value}


def refuse_politely(action: str) -> Refused:
    """Answer to what we do not offer."""
    return Refused("NotSupported", f"{action} is not offered here")


def known(word: str, table: Mapping[str, Any], default: Any = None) -> Any:
    """Entry of a word, however its letters are cased."""
    if word in table:
        return table[word]
    folded = word.casefold()
    return next((value for name, value in table.items() if name.casefold() == folded), default)


def text(payload: dict[str, Any], *path: str) -> str:
    """A short text at a path in a payload; empty where there is none."""
    value: Any = payload
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return str(value)[:64] if isinstance(value, str | int) else ""


def whole(payload: dict[str, Any], key: str, default: int = 0) -> int:
    """A whole number in a payload; negative ones and others count as the default."""
    value = payload.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else default
