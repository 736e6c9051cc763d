"""What is wanted of a point, what earlier runs left of it, and how its sessions are numbered."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.hardware.register import Mark
from agents.port import Plan, Ticket


@dataclass
class Wishes:
    """What is wanted of the point; :mod:`agents.hardware.steering` turns it into calls."""

    plan: Plan | None = None
    is_emergency: bool = False
    is_released: bool = False
    is_refused: bool = False
    stop_reason: str = ""
    start: bool = False
    tickets: list[Ticket] = field(default_factory=list)
    session_tickets: list[Ticket] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """What earlier runs left about a station: whether it falls back, which device that was, how far it was booked."""

    falls_back: bool | None = None
    identity: str = ""
    mark: Mark | None = None


class Numbers:
    """Transaction ids of 1.6 are whole numbers; they count on from the second in which we started.

    A restart does not give one twice as long as sessions last longer than a second.
    """

    def __init__(self, since_utc_s: float) -> None:
        self._last = int(since_utc_s)

    def new(self) -> str:
        """An id that no other transaction of the station has."""
        self._last += 1
        return str(self._last)
