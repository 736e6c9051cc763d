"""What every market role is: a Mesa agent with a name, what it knows, and a way to speak."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import mesa

from agents.links import Links
from agents.messages import Message

M = TypeVar("M", bound=Message)


class Knowledge:
    """What reached a role: the newest message of each type, also by sender, and those not yet read."""

    def __init__(self) -> None:
        self._newest: dict[type[Message], Message] = {}
        self._unread: dict[type[Message], list[tuple[str, Message]]] = {}
        self._newest_of: dict[type[Message], dict[str, Message]] = {}

    def receive(self, message: Message, party: str = "") -> None:
        """Take a message in from a party."""
        kind = type(message)
        self._newest[kind] = message
        self._unread.setdefault(kind, []).append((party, message))
        self._newest_of.setdefault(kind, {})[party] = message

    def newest(self, kind: type[M]) -> M | None:
        """Newest message of a type, or None if none ever came."""
        found = self._newest.get(kind)
        return found if isinstance(found, kind) else None

    def newest_of(self, kind: type[M]) -> dict[str, M]:
        """Newest message of a type by the party that sent it, in the order in which parties first spoke."""
        return {party: m for party, m in self._newest_of.get(kind, {}).items() if isinstance(m, kind)}

    def take(self, kind: type[M]) -> list[M]:
        """Messages of a type that came since the last call, oldest first."""
        return [m for _, m in self._unread.pop(kind, []) if isinstance(m, kind)]

    def take_from(self, kind: type[M]) -> list[tuple[str, M]]:
        """The same with the party that sent each."""
        return [(party, m) for party, m in self._unread.pop(kind, []) if isinstance(m, kind)]


class Role(mesa.Agent):
    """A party in one market role.

    Parameters
    ----------
    model : mesa.Model
        The run.
    party : str
        The company that holds the role.
    links : Links
        The links it may speak through.
    """

    role: ClassVar[str] = ""

    def __init__(self, model: mesa.Model, party: str, links: Links) -> None:
        super().__init__(model)
        self.party = party
        self.knowledge = Knowledge()
        self._links = links
        links.connect(self)

    @property
    def account(self) -> str:
        """Name of the ledger account of this party in this role."""
        return f"{self.role}: {self.party}"

    def send(self, message: Message, to: str = "") -> None:
        """Send a message, which must be one of this role's, to one holder of the receiving role or to all of them."""
        if message.sender != self.role:
            raise ValueError(f"{type(message).__name__} is sent by {message.sender}, not by {self.role}")
        self._links.send(message, self.party, to)
