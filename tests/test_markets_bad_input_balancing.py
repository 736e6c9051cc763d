"""Whatever is bid for balancing: refused bids carry a rule and never move, activation stays within the bids, prices are
those of bids, and no euro appears or vanishes. The same for capacity auctions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.balancing import (
    AT_REST,
    BidRules,
    CapacityBids,
    CapacityRules,
    EnergyBids,
    activate_isp,
    admit_energy_bids,
    afrr_capacity_auction,
    brp_imbalance_mwh,
    fcr_auction,
    price_isp,
    settle_isp,
)
from markets.balancing.bids import RULES as BID_RULES
from markets.balancing.capacity import RULES as CAPACITY_RULES

NAN, INF = float("nan"), float("inf")
LIMIT = 100_000.0

good_mw = st.integers(1, 60).map(float)
any_mw = good_mw | good_mw.map(lambda v: -v) | st.sampled_from([NAN, INF, 0.0, 0.5, -0.5, 600.0, -600.0, 5000.0, 1e308])
any_price = st.integers(-300, 900).map(float) | st.sampled_from([NAN, INF, 10.005, LIMIT, -LIMIT, LIMIT + 1, 1e308])
energy_row = st.tuples(
    st.integers(0, 3),
    any_mw,
    any_price,
    st.sampled_from([0.2, 1.0, 2.0, 0.199, 2.1, NAN, -1.0]),
    st.integers(-1, 8),
    st.integers(-3, 3),
)


@st.composite
def ladders(draw):
    """Books of both directions, of one, of bidders at the limit, and empty ones; some bids are for past ISPs."""
    rows = draw(st.lists(energy_row, max_size=20))
    kind = draw(st.sampled_from(["mixed", "mixed", "all_up", "all_down", "limit"]))
    columns = [np.array([r[k] for r in rows], dtype=float) for k in range(6)]
    if kind in ("all_up", "all_down"):
        columns[1] = np.abs(columns[1]) * (1.0 if kind == "all_up" else -1.0)
    if kind == "limit":
        columns[2] = np.where(columns[1] > 0.0, LIMIT, -LIMIT)
    owner, mw, price, ramp, steered, period = columns
    return EnergyBids(owner, mw, price, ramp, steered, np.arange(len(rows)), period)


@settings(max_examples=120, deadline=None)
@given(ladders(), st.sampled_from([0.0, -40.0, 70.0, -3000.0, 3000.0, NAN]), st.integers(0, 10**6))
def test_any_ladder_is_activated_within_its_bids_and_settled_to_zero(bids, error, seed):
    admitted, refused = admit_energy_bids(bids, now_period=0)
    named = {r.row: r.rule for r in refused}
    assert sorted(named) == np.flatnonzero(~admitted).tolist()
    assert set(named.values()) <= set(BID_RULES)
    for k in range(len(bids)):  # an own reading of the simplest rules
        mw, price, ramp = bids.power_mw[k], bids.price_eur_per_mwh[k], bids.ramp_share_per_min[k]
        bad = not np.isfinite([mw, price, ramp]).all() or bids.period[k] < 2 or not 1.0 <= abs(mw) <= 999.0
        bad = bad or abs(price) > LIMIT or not 0.2 <= ramp <= 2.0 or mw != round(mw)
        assert not bad or k in named
    good = bids.rows(admitted)
    noise = np.random.default_rng(seed).normal(0.0, 30.0, 225)
    isp = activate_isp(good, error + noise, AT_REST)
    up, down = good.power_mw > 0.0, good.power_mw < 0.0
    assert (isp.activated_up_mw <= good.power_mw[up].sum() + 1e-6).all() and (isp.activated_up_mw >= 0.0).all()
    assert (isp.activated_down_mw <= -good.power_mw[down].sum() + 1e-6).all() and (isp.activated_down_mw >= 0.0).all()
    assert (np.abs(isp.energy_mwh) <= 0.25 * np.abs(good.power_mw) + 1e-9).all()
    assert (isp.energy_mwh * np.sign(good.power_mw) >= 0.0).all()
    total = isp.activated_up_mw.mean() - isp.activated_down_mw.mean()
    assert isp.energy_mwh.sum() == pytest.approx(0.25 * total, abs=1e-6)
    prices = price_isp(isp, fallback_eur_per_mwh=50.0)
    for price, side in ((isp.price_up_eur_per_mwh, up), (isp.price_down_eur_per_mwh, down)):
        assert np.isnan(price) or price in good.price_eur_per_mwh[side]
    assert abs(prices.shortage_eur_per_mwh) <= LIMIT and abs(prices.surplus_eur_per_mwh) <= LIMIT
    # no bid is activated at a loss: every active one is paid at least, or pays at most, what it asked
    paid = np.where(up, isp.price_up_eur_per_mwh, isp.price_down_eur_per_mwh)
    active = np.abs(isp.energy_mwh) * 4000.0 > 1.0
    gain = (paid - good.price_eur_per_mwh) * np.sign(good.power_mw)
    assert (gain[active & np.isfinite(paid)] >= -1e-9).all()
    imbalance = brp_imbalance_mwh(np.array([1.0, -2.0]), np.array([0.0, 0.0]), 0.0)
    settled = settle_isp(
        imbalance_mwh=imbalance,
        shortage_eur_per_mwh=prices.shortage_eur_per_mwh,
        surplus_eur_per_mwh=prices.surplus_eur_per_mwh,
        activated_mwh=isp.energy_mwh,
        dispatch_up_eur_per_mwh=np.nan_to_num(prices.dispatch_up_eur_per_mwh),
        dispatch_down_eur_per_mwh=np.nan_to_num(prices.dispatch_down_eur_per_mwh),
    )
    assert settled.total_eur == pytest.approx(0.0, abs=1e-6)


capacity_row = st.tuples(
    st.integers(0, 3),
    st.integers(-1, 6),
    st.integers(1, 40).map(float) | st.sampled_from([NAN, INF, -5.0, 0.0, 0.5, 10_000.0, 1e308]),
    st.integers(0, 500).map(float) | st.sampled_from([NAN, -1.0, 10.005, 99_999.0, 1e6, 1e308]),
    st.sampled_from([0, 0, 1, -1, 7]),
    st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(capacity_row, max_size=14), st.sampled_from([0.0, 10.0, 37.0, 1000.0]), st.booleans())
def test_any_capacity_auction_awards_no_more_than_bid_and_pays_at_least_the_price_asked(rows, demand, is_fcr):
    columns = list(zip(*rows, strict=True)) or [()] * 6
    owner, block, mw, price, direction, indivisible = (np.array(c) for c in columns)
    bids = CapacityBids(owner, block, mw.astype(float), price.astype(float), direction, indivisible.astype(bool))
    award = (
        fcr_auction(bids, demand)
        if is_fcr
        else afrr_capacity_auction(bids, demand_up_mw=demand, demand_down_mw=0.5 * demand)
    )
    named = {r.row: r.rule for r in award.rejections}
    assert set(named.values()) <= set(CAPACITY_RULES) | {"gate_closed"}
    assert not award.awarded_mw[list(named)].any()
    taken = award.awarded_mw > 0.0
    assert (award.awarded_mw[taken] <= bids.quantity_mw[taken] + 1e-9).all()
    whole = taken & bids.is_indivisible
    np.testing.assert_allclose(award.awarded_mw[whole], bids.quantity_mw[whole])
    assert (award.payment_eur[taken] >= award.awarded_mw[taken] * bids.price_eur_per_mw[taken] - 1e-6).all()
    assert np.isfinite(award.payment_eur).all() and not award.payment_eur[~taken].any()
    for i, way in enumerate(award.directions):
        wanted = demand if way >= 0 else 0.5 * demand
        for b in range(6):
            mine = taken & (bids.direction == way) & (bids.block == b)
            got = float(award.awarded_mw[mine].sum())
            assert got + award.shortfall_mw[i, b] >= wanted - 1e-6
            assert np.isnan(award.price_eur_per_mw[i, b]) == (not mine.any())


def test_ten_times_the_bids_and_demand_give_the_same_prices():
    rng = np.random.default_rng(3)
    mw, price = rng.integers(1, 20, 60).astype(float), rng.integers(1, 300, 60).astype(float)
    owner, block = np.arange(60), np.arange(60) % 6
    usual = fcr_auction(CapacityBids(owner, block, mw, price), 50.0)
    tenfold = fcr_auction(CapacityBids(owner, block, 10.0 * mw, price), 500.0)
    np.testing.assert_allclose(usual.price_eur_per_mw, tenfold.price_eur_per_mw)
    np.testing.assert_allclose(10.0 * usual.awarded_mw, tenfold.awarded_mw)


@pytest.mark.parametrize("rules", [None, BidRules(min_bid_mw=0.1)])
def test_an_empty_ladder_leaves_the_error_and_prices_at_the_fallback(rules):
    nobody = EnergyBids(np.zeros(0), np.zeros(0), np.zeros(0))
    admitted, refused = admit_energy_bids(nobody, rules)
    assert len(admitted) == 0 and refused == ()
    isp = activate_isp(nobody, np.full(225, -80.0), AT_REST)
    assert not isp.delta_mw.any() and np.allclose(isp.remaining_error_mw, -80.0)
    prices = price_isp(isp, fallback_eur_per_mwh=66.0)
    assert (prices.state, prices.shortage_eur_per_mwh, prices.surplus_eur_per_mwh) == (0, 66.0, 66.0)


def test_a_provider_at_the_limit_sets_the_price_only_when_it_is_needed():
    bids = EnergyBids(np.arange(3), np.array([50.0, 50.0, -50.0]), np.array([90.0, LIMIT, 10.0]), 2.0, np.arange(3))
    calm = price_isp(activate_isp(bids, np.full(225, -30.0), AT_REST))
    scarce = price_isp(activate_isp(bids, np.full(225, -80.0), AT_REST))
    assert (calm.shortage_eur_per_mwh, scarce.shortage_eur_per_mwh) == (90.0, LIMIT)


def test_smallest_capacity_bid_follows_the_lever():
    small = CapacityBids(0, 0, 0.3, 10.0)
    assert fcr_auction(small, 1.0).awarded_mw[0] == 0.0
    assert fcr_auction(small, 1.0, CapacityRules(min_bid_mw=0.1)).awarded_mw[0] == pytest.approx(0.3)
