"""Control error, netting, frequency, publication, and the closed loop with passive balancing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.balancing import (
    AT_REST,
    CYCLES_PER_ISP,
    NO_PASSIVE,
    ActivationRules,
    EnergyBids,
    Ladders,
    PassiveGroups,
    SynchronousArea,
    activate_isp,
    activation_rules,
    area_control_error_mw,
    balance_delta_table,
    bid_rules,
    capacity_rules,
    exchange,
    frequency_deviation_hz,
    imbalance_prices,
    initial_slope_hz_per_s,
    loop_figures,
    passive_balancing_study,
    pi_demand_mw,
    pool_rules,
    react,
    settled_deviation_hz,
    swing,
    visible_delta_mw,
    visible_samples,
)
from markets.levers import Regulation


@pytest.mark.case("C50")
def test_control_error_ignores_disturbances_elsewhere():
    assert area_control_error_mw(900, 1000, 49.98, k_mw_per_hz=1000) == pytest.approx(-120)
    assert area_control_error_mw(1020, 1000, 49.98, k_mw_per_hz=1000) == pytest.approx(0, abs=1e-9)
    assert area_control_error_mw(1000, 1000, 50.02, k_mw_per_hz=1000) == pytest.approx(20)


@pytest.mark.case("C51")
def test_controller_law():
    rules = ActivationRules(beta=0.3, integration_time_s=100.0)
    demand, integral = pi_demand_mw(np.full(15, -120.0), rules)
    # proportional 36 MW; the integral grows by 120 * 4 / 100 = 4.8 MW per cycle
    np.testing.assert_allclose(demand[[0, 14]], [36 + 4.8, 36 + 72.0])
    assert integral == pytest.approx(-72.0)
    later, _ = pi_demand_mw(np.zeros(1), rules, integral_mw=integral)
    assert later[0] == pytest.approx(72.0)
    full = pi_demand_mw(np.full(3, -120.0), ActivationRules(beta=1.0, integration_time_s=1e12))[0]
    np.testing.assert_allclose(full, 120.0)


@pytest.mark.case("C43")
@pytest.mark.parametrize(
    "capacity, flow, activated, prices",
    [
        (50, 50, (50, 10), (90, 70)),
        (200, 100, (0, 60), (70, 70)),
        (0, 0, (100, -0.0), (150, 70)),
        (40, 40, (60, 0), (150, 70)),
    ],
)
def test_one_step_with_germany(capacity, flow, activated, prices):
    nl, de = Ladders(up=[(100, 150), (50, 90)]), Ladders(up=[(100, 70)])
    step = exchange((100, -40), nl, de, import_capacity_mw=capacity, export_capacity_mw=capacity)
    assert step.flow_mw == flow and step.netted_mw == min(40, capacity)
    assert step.activated_mw == activated
    assert step.price_eur_per_mwh == prices
    if capacity < 40:
        assert step.unserved_mw == (0, -40)


@pytest.mark.case("C43")
def test_the_dutch_price_without_dutch_activation_is_the_mid_price():
    nl = Ladders(up=[(50, 90)], down=[(50, 30)])
    step = exchange((100, -40), nl, Ladders(up=[(100, 70)]), import_capacity_mw=200, export_capacity_mw=200)
    assert step.activated_mw[0] == 0
    prices = imbalance_prices(0, math.nan, math.nan, nl.mid_price_eur_per_mwh)
    assert [float(p) for p in prices] == [60.0, 60.0]


def test_netting_precedes_even_a_profitable_activation_of_both_sides():
    home, abroad = Ladders(up=[(50, 10)]), Ladders(down=[(50, 60)])
    step = exchange((50, -50), home, abroad, import_capacity_mw=100, export_capacity_mw=100)
    assert (step.flow_mw, step.activated_mw) == (50.0, (0.0, 0.0))


AREA = st.tuples(
    st.integers(-30, 30),
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 100)), max_size=3),
    st.lists(st.tuples(st.integers(1, 20), st.integers(-100, 60)), max_size=3),
)


@settings(max_examples=80, deadline=None)
@given(AREA, AREA, st.integers(0, 25), st.integers(0, 25))
def test_exchange_is_as_cheap_as_any_whole_flow(home, abroad, into, out):
    ladders = [Ladders(up=a[1], down=a[2]) for a in (home, abroad)]
    step = exchange((home[0], abroad[0]), *ladders, import_capacity_mw=into, export_capacity_mw=out)

    def cost(flow):
        return ladders[0].activation_cost_eur(home[0] - flow) + ladders[1].activation_cost_eur(abroad[0] + flow)

    assert -out <= step.flow_mw <= into
    low = step.netted_mw if step.netted_mw > 0 else -out
    high = step.netted_mw if step.netted_mw < 0 else into
    assert cost(step.flow_mw) <= min(cost(f) for f in range(int(low), int(high) + 1)) + 1e-6
    # every area is in balance: demand = activation + import + what stays open
    signed = (step.flow_mw, -step.flow_mw)
    for demand, activated, flow, unserved in zip(
        (home[0], abroad[0]), step.activated_mw, signed, step.unserved_mw, strict=True
    ):
        assert demand == pytest.approx(activated + flow + unserved)


@pytest.mark.case("C49")
def test_frequency_after_losing_3000_mw():
    light, heavy = SynchronousArea(150_000, 10), SynchronousArea(300_000, 12)
    assert settled_deviation_hz(3000, light) == pytest.approx(-0.1818, abs=5e-5)
    assert settled_deviation_hz(3000, heavy) == pytest.approx(-0.1667, abs=5e-5)
    assert initial_slope_hz_per_s(3000, heavy) == pytest.approx(-0.0417, abs=5e-5)
    assert initial_slope_hz_per_s(3000, light) == pytest.approx(-0.1)
    deviation, reserve = swing(np.full(30_000, -3000.0), light)
    assert deviation[-1] == pytest.approx(-0.1818, abs=5e-5)
    assert deviation.min() == pytest.approx(-0.779, abs=5e-4)
    assert (deviation[1] - deviation[0]) / 0.01 == pytest.approx(-0.1, rel=0.01)
    assert np.diff(reserve).max() <= 1.0 + 1e-9 and reserve.max() <= 3000.0
    assert settled_deviation_hz(-3000, light) == -settled_deviation_hz(3000, light)
    assert settled_deviation_hz(6000, light) == pytest.approx(-2.0)  # reserve exhausted, 3000 MW left to the load


def test_everyday_frequency_has_the_asked_statistics_and_a_seed():
    drawn = frequency_deviation_hz(200_000, np.random.default_rng(4), schedule_step_hz=0.0)
    assert drawn.std() == pytest.approx(0.019, rel=0.05) and abs(drawn.mean()) < 0.002
    lag = round(180 / 4)
    assert np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1] == pytest.approx(math.exp(-1), abs=0.05)
    again = frequency_deviation_hz(200_000, np.random.default_rng(4), schedule_step_hz=0.0)
    np.testing.assert_array_equal(drawn, again)
    quiet = frequency_deviation_hz(450, np.random.default_rng(4), sigma_hz=0.0, start_hz=0.0)
    assert quiet[0] != 0.0 and abs(quiet[224]) < 0.02 * abs(quiet[0])
    assert abs(quiet[225] - quiet[224]) > 1e-4


def test_publication_delay():
    assert [visible_samples(t, sampling_s=12, delay_s=146) for t in (0, 157, 158, 170, 1046)] == [0, 0, 1, 2, 75]
    assert visible_samples(360, sampling_s=60, delay_s=300) == 1
    delta = np.arange(225.0)
    assert visible_delta_mw(delta, 158.0).tolist() == [1.0]
    assert visible_delta_mw(delta, 300.0, sampling_s=60, delay_s=120.0).tolist() == [7.0, 22.0, 37.0]
    assert visible_delta_mw(delta, 5000.0).size == 75


def bids() -> EnergyBids:
    n = 40
    return EnergyBids(
        owner=np.arange(2 * n),
        power_mw=np.repeat([15.0, -15.0], n),
        price_eur_per_mwh=np.round(np.r_[np.linspace(80, 400, n), np.linspace(60, -200, n)], 2),
        object_id=np.arange(2 * n),
    )


def test_published_table_shows_what_happened():
    result = activate_isp(bids(), np.full(CYCLES_PER_ISP, -70.0), rules=ActivationRules(import_capacity_mw=20.0))
    table = balance_delta_table(result)
    assert {len(column) for column in table.values()} == {75}
    assert table["second"][:2].tolist() == [4.0, 16.0]
    assert table["afrr_in_mw"][-1] == pytest.approx(50.0, abs=2.0) and table["picasso_in_mw"][-1] == 20.0
    assert np.nanmax(table["max_upw_regulation_price_eur_per_mwh"]) <= result.price_up_eur_per_mwh
    assert np.isnan(table["min_downw_regulation_price_eur_per_mwh"]).all()
    assert (table["mid_price_eur_per_mwh"] == 70.0).all()


def test_reaction_to_a_published_delta():
    groups = PassiveGroups(max_up_mw=[10, 20], max_down_mw=[5, 0], threshold_mw=[10, 30], ramp_share_per_min=0.2)
    still = np.zeros(2)
    assert react(50.0, still, groups, step_s=60.0).tolist() == [2.0, 4.0]
    assert react(20.0, still, groups, step_s=60.0).tolist() == [2.0, 0.0]
    assert react(-50.0, still, groups, step_s=600.0).tolist() == [-5.0, 0.0]
    assert react(0.0, np.array([10.0, 20.0]), groups, step_s=60.0).tolist() == [8.0, 16.0]
    free = PassiveGroups(10, 10, 0.0, math.inf)
    assert react(1.0, np.array([-10.0]), free).tolist() == [10.0]


@given(st.integers(0, 1000), st.floats(0.01, 1.0))
def test_passive_power_respects_ramp_and_range(seed, ramp):
    groups = PassiveGroups(max_up_mw=30.0, max_down_mw=50.0, threshold_mw=5.0, ramp_share_per_min=ramp)
    power = np.zeros(1)
    for seen in np.random.default_rng(seed).normal(0, 20, 50):
        after = react(seen, power, groups)
        assert abs(after[0] - power[0]) <= 50.0 * ramp * 4 / 60 + 1e-9
        assert -50.0 - 1e-9 <= after[0] <= 30.0 + 1e-9
        power = after


def test_nobody_reacts_before_the_signal_is_public():
    groups = PassiveGroups(30.0, 30.0, threshold_mw=5.0, ramp_share_per_min=math.inf)
    for delay, sampling in itertools.product((0.0, 146.0, 600.0), (12, 60)):
        rules = ActivationRules(balance_delta_delay_s=delay, state_sampling_s=sampling)
        result = activate_isp(bids(), np.full(CYCLES_PER_ISP, -90.0), rules=rules, passive=groups)
        crossed = np.flatnonzero(result.delta_mw > 5.0)[0]
        window = sampling // 4
        sampled_in = max(0, -(-(crossed - window // 2) // window))  # first interval whose midpoint is beyond
        published = (sampled_in + 1) * window + math.ceil(delay / 4)
        assert np.flatnonzero(result.passive_mw)[0] == published


def test_incident_reserve_is_part_of_the_delta_that_passive_parties_see():
    groups = PassiveGroups(30.0, 30.0, threshold_mw=5.0, ramp_share_per_min=math.inf)
    rules = ActivationRules(balance_delta_delay_s=120.0, state_sampling_s=12)
    calm = np.zeros(CYCLES_PER_ISP)
    # 40 MW of incident reserve closes a gap of 40 MW: no error is left, but the operator regulates up
    quiet, seen = (activate_isp(bids(), calm, rules=rules, passive=groups, mfrrda_mw=mw) for mw in (0.0, 40.0))
    assert not quiet.passive_mw.any()
    first = (12 + 120) // 4  # the end of the first sample, and the publication delay
    assert not seen.passive_mw[:first].any() and seen.passive_mw[first] == 30.0
    after = activate_isp(bids(), calm, seen.controller_state, rules=rules, passive=groups)
    assert after.passive_mw[0] == 30.0  # the last public samples are still those of the quarter before
    down = activate_isp(bids(), calm, rules=rules, passive=groups, mfrrda_mw=-40.0)
    assert down.passive_mw[first] == -30.0
    np.testing.assert_array_equal(seen.delta_mw, seen.activated_up_mw - seen.activated_down_mw)


def test_many_parties_reacting_at_once_oscillate_and_a_ramp_limit_damps_it():
    rng = np.random.default_rng(1)
    keep = math.exp(-4 / 1200)
    disturbance = np.zeros(12 * CYCLES_PER_ISP)
    for t in range(1, disturbance.size):
        disturbance[t] = keep * disturbance[t - 1] + 60 * math.sqrt(1 - keep * keep) * rng.normal()
    study = passive_balancing_study(bids(), disturbance.reshape(12, -1))
    calm, few, many = (study[mw, math.inf] for mw in (0.0, 50.0, 400.0))
    slower, slowest = study[400.0, 0.2], study[400.0, 0.05]
    assert few.delta_std_mw < 0.7 * calm.delta_std_mw  # a little help relieves the operator
    assert many.error_std_mw > 10 * calm.error_std_mw  # a lot of it swings the system from side to side
    assert many.reversals_per_h > 3 * calm.reversals_per_h and many.state_two_share == 1.0
    assert many.activated_mwh > 2 * calm.activated_mwh
    assert many.error_std_mw > 2 * slower.error_std_mw > 4 * slowest.error_std_mw
    assert slower.reversals_per_h < 0.7 * many.reversals_per_h
    assert study[0.0, 0.2] == calm


def test_the_study_offers_the_same_ladder_in_every_period():
    error = np.array([-70.0, 30.0, -20.0, 5.0])[:, None] * np.ones(CYCLES_PER_ISP)
    uneven = EnergyBids(
        owner=0, power_mw=[10, 90, -10, -90], price_eur_per_mwh=[80, 90, 40, 30], object_id=np.arange(4)
    )
    state, run = AT_REST, []
    for one in error:
        run.append(activate_isp(uneven, one, state))
        state = run[-1].controller_state
    study = passive_balancing_study(uneven, error, passive_mw=(0.0,), ramps_share_per_min=(1.0,))
    for name, value in vars(loop_figures(run)).items():
        assert getattr(study[0.0, 1.0], name) == pytest.approx(value)


def test_a_longer_delay_swings_slower():
    half_hour = np.full((2, CYCLES_PER_ISP), -40.0)
    reversals = [
        passive_balancing_study(
            bids(),
            half_hour,
            passive_mw=(300.0,),
            ramps_share_per_min=(math.inf,),
            rules=ActivationRules(balance_delta_delay_s=delay),
        )[300.0, math.inf].reversals_per_h
        for delay in (120.0, 300.0)
    ]
    assert reversals[0] > reversals[1] > 0


def test_levers_reach_the_rules():
    levers = Regulation(
        min_bid_mw=0.1,
        prequalified_pool_min_mw=0.5,
        afrr_import_capacity_mw=30.0,
        state_sampling_s=60,
        balance_delta_delay_s=300,
    )
    rules = activation_rules(levers)
    assert (rules.import_capacity_mw, rules.state_sampling_s, rules.balance_delta_delay_s) == (30.0, 60, 300.0)
    assert bid_rules(levers).step_mw == capacity_rules(levers).step_mw == 0.1
    assert pool_rules(levers).pool_min_mw == 0.5


def test_no_passive_groups_is_the_default():
    assert len(NO_PASSIVE) == 0
    assert activate_isp(bids(), np.zeros(CYCLES_PER_ISP)).passive_energy_mwh.size == 0
