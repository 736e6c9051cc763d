import copy
import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid import kernels
from grid.flow_results import phase_deviation_share, voltage_unbalance_share
from grid.loads import tan_phi
from grid.power_flow import Fidelity, PowerFlow
from grid.topology import Grid, add_cable, add_source
from tests.grid_cases import feeder, random_meshed, random_radial, record, station_grid, with_homes, zbus

FIDELITIES: tuple[Fidelity, ...] = ("linear", "symmetric", "three_phase")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 25), ties=st.integers(0, 3))
def test_three_phase_agrees_with_the_zbus_oracle(seed, n, ties):
    rng = np.random.default_rng(seed)
    grid = random_meshed(rng, n, ties, one_phase_share=0.5)
    kw = rng.uniform(-4.0, 6.0, len(grid.connections))
    state = PowerFlow(grid).solve(kw)
    expected = zbus(grid, kw)
    assert state.voltage_pu == pytest.approx(np.abs(expected), abs=1e-8)
    a = np.exp(2j * np.pi / 3)
    va, vb, vc = expected.T
    factor = np.abs(va + a**2 * vb + a * vc) / np.abs(va + a * vb + a**2 * vc)
    assert state.vuf_share == pytest.approx(factor, abs=1e-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 25), fidelity=st.sampled_from(FIDELITIES))
def test_energy_balances_and_more_load_loads_more(seed, n, fidelity):
    rng = np.random.default_rng(seed)
    grid = random_radial(rng, n, one_phase_share=0.5 if fidelity == "three_phase" else 0.0)
    kw = rng.uniform(0.0, 4.0, len(grid.connections))
    flow = PowerFlow(grid, fidelity)
    state, more = flow.solve(kw), flow.solve(1.2 * kw)
    assert state.source_kw == pytest.approx(np.sum(kw) + state.losses_kw, abs=1e-5)
    assert state.losses_kw >= 0
    assert (more.loading_share >= state.loading_share - 1e-6).all()
    assert more.voltage_pu.mean() <= state.voltage_pu.mean() + 1e-12
    assert state.has_converged and state.failure is None


def test_two_bus_by_hand():
    # 100 m of 4x150 Al: r = 0.0206, x = 0.0079 ohm; 50 kW at unity: V^2 - V 400 + P r ... solved for the larger root
    grid = with_homes(feeder(1), ["n1"])
    r, x, p = 0.0206, 0.0079, 50e3
    b = 2 * p * r - 400.0**2
    v = np.sqrt((-b + np.sqrt(b**2 - 4 * p**2 * (r**2 + x**2))) / 2)
    state = PowerFlow(grid, "symmetric").solve(np.array([50.0]))
    assert 400 * state.voltage_pu[1, 0] == pytest.approx(v, abs=1e-3)  # charging of 100 m: below 1 mV
    assert state.losses_kw == pytest.approx(3 * (p / (np.sqrt(3) * v)) ** 2 * r / 1e3, rel=1e-4)


def test_single_and_batch_are_the_same():
    grid = station_grid(6)
    kw = np.random.default_rng(1).uniform(-2, 8, (700, 6))  # more than two chunks
    for fidelity in FIDELITIES:
        flow = PowerFlow(grid, fidelity)
        batch = flow.solve_many(kw, 0.95, with_angles=True, with_branch_kw=True)
        for step in (0, 335, 336, 699):
            one, other = flow.solve(kw[step], 0.95), batch.state(step)
            for name in ("voltage_pu", "voltage_angle", "loading_share", "branch_kw"):
                assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
            assert one.source_kw == pytest.approx(other.source_kw, abs=1e-9)
            assert one.losses_kw == pytest.approx(other.losses_kw, abs=1e-9)
        assert np.abs(batch.energy_gap_kw).max() < 1e-4
        short = flow.solve_many(kw, 0.95)
        assert short.losses_kw == pytest.approx(batch.losses_kw, abs=1e-4)
        assert short.voltage_angle is None and short.branch_kw is None
        by_connection = np.ascontiguousarray(kw.T).astype(np.float32)  # as the town keeps its loads
        assert flow.solve_many(by_connection.T, 0.95).losses_kw == pytest.approx(batch.losses_kw, rel=1e-5, abs=1e-4)


def test_symmetric_equals_three_phase_under_balanced_load():
    grid = station_grid(5, phases=("L123",))
    kw = np.full(5, 12.0)
    one, three = (PowerFlow(grid, f).solve(kw, 0.97) for f in ("symmetric", "three_phase"))
    assert one.voltage_pu == pytest.approx(three.voltage_pu, abs=1e-7)
    assert one.loading_share == pytest.approx(three.loading_share, abs=1e-6)
    assert three.vuf_share.max() < 1e-6


def test_transformer_loading_is_by_the_highest_phase():
    grid = station_grid(1, phases=("L1",))
    state = PowerFlow(grid).solve(np.array([80.0]))
    trafo = grid.arrays.branch_index["trafo"]
    # 80 kW on one phase at ~237 V are ~345 A; 250 kVA at 420 V is 343.7 A, though the total power is a third of 250 kVA
    amps = 80e3 / (state.voltage_pu[grid.arrays.node_index["n1"], 0] * 400 / np.sqrt(3))
    assert state.loading_share[trafo] == pytest.approx(amps / (250e3 / (np.sqrt(3) * 420)), rel=1e-3)
    assert state.loading_share[trafo] > 0.98


def test_both_sides_of_a_transformer_count():
    graph = station_grid(1).graph
    kw = np.array([60.0])
    high = PowerFlow(Grid(graph, station_grid(1).connections)).solve(kw)
    trafo = station_grid(1).arrays.branch_index["trafo"]
    low_side = 60e3 / 3 / (high.voltage_pu[1, 0] * 400 / np.sqrt(3)) / (250e3 / (np.sqrt(3) * 420))
    assert high.loading_share[trafo] >= low_side * 0.999


def test_one_phase_charger_uses_its_own_phase():
    graph = feeder(1)
    grid = Grid.from_records(graph, [record(0, "n1", "L123", ev_phase="L2")])
    state = PowerFlow(grid).solve(np.array([3.0]), ev_kw=np.array([7.4]))
    low = state.voltage_pu[1].argmin()
    assert low == 1
    assert state.served_kw == pytest.approx(10.4)
    balanced = PowerFlow(grid).solve(np.array([10.4]))
    assert balanced.loading_share[0] < state.loading_share[0]


def test_power_factor_and_reactive_power():
    assert tan_phi(0.8, 2) == pytest.approx([0.75, 0.75])
    grid = with_homes(feeder(1), ["n1"])
    flow = PowerFlow(grid)
    by_factor = flow.solve(np.array([8.0]), power_factor=0.8)
    by_kvar = flow.solve(np.array([8.0]), connection_kvar=np.array([6.0]))
    assert by_factor.voltage_pu == pytest.approx(by_kvar.voltage_pu, abs=1e-12)
    with pytest.raises(ValueError, match=r"power_factor 1\.2"):
        flow.solve(np.array([8.0]), power_factor=1.2)


def test_a_nan_load_is_refused_by_name():
    grid = with_homes(feeder(2), ["n1", "n2"])
    kw = np.ones((3, 2))
    kw[2, 1] = np.nan
    with pytest.raises(ValueError, match="first at period 2, connection e1: nan"):
        PowerFlow(grid).solve_many(kw)
    with pytest.raises(ValueError, match="connection e0: inf"):
        PowerFlow(grid).solve(np.array([np.inf, 1.0]))
    with pytest.raises(ValueError, match="2 connections are needed"):
        PowerFlow(grid).solve(np.ones(3))


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_no_convergence_is_flagged_named_and_masked(fidelity):
    grid = with_homes(feeder(5, length_m=200.0), ["n1", "n5"])
    kw = np.ones((400, 2))
    kw[350, 1] = 5e3
    flow = PowerFlow(grid, fidelity)
    batch = flow.solve_many(kw, with_angles=True, with_branch_kw=True)
    assert np.flatnonzero(~batch.has_converged).tolist() == [350]
    assert batch.failures[0].step == 350 and batch.failures[0].nodes[0] == "n5"
    assert "period 350" in str(batch.failures[0])
    assert np.isnan(batch.voltage_pu[350]).all() and np.isnan(batch.loading_share[350]).all()
    assert np.isnan(batch.source_kw[350]) and np.isnan(batch.losses_kw[350])
    assert np.isfinite(batch.voltage_pu[351]).all()
    state = flow.solve(kw[350])
    assert not state.has_converged and np.isnan(state.loading_share).all()
    assert state.failure is not None and state.failure.nodes[0] == "n5"
    assert flow.solve(kw[0]).voltage_pu == pytest.approx(batch.voltage_pu[0], abs=1e-9)  # the model is still good


def test_pickling_builds_the_model_anew():
    flow: Any = PowerFlow(station_grid())
    kw = np.full(4, 3.0)
    expected = flow.solve(kw).voltage_pu
    for copied in (pickle.loads(pickle.dumps(flow)), copy.deepcopy(flow)):
        assert copied.solve(kw).voltage_pu == pytest.approx(expected, abs=1e-12)
        assert copied._engine.model is not flow._engine.model
    engine = pickle.loads(pickle.dumps(flow._engine))
    assert engine.model is not flow._engine.model and engine.component == "asym_load"
    for kept in (flow, flow._engine, flow.solve(kw), flow.solve_many(kw[None])):
        assert b"power_grid_model" not in pickle.dumps(kept)  # its pointer would crash the process that reads it


def test_open_cable_leaves_its_end_dark():
    graph = feeder(3)
    graph.edges["n1", "n2", "c2"]["to_status"] = 0
    grid = with_homes(graph, ["n1", "n3"])
    for fidelity in FIDELITIES:
        state = PowerFlow(grid, fidelity).solve(np.array([5.0, 7.0]))
        assert state.served_kw == 5.0
        assert (state.voltage_pu[2:] == 0).all() and (state.voltage_pu[:2] > 0.9).all()
        assert state.loading_share[2] == 0.0
        assert state.energy_gap_kw == pytest.approx(0.0, abs=1e-5)
        assert np.isfinite(state.vuf_share).all()


def test_meshed_and_parallel_grids_solve():
    graph = feeder(2)
    add_cable(graph, "twin", "bus", "n1", "4x150 Al", 100.0)
    add_cable(graph, "ring", "bus", "n2", "4x150 Al", 200.0)
    grid = with_homes(graph, ["n1", "n2"])
    state = PowerFlow(grid).solve(np.array([10.0, 20.0]))
    twin, first = grid.arrays.branch_index["twin"], grid.arrays.branch_index["c1"]
    assert state.branch_kw[twin] == pytest.approx(state.branch_kw[first], rel=1e-9)
    assert state.energy_gap_kw == pytest.approx(0.0, abs=1e-5)


def test_a_grid_without_connections_shows_its_no_load_voltage():
    state = PowerFlow(Grid(feeder(2))).solve(np.zeros(0))
    assert state.voltage_pu == pytest.approx(1.0) and state.source_kw == 0.0


def test_unknown_fidelity():
    with pytest.raises(ValueError, match="fidelity 'quantum' is unknown"):
        PowerFlow(station_grid(), "quantum")  # type: ignore[arg-type]


def test_source_impedance_is_a_choice():
    graph = feeder(1)
    stiff = PowerFlow(with_homes(graph, ["n1"])).solve(np.array([50.0]))
    assert stiff.voltage_pu[0] == pytest.approx(1.0, abs=1e-9)
    add_source(graph, "bus", 1.0, sk=5e6)
    soft = PowerFlow(with_homes(graph, ["n1"])).solve(np.array([50.0]))
    assert soft.voltage_pu[0, 0] < 0.9999


def test_unbalance_by_hand():
    # a = 1, b and c at 0.9: U1 = (1 + 1.8) / 3, U2 = (1 - 0.9) / 3
    volts = np.array([[1.0, 0.9, 0.9]])
    angle = np.array([[0.0, -2 * np.pi / 3, 2 * np.pi / 3]])
    assert voltage_unbalance_share(volts, angle) == pytest.approx([0.1 / 2.8])
    mean = 2.8 / 3
    assert phase_deviation_share(volts) == pytest.approx([(1 - mean) / mean])
    assert voltage_unbalance_share(np.zeros((1, 3)), angle) == 0.0


def test_kernels_match_their_numpy_twins():
    rng = np.random.default_rng(3)
    t, c, n = 4, 50, 7
    kw, tan = rng.normal(size=(t, c)), rng.random(c)
    slot, phase = rng.integers(n, size=c), rng.integers(4, size=c)
    share = np.vstack([np.full(3, 1 / 3), np.eye(3)])[phase]
    by_hand = np.zeros((2, t, n, 3))
    for i in range(c):
        by_hand[0, :, slot[i]] += 1e3 * kw[:, i, None] * share[i]
        by_hand[1, :, slot[i]] += 1e3 * kw[:, i, None] * tan[i] * share[i]
    p, q = np.zeros((2, t, n, 3))
    kernels.sum_to_loads(kw, tan, 4 * slot + phase, p, q)
    assert p == pytest.approx(by_hand[0]) and q == pytest.approx(by_hand[1])
    p, q = np.zeros((2, t, n, 1))
    kernels.sum_to_loads(kw, tan, slot, p, q)
    assert p[..., 0] == pytest.approx(by_hand[0].sum(axis=2)) and q[..., 0] == pytest.approx(by_hand[1].sum(axis=2))
    p, q = np.zeros((2, t, n, 3))
    kernels.sum_to_loads(kw, np.zeros(0), 4 * slot + phase, p, q)
    assert p == pytest.approx(by_hand[0]) and (q == 0).all()

    i_from, i_to = rng.random((2, t, 5, 3)) * 100
    rated, columns, out = rng.random((5, 2)) * 100, np.array([1, 3, 5, 7, 8]), np.zeros((t, 9))
    kernels.highest_share(i_from, i_to, rated, out, columns)
    both = np.maximum(i_from / rated[:, 0, None], i_to / rated[:, 1, None]).max(axis=2)
    assert out[:, columns] == pytest.approx(both) and (out[:, [0, 2, 4, 6]] == 0).all()
    p_from, p_to = rng.normal(size=(2, t, 5, 3))
    losses, branch = np.zeros(t), np.zeros((t, 9))
    kernels.branch_power(p_from, p_to, losses, branch, columns)
    assert losses == pytest.approx((p_from + p_to).sum(axis=(1, 2)))
    assert branch[:, columns] == pytest.approx(p_from.sum(axis=2) / 1e3)
    kernels.scatter_columns(both, out, columns)
    assert out[:, columns] == pytest.approx(both)

    volts, angle = rng.random((t, n, 3)) + 0.5, rng.normal(size=(t, n, 3))
    u1, u2 = kernels.sequence_voltages(volts, angle)
    a, phasor = np.exp(2j * np.pi / 3), volts * np.exp(1j * angle)
    assert u1 == pytest.approx(np.abs(phasor @ np.array([1, a, a**2])) / 3)
    assert u2 == pytest.approx(np.abs(phasor @ np.array([1, a**2, a])) / 3)


def test_links_join_busbars():
    graph = feeder(1)
    graph.add_node("bus2", u_rated=400.0)
    graph.add_edge("n1", "bus2", key="coupler", kind="link", a="n1", b="bus2")
    grid = with_homes(graph, ["bus2"])
    for fidelity in FIDELITIES:
        state = PowerFlow(grid, fidelity).solve(np.array([30.0]))
        link = grid.arrays.branch_index["coupler"]
        assert state.voltage_pu[1] == pytest.approx(state.voltage_pu[2], abs=1e-6)
        assert state.loading_share[link] == 0.0
        assert state.branch_kw[link] == pytest.approx(30.0, abs=1e-3)


def test_directed_graphs_are_refused():
    with pytest.raises(ValueError, match=r"MultiDiGraph is directed; a networkx\.MultiGraph is needed") as caught:
        Grid(nx.MultiDiGraph(feeder(1)))
    assert "1 fault" in str(caught.value)
