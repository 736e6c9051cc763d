"""The commands `flexpolder hil …`."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from agents.hardware.guard import Passwords, read_secrets
from experiments.cli import app
from experiments.hil.demo import run_demo
from experiments.hil.summary import announcement, station_lines
from experiments.results import Results
from experiments.scenario import read_scenario

runner = CliRunner()


def test_help_names_every_command():
    text = runner.invoke(app, ["hil", "--help"]).output
    for command in ("station", "check", "replay", "demo", "stop", "secret"):
        assert command in text


def test_faults_are_listed_and_unknown_ones_refused():
    assert "no_fallback" in runner.invoke(app, ["hil", "station", "--fault", "list"]).output
    assert runner.invoke(app, ["hil", "station", "--fault", "nonsense"]).exit_code == 2
    assert runner.invoke(app, ["hil", "station", "--ocpp", "3.0"]).exit_code == 2


def test_a_secret_is_shown_once_and_opens_the_door(tmp_path: Path):
    file = tmp_path / "secrets.json"
    result = runner.invoke(app, ["hil", "secret", "S1", "--file", str(file)])
    assert result.exit_code == 0
    import base64

    header = "Basic " + base64.b64encode(f"S1:{result.stdout.strip()}".encode()).decode()
    assert Passwords(read_secrets(file)).is_right("S1", header)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "http://127.0.0.1:1"],
        ["check", "ws://0.0.0.0:9000"],
        ["check", "wss://127.0.0.1:9000/S1"],
        ["check", "wss://127.0.0.1:9000", "--cert", "a", "--key", "b", "--secrets", "c"],
        ["check", "--safe-kw", "50"],
        ["replay", "/no/such/file"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], tmp_path: Path):
    if arguments[0] == "check":
        arguments = [*arguments, "--out", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
    result = runner.invoke(app, ["hil", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_check_without_station_says_so(tmp_path: Path):
    folders = ["--out", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
    result = runner.invoke(app, ["hil", "check", "ws://127.0.0.1:0", "--wait", "0.3", "--json", "--quiet", *folders])
    assert result.exit_code == 3
    assert json.loads(result.stdout)[0]["outcome"] == "fail"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    lines: list[str] = []
    return run_demo(tmp_path_factory.mktemp("demo"), 12.0, lines.append), lines


@pytest.mark.slow
@pytest.mark.function("CPO-3")
def test_the_demo_is_a_run_in_which_stations_follow_a_redispatch(demo):
    """Bought by the grid operator from the pool's own orders, passed down to three programs, seen at their meters."""
    result, lines = demo
    assert result.has_followed, lines
    run = Results.open(result.folder / "run")
    hour = run.table("hardware").collect()
    assert hour["period"].n_unique() == 4 and hour["station_id"].unique().sort().to_list() == [
        "DEMO-1",
        "DEMO-2",
        "DEMO-3",
    ]
    assert hour["is_steerable"].all() and not hour["is_metered"].any()
    bought = run.table("trades").filter(pl.col("market") == "redispatch").collect()
    called = set(hour["period"]) & set(bought["period"])
    assert called, "no redispatch was traded for the hour"
    by_station = hour.group_by("station_id").agg(pl.col("last_kw").max() - pl.col("last_kw").min())
    assert (by_station["last_kw"] > 1.5).all()
    assert (hour["last_kw"] <= 1.05 * hour["limit_kw"] + 0.05).all()
    points = run.table("load").filter(pl.col("period").is_in(hour["period"].implode())).collect()
    assert points["power_kw"].sum() > hour["power_kw"].sum() > 0.0


@pytest.mark.slow
def test_the_demo_tells_how_punctual_it_was_and_replays(demo):
    result, _ = demo
    figures = Results.open(result.folder / "run").table("hardware_figures").collect()
    found = dict(figures.filter(pl.col("station_id") == "").select("figure", "value").iter_rows())
    assert 0.0 < found["set_point_to_socket_p50_ms"] < 1000.0 and found["round_trip_p99_ms"] > 0.0
    counts = figures.filter((pl.col("station_id") == "DEMO-2") & (pl.col("figure") == "boots"))
    assert counts["value"].to_list() == [1.0]
    events = Results.open(result.folder / "run").table("hardware_events").collect()
    assert {"connected", "booted", "proof_proven", "released"} <= set(events["kind"])
    replayed = runner.invoke(app, ["hil", "replay", str(result.folder / "port" / "recording"), "--json"])
    assert replayed.exit_code == 0, replayed.output
    assert json.loads(replayed.stdout)["differences"] == 0


def test_a_run_says_where_its_stations_must_call():
    lines = announcement(read_scenario("hardware"))
    assert lines[0] == "station STATION-1 (public_ac/0) must call ws://127.0.0.1:9000/STATION-1"
    assert lines[1].startswith("they take part at 17:00, after at most 60 s of waiting; 60 times as fast")
    assert announcement(read_scenario("small")) == []


@pytest.mark.slow
def test_a_run_says_how_its_stations_did(demo):
    result, _ = demo
    lines = station_lines(result.folder / "run")
    assert [line.split(":")[0] for line in lines] == ["station DEMO-1", "station DEMO-2", "station DEMO-3"]
    assert all("from power, not metered), could be steered 100 %" in line for line in lines)
