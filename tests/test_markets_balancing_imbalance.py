"""Regulation state, imbalance prices and the money of an ISP."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from markets.balancing import (
    AT_REST,
    CYCLES_PER_ISP,
    ActivationRules,
    EnergyBids,
    activate_isp,
    bound_by_mfrrda,
    brp_imbalance_mwh,
    carry_missing_prices,
    imbalance_prices,
    price_isp,
    regulation_state,
    sample_delta,
    settle_deviation,
    settle_imbalance,
    settle_isp,
    tso_residue,
)

PRICE = st.floats(-500.0, 500.0)


@pytest.mark.case("C37")
@pytest.mark.parametrize(
    "series, state",
    [
        ([0, 0, 0, 0, 0], 0),
        ([0, 20, 60, 40, 10], 1),
        ([0, -20, -50, -10, 0], -1),
        ([-30, -30, -10, 0, 20], 1),
        ([40, 10, -5, -5, -20], -1),
        ([-20, 10, -5, 0, 0], 2),
        ([10, 5, -5, 5], 2),
        ([-1, 1], 1),
        ([], 0),
    ],
)
def test_state_from_the_series(series, state):
    assert regulation_state(np.array(series, dtype=float)) == state


@pytest.mark.case("C38")
def test_finer_sampling_sees_more_state_two():
    delta = np.linspace(-60.0, 60.0, 225)
    delta[100:110] -= 20.0  # a dip that no minute sample sees
    assert regulation_state(sample_delta(delta, 60)) == 1
    assert regulation_state(sample_delta(delta, 12)) == 2


def test_samples_are_taken_halfway_each_interval():
    cycles = np.arange(225.0)
    assert sample_delta(cycles, 60).tolist() == [7, 22, 37, 52, 67, 82, 97, 112, 127, 142, 157, 172, 187, 202, 217]
    assert sample_delta(cycles, 12)[:3].tolist() == [1, 4, 7]
    assert sample_delta(cycles, 12).size == 75
    with pytest.raises(ValueError, match="multiple"):
        sample_delta(cycles, 10)


def test_state_exceptions():
    series = np.array([-20.0, 10.0, -5.0])
    assert regulation_state(series, is_controller_on=False) == 0
    assert regulation_state(series, is_priced=np.array([True, False, True])) == -1
    assert regulation_state(np.array([5.0, 9.0, 3.0]), has_down=True) == 2
    assert regulation_state(np.array([5.0, 9.0]), has_down=True) == 1


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=30))
def test_mirrored_series_has_the_mirrored_state(series):
    delta = np.array(series, dtype=float)
    assume(np.unique(delta).size > 1)
    mirror = {0: 0, 1: -1, -1: 1, 2: 2}
    assert regulation_state(-delta) == mirror[regulation_state(delta)]


@pytest.mark.case("C35")
@pytest.mark.parametrize("state, pair", [(0, (60, 60)), (1, (200, 200)), (-1, (10, 10)), (2, (200, 10))])
def test_prices_per_state(state, pair):
    shortage, surplus = imbalance_prices(state, 200.0, 10.0, 60.0)
    assert (shortage, surplus) == pair


@pytest.mark.case("C36")
def test_reverse_pricing_takes_the_mid_price():
    shortage, surplus = imbalance_prices([2, 2, 2], [50, 200, 50], [10, 90, 90], [60, 60, 60])
    assert shortage.tolist() == [60, 200, 60] and surplus.tolist() == [10, 60, 60]


@pytest.mark.parametrize(
    "state, up, options, pair",
    [
        (2, 200.0, {"is_dual_pricing": False}, (60.0, 60.0)),
        (1, 200.0, {"incentive_component_eur_per_mwh": 3.0}, (203.0, 197.0)),
        (2, math.nan, {}, (60.0, 10.0)),
    ],
)
def test_levers_on_the_price(state, up, options, pair):
    assert tuple(float(p) for p in imbalance_prices(state, up, 10.0, 60.0, **options)) == pair


@given(st.sampled_from([-1, 0, 1, 2]), PRICE, PRICE, PRICE)
def test_shortage_never_pays_less_than_surplus(state, up, down, mid):
    shortage, surplus = imbalance_prices(state, up, down, mid)
    assert shortage >= surplus
    if state != 2:
        assert shortage == surplus


def test_incident_reserve_binds_only_when_more_extreme():
    assert bound_by_mfrrda(200.0, 10.0, mfrrda_up_eur_per_mwh=350.0, mfrrda_down_eur_per_mwh=-80.0) == (350.0, -80.0)
    assert bound_by_mfrrda(200.0, 10.0, mfrrda_up_eur_per_mwh=150.0, mfrrda_down_eur_per_mwh=20.0) == (200.0, 10.0)
    assert bound_by_mfrrda(math.nan, 10.0, mfrrda_up_eur_per_mwh=150.0) == (150.0, 10.0)


def test_a_missing_price_is_the_one_of_the_isp_before():
    nan = math.nan
    got = carry_missing_prices(np.array([nan, 80.0, nan, nan, 95.0]), np.array([True, True, True, False, True]))
    np.testing.assert_array_equal(got, [nan, 80.0, 80.0, nan, 95.0])


def bids() -> EnergyBids:
    return EnergyBids(
        owner=np.arange(4), power_mw=[40, 60, -40, -60], price_eur_per_mwh=[80, 200, 40, -20], object_id=np.arange(4)
    )


def test_price_of_an_isp_from_its_activation():
    flat = np.ones(CYCLES_PER_ISP)
    short, long, calm = (activate_isp(bids(), mw * flat) for mw in (-60.0, 30.0, 0.0))
    assert (price_isp(short).state, price_isp(long).state, price_isp(calm).state) == (1, -1, 0)
    assert price_isp(short).shortage_eur_per_mwh == price_isp(short).surplus_eur_per_mwh == 200.0
    assert price_isp(calm).shortage_eur_per_mwh == 60.0 and price_isp(calm).regulating_condition == ""
    swing = activate_isp(bids(), np.repeat([-50.0, 50.0, -50.0], 75))
    priced = price_isp(swing)
    assert priced.state == 2 and priced.shortage_eur_per_mwh > priced.surplus_eur_per_mwh
    assert price_isp(short, is_controller_on=False).shortage_eur_per_mwh == 60.0
    reserve = price_isp(short, mfrrda_up_eur_per_mwh=999.0)
    assert reserve.shortage_eur_per_mwh == 999.0 and reserve.has_incident_reserve_up


def test_energy_too_small_to_set_a_price_is_paid_the_last_known_one():
    rules = ActivationRules(import_capacity_mw=0.0, price_threshold_mw=1.0)
    whisper = np.concatenate([np.full(3, -0.4), np.zeros(CYCLES_PER_ISP - 3)])
    known = replace(AT_REST, price_up_eur_per_mwh=321.0)
    for before, price in ((known, 321.0), (AT_REST, 60.0)):  # never a price: the middle of 80 and 40
        activation = activate_isp(bids(), whisper, before, rules)
        assert 0.0 < activation.activated_up_mw.max() < 1.0 and math.isnan(activation.price_up_eur_per_mwh)
        priced = price_isp(activation)
        assert priced.dispatch_up_eur_per_mwh == price
        settled = settle_isp(
            imbalance_mwh=[-1.0], shortage_eur_per_mwh=priced.shortage_eur_per_mwh,
            surplus_eur_per_mwh=priced.surplus_eur_per_mwh, activated_mwh=activation.energy_mwh,
            dispatch_up_eur_per_mwh=priced.dispatch_up_eur_per_mwh,
            dispatch_down_eur_per_mwh=priced.dispatch_down_eur_per_mwh,
        )  # fmt: skip
        up = activation.energy_mwh > 0.0
        np.testing.assert_allclose(settled.bsp_eur[up], price * activation.energy_mwh[up])


def test_without_any_bid_the_fallback_price_holds():
    empty = activate_isp(EnergyBids([], [], []), np.full(CYCLES_PER_ISP, -50.0))
    priced = price_isp(empty, fallback_eur_per_mwh=77.0)
    assert (priced.state, priced.shortage_eur_per_mwh, priced.surplus_eur_per_mwh) == (0, 77.0, 77.0)


@pytest.mark.case("C39")
@pytest.mark.parametrize(
    "energy, shortage, surplus, cash",
    [
        (10, 120, -15, -150),
        (-10, 120, -15, -1200),
        (2, 200, 200, 400),
        (-2, 200, 200, -400),
        (2, -60, -60, -120),
        (-2, -60, -60, 120),
        (0, 120, -15, 0),
    ],
)
def test_cash_of_a_brp(energy, shortage, surplus, cash):
    assert settle_imbalance(energy, shortage, surplus) == cash


@pytest.mark.case("C40")
def test_passive_balancing_of_a_pass_through_contract():
    def cash(planned, actual, shortage, surplus):
        return float(
            settle_deviation(
                np.full(1000, planned),
                np.full(1000, actual),
                period_h=0.25,
                shortage_eur_per_mwh=shortage,
                surplus_eur_per_mwh=surplus,
            ).sum()
        )

    earned, paid = cash(11.0, 4.14, 400, 400), cash(4.14, 11.0, 80, 80)
    assert earned == pytest.approx(686.00) and paid == pytest.approx(-137.20)
    assert earned + paid == pytest.approx(548.80)
    assert cash(11.0, 4.14, 400, -50) == pytest.approx(-85.75)


@pytest.mark.case("C41")
def test_residue_of_the_operator():
    residue = tso_residue(
        shortage_mwh=6,
        surplus_mwh=4,
        up_mwh=3,
        down_mwh=1,
        shortage_eur_per_mwh=200,
        surplus_eur_per_mwh=10,
        dispatch_up_eur_per_mwh=200,
        dispatch_down_eur_per_mwh=10,
    )
    assert residue == 570.0
    settled = settle_isp(
        imbalance_mwh=[-6, 4],
        shortage_eur_per_mwh=200,
        surplus_eur_per_mwh=10,
        activated_mwh=[3, -1],
        dispatch_up_eur_per_mwh=200,
        dispatch_down_eur_per_mwh=10,
    )
    assert settled.brp_eur.tolist() == [-1200, 40] and settled.bsp_eur.tolist() == [600, -10]
    assert settled.tso_eur == 570.0 and settled.total_eur == 0.0


@given(
    st.lists(st.floats(-50, 50), max_size=8),
    st.lists(st.floats(-50, 50), max_size=8),
    PRICE,
    PRICE,
    PRICE,
    PRICE,
    st.floats(-20, 20),
)
def test_money_is_conserved(imbalance, activated, shortage, surplus, up, down, imported):
    settled = settle_isp(
        imbalance_mwh=imbalance,
        shortage_eur_per_mwh=shortage,
        surplus_eur_per_mwh=surplus,
        activated_mwh=activated,
        dispatch_up_eur_per_mwh=up,
        dispatch_down_eur_per_mwh=down,
        import_mwh=imported,
        import_price_eur_per_mwh=70.0,
    )
    assert settled.total_eur == pytest.approx(0.0, abs=1e-6)


def test_activated_energy_needs_a_price_and_corrects_the_brp():
    with pytest.raises(ValueError, match="dispatch price"):
        settle_isp(imbalance_mwh=[1], shortage_eur_per_mwh=1, surplus_eur_per_mwh=1, activated_mwh=[1])
    assert brp_imbalance_mwh(-4.0, -5.0, 1.0) == 0.0  # a pool that charges 1 MWh less on request is in balance
    assert brp_imbalance_mwh(-4.0, -5.0) == 1.0
