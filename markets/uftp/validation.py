"""What makes a receiver reject a UFTP message, with the reasons in the specification's words.

Source: Shapeshifter specification, message validation and the use cases of the validate and settle phases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from markets.calendar import Horizon
from markets.uftp.messages import (
    DPrognosis,
    FlexMessage,
    FlexOffer,
    FlexOfferRevocation,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    IspPower,
    Message,
    OfferOption,
    Span,
)

_LOWEST_FACTOR, _HIGHEST_FACTOR = Decimal("0.01"), Decimal("1.00")


@dataclass(frozen=True)
class Terms:
    """What the receiver has agreed on with its market.

    Parameters
    ----------
    own_domain : str
        Internet domain of the receiver.
    partners : set of str
        Domains it knows.
    congestion_points : set of str
        Entity addresses at which it is active; empty for any.
    barred : set of str
        Domains it blocks.
    isp_duration_min, time_zone : int, str
        Common values of the market.
    has_exclusive_options : bool
        Offers with several options are supported.
    max_power_w : float
        Largest plausible power of a prognosis or an offer, either way.
    """

    own_domain: str
    partners: Set[str]
    congestion_points: Set[str] = frozenset()
    barred: Set[str] = frozenset()
    isp_duration_min: int = 15
    time_zone: str = "Europe/Amsterdam"
    has_exclusive_options: bool = True
    max_power_w: float = float("inf")


@dataclass(frozen=True)
class Known:
    """What the receiver has sent and accepted before.

    Parameters
    ----------
    messages : mapping
        Messages by identifier.
    revoked, ordered : set of str
        Identifiers of offers that were taken back or ordered.
    revisions : mapping
        Highest revision by (message type, sender, congestion point, day).
    order_references : set of str
        References of orders that await settlement.
    """

    messages: Mapping[str, Message] = field(default_factory=dict)
    revoked: Set[str] = frozenset()
    ordered: Set[str] = frozenset()
    revisions: Mapping[tuple[str, str, str, date], int] = field(default_factory=dict)
    order_references: Set[str] = frozenset()


def isp_count(day: date, time_zone: str = "Europe/Amsterdam", isp_duration_min: int = 15) -> int:
    """Number of ISPs of a local day: 96 quarters, 92 or 100 when the clock changes."""
    horizon = Horizon(day, 1, time_zone)
    length = horizon.midnight_utc(1) - horizon.midnight_utc(0)
    return int(length.total_seconds() // (isp_duration_min * 60))


def isp_start(day: date, isp: int, time_zone: str = "Europe/Amsterdam", isp_duration_min: int = 15) -> datetime:
    """UTC instant at which an ISP (from 1) starts."""
    return Horizon(day, 1, time_zone).midnight_utc(0) + timedelta(minutes=(isp - 1) * isp_duration_min)


def faults(message: Message, terms: Terms, known: Known, now: datetime) -> list[str]:
    """Every reason to reject a message, in the specification's words; empty when it is acceptable.

    Parameters
    ----------
    message : Message
        What came in.
    terms : Terms
        The receiver's market.
    known : Known
        The receiver's earlier correspondence.
    now : datetime
        Aware instant of receipt.
    """
    if message.message_id in known.messages:
        is_same = known.messages[message.message_id] == message
        return ["Already Submitted" if is_same else "Duplicate Identifier"]
    found = _address_faults(message, terms)
    if isinstance(message, FlexMessage):
        found += _flex_faults(message, terms, now)
    if isinstance(message, DPrognosis):
        found += _prognosis_faults(message, terms, known)
    elif isinstance(message, FlexRequest):
        found += _request_faults(message, terms, now)
    elif isinstance(message, FlexOffer):
        found += _offer_faults(message, terms, known, now)
    elif isinstance(message, FlexOfferRevocation):
        found += _revocation_faults(message, known)
    elif isinstance(message, FlexOrder):
        found += _order_faults(message, known, now)
    elif isinstance(message, FlexSettlement):
        found += _settlement_faults(message, known, now, terms)
    return found


def _address_faults(message: Message, terms: Terms) -> list[str]:
    found = []
    if message.sender_domain in terms.barred:
        found.append("Barred Sender")
    elif message.sender_domain not in terms.partners:
        found.append("Unknown SenderDomain")
    if message.recipient_domain != terms.own_domain:
        found.append("Unknown RecipientDomain")
    return found


def _flex_faults(message: FlexMessage, terms: Terms, now: datetime) -> list[str]:
    found = []
    if message.isp_duration_min != terms.isp_duration_min:
        found.append("ISP duration rejected")
    if message.time_zone != terms.time_zone:
        found.append("TimeZone rejected")
    if terms.congestion_points and message.congestion_point not in terms.congestion_points:
        found.append("Invalid CongestionPoint")
    if message.period < now.astimezone(ZoneInfo(terms.time_zone)).date():
        found.append("Period out of bounds")
    lists = [o.isps for o in message.options] if isinstance(message, FlexOffer) else [message.all_isps]
    n_isps = isp_count(message.period, terms.time_zone, terms.isp_duration_min)
    for isps in lists or [()]:
        found += [f for f in isp_faults(isps, n_isps) if f not in found]
    return found


def isp_faults(isps: Sequence[Span], n_isps: int) -> list[str]:
    """``ISPs out of bounds`` and ``ISP conflict`` of one list."""
    if not isps:
        return ["ISPs out of bounds"]
    first = np.array([i.start for i in isps], dtype=np.int64)
    length = np.array([i.duration for i in isps], dtype=np.int64)
    if (first < 1).any() or (length < 1).any() or (first + length - 1 > n_isps).any():
        return ["ISPs out of bounds"]
    order = np.argsort(first, kind="stable")
    is_overlap = (first + length)[order][:-1] > first[order][1:]
    return ["ISP conflict"] if is_overlap.any() else []


def _prognosis_faults(message: DPrognosis, terms: Terms, known: Known) -> list[str]:
    found = []
    n_isps = isp_count(message.period, terms.time_zone, terms.isp_duration_min)
    if int(np.sum([i.duration for i in message.isps])) < n_isps:
        found.append("Lacking ISPs")
    key = ("D-Prognosis", message.sender_domain, message.congestion_point, message.period)
    if message.revision <= known.revisions.get(key, message.revision - 1):
        found.append("Subordinate sequence number")
    return found + _plausibility([message.isps], terms)


def _plausibility(lists: Sequence[Sequence[IspPower]], terms: Terms) -> list[str]:
    too_large = any(abs(i.power_w) > terms.max_power_w for isps in lists for i in isps)
    return ["Power value rejection"] if too_large else []


def _request_faults(message: FlexRequest, terms: Terms, now: datetime) -> list[str]:
    found = []
    requested = [i for i in message.isps if i.disposition == "Requested"]
    if any(i.disposition not in ("Requested", "Available") for i in message.isps):
        found.append("Invalid Message: disposition is neither Requested nor Available")
    if not requested:
        found.append("Lacking Requested Disposition")
    if any(i.min_power_w < 0 < i.max_power_w for i in requested):
        found.append("Requested Power discrepancy")
    if any(i.min_power_w > i.max_power_w for i in message.isps):
        found.append("Power discrepancy")
    return found + _expiry_faults(message.expiration, message, terms, now)


def _expiry_faults(expiration: datetime, message: FlexMessage, terms: Terms, now: datetime) -> list[str]:
    """Expired on arrival, or valid beyond the last ISP it speaks of."""
    last = max((i.start + i.duration for i in message.all_isps), default=1)
    end = isp_start(message.period, last, terms.time_zone, terms.isp_duration_min)
    return ["ExpirationDateTime out of bounds"] if expiration <= now or expiration > end else []


def _offer_faults(message: FlexOffer, terms: Terms, known: Known, now: datetime) -> list[str]:
    found = _expiry_faults(message.expiration, message, terms, now)
    if len(message.options) > 1 and not terms.has_exclusive_options:
        found.append("No MutEx offer support")
    if len({o.reference for o in message.options}) < len(message.options):
        found.append("Invalid Message: option references are not unique")
    if any(not _LOWEST_FACTOR <= o.min_activation_factor <= _HIGHEST_FACTOR for o in message.options):
        found.append("Invalid Message: MinActivationFactor is outside 0.01 to 1.00")
    if any(not o.price_eur.is_finite() for o in message.options):
        found.append("Invalid Message: price is not a number")
    found += _plausibility([o.isps for o in message.options], terms)
    if message.flex_request_id is None:
        return found if message.is_unsolicited or message.contract_id else [*found, "Unknown FlexRequestMessageID"]
    return found + _offer_against_request(message, known.messages.get(message.flex_request_id), now)


def _offer_against_request(message: FlexOffer, request: Message | None, now: datetime) -> list[str]:
    if not isinstance(request, FlexRequest):
        return ["Unknown FlexRequestMessageID"]
    found = []
    if request.period != message.period:
        found.append("Reference Period mismatch")
    if request.expiration < now:
        found.append("Reference message expired")
    wanted = {k for i in request.isps if i.disposition == "Requested" for k in range(i.start, i.start + i.duration)}
    for option in message.options:
        offered = {k for i in option.isps for k in range(i.start, i.start + i.duration)}
        if not wanted & offered:
            return [*found, "Request mismatch"]
    return found


def _revocation_faults(message: FlexOfferRevocation, known: Known) -> list[str]:
    offer = known.messages.get(message.flex_offer_id)
    if not isinstance(offer, FlexOffer) or offer.sender_domain != message.sender_domain:
        return ["Unknown FlexOfferMessageID"]
    if message.flex_offer_id in known.ordered:
        return ["Flexibility procured"]
    return ["Reference message revoked"] if message.flex_offer_id in known.revoked else []


def _order_faults(message: FlexOrder, known: Known, now: datetime) -> list[str]:
    found = []
    if not _LOWEST_FACTOR <= message.activation_factor <= _HIGHEST_FACTOR:
        found.append("Invalid Message: ActivationFactor is outside 0.01 to 1.00")
    if message.flex_offer_id is None:
        has_ground = message.contract_id is not None or message.is_unsolicited
        return found if has_ground else [*found, "Unknown FlexOfferMessageID"]
    offer = known.messages.get(message.flex_offer_id)
    if not isinstance(offer, FlexOffer):
        return [*found, "Unknown FlexOfferMessageID"]
    if message.flex_offer_id in known.revoked:
        found.append("Reference message revoked")
    if message.flex_offer_id in known.ordered:
        found.append("Flexibility procured")
    if offer.expiration < now:
        found.append("Reference message expired")
    if offer.period != message.period:
        found.append("Reference Period mismatch")
    option = _option_of(message, offer)
    if option is None:
        return [*found, "Unknown OptionReference"]
    return found + _order_against_option(message, option)


def _option_of(order: FlexOrder, offer: FlexOffer) -> OfferOption | None:
    if order.option_reference is None and len(offer.options) == 1:
        return offer.options[0]
    return next((o for o in offer.options if o.reference == order.option_reference), None)


def _order_against_option(order: FlexOrder, option: OfferOption) -> list[str]:
    """The ISP list copied as offered, or its powers and its price already scaled by the activation factor.

    The catalogue asks for an unchanged copy, the description of partial activation for scaled values. Both are
    accepted as long as powers and price follow the same reading.
    """
    found = []
    if order.activation_factor < option.min_activation_factor:
        found.append("Invalid Message: ActivationFactor is below the offer's MinActivationFactor")
    if [(i.start, i.duration) for i in order.isps] != [(i.start, i.duration) for i in option.isps]:
        return [*found, "ISP mismatch"]
    is_copy = order.isps == option.isps
    is_scaled = order.isps == scaled_isps(option.isps, order.activation_factor)
    if not (is_copy or is_scaled):
        found.append("Power mismatch")
    prices = {option.price_eur} if is_copy else set()
    if is_scaled:
        prices.add((option.price_eur * order.activation_factor).quantize(Decimal("0.0001")))
    if (is_copy or is_scaled) and order.price_eur not in prices:
        found.append("Price mismatch")
    return found


def scaled_isps(isps: Sequence[IspPower], factor: Decimal) -> tuple[IspPower, ...]:
    """An ISP list with every power times the activation factor, rounded to watts (half away from zero)."""
    return tuple(
        i._replace(power_w=int((Decimal(i.power_w) * factor).quantize(Decimal(1), "ROUND_HALF_UP"))) for i in isps
    )


def _settlement_faults(message: FlexSettlement, known: Known, now: datetime, terms: Terms) -> list[str]:
    found = []
    today = now.astimezone(ZoneInfo(terms.time_zone)).date()
    if message.period_start > today:
        found.append("PeriodStart rejected")
    if message.period_end < message.period_start or message.period_end > today:
        found.append("PeriodEnd rejected")
    settled = {s.order_reference for s in message.settlements}
    due = {
        m.order_reference
        for m in known.messages.values()
        if isinstance(m, FlexOrder)
        and m.order_reference in known.order_references
        and message.period_start <= m.period <= message.period_end
    }
    if due - settled:
        found.append("Missing Settlement Items")
    if any(not message.period_start <= s.period <= message.period_end for s in message.settlements):
        found.append("Period out of bounds")
    for item in message.settlements:
        n_isps = isp_count(item.period, terms.time_zone, terms.isp_duration_min)
        found += [f for f in isp_faults(item.isps, n_isps) if f not in found]
    return found
