"""The charging port: all that a CPO can do with one charging point, simulated or physical.

A simulated point (:class:`SimulatedPort`, a view on a row of ``Stations``) and the adapters of :mod:`agents.hardware`
(OCPP, SunSpec Modbus) fulfil the same protocol, so that nothing but delay and measurement error tells them apart.
Power is positive when charging. Times are seconds of wall-clock UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Literal, Protocol, runtime_checkable

import numpy as np


class Quality(IntEnum):
    """How far a reading can be believed; the order is from best to worst."""

    FRESH = 0
    """Measured within two meter intervals."""
    STALE = 1
    """Measured, but longer ago."""
    SUSPECT = 2
    """The newest sample failed a plausibility check; the last believable one is shown."""
    ESTIMATED = 3
    """The link is down: the least of the last plan and, after its end, the safe limit."""
    ABSENT = 4
    """Nothing known: never connected."""


class TicketState(StrEnum):
    """What became of a command; only the meter confirms."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    LINK_DOWN = "link_down"
    CONFIRMED = "confirmed"
    VIOLATED = "violated"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Capabilities:
    """What a point can do, as probed; None = not known yet.

    Attributes
    ----------
    max_kw : float
        Least of the limits of connection, station and cable, kW.
    min_kw : float
        Least power other than zero, kW (IEC 61851-1: 6 A a phase).
    discharge_kw : float
        Most power back to the grid, kW, positive.
    safe_kw : float
        Power the point may draw when nobody steers it, kW.
    falls_back : bool or None
        Whether the point was proven to fall back to ``safe_kw`` by itself.
    is_metered : bool
        Whether a register of energy was read.
    protocol, unit : str
        Spoken protocol and unit of limits (A or W; empty: not known).
    """

    max_kw: float
    min_kw: float
    discharge_kw: float
    safe_kw: float
    falls_back: bool | None
    is_metered: bool
    protocol: str
    unit: str = ""


@dataclass(frozen=True)
class Reading:
    """One look at a point. ``register_kwh`` is net (import minus export); NaN where there is none."""

    power_kw: float
    register_kwh: float
    quality: Quality
    measured_utc_s: float
    soc_share: float = float("nan")
    is_occupied: bool = False

    @property
    def is_biddable(self) -> bool:
        """Whether flexibility of the point may be offered to a market."""
        return self.quality in (Quality.FRESH, Quality.STALE)


@dataclass(frozen=True)
class Plan:
    """Limits of a point: ``limit_kw`` from now until ``valid_until_utc_s``; negative asks for discharging."""

    limit_kw: float
    valid_until_utc_s: float


@dataclass
class Ticket:
    """A command on its way. ``reason`` is one line for the log."""

    number: int
    plan: Plan
    sent_utc_s: float
    state: TicketState = TicketState.PENDING
    reason: str = ""
    settled_utc_s: float = float("nan")

    @property
    def is_open(self) -> bool:
        """Whether telemetry can still change it."""
        return self.state in (TicketState.PENDING, TicketState.ACCEPTED)


@dataclass(frozen=True)
class PortEvent:
    """Something that happened at a point; ``cursor`` grows by one."""

    cursor: int
    utc_s: float
    kind: str
    text: str = ""


@runtime_checkable
class ChargingPort(Protocol):
    """What a CPO can do with one charging point. No method waits or raises for what the other side does."""

    def describe(self) -> Capabilities:
        """Capabilities probed so far."""
        ...

    def sample(self) -> Reading:
        """Newest reading."""
        ...

    def command(self, plan: Plan) -> Ticket:
        """Post limits; the ticket tells later what became of them."""
        ...

    def events(self, cursor: int = 0) -> tuple[PortEvent, ...]:
        """Events after ``cursor``, in the station's order; the same question gives the same answer."""
        ...

    def session(self, wish: Literal["start", "stop"], reason: str = "") -> Ticket:
        """Ask for the start or the stop of charging."""
        ...

    def release(self, reason: str) -> None:
        """Give the point back: it returns to its safe limit."""
        ...


@dataclass
class EventLog:
    """Events of one point with growing cursors; keeps the newest ``keep``."""

    keep: int = 10_000
    _events: list[PortEvent] = field(default_factory=list)
    _last: int = 0

    def add(self, utc_s: float, kind: str, text: str = "") -> PortEvent:
        """Append one event."""
        self._last += 1
        event = PortEvent(self._last, utc_s, kind, text)
        self._events.append(event)
        if len(self._events) > self.keep:
            del self._events[: self.keep // 10]
        return event

    def after(self, cursor: int) -> tuple[PortEvent, ...]:
        """Events with a greater cursor, by time at the station."""
        newer = [e for e in self._events if e.cursor > cursor]
        return tuple(sorted(newer, key=lambda e: (e.utc_s, e.cursor)))

    def count(self, kind: str) -> int:
        """How often something happened (of what is kept)."""
        return sum(e.kind == kind for e in self._events)


class PointArrays(Protocol):
    """The columns of simulated points that a port looks at (fulfilled by ``agents.roles.charging_point.Stations``)."""

    set_kw: np.ndarray
    fallback_kw: np.ndarray
    measured_kw: np.ndarray

    @property
    def is_busy(self) -> np.ndarray:
        """Points with a car."""
        ...


@dataclass
class SimulatedPort:
    """A row of the simulated points behind the same port.

    Parameters
    ----------
    arrays : PointArrays
        The points.
    row : int
        Row of the point.
    max_kw : float
        Rated power.
    now_utc_s : float
        Simulated time; :meth:`advance` moves it after each period.
    """

    arrays: PointArrays
    row: int
    max_kw: float
    now_utc_s: float = 0.0
    _register_kwh: float = 0.0
    _log: EventLog = field(default_factory=EventLog)
    _tickets: int = 0
    _open: Ticket | None = None
    _plan: Plan | None = None

    def describe(self) -> Capabilities:
        """Everything is known of a simulated point."""
        safe_kw = float(self.arrays.fallback_kw[self.row])
        return Capabilities(self.max_kw, 0.0, 0.0, safe_kw, True, True, "simulated", "W")

    def sample(self) -> Reading:
        """Newest reading."""
        power_kw = float(self.arrays.measured_kw[self.row])
        busy = bool(self.arrays.is_busy[self.row])
        return Reading(power_kw, self._register_kwh, Quality.FRESH, self.now_utc_s, is_occupied=busy)

    def command(self, plan: Plan) -> Ticket:
        """Post limits; the simulated point takes them at once."""
        limit_kw = bounded_kw(plan.limit_kw, self.max_kw, float(self.arrays.fallback_kw[self.row]))
        self.arrays.set_kw[self.row] = limit_kw
        self._plan = replace(plan, limit_kw=limit_kw)
        self._close_open(TicketState.REPLACED)
        self._open = self._ticket(self._plan, TicketState.ACCEPTED)
        return self._open

    def advance(self, hours: float) -> None:
        """Let time pass after the physics of a period: register, plan's end, and the verdict of the meter."""
        self.now_utc_s += hours * 3600.0
        power_kw = float(self.arrays.measured_kw[self.row])
        self._register_kwh += power_kw * hours
        if self._plan is None:
            return
        kept = within_limit(power_kw, self._plan.limit_kw)
        self._close_open(TicketState.CONFIRMED if kept else TicketState.VIOLATED)
        if self.now_utc_s >= self._plan.valid_until_utc_s:
            self.release("plan ended")

    def events(self, cursor: int = 0) -> tuple[PortEvent, ...]:
        """Events after ``cursor``."""
        return self._log.after(cursor)

    def session(self, wish: Literal["start", "stop"], reason: str = "") -> Ticket:
        """Note the wish; a simulated car comes and goes by its own plan, a stop holds it at zero."""
        self._log.add(self.now_utc_s, f"session_{wish}", reason)
        limit_kw = 0.0 if wish == "stop" else float(self.arrays.fallback_kw[self.row])
        return self.command(Plan(limit_kw, float("inf")))

    def release(self, reason: str) -> None:
        """Back to the safe limit."""
        self.arrays.set_kw[self.row] = self.arrays.fallback_kw[self.row]
        self._plan = None
        self._close_open(TicketState.REPLACED)
        self._log.add(self.now_utc_s, "released", reason)

    def _ticket(self, plan: Plan, state: TicketState) -> Ticket:
        self._tickets += 1
        return Ticket(self._tickets, plan, self.now_utc_s, state)

    def _close_open(self, state: TicketState) -> None:
        if self._open is not None and self._open.is_open:
            self._open.state, self._open.settled_utc_s = state, self.now_utc_s


def bounded_kw(limit_kw: float, max_kw: float, safe_kw: float, discharge_kw: float = 0.0) -> float:
    """Limit inside the envelope; not-a-number asks for nothing and gets the safe limit.

    >>> bounded_kw(float("inf"), 11.0, 4.0), bounded_kw(float("nan"), 11.0, 4.0), bounded_kw(-3.0, 11.0, 4.0)
    (11.0, 4.0, 0.0)
    """
    if np.isnan(limit_kw):
        return min(safe_kw, max_kw)
    return float(min(max(limit_kw, -discharge_kw), max_kw)) + 0.0


def within_limit(power_kw: float, limit_kw: float) -> bool:
    """Whether a measured power keeps a limit: 5 % and 50 W, what real programs manage (hardware rules).

    >>> within_limit(5.29, 5.0), within_limit(5.31, 5.0), within_limit(-5.0, -5.0)
    (True, False, True)
    """
    return power_kw <= limit_kw + 0.05 * abs(limit_kw) + 0.05
