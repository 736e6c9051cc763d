"""Files and foreign grids: round trips, refusals, kinds and charging sites; the extra only where it is installed."""

import json
import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ean import is_valid_ean
from grid.files import grid_to_json, read_grid, write_grid
from grid.generator import dutch_town
from grid.importers import from_pandapower, simbench_grid
from grid.power_flow import PowerFlow
from grid.sources import HOME_SIZES_KW, load_grid, with_areas, with_kinds, with_sites
from grid.topology import Grid, add_cable, add_transformer
from tests.grid_cases import SMALL_TOWN, feeder, record, station_grid, with_homes

EXTRA = "needs the extra: pip install flexpolder[simbench]"


def same(one, other):
    assert dict(one.graph.nodes(data=True)) == dict(other.graph.nodes(data=True))
    assert list(one.graph.edges(keys=True, data=True)) == list(other.graph.edges(keys=True, data=True))
    assert one.arrays.topology_hash == other.arrays.topology_hash
    a, b = one.connections, other.connections
    assert (a.ean, a.kind, a.meter_id) == (b.ean, b.kind, b.meter_id)
    for name in ("node_index", "phase", "ev_phase", "capacity_kw"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


def test_a_town_survives_the_file(tmp_path):
    town = dutch_town(SMALL_TOWN, np.random.default_rng(3))
    path = tmp_path / "town.json"
    write_grid(town, path)
    again = read_grid(path)
    same(town, again)
    assert again.name == town.name and grid_to_json(again) == grid_to_json(town)
    kw = np.random.default_rng(0).uniform(0, 2, len(town.connections))
    assert PowerFlow(again).solve(kw).voltage_pu == pytest.approx(PowerFlow(town).solve(kw).voltage_pu, abs=1e-12)


def test_bare_node_link_data_of_networkx_is_read(tmp_path):
    graph = feeder(2)
    path = tmp_path / "street.json"
    for edges in ("edges", "links"):
        path.write_text(json.dumps(nx.node_link_data(graph, edges=edges)))
        grid = read_grid(path)
        assert grid.name == "street" and len(grid.connections) == 0
        assert grid.arrays.topology_hash == Grid(graph).arrays.topology_hash


def document(**change):
    whole = json.loads(grid_to_json(with_homes(feeder(2), ["n1", "n2"])))
    return whole | change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.update(version=9), "version 9 of the format; 1 is readable"),
        (lambda d: d.pop("connections"), "connections missing"),
        (lambda d: d.update(connections={}), "connections is dict; list is needed"),
        (lambda d: d["graph"].update(directed=True), "the graph is directed"),
        (lambda d: d["graph"].update(nodes=3), "nodes and edges must be lists"),
        (lambda d: d["graph"]["nodes"].append({"id": "n1", "u_rated": 400.0}), "node n1: id used 2 times"),
        (lambda d: d["graph"]["nodes"].append({"u_rated": 400.0}), "has no text id"),
        (lambda d: d["graph"]["nodes"].append({"id": 7, "u_rated": 400.0}), "has no text id"),
        (lambda d: d["graph"]["edges"].append(dict(d["graph"]["edges"][0])), "branch c1: id used 2 times"),
        (lambda d: d["graph"]["edges"][0].update(target="n9"), "branch c1: node 'n9' is not in the file"),
        (lambda d: d["graph"]["edges"][0].pop("key"), "edge 0: source, target and key (text) are needed"),
        (lambda d: d["graph"]["edges"][0].update(r1="thick"), "branch c1: r1 missing or not a number"),
        (lambda d: d["graph"]["edges"][0].update(x0="thick"), "branch c1: x0 'thick'; a number in ohm is needed"),
        (lambda d: d["graph"]["nodes"][1].update(u_rated=0), "node n1: u_rated 0; a rated voltage above 0 V"),
        (lambda d: d["connections"].append(5), "connection row 2: 5 is no record"),
        (lambda d: d["connections"][0].update(phase="L9"), "connection e0: phase 'L9' does not exist"),
        (lambda d: d.update(format="other"), "unknown content"),
    ],
)
def test_bad_files_name_the_file_and_the_fault(tmp_path, change, expected):
    content = document()
    change(content)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError) as caught:
        read_grid(path)
    assert expected in str(caught.value) and "broken.json" in str(caught.value)


def test_all_faults_of_a_file_come_at_once(tmp_path):
    content = document()
    content["graph"]["edges"][0].update(r1=-1.0, cable="rope")
    content["graph"]["edges"][1].update(i_n=0.0)
    content["connections"][0].update(node="nowhere")
    content["connections"][1].update(capacity_kw=-2.0)
    path = tmp_path / "worse.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError) as caught:
        read_grid(path)
    text = str(caught.value)
    for part in ("r1 = -1.0 ohm is negative", "i_n = 0.0 A", "node 'nowhere'", "capacity_kw -2.0", "4 fault(s)"):
        assert part in text


def test_text_that_is_no_json(tmp_path):
    path = tmp_path / "grid.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="not a JSON file"):
        read_grid(path)
    path.write_text('\ufeff{"format": "flexpolder-grid"}', encoding="utf-8")
    with pytest.raises(ValueError, match="version None"):
        read_grid(path)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=True),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
)


@settings(max_examples=60)
@given(data=st.data())
def test_any_single_change_gives_a_grid_or_a_value_error(data, tmp_path_factory):
    content = json.loads(grid_to_json(station_grid(2)))
    place: Any = content
    parent: Any = None
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        parent, key = place, data.draw(st.sampled_from(list(keys)))
        place = parent[key]
        if data.draw(st.integers(0, 5)) == 0:
            break
    parent[key] = data.draw(JUNK)
    path = tmp_path_factory.getbasetemp() / "changed.json"
    path.write_text(json.dumps(content))
    try:
        grid = read_grid(path)
    except ValueError as error:
        assert "changed.json" in str(error)
    else:
        assert PowerFlow(grid).solve(np.zeros(len(grid.connections))).voltage_pu.shape == (grid.arrays.n_nodes, 3)


def test_missing_kinds_are_added_where_a_dso_would_connect_them():
    grid = with_homes(station_grid(3).graph, ["n1", "n2", "n3"])
    wanted = {"home": 5, "public_ac": 2, "office": 1, "shared": 1, "depot": 1, "dc_site": 2}
    more = with_sites(grid, wanted, np.random.default_rng(1))
    table = more.connections
    assert {kind: table.kind.count(kind) for kind in wanted} == wanted
    assert table.ean[:3] == grid.connections.ean and all(map(is_valid_ean, table.ean[3:]))
    level = np.array(more.arrays.level)[table.node_index]
    bus = more.arrays.node_index["bus"]
    for row, kind in enumerate(table.kind):
        if kind in ("office", "shared"):
            assert table.node_index[row] == bus
        elif kind in ("depot", "dc_site"):
            assert level[row] == "mv"  # the source is the only such node
        elif kind in ("public_ac", "home"):
            assert level[row] == "lv" and table.node_index[row] != bus
    assert table.capacity_kw[table.kind.index("depot")] == 1000.0
    assert with_sites(more, wanted, np.random.default_rng(1)) is more
    assert with_sites(grid, wanted, np.random.default_rng(1)).connections.ean == table.ean
    assert np.isfinite(PowerFlow(more).solve(np.full(len(table), 1.0)).voltage_pu).all()


def test_a_bare_street_can_carry_every_kind():
    more = with_sites(Grid(feeder(2)), {"home": 4, "depot": 1}, np.random.default_rng(0))
    names = [more.arrays.node_ids[i] for i in more.connections.node_index]
    assert len(names) == 5 and set(names) <= {"n1", "n2"}
    with pytest.raises(ValueError, match="sites castle cannot be added; known are home"):
        with_sites(more, {"castle": 1}, np.random.default_rng(0))


def test_imported_loads_become_homes_and_firms():
    rows = [
        record(0, "n1", capacity_kw=5.0, meter_id="load-0"),
        record(1, "n1", capacity_kw=12.0, meter_id="load-1"),
        record(2, "n2", capacity_kw=60.0, meter_id="load-2"),
        record(3, "n2", capacity_kw=9.0, meter_id="sgen-0"),
        record(4, "n2", capacity_kw=30.0, kind="home", meter_id="load-3"),
        record(5, "ms", capacity_kw=20.0, meter_id="load-4"),
    ]
    grid = Grid.from_records(station_grid(2).graph, rows)
    drawn = [with_kinds(grid, np.random.default_rng(seed)).connections for seed in range(40)]
    for table in drawn:
        assert table.kind == ("home", "home", "business", "other", "home", "business")
        assert table.capacity_kw[0] == HOME_SIZES_KW[0 if table.phase[0] else 1]
        assert (table.phase[1], table.capacity_kw[1]) == (0, 17.25) and table.capacity_kw[4] == 30.0
        assert table.phase[0] in (0, table.ev_phase[0])
    assert {int(table.phase[0]) for table in drawn} == {0, 1, 2, 3}
    assert {int(table.ev_phase[1]) for table in drawn} == {0, 1, 2, 3}
    once = with_kinds(grid, np.random.default_rng(5))
    same(with_kinds(once, np.random.default_rng(6)), once)
    own = station_grid(2)
    assert with_kinds(own, np.random.default_rng(0)) is own


def test_one_call_from_a_path(tmp_path):
    path = tmp_path / "town.json"
    write_grid(station_grid(3), path)
    grid = load_grid(path, {"home": 2, "public_ac": 1})
    assert grid.connections.kind.count("home") == 2 and len(grid.connections) == 6
    again = load_grid(str(path))
    assert again.connections.ean == station_grid(3).connections.ean
    write_grid(again, path)
    same(load_grid(path), again)


def test_low_voltage_nodes_that_hang_together_are_an_area():
    graph = nx.MultiGraph(station_grid(2).graph)
    graph.add_node("bus2", u_rated=400.0)
    graph.add_node("far", u_rated=400.0)
    add_transformer(graph, "t2", "ms", "bus2", "250 kVA 10/0.4 kV")
    add_cable(graph, "x1", "bus2", "far", "4x95 Al", 50.0)
    add_cable(graph, "tie", "far", "n2", "4x95 Al", 50.0, from_status=0)
    graph.nodes["far"]["area"] = "own name"
    grid = with_areas(Grid(graph))
    assert dict(zip(grid.arrays.node_ids, grid.arrays.area, strict=True)) == {
        "ms": "substation", "bus": "area-01", "n1": "area-01", "n2": "area-01", "bus2": "area-02", "far": "own name"
    }  # fmt: skip
    assert with_areas(grid) is grid


def test_the_extra_is_named_when_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "simbench", None)
    simbench_grid.cache_clear()
    with pytest.raises(ImportError, match=r"pip install flexpolder\[simbench\]"):
        load_grid("simbench:1-LV-rural1--0-sw")


def flows_agree(net, power_flow_of):
    """Compare node voltages and branch loadings of both engines at the operating point of the net."""
    pandapower = pytest.importorskip("pandapower", reason=EXTRA)
    imported = from_pandapower(net)
    pandapower.runpp(net, calculate_voltage_angles=True, trafo_model="pi", numba=False)
    grid = imported.grid
    state = power_flow_of(grid).solve(imported.connection_kw, connection_kvar=imported.connection_kvar)
    for bus, volts in net.res_bus.vm_pu.items():
        node = grid.arrays.node_index.get(f"bus-{bus}")
        if node is not None and np.isfinite(volts):
            assert state.voltage_pu[node, 0] == pytest.approx(volts, abs=1e-6), bus
    for table, result in (("line", net.res_line), ("trafo", net.res_trafo)):
        for index, percent in result.loading_percent.items():
            share = state.loading_share[grid.arrays.branch_index[f"{table}-{index}"]]
            assert 100 * share == pytest.approx(percent, abs=0.01), (table, index)


@pytest.mark.parametrize(
    "name", ["create_cigre_network_lv", "create_cigre_network_mv", "create_kerber_vorstadtnetz_kabel_1"]
)
def test_pandapower_nets_give_pandapower_results(name):
    networks = pytest.importorskip("pandapower.networks", reason=EXTRA)
    flows_agree(getattr(networks, name)(), lambda grid: PowerFlow(grid, "symmetric"))


def test_a_pandapower_file_is_read_like_the_net(tmp_path):
    pandapower = pytest.importorskip("pandapower", reason=EXTRA)
    networks = pytest.importorskip("pandapower.networks", reason=EXTRA)
    net = networks.create_cigre_network_lv()
    path = tmp_path / "cigre.json"
    pandapower.to_json(net, str(path))
    same(read_grid(path), from_pandapower(net).grid)
    grid = load_grid(path, {"public_ac": 3, "dc_site": 1})
    assert grid.name == "cigre" and {"business", "public_ac", "dc_site"} <= set(grid.connections.kind)


def test_one_phase_loads_of_pandapower_keep_their_phase():
    networks = pytest.importorskip("pandapower.networks", reason=EXTRA)
    imported = from_pandapower(networks.ieee_european_lv_asymmetric())
    table = imported.grid.connections
    used = np.flatnonzero(imported.connection_kw)
    assert set(table.phase[used].tolist()) == {1, 2, 3}
    state = PowerFlow(imported.grid).solve(imported.connection_kw, connection_kvar=imported.connection_kvar)
    assert state.has_converged and state.vuf_share.max() > 1e-3
    assert state.served_kw == pytest.approx(imported.connection_kw.sum())
    kinds = with_kinds(imported.grid, np.random.default_rng(0)).connections
    assert np.array_equal(kinds.phase, table.phase) and set(kinds.kind) == {"home"}


@pytest.mark.slow
def test_nets_without_counterpart_are_refused():
    networks = pytest.importorskip("pandapower.networks", reason=EXTRA)
    with pytest.raises(ValueError, match="2 sources"):
        from_pandapower(networks.mv_oberrhein())
    with pytest.raises(ValueError, match=r"gen: 2 row\(s\) cannot be converted"):
        from_pandapower(networks.case9())


@pytest.mark.slow
@pytest.mark.parametrize("code", ["1-LV-rural2--0-sw", "1-LV-semiurb4--0-sw", "1-MV-rural--0-sw"])
def test_simbench_taps_count_whatever_the_type_column_says(code):
    simbench = pytest.importorskip("simbench", reason=EXTRA)
    net = simbench.get_simbench_net(code)
    assert not (net.trafo["tap_changer_type"] == "Ratio").any()
    shipped = from_pandapower(net, code)
    net.trafo["tap_changer_type"] = "Ratio"
    same(from_pandapower(net, code).grid, shipped.grid)
    flows_agree(net, lambda grid: PowerFlow(grid, "symmetric"))


@pytest.mark.slow
def test_a_simbench_year_runs_and_carries_evs(tmp_path):
    pytest.importorskip("simbench", reason=EXTRA)
    year = simbench_grid("1-LV-semiurb4--0-sw")
    assert year.profiles is not None and year.profiles.shape.shape[0] == 35_136
    kw, kvar = year.profiles.connection_kw(100, 196), year.profiles.connection_kvar(100, 196)
    batch = PowerFlow(year.grid).solve_many(kw, connection_kvar=kvar)
    assert batch.has_converged.all() and 0.9 < batch.voltage_pu[batch.voltage_pu > 0].min() < 1.1
    grid = load_grid("simbench:1-LV-semiurb4--0-sw", {"home": 50, "public_ac": 4, "depot": 1})
    assert grid.connections.kind.count("home") == 50 and grid.connections.kind.count("public_ac") == 4
    path = tmp_path / "semiurb4.json"
    write_grid(grid, path)
    same(load_grid(path), grid)
    with pytest.raises(ValueError, match="SimBench code '9-LV' does not exist"):
        simbench_grid("9-LV")
