"""UFTP: ISP counts, message checks, activation factor, settlement."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    activated,
    isp_count,
    isp_faults,
    isp_start,
    isps_of,
    new_id,
    order_settlement,
    power_of,
    scaled_isps,
    settle_flex,
)

DAY = date(2025, 6, 1)
NOW = datetime(2025, 5, 31, 8, 0, tzinfo=UTC)
POINT = "ean.871685900012345678"
AGR, DSO = "agr.example.nl", "dso.example.nl"
RNG = np.random.default_rng(0)


def header(sender, recipient):
    identifier = new_id(RNG)
    return {
        "message_id": identifier,
        "conversation_id": identifier,
        "sender_domain": sender,
        "recipient_domain": recipient,
        "time_stamp": NOW,
    }


def about_day(sender, recipient):
    return {**header(sender, recipient), "period": DAY, "congestion_point": POINT}


def request(**changes):
    isps = (RequestIsp("Requested", -2_000_000, 0, 69, 8), RequestIsp("Available", 0, 500_000, 1, 24))
    made = FlexRequest(**about_day(DSO, AGR), revision=1, expiration=NOW + timedelta(hours=4), isps=isps)
    return replace(made, **changes)


def offer(request_id, **changes):
    options = (
        OfferOption("a", Decimal("120.00"), (IspPower(-1_000_000, 69, 4), IspPower(-500_000, 73, 4)), Decimal("0.50")),
        OfferOption("b", Decimal("80.00"), (IspPower(-600_000, 69, 8),)),
    )
    made = FlexOffer(
        **about_day(AGR, DSO), expiration=NOW + timedelta(hours=6), options=options, flex_request_id=request_id
    )
    return replace(made, **changes)


def order(an_offer, option=0, **changes):
    chosen = an_offer.options[option]
    made = FlexOrder(
        **about_day(DSO, AGR),
        price_eur=chosen.price_eur,
        order_reference="order-1",
        isps=chosen.isps,
        flex_offer_id=an_offer.message_id,
        option_reference=chosen.reference,
    )
    return replace(made, **changes)


def prognosis(**changes):
    made = DPrognosis(**about_day(AGR, DSO), revision=1, isps=isps_of(np.full(96, 3_000_000)))
    return replace(made, **changes)


@pytest.fixture
def agr():
    return Mailbox(Terms(AGR, {DSO}, {POINT}), np.random.default_rng(1))


@pytest.fixture
def dso():
    return Mailbox(Terms(DSO, {AGR}, {POINT}, max_power_w=5e6), np.random.default_rng(2))


@pytest.mark.case("C23")
def test_isp_counts_on_clock_change_days():
    assert [isp_count(d) for d in (date(2025, 3, 30), date(2025, 10, 26), DAY)] == [92, 100, 96]
    assert isp_count(DAY, isp_duration_min=60) == 24
    assert isp_start(date(2025, 3, 30), 93) == isp_start(date(2025, 3, 31), 1)
    assert isp_start(DAY, 1) == datetime(2025, 5, 31, 22, 0, tzinfo=UTC)


@pytest.mark.case("C23")
def test_overlapping_isps_conflict():
    assert isp_faults((IspPower(0, 1, 4), IspPower(0, 2, 1)), 96) == ["ISP conflict"]
    assert isp_faults((IspPower(0, 5, 2), IspPower(0, 1, 4)), 96) == []
    for wrong in ((), (IspPower(0, 0),), (IspPower(0, 96, 2),), (IspPower(0, 3, 0),)):
        assert isp_faults(wrong, 96) == ["ISPs out of bounds"]
    assert isp_faults((IspPower(0, 93, 1),), 92) == ["ISPs out of bounds"]


@pytest.mark.case("C23")
def test_a_request_needs_a_requested_isp(agr):
    answer = agr.receive(request(isps=(RequestIsp("Available", 0, 10, 1, 96),)), NOW)
    assert not answer.is_accepted
    assert answer.rejection_reason == "Lacking Requested Disposition"


@pytest.mark.case("C23")
def test_same_identifier_again(agr):
    first = request()
    assert agr.receive(first, NOW).is_accepted
    again = agr.receive(first, NOW)
    assert (again.is_accepted, again.rejection_reason) == (True, "Already Submitted")
    other = agr.receive(replace(first, revision=2), NOW)
    assert (other.is_accepted, other.rejection_reason) == (False, "Duplicate Identifier")


@pytest.mark.case("C23")
def test_an_order_after_the_offer_expired(agr):
    made = offer(None, is_unsolicited=True)
    agr.sent(made)
    late = agr.receive(order(made), NOW + timedelta(hours=7))
    assert late.rejection_reason == "Reference message expired"
    assert agr.receive(order(made), NOW + timedelta(hours=5)).is_accepted


def test_the_whole_exchange_of_a_day(agr, dso):
    plan = prognosis()
    assert dso.receive(plan, NOW).is_accepted
    agr.sent(plan)
    wish = request()
    assert agr.receive(wish, NOW).is_accepted
    dso.sent(wish)
    made = offer(wish.message_id)
    assert dso.receive(made, NOW).is_accepted
    agr.sent(made)
    bought = order(made, activation_factor=Decimal("0.50"))
    assert agr.receive(bought, NOW).is_accepted
    dso.sent(bought)
    assert agr.receive(order(made, option=1), NOW).rejection_reason == "Flexibility procured"
    revoked = FlexOfferRevocation(**header(AGR, DSO), flex_offer_id=made.message_id)
    assert dso.receive(revoked, NOW).rejection_reason == "Flexibility procured"
    item = order_settlement(
        "order-1",
        DAY,
        POINT,
        baseline_w=power_of(plan.isps, 96),
        ordered_w=power_of(scaled_isps(bought.isps, bought.activation_factor), 96),
        actual_w=np.full(96, 2_500_000),
        price_eur=Decimal("60.00"),
        penalty_eur_per_mw=100.0,
    )
    bill = FlexSettlement(**header(DSO, AGR), period_start=DAY, period_end=DAY, settlements=())
    later = NOW + timedelta(days=3)
    assert agr.receive(bill, later).rejection_reason == "Missing Settlement Items"
    assert agr.receive(replace(bill, message_id=new_id(RNG), settlements=(item,)), later).is_accepted
    assert agr.receive(replace(bill, message_id=new_id(RNG)), later).is_accepted
    assert (item.price_eur, item.penalty_eur) == (Decimal("60.0000"), Decimal("0.0000"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sender_domain": "who.example.nl"}, "Unknown SenderDomain"),
        ({"recipient_domain": "who.example.nl"}, "Unknown RecipientDomain"),
        ({"isp_duration_min": 30}, "ISP duration rejected"),
        ({"time_zone": "Europe/London"}, "TimeZone rejected"),
        ({"congestion_point": "ean.000000000000000000"}, "Invalid CongestionPoint"),
        ({"period": DAY - timedelta(days=9)}, "Period out of bounds"),
        ({"expiration": NOW}, "ExpirationDateTime out of bounds"),
        ({"expiration": NOW + timedelta(days=4)}, "ExpirationDateTime out of bounds"),
        ({"isps": (RequestIsp("Requested", -5, 5, 1),)}, "Requested Power discrepancy"),
        ({"isps": (RequestIsp("Requested", -1, -5, 1),)}, "Power discrepancy"),
        ({"isps": (RequestIsp("Wanted", -5, -1, 1), RequestIsp("Requested", -5, -1, 2))}, "Invalid Message"),
        ({"isps": ()}, "ISPs out of bounds"),
    ],
)
def test_requests_that_are_refused(agr, changes, reason):
    answer = agr.receive(request(**changes), NOW)
    assert not answer.is_accepted
    assert reason in answer.rejection_reason


def test_barred_sender():
    mailbox = Mailbox(Terms(AGR, {DSO}, barred={DSO}), np.random.default_rng(0))
    assert mailbox.receive(request(), NOW).rejection_reason == "Barred Sender"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flex_request_id": "unknown"}, "Unknown FlexRequestMessageID"),
        ({"flex_request_id": None}, "Unknown FlexRequestMessageID"),
        ({"period": DAY + timedelta(days=1)}, "Reference Period mismatch"),
        ({"options": (OfferOption("a", Decimal(1), (IspPower(1, 1),)),)}, "Request mismatch"),
        ({"options": (OfferOption("a", Decimal(1), (IspPower(-9_000_000, 69),)),)}, "Power value rejection"),
        ({"options": (OfferOption("a", Decimal(1), (IspPower(-1, 69),)),) * 2}, "references are not unique"),
        ({"options": (OfferOption("a", Decimal(1), (IspPower(-1, 69),), Decimal(0)),)}, "MinActivationFactor"),
        ({"options": (OfferOption("a", Decimal("NaN"), (IspPower(-1, 69),)),)}, "price is not a number"),
        ({"options": ()}, "ISPs out of bounds"),
    ],
)
def test_offers_that_are_refused(dso, changes, reason):
    wish = request()
    dso.sent(wish)
    answer = dso.receive(offer(wish.message_id, **changes), NOW)
    assert reason in answer.rejection_reason


def test_offers_on_an_expired_request_or_with_options_not_supported():
    terms = Terms(DSO, {AGR}, has_exclusive_options=False)
    mailbox = Mailbox(terms, np.random.default_rng(0))
    wish = request()
    mailbox.sent(wish)
    reasons = mailbox.receive(offer(wish.message_id), NOW + timedelta(hours=5)).rejection_reason
    assert reasons == "No MutEx offer support; Reference message expired"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flex_offer_id": "unknown"}, "Unknown FlexOfferMessageID"),
        ({"flex_offer_id": None}, "Unknown FlexOfferMessageID"),
        ({"period": DAY + timedelta(days=1)}, "Reference Period mismatch"),
        ({"option_reference": "c"}, "Unknown OptionReference"),
        ({"option_reference": None}, "Unknown OptionReference"),
        ({"isps": (IspPower(-1_000_000, 69, 4),)}, "ISP mismatch"),
        ({"isps": (IspPower(-999_999, 69, 4), IspPower(-500_000, 73, 4))}, "Power mismatch"),
        ({"price_eur": Decimal("100.00")}, "Price mismatch"),
        ({"activation_factor": Decimal("0.40")}, "below the offer's MinActivationFactor"),
        ({"activation_factor": Decimal("1.20")}, "outside 0.01 to 1.00"),
    ],
)
def test_orders_that_are_refused(agr, changes, reason):
    made = offer(None, is_unsolicited=True)
    agr.sent(made)
    assert reason in agr.receive(order(made, **changes), NOW).rejection_reason


def test_a_revoked_offer_cannot_be_ordered(agr, dso):
    made = offer(None, is_unsolicited=True)
    dso.receive(made, NOW)
    agr.sent(made)
    revocation = FlexOfferRevocation(**header(AGR, DSO), flex_offer_id=made.message_id)
    assert dso.receive(revocation, NOW).is_accepted
    agr.sent(revocation)
    assert agr.receive(order(made), NOW).rejection_reason == "Reference message revoked"
    unknown = FlexOfferRevocation(**header(AGR, DSO), flex_offer_id=new_id(RNG))
    assert dso.receive(unknown, NOW).rejection_reason == "Unknown FlexOfferMessageID"


def test_an_order_on_a_contract_needs_no_offer(agr):
    bought = order(offer(None), flex_offer_id=None, option_reference=None, contract_id="cbc-7")
    assert agr.receive(bought, NOW).is_accepted


def test_prognosis_must_cover_the_day_with_rising_revisions(dso):
    assert dso.receive(prognosis(isps=isps_of(np.zeros(92))), NOW).rejection_reason == "Lacking ISPs"
    assert dso.receive(prognosis(revision=2), NOW).is_accepted
    assert dso.receive(prognosis(revision=2), NOW).rejection_reason == "Subordinate sequence number"
    assert dso.receive(prognosis(revision=3), NOW).is_accepted
    too_much = prognosis(revision=4, isps=isps_of(np.full(96, 3e7)))
    assert dso.receive(too_much, NOW).rejection_reason == "Power value rejection"


@pytest.mark.case("C22")
def test_activation_factor_scales_powers_and_price(agr):
    made = offer(None, is_unsolicited=True)
    agr.sent(made)
    option = made.options[0]
    power, price = activated(power_of(option.isps, 96), option.price_eur, Decimal("0.80"))
    assert power[68] == pytest.approx(-800_000)
    assert power[72] == pytest.approx(-400_000)
    assert price == Decimal("96.0000")
    # Written either as a copy or as scaled values, never mixed.
    scaled = scaled_isps(option.isps, Decimal("0.80"))
    mixed = order(made, activation_factor=Decimal("0.80"), isps=scaled)
    assert agr.receive(mixed, NOW).rejection_reason == "Price mismatch"
    assert agr.receive(replace(mixed, message_id=new_id(RNG), price_eur=price), NOW).is_accepted


@pytest.mark.case("C21")
def test_settlement_table_of_the_specification():
    allocation = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    outcome = settle_flex(10.0, -2.0, allocation, 7.0, 11.0)
    assert outcome.delivered_mw.tolist() == [2, 2, 1, 0, 0]
    assert outcome.paid_eur.tolist() == [14, 14, 7, 0, 0]
    assert outcome.deficiency_mw.tolist() == [0, 0, 1, 2, 3]
    assert outcome.penalty_eur.tolist() == [0, 0, -11, -22, -33]
    assert outcome.settlement_eur.tolist() == [14, 14, -4, -22, -33]


def test_settlement_mirrors_for_more_consumption():
    allocation = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    down = settle_flex(10.0, -2.0, allocation, 7.0, 11.0)
    up = settle_flex(10.0, 2.0, 20.0 - allocation, 7.0, 11.0)
    assert up.settlement_eur == pytest.approx(down.settlement_eur)


def test_settlement_message_of_an_order_by_hand():
    baseline, ordered, actual = np.zeros(96), np.zeros(96), np.zeros(96)
    baseline[60:64], ordered[60:62], actual[60:64] = 10e6, -2e6, 9e6
    item = order_settlement(
        "r", DAY, POINT, baseline_w=baseline, ordered_w=ordered, actual_w=actual, price_eur=Decimal("28.00"),
        penalty_eur_per_mw=11.0,
    )  # fmt: skip
    assert (item.price_eur, item.penalty_eur) == (Decimal("14.0000"), Decimal("22.0000"))
    assert [(i.start, i.delivered_w, i.deficiency_w) for i in item.isps] == [
        (61, -1_000_000, 1_000_000),
        (62, -1_000_000, 1_000_000),
    ]


@given(
    st.floats(-20, 20), st.floats(-5, 5), st.floats(-30, 30), st.floats(0, 500), st.floats(0, 500)
)  # fmt: skip
def test_an_operator_pays_at_most_the_order_and_never_for_the_wrong_way(baseline, ordered, actual, fee, fine):
    outcome = settle_flex(baseline, ordered, actual, fee, fine)
    assert 0.0 <= float(outcome.delivered_mw) <= abs(ordered) + 1e-12
    assert float(outcome.settlement_eur) <= fee * abs(ordered) + 1e-9
    if np.sign(actual - baseline) * np.sign(ordered) <= 0:
        assert float(outcome.paid_eur) == 0.0
    if ordered:
        missing = float(outcome.deficiency_mw) + min(abs(ordered), (actual - baseline) * math.copysign(1, ordered))
        assert missing == pytest.approx(abs(ordered), abs=1e-9)


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=100))
def test_isp_lists_keep_the_power(power):
    isps = isps_of(np.array(power))
    assert power_of(isps, len(power)).tolist() == power
    assert isp_faults(isps, len(power)) == []
    assert all(a.power_w != b.power_w for a, b in pairwise(isps))


def test_identifiers_are_uuids_of_the_seed():
    first, second = new_id(np.random.default_rng(7)), new_id(np.random.default_rng(7))
    assert first == second
    assert first[14] == "4"
    assert len(first) == 36
