"""Tickets of one point: what became of each command, in the end by its meter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from agents.hardware.clock import Clock
from agents.port import Plan, Ticket, TicketState, within_limit


@dataclass
class Accepted:
    """A ticket whose limit the point accepted, waiting for the meter."""

    ticket: Ticket
    at_s: float
    told_kw: float

    def is_kept(self, power_kw: float) -> bool:
        """Whether a power keeps what was told; a negative set-point asks for no less than that much back."""
        return within_limit(power_kw, self.told_kw)


@dataclass
class TicketBook:
    """The tickets of one point.

    Parameters
    ----------
    clock : Clock
        Clocks.
    reaction_s : float
        Time within which the meter must show a new limit.
    """

    clock: Clock
    reaction_s: float
    _number: int = 0
    _accepted: list[Accepted] = field(default_factory=list)

    def new(self, plan: Plan) -> Ticket:
        """A ticket for a command."""
        self._number += 1
        return Ticket(self._number, plan, self.clock.utc_s())

    def settle(self, ticket: Ticket, state: TicketState, reason: str = "") -> None:
        """Close a ticket that is still open."""
        if ticket.is_open:
            ticket.state, ticket.reason, ticket.settled_utc_s = state, reason, self.clock.utc_s()

    def accept(self, ticket: Ticket, told_kw: float) -> None:
        """The point accepted a limit: the meter must confirm; what it accepted before is replaced."""
        for older in self._accepted:
            self.settle(older.ticket, TicketState.REPLACED, "a newer command")
        ticket.state = TicketState.ACCEPTED
        self._accepted = [Accepted(ticket, self.clock.utc_s(), told_kw)]

    def judge(self, power_kw: float, at_s: float) -> Iterator[Accepted]:
        """Confirm what a sample confirms; what it violates is closed and given back."""
        for accepted in self._accepted:
            if at_s < accepted.at_s or not accepted.ticket.is_open:
                continue
            if accepted.is_kept(power_kw):
                self.settle(accepted.ticket, TicketState.CONFIRMED)
            elif at_s > accepted.at_s + self.reaction_s:
                yield self._violated(accepted, power_kw)

    def overdrawn(self, power_kw: float) -> Iterator[Accepted]:
        """Close what a station violates that is about to be stopped."""
        for accepted in self._accepted:
            if accepted.ticket.is_open and not accepted.is_kept(power_kw):
                yield self._violated(accepted, power_kw)

    def _violated(self, accepted: Accepted, power_kw: float) -> Accepted:
        self.settle(accepted.ticket, TicketState.VIOLATED, f"{power_kw:.2f} kW")
        return accepted


@dataclass
class PowerTally:
    """Energy from power over time, for means; register and meter have no part in it."""

    since_s: float
    _kwh: float = 0.0
    _mean_from: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self._mean_from = (self.since_s, 0.0)

    def add(self, power_kw: float, now_s: float) -> None:
        """The power that was drawn until now."""
        self._kwh += power_kw * max(now_s - self.since_s, 0.0) / 3600.0
        self.since_s = now_s

    def mean_kw(self, power_kw: float, now_s: float) -> float:
        """Mean since the last question; ``power_kw`` where no time has passed."""
        since_s, kwh = self._mean_from
        self._mean_from = (now_s, self._kwh)
        return (self._kwh - kwh) * 3600.0 / (now_s - since_s) if now_s > since_s else power_kw
