"""UFTP (Shapeshifter 3) messages between aggregator (AGR) and grid operator (DSO), as frozen dataclasses.

Powers are whole watts at the congestion point, positive = consumption. ISPs count from 1 within a local day. The
classes hold what the exchange needs; :mod:`markets.uftp.xml` writes them as schema-valid XML where asked for.

Source: Shapeshifter specification 3.1, message catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

import numpy as np


class Span(Protocol):
    """Anything that covers ISPs ``start`` to ``start + duration - 1``."""

    @property
    def start(self) -> int:
        """First ISP, from 1."""

    @property
    def duration(self) -> int:
        """Number of ISPs."""


class IspPower(NamedTuple):
    """Power of some consecutive ISPs, W."""

    power_w: int
    start: int
    duration: int = 1


class RequestIsp(NamedTuple):
    """Space to deviate from the baseline in some ISPs, W; ``disposition`` is ``Requested`` or ``Available``."""

    disposition: str
    min_power_w: int
    max_power_w: int
    start: int
    duration: int = 1


class SettledIsp(NamedTuple):
    """Settlement of some ISPs, W."""

    baseline_w: int
    ordered_w: int
    actual_w: int
    delivered_w: int
    deficiency_w: int
    start: int
    duration: int = 1


class OfferOption(NamedTuple):
    """One of the mutually exclusive options of an offer; the price is for the whole option."""

    reference: str
    price_eur: Decimal
    isps: tuple[IspPower, ...]
    min_activation_factor: Decimal = Decimal("1.00")


class OrderSettlement(NamedTuple):
    """Settlement of one order over one day."""

    order_reference: str
    period: date
    congestion_point: str
    price_eur: Decimal
    penalty_eur: Decimal
    isps: tuple[SettledIsp, ...]
    contract_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """What every message carries.

    Parameters
    ----------
    message_id, conversation_id : str
        UUIDs.
    sender_domain, recipient_domain : str
        Internet domains of the parties.
    time_stamp : datetime
        Aware instant of sending.
    """

    message_id: str
    conversation_id: str
    sender_domain: str
    recipient_domain: str
    time_stamp: datetime


@dataclass(frozen=True, kw_only=True)
class FlexMessage(Message):
    """What every message about the ISPs of one day at one congestion point carries."""

    period: date
    congestion_point: str
    isp_duration_min: int = 15
    time_zone: str = "Europe/Amsterdam"

    @property
    def all_isps(self) -> Sequence[Span]:
        """The ISPs the message speaks of; for offers those of the first option."""
        return ()


@dataclass(frozen=True, kw_only=True)
class DPrognosis(FlexMessage):
    """The aggregator's planned power in every ISP of a day; a later revision replaces an earlier one."""

    revision: int
    isps: tuple[IspPower, ...]

    @property
    def all_isps(self) -> Sequence[Span]:
        """The ISP list."""
        return self.isps


@dataclass(frozen=True, kw_only=True)
class FlexRequest(FlexMessage):
    """The operator's wish: in ``Requested`` ISPs a deviation, in ``Available`` ones the room left."""

    revision: int
    expiration: datetime
    isps: tuple[RequestIsp, ...]
    contract_id: str | None = None
    service_type: str | None = None

    @property
    def all_isps(self) -> Sequence[Span]:
        """The ISP list."""
        return self.isps


@dataclass(frozen=True, kw_only=True)
class FlexOffer(FlexMessage):
    """The aggregator's offer: one or more options, of which at most one may be ordered, once."""

    expiration: datetime
    options: tuple[OfferOption, ...]
    flex_request_id: str | None = None
    d_prognosis_id: str | None = None
    baseline_reference: str | None = None
    contract_id: str | None = None
    is_unsolicited: bool = False
    currency: str = "EUR"

    @property
    def all_isps(self) -> Sequence[Span]:
        """The ISP list of the first option."""
        return self.options[0].isps if self.options else ()


@dataclass(frozen=True, kw_only=True)
class FlexOfferRevocation(Message):
    """Takes an offer back that has not been ordered."""

    flex_offer_id: str


@dataclass(frozen=True, kw_only=True)
class FlexOrder(FlexMessage):
    """The operator's binding order of one option; the activation factor scales all its ISPs and its price."""

    price_eur: Decimal
    order_reference: str
    isps: tuple[IspPower, ...]
    flex_offer_id: str | None = None
    option_reference: str | None = None
    activation_factor: Decimal = Decimal("1.00")
    contract_id: str | None = None
    d_prognosis_id: str | None = None
    baseline_reference: str | None = None
    is_unsolicited: bool = False
    currency: str = "EUR"

    @property
    def all_isps(self) -> Sequence[Span]:
        """The ISP list."""
        return self.isps


@dataclass(frozen=True, kw_only=True)
class FlexSettlement(Message):
    """The operator's monthly calculation for the aggregator to accept or dispute."""

    period_start: date
    period_end: date
    settlements: tuple[OrderSettlement, ...]
    currency: str = "EUR"


@dataclass(frozen=True, kw_only=True)
class Response(Message):
    """Answer to a message: accepted, or rejected with its reasons."""

    answers: str
    reference_id: str
    is_accepted: bool
    rejection_reason: str | None = None


MESSAGES: dict[str, type[Message]] = {
    "D-Prognosis": DPrognosis,
    "FlexRequest": FlexRequest,
    "FlexOffer": FlexOffer,
    "FlexOfferRevocation": FlexOfferRevocation,
    "FlexOrder": FlexOrder,
    "FlexSettlement": FlexSettlement,
}


def name_of(message: Message) -> str:
    """The message's name in the specification, such as ``"D-Prognosis"``."""
    return next(name for name, kind in MESSAGES.items() if type(message) is kind)


def new_id(rng: np.random.Generator) -> str:
    """A random UUID (version 4) drawn from ``rng``, so that a seed gives the same messages."""
    raw = bytearray(rng.bytes(16))
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def isps_of(power_w: np.ndarray) -> tuple[IspPower, ...]:
    """The ISP list of a power series, equal neighbours joined; int or float64[n_isps], rounded to watts."""
    power = np.rint(np.asarray(power_w, dtype=np.float64)).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, power[1:] != power[:-1]]) if power.size else np.zeros(0, np.int64)
    lengths = np.diff(np.append(starts, power.size))
    return tuple(IspPower(int(power[s]), int(s) + 1, int(n)) for s, n in zip(starts, lengths, strict=True))


def power_of(isps: Sequence[IspPower], n_isps: int) -> np.ndarray:
    """Power per ISP of a list, 0 where it says nothing, int64[n_isps]."""
    power = np.zeros(n_isps, dtype=np.int64)
    for isp in isps:
        power[isp.start - 1 : isp.start - 1 + isp.duration] = isp.power_w
    return power
