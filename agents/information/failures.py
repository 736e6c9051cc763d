"""Failures of links in time windows: who cannot speak to whom, and what happens to what they wanted to say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agents.messages import Message

STATION_LINKS = frozenset({("charging_point", "cpo"), ("cpo", "charging_point")})
MOBILE_LINKS = STATION_LINKS | {("ev", "vehicle_maker"), ("ev_driver", "emsp"), ("emsp", "ev_driver")}
MOBILE_SEGMENTS = ("public_ac", "depot", "shared", "dc")
"""Segments whose stations speak over a mobile network; homes and offices use their own lines (assumption)."""


@dataclass(frozen=True)
class FailureKind:
    """What a failure takes away.

    Attributes
    ----------
    links : set of (sender role, receiver role), or None for all links of :attr:`role`
    role : str
        Role whose systems are down.
    segments : tuple of str
        Segments of the stations concerned; empty = all.
    """

    links: frozenset[tuple[str, str]] | None = None
    role: str = ""
    segments: tuple[str, ...] = ()

    def touches(self, kind: type[Message]) -> bool:
        """Whether messages of a kind may be stopped."""
        if self.links is not None:
            return (kind.sender, kind.receiver) in self.links
        return self.role in (kind.sender, kind.receiver)


FAILURES: dict[str, FailureKind] = {
    "station": FailureKind(STATION_LINKS),
    "cpo": FailureKind(role="cpo"),
    "aggregator": FailureKind(role="aggregator"),
    "emsp": FailureKind(role="emsp"),
    "vehicle_maker": FailureKind(role="vehicle_maker"),
    "mobile_network": FailureKind(MOBILE_LINKS, segments=MOBILE_SEGMENTS),
}
"""Failures by name."""


@dataclass(frozen=True)
class Outage:
    """One failure of a run.

    Attributes
    ----------
    kind : FailureKind
        What is down.
    first, last : int
        First period, and the first in which it works again.
    is_hit : bool array, shape (n_points,)
        Charging points concerned.
    """

    kind: FailureKind
    first: int
    last: int
    is_hit: np.ndarray


class Outages:
    """All failures of a run: splits every message into what passes and what does not.

    Parameters
    ----------
    outages : iterable of Outage
        The failures.
    cp_of_session : int array, shape (n_sessions,)
        Charging point of every session.
    """

    def __init__(self, outages: Iterable[Outage], cp_of_session: np.ndarray) -> None:
        self.outages = tuple(outages)
        self._cp_of_session = cp_of_session

    def touches(self, kind: type[Message]) -> bool:
        """Whether messages of a kind may be stopped."""
        return any(o.kind.touches(kind) for o in self.outages)

    def stopped(self, message: Message, period: int) -> tuple[np.ndarray, int]:
        """Which rows of a message do not pass now, and the first period in which they could.

        Returns
        -------
        is_stopped : bool array
            One per row of a batch that speaks of many ends, else one.
        until : int
            Period in which the last of these failures ends.
        """
        n = len(message.rows) if message.row else 1
        is_stopped, until = np.zeros(n, dtype=bool), period
        for outage in self.outages:
            if outage.first <= period < outage.last and outage.kind.touches(type(message)):
                is_stopped |= self._hits(message, outage)
                until = max(until, outage.last)
        return is_stopped, until

    def _hits(self, message: Message, outage: Outage) -> np.ndarray | bool:
        if message.row == "cp_row":
            return outage.is_hit[message.rows]
        if message.row == "session_row":
            return outage.is_hit[self._cp_of_session[message.rows]]
        return True


def outage_of(
    name: str,
    first_h: float,
    hours: float,
    share: float,
    segment: np.ndarray,
    names: tuple[str, ...],
    rng: np.random.Generator,
) -> Outage:
    """One failure of a scenario as the links need it.

    Parameters
    ----------
    name : str
        One of :data:`FAILURES`.
    first_h, hours : float
        Start after the beginning of the run, and length.
    share : float
        Share of the charging points concerned.
    segment : int array, shape (n_points,)
        Segment of every charging point, a row in ``names``.
    rng : numpy.random.Generator
        Draws which points.
    """
    kind = FAILURES[name]
    is_hit = rng.random(len(segment)) < share
    if kind.segments:
        is_hit &= np.isin(segment, [names.index(s) for s in kind.segments])
    first = round(4.0 * first_h)
    return Outage(kind, first, first + max(1, round(4.0 * hours)), is_hit)
