"""FCR: response, speed, reservoirs, delivery check, size, penalties and prequalification."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.balancing import (
    FcrRules,
    PoolRules,
    ReservoirRules,
    allocation_penalty_eur,
    bid_fault,
    fcr_corridor_mw,
    fcr_penalty_eur,
    fcr_response_mw,
    fcr_size,
    is_alert,
    is_fast_enough,
    is_without_allocation,
    largest_fcr_mw,
    may_transfer,
    prequalify,
    required_share,
    reservoir_faults,
    run_reservoir,
    short_term_deviation_hz,
    slowest_response_mw,
    soc_windows,
    symmetric_offer_mw,
    verify_fcr,
)


@pytest.mark.case("C27")
def test_response_is_linear_and_saturates():
    frequency = [49.95, 49.80, 49.70, 50.00, 50.10, 50.20, 51.0, 47.5]
    np.testing.assert_allclose(fcr_response_mw(frequency, 10.0), [2.5, 10, 10, 0, -5, -10, -10, 10], atol=1e-9)


@pytest.mark.case("C27")
@pytest.mark.parametrize("frequency, mw", [(49.995, 0), (49.99, 0), (50.01, 0), (49.98, 1.0), (50.05, -2.5)])
def test_insensitivity(frequency, mw):
    assert fcr_response_mw(frequency, 10.0, FcrRules(insensitivity_hz=0.01)) == pytest.approx(mw)
    with pytest.raises(ValueError, match="insensitivity"):
        FcrRules(insensitivity_hz=0.02)


@given(st.floats(47.5, 52.5), st.floats(0.1, 150.0))
def test_response_is_odd_and_bounded(frequency, capacity):
    up = float(fcr_response_mw(frequency, capacity))
    assert abs(up) <= capacity and up == pytest.approx(-float(fcr_response_mw(100.0 - frequency, capacity)))


@pytest.mark.case("C28")
def test_speed_after_a_step():
    assert required_share([0, 1.9, 2, 15, 30, 60]).tolist() == pytest.approx([0, 0, 2 / 30, 0.5, 1, 1])
    slow = slowest_response_mw(np.full(61, 49.8), 10.0, step_s=1.0)
    assert slow[[0, 15, 30, 60]].tolist() == pytest.approx([0, 5, 10, 10])
    assert is_fast_enough(slow, 10.0, step_s=1.0)
    assert is_fast_enough(-slow, -10.0, step_s=1.0)
    assert not is_fast_enough(np.roll(slow, 3) * (np.arange(61) >= 3), 10.0, step_s=1.0)  # starts after 3 s
    assert not is_fast_enough(np.minimum(slow, 9.9), 10.0, step_s=1.0)
    assert not is_fast_enough(slow[:20], 10.0, step_s=1.0)


@pytest.mark.case("C28")
def test_corridor_is_five_percent_of_the_volume():
    lower, upper = fcr_corridor_mw(np.full(60, 49.9), 10.0, step_s=1.0)
    assert (lower[-1], upper[-1]) == pytest.approx((4.5, 5.5))
    assert (lower[0], upper[0]) == pytest.approx((-0.5, 5.5))


def steady_isp(n_isp=1):
    rng = np.random.default_rng(2)
    return 50.0 + np.repeat(rng.normal(0, 0.03, 15 * n_isp), 15)  # a new frequency every minute, 4-s samples


@pytest.mark.case("C28")
@pytest.mark.parametrize("factor, is_good", [(1.0, True), (1.25, True), (1.35, False), (0.85, False), (-1.0, False)])
def test_slope_of_the_delivery(factor, is_good):
    frequency = steady_isp()
    verdict = verify_fcr(frequency, factor * fcr_response_mw(frequency, 10.0), 10.0)
    assert verdict.slope_ratio[0] == pytest.approx(factor)
    assert verdict.is_adequate[0] == is_good


@pytest.mark.case("C28")
@pytest.mark.parametrize("n_short, is_good", [(11, True), (12, False)])
def test_time_out_of_bound_below_five_percent(n_short, is_good):
    frequency = np.full(225, 49.9)
    delivered = slowest_response_mw(frequency, 10.0, step_s=4.0)
    delivered[100 : 100 + n_short] = 4.0  # 225 samples: 11 are 4.9 %, 12 are 5.3 %
    verdict = verify_fcr(frequency, delivered, 10.0)
    assert verdict.out_of_bound_share[0] == pytest.approx(n_short / 225)
    assert math.isnan(verdict.slope_ratio[0]) and verdict.is_adequate[0] == is_good


def test_isps_are_judged_apart_and_over_delivery_is_no_time_out_of_bound():
    frequency = steady_isp(3)
    delivered = fcr_response_mw(frequency, 10.0)
    delivered[225:450] = 0.0
    verdict = verify_fcr(np.append(frequency, [50.0] * 10), np.append(delivered, [0.0] * 10), 10.0)
    assert verdict.is_adequate.tolist() == [True, False, True]
    assert verify_fcr(frequency, 2 * delivered, 10.0).out_of_bound_share[0] == 0.0


@pytest.mark.case("C31")
def test_windows_of_a_reservoir():
    windows = soc_windows(1.0, 1.0)
    assert (windows.normal_low_share, windows.normal_high_share) == (0.25, 0.75)
    assert windows.reserve_low_share == pytest.approx(0.083333, abs=1e-6)
    assert windows.reserve_high_share == pytest.approx(0.916667, abs=1e-6)
    assert reservoir_faults(1.0, 1.0, 1.25) == ()
    assert reservoir_faults(1.0, 0.49, 1.2) == ("reservoir_too_small", "rated_power_too_small")
    assert largest_fcr_mw(1.0, 1.25) == pytest.approx(1.0)
    assert largest_fcr_mw(10.0, 1.3) == pytest.approx(1.0)
    assert largest_fcr_mw(0.2, 10.0) == pytest.approx(0.4)


@given(st.floats(0.1, 50.0), st.floats(0.1, 50.0))
def test_largest_power_breaks_no_rule_and_a_step_more_does(energy, rated):
    most = largest_fcr_mw(energy, rated)
    assert most == 0.0 or reservoir_faults(most, energy, rated) == ()
    assert reservoir_faults(most + 0.1001, energy, rated) != ()


@pytest.mark.case("C31")
@pytest.mark.parametrize("level_hz, seconds", [(0.05, 900), (0.1, 300), (0.2, 1), (-0.05, 900), (-0.3, 1)])
def test_alert_state(level_hz, seconds):
    alert = is_alert(np.full(1000, level_hz), step_s=1.0)
    assert int(np.argmax(alert)) + 1 == seconds and alert[seconds - 1 :].all()


def test_alert_counters_start_anew_below_their_level():
    deviation = np.full(1000, 0.06)
    deviation[800] = 0.04
    assert not is_alert(deviation, step_s=1.0).any()
    deviation[900] = -0.25
    assert np.flatnonzero(is_alert(deviation, step_s=1.0)).tolist() == [900]
    assert not is_alert(np.full(2000, 0.0499), step_s=1.0).any()


def test_reserve_mode_follows_only_short_term_deviations():
    short = short_term_deviation_hz(np.full(2000, 0.1), step_s=1.0)
    assert np.abs(short).max() < 1e-12
    jump = short_term_deviation_hz(np.r_[np.zeros(600), np.full(600, 0.1)], step_s=1.0)
    assert jump[600] == pytest.approx(0.1 * 299 / 300) and abs(jump[-1]) < 1e-12


@pytest.mark.case("C31")
def test_a_full_alert_can_be_served_from_the_edge_of_the_window():
    run = run_reservoir(np.full(900, -0.2), capacity_mw=1.0, energy_mwh=1.0, soc_share=0.25, step_s=1.0)
    assert run.delivered_mw[:600] == pytest.approx(1.0)  # reserve mode begins at 8.33 %, after ten minutes
    assert run.reserve_weight[599] == 0.0 and run.reserve_weight[-1] == pytest.approx(1.0, abs=0.02)
    assert run.soc_share.min() >= 0.0 and run.delivered_mw[-1] < 0.1


@given(st.integers(0, 1000), st.floats(0.0, 1.0))
def test_a_reservoir_never_leaves_its_bounds_and_keeps_its_energy(seed, soc):
    deviation = np.random.default_rng(seed).normal(0, 0.1, 200)
    run = run_reservoir(deviation, capacity_mw=2.0, energy_mwh=0.2, soc_share=soc, step_s=20.0)
    assert run.soc_share.min() >= -1e-12 and run.soc_share.max() <= 1.0 + 1e-12
    delivered_mwh = run.delivered_mw.sum() * 20 / 3600
    assert (soc - run.soc_share[-1]) * 0.2 == pytest.approx(delivered_mwh, abs=1e-9)


@pytest.mark.case("C33")
@pytest.mark.parametrize(
    "incident, share, duty, core",
    [(3000, 0.041026, 123, 37), (3440, 0.039531, 136, 41), (3000, 110 / 3000, 110, 33)],
)
def test_size(incident, share, duty, core):
    size = fcr_size(incident, share)
    assert (size.obligation_mw, size.core_mw, size.export_limit_mw) == (duty, core, 100.0)
    assert fcr_size(3000, 0.2).export_limit_mw == pytest.approx(180.0)


def test_symmetric_offer_of_a_pool():
    assert symmetric_offer_mw([5, 5, 1, 0], 0, [9.5, 20, 9, 5]).tolist() == [4, 5, 1, 0]
    assert symmetric_offer_mw(5.0, 0.0, 9.55, step_mw=0.1) == pytest.approx(4.5)


def test_penalties():
    isp = {"price_eur_per_mw": 64.0, "missing_mw": 2.0, "share_of_block": 1 / 16}
    assert fcr_penalty_eur("lack_of_response", **isp) == 160.0
    assert fcr_penalty_eur("non_availability", **isp) == 40.0
    assert [allocation_penalty_eur(h) for h in (16.0, 17.0, 17.1, math.inf)] == [0.0, 0.0, 2500.0, 2500.0]
    assert [is_without_allocation(h) for h in (17.0, 57.0, 58.0, math.inf)] == [False, False, True, True]


def test_pools_below_the_minimum_cannot_bid():
    small = prequalify([0.95])
    assert (small.prequalified_mw, small.rule) == (0.0, "pool_below_minimum")
    assert bid_fault(1.0, small.prequalified_mw) == "not_prequalified"
    together = prequalify([0.45, 0.75])
    assert together.prequalified_mw == pytest.approx(1.1) and together.rule == ""
    assert prequalify([0.45], PoolRules(pool_min_mw=0.1)).prequalified_mw == pytest.approx(0.4)


def test_groups_are_refused_by_name():
    verdict = prequalify(
        [0.05, 2.0, 2.0, 200.0, math.nan, 3.0],
        largest_unit_mw=[0.02, 1.6, 1.6, 0.1, 0.1, 0.1],
        has_own_signals=[False, False, True, False, False, False],
        dso_limit_mw=[math.inf] * 5 + [0.0],
    )
    assert [tuple(r) for r in verdict.rejections] == [
        (0, "group_below_minimum"),
        (1, "unit_needs_own_signal"),
        (3, "group_above_maximum"),
        (4, "not_a_number"),
        (5, "excluded_by_grid_operator"),
    ]
    assert verdict.prequalified_mw == pytest.approx(2.0)
    assert prequalify([3.0], dso_limit_mw=1.25).prequalified_mw == pytest.approx(1.2)


@pytest.mark.parametrize(
    "options, rule",
    [
        ({}, ""),
        ({"quantity_mw": 0.9}, "below_minimum"),
        ({"quantity_mw": 0.9, "min_bid_mw": 0.1}, ""),
        ({"quantity_mw": 5.1}, "beyond_prequalification"),
        ({"quantity_mw": math.nan}, "not_a_number"),
        ({"energy_mwh": 2.0, "rated_mw": 6.25}, "reservoir_too_small"),
        ({"energy_mwh": 2.5, "rated_mw": 6.0}, "rated_power_too_small"),
        ({"energy_mwh": 2.5, "rated_mw": 6.25}, ""),
        ({"energy_mwh": 2.0, "rated_mw": 6.25, "reservoir": ReservoirRules(alert_minutes=10.0)}, ""),
    ],
)
def test_bid_of_a_pool(options, rule):
    assert bid_fault(**({"quantity_mw": 5.0, "prequalified_mw": 5.0} | options)) == rule


def test_transfers_in_steps_of_a_hundred_kilowatts():
    assert [may_transfer(q) for q in (0.1, 0.3, 1.0, 0.05, 0.25, 0.0)] == [True, True, True, False, False, False]
