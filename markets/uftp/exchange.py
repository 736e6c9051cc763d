"""The UFTP correspondence of a run: its requests, offers, orders and settlement as messages, with the answers.

Every message passes the receiver's checks (:mod:`markets.uftp.mailbox`), as it would between two companies. An order
of a run covers one ISP, so each offer has one option of one ISP; what was taken of it is the activation factor, which
UFTP writes in hundredths. A capacity-limiting contract is called by an order without offer under its contract.

Source: Shapeshifter specification, use cases of the plan, validate and settle phases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from markets.uftp.mailbox import Mailbox
from markets.uftp.messages import (
    DPrognosis,
    FlexOffer,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    IspPower,
    Message,
    OfferOption,
    OrderSettlement,
    RequestIsp,
    Response,
    isps_of,
    new_id,
)
from markets.uftp.settlement import order_settlement
from markets.uftp.validation import Terms, isp_start

CONTRACT = "capacity-limit"
"""Contract under which capacity limits are called."""
_STEP = timedelta(seconds=1)
_LEAST_FACTOR = Decimal("0.01")


class Request(NamedTuple):
    """One row of what an operator asked, see table ``flex_requests``; days and ISPs are local, ISPs from 1."""

    sent: datetime
    operator: str
    kind: str
    congestion_point: str
    day: date
    isp: int
    needed_mw: float
    prognosis_mw: float
    metered_mw: float


class Order(NamedTuple):
    """One row of what was offered and ordered, see table ``flex_orders``; + = more consumption."""

    sent: datetime
    operator: str
    kind: str
    congestion_point: str
    number: int
    day: date
    isp: int
    offered_mw: float
    ordered_mw: float
    price_eur_per_mwh: float


@dataclass
class _Party:
    """One grid operator and what was settled with it."""

    mailbox: Mailbox
    agr: Mailbox
    settled: list[OrderSettlement] = field(default_factory=list)


@dataclass
class Correspondence:
    """Builds the messages in the order in which they were sent.

    Parameters
    ----------
    agr_domain : str
        Domain of the aggregator's congestion service provider.
    operator_domains : mapping
        Domain by grid operator.
    rng : numpy.random.Generator
        Source of identifiers.
    penalty_eur_per_mw : float
        Fine per MW and ISP not delivered.
    """

    agr_domain: str
    operator_domains: Mapping[str, str]
    rng: np.random.Generator
    penalty_eur_per_mw: float = 0.0
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        agr = Mailbox(Terms(self.agr_domain, set(self.operator_domains.values())), self.rng)
        self._parties = {
            name: _Party(Mailbox(Terms(domain, {self.agr_domain}), self.rng), agr)
            for name, domain in self.operator_domains.items()
        }
        self._prognosis: dict[tuple[str, str, date], dict[int, float]] = {}
        self._revision: dict[tuple[str, str, date], int] = {}
        self._metered: dict[tuple[str, str, date], dict[int, float]] = {}
        self._newest: dict[tuple[str, str, date], DPrognosis] = {}
        self._requests: dict[tuple[str, str, date], FlexRequest] = {}
        self._free_at: dict[tuple[str, str, date], datetime] = {}

    # --- one round ---------------------------------------------------------------------------------------------------

    def ask(self, requests: Sequence[Request]) -> None:
        """One congestion point and day at one moment: the prognosis, and the request where relief is wanted."""
        first = requests[0]
        key = first.operator, first.congestion_point, first.day
        self._metered.setdefault(key, {}).update({r.isp: r.metered_mw for r in requests})
        now, self._newest[key] = self._send_prognosis(first.sent, key, requests)
        wanted = [r for r in requests if _watts(r.needed_mw) != 0]
        if wanted and first.kind != "capacity_call":
            self._requests[key] = self._request(now, key, wanted)
            now = self._send(self._requests[key], first.operator, to_agr=True)
        self._free_at[key] = now

    def answer(self, orders: Sequence[Order]) -> None:
        """Offers to the newest request of a congestion point and day, and what of them was ordered."""
        first = orders[0]
        key = first.operator, first.congestion_point, first.day
        now = max(first.sent, self._free_at[key])
        if first.kind == "capacity_call":
            self._order_contract(now, key, orders)
            return
        request = self._requests.get(key)  # none where less than half a watt was wanted
        if request is None:
            return
        for order in orders:
            now = self._offer(now, key, order, request, self._newest[key])

    def _send_prognosis(
        self, now: datetime, key: tuple[str, str, date], requests: Sequence[Request]
    ) -> tuple[datetime, DPrognosis]:
        held = self._prognosis.setdefault(key, {})
        held.update({r.isp: r.prognosis_mw for r in requests})
        self._revision[key] = self._revision.get(key, 0) + 1
        power = np.array([_watts(held[k]) for k in sorted(held)])
        message = DPrognosis(
            **self._header(now, key[0], to_operator=True), **_about(key), revision=self._revision[key],
            isps=isps_of(power),
        )  # fmt: skip
        return self._send(message, key[0], to_agr=False), message

    def _request(self, now: datetime, key: tuple[str, str, date], wanted: Sequence[Request]) -> FlexRequest:
        isps = []
        for row in wanted:
            power = _watts(row.needed_mw)
            isps.append(RequestIsp("Requested", -max(power, 0), max(-power, 0), row.isp))
        return FlexRequest(
            **self._header(now, key[0], to_operator=False), **_about(key), revision=self._revision[key],
            expiration=isp_start(key[2], wanted[0].isp), isps=tuple(isps), service_type="redispatch",
        )  # fmt: skip

    def _offer(
        self, now: datetime, key: tuple[str, str, date], order: Order, request: FlexRequest, prognosis: DPrognosis
    ) -> datetime:
        power = _watts(order.offered_mw)
        if power == 0:
            return now
        price = Decimal(repr(round(abs(power) / 4e6 * order.price_eur_per_mwh * _side(power), 4)))
        option = OfferOption(f"option-{order.number}", price, (IspPower(power, order.isp),), _LEAST_FACTOR)
        offer = FlexOffer(
            **self._header(now, key[0], to_operator=True, conversation=request.conversation_id), **_about(key),
            expiration=isp_start(key[2], order.isp), options=(option,), flex_request_id=request.message_id,
            d_prognosis_id=prognosis.message_id,
        )  # fmt: skip
        now = self._send(offer, key[0], to_agr=False)
        factor = _factor(order)
        if factor is None:
            return now
        taken = FlexOrder(
            **self._header(now, key[0], to_operator=False, conversation=request.conversation_id), **_about(key),
            price_eur=price, order_reference=f"order-{order.number}", isps=option.isps, flex_offer_id=offer.message_id,
            option_reference=option.reference, activation_factor=factor, d_prognosis_id=prognosis.message_id,
        )  # fmt: skip
        now = self._send(taken, key[0], to_agr=True)
        self._owe(key, taken, float(factor), price * factor)
        return now

    def _order_contract(self, now: datetime, key: tuple[str, str, date], orders: Sequence[Order]) -> None:
        isps = tuple(IspPower(_watts(o.ordered_mw), o.isp) for o in orders if _watts(o.ordered_mw) != 0)
        if not isps:
            return
        eur = sum(abs(i.power_w) for i in isps) / 4e6 * orders[0].price_eur_per_mwh
        order = FlexOrder(
            **self._header(now, key[0], to_operator=False), **_about(key), price_eur=Decimal(repr(round(eur, 4))),
            order_reference=f"order-{orders[0].number}", isps=isps, contract_id=CONTRACT, is_unsolicited=True,
        )  # fmt: skip
        self._send(order, key[0], to_agr=True)
        self._owe(key, order, 1.0, order.price_eur)

    def _owe(self, key: tuple[str, str, date], order: FlexOrder, factor: float, price_eur: Decimal) -> None:
        """Keep what the order will be settled on."""
        baseline, metered = self._prognosis[key], self._metered[key]
        n = max(baseline)
        ordered = np.zeros(n, dtype=np.int64)
        for isp in order.isps:
            ordered[isp.start - 1] = round(isp.power_w * factor)
        item = order_settlement(
            order.order_reference,
            key[2],
            order.congestion_point,
            baseline_w=np.array([_watts(baseline[k + 1]) for k in range(n)]),
            ordered_w=ordered,
            actual_w=np.array([_watts(metered[k + 1]) for k in range(n)]),
            price_eur=price_eur,
            penalty_eur_per_mw=self.penalty_eur_per_mw,
            contract_id=order.contract_id,
        )
        self._parties[key[0]].settled.append(item)

    def settle(self, month_end: datetime, first: date, last: date) -> None:
        """Settlement message of each operator for the orders of a span of days."""
        for name, party in self._parties.items():
            items = tuple(s for s in party.settled if first <= s.period <= last)
            if items:
                header = self._header(month_end, name, to_operator=False)
                message = FlexSettlement(**header, period_start=first, period_end=last, settlements=items)
                self._send(message, name, to_agr=True)

    # --- delivery ----------------------------------------------------------------------------------------------------

    def _header(
        self, now: datetime, operator: str, *, to_operator: bool, conversation: str | None = None
    ) -> dict[str, Any]:
        ours, theirs = self.agr_domain, self.operator_domains[operator]
        identifier = new_id(self.rng)
        return {
            "message_id": identifier,
            "conversation_id": conversation or identifier,
            "sender_domain": ours if to_operator else theirs,
            "recipient_domain": theirs if to_operator else ours,
            "time_stamp": now,
        }

    def _send(self, message: Message, operator: str, *, to_agr: bool) -> datetime:
        """Deliver a message, keep it with its answer, and say when the next may follow."""
        party = self._parties[operator]
        receiver, sender = (party.agr, party.mailbox) if to_agr else (party.mailbox, party.agr)
        arrived = message.time_stamp + _STEP
        answer = receiver.receive(message, arrived)
        if answer.is_accepted:
            sender.sent(message)
        self.messages += [message, answer]
        return arrived + _STEP


def correspondence(
    requests: Sequence[Request],
    orders: Sequence[Order],
    *,
    agr_domain: str,
    operator_domains: Mapping[str, str],
    months: Sequence[tuple[date, date]],
    seed: int,
    penalty_eur_per_mw: float = 0.0,
) -> list[Message]:
    """All messages of a run with their answers, in the order of sending.

    Parameters
    ----------
    requests : sequence of Request
        What operators asked; the first round of a point and day has all its ISPs.
    orders : sequence of Order
        What was offered and ordered; refused orders are left out by the caller.
    agr_domain : str
        Internet domain of the congestion service provider, who is UFTP's AGR.
    operator_domains : mapping
        Internet domain of each grid operator named in the rows; each is UFTP's DSO.
    months : sequence of (date, date)
        First and last day of every settlement.
    seed : int
        The same seed gives the same identifiers.
    penalty_eur_per_mw : float
        Fine per MW and ISP not delivered.

    Returns
    -------
    list of Message
        Messages and responses; nothing is left out that the receiver rejects.
    """
    wire = Correspondence(agr_domain, operator_domains, np.random.default_rng(seed), penalty_eur_per_mw)
    events: list[tuple[tuple[Any, ...], Any]] = []
    for what, rows in ((0, requests), (1, orders)):
        ranked = sorted(rows, key=_where)
        events += [((key[0], what, *key[1:]), list(group)) for key, group in groupby(ranked, key=_where)]
    for key, group in sorted(events, key=lambda event: event[0]):
        (wire.answer if key[1] else wire.ask)(group)
    for first, last in months:
        wire.settle(isp_start(last + timedelta(days=1), 1) + timedelta(hours=10), first, last)
    # point by point in a round, so that time stamps of a round overlap: a stable sort keeps answers behind messages
    return sorted(wire.messages, key=lambda m: m.time_stamp)


def rejected(messages: Sequence[Message]) -> list[Response]:
    """Answers that reject."""
    return [m for m in messages if isinstance(m, Response) and not m.is_accepted]


def _where(row: Request | Order) -> tuple[datetime, str, str, str, date]:
    return row.sent, row.operator, row.kind, row.congestion_point, row.day


def _about(key: tuple[str, str, date]) -> dict[str, Any]:
    return {"congestion_point": key[1], "period": key[2]}


def _watts(power_mw: float) -> int:
    return round(power_mw * 1e6)


def _side(power_w: int) -> int:
    """A sell is paid by the operator, a buy pays the operator."""
    return 1 if power_w < 0 else -1


def _factor(order: Order) -> Decimal | None:
    """Part of an offer that was ordered, in hundredths; None where nothing was."""
    share = order.ordered_mw / order.offered_mw
    if share <= 1e-9:
        return None
    return Decimal(min(max(math.floor(100.0 * share + 0.5), 1), 100)) / 100
