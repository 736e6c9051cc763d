"""Hot spot and ageing against numbers worked out by hand and the table of IEC 60076-7."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.thermal import DISTRIBUTION_ONAN, ThermalConstants, advance, ageing_rate, run_thermal, steady_state


def test_rated_load_at_twenty_degrees_ages_normally():
    day = run_thermal(np.ones((96, 1)), 20.0)
    assert day.hot_spot_c == pytest.approx(98.0)
    assert day.loss_of_life_h == pytest.approx(24.0)


@pytest.mark.parametrize(
    ("hot_spot_c", "kraft", "upgraded"),
    [(80, 0.125, 0.036), (86, 0.25, 0.073), (98, 1.0, 0.282), (110, 4.0, 1.0), (122, 16.0, 3.29), (140, 128.0, 17.2)],
)
def test_ageing_rates_of_the_standard(hot_spot_c, kraft, upgraded):
    assert ageing_rate(np.array([float(hot_spot_c)])) == pytest.approx([kraft], rel=0.01)
    better = ThermalConstants(is_thermally_upgraded=True)
    assert ageing_rate(np.array([float(hot_spot_c)]), better) == pytest.approx([upgraded], rel=0.02)


def test_half_load_by_hand():
    # losses (1 + 5 * 0.25) / 6 = 0.375; oil 55 * 0.375^0.8 = 25.095 K; winding 23 * 0.5^1.6 = 7.587 K
    state = steady_state(np.array([0.5]))
    assert state.oil_k == pytest.approx([25.095], abs=1e-3)
    assert state.gradient_k == pytest.approx([7.587], abs=1e-3)


def test_time_constants_by_hand():
    cold = steady_state(np.array([0.0]))
    # no load: iron losses only, 55 * (1/6)^0.8 = 13.117 K
    assert cold.oil_k == pytest.approx([13.117], abs=1e-3)
    later = advance(cold, np.array([1.0]), 180.0)
    assert later.oil_k == pytest.approx([55.0 + (13.117 - 55.0) / math.e], abs=1e-3)
    assert advance(cold, np.array([1.0]), 8.0).gradient_k == pytest.approx([23.0 * (1 - 1 / math.e)], abs=1e-3)


def test_large_units_overshoot():
    # k21 = 2, k22 = 2, tau_oil = 210: the gradient first runs above its final value (IEC 60076-7, ONAF)
    large = ThermalConstants(k21=2.0, oil_time_min=150.0, winding_time_min=7.0, k11=0.5)
    state, highest = steady_state(np.array([0.0]), large), 0.0
    for _ in range(40):
        state = advance(state, np.array([1.0]), 5.0, large)
        highest = max(highest, float(state.gradient_k[0]))
    assert highest > 1.2 * large.hot_spot_gradient_k


@given(load=st.floats(0.0, 2.0), start=st.floats(0.0, 2.0), first=st.floats(0.5, 500.0), second=st.floats(0.5, 500.0))
def test_two_steps_are_one_long_step_and_the_end_is_the_steady_state(load, start, first, second):
    share, state = np.array([load]), steady_state(np.array([start]))
    parts = advance(advance(state, share, first), share, second)
    whole = advance(state, share, first + second)
    for name in ("oil_k", "fast_k", "slow_k"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-9)
    low, high = sorted((state.oil_k[0], steady_state(share).oil_k[0]))
    assert low - 1e-9 <= parts.oil_k[0] <= high + 1e-9
    assert advance(state, share, 1e5).oil_k == pytest.approx(steady_state(share).oil_k)


def test_an_evening_of_overload_costs_days():
    load = np.full((96, 2), 0.6)
    load[72:84] = (1.5, 1.0)
    day = run_thermal(load, 30.0)
    assert day.loss_of_life_h[0] > 10 * day.loss_of_life_h[1]
    assert day.hot_spot_c[83, 0] > 120.0 and day.hot_spot_c[:, 1].max() < 110.0
    assert run_thermal(load, 20.0).loss_of_life_h[0] == pytest.approx(
        day.loss_of_life_h[0] / 2 ** (10 / 6)
    )  # 6 K colder halves the ageing


def test_runs_can_be_continued():
    load = np.random.default_rng(0).uniform(0.2, 1.4, (96, 3))
    whole = run_thermal(load, 10.0)
    first = run_thermal(load[:40], 10.0)
    second = run_thermal(load[40:], 10.0, start=first.state)
    assert np.vstack([first.hot_spot_c, second.hot_spot_c]) == pytest.approx(whole.hot_spot_c)
    assert first.loss_of_life_h + second.loss_of_life_h == pytest.approx(whole.loss_of_life_h)


def test_a_step_without_result_keeps_the_load():
    load = np.full((4, 1), 1.0)
    load[2] = np.nan
    assert run_thermal(load, 20.0).hot_spot_c == pytest.approx(98.0)
    load[:] = np.nan
    assert run_thermal(load, 20.0).hot_spot_c == pytest.approx(20.0 + steady_state(np.array([0.0])).oil_k[0])


def test_a_hotter_day_within_the_run():
    ambient = np.array([20.0, 20.0, 26.0, 26.0])
    rate = run_thermal(np.ones((4, 1)), ambient).ageing_rate[:, 0]
    assert rate == pytest.approx([1.0, 1.0, 1.5, 2.0])
    assert DISTRIBUTION_ONAN.oil_rise_k == 55.0
