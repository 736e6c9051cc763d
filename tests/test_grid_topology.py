import math
import pickle

import networkx as nx
import numpy as np
import pytest

from grid.arrays import compile_arrays
from grid.attributes import level_of
from grid.cables import CABLES, TRANSFORMERS, station_type
from grid.connections import connection_table
from grid.ean import check_digit, ean_code, is_valid_ean
from grid.topology import Grid, add_cable, add_source, add_transformer
from tests.grid_cases import feeder, record, station_grid, with_homes


def faults_of(graph, records=()):
    with pytest.raises(ValueError) as caught:
        Grid.from_records(graph, list(records))
    return str(caught.value)


def test_check_digit_by_hand():
    # 8716 0000 0000 0000 1: weights 3, 1, 3 … from the right; 1*3 + 6*1 + 1*3 + 7*1 + 8*3 = 43 -> 7
    assert check_digit("87160000000000001") == 7
    # the GS1 example 629104150021 -> 3
    assert check_digit("629104150021") == 3
    assert ean_code(1) == "871600000000000017"
    assert is_valid_ean(ean_code(123456)) and not is_valid_ean("871600000000000018")
    assert not is_valid_ean("87160000000000001")


def test_library_values_reach_the_branch():
    grid = with_homes(feeder(1, length_m=250.0), ["n1"])
    line = grid.graph.edges["bus", "n1", "c1"]
    assert line["r1"] == pytest.approx(0.206 * 0.25)
    assert line["x0"] == pytest.approx(0.386 * 0.25)
    assert line["i_n"] == 275.0 and line["from_status"] == 1
    assert grid.arrays.branch["c1"][0] == pytest.approx(0.72e-6 * 0.25)
    assert grid.arrays.rated_kva[0] == pytest.approx(math.sqrt(3) * 400 * 275 / 1e3)


def test_own_values_win_over_the_library():
    graph = feeder(1)
    graph.edges["bus", "n1", "c1"]["i_n"] = 200.0
    assert Grid(graph).arrays.branch["i_n"][0] == 200.0


def test_every_library_entry_has_a_source_and_passes_the_checker():
    for name, cable in CABLES.items():
        assert cable.source, name
        graph = feeder(1, cable=name)
        Grid(graph)
    for name, unit in TRANSFORMERS.items():
        assert unit.source, name
        graph = nx.MultiGraph()
        graph.add_node("a", u_rated=unit.u1_v)
        graph.add_node("b", u_rated=unit.u2_v)
        add_source(graph, "a")
        add_transformer(graph, "t", "a", "b", name)
        Grid(graph)


def test_station_size():
    assert station_type(200, (250, 400, 630)).startswith("250 ")
    assert station_type(251, (630, 250, 400)).startswith("400 ")
    assert station_type(2000, (250, 400, 630)).startswith("630 ")


def test_levels():
    assert [level_of(u) for u in (380e3, 150e3, 10.5e3, 400.0)] == ["ehv", "hv", "mv", "lv"]


def test_graph_arrays_graph_loses_nothing():
    grid = station_grid()
    again = grid.arrays.to_graph()
    assert dict(again.nodes(data=True)) == dict(grid.graph.nodes(data=True))
    assert list(again.edges(keys=True)) == list(grid.graph.edges(keys=True))
    for u, v, key, data in grid.graph.edges(keys=True, data=True):
        assert again.edges[u, v, key] == data
        assert {n: type(x) for n, x in again.edges[u, v, key].items()} == {n: type(x) for n, x in data.items()}
    assert compile_arrays(again).topology_hash == grid.arrays.topology_hash


def test_parallel_cables_are_kept():
    graph = feeder(1)
    add_cable(graph, "twin", "bus", "n1", "4x150 Al", 100.0)
    grid = with_homes(graph, ["n1"])
    assert grid.arrays.n_branches == 2


def test_the_grid_is_frozen_and_a_copy():
    graph = feeder(2)
    grid = with_homes(graph, ["n2"])
    graph.remove_node("n2")
    assert "n2" in grid.graph
    with pytest.raises(nx.NetworkXError):
        grid.graph.remove_node("n2")
    copy = pickle.loads(pickle.dumps(grid))
    assert copy.arrays.topology_hash == grid.arrays.topology_hash


def test_hash_follows_switches_and_impedance():
    graph = feeder(2)
    before = Grid(graph).arrays.topology_hash
    graph.edges["n1", "n2", "c2"]["from_status"] = 0
    opened = Grid(graph).arrays.topology_hash
    graph.edges["n1", "n2", "c2"].update(from_status=1, length_m=101.0)
    assert len({before, opened, Grid(graph).arrays.topology_hash}) == 3


def test_one_error_lists_all_faults():
    graph = feeder(3)
    graph.add_node("alone", u_rated=400.0)
    graph.edges["bus", "n1", "c1"].update(cable="rope")
    graph.edges["n1", "n2", "c2"].update(r1=-0.1)
    rows = [record(0, "n1", "L4"), record(1, "n2", capacity_kw=0.0), record(1, "n2"), record(2, "nowhere")]
    text = faults_of(graph, rows)
    for part in (
        "grid has 7 fault(s)",
        "node alone: isolated",
        "cable type 'rope' is unknown; known are 4x150 Al",
        "branch c2: r1 = -0.1 ohm is negative",
        "connection e0: phase 'L4' does not exist",
        "connection e1: EAN used 2 times",
        "connection e1: capacity_kw 0.0",
        "connection e2: node 'nowhere' is not in the grid",
    ):
        assert part in text
    add_source(graph, "n3")
    text = faults_of(graph, rows)
    assert "grid has 8 fault(s)" in text and "2 sources (bus, n3)" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda g: g.add_node("alone", u_rated=400.0), "node alone: isolated"),
        (lambda g: g.edges["bus", "n1", "c1"].update(r1=-1.0), "r1 = -1.0 ohm is negative"),
        (lambda g: g.edges["bus", "n1", "c1"].update(x0=-1.0), "x0 = -1.0 ohm is negative"),
        (lambda g: g.edges["bus", "n1", "c1"].update(i_n=0.0), "i_n = 0.0 A"),
        (lambda g: add_source(g, "n1"), "2 sources (bus, n1); exactly one"),
        (lambda g: g.nodes["bus"].pop("u_ref"), "no source"),
        (lambda g: g.nodes["bus"].update(u_ref=3.0), "u_ref 3.0; between"),
        (
            lambda g: g.edges["bus", "n1", "c1"].update(cable="9x99 Unobtainium"),
            "cable type '9x99 Unobtainium' is unknown",
        ),
        (lambda g: g.edges["bus", "n1", "c1"].update(length_m=-5.0), "length_m -5.0"),
        (lambda g: g.edges["bus", "n1", "c1"].update(length_m="far"), "length_m 'far' of cable 4x150 Al"),
        (lambda g: g.edges["bus", "n1", "c1"].update(c0=float("nan")), "c0 nan; a number in F is needed"),
        (lambda g: g.nodes["bus"].update(sk=-1.0), "node bus: sk -1.0; above 0 VA"),
        (lambda g: g.nodes["bus"].update(sk="stiff"), "node bus: sk 'stiff'; a number in VA is needed"),
        (lambda g: g.add_edge("n1", "n2", key="t", kind="transformer", a="n1", b="n2"), "u1, u2, sn, uk, pk missing"),
        (lambda g: g.nodes["n1"].update(u_rated=0.0), "node n1: u_rated 0.0"),
        (lambda g: g.nodes["n1"].update(u_rated=10e3), "only a transformer may"),
        (lambda g: g.edges["bus", "n1", "c1"].update(kind="rope"), "kind 'rope'; allowed are line"),
        (lambda g: g.edges["bus", "n1", "c1"].update(a="n2"), "its ends are bus and n1"),
        (lambda g: g.edges["bus", "n1", "c1"].update(to_status=2), "to_status 2; 0 (open) or 1 (closed)"),
        (lambda g: g.add_edge("n1", "n2", key="c1", **g.edges["n1", "n2", "c2"]), "id used 2 times"),
        (lambda g: g.edges["bus", "n1", "c1"].update(r1=float("nan")), "r1 missing or not a number"),
    ],
)
def test_bad_graphs(change, expected):
    graph = feeder(2)
    change(graph)
    assert expected in faults_of(graph)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clock": 4}, "clock 4 with windings delta/wye_n; an odd number"),
        ({"uk": 0.001}, "uk = 0.001 with pk"),
        ({"sn": -1.0}, "sn = -1.0 VA"),
        ({"u2": 690.0}, "u2 = 690.0 V at a node of 400 V"),
        ({"tap_pos": 7}, "tap_pos 7; between -2 and 2"),
        ({"winding_to": "star"}, "winding_to 'star'"),
        ({"winding_from": False}, "winding_from False; allowed are wye"),
        ({"clock": 5.5}, "clock 5.5; a whole number up to 127 is needed"),
        ({"tap_min": -1e6}, "tap_min -1000000.0; a whole number up to 127 is needed"),
        ({"tap_size": "big"}, "tap_size 'big'; a number in V is needed"),
        ({"transformer_type": "25 kVA toy"}, "transformer type '25 kVA toy' is unknown"),
    ],
)
def test_bad_transformers(change, expected):
    graph = nx.MultiGraph()
    graph.add_node("a", u_rated=10_500.0)
    graph.add_node("b", u_rated=400.0)
    add_source(graph, "a")
    add_transformer(graph, "t", "a", "b", "250 kVA 10/0.4 kV")
    graph.edges["a", "b", "t"].update(change)
    assert expected in faults_of(graph)


def test_simple_graph_is_refused():
    with pytest.raises(ValueError, match="MultiGraph is needed"):
        Grid(nx.Graph())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (record(0, "nowhere"), "node 'nowhere' is not in the grid"),
        (record(0, "n1", "L4"), "phase 'L4' does not exist; allowed are L123, L1, L2, L3"),
        (record(0, "n1", 5), "phase 5 does not exist"),
        (record(0, "n1", True), "phase True does not exist"),
        (record(0, "n1", capacity_kw=-3.0), "capacity_kw -3.0"),
        (record(0, "n1", capacity_kw=float("nan")), "capacity_kw nan"),
        (record(0, "n1", kind="castle"), "kind castle is not allowed"),
        ({"ean": "e", "node": "n1"}, "phase, capacity_kw missing"),
        (record(0, "n1") | {"ean": "871600000000000018"}, "wrong check digit"),
    ],
)
def test_bad_connections(row, expected):
    assert expected in faults_of(feeder(1), [row])


def test_double_ean():
    assert "connection e0: EAN used 2 times" in faults_of(feeder(1), [record(0, "n1"), record(0, "n1")])


def test_connection_table_columns():
    table = connection_table([record(7, "b", "L2", 8.05, "home", ev_phase="L3"), record(8, "a", 0, 17.25)], ["a", "b"])
    assert table.row_of == {"e7": 0, "e8": 1}
    assert table.node_index.dtype == np.int32 and table.phase.dtype == np.int8
    assert table.ev_phase.tolist() == [2, 0]  # a one-phase connection has one phase for everything
    assert table.rows_of_kind("home").tolist() == [0]
    assert table.take(np.array([1])).ean == ("e8",)
