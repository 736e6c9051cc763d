"""FCR and aFRR capacity auctions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.balancing import CapacityBids, CapacityRules, afrr_capacity_auction, fcr_auction

ONE = CapacityRules(n_blocks=1)


def fcr(rows, demand, **options):
    """Bids as (quantity, price[, indivisible[, time[, domestic]]]) in one block."""
    rows = [(*r, *(False, i, True)[len(r) - 2 :]) for i, r in enumerate(rows)]
    quantity, price, whole, time, home = zip(*rows, strict=True)
    bids = CapacityBids(
        owner=np.arange(len(rows)),
        block=0,
        quantity_mw=quantity,
        price_eur_per_mw=price,
        is_indivisible=whole,
        time_stamp=time,
        is_domestic=home,
    )
    return fcr_auction(bids, demand, ONE, **options)


def test_lowest_price_first_and_marginal_payment():
    award = fcr([(60, 10), (50, 12), (40, 15), (20, 30)], 123)
    assert award.awarded_mw.tolist() == [60, 50, 13, 0]
    assert award.price_eur_per_mw[0, 0] == 15 and award.payment_eur.tolist() == [900, 750, 195, 0]
    assert award.shortfall_mw[0, 0] == 0


def test_equal_prices_go_to_the_oldest_bid():
    assert fcr([(10, 5, False, 9), (10, 5, False, 1), (10, 5, False, 4)], 15).awarded_mw.tolist() == [0, 10, 5]
    assert fcr([(10, 5, True, 9), (10, 5, True, 1)], 10).awarded_mw.tolist() == [0, 10]
    assert fcr([(10, 5, False, 3), (10, 5, True, 1)], 10).awarded_mw.tolist() == [0, 10]


def test_an_indivisible_bid_may_be_rejected_below_the_marginal_price():
    award = fcr([(10, 5), (25, 6, True), (10, 20)], 20)
    assert award.awarded_mw.tolist() == [10, 0, 10] and award.price_eur_per_mw[0, 0] == 20


def test_a_cheap_divisible_bid_is_cut_when_that_saves_money():
    # 20 @ 10 and 13 @ 100 cost 1500; 8 @ 10 and 25 @ 11 cost 355
    assert fcr([(20, 10), (25, 11, True), (13, 100)], 33).awarded_mw.tolist() == [8, 25, 0]


@pytest.mark.case("C32")
def test_dutch_price_is_the_higher_of_common_and_own():
    # the core share of 30 MW forces dear Dutch bids in
    forced = fcr([(100, 50), (500, 8, False, 1, False)], 100, total_demand_mw=400)
    assert forced.awarded_mw.tolist() == [30, 370]
    assert forced.cross_border_price_eur_per_mw[0, 0] == 8 and forced.price_eur_per_mw[0, 0] == 50
    assert forced.payment_eur.tolist() == [1500, 2960]
    # cheap Dutch bids are paid the common price
    cheap = fcr([(100, 5), (500, 8, False, 1, False)], 100, total_demand_mw=400)
    assert cheap.awarded_mw.tolist() == [100, 300]
    assert cheap.price_eur_per_mw[0, 0] == cheap.cross_border_price_eur_per_mw[0, 0] == 8


def test_export_is_limited_to_the_larger_of_share_and_power():
    award = fcr([(500, 5), (500, 8, False, 1, False)], 100, total_demand_mw=600)
    assert award.awarded_mw.tolist() == [200, 400]


def test_core_share_is_rounded_as_published():
    award = fcr([(200, 50), (2000, 8, False, 1, False)], 123, total_demand_mw=1400)
    assert award.awarded_mw[0] == 37


def test_shortfalls_are_reported():
    award = fcr([(10, 50), (20, 8, False, 1, False)], 100, total_demand_mw=100)
    assert award.shortfall_mw[0, 0] == 70 and award.domestic_shortfall_mw[0, 0] == 20
    nobody = fcr_auction(CapacityBids([], [], [], []), 100)
    assert (nobody.shortfall_mw == 100).all() and np.isnan(nobody.price_eur_per_mw).all()


@pytest.mark.parametrize(
    "fields, rule",
    [
        ({"quantity_mw": [0.5]}, "below_minimum"),
        ({"quantity_mw": [1.5]}, "off_volume_step"),
        ({"quantity_mw": [-3.0]}, "below_minimum"),
        ({"quantity_mw": [10_000.0]}, "above_maximum"),
        ({"quantity_mw": [2.0**63]}, "above_maximum"),
        ({"quantity_mw": [26.0], "is_indivisible": True}, "indivisible_too_large"),
        ({"quantity_mw": [math.nan]}, "not_a_number"),
        ({"price_eur_per_mw": [-1.0]}, "price_outside_limits"),
        ({"price_eur_per_mw": [10.005]}, "price_off_tick"),
        ({"block": [6]}, "unknown_block"),
        ({"direction": 1}, "wrong_direction"),
    ],
)
def test_broken_rules_are_named(fields, rule):
    row = {"owner": [1], "block": [0], "quantity_mw": [5.0], "price_eur_per_mw": [10.0]} | fields
    award = fcr_auction(CapacityBids(**row), 100)
    assert [tuple(r) for r in award.rejections] == [(0, rule)] and award.awarded_mw.tolist() == [0]


def test_indivisible_bids_up_to_25_mw_and_prequalification():
    assert fcr([(25, 10, True)], 100).rejections == ()
    bids = CapacityBids(owner=[1, 1, 2], block=0, quantity_mw=[5, 5, 5], price_eur_per_mw=10.0, time_stamp=[2, 1, 3])
    award = fcr_auction(bids, 100, ONE, prequalified_mw={1: 5.0, 2: 5.0})
    assert [tuple(r) for r in award.rejections] == [(0, "beyond_prequalification")]


def test_small_bids_by_lever():
    bids = CapacityBids(owner=[1, 2], block=0, quantity_mw=[0.3, 5.0], price_eur_per_mw=[1.0, 2.0])
    award = fcr_auction(bids, 1.0, CapacityRules(min_bid_mw=0.1, n_blocks=1), core_share=0.0)
    assert award.awarded_mw == pytest.approx([0.3, 0.7])


def test_afrr_directions_and_blocks_are_separate_products():
    bids = CapacityBids(
        owner=np.arange(5),
        block=[0, 0, 0, 3, 0],
        quantity_mw=[100, 100, 50, 80, 10],
        price_eur_per_mw=[40, 60, 20, 30, 10],
        direction=[1, 1, -1, 1, 0],
    )
    award = afrr_capacity_auction(bids, demand_up_mw=150, demand_down_mw=60)
    assert award.awarded_mw.tolist() == [100, 50, 50, 80, 0]
    assert award.price_eur_per_mw[:, 0].tolist() == [60, 20] and award.price_eur_per_mw[0, 3] == 30
    assert award.shortfall_mw[1].tolist() == [10, 60, 60, 60, 60, 60]
    assert award.payment_eur.tolist() == [6000, 3000, 1000, 2400, 0]
    assert [r.rule for r in award.rejections] == ["wrong_direction"]
    own = afrr_capacity_auction(bids, demand_up_mw=150, demand_down_mw=60, rules=CapacityRules(is_pay_as_bid=True))
    assert own.payment_eur.tolist() == [4000, 3000, 1000, 2400, 0]


OFFER = st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(OFFER, min_size=1, max_size=5), st.integers(1, 25))
def test_award_is_as_cheap_as_trying_everything(offers, demand):
    award = fcr([(q, p, whole) for q, p, whole in offers], demand, core_share=0.0)
    choices = [((0, q) if whole else range(q + 1)) for q, _, whole in offers]
    best = max(
        (sum(c), -sum(k * p for k, (_, p, _) in zip(c, offers, strict=True)))
        for c in itertools.product(*choices)
        if sum(c) <= demand
    )
    mw = award.awarded_mw
    assert (mw.sum(), -float(mw @ np.array([p for _, p, _ in offers]))) == best
    for got, (q, _, whole) in zip(mw, offers, strict=True):
        assert got in ((0, q) if whole else range(q + 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(OFFER, st.booleans()), min_size=1, max_size=8), st.integers(5, 20), st.integers(20, 60))
def test_nobody_is_paid_below_its_bid_and_limits_hold(offers, demand, total):
    rows = [(*o, i, home) for i, (o, home) in enumerate(offers)]
    award = fcr(rows, demand, total_demand_mw=total)
    price = np.array([o[1] for o, _ in offers], dtype=float)
    assert (award.payment_eur >= award.awarded_mw * price - 1e-9).all()
    assert award.awarded_mw.sum() + award.shortfall_mw[0, 0] == pytest.approx(total)


ANYTHING = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ANYTHING, ANYTHING, st.integers(-2, 8), st.booleans()), max_size=8))
def test_whatever_is_bid_is_awarded_within_the_demand_or_named(rows):
    quantity, price, block, whole = (np.array([r[i] for r in rows]) for i in range(4))
    award = fcr_auction(
        CapacityBids(np.arange(len(rows)), block, quantity, price, is_indivisible=whole.astype(bool)), 20.0
    )
    refused = {r.row for r in award.rejections}
    assert all(award.awarded_mw[r] == 0 for r in refused)
    assert np.isfinite(award.awarded_mw).all() and np.isfinite(award.payment_eur).all()
    assert award.awarded_mw.sum() + award.shortfall_mw.sum() == pytest.approx(120.0)


def test_a_bidder_that_always_bids_the_cap_sets_the_price_only_when_needed():
    cap = CapacityRules().price_max_eur_per_mw
    assert fcr([(100, cap), (100, 10)], 100).price_eur_per_mw[0, 0] == 10
    assert fcr([(100, cap), (99, 10)], 100).price_eur_per_mw[0, 0] == cap
