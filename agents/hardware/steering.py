"""What to tell a point next: the difference between what is wanted of it and what it was told.

One call at a time. :meth:`Steering.next` looks at the state and names the most urgent call; :meth:`Steering.done` takes
the answer. Nothing here waits, so that a replay decides the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agents.hardware.config import OWN_TAG
from agents.hardware.dialect import (
    LEASED_DEFAULT_ID,
    SESSION_ID,
    Dialect,
    Profile,
    Purpose,
    Wire,
    accepted,
)
from agents.hardware.link import Reply
from agents.hardware.point import DISCHARGING, PhysicalPoint
from agents.hardware.proof import ProofState
from agents.hardware.setup import Setup
from agents.hardware.standing import Standing
from agents.port import Ticket, TicketState, within_limit

RENEW_SHARE = 1.0 / 3.0
STOP_EVERY_S = 5.0
STOPS_TO_LOCK = 3
TRY_AGAIN_S = 60.0
RETRY_S = 1.0
TRY_START_S = 10.0
LEAST_POLL_S = 2.0
POLLS_TO_GIVE_UP = 3
YOUNG_S = 2.0
"""Age of a session up to which a refused profile is tried again in the same form."""
RAISE_PATIENCE_LEASES = 3.0


@dataclass(frozen=True)
class Work:
    """One call to make."""

    kind: str
    wire: Wire
    limit_kw: float = math.nan
    duration_s: float = math.nan
    tickets: tuple[Ticket, ...] = ()


@dataclass(frozen=True)
class _Form:
    """A form of profile that a station may take."""

    purpose: Purpose
    unit: str


class Steering:
    """Steers one point through one connection.

    Parameters
    ----------
    point : PhysicalPoint
        The point.
    dialect : Dialect
        Words of the version spoken.
    lead : Steering, optional
        Steering of the station's first connector, which sets up what is the whole station's.
    station_kw : float
        Limit of the whole station.
    is_alone : bool
        Whether the point is the only one of its station.
    """

    def __init__(
        self,
        point: PhysicalPoint,
        dialect: Dialect,
        lead: Steering | None = None,
        station_kw: float = math.inf,
        *,
        is_alone: bool = True,
    ) -> None:
        self.point, self.dialect = point, dialect
        self.settings, self.envelope = point.settings, point.settings.envelope
        self.found: dict[str, str] = {}
        first = lead._setup if lead is not None else None
        self._setup: Setup = Setup(point, dialect, first, station_kw, is_alone=is_alone)
        self._has_learned = False
        self._forms = self._all_forms()
        self._form = 0
        self._told_kw = math.nan
        self._told_at_s = -math.inf
        self._not_before_s = -math.inf
        self._stops, self._stop_at_s = 0, -math.inf
        self._started_at_s = -math.inf
        self._raised_since_s = math.nan
        self._transaction: str | None = None
        self._polled_at_s, self._deaf_polls, self._poll_form = -math.inf, 0, 0

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def wanted_kw(self) -> float:
        """Limit wanted now, inside the envelope, before the ramp."""
        point, wishes = self.point, self.point.wishes
        if wishes.is_emergency:
            return 0.0
        safe_kw, planned_kw = self.envelope.bounded(self.envelope.safe_kw), self._planned_kw()
        if point.proof.wants_high and self._is_proving:
            limit_kw = min(self.envelope.bounded(point.proof.high_kw), planned_kw)
        elif math.isinf(planned_kw):
            limit_kw = safe_kw
        else:
            limit_kw = planned_kw if point.is_steerable else min(planned_kw, safe_kw)
        return min(limit_kw, point.room_kw())

    def _planned_kw(self) -> float:
        """Limit of the plan in force, inside the envelope; infinite where there is none."""
        plan, wishes = self.point.wishes.plan, self.point.wishes
        if wishes.is_released or plan is None or self.point.clock.utc_s() >= plan.valid_until_utc_s:
            return math.inf
        limit_kw = self.envelope.bounded(plan.limit_kw)
        return limit_kw if self.point.version in DISCHARGING else max(limit_kw, 0.0)

    @property
    def _is_proving(self) -> bool:
        """Whether the proof goes on now: it waits while the market asks for less than would show anything."""
        point, safe_kw = self.point, self.envelope.safe_kw
        is_wanted = point.proof.is_open and not self.settings.insist and not point.wishes.is_refused
        return is_wanted and not within_limit(min(self._planned_kw(), point.room_kw()), safe_kw)

    def _now_kw(self, now_s: float) -> float:
        wanted_kw = self.wanted_kw()
        if math.isnan(self._told_kw):
            last_kw, elapsed_s = self.envelope.safe_kw, 0.0
        else:
            last_kw, elapsed_s = self._told_kw, now_s - self._told_at_s
        return self.envelope.ramped(wanted_kw, last_kw, elapsed_s)

    @property
    def owes_limit(self) -> bool:
        """Whether a lower limit than the one told is still to be told."""
        can_tell = self.point.transaction is not None or not self._is_session_form
        return can_tell and not math.isnan(self._told_kw) and self._told_kw > self.wanted_kw() + 1e-3

    # --- what to do ---------------------------------------------------------------------------------------------------

    def next(self) -> Work | None:
        """Most urgent call; None when there is nothing to do now."""
        now_s = self.point.clock.utc_s()
        self._notice(now_s)
        if now_s < self._not_before_s or self.point.standing is Standing.REJECTED:
            return None
        if self.point.standing is Standing.PENDING:
            return self._first_setup(now_s)
        for step in (self._stop, self._first_setup, self._limit, self._later_setup, self._start, self._poll):
            work = step(now_s)
            if work is not None:
                return work
        return None

    def due_s(self) -> float:
        """Seconds until :meth:`next` may have something again without any message coming."""
        now_s = self.point.clock.utc_s()
        due = [self._told_at_s + self.settings.lease_s * RENEW_SHARE, now_s + 1.0]
        due.append(self._setup.speaks_at_s)
        if not math.isnan(self._told_kw) and self._told_kw < self.wanted_kw() - 0.01:
            due.append(now_s + 0.5)
        return max(0.02, min(d for d in due if d > now_s) - now_s)

    def _notice(self, now_s: float) -> None:
        """Changes of the session and of the proof that come without a call."""
        point = self.point
        self._learn_unit()
        if point.transaction != self._transaction:
            self._transaction, self._told_kw, self._told_at_s = point.transaction, math.nan, -math.inf
            self._stops, self._raised_since_s = 0, math.nan
        if point.proof.state in (ProofState.RAISED, ProofState.EXPIRING) and not self._is_proving:
            point.proof.postpone()
            point.note("proof_postponed", "the market asks for less")
        if point.proof.state == ProofState.RAISED and now_s - self._raised_since_s > self._patience_s:
            point.proof.give_up()
            point.note("proof_undecided", "the car does not draw more than the safe limit")
        if point.proof.state == ProofState.FAILED and not self.settings.insist and not point.wishes.is_refused:
            point.wishes.is_refused = True
            point.note("refused", "does not fall back to its safe limit by itself")

    @property
    def _patience_s(self) -> float:
        return RAISE_PATIENCE_LEASES * self.settings.lease_s + self.settings.reaction_s

    @property
    def _is_session_form(self) -> bool:
        return self._forms[self._form].purpose == "session"

    def _stop(self, now_s: float) -> Work | None:
        point = self.point
        if not point.wishes.stop_reason or point.transaction is None or now_s < self._stop_at_s + STOP_EVERY_S:
            return None
        if self._stops >= STOPS_TO_LOCK:
            return Work("lock", self.dialect.available(point.connector or 1, is_available=False))
        return Work("stop", self.dialect.stop(point.transaction))

    def _first_setup(self, now_s: float) -> Work | None:
        return self._setup_work(protecting=True)

    def _later_setup(self, now_s: float) -> Work | None:
        return self._setup_work(protecting=False)

    def _setup_work(self, *, protecting: bool) -> Work | None:
        step = self._setup.step(self.unit, protecting=protecting)
        return Work(*step) if step else None

    @property
    def unit(self) -> str:
        """Unit of limits."""
        return self._forms[self._form].unit

    def _limit(self, now_s: float) -> Work | None:
        point = self.point
        if (self._is_session_form and point.transaction is None) or not self._is_limit_due(now_s):
            return None
        if point.proof.forbids_renewal and not point.wishes.is_emergency:
            return None
        form = self._forms[self._form]
        limit_kw = self._now_kw(now_s)
        wire_limit = self.envelope.wire_limit(limit_kw, form.unit)
        profile = Profile(
            form.purpose,
            point.profile_base + (SESSION_ID if form.purpose == "session" else LEASED_DEFAULT_ID),
            0 if form.purpose == "session" and self._setup.has_one_stack_level else 1,
            wire_limit,
            form.unit,
            point.connector or 1,
            point.transaction if form.purpose == "session" else None,
            now_s,
            self.settings.lease_s,
            self.envelope.discharge_kw > 0,
        )
        tickets = () if self._is_proving else tuple(point.wishes.tickets)
        return Work("limit", self.dialect.set_profile(profile), limit_kw, self.settings.lease_s, tickets)

    def _is_limit_due(self, now_s: float) -> bool:
        if math.isnan(self._told_kw) or (self.point.wishes.tickets and not self._is_proving):
            return True
        if abs(self._now_kw(now_s) - self._told_kw) > 1e-3:
            return self.wanted_kw() < self._told_kw or now_s - self._told_at_s >= 0.5 or self._is_ramped_up(now_s)
        return now_s >= self._told_at_s + self.settings.lease_s * RENEW_SHARE

    def _is_ramped_up(self, now_s: float) -> bool:
        return self._now_kw(now_s) >= self.wanted_kw()

    def _start(self, now_s: float) -> Work | None:
        point = self.point
        waits = point.plugged_utc_s + self.settings.start_after_s
        is_asked = point.wishes.start or (self.settings.starts_sessions and now_s >= waits)
        is_free = point.transaction is None and not point.wishes.is_emergency and not point.wishes.is_refused
        if not is_asked or not is_free or now_s < self._started_at_s + TRY_START_S:
            return None
        self._started_at_s = now_s
        return Work("start", self.dialect.start(point.likely_connector, OWN_TAG, int(now_s)))

    def _poll(self, now_s: float) -> Work | None:
        """Ask for a meter sample where none comes by itself; not for ever, where nobody answers."""
        point, every_s = self.point, max(self.settings.meter_interval_s, LEAST_POLL_S)
        heard_s = point.begun_utc_s if math.isnan(point.heard_utc_s) else max(point.heard_utc_s, point.begun_utc_s)
        is_quiet = point.transaction is not None and now_s - heard_s > self.settings.reaction_s
        if not is_quiet or now_s < self._polled_at_s + every_s or self._deaf_polls >= POLLS_TO_GIVE_UP:
            return None
        self._polled_at_s = now_s
        return Work("poll", self.dialect.trigger("meter", point.connector, self._poll_form))

    # --- what came of it ----------------------------------------------------------------------------------------------

    def done(self, work: Work, reply: Reply) -> None:
        """Take the answer of a call."""
        self._remember(work, reply)
        if reply.error == "LinkDown":
            return
        getattr(self, f"_done_{work.kind}")(work, reply)

    def _remember(self, work: Work, reply: Reply) -> None:
        """Keep the newest answer of a kind; of several settings the best."""
        key = f"{work.kind}:{work.wire[0]}"
        if work.kind != "configure" or self.found.get(key) != "Accepted":
            self.found[key] = _outcome(reply)

    def _done_setup(self, work: Work, reply: Reply) -> None:
        self._setup.done(work.kind, reply)
        if work.kind == "probe":
            self.found |= {f"said:{k}": v for k, v in self._setup.said.items()}

    def _learn_unit(self) -> None:
        """The unit that the station said it takes, once it was asked."""
        if self._setup.is_probed and not self._has_learned:
            self._has_learned = True
            self._forms = self._all_forms(self._setup.first_unit)
            self.point.unit = self.unit

    _done_probe = _done_default = _done_configure = _done_station_max = _done_status = _done_setup

    def _all_forms(self, first: str = "") -> list[_Form]:
        fixed = self.settings.unit
        units = [fixed] if fixed else ["W", "A"] if first == "W" else ["A", "W"]
        purposes: tuple[Purpose, ...] = ("session", "default")
        return [_Form(purpose, unit) for purpose in purposes for unit in units]

    def _done_poll(self, work: Work, reply: Reply) -> None:
        self._deaf_polls = 0 if accepted(reply) else self._deaf_polls + 1
        self._poll_form += not accepted(reply)

    def _done_limit(self, work: Work, reply: Reply) -> None:
        point, now_s = self.point, self.point.clock.utc_s()
        point.wishes.tickets = [t for t in point.wishes.tickets if t not in work.tickets]
        if accepted(reply):
            told_kw = self.envelope.told_kw(work.limit_kw, self.unit)
            self._told_kw, self._told_at_s = work.limit_kw, now_s
            point.told.add(now_s, now_s + work.duration_s, told_kw)
            point.unit = self.unit
            for ticket in work.tickets:
                point.book.accept(ticket, told_kw)
            self._proof_told(work, now_s)
            return
        self._limit_failed(work, reply, now_s)

    def _proof_told(self, work: Work, now_s: float) -> None:
        proof = self.point.proof
        if proof.wants_high and self._is_proving and work.limit_kw > proof.safe_kw:
            if proof.state == ProofState.WAITING:
                self._raised_since_s = now_s
                self.point.note("proof_started", f"told {work.limit_kw:.2f} kW for {work.duration_s:g} s")
            proof.told_high(now_s)

    def _limit_failed(self, work: Work, reply: Reply, now_s: float) -> None:
        """A silent station may have taken the limit; one that refuses is tried with the next form."""
        point = self.point
        tickets = (*work.tickets, *point.wishes.tickets)
        point.wishes.tickets = []
        if reply.error == "Timeout":
            point.told.add(now_s, now_s + work.duration_s, max(work.limit_kw, self._told_kw_or_safe))
            for ticket in tickets:
                point.refuse(ticket, TicketState.TIMEOUT, "no answer")
            point.note("silent", "no answer to a charging profile")
            self._not_before_s = now_s + RETRY_S
            return
        is_unknown = reply.error in ("NotImplemented", "NotSupported") or reply.get("status") == "NotSupported"
        state = TicketState.UNSUPPORTED if is_unknown else TicketState.REJECTED
        if self._is_session_form and now_s < point.begun_utc_s + YOUNG_S:
            point.wishes.tickets = list(tickets)  # it may not know yet which session is meant
            self._not_before_s = now_s + RETRY_S / 2.0
            return
        if self._form + 1 < len(self._forms):
            self._form += 1
            point.wishes.tickets = list(tickets)
            point.note("profile_form", f"{state}, trying {self._forms[self._form].purpose} in {self.unit}")
            return
        for ticket in tickets:
            point.refuse(ticket, state, str(reply.get("status") or reply.error))
        self._form = 0
        point.wishes.is_refused = not self.settings.insist
        point.note("uncontrollable", f"{state}: takes no form of charging profile")
        self._not_before_s = now_s + TRY_AGAIN_S

    @property
    def _told_kw_or_safe(self) -> float:
        return self.envelope.safe_kw if math.isnan(self._told_kw) else self._told_kw

    def _done_stop(self, work: Work, reply: Reply) -> None:
        point, now_s = self.point, self.point.clock.utc_s()
        self._stops += 1
        self._stop_at_s = now_s
        point.note("stop_sent", f"{point.wishes.stop_reason}: {reply.get('status') or reply.error}")
        state = TicketState.ACCEPTED if accepted(reply) else TicketState.REJECTED
        self._settle_session(state)
        if accepted(reply) and self.dialect.stops_at_once and point.transaction is not None:
            point.stopped(point.transaction, now_s, (), "Remote")

    def _done_lock(self, work: Work, reply: Reply) -> None:
        self._stop_at_s = self.point.clock.utc_s() + TRY_AGAIN_S
        self.point.wishes.is_refused = True
        self.point.note("locked", f"does not stop; taken out of service: {reply.get('status') or reply.error}")

    def _done_start(self, work: Work, reply: Reply) -> None:
        self.point.wishes.start = False
        self.point.note("start_sent", str(reply.get("status") or reply.error))
        self._settle_session(TicketState.ACCEPTED if accepted(reply) else TicketState.REJECTED)

    def _settle_session(self, state: TicketState) -> None:
        for ticket in self.point.wishes.session_tickets:
            ticket.state, ticket.settled_utc_s = state, self.point.clock.utc_s()
        self.point.wishes.session_tickets = []


def _outcome(reply: Reply) -> str:
    """Status of an answer in a word; of an answer about several variables the best of them."""
    if not reply.is_ok:
        return reply.error
    rows = reply.get("setVariableResult")
    if isinstance(rows, list) and rows:
        found = [str(row.get("attributeStatus")) for row in rows if isinstance(row, dict)]
        return next((word for word in ("Accepted", "RebootRequired") if word in found), found[0] if found else "")
    return str(reply.get("status") or "Accepted")
