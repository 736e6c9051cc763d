"""What travels on a link: a message in its envelope, and who is who."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PERIOD_S = 900.0


@dataclass(frozen=True)
class Certificate:
    """Proof of who a party is.

    Attributes
    ----------
    party : str
        Whom it names.
    root : str
        Authority at the top of its chain.
    valid_until_s : float
        Seconds since the start of the run after which it has expired.
    """

    party: str
    root: str
    valid_until_s: float = float("inf")


@dataclass(frozen=True)
class Envelope:
    """A message on its way.

    Attributes
    ----------
    message : object
        The content; on a good day a message of :mod:`agents.messages`.
    sender_role, party : str
        Who claims to have sent it.
    sequence : int
        Number of the message among those of its kind from this party.
    sent_s : float
        When it was sent, seconds since the start of the run.
    certificate : Certificate
        The sender's.
    signed_by : str
        Party whose key signed it; anybody can write an envelope, only the owner of a key can sign with it.
    to : str
        Party it is meant for; empty = every holder of the receiving role.
    """

    message: Any
    sender_role: str
    party: str
    sequence: int
    sent_s: float
    certificate: Certificate
    signed_by: str
    to: str = ""


@dataclass
class Directory:
    """Who holds which role, with which certificate, and which roots a role trusts.

    Attributes
    ----------
    roots : dict
        Authority of each role's certificates; :data:`MARKET_ROOT` where nothing is said.
    distrusted : set of (receiver role, root)
        Roots that a role does not accept.
    expiry_s : dict
        Second at which the certificates of a role expire.
    """

    roots: dict[str, str] = field(default_factory=dict)
    distrusted: set[tuple[str, str]] = field(default_factory=set)
    expiry_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._certificates: dict[tuple[str, str], Certificate] = {}

    def enter(self, role: str, party: str) -> None:
        """Register a party in a role and issue its certificate."""
        root = self.roots.get(role, MARKET_ROOT)
        self._certificates[role, party] = Certificate(party, root, self.expiry_s.get(role, float("inf")))

    def certificate(self, role: str, party: str) -> Certificate:
        """The certificate of a party in a role; an empty one for strangers."""
        return self._certificates.get((role, party)) or Certificate(party, "")

    def knows(self, role: str, party: str) -> bool:
        """Whether a party is registered in a role."""
        return (role, party) in self._certificates

    def trusts(self, receiver_role: str, root: str) -> bool:
        """Whether a role accepts certificates below a root."""
        return bool(root) and (receiver_role, root) not in self.distrusted


MARKET_ROOT = "market root"
"""Authority that all market parties share (assumption; the report names none beside those of ISO 15118)."""
