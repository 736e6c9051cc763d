"""EN 50160 as the report reads it: counts at the edge of each limit, windows, and the two readings of unbalance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.power_flow import PowerFlow
from grid.quality import (
    FREQUENCY,
    FREQUENCY_OUTER,
    PHASE_DIFFERENCE,
    UNBALANCE,
    VOLTAGE,
    VOLTAGE_V,
    is_frequency_in_order,
    judge,
    judge_flow,
)
from tests.grid_cases import feeder, station_grid, with_homes


def with_outside(n, outside, inside_value, outside_value):
    values = np.full(n, inside_value)
    values[:outside] = outside_value
    return np.random.default_rng(0).permutation(values)


@pytest.mark.case("C46")
def test_frequency_of_a_week():
    assert is_frequency_in_order(with_outside(60_480, 302, 50.0, 49.4))
    assert not is_frequency_in_order(with_outside(60_480, 303, 50.0, 49.4))
    assert is_frequency_in_order(with_outside(60_480, 302, 50.5, 52.0))
    assert not is_frequency_in_order(with_outside(60_480, 1, 50.0, 46.99))
    assert not is_frequency_in_order(with_outside(60_480, 1, 50.0, 52.01))
    assert judge(np.array([49.5, 50.5]), FREQUENCY).n_outside == 0  # the edges belong to the band
    assert judge(np.array([47.0, 52.0]), FREQUENCY_OUTER).n_outside == 0


@pytest.mark.case("C47")
def test_voltage_of_a_week():
    for bad in (206.9, 253.1):
        assert judge(with_outside(1008, 50, 230.0, bad), VOLTAGE_V).is_met
        assert not judge(with_outside(1008, 51, 230.0, bad), VOLTAGE_V).is_met
    assert judge(np.array([207.0, 253.0]), VOLTAGE_V).n_outside == 0


def test_a_week_of_quarter_hours_allows_thirty_three():
    assert judge(with_outside(672, 33, 1.0, 0.89), VOLTAGE).is_met
    assert not judge(with_outside(672, 34, 1.0, 0.89), VOLTAGE).is_met
    assert UNBALANCE.allowed_outside(672) == 33


def test_windows_are_judged_apart():
    week = np.concatenate([np.full(672, 1.0), with_outside(672, 40, 1.0, 1.2), np.full(100, 1.2)])
    verdict = judge(week, VOLTAGE, 672)
    assert verdict.n_outside.tolist() == [0, 40, 100]
    assert verdict.n_valid.tolist() == [672, 672, 100]
    assert verdict.is_met.tolist() == [True, False, False]
    assert judge(week[:1344], VOLTAGE).is_met  # 40 of 1,344 within one long window
    with pytest.raises(ValueError, match="window 0"):
        judge(week, VOLTAGE, 0)


def test_gaps_do_not_count():
    values = np.full(200, np.nan)
    values[:100], values[:5] = 1.0, 0.5
    verdict = judge(values, VOLTAGE)
    assert verdict.n_outside == 5 and verdict.n_valid == 100 and verdict.is_met
    values[5] = 0.5
    assert not judge(values, VOLTAGE).is_met


@given(n=st.integers(1, 2000), outside=st.integers(0, 2000), shape=st.sampled_from([(), (3,), (2, 3)]))
def test_the_verdict_is_the_share_inside(n, outside, shape):
    outside = min(n, outside)
    values = np.ones((n, *shape))
    values[:outside] = 2.0
    met = judge(values, VOLTAGE).is_met
    assert met.shape == (1, *shape)
    assert (met == ((n - outside) * 100 >= 95 * n)).all()


def test_the_two_readings_of_unbalance_differ():
    # 12 kW on L1 alone at the end of a street: below 1 % negative sequence, but a phase more than 3 % from the mean
    grid = with_homes(feeder(1, length_m=260.0, cable="4x95 Al"), ["n1"], phase="L1")
    batch = PowerFlow(grid).solve_many(np.full((672, 1), 12.0), with_angles=True)
    report = judge_flow(batch)
    assert batch.vuf_share[0, 1] < 0.01 and batch.phase_deviation_share[0, 1] > 0.03
    assert report.unbalance.is_met[0].all() and report.unbalance.limit is UNBALANCE
    assert report.phase_difference.is_met[0].tolist() == [True, False]
    assert report.phase_difference.limit is PHASE_DIFFERENCE
    assert report.is_met.tolist() == [[True, True]]


def test_an_overloaded_street_fails_where_it_is_low():
    grid = with_homes(feeder(3, length_m=150.0, cable="4x50 Al"), ["n3"], phase="L2")
    kw = np.ones((672, 1))
    kw[:34] = 14.0
    report = judge_flow(PowerFlow(grid).solve_many(kw, with_angles=True))
    assert report.voltage.n_outside[0, :, 1].tolist() == [0, 0, 34, 34]
    assert (report.voltage.n_outside[0, :, [0, 2]] == 0).all()
    assert report.is_met[0].tolist() == [True, True, False, False]


def test_nodes_without_supply_and_failed_steps_are_not_judged():
    graph = feeder(2)
    graph.edges["n1", "n2", "c2"]["to_status"] = 0
    grid = with_homes(graph, ["n1"])
    kw = np.ones((10, 1))
    kw[4] = 1e5
    report = judge_flow(PowerFlow(grid).solve_many(kw, with_angles=True), window=5)
    assert report.voltage.n_valid[:, 1, 0].tolist() == [4, 5]
    assert report.voltage.n_valid[:, 2].max() == 0 and report.unbalance.n_valid[:, 2].max() == 0
    assert report.is_met.all()


def test_unbalance_needs_angles():
    batch = PowerFlow(station_grid()).solve_many(np.ones((2, 4)))
    with pytest.raises(ValueError, match="with_angles=True"):
        judge_flow(batch)
