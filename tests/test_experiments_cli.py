from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import pages
from experiments.cli import app
from experiments.store import TABLES

ROOT = Path(__file__).parents[1]
runner = CliRunner()


@pytest.fixture
def fake_model(monkeypatch):
    from tests import experiments_fake

    monkeypatch.setattr("experiments.run.model", lambda: experiments_fake.simulate)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['flexpolder', '--help']\n"
        "from experiments.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'mesa', 'ray', 'polars', 'numpy', 'plotly', 'pyarrow', 'scipy', 'pydantic', 'numba'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "HEAVY []" in found.stdout


def test_run_writes_and_summarises(tmp_path, fake_model):
    found = runner.invoke(app, ["run", "small", "--out", str(tmp_path / "r"), "--no-report", "--seed", "3"])
    assert found.exit_code == 0, found.output
    assert "ev_peak_kw" in found.stdout
    assert f"results: {tmp_path / 'r'}" in found.stdout
    assert json.loads((tmp_path / "r" / "manifest.json").read_text())["seed"] == 3


def test_run_json_is_only_json(tmp_path, fake_model):
    found = runner.invoke(app, ["run", "small", "--out", str(tmp_path / "r"), "--no-report", "--json"])
    assert json.loads(found.stdout)["kpis"]["ev_peak_kw"] > 0
    quiet = runner.invoke(app, ["run", "small", "--out", str(tmp_path / "q"), "--no-report", "--quiet"])
    assert quiet.output == ""


def test_bad_input_is_exit_2_without_traceback_and_writes_nothing(tmp_path, fake_model):
    found = runner.invoke(app, ["run", "small", "--out", str(tmp_path / "r"), "--set", "regulation.min_bid=1"])
    assert found.exit_code == 2
    assert "--set: regulation.min_bid: unknown lever; did you mean 'min_bid_mw'?" in found.stderr
    assert "Traceback" not in found.output
    assert list(tmp_path.iterdir()) == []


def test_taken_folder_is_exit_2(tmp_path, fake_model):
    (tmp_path / "x").touch()
    found = runner.invoke(app, ["run", "small", "--out", str(tmp_path)])
    assert found.exit_code == 2
    assert "choose another --out or add --overwrite" in found.stderr


@pytest.mark.parametrize(("error", "code"), [(ValueError("bang"), 3), (KeyboardInterrupt(), 130)])
def test_failed_and_interrupted_runs(tmp_path, monkeypatch, error, code):
    def simulate(settings):
        raise error

    monkeypatch.setattr("experiments.run.model", lambda: simulate)
    found = runner.invoke(app, ["run", "small", "--out", str(tmp_path / "r"), "--traceback"])
    assert found.exit_code == code
    assert not (tmp_path / "r").exists()
    assert ("ValueError: bang" in found.stderr) == (code == 3)


def test_validate_shows_what_holds():
    found = runner.invoke(app, ["validate", "default", "--json"])
    assert json.loads(found.stdout)["regulation"]["min_bid_mw"] == 1.0
    assert runner.invoke(app, ["validate", "default"]).exit_code == 0


@pytest.mark.parametrize("command", ["scenarios", "levers", "strategies", "calendar"])
def test_listings(command):
    found = runner.invoke(app, [command])
    assert found.exit_code == 0, found.output
    assert "\t" in found.stdout


def test_listings_as_json():
    assert "small" in json.loads(runner.invoke(app, ["scenarios", "--json"]).stdout)
    rows = json.loads(runner.invoke(app, ["levers", "--json"]).stdout)
    assert {r["lever"]: r["unit"] for r in rows}["min_bid_mw"] == "MW"


def test_calendar_follows_the_levers_of_the_scenario():
    arguments = ["--set", "regulation.capacity_call_hour=11", "--set", "regulation.redispatch_gate_min=90", "--json"]
    rows = json.loads(runner.invoke(app, ["calendar", "small", *arguments]).stdout)
    assert {"day": "D-1", "time": "12:00", "what": "day ahead auction", "source": "SDAC: gate 12:00 D-1"} in rows
    assert [r["time"] for r in rows if r["what"] == "capacity calls"] == ["11:00"]
    times = [r["time"] for r in rows if r["day"] == "every period"]
    assert times == ["start - 90 min", "start - 60 min", "start - 5 min"]


def test_roles_and_their_coverage():
    rows = json.loads(runner.invoke(app, ["roles", "--json"]).stdout)
    assert {"id": "CPO-1", "role": "cpo", "function": "receive smart-charging signals from the aggregator"} in rows
    assert len({r["id"] for r in rows}) == len(rows) > 60
    covered = {r["id"]: r for r in json.loads(runner.invoke(app, ["roles", "--coverage", "--json"]).stdout)}
    assert "agents/messages/cars.py" in covered["EV-3"]["code"]
    assert "with code" in runner.invoke(app, ["roles", "--coverage"]).stdout


def test_report_needs_a_run(tmp_path):
    found = runner.invoke(app, ["report", str(tmp_path)])
    assert found.exit_code == 2
    assert "manifest.json" in found.stderr


@pytest.mark.parametrize("name", sorted(pages.PAGES))
def test_generated_pages_are_up_to_date(name):
    assert (ROOT / name).read_text(encoding="utf-8") == pages.PAGES[name](), "run `flexpolder docs`"


def test_data_dictionary_names_every_column():
    text = pages.dictionary_page()
    for table in TABLES.values():
        assert f"## `{table.name}.parquet`" in text
        for column in table.columns:
            assert f"| `{column.name}` | {column.kind} |" in text


# --- sweeps


@pytest.fixture
def fake_sweeps(monkeypatch):
    from functools import partial

    from experiments.sweep import drive

    fake = partial(drive.Conduct, model="tests.experiments_fake:simulate")
    monkeypatch.setattr(drive, "Conduct", fake)
    monkeypatch.setattr("experiments.provenance.source_digest", lambda: "same")


def test_sweep_query_and_resume(tmp_path, fake_sweeps):
    out = str(tmp_path / "s")
    found = runner.invoke(app, ["sweep", "demo", "--out", out, "--workers", "1"])
    assert found.exit_code == 0, found.output
    lines = [line.split("\t") for line in found.stdout.splitlines() if "\t" in line]
    peak = {line[0]: line[3] for line in lines if line[1] == "ev_peak_kw"}
    assert peak["min_bid_mw=1, iso15118_share=0.1"] == "base"
    assert peak["min_bid_mw=0.1, iso15118_share=0.1"].startswith("-9 ± ")
    assert "12 new runs in" in found.stdout
    asked = runner.invoke(app, ["query", out, "SELECT COUNT(*) AS n FROM runs", "--json"])
    assert json.loads(asked.stdout) == [{"n": 12}]
    again = runner.invoke(app, ["resume", out, "--json"])
    assert json.loads(again.stdout)["runs"] == {"new": 0, "failed": 0, "crashed": 0}
    assert runner.invoke(app, ["sweep", "demo", "--out", out]).exit_code == 2


def test_plan_measures_and_writes_nothing(tmp_path, fake_sweeps, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = runner.invoke(app, ["plan", "demo", "--json", "--workers", "2"])
    assert found.exit_code == 0, found.output
    plan = json.loads(found.stdout)
    assert (plan["n_runs"], plan["n_designs"], plan["n_policies"]) == (12, 4, 4)
    assert 0 < plan["run_s"] < 5
    assert plan["disk_mb"] > 0
    assert list(tmp_path.iterdir()) == []
    assert "expected time" in runner.invoke(app, ["plan", "demo"]).stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["sweep", "dmo"], "did you mean 'demo'?"),
        (["sweep", "demo", "--backend", "pool"], "did you mean 'process_pool'?"),
        (["resume", "."], "manifest.json"),
        (["query", ".", "SELECT 1"], "manifest.json"),
    ],
)
def test_bad_sweep_commands(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    found = runner.invoke(app, arguments)
    assert found.exit_code == 2
    assert part in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_interrupted_sweep_says_how_to_go_on(tmp_path, fake_sweeps, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.sweep.drive.start", interrupt)
    found = runner.invoke(app, ["sweep", "demo", "--out", str(tmp_path / "s")])
    assert found.exit_code == 130
    assert f"flexpolder resume {tmp_path / 's'}" in found.stderr.replace("\n", "")
