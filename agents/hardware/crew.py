"""The points of one station behind one link: messages find their connector, and all keep the station's limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from agents.hardware.dialect import Dialect, Sink
from agents.hardware.link import Refused
from agents.hardware.meter import Sample
from agents.hardware.point import PhysicalPoint
from agents.hardware.standing import Standing, standing_of_all
from agents.hardware.steering import Steering
from agents.hardware.wishes import Numbers
from agents.port import bounded_kw

PROFILES_APART = 10
"""Distance between the profile ids of two connectors: ids must be unique in a station."""


class Crew:
    """All points of one station.

    Parameters
    ----------
    points : sequence of PhysicalPoint
        In the order of the scenario; the first speaks for the whole station.
    since_utc_s : float
        Start of the run, from which transactions are numbered.
    """

    def __init__(self, points: Sequence[PhysicalPoint], since_utc_s: float) -> None:
        self.points = tuple(points)
        self.lead = self.points[0]
        self.sink: Sink = self.lead if len(self.points) == 1 else Switchboard(self.points)
        numbers = Numbers(since_utc_s)
        for k, point in enumerate(self.points):
            point.numbers, point.profile_base = numbers, PROFILES_APART * k
            point.room_kw = partial(self.room_kw, point)

    @property
    def limit_kw(self) -> float:
        """Limit of the whole station, kW."""
        most = sum(p.settings.envelope.max_kw for p in self.points)
        return min(most, *(p.settings.station_limit_kw for p in self.points))

    def linked(self, version: str) -> None:
        """The station's socket is open."""
        for point in self.points:
            point.linked(version)

    def unlinked(self, reason: str) -> None:
        """The station's socket is gone."""
        for point in self.points:
            point.unlinked(reason)

    def answer(self, dialect: Dialect, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer of a call; of a station that is not accepted nothing but its start is heard.

        Raises
        ------
        Refused
            ``SecurityError`` (2.0.1 B02.FR.09, B03.FR.07), which 1.6 has too.
        """
        standing = self.lead.standing
        if standing is not Standing.ACCEPTED and action != "BootNotification":
            self.lead.counts["before_acceptance"] += 1
            raise Refused("SecurityError", f"the station is {standing.value}")
        return dialect.answer(self.sink, action, payload)

    def wakes(self, wake: Callable[[], None]) -> None:
        """Who is to be woken when something changes."""
        for point in self.points:
            point.wake = wake

    def steerings(self, dialect: Dialect) -> tuple[Steering, ...]:
        """Steering of every point over one link; the first sets up what is the whole station's."""
        lead = Steering(self.lead, dialect, station_kw=self.limit_kw, is_alone=len(self.points) == 1)
        return lead, *(Steering(p, dialect, lead=lead, is_alone=False) for p in self.points[1:])

    def room_kw(self, point: PhysicalPoint) -> float:
        """What the station's limit leaves to one point.

        The least of its even share of what all want, and of what the others do not hold: a point is raised only after
        another was lowered. A point without session holds its safe limit, because a car may come any moment.
        """
        others = [p for p in self.points if p is not point]
        if not others:
            return math.inf
        held_kw = sum(_held_kw(p) for p in others)
        return max(min(self.limit_kw - held_kw, self._share_kw(point)), 0.0)

    def _share_kw(self, point: PhysicalPoint) -> float:
        """Even share (water-filling) of the limit among the points with a session."""
        idle = [p for p in self.points if p.transaction is None and p is not point]
        left_kw = self.limit_kw - sum(p.settings.envelope.safe_kw for p in idle)
        wants = sorted((_wanted_kw(p), p is point) for p in self.points if p not in idle)
        for k, (wanted_kw, is_asked) in enumerate(wants):
            share_kw = min(wanted_kw, max(left_kw, 0.0) / (len(wants) - k))
            if is_asked:
                return share_kw
            left_kw -= share_kw
        return 0.0


def _wanted_kw(point: PhysicalPoint) -> float:
    """What a point wants of the station's limit: its plan, else its safe limit; at commissioning everything."""
    e, plan = point.settings.envelope, point.wishes.plan
    if point.proof.is_open and not point.settings.insist:
        return e.max_kw
    if plan is None or point.wishes.is_released or point.clock.utc_s() >= plan.valid_until_utc_s:
        return e.safe_kw
    return max(bounded_kw(plan.limit_kw, e.max_kw, e.safe_kw), 0.0)


def _held_kw(point: PhysicalPoint) -> float:
    """What a point may be drawing now: the highest limit it still holds, or its safe limit while it has no session."""
    if point.transaction is None or point.told.is_empty:
        return point.settings.envelope.safe_kw
    now_s = point.clock.utc_s()
    return max(point.told.highest_kw(now_s, now_s), 0.0)


class Switchboard:
    """Leads each message of a station to the point of its connector (EVSE).

    Parameters
    ----------
    points : sequence of PhysicalPoint
        Points with a connector each; the first one hears what concerns the whole station.
    """

    def __init__(self, points: Sequence[PhysicalPoint]) -> None:
        self._points, self._lead = tuple(points), points[0]
        self._of = {p.settings.connector: p for p in points}

    def booted(self, vendor: str, model: str, firmware: str, serial: str = "") -> Standing:
        """It started; all its connectors stand alike."""
        standing = standing_of_all([p.booted(vendor, model, firmware, serial) for p in self._points])
        for point in self._points:
            point.standing = standing
        return standing

    def status(self, connector: int, state: str, utc_s: float, plug: int = 0) -> None:
        """A connector changed; the station as a whole has no plug."""
        point = self._of.get(connector, self._lead)
        point.status(connector, state, utc_s, plug)

    def authorises(self, tag: str, connector: int = 0) -> bool:
        """Whether this identity may charge, at a connector or at any."""
        if connector in self._of:
            return self._of[connector].authorises(tag)
        return any(p.authorises(tag) for p in self._points)

    def started(self, key: str, connector: int, utc_s: float, samples: Iterable[Sample]) -> str:
        """A transaction started; its id."""
        return self._of.get(connector, self._lead).started(key, connector, utc_s, samples)

    def metered(self, connector: int | None, transaction: str | None, samples: Iterable[Sample]) -> None:
        """Meter values came: to the point that has the transaction, else to the connector's."""
        owner = self._owner(transaction)
        if owner is not None:
            owner.metered(owner.settings.connector, transaction, samples)
        else:
            self._of.get(connector, self._lead).metered(connector, transaction, samples)

    def stopped(self, transaction: str, utc_s: float, samples: Iterable[Sample], reason: str) -> None:
        """A transaction ended."""
        owner = self._owner(transaction) or self._lead
        owner.stopped(transaction, utc_s, samples, reason)

    def note(self, kind: str, text: str) -> None:
        """Something else happened."""
        self._lead.note(kind, text)

    def now_s(self) -> float:
        """Wall clock."""
        return self._lead.now_s()

    def _owner(self, transaction: str | None) -> PhysicalPoint | None:
        return next((p for p in self._points if transaction and p.knows(transaction)), None)
