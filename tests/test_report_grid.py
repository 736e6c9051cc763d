"""The picture of the grid: where things stand, and that the packed results are the run's results."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import polars as pl
import pytest

from experiments.report.figures.congestion import supply
from experiments.report.figures.grid import section
from experiments.report.figures.grid_layout import by_level, feeding_tree, on_map, spread_of_parallels
from experiments.report.figures.grid_picture import picture
from experiments.report.view import RunView
from tests.test_report_example import example_tables

RING = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [2, 4]])
RING_LOADING = np.array([0.6, 0.3, 0.01, 0.4, 0.2])
RING_LEVEL = np.array([0, 0, 0, 0, 1])


def test_ring_is_cut_where_least_flows() -> None:
    tree = feeding_tree(5, RING, RING_LOADING)
    assert {frozenset(e) for e in tree.edges} == {frozenset(e) for e in ((0, 1), (1, 2), (3, 0), (2, 4))}


def test_bands_go_down_with_the_level_and_leaves_stand_apart() -> None:
    x, y = by_level(feeding_tree(5, RING, RING_LOADING), RING_LEVEL)
    assert y[0] == 0 and y[0] > y[1] > y[2] > y[4] and y[3] == y[1]
    assert x[4] != x[3] and x[2] == x[4]  # the chain 0-1-2-4 and the branch 0-3 are two leaves


def test_parts_without_a_feed_are_placed_too() -> None:
    x, y = by_level(feeding_tree(3, np.array([[0, 1], [-1, 2]]), np.array([0.5, np.nan])), np.array([0, 0, 0]))
    assert np.isfinite(x).all() and np.isfinite(y).all() and x[2] != x[1]


def test_map_draws_far_levels_near() -> None:
    x, y = np.array([0.0, 0.0, 0.0, 1.0, 2.0]), np.array([9000.0, 7000.0, 0.0, 1.0, 2.0])
    level = np.array([0, 1, 2, 3, 3])
    placed = on_map(x, y, level)
    assert placed is not None
    assert placed[1][0] > placed[1][1] > 2.0 and placed[1][0] < 4.0 and placed[1][2:].tolist() == [0.0, 1.0, 2.0]
    assert y[0] == 9000.0  # the caller's coordinates stay


def test_map_needs_coordinates() -> None:
    nothing = np.full(3, np.nan)
    assert on_map(nothing, nothing, np.zeros(3, dtype=int)) is None
    assert on_map(np.ones(3), np.ones(3), np.zeros(3, dtype=int)) is None


def test_parallel_branches_do_not_hide_each_other() -> None:
    at = spread_of_parallels(np.array([[0, 1], [1, 0], [1, 2]]))
    assert at[2] == 0.5 and at[0] == pytest.approx(1 / 3)
    assert 1 - at[1] == pytest.approx(2 / 3)  # the same side seen from the other end


def _data(page: str) -> dict:
    found = re.search(r'id="grid-data">(.*?)</script>', page, flags=re.S)
    assert found
    return json.loads(found.group(1))


def _unpacked(data: dict, name: str, n_rows: int) -> np.ndarray:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(data[name]["zlib"])), dtype=np.uint8)
    return raw.reshape(-1, n_rows).astype(float)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_packed_results_are_the_runs_results(scale: float) -> None:
    tables = example_tables(days=1)
    tables["branch_loading"] = tables["branch_loading"].with_columns(pl.col("loading_share") * scale)
    run = RunView(tables)
    data = _data(picture(run, 3))
    loading, voltage = run.matrices["loading_share"], run.matrices["voltage_min_pu"]
    assert data["step"] == 1 and data["worst"] == int(np.argmax(loading.max(axis=1)))
    shown = _unpacked(data, "c", loading.shape[1]) * data["lStep"]
    assert np.abs(shown - loading).max() <= data["lStep"] / 2 + 1e-6
    assert data["lStep"] == pytest.approx(max(0.01, float(loading.max()) / 254))
    far = np.where(np.abs(run.matrices["voltage_max_pu"] - 1) > np.abs(voltage - 1), voltage + 0.006, voltage)
    assert np.abs(_unpacked(data, "v", voltage.shape[1]) * data["vStep"] + data["vLow"] - far).max() <= 0.0009


def test_unknown_results_stay_unknown() -> None:
    tables = example_tables(days=1)
    tables["branch_loading"] = tables["branch_loading"].filter(pl.col("period") != 7)
    data = _data(picture(RunView(tables), 0))
    codes = _unpacked(data, "c", tables["branches"].height)
    assert (codes[7] == 255).all() and (codes[8] < 255).all()


def test_most_loaded_elements_are_listed_with_their_counterfactual() -> None:
    tables = example_tables(days=1)
    run = RunView(tables)
    peak = run.matrices["loading_share"].max(axis=0)
    first = tables["branches"].row(int(np.argmax(peak)), named=True)
    html = section(run).html()
    rows = re.findall(r"<tr><td>(.*?)</td>", html[html.index("The ten most loaded") :])
    assert len(re.findall(r"<tr><td>", html[html.index("The ten most") : html.index("Duration curve")])) == 10
    assert first["branch"] in rows[0]


def _street(n_periods: int = 4) -> dict[str, pl.DataFrame]:
    """A source, a transformer and two cables in a row; the second period has no flow, in the third all is dark."""
    nan = float("nan")
    nodes, branches, flow, volt = [], [], [], []
    for k, level in enumerate(("mv", "lv", "lv", "lv")):
        nodes.append(
            {
                "node_index": k,
                "node": f"n{k}",
                "level": level,
                "x": nan,
                "y": nan,
                "u_rated_v": 1e4 if k == 0 else 400.0,
            }
        )
    for k, kind in enumerate(("transformer", "line", "line")):
        ends = {"from_node": f"n{k}", "to_node": f"n{k + 1}"}
        what = {"branch_index": k, "branch": f"b{k}", "kind": kind, "level": "lv", "rating_a": 100.0, "area": "a"}
        branches.append(what | ends)
    for t in range(n_periods):
        for k in range(3):
            share = nan if t == 1 else 0.0 if t == 2 else 0.5
            flow.append({"period": t, "branch_index": k, "loading_share": share, "uncontrolled_loading_share": 0.6})
        for k in range(4):
            v = nan if t == 1 or (t == 2 and k) else 1.0
            volt.append({"period": t, "node_index": k, "voltage_min_pu": v, "voltage_max_pu": v, "vuf_share": 0.0})
    tables = example_tables(days=1)
    return tables | {
        "periods": tables["periods"].head(n_periods),
        "nodes": pl.DataFrame(nodes), "branches": pl.DataFrame(branches), "branch_loading": pl.DataFrame(flow),
        "node_voltage": pl.DataFrame(volt),
        "events": pl.DataFrame({"period": [1], "kind": ["power_flow"], "text": ["did not converge near n3"]}),
        "interventions": tables["interventions"].clear(),
        "announcements": tables["announcements"].head(1).with_columns(
            pl.lit(3, pl.Int32).alias("period"), pl.lit(1, pl.Int32).alias("branch_index"),
            pl.lit(1.2).alias("forecast_loading_share")),
    }  # fmt: skip


def test_the_picture_names_areas_dark_nodes_and_moments_without_a_flow() -> None:
    data = _data(picture(RunView(_street()), 0))
    assert data["failed"] == {"1": "did not converge near n3"}
    assert data["hasDark"] is True
    assert data["announced"] == [[3, 1]]
    assert data["behind"] == {"1": [2, 3]}  # the nodes behind the first cable, not the busbar before it
    calm = _street()
    calm["node_voltage"] = calm["node_voltage"].filter(pl.col("period") != 2)
    calm["branch_loading"] = calm["branch_loading"].filter(pl.col("period") != 2)
    assert _data(picture(RunView(calm), 0))["hasDark"] is False


def test_the_summary_tells_of_interruptions_and_of_trips_that_were_spared() -> None:
    columns = {"branch_index": [0], "first_period": [2], "periods": [1], "connections": [7], "resupplied_by": [""]}
    columns |= {"connection_h": [1.75], "unserved_kwh": [12.5], "postponed_kwh": [3.0], "emergency_kwh": [0.5]}
    trip = pl.DataFrame({"kind": ["trip"], **columns})
    told = supply(RunView(_street() | {"outages": trip, "uncontrolled_outages": pl.concat([trip, trip])}))
    assert "interrupted 1 time" in told and "12.5 kWh" in told
    assert "Protection tripped 1 time; with uncontrolled charging 2 times." in told
    spared = supply(RunView(_street() | {"outages": trip.clear(), "uncontrolled_outages": trip}))
    assert spared.startswith("Supply was never interrupted.") and "0 times; with uncontrolled charging 1 time" in spared
    assert supply(RunView(_street() | {"outages": trip.clear(), "uncontrolled_outages": trip.clear()})) == ""
