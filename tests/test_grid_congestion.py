"""The linear layer, effectivity and congestion: Kirchhoff, AC as the judge, sampling as the judge of probabilities."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.congestion import (
    congestion_areas,
    forecast_loading,
    headroom_kw,
    is_congested,
    needed_relief_kw,
)
from grid.linear import MARGIN_SHARE, LinearLayer
from grid.power_flow import PowerFlow
from grid.sensitivity import check_relief, effectivity, effectivity_ac, node_effectivity
from grid.topology import Grid, add_cable
from tests.grid_cases import feeder, random_meshed, random_radial, record, station_grid, with_homes


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 15), ties=st.integers(0, 4))
def test_linear_flows_obey_kirchhoff(seed, n, ties):
    rng = np.random.default_rng(seed)
    grid = random_meshed(rng, n, ties)
    a, layer = grid.arrays, LinearLayer(grid.arrays)
    node_kw = rng.normal(size=a.n_nodes)
    node_kw[a.source_node] = 0.0
    flow = layer.flow(node_kw)
    net = np.bincount(a.to_node, flow, a.n_nodes) - np.bincount(a.from_node, flow, a.n_nodes)
    rest = np.arange(a.n_nodes) != a.source_node
    assert net[rest] == pytest.approx(node_kw[rest], abs=1e-9)
    assert layer.is_radial == nx.is_tree(nx.Graph(grid.graph))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 15))
def test_linear_loading_of_consumption_is_low_and_close(seed, n):
    rng = np.random.default_rng(seed)
    grid = random_radial(rng, n, one_phase_share=0.0)
    flow = PowerFlow(grid, "symmetric")
    kw = rng.uniform(0.0, 1.0, n - 1)
    kw *= 0.9 / flow.solve(kw).loading_share.max()
    exact, rough = flow.solve(kw), PowerFlow(grid, "linear").solve(kw)
    assert (rough.loading_share <= exact.loading_share + 5e-3).all()  # cable charging aside it never reads high
    worst = np.max(exact.loading_share - rough.loading_share)
    drop = 1.0 - exact.voltage_pu.min()
    assert worst <= 0.01 + drop  # what it misses is of the size of the voltage drop
    assert rough.voltage_pu[:, 0] == pytest.approx(exact.voltage_pu[:, 0], abs=0.01 + 2 * drop**2)


def test_parallel_cables_share_by_impedance():
    graph = feeder(1)
    add_cable(graph, "twin", "n1", "bus", "4x150 Al", 300.0)
    grid = with_homes(graph, ["n1"])
    flow = LinearLayer(grid.arrays).flow(np.array([0.0, 40.0]))
    assert flow == pytest.approx([30.0, -10.0])  # 100 m against 300 m, the twin drawn the other way round
    exact = PowerFlow(grid).solve(np.array([40.0])).branch_kw
    assert flow == pytest.approx(exact, rel=0.05)


def test_linear_voltage_follows_the_tap():
    grid = station_grid(2, phases=("L123",))
    layer = LinearLayer(grid.arrays)
    none = PowerFlow(grid).solve(np.zeros(2))
    assert layer.no_load_voltage_pu == pytest.approx(none.voltage_pu[:, 0], abs=1e-3)
    assert layer.no_load_voltage_pu[1] == pytest.approx(420 / 400 * 10_500 / 10_750, abs=1e-12)  # one step down


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 10), ties=st.integers(0, 2))
def test_ac_factors_predict_a_finite_change(seed, n, ties):
    rng = np.random.default_rng(seed)
    grid = random_meshed(rng, n, ties)
    flow = PowerFlow(grid, "symmetric")
    kw = rng.uniform(2.0, 6.0, n - 1)
    factors = effectivity_ac(flow, kw)
    assert factors.topology_hash == grid.arrays.topology_hash
    row = int(rng.integers(n - 1))
    node = grid.connections.node_index[row]
    less = kw.copy()
    less[row] -= 1.5
    before, after = flow.solve(kw), flow.solve(less)
    relief = np.abs(before.branch_kw) - np.abs(after.branch_kw)
    is_plain = np.abs(before.branch_kw) > 2.0  # branches that may turn their direction aside
    assert 1.5 * factors.kw_per_kw[node][is_plain] == pytest.approx(relief[is_plain], abs=0.02)
    share = before.loading_share - after.loading_share
    assert 1.5 * factors.share_per_kw[node][is_plain] == pytest.approx(share[is_plain], abs=2e-3)
    topological = np.abs(node_effectivity(flow)[node])
    assert np.abs(factors.kw_per_kw[node][is_plain]) == pytest.approx(topological[is_plain], abs=0.15)


def test_errors_of_predicted_relief_on_an_overloaded_street():
    grid = station_grid(6, phases=("L123",))
    flow = PowerFlow(grid)
    kw = np.full(6, 40.0)
    trafo = grid.arrays.branch_index["trafo"]
    assert flow.solve(kw).loading_share[trafo] > 1.0
    check = check_relief(flow, kw, trafo, np.array([0, 5, 5]), np.array([10.0, 10.0, 40.0]))
    by_hand = kw.copy()
    by_hand[5] -= 40.0
    assert check.ac_kw[2] == pytest.approx(
        flow.solve(kw).branch_kw[trafo] - flow.solve(by_hand).branch_kw[trafo], abs=1e-6
    )
    assert check.topology_kw.tolist() == [10.0, 10.0, 40.0]
    assert (check.topology_error_share > 0.02).all() and check.topology_error_share.max() < 0.25  # losses fall too
    assert np.abs(check.linear_error_share).max() < 0.05
    assert np.abs(check.linear_error_share[1]) < np.abs(check.linear_error_share[2])  # the larger the step, the worse
    aside = check_relief(flow, kw, grid.arrays.branch_index["c6"], np.array([0]), np.array([10.0]))
    assert aside.topology_kw == 0.0 and np.abs(aside.ac_kw) < 1.0


def test_effectivity_has_a_direction():
    grid = station_grid(3)
    flow = PowerFlow(grid)
    factors = effectivity(flow)
    assert factors.shape == (3, 4)  # connections x (trafo, c1, c2, c3)
    assert factors[0].tolist() == [1.0, 1.0, 0.0, 0.0] and factors[2].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert effectivity(flow, np.array([-1.0, 1.0, 1.0, 1.0]))[0, 0] == -1.0  # feed-in: more consumption relieves


def test_factors_need_a_solution_and_a_load():
    grid = station_grid(3)
    with pytest.raises(ValueError, match="linear has effectivity"):
        effectivity_ac(PowerFlow(grid, "linear"), np.ones(3))
    with pytest.raises(ValueError, match="nodes without connection"):
        effectivity_ac(PowerFlow(grid), np.ones(3), np.array([0]))
    with pytest.raises(ValueError, match="no solution around the operating point: period"):
        effectivity_ac(PowerFlow(grid), np.full(3, 1e5))
    some = effectivity_ac(PowerFlow(grid), np.ones(3), PowerFlow(grid).load_nodes[:1])
    assert np.isfinite(some.kw_per_kw[2]).all() and np.isnan(some.kw_per_kw[3]).all()


def test_relief_and_headroom_by_hand():
    loading = np.array([[1.2, 0.7, np.nan], [0.9, 1.0, 0.1]])
    rated = np.array([400.0, 100.0, np.inf])
    assert needed_relief_kw(loading, rated) == pytest.approx(np.array([[80.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert needed_relief_kw(loading, rated, 0.8)[0] == pytest.approx([160.0, 40.0])
    assert headroom_kw(loading, rated)[:2] == pytest.approx(np.array([[0.0, 40.0], [30.0, 0.0]]))
    assert np.isinf(headroom_kw(loading, rated)[2]).all()
    assert is_congested(loading).tolist() == [[True, False, False], [False, False, False]]


def test_probabilities_agree_with_sampling():
    grid = station_grid(3, phases=("L123",))
    flow, rng = PowerFlow(grid), np.random.default_rng(2)
    connection_kw = np.array([[60.0, 70.0, 75.0], [20.0, 30.0, 10.0]])
    mean = flow.node_kw(connection_kw)
    sigma, correlation = 0.25 * mean, 0.4
    forecast = forecast_loading(flow.linear, mean, sigma, correlation, power_factor=1.0)
    common, own = rng.normal(size=(2, 40_000, 1, 1)), rng.normal(size=(40_000, *mean.shape))
    draws = mean + sigma * (np.sqrt(correlation) * common[0] + np.sqrt(1 - correlation) * own)
    share = flow.linear.flow(draws.reshape(-1, mean.shape[1])).reshape(40_000, 2, -1) / grid.arrays.rated_kva
    for limit in (0.6, 0.8, 1.0):
        sampled = (np.abs(share) > limit - MARGIN_SHARE).mean(axis=0)
        assert forecast.probability(limit) == pytest.approx(sampled, abs=0.01)
    assert forecast.quantile(0.9) == pytest.approx(np.quantile(np.abs(share), 0.9, axis=0), abs=0.01)
    assert forecast.needed_relief_kw(0.9).shape == (grid.arrays.n_branches, 2)
    with pytest.raises(ValueError, match=r"correlation 1\.5"):
        forecast_loading(flow.linear, mean, sigma, 1.5)


def test_a_certain_forecast_is_zero_or_one():
    flow = PowerFlow(station_grid(2, phases=("L123",)))
    mean = flow.node_kw(np.array([[200.0, 100.0], [10.0, 0.0]]))
    forecast = forecast_loading(flow.linear, mean, 0.0 * mean, power_factor=1.0)
    assert forecast.probability()[:, 0].tolist() == [1.0, 0.0]  # 300 kW and 10 kW on 250 kVA
    feed_in = forecast_loading(flow.linear, -mean, 0.0 * mean, power_factor=1.0)
    assert feed_in.probability()[:, 0].tolist() == [1.0, 0.0]
    assert forecast.needed_relief_kw()[0] == pytest.approx([(1.2 - 0.97) * 250, 0.0])


def test_areas_name_who_can_help():
    graph = station_grid(3).graph
    grid = Grid.from_records(graph, [record(i, node) for i, node in enumerate(("bus", "n1", "n2", "n3", "n3"))])
    flow = PowerFlow(grid)
    loading = np.zeros((4, grid.arrays.n_branches))
    cable, trafo = grid.arrays.branch_index["c2"], grid.arrays.branch_index["trafo"]
    loading[1:3, cable], loading[2, trafo] = 1.3, 1.01
    areas = {area.element: area for area in congestion_areas(flow, is_congested(loading))}
    assert set(areas) == {"c2", "trafo"}
    assert areas["c2"].connection_rows.tolist() == [2, 3, 4] and areas["c2"].periods.tolist() == [1, 2]
    assert areas["trafo"].connection_rows.tolist() == [0, 1, 2, 3, 4] and areas["trafo"].periods.tolist() == [2]
    assert (areas["c2"].effectivity == 1.0).all() and areas["c2"].branch_index == cable
    assert congestion_areas(flow, is_congested(0 * loading)) == ()
