"""A run on the user's own wires: the grid of a file or a SimBench code takes the generated town's place."""

import importlib.util
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from agents.town import build_town
from agents.world.weather import build_weather
from experiments.run import run_scenario
from experiments.scenario.faults import InputError
from experiments.scenario.reader import read_scenario
from grid.files import write_grid
from grid.topology import Grid, add_cable, add_source, add_transformer
from markets.calendar import Horizon
from tests.model_worlds import play, world

HAS_SIMBENCH = importlib.util.find_spec("simbench") is not None


def street(n_homes: int = 12) -> Grid:
    """A 10 kV busbar, one transformer and a street of homes, three of them one-phase."""
    graph = nx.MultiGraph()
    graph.add_node("ms", u_rated=10_500.0)
    graph.add_node("bus", u_rated=400.0)
    add_source(graph, "ms")
    add_transformer(graph, "trafo", "ms", "bus", "250 kVA 10/0.4 kV")
    rows, before = [], "bus"
    for i in range(n_homes):
        graph.add_node(f"n{i}", u_rated=400.0)
        add_cable(graph, f"c{i}", before, f"n{i}", "4x150 Al", 30.0)
        before = f"n{i}"
        one = i % 4 == 1
        rows.append(
            {
                "ean": f"home-{i}",
                "node": f"n{i}",
                "phase": "L2" if one else "L123",
                "kind": "home",
                "capacity_kw": 8.05 if one else 17.25,
            }
        )
    return Grid.from_records(graph, rows, "my street")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "street.json"
    write_grid(street(), path)
    return path


def on(source, **more):
    settings = world(home=8, public=6, office=4, depot=2, dc=2, **more)
    return replace(settings, grid=replace(settings.grid, file=str(source)))


def test_the_wires_of_the_file_carry_the_run(file):
    run = play(on(file, fidelity="three_phase"))
    t = run.tables
    assert set(t["branches"]["branch"]) == {"trafo", *(f"c{i}" for i in range(12))}
    assert t["connections"]["ean"][:12].tolist() == [f"home-{i}" for i in range(12)]
    assert t["connections"]["kind"].tolist().count("home") == 12  # of 40 homes in [grid] nothing is used
    for kind, n in (("public_ac", 2), ("office", 1), ("depot", 1), ("dc_site", 1)):
        assert t["connections"]["kind"].tolist().count(kind) == n
    assert np.nanmax(t["branch_loading"]["loading_share"]) > 0.05
    assert np.abs(t["energy"]["residual_kwh"]).max() < 1e-3
    total = 0.25 * (run.ev_kw.sum() + run.model.town.base_kw.sum())
    assert t["energy"]["connections_kwh"].sum() == pytest.approx(total, rel=1e-5)


def test_homes_that_the_cars_need_are_added_to_a_bare_grid(tmp_path):
    path = tmp_path / "bare.json"
    write_grid(Grid(street().graph, name="bare"), path)
    settings = on(path)
    horizon = Horizon(settings.first_day, settings.days)
    town = build_town(settings, horizon, build_weather(horizon, np.random.default_rng(0)))
    assert town.grid.connections.kind.count("home") == 8
    assert (town.home_kw.sum(axis=1)[town.grid.connections.rows_of_kind("home")] > 0).all()


def scenario(tmp_path, source):
    path = tmp_path / "mine.toml"
    path.write_text(f'[scenario]\nname = "mine"\nbase = "small"\n[grid]\nfile = "{source}"\n')
    return path


def test_the_scenario_names_the_file_and_its_content_counts(file, tmp_path):
    first = read_scenario(scenario(file.parent, file.name))
    assert first.to_settings().grid.file == str(file)
    write_grid(street(13), tmp_path / file.name)
    assert read_scenario(scenario(tmp_path, file.name)).digest() != first.digest()
    # more home chargers than [grid] homes is no fault when the homes come from a file
    read_scenario(scenario(file.parent, file.name), ["grid.homes=5", "grid.lv_areas=1"])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("none.json", "no such file"),
        ("simbench:1-LV-nowhere", "SimBench code '1-LV-nowhere' does not exist" if HAS_SIMBENCH else "not installed"),
    ],
)
def test_a_source_that_is_not_there_is_one_message_and_nothing_is_written(tmp_path, source, expected):
    path = scenario(tmp_path, source)
    with pytest.raises(InputError, match=r"mine\.toml: grid\.file") as caught:
        run_scenario(read_scenario(path), tmp_path / "out")
    assert len(caught.value.faults) == 1 and expected in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]


def test_every_bad_attribute_is_named_with_what_is_right(file, tmp_path):
    text = file.read_text().replace('"cable": "4x150 Al"', '"cable": "string"', 1).replace('"L2"', '"L7"', 1)
    changed = text.replace('"r1":', '"r1_was":', 1)
    (tmp_path / "street.json").write_text(changed)
    with pytest.raises(InputError) as caught:
        read_scenario(scenario(tmp_path, "street.json"))
    said = str(caught.value)
    assert "cable type 'string' is unknown; known are" in said
    assert "phase 'L7' does not exist; allowed are L123, L1, L2, L3" in said
    assert all(fault.key == "grid.file" for fault in caught.value.faults)


@pytest.mark.skipif(not HAS_SIMBENCH, reason="needs the extra: pip install flexpolder[simbench]")
def test_a_simbench_street_carries_a_run():
    run = play(on("simbench:1-LV-rural1--0-sw"))
    assert run.tables["branches"]["kind"].tolist().count("transformer") == 1
    assert np.abs(run.tables["energy"]["residual_kwh"]).max() < 1e-3
