"""One physical point: what is known of it from its messages, and the charging port on top."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from agents.hardware.clock import Clock
from agents.hardware.config import OWN_TAG, StationSettings
from agents.hardware.meter import Sample
from agents.hardware.plugs import Plugs
from agents.hardware.proof import Proof, ProofState
from agents.hardware.register import Register
from agents.hardware.standing import Standing, contradictions
from agents.hardware.tickets import PowerTally, TicketBook
from agents.hardware.told import PowerBelief, ToldLimits
from agents.hardware.watch import MeterWatch
from agents.hardware.wishes import Known, Numbers, Wishes
from agents.port import (
    Capabilities,
    EventLog,
    Plan,
    PortEvent,
    Quality,
    Reading,
    Ticket,
    TicketState,
)

DISCHARGING = ("2.1", "sunspec")
"""Protocols that can ask for power back to the grid."""


class PhysicalPoint:
    """State of one physical point; every change comes from a message, a command or the clock, never from waiting.

    Parameters
    ----------
    settings : StationSettings
        Its limits and habits.
    clock : Clock
        Clocks; a replay sets them.
    known : Known, optional
        What earlier runs left.
    """

    def __init__(self, settings: StationSettings, clock: Clock, known: Known | None = None) -> None:
        self.settings, self.clock = settings, clock
        self._known = known or Known()
        e = settings.envelope
        self.register = Register(e.physical_kw * 1000.0, clock.utc_s(), can_discharge=e.discharge_kw > 0)
        if self._known.mark is not None:
            self.register.resume(self._known.mark)
        self.told = ToldLimits(e.max_kw)
        self.belief = PowerBelief()
        high_kw = e.max_kw
        self.proof = Proof(e.safe_kw, high_kw, settings.lease_s, settings.reaction_s)
        if self._known.falls_back is not None:
            self.proof.state = ProofState.PROVEN if self._known.falls_back else ProofState.FAILED
        self.log = EventLog()
        self.counts: Counter[str] = Counter()
        self.wishes = Wishes()
        self.version = ""
        self.unit = settings.unit
        self.identity = ""
        self.is_linked = False
        self.linked_since_s = math.nan
        self.has_spoken = False
        self.standing = Standing.ACCEPTED
        """Its answer at its last start; who only connects is accepted."""
        self.connector = settings.connector
        self.state = "unknown"
        self.plugs = Plugs()
        self.transaction: str | None = None
        self.plugged_utc_s = math.inf
        self.begun_utc_s = math.nan
        self.power_kw = 0.0
        self.soc_share = math.nan
        self.heard_utc_s = math.nan
        self.wake: Callable[[], None] = lambda: None
        self.room_kw: Callable[[], float] = lambda: math.inf
        """What the other points of the station leave of its limit."""
        self.book = TicketBook(clock, settings.reaction_s)
        self.numbers = Numbers(clock.utc_s())
        self.profile_base = 0
        """Added to the ids of charging profiles, which must be unique in a station."""
        self._ids: dict[str, str] = {}
        self._ended: set[str] = set()
        self._lost: dict[str, float] = {}
        self.watch = MeterWatch(self)
        self._last_connector = 0
        self._tally = PowerTally(clock.utc_s())

    # --- the charging port ----------------------------------------------------------------------------------------

    def describe(self) -> Capabilities:
        """Capabilities probed so far."""
        e = self.settings.envelope
        proven = {ProofState.PROVEN: True, ProofState.FAILED: False}.get(self.proof.state)
        discharge_kw = e.discharge_kw if self.version in ("", *DISCHARGING) else 0.0
        return Capabilities(
            e.max_kw, e.min_kw, discharge_kw, e.safe_kw, proven, self.register.is_known, self.version, self.unit
        )

    def sample(self) -> Reading:
        """Newest reading; never waits."""
        now_s = self.clock.utc_s()
        quality = self._quality(now_s)
        power_kw = self.power_kw if self.transaction is not None else 0.0
        if quality == Quality.ABSENT:
            power_kw = 0.0
        elif quality == Quality.ESTIMATED:
            power_kw = self.estimate_kw(now_s)
        measured_s = self.heard_utc_s if self.transaction is not None else now_s
        return Reading(power_kw, self.register.last_kwh, quality, measured_s, self.soc_share, self.is_occupied)

    def command(self, plan: Plan) -> Ticket:
        """Post limits."""
        ticket = self.book.new(plan)
        for old in self.wishes.tickets:
            old.state, old.reason = TicketState.REPLACED, "a newer command"
        self.wishes.tickets = [ticket]
        self.wishes.plan, self.wishes.is_released = plan, False
        if not self.is_linked:
            self.book.settle(ticket, TicketState.LINK_DOWN, "no link; kept for the reconnection")
            self.wishes.tickets = []
        elif self.standing is not Standing.ACCEPTED:
            self._refuse_tickets()
        self.wake()
        return ticket

    def events(self, cursor: int = 0) -> tuple[PortEvent, ...]:
        """Events after ``cursor``."""
        return self.log.after(cursor)

    def session(self, wish: Literal["start", "stop"], reason: str = "") -> Ticket:
        """Ask for the start or the stop of charging."""
        ticket = self.book.new(Plan(0.0 if wish == "stop" else math.inf, math.inf))
        is_idle = wish == "stop" and self.transaction is None
        if not self.is_linked or is_idle:
            self.book.settle(ticket, TicketState.REJECTED if is_idle else TicketState.LINK_DOWN, "nothing to stop")
            return ticket
        self.wishes.session_tickets.append(ticket)
        if self.standing is not Standing.ACCEPTED:
            self._refuse_tickets()
            return ticket
        if wish == "stop":
            self.wishes.stop_reason, self.wishes.start = reason or "asked", False
        else:
            self.wishes.start = True
        self.wake()
        return ticket

    def release(self, reason: str) -> None:
        """Back to the safe limit."""
        self.wishes.is_released, self.wishes.plan = True, None
        self.note("released", reason)
        self.wake()

    def emergency_stop(self, reason: str) -> None:
        """Limit zero and end of the session; holds until the run ends."""
        self.wishes.is_emergency, self.wishes.stop_reason = True, reason
        self.note("emergency_stop", reason)
        self.wake()

    # --- what is known --------------------------------------------------------------------------------------------

    @property
    def is_occupied(self) -> bool:
        """Whether a car is there."""
        return self.transaction is not None or self.state in ("occupied", "charging")

    @property
    def is_steerable(self) -> bool:
        """Whether limits above the safe one may be told: proven to fall back, or the user insists."""
        is_safe = self.proof.state == ProofState.PROVEN or self.settings.insist
        return is_safe and not self.wishes.is_refused and self.standing is Standing.ACCEPTED

    @property
    def owes_samples(self) -> bool:
        """Whether samples of a settled period are still to come."""
        return self.is_linked and self.transaction is not None and self.register.is_behind

    def known(self) -> Known:
        """What the next run should know."""
        falls_back = {ProofState.PROVEN: True, ProofState.FAILED: False}.get(self.proof.state)
        return Known(falls_back, self.identity or self._known.identity, self.register.mark() or self._known.mark)

    def estimate_kw(self, now_s: float) -> float:
        """Power while nothing is heard: the last plan to its end, then the safe limit; never above what was drawn."""
        if not self.is_occupied:
            return 0.0
        plan = self.wishes.plan
        is_planned = plan is not None and now_s < plan.valid_until_utc_s
        limit_kw = self.settings.envelope.bounded(plan.limit_kw) if plan and is_planned else math.inf
        in_force_kw = self.told.highest_kw(now_s, now_s)
        drawn_kw = self.power_kw if self.power_kw < 0.9 * in_force_kw else math.inf
        return min(limit_kw, in_force_kw, drawn_kw)

    def _quality(self, now_s: float) -> Quality:
        if math.isnan(self.linked_since_s):
            return Quality.ABSENT
        if not self.is_linked:
            return Quality.ESTIMATED
        if self.transaction is None:
            return Quality.FRESH  # without a session nothing flows and nothing is metered
        if math.isnan(self.heard_utc_s):
            return Quality.STALE
        if self.register.is_suspect:
            return Quality.SUSPECT
        return Quality.FRESH if now_s - self.heard_utc_s <= self.settings.reaction_s else Quality.STALE

    def mean_kw(self) -> float:
        """Mean power since the last call of this, kW."""
        self.add_power(self.clock.utc_s())
        return self._tally.mean_kw(self.sample().power_kw, self.clock.utc_s())

    def add_power(self, now_s: float) -> None:
        """Called before the power changes."""
        self._tally.add(self.sample().power_kw, now_s)

    def note(self, kind: str, text: str = "", utc_s: float = math.nan) -> None:
        """Write down an event."""
        self.counts[kind] += 1
        self.log.add(self.clock.utc_s() if math.isnan(utc_s) else utc_s, kind, text)

    # --- the link --------------------------------------------------------------------------------------------------

    def linked(self, version: str) -> None:
        """A socket of this station is open."""
        self.add_power(self.clock.utc_s())
        self.is_linked, self.version, self.has_spoken = True, version, False
        self.linked_since_s = self.clock.utc_s()
        self.note("connected", f"OCPP {version}")

    def unlinked(self, reason: str = "") -> None:
        """The socket is gone."""
        self.add_power(self.clock.utc_s())
        self.is_linked = False
        for ticket in (*self.wishes.tickets, *self.wishes.session_tickets):
            self.book.settle(ticket, TicketState.LINK_DOWN, "link lost")
        self.wishes.tickets, self.wishes.session_tickets = [], []
        self.note("disconnected", reason)

    def now_s(self) -> float:
        """Wall clock."""
        return self.clock.utc_s()

    # --- what the station says (dialect.Sink) -----------------------------------------------------------------------

    def booted(self, vendor: str, model: str, firmware: str, serial: str = "") -> Standing:
        """It started; whether it takes part. What a running session still has to tell is heard in any case."""
        self.identity = f"{vendor} {model} {firmware}".strip()
        self.has_spoken = True
        self.note("booted", self.identity)
        if self._known.identity and self._known.identity != self.identity:
            self.note("other_device", "commissioned was another model or firmware; it is proven again")
            self.proof.state, self._known, self.wishes.is_refused = ProofState.WAITING, Known(), False
        self._stand(contradictions(self.settings, vendor, model, serial))
        self.wake()
        return self.standing

    def _stand(self, others: list[str]) -> None:
        """Take the standing; another device than the scenario's has ended the session of the one before."""
        before, is_lost = self.standing, self.proof.state == ProofState.FAILED and not self.settings.insist
        if others:
            self.standing = Standing.PENDING
        elif (self.wishes.is_refused or is_lost) and self.transaction is None and not self.wishes.is_emergency:
            self.standing = Standing.REJECTED
        else:
            self.standing = Standing.ACCEPTED
        if self.standing is Standing.ACCEPTED:
            return
        if self.standing is not before:
            self.note(self.standing.value.lower(), ", ".join(others) or "was seen not to obey")
        self._refuse_tickets()
        if self.transaction is not None:
            self.note("session_lost", "another device answers under its name")
            self._lost[self.transaction] = self.clock.utc_s()
            self._end_session()

    def _refuse_tickets(self) -> None:
        """Nobody waits for a station that is not accepted."""
        for ticket in (*self.wishes.tickets, *self.wishes.session_tickets):
            self.book.settle(ticket, TicketState.REJECTED, f"the station is {self.standing.value}")
        self.wishes.tickets, self.wishes.session_tickets = [], []

    def status(self, connector: int, state: str, utc_s: float, plug: int = 0) -> None:
        """A connector changed; one that is free although we know a session has lost it.

        An EVSE of 2.x may have several plugs, of which one is in use: it is free when all of them are.
        """
        self.has_spoken = True
        if connector == 0 or (self.connector is not None and connector != self.connector):
            self.wake()
            return
        self._take_state(self.plugs.note(connector, plug, state, self.connector))
        self.wake()

    def _take_state(self, state: str) -> None:
        if state != self.state:
            self.add_power(self.clock.utc_s())
            self.note("status", state)
            if state == "occupied" and self.state in ("free", "unknown"):
                self.plugged_utc_s = self.clock.utc_s()
        self.state = state
        if state == "free":
            self.plugged_utc_s = math.inf
            self.wishes.stop_reason = self.wishes.stop_reason if self.wishes.is_emergency else ""
            if self.transaction is not None:
                self.note("session_lost", "the connector is free although no stop was told")
                self._lost[self.transaction] = self.clock.utc_s()
                self._end_session()

    @property
    def likely_connector(self) -> int:
        """The connector in use, or the one where a car waits, or the first."""
        return self.connector or self.plugs.waiting

    def authorises(self, tag: str, connector: int = 0) -> bool:
        """Whether this identity may charge."""
        allowed = not self.settings.id_tags or tag in (*self.settings.id_tags, OWN_TAG)
        is_in = allowed and not self.wishes.is_emergency and not self.wishes.is_refused
        if not is_in:
            self.note("authorisation_refused", "")
        return is_in

    def started(self, key: str, connector: int, utc_s: float, samples: Iterable[Sample]) -> str:
        """A session started. The same start told twice is one session."""
        transaction, values = self._ids.get(key), list(samples)
        if transaction is None:
            transaction = key if self.version != "1.6" else self.numbers.new()
            self._ids[key] = transaction
            if self.transaction is None and self.settings.connector is None:
                self.connector = connector or None  # one that is not named yet is named later
            if self.transaction is None and self._is_ours(connector):
                self._meet_register(connector, values)
            self.note("session_started", _hashed(transaction), utc_s)
        else:
            self.counts["repeated_start"] += 1
        if transaction not in self._ended and self._is_ours(connector):
            self._begin(transaction)
            self.watch.take(values)
        return transaction

    def _meet_register(self, connector: int, values: list[Sample]) -> None:
        """The first register of a new session may be another meter's."""
        is_other = bool(connector and self._last_connector and connector != self._last_connector)
        self._last_connector = connector or self._last_connector
        if values and self.register.begin_session(values[0], is_other_meter=is_other):
            self.note("rebased", "a session starts with another register")

    def metered(self, connector: int | None, transaction: str | None, samples: Iterable[Sample]) -> None:
        """Meter values came; an unknown session that is metered is one from before our time.

        Connector 0 is the meter of the whole station, which is none of ours.
        """
        self.has_spoken = True
        is_named = transaction is not None and transaction == self.transaction
        if not is_named and (connector == 0 or not self._is_ours(connector) or self._is_anyones(transaction)):
            self.counts["other_connector"] += 1
            return
        if self.transaction is not None:
            self.connector = self.connector or connector or None
        values = list(samples)
        if transaction and transaction not in self._ended and self.transaction is None:
            self._adopt(transaction, connector, values)
        self.watch.take(values)

    def _adopt(self, transaction: str, connector: int | None, values: list[Sample]) -> None:
        """Take a session for running that we did not see start; one that was lost needs a sample from after that."""
        stamps = [v.station_utc_s + self.register.offset_s for v in values]
        lost_s = self._lost.get(transaction)
        if lost_s is not None and not any(stamp > lost_s for stamp in stamps):
            self.counts["late_samples"] += 1
            return
        self.note("session_adopted", _hashed(transaction))
        self.connector = self.connector or connector
        self._begin(transaction)

    def stopped(self, transaction: str, utc_s: float, samples: Iterable[Sample], reason: str) -> None:
        """A session ended; told twice it ends once."""
        if transaction in self._ended:
            self.counts["repeated_stop"] += 1
            return
        self._ended.add(transaction)
        self.watch.take(samples)
        self.note("session_stopped", reason, utc_s)
        if self.transaction in (transaction, None):
            self._end_session()

    def _is_anyones(self, transaction: str | None) -> bool:
        """Whether a sample outside any session may be of any of several plugs."""
        is_idle = transaction is None and self.transaction is None and self.connector is None
        return is_idle and self.plugs.are_several

    def _is_ours(self, connector: int | None) -> bool:
        return not connector or self.connector is None or connector == self.connector

    def knows(self, transaction: str) -> bool:
        """Whether a transaction is, or was, one of this point."""
        return transaction == self.transaction or transaction in self._ended or transaction in self._ids.values()

    def _begin(self, transaction: str) -> None:
        if self.transaction != transaction:
            self.add_power(self.clock.utc_s())
            self.transaction, self.begun_utc_s = transaction, self.clock.utc_s()
            self.watch.overdraws = 0
            self.state = "charging"
            self.belief.reset()
            self.wishes.start = False
            self.wake()

    def _end_session(self) -> None:
        self.add_power(self.clock.utc_s())
        self.transaction, self.power_kw, self.plugged_utc_s = None, 0.0, math.inf
        self.state = "occupied" if self.state == "charging" else self.state
        self.wishes.stop_reason = self.wishes.stop_reason if self.wishes.is_emergency else ""
        self.connector = self.settings.connector  # the next session may start at another one
        self.proof.postpone()
        self.wake()

    # --- limits ------------------------------------------------------------------------------------------------------

    def safe_is_set(self) -> None:
        """The point took its safe default; before that nothing but its rating held it."""
        safe_kw, now_s = self.settings.envelope.safe_kw, self.clock.utc_s()
        if self.told.is_empty:
            self.told.add(0.0, now_s, self.told.safe_kw)
        self.told.safe_kw = safe_kw

    def refuse(self, ticket: Ticket, state: TicketState, reason: str) -> None:
        """A limit was not accepted."""
        self.book.settle(ticket, state, reason)
        self.note("profile_rejected", f"{state}: {reason}")


def _hashed(name: str) -> str:
    """Short hash of an identity for logs."""
    return "#" + hashlib.sha256(name.encode()).hexdigest()[:8]
