"""Links between roles: the only way by which one role learns what another knows.

A link exists between every pair of roles that some message names. It carries batches: one message speaks of many
stations. What happens to a message on its way, in this order:

1. screens take out what may not be told (consent) and change what is measured badly (data items) or forged (attacks);
2. a link that is cut or down stops it, or some of its rows; orders of the moment are lost, everything else waits;
3. the protocol takes its time; what takes less than a period arrives within it;
4. the receiver's gate refuses what it cannot believe.

Each link counts what it carried, so that the flows of a run are a result.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from agents.information.envelope import PERIOD_S, Directory, Envelope
from agents.information.failures import Outages
from agents.information.gate import Gate
from agents.information.protocols import protocol_of
from agents.messages import Message

if TYPE_CHECKING:
    from agents.role import Role


class Screen(Protocol):
    """Something that looks at messages before they leave."""

    def touches(self, kind: type[Message]) -> bool:
        """Whether it ever changes messages of a kind."""

    def screen(self, message: Message, period: int) -> Message | None:
        """What goes out instead; None if nothing does."""


class Watcher(Protocol):
    """Something that acts after a message was delivered, or at the start of a period: an attacker on the wire."""

    def watch(self, envelope: Envelope, links: Links) -> None:
        """See a message that was just delivered."""

    def open(self, links: Links) -> None:
        """Act at the start of a period."""


class Route(Protocol):
    """Says which holder of a role gets what of a message, where several parties hold the role."""

    def split(self, message: Message) -> Iterable[tuple[int, Message]]:
        """Number of the holder, in the order they were connected, and its part of the message."""


@dataclass(frozen=True)
class Quality:
    """How a protocol behaves where a scenario makes it worse than :mod:`agents.information.protocols` says.

    Attributes
    ----------
    delay_s, jitter_s : float
        Least delay, and the mean of what chance adds.
    loss_share, twice_share : float
        Share of messages that are lost for good, and that arrive twice.
    is_fifo : bool
        Messages of a kind do not overtake each other.
    """

    delay_s: float
    jitter_s: float = 0.0
    loss_share: float = 0.0
    twice_share: float = 0.0
    is_fifo: bool = True


@dataclass
class Traffic:
    """What one message type did in a run."""

    count: int = 0
    items: int = 0
    bytes: int = 0
    envelopes: int = 0
    lost: int = 0
    withheld: int = 0
    waited: int = 0
    twice: int = 0
    delivered: int = 0
    on_time: int = 0
    delay_s: float = 0.0


@dataclass
class _Lane:
    """All that concerns one message type, looked up once."""

    kind: type[Message]
    traffic: Traffic
    screens: tuple[Screen, ...]
    receivers: list[Role]
    is_cut: bool
    may_fail: bool
    quality: Quality
    is_plain: bool
    route: Route | None
    busy_until_s: float = 0.0


@dataclass
class Links:
    """Post office of a run.

    Parameters
    ----------
    cut : iterable of (sender role, receiver role)
        Links that deliver nothing.
    directory : Directory
        Who is known and trusted.
    quality : mapping
        Behaviour of protocols that a scenario changes.
    rng : numpy.random.Generator, optional
        Chance on the wire.
    is_verified : bool
        Receivers check signatures and the order of messages.
    """

    cut: Iterable[tuple[str, str]] = ()
    directory: Directory = field(default_factory=Directory)
    quality: Mapping[str, Quality] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    is_verified: bool = True
    traffic: dict[type[Message], Traffic] = field(default_factory=dict)
    screens: list[Screen] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    outages: Outages | None = None
    item_delay_s: Callable[[type[Message]], float] | None = None
    """Extra delay of a message type that carries a late data item."""
    routes: dict[str, Route] = field(default_factory=dict)
    """How messages are shared out among the holders of a role; without one every holder gets them all."""

    def __post_init__(self) -> None:
        self.cut = frozenset(self.cut)
        self.gate = Gate(self.directory, self.is_verified)
        self.now_s = 0.0
        self._receivers: dict[str, list[Role]] = {}
        self._lanes: dict[type[Message], _Lane] = {}
        self._waiting: list[tuple[int, int, Message, str, str, float]] = []
        self._on_wire: list[tuple[float, int, Envelope]] = []
        self._ticket = 0
        self._sequences: dict[tuple[type[Message], str], int] = {}

    @property
    def period(self) -> int:
        """The period now being simulated."""
        return int(self.now_s // PERIOD_S)

    def connect(self, role: Role) -> None:
        """Give a role an address and its holder a certificate."""
        self._receivers.setdefault(role.role, []).append(role)
        self.directory.enter(role.role, role.party)

    def equip(
        self, screens: Sequence[Screen] = (), outages: Outages | None = None, watchers: Sequence[Watcher] = ()
    ) -> None:
        """Add what a scenario puts between sender and receiver."""
        self.screens += screens
        self.watchers += watchers
        self.outages = outages
        self._lanes.clear()

    def open(self, period: int) -> None:
        """Start a period: links that work again deliver what waited, slow messages arrive."""
        self.now_s = period * PERIOD_S
        while self._waiting and self._waiting[0][0] <= period:
            _, _, message, party, to, sent_s = heapq.heappop(self._waiting)
            self._enter(self._lane(type(message)), message, party, to, sent_s)
        while self._on_wire and self._on_wire[0][0] < self.now_s + PERIOD_S:
            due_s, _, envelope = heapq.heappop(self._on_wire)
            self._hand_over(envelope, due_s)
        for watcher in self.watchers:
            watcher.open(self)

    def send(self, message: Message, party: str = "", to: str = "") -> None:
        """Take a message from a sender and see that it reaches one holder of the receiving role, or all of them."""
        lane = self._lane(type(message))
        traffic = lane.traffic
        n, size = message.size
        traffic.count += 1
        traffic.items += n
        traffic.bytes += size
        traffic.envelopes += n if message.row else 1
        for screen in lane.screens:
            passed = screen.screen(message, self.period)
            if passed is None:
                traffic.withheld += message.n_items
                return
            if passed is not message:
                traffic.withheld += message.n_items - passed.n_items
                message = passed
        if lane.is_cut:
            traffic.lost += message.n_items
            return
        self._enter(lane, message, party, to, self.now_s)

    def put_on_wire(self, envelope: Envelope) -> None:
        """Deliver an envelope that did not come from a role: a test's, or an attacker's."""
        self._hand_over(envelope, self.now_s)

    def envelope_of(self, message: Message, party: str, sequence: int, signed_by: str | None = None) -> Envelope:
        """Write an envelope in the name of a party, now."""
        certificate = self.directory.certificate(message.sender, party)
        by = party if signed_by is None else signed_by
        return Envelope(message, message.sender, party, sequence, self.now_s, certificate, by)

    # --- on the way --------------------------------------------------------------------------------------------------

    def _lane(self, kind: type[Message]) -> _Lane:
        found = self._lanes.get(kind)
        if found is None:
            quality = self.quality.get(kind.protocol) or Quality(protocol_of(kind.protocol).delay_s)
            if self.item_delay_s is not None:
                quality = replace(quality, delay_s=quality.delay_s + self.item_delay_s(kind))
            may_fail = self.outages is not None and self.outages.touches(kind)
            has_chance = quality.jitter_s or quality.loss_share or quality.twice_share
            is_plain = quality.delay_s < PERIOD_S and not has_chance
            found = self._lanes[kind] = _Lane(
                kind,
                self.traffic.setdefault(kind, Traffic()),
                tuple(s for s in self.screens if s.touches(kind)),
                self._receivers.get(kind.receiver, []),
                (kind.sender, kind.receiver) in frozenset(self.cut),
                may_fail,
                quality,
                is_plain,
                self.routes.get(kind.receiver),
            )
        return found

    def _enter(self, lane: _Lane, message: Message, party: str, to: str, sent_s: float) -> None:
        """Put a message on the wire unless the link is down."""
        if lane.may_fail:
            passed = self._pass_outages(lane, message, party, to, sent_s)
            if passed is None:
                return
            message = passed
        if lane.quality.loss_share:
            passed = self._lose(lane, message)
            if passed is None:
                return
            message = passed
        key = (lane.kind, party)
        sequence = self._sequences[key] = self._sequences.get(key, -1) + 1
        certificate = self.directory.certificate(lane.kind.sender, party)
        envelope = Envelope(message, lane.kind.sender, party, sequence, sent_s, certificate, party, to)
        if lane.is_plain:
            self._hand_over(envelope, self.now_s + lane.quality.delay_s)
        else:
            self._travel(lane, envelope)

    def _pass_outages(self, lane: _Lane, message: Message, party: str, to: str, sent_s: float) -> Message | None:
        assert self.outages is not None
        stopped, until = self.outages.stopped(message, self.period)
        if not stopped.any():
            return message
        rest = message.take(stopped) if message.row else message
        if message.is_momentary:
            lane.traffic.lost += rest.n_items
        else:
            lane.traffic.waited += rest.n_items
            self._ticket += 1
            heapq.heappush(self._waiting, (until, self._ticket, rest, party, to, sent_s))
        return None if stopped.all() else message.take(~stopped)

    def _lose(self, lane: _Lane, message: Message) -> Message | None:
        n = len(message.rows) if message.row else 1
        arrives = self.rng.random(n) >= lane.quality.loss_share
        if arrives.all():
            return message
        lane.traffic.lost += int(np.sum(~arrives)) if message.row else message.n_items
        return message.take(arrives) if arrives.any() and message.row else None

    def _travel(self, lane: _Lane, envelope: Envelope) -> None:
        """Let chance decide when, and how often, a message arrives."""
        quality = lane.quality
        due_s = self.now_s + quality.delay_s + quality.jitter_s * float(self.rng.exponential())
        if quality.is_fifo:
            due_s = lane.busy_until_s = max(due_s, lane.busy_until_s)
        copies = 2 if quality.twice_share and self.rng.random() < quality.twice_share else 1
        lane.traffic.twice += copies - 1
        for _ in range(copies):
            self._ticket += 1
            if due_s < self.now_s + PERIOD_S:
                self._hand_over(envelope, due_s)
            else:
                heapq.heappush(self._on_wire, (due_s, self._ticket, envelope))

    def _hand_over(self, envelope: Envelope, due_s: float) -> None:
        """The receiver's gate, and behind it the receiver."""
        message = self.gate.admit(envelope, due_s)
        if message is None:
            return
        lane = self._lane(type(message))
        n = message.n_items
        late_s = due_s - envelope.sent_s
        lane.traffic.delivered += n
        lane.traffic.delay_s += n * late_s
        lane.traffic.on_time += n if late_s < PERIOD_S else 0
        self._deliver(lane, message, envelope)
        for watcher in self.watchers:
            watcher.watch(envelope, self)

    @staticmethod
    def _deliver(lane: _Lane, message: Message, envelope: Envelope) -> None:
        """Hand a message to the holder it is addressed to, else to all: whole, or each one its part."""
        if envelope.to:
            for role in lane.receivers:
                if role.party == envelope.to:
                    role.knowledge.receive(message, envelope.party)
        elif lane.route is None:
            for role in lane.receivers:
                role.knowledge.receive(message, envelope.party)
        else:
            for holder, part in lane.route.split(message):
                lane.receivers[holder].knowledge.receive(part, envelope.party)
