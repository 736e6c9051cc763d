"""Links between roles: the only way by which one role learns what another knows.

A link exists between every pair of roles that some message names; it delivers at once unless it is cut. Each link
counts what it carried, so that the flows of a run are a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents.messages import Message

if TYPE_CHECKING:
    from agents.role import Role


@dataclass
class Traffic:
    """What one message type did in a run."""

    count: int = 0
    items: int = 0
    bytes: int = 0
    lost: int = 0


@dataclass
class Links:
    """Post office of a run.

    Parameters
    ----------
    cut : iterable of (sender role, receiver role)
        Links that deliver nothing.
    """

    cut: Iterable[tuple[str, str]] = ()
    traffic: dict[type[Message], Traffic] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cut = frozenset(self.cut)
        self._receivers: dict[str, list[Role]] = {}

    def connect(self, role: Role) -> None:
        """Give a role an address."""
        self._receivers.setdefault(role.role, []).append(role)

    def send(self, message: Message) -> None:
        """Deliver a message to every holder of the receiving role, or lose it where the link is cut."""
        kind = type(message)
        traffic = self.traffic.setdefault(kind, Traffic())
        traffic.count += 1
        traffic.items += message.n_items
        traffic.bytes += message.n_bytes
        if (kind.sender, kind.receiver) in self.cut:
            traffic.lost += 1
            return
        for role in self._receivers.get(kind.receiver, ()):
            role.knowledge.receive(message)
