"""UFTP messages as XML against the schemas; skips without the extra or the schemas."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.uftp import (
    DPrognosis,
    FlexOffer,
    FlexOfferRevocation,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    IspPower,
    Mailbox,
    OfferOption,
    RequestIsp,
    Terms,
    isps_of,
    new_id,
    order_settlement,
)
from markets.uftp.xml import to_xml

SCHEMAS = Path(__file__).resolve().parents[2] / "shared" / "data" / "uftp"
DAY = date(2025, 10, 26)
NOW = datetime(2025, 10, 25, 8, 0, 0, 123456, tzinfo=UTC)
RNG = np.random.default_rng(0)
AGR, DSO = "agr.example.nl", "dso.example.nl"


@pytest.fixture(scope="module")
def schema():
    pytest.importorskip("shapeshifter_uftp", reason="needs the extra flexpolder[uftp]: shapeshifter-uftp")
    xmlschema = pytest.importorskip("xmlschema", reason="needs the extra flexpolder[uftp]: xmlschema")
    if not SCHEMAS.is_dir():
        pytest.skip(f"needs the UFTP schemas in {SCHEMAS}")
    return xmlschema.XMLSchema(SCHEMAS / "UFTP-agr.xsd")


def header(sender, recipient):
    identifier = new_id(RNG)
    return {
        "message_id": identifier,
        "conversation_id": identifier,
        "sender_domain": sender,
        "recipient_domain": recipient,
        "time_stamp": NOW,
    }


def messages():
    about: dict[str, Any] = {"period": DAY, "congestion_point": "ean.871685900012345678"}
    prognosis = DPrognosis(
        **header(AGR, DSO), **about, revision=1, isps=isps_of(np.random.default_rng(1).normal(1e6, 1e5, 100))
    )
    request = FlexRequest(
        **header(DSO, AGR),
        **about,
        revision=1,
        expiration=NOW + timedelta(hours=2),
        isps=(RequestIsp("Requested", -2_000_000, 0, 69, 8), RequestIsp("Available", 0, 10, 1, 4)),
        contract_id="c-1",
        service_type="day-ahead",
    )
    option = OfferOption("a", Decimal("120.123456"), (IspPower(-1_000_000, 69, 8),), Decimal("0.5"))
    offer = FlexOffer(
        **header(AGR, DSO),
        **about,
        expiration=NOW + timedelta(hours=3),
        options=(option, option._replace(reference="b")),
        flex_request_id=request.message_id,
        d_prognosis_id=prognosis.message_id,
    )
    revocation = FlexOfferRevocation(**header(AGR, DSO), flex_offer_id=offer.message_id)
    order = FlexOrder(
        **header(DSO, AGR),
        **about,
        price_eur=Decimal("60.0617283"),
        order_reference="o-1",
        isps=option.isps,
        flex_offer_id=offer.message_id,
        option_reference="a",
        activation_factor=Decimal("0.5"),
    )
    ordered = np.zeros(100, dtype=np.int64)
    ordered[68:76] = -500_000
    item = order_settlement(
        "o-1",
        DAY,
        about["congestion_point"],
        baseline_w=np.full(100, 1_000_000),
        ordered_w=ordered,
        actual_w=np.full(100, 700_000),
        price_eur=Decimal("60.0617"),
        penalty_eur_per_mw=11.0,
    )
    settlement = FlexSettlement(
        **header(DSO, AGR),
        period_start=DAY,
        period_end=DAY,
        settlements=(item, item._replace(order_reference="o-2", contract_id="c-1")),
    )
    unsolicited = replace(offer, is_unsolicited=True, flex_request_id=None, message_id=new_id(RNG))
    return [prognosis, request, offer, revocation, order, settlement, unsolicited]


@pytest.mark.shared
def test_every_message_is_valid_against_the_schema(schema):
    for message in messages():
        document = to_xml(message)
        faults = [e.reason for e in schema.iter_errors(document)]
        assert not faults, f"{type(message).__name__}: {faults}"


@pytest.mark.shared
def test_every_answer_is_valid_against_the_schema(schema):
    terms = {AGR: Terms(AGR, {DSO}), DSO: Terms(DSO, {AGR})}
    for message in messages():
        for known in (terms[message.recipient_domain], Terms(message.recipient_domain, {"other.example.nl"})):
            answer = Mailbox(known, np.random.default_rng(3)).receive(message, NOW)
            faults = [e.reason for e in schema.iter_errors(to_xml(answer))]
            assert not faults, f"answer to {type(message).__name__}: {faults}"


@pytest.mark.shared
def test_the_schema_refuses_a_broken_document(schema):
    document = to_xml(messages()[4])
    assert not schema.is_valid(document.replace('Price="60.0617"', 'Price="60.061728"'))
    assert not schema.is_valid(document.replace('ActivationFactor="0.50"', 'ActivationFactor="1.50"'))


@pytest.mark.shared
def test_what_is_written_is_read_back_by_the_package(schema):
    transport = pytest.importorskip("shapeshifter_uftp.transport")
    order = messages()[4]
    read = transport.from_xml(to_xml(order))
    assert read.flex_offer_message_id == order.flex_offer_id
    assert [(i.power, i.start, i.duration) for i in read.isps] == [(-1_000_000, 69, 8)]


def test_without_the_extra_the_error_names_it(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("markets.uftp.xml.import_module", absent)
    with pytest.raises(ModuleNotFoundError, match=r"flexpolder\[uftp\]"):
        to_xml(messages()[0])
