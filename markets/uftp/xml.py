"""Writes messages as UFTP XML through the optional package ``shapeshifter-uftp`` (extra ``flexpolder[uftp]``).

The package's dataclasses accept some messages that the schema refuses: prices with more than four decimals, times
without a zone, a settlement without contract part. What is written here passes the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import Any

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
    OrderSettlement,
    Response,
)

_VERSION = "3.1.0"
_RESPONSES = {
    "D-Prognosis": ("DPrognosisResponse", "d_prognosis_message_id"),
    "FlexRequest": ("FlexRequestResponse", "flex_request_message_id"),
    "FlexOffer": ("FlexOfferResponse", "flex_offer_message_id"),
    "FlexOfferRevocation": ("FlexOfferRevocationResponse", "flex_offer_revocation_message_id"),
    "FlexOrder": ("FlexOrderResponse", "flex_order_message_id"),
    "FlexSettlement": ("FlexSettlementResponse", "flex_settlement_message_id"),
}


def is_available() -> bool:
    """Whether the extra is installed."""
    return find_spec("shapeshifter_uftp") is not None


def to_xml(message: Message) -> str:
    """The XML document of a message.

    Parameters
    ----------
    message : Message
        Any message of :data:`markets.uftp.MESSAGES` or a response.

    Returns
    -------
    str
        UFTP 3.1 XML.

    Raises
    ------
    ModuleNotFoundError
        Without the extra, naming it.
    """
    try:
        uftp = import_module("shapeshifter_uftp.uftp")
        transport = import_module("shapeshifter_uftp.transport")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("writing UFTP XML needs the extra: pip install 'flexpolder[uftp]'") from error
    document: str = transport.to_xml(_WRITERS[type(message)](uftp, message))
    return document


def _money(value: Decimal) -> Decimal:
    """At most four decimals, as the schema allows."""
    return value.quantize(Decimal("0.0001"))


def _instant(value: datetime) -> str:
    """An instant with its zone, in whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml_date(value: date) -> Any:
    return import_module("xsdata.models.datatype").XmlDate(value.year, value.month, value.day)


def _metadata(message: Message) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "sender_domain": message.sender_domain,
        "recipient_domain": message.recipient_domain,
        "time_stamp": _instant(message.time_stamp),
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
    }


def _flex_metadata(message: FlexMessage) -> dict[str, Any]:
    duration = import_module("xsdata.models.datatype").XmlDuration(f"PT{message.isp_duration_min}M")
    return {
        **_metadata(message),
        "isp_duration": duration,
        "time_zone": message.time_zone,
        "period": _xml_date(message.period),
        "congestion_point": message.congestion_point,
    }


def _isps(kind: Callable[..., Any], isps: tuple[IspPower, ...]) -> list[Any]:
    return [kind(power=i.power_w, start=i.start, duration=i.duration) for i in isps]


def _prognosis(uftp: Any, m: DPrognosis) -> Any:
    return uftp.DPrognosis(**_flex_metadata(m), revision=m.revision, isps=_isps(uftp.DPrognosisISP, m.isps))


def _request(uftp: Any, m: FlexRequest) -> Any:
    isps = [
        uftp.FlexRequestISP(
            disposition=uftp.AvailableRequested(i.disposition),
            min_power=i.min_power_w,
            max_power=i.max_power_w,
            start=i.start,
            duration=i.duration,
        )
        for i in m.isps
    ]
    return uftp.FlexRequest(
        **_flex_metadata(m),
        revision=m.revision,
        expiration_date_time=_instant(m.expiration),
        contract_id=m.contract_id,
        service_type=m.service_type,
        isps=isps,
    )


def _offer(uftp: Any, m: FlexOffer) -> Any:
    options = [
        uftp.FlexOfferOption(
            option_reference=o.reference,
            price=_money(o.price_eur),
            min_activation_factor=o.min_activation_factor.quantize(Decimal("0.01")),
            isps=_isps(uftp.FlexOfferOptionISP, o.isps),
        )
        for o in m.options
    ]
    return uftp.FlexOffer(
        **_flex_metadata(m),
        expiration_date_time=_instant(m.expiration),
        unsolicited=True if m.is_unsolicited else None,
        flex_request_message_id=m.flex_request_id,
        contract_id=m.contract_id,
        d_prognosis_message_id=m.d_prognosis_id,
        baseline_reference=m.baseline_reference,
        currency=m.currency,
        offer_options=options,
    )


def _revocation(uftp: Any, m: FlexOfferRevocation) -> Any:
    return uftp.FlexOfferRevocation(**_metadata(m), flex_offer_message_id=m.flex_offer_id)


def _order(uftp: Any, m: FlexOrder) -> Any:
    return uftp.FlexOrder(
        **_flex_metadata(m),
        unsolicited=True if m.is_unsolicited else None,
        flex_offer_message_id=m.flex_offer_id,
        contract_id=m.contract_id,
        d_prognosis_message_id=m.d_prognosis_id,
        baseline_reference=m.baseline_reference,
        price=_money(m.price_eur),
        currency=m.currency,
        order_reference=m.order_reference,
        option_reference=m.option_reference,
        activation_factor=m.activation_factor.quantize(Decimal("0.01")),
        isps=_isps(uftp.FlexOrderISP, m.isps),
    )


def _order_settlement(uftp: Any, s: OrderSettlement) -> Any:
    isps = [
        uftp.FlexOrderSettlementISP(
            start=i.start,
            duration=i.duration,
            baseline_power=i.baseline_w,
            ordered_flex_power=i.ordered_w,
            actual_power=i.actual_w,
            delivered_flex_power=i.delivered_w,
            power_deficiency=i.deficiency_w,
        )
        for i in s.isps
    ]
    return uftp.FlexOrderSettlement(
        order_reference=s.order_reference,
        period=_xml_date(s.period),
        contract_id=s.contract_id,
        congestion_point=s.congestion_point,
        price=_money(s.price_eur),
        penalty=_money(s.penalty_eur),
        net_settlement=_money(s.price_eur - s.penalty_eur),
        isps=isps,
    )


def _contract_settlements(uftp: Any, m: FlexSettlement) -> list[Any]:
    """The schema asks for at least one: per contract, or for "no contract", the ordered power with no reservation."""
    settled = []
    for contract in sorted({s.contract_id or "" for s in m.settlements}):
        periods = []
        for item in (s for s in m.settlements if (s.contract_id or "") == contract):
            isps = [
                uftp.ContractSettlementISP(
                    start=i.start, duration=i.duration, reserved_power=0, ordered_power=i.ordered_w
                )
                for i in item.isps
            ]
            periods.append(uftp.ContractSettlementPeriod(period=_xml_date(item.period), isps=isps))
        settled.append(uftp.ContractSettlement(contract_id=contract or None, periods=periods))
    return settled


def _settlement(uftp: Any, m: FlexSettlement) -> Any:
    return uftp.FlexSettlement(
        **_metadata(m),
        period_start=_xml_date(m.period_start),
        period_end=_xml_date(m.period_end),
        currency=m.currency,
        flex_order_settlements=[_order_settlement(uftp, s) for s in m.settlements],
        contract_settlements=_contract_settlements(uftp, m),
    )


def _response(uftp: Any, m: Response) -> Any:
    kind, reference = _RESPONSES[m.answers]
    result = uftp.AcceptedRejected.ACCEPTED if m.is_accepted else uftp.AcceptedRejected.REJECTED
    content = {reference: m.reference_id, "result": result, "rejection_reason": m.rejection_reason}
    if m.answers == "FlexSettlement":
        word = uftp.AcceptedDisputed.ACCEPTED if m.is_accepted else uftp.AcceptedDisputed.DISPUTED
        status = uftp.FlexOrderSettlementStatus(disposition=word, dispute_reason=m.rejection_reason)
        content["flex_order_settlement_statuses"] = [status]
    return getattr(uftp, kind)(**_metadata(m), **content)


_WRITERS: dict[type[Message], Callable[[Any, Any], Any]] = {
    DPrognosis: _prognosis,
    FlexRequest: _request,
    FlexOffer: _offer,
    FlexOfferRevocation: _revocation,
    FlexOrder: _order,
    FlexSettlement: _settlement,
    Response: _response,
}
