"""Attacks on the control of charging, as bundled scenarios: who lies to whom, and how (report section 8).

Outsiders write envelopes in another's name but cannot sign them; insiders (a compromised company) can. Verification
stops the first, plausibility checks, rate limits and random delays blunt the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agents.fleet.tables import SEGMENTS
from agents.information.envelope import Envelope
from agents.messages import (
    AbsoluteSignalDirect,
    ChargeLimit,
    ContractPrice,
    LocalLoad,
    Message,
    RedispatchOrder,
    SiteLoad,
    SmartChargingSignal,
    StationLimit,
)
from agents.settings import AttackSettings
from agents.town import Town

if TYPE_CHECKING:
    from agents.cast import Cast
    from agents.links import Links

STOLEN_KEY = "nobody"
"""What stands where a signature should: an outsider has no key."""
FALSE_LOAD_KW = 100.0
"""Load that a falsified sensor reports behind a connection."""
REPLAY_AGE = 16
"""Age of the recorded set-points that are sent again, periods."""
FULL_KW = 1e3
"""Set-point beyond what any station can do: the station's own rating is what remains."""


@dataclass
class Attack:
    """Base of all attacks.

    Parameters
    ----------
    settings : AttackSettings
        When, and what share of the points.
    town : Town
        What there is.
    cast : Cast
        Whom it is done to.
    rng : numpy.random.Generator
        Chooses the points in the attacker's hands.
    """

    kinds: ClassVar[tuple[type[Message], ...]] = ()
    settings: AttackSettings
    town: Town
    cast: Cast
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.first = round(4 * self.settings.first_h)
        self.last = self.first + max(1, round(4 * self.settings.hours))
        n = self.town.fleet.n_points
        self.is_mine = np.asarray(self.rng.random(n) < self.settings.share)

    def is_on(self, period: int) -> bool:
        """Whether the attack goes on."""
        return self.first <= period < self.last

    def change(self, message: Message, period: int) -> Message:
        """What the receiver gets instead."""
        return message

    def open(self, links: Links) -> None:
        """Act at the start of a period."""

    def watch(self, envelope: Envelope, links: Links) -> None:
        """See what passes."""


@dataclass
class ForgedAbsoluteSignal(Attack):
    """An outsider sends stations the grid operator's absolute signal: stop charging, now."""

    def open(self, links: Links) -> None:
        """Tell the stations to stop, in the grid operator's name."""
        if not self.is_on(links.period):
            return
        rows = np.unique(self.town.fleet.points.connection_row[self.is_mine]).astype(np.int64)
        forged = AbsoluteSignalDirect(links.period, rows, np.zeros(len(rows)))
        links.put_on_wire(links.envelope_of(forged, self.cast.dso.party, 10**9 + links.period, STOLEN_KEY))


@dataclass
class ForgedOrder(Attack):
    """An outsider sends the CSP a redispatch order in the grid operator's name: everybody stops, for the next hour."""

    def open(self, links: Links) -> None:
        """Order more than any pool has."""
        if not self.is_on(links.period):
            return
        rows = np.unique(self.town.fleet.points.connection_row[self.is_mine]).astype(np.int64)
        forged = RedispatchOrder(links.period, rows, np.full((len(rows), 4), -FALSE_LOAD_KW))
        links.put_on_wire(links.envelope_of(forged, self.cast.dso.party, 10**9 + links.period, STOLEN_KEY))


@dataclass
class _Switching(Attack):
    """Somebody with the right to steer switches all points on and off together, every quarter of an hour."""

    def wanted_kw(self, period: int, rows: np.ndarray) -> np.ndarray:
        """Full power and full delivery by turns; a point that cannot deliver stops."""
        is_down = (period - self.first) % 2 == 0
        can_deliver = self.town.fleet.points.is_bidirectional[rows]
        return np.where(is_down, np.where(can_deliver, -FULL_KW, 0.0), FULL_KW)


@dataclass
class CompromisedAggregator(_Switching):
    """The aggregator's platform is in the attacker's hands."""

    kinds = (SmartChargingSignal,)

    def change(self, message: Message, period: int) -> Message:
        """Other targets under the right signature."""
        assert isinstance(message, SmartChargingSignal)
        rows = message.cp_row
        return replace(message, target_kw=np.where(self.is_mine[rows], self.wanted_kw(period, rows), message.target_kw))


@dataclass
class CompromisedCpo(_Switching):
    """The CPO's back end is in the attacker's hands."""

    kinds = (StationLimit,)

    def change(self, message: Message, period: int) -> Message:
        """Other set-points under the right signature."""
        assert isinstance(message, StationLimit)
        rows = message.cp_row
        return replace(message, limit_kw=np.where(self.is_mine[rows], self.wanted_kw(period, rows), message.limit_kw))


@dataclass
class Replay(Attack):
    """An outsider recorded set-points and sends them again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._recorded: dict[int, Envelope] = {}

    def watch(self, envelope: Envelope, links: Links) -> None:
        """Record set-points; after each new one, send an old one."""
        if not isinstance(envelope.message, StationLimit) or self._recorded.get(links.period) is envelope:
            return
        old = self._recorded.get(links.period - REPLAY_AGE)
        is_echo = any(envelope is known for known in self._recorded.values())
        if is_echo:
            return
        self._recorded[links.period] = envelope
        if self.is_on(links.period) and old is not None:
            links.put_on_wire(old)


@dataclass
class PriceManipulation(Attack):
    """Prices are turned upside down before they reach the aggregator: the dearest hours look cheapest."""

    kinds = (ContractPrice,)

    def change(self, message: Message, period: int) -> Message:
        """The mirror image of the prices."""
        assert isinstance(message, ContractPrice)
        price, feed_in = message.price_eur_per_kwh, message.feed_in_eur_per_kwh
        return replace(
            message,
            price_eur_per_kwh=np.max(price) + np.min(price) - price,
            feed_in_eur_per_kwh=np.max(feed_in) + np.min(feed_in) - feed_in,
        )


@dataclass
class SensorFalsification(Attack):
    """Meters behind the connection report a load that is not there, so that stations see no room."""

    kinds = (LocalLoad, SiteLoad)

    def change(self, message: Message, period: int) -> Message:
        """A large load at the connections in the attacker's hands."""
        assert isinstance(message, LocalLoad | SiteLoad)
        mine = np.isin(message.connection_row, self.town.fleet.points.connection_row[self.is_mine])
        return replace(message, load_kw=np.where(mine, FALSE_LOAD_KW, message.load_kw))


@dataclass
class PlugAndChargeFailure(Attack):
    """The certificates of plug and charge fail: cars that arrive are not let on unless the driver has a card.

    Nobody asks for a certificate at home. Elsewhere a car that was not let on stays so: nobody comes back to try again.
    """

    kinds = (ChargeLimit,)

    def __post_init__(self) -> None:
        super().__post_init__()
        fleet = self.town.fleet
        ev = fleet.sessions.ev_row
        speaks = self.cast.evs.speaks_iso15118[ev]
        has_card = self.rng.random(fleet.n_evs)[ev] < self.cast.evs.card_share
        arrives = (fleet.sessions.arrival_min >= 15 * self.first) & (fleet.sessions.arrival_min < 15 * self.last)
        is_home = fleet.points.segment[fleet.sessions.cp_row] == SEGMENTS.index("home")
        self.is_locked_out = speaks & ~has_card & arrives & ~is_home

    def is_on(self, period: int) -> bool:
        """From its start on, for those who came while it went on."""
        return self.first <= period

    def change(self, message: Message, period: int) -> Message:
        """No power for cars that cannot identify themselves."""
        assert isinstance(message, ChargeLimit)
        state = self.cast.evs.state
        session = state.session_row[message.cp_row]
        locked = (session >= 0) & self.is_locked_out[np.maximum(session, 0)]
        return replace(message, limit_kw=np.where(locked, 0.0, message.limit_kw))


ATTACKS: dict[str, type[Attack]] = {
    "forged_absolute_signal": ForgedAbsoluteSignal,
    "forged_order": ForgedOrder,
    "compromised_aggregator": CompromisedAggregator,
    "compromised_cpo": CompromisedCpo,
    "replay": Replay,
    "price_manipulation": PriceManipulation,
    "sensor_falsification": SensorFalsification,
    "plug_and_charge_failure": PlugAndChargeFailure,
}
"""Attacks by name."""


@dataclass
class Attackers:
    """All attacks of a run, as a screen and a watcher of its links."""

    attacks: tuple[Attack, ...]

    @classmethod
    def of(cls, settings: Sequence[AttackSettings], town: Town, cast: Cast, rng: np.random.Generator) -> Attackers:
        """The attacks of a scenario."""
        return cls(tuple(ATTACKS[s.kind](s, town, cast, rng) for s in settings))

    def touches(self, kind: type[Message]) -> bool:
        """Whether somebody changes messages of a kind."""
        return any(kind in a.kinds for a in self.attacks)

    def screen(self, message: Message, period: int) -> Message | None:
        """What the receiver gets instead."""
        for attack in self.attacks:
            if type(message) in attack.kinds and attack.is_on(period):
                message = attack.change(message, period)
        return message

    def open(self, links: Links) -> None:
        """Act at the start of a period."""
        for attack in self.attacks:
            attack.open(links)

    def watch(self, envelope: Envelope, links: Links) -> None:
        """See what passes."""
        for attack in self.attacks:
            attack.watch(envelope, links)
