"""Published and independently computed power-flow results, matched to 1e-4 pu and 0.1 % loading."""

import csv
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from grid.power_flow import PowerFlow
from grid.sensitivity import effectivity, effectivity_ac
from grid.topology import Grid, add_source

DATA = Path(__file__).parents[2] / "shared" / "data" / "grid"
shared = pytest.mark.shared
LINE = ("r1", "x1", "c1", "r0", "x0", "c0", "i_n")
UNIT = ("u1", "u2", "sn", "uk", "pk", "i0", "p0", "clock", "tap_pos", "tap_size")


@pytest.fixture(autouse=True)
def data():
    if not DATA.is_dir():
        pytest.skip(f"no reference data at {DATA}")


def rows(name):
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


def reference_grid(case, source, u_rated, u_ref=1.0):
    graph = nx.MultiGraph()
    nodes = rows(f"{case}_nodes.csv")
    for row in nodes:
        graph.add_node(row["node"], u_rated=u_rated(row))
    if source not in graph:
        graph.add_node(source, u_rated=u_rated({"node": source}))
    add_source(graph, source, u_ref)
    for row in rows(f"{case}_branches.csv"):
        names = LINE if row["kind"] == "line" else UNIT
        values = {name: float(row[name]) for name in names if row.get(name)}
        if row["kind"] == "transformer":
            values["clock"] = int(values["clock"])
            values["tap_pos"] = int(values.get("tap_pos", 0))
        graph.add_edge(
            row["from"], row["to"], key=row["branch"], kind=row["kind"], a=row["from"], b=row["to"], **values
        )
    return graph, nodes


def load_grid(graph, loads):
    """``loads``: (node, phase) -> (W, var); returns the grid with kW and kvar of its connections."""
    used = {key: value for key, value in loads.items() if value != (0.0, 0.0)}
    records = [
        {"ean": str(i), "node": node, "phase": phase, "capacity_kw": 1e4} for i, (node, phase) in enumerate(used)
    ]
    kw, kvar = (np.array([value[i] for value in used.values()]) / 1e3 for i in (0, 1))
    return Grid.from_records(graph, records), kw, kvar


@shared
@pytest.mark.parametrize("fidelity", ["symmetric", "three_phase"])
def test_cigre_lv(fidelity):
    graph, nodes = reference_grid("cigre_lv", "0", lambda row: float(row["u_rated_v"]))
    loads = {(row["node"], 0): (float(row["p_load_w"]), float(row["q_load_var"])) for row in nodes}
    grid, kw, kvar = load_grid(graph, loads)
    state = PowerFlow(grid, fidelity).solve(kw, connection_kvar=kvar)
    volts = {node: state.voltage_pu[i, 0] for i, node in enumerate(grid.arrays.node_ids)}
    for row in nodes:
        assert volts[row["node"]] == pytest.approx(float(row["vm_pu_pi"]), abs=1e-6), row["node"]
    for row in rows("cigre_lv_branches.csv"):
        share = state.loading_share[grid.arrays.branch_index[row["branch"]]]
        if row["kind"] == "line":
            assert 100 * share == pytest.approx(float(row["loading_percent_pi"]), abs=0.01), row["branch"]
        else:
            # pandapower rates transformers by current, as grid/power_flow does
            assert 100 * share == pytest.approx(float(row["loading_percent_pi"]), abs=0.1), row["branch"]
    assert state.source_kw == pytest.approx(714.9292, abs=1e-3)
    assert state.losses_kw == pytest.approx(28.3292, abs=1e-3)


def dutch(symmetric=False):
    graph, nodes = reference_grid("dutch_lv_asym", "mv", lambda row: 10_500.0 if row["node"] == "mv" else 400.0)
    phases = "abc"
    loads = {
        (row["node"], i + 1): (float(row[f"p_{f}_w"]), float(row[f"q_{f}_var"]))
        for row in nodes
        for i, f in enumerate(phases)
    }
    return (*load_grid(graph, loads), nodes)


@shared
def test_dutch_lv_three_phase():
    grid, kw, kvar, nodes = dutch()
    state = PowerFlow(grid).solve(kw, connection_kvar=kvar)
    index = grid.arrays.node_index
    for row in nodes:
        expected = [float(row[f"u_{f}_pu"]) for f in "abc"]
        assert state.voltage_pu[index[row["node"]]] == pytest.approx(expected, abs=1e-6)
        assert 100 * state.vuf_share[index[row["node"]]] == pytest.approx(float(row["vuf_u2_u1_pct"]), abs=1e-3)
    for row in rows("dutch_lv_asym_branches.csv"):
        if row["kind"] == "line":
            share = state.loading_share[grid.arrays.branch_index[row["branch"]]]
            assert 100 * share == pytest.approx(float(row["loading_max_phase_pct"]), abs=0.01)
    trafo = state.loading_share[grid.arrays.branch_index["trafo"]]
    amps = float(next(row["i_a_a"] for row in rows("dutch_lv_asym_branches.csv") if row["branch"] == "trafo"))
    assert trafo == pytest.approx(amps / (400e3 / (3**0.5 * 400.0)), rel=1e-6)  # 184.35 % by current
    assert 100 * trafo * state.voltage_pu[index["bus"], 0] == pytest.approx(178.4, abs=0.1)  # power of that phase
    assert state.energy_gap_kw == pytest.approx(0.0, abs=1e-4)


@shared
def test_dutch_lv_symmetric():
    grid, kw, kvar, nodes = dutch()
    state = PowerFlow(grid, "symmetric").solve(kw, connection_kvar=kvar)
    for row in nodes:
        volts = state.voltage_pu[grid.arrays.node_index[row["node"]], 0]
        assert volts == pytest.approx(float(row["u_pu_sym"]), abs=1e-6)


@shared
@pytest.mark.parametrize("row", range(3))
def test_two_bus_closed_form(row):
    case = {name: float(value) for name, value in rows("two_bus_closed_form.csv")[row].items()}
    graph = nx.MultiGraph()
    for node in ("source", "load"):
        graph.add_node(node, u_rated=400.0)
    add_source(graph, "source", case["u_source_v"] / 400.0)
    graph.add_edge(
        "source", "load", key="c", kind="line", a="source", b="load", r1=case["r_ohm"], x1=case["x_ohm"], i_n=275.0
    )
    grid, kw, kvar = load_grid(graph, {("load", 0): (case["p_w"], case["q_var"])})
    for fidelity in ("symmetric", "three_phase"):
        state = PowerFlow(grid, fidelity).solve(kw, connection_kvar=kvar)
        assert 400 * state.voltage_pu[1, 0] == pytest.approx(case["u_load_v"], abs=1e-5)
        assert 275 * state.loading_share[0] == pytest.approx(case["i_a"], abs=1e-5)
        assert state.source_kw == pytest.approx(case["p_source_w"] / 1e3, abs=1e-6)


@shared
def test_effectivity_matches_central_difference():
    grid, kw, kvar, _ = dutch()
    flow = PowerFlow(grid, "symmetric")
    factors = effectivity_ac(flow, kw, connection_kvar=kvar)
    a = grid.arrays
    expected = rows("dutch_lv_effectivity.csv")
    branches = [name.removeprefix("dP_").removesuffix("_kw_per_kw") for name in expected[0] if name.startswith("dP_")]
    assert len(branches) == 7 and len(expected) == 100
    for row in expected:
        node = a.node_index[row["node"]]
        for name in branches:
            branch = a.branch_index[name]
            assert factors.kw_per_kw[node, branch] == pytest.approx(float(row[f"dP_{name}_kw_per_kw"]), abs=1e-4)
            amps = factors.share_per_kw[node, branch] * a.rated_current_a[branch, 1]
            assert amps == pytest.approx(float(row[f"dI_{name}_a_per_kw"]), abs=1e-3)


@shared
def test_radial_effectivity_is_zero_or_one():
    grid, *_ = dutch()
    flow = PowerFlow(grid)
    factors = effectivity(flow)
    assert set(np.unique(factors)) == {0.0, 1.0}
    assert factors[:, grid.arrays.branch_index["trafo"]].all()
