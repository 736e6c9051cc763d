from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.kpis import KPIS, kpis_of
from experiments.run import RunFailed, run_scenario
from experiments.scenario import read_scenario
from experiments.store import TABLES, FolderError, content_digest, read_manifest, read_table
from experiments.store.folder import SCHEMA_VERSION, write_tables
from tests.experiments_fake import simulate


@pytest.fixture
def small():
    return read_scenario("small")


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing"], ids=["empty", "cut short"])
@pytest.mark.parametrize("command", ["report", "compare", "statement", "query"])
def test_a_damaged_table_is_named_in_one_message(tmp_path: Path, command: str, content: bytes) -> None:
    manifest = {"schema_version": SCHEMA_VERSION, "kind": "run"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "kpis.json").write_text("{}")
    name = "periods" if command == "statement" else "ledger"  # the one it reads first
    (tmp_path / f"{name}.parquet").write_bytes(content)
    more = {"compare": [str(tmp_path)], "query": ["select * from ledger"]}.get(command, [])
    result = CliRunner().invoke(app, [command, str(tmp_path), *more])
    assert result.exit_code == 2 and f"{name}.parquet" in result.output and "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not (tmp_path / "report.html").exists()


def test_a_run_writes_every_declared_table_with_units(tmp_path, small):
    result = run_scenario(small, tmp_path / "r", simulate=simulate)
    assert {p.stem for p in result.out.glob("*.parquet")} == set(TABLES)
    schema = pq.read_schema(result.out / "prices.parquet")
    assert schema.field("day_ahead_eur_per_mwh").metadata[b"unit"] == b"EUR/MWh"
    assert read_table(result.out, "prices").height == 96
    assert read_table(result.out, "sessions").height == 0
    assert read_table(result.out, "periods")["time_utc"].dtype == pl.Datetime("ms", "UTC")
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_manifest_says_where_it_comes_from(tmp_path, small):
    result = run_scenario(small, tmp_path / "r", simulate=simulate)
    manifest = read_manifest(result.out)
    assert manifest["scenario"]["regulation"]["min_bid_mw"] == 1.0
    assert manifest["seed"] == 1
    assert manifest["tables"]["prices"] == 96
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["content_sha256"] == content_digest(result.out) == result.digest
    stored = json.loads((result.out / "kpis.json").read_text())
    assert {k: v for k, v in stored.items() if v is not None} == {
        k: v for k, v in result.kpis.items() if not math.isnan(v)
    }


def test_same_input_same_bytes_and_another_seed_other_bytes(tmp_path, small):
    a, b = (run_scenario(small, tmp_path / n, simulate=simulate) for n in "ab")
    assert all((a.out / f.name).read_bytes() == f.read_bytes() for f in b.out.glob("*.parquet"))
    assert a.digest == b.digest
    c = run_scenario(read_scenario("small", ["scenario.seed=2"]), tmp_path / "c", simulate=simulate)
    assert c.digest != a.digest


def test_another_process_writes_the_same_bytes(tmp_path, small):
    here = run_scenario(small, tmp_path / "here", simulate=simulate)
    code = (
        "from pathlib import Path; from experiments.run import run_scenario\n"
        "from experiments.scenario import read_scenario; from tests.experiments_fake import simulate\n"
        f"print(run_scenario(read_scenario('small'), Path({str(tmp_path / 'there')!r}), simulate=simulate).digest)"
    )
    env = os.environ | {"PYTHONHASHSEED": "77"}
    root = Path(__file__).parents[1]
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, env=env, check=True)
    assert there.stdout.strip() == here.digest


def test_kept_tables_only(tmp_path):
    scenario = read_scenario("small", ['output.tables=["prices"]'])
    result = run_scenario(scenario, tmp_path / "r", simulate=simulate)
    assert [p.name for p in result.out.glob("*.parquet")] == ["prices.parquet"]
    with pytest.raises(FolderError, match="not kept"):
        read_table(result.out, "load")


def test_a_failed_run_writes_nothing(tmp_path, small):
    def fail(settings):
        raise ZeroDivisionError("no load\nat all")

    with pytest.raises(RunFailed, match=r"simulation of 'small' failed: ZeroDivisionError: no load$"):
        run_scenario(small, tmp_path / "r", simulate=fail)
    assert list(tmp_path.iterdir()) == []


def test_overwriting_replaces_runs_and_nothing_else(tmp_path, small):
    out = tmp_path / "r"
    run_scenario(small, out, simulate=simulate)
    with pytest.raises(FolderError, match="--overwrite"):
        run_scenario(small, out, simulate=simulate)
    (out / "old.txt").touch()
    run_scenario(small, out, simulate=simulate, overwrite=True)
    assert not (out / "old.txt").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").touch()
    with pytest.raises(FolderError, match="no run of flexpolder"):
        run_scenario(small, tmp_path / "mine", simulate=simulate, overwrite=True)
    assert (tmp_path / "mine" / "thesis.docx").exists()
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="is a file"):
        run_scenario(small, tmp_path / "file", simulate=simulate)


def test_a_report_that_fails_leaves_the_old_run(tmp_path, small):
    run_scenario(small, tmp_path / "r", simulate=simulate)
    before = content_digest(tmp_path / "r")

    def fail(folder):
        raise KeyError("figure")

    with pytest.raises(KeyError):
        run_scenario(small, tmp_path / "r", simulate=simulate, overwrite=True, write_report=fail)
    assert content_digest(tmp_path / "r") == before
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_folder_of_another_schema_is_refused(tmp_path, small):
    run_scenario(small, tmp_path / "r", simulate=simulate)
    path = tmp_path / "r" / "manifest.json"
    path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'))
    with pytest.raises(FolderError, match="schema version 99"):
        read_manifest(tmp_path / "r")
    path.write_text("{")
    with pytest.raises(FolderError, match="cannot be read"):
        read_manifest(tmp_path / "r")
    with pytest.raises(FolderError, match="results folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("tables", "part"),
    [
        ({"price": {}}, "undeclared result tables: price"),
        ({"events": {"period": [1], "kind": ["x"]}}, "missing columns ['text']"),
        ({"events": {"period": [1], "kind": ["x"], "text": [], "note": [1]}}, "undeclared columns ['note']"),
        ({"events": {"period": [1], "kind": ["x"], "text": []}}, "unequal lengths: period 1, kind 1, text 0"),
        ({"events": {"period": [1.5], "kind": ["x"], "text": ["y"]}}, "column period: not int32"),
        ({"events": {"period": [2**40], "kind": ["x"], "text": ["y"]}}, "column period: not int32"),
    ],
)
def test_tables_must_be_as_declared(tmp_path, tables, part):
    with pytest.raises(ValueError) as caught:
        write_tables(tmp_path, tables)
    assert part in str(caught.value)


def test_every_column_says_unit_and_meaning():
    for table in TABLES.values():
        assert len(set(table.column_names)) == len(table.columns)
        for column in table.columns:
            assert column.meaning, (table.name, column.name)
            if column.name.endswith(("_mw", "_kwh", "_eur", "_share", "_pu", "_eur_per_mwh")):
                assert column.unit, (table.name, column.name)


# --- key figures by hand


def test_kpis_of_nothing_are_all_there():
    found = kpis_of({})
    assert list(found) == list(KPIS)
    assert math.isnan(found["driver_cost_eur_per_kwh"])
    assert found["redispatch_cost_eur"] == 0.0


def test_kpis_by_hand():
    tables: dict[str, dict[str, Any]] = {
        "sessions": {
            "desired_kwh": [10.0, 30.0],
            "delivered_kwh": [10.0, 20.0],
            "missing_kwh": [0.0, 10.0],
            "cost_eur": [2.0, 4.0],
            "uncontrolled_cost_eur": [4.0, 5.0],
            "co2_kg": [3.0, 6.0],
            "uncontrolled_co2_kg": [3.0, 7.0],
            "discharged_kwh": [0.0, 500.0],
            "is_opted_out": [True, False],
        },
        "drivers": {"sessions": [3, 1], "satisfied_share": [1.0, 0.0]},
        "load": {
            "period": [0, 0, 1, 1],
            "segment": ["home", "household", "home", "pv"],
            "power_kw": [10.0, 5.0, 2.0, -8.0],
            "uncontrolled_kw": [20.0, 5.0, 0.0, -8.0],
        },
        "branches": {"kind": ["transformer", "line"]},
        "branch_loading": {
            "branch_index": [0, 1, 0, 1],
            "loading_share": [1.2, 0.4, 0.9, 1.1],
            "uncontrolled_loading_share": [1.5, 0.4, 1.4, 1.1],
        },
        "node_voltage": {"voltage_min_pu": [0.89, 0.95], "voltage_max_pu": [1.0, 1.05], "vuf_share": [0.01, 0.02]},
        "energy": {"source_kwh": [100.0, 100.0], "losses_kwh": [3.0, 1.0]},
        "interventions": {
            "kind": ["redispatch", "capacity_call", "absolute_signal", "redispatch"],
            "cost_eur": [10.0, 7.0, 0.0, 5.0],
            "relief_mw": [1.0, 2.0, 3.0, 1.0],
        },
        "announcements": {"outcome": ["avoided", "missed"], "forecast_loading_share": [1.1, np.nan]},
        "periods": {"day": [0, 0, 1, 1]},
        "prices": {
            "day_ahead_eur_per_mwh": [10.0, 30.0, 0.0, 100.0],
            "imbalance_shortage_eur_per_mwh": [1.0, 2.0, 3.0, np.nan],
            "regulation_state": [2, 0, 1, -1],
        },
        "positions": {"imbalance_mwh": [1.0, -2.0], "imbalance_eur": [50.0, -150.0]},
        "trades": {"market": ["intraday", "day_ahead"], "volume_mw": [4.0, 100.0]},
        "reserves": {"product": ["fcr"] * 3, "block_start_period": [0, 0, 16], "awarded_mw": [1.0, 2.0, 5.0]},
        "ledger": {"payer": ["driver 1", "S", "S"], "payee": ["S", "T", "cpo: C"], "amount_eur": [3.0, -4.0, 0.5]},
        "parties": {"account": ["S", "T", "cpo: C"], "roles": ["supplier,brp", "tso,dso", "cpo,emsp"]},
    }
    expected = {
        "driver_cost_eur_per_kwh": 0.2,
        "driver_saving_eur_per_kwh": 0.1,
        "driver_saving_eur": 3.0,
        "satisfied_share": 0.75,
        "congestion_announced": 1.0,
        "missing_share": 0.25,
        "opt_out_share": 0.5,
        "ev_co2_g_per_kwh": 300.0,
        "co2_saved_kg": 1.0,
        "v2x_discharged_mwh": 0.5,
        "ev_energy_mwh": 0.003,
        "ev_peak_kw": 10.0,
        "ev_peak_reduction_share": 0.5,
        "area_peak_kw": 15.0,
        "area_uncontrolled_peak_kw": 25.0,
        "transformer_loading_max_share": 1.2,
        "transformer_uncontrolled_loading_max_share": 1.5,
        "line_loading_max_share": 1.1,
        "overload_branch_h": 0.5,
        "uncontrolled_overload_branch_h": 0.75,
        "voltage_outside_share": 0.5,
        "losses_share": 0.02,
        "redispatch_cost_eur": 15.0,
        "redispatch_mwh": 0.5,
        "capacity_call_cost_eur": 7.0,
        "absolute_signals": 1.0,
        "congestion_avoided_share": 0.5,
        "day_ahead_spread_eur_per_mwh": 60.0,
        "imbalance_shortage_mean_eur_per_mwh": 2.0,
        "state_2_share": 0.25,
        "brp_imbalance_mwh": 3.0,
        "brp_imbalance_cost_eur": 100.0,
        "intraday_volume_mwh": 1.0,
        "fcr_awarded_mw": 4.0,
        "money_moved_eur": 7.5,
        "supplier_balance_eur": 6.5,
        "tso_balance_eur": -4.0,
        "dso_balance_eur": -4.0,
        "cpo_balance_eur": 0.5,
        "emsp_balance_eur": 0.0,
        "others_balance_eur": -3.0,
    }
    found = kpis_of(tables)
    assert {k: found[k] for k in expected} == pytest.approx(expected)


def test_results_of_a_run_open_as_frames(tmp_path, small):
    from experiments.results import Results

    run_scenario(small, tmp_path / "r", simulate=simulate)
    found = Results.open(tmp_path / "r")
    assert found.kpis.filter(pl.col("figure") == "ev_peak_kw")["unit"].to_list() == ["kW"]
    assert found.sql("SELECT AVG(day_ahead_eur_per_mwh) AS p FROM prices")["p"][0] == pytest.approx(80, abs=10)
    assert found.table("load").collect().height == 96
    with pytest.raises(FolderError, match="tables are"):
        found.sql("SELECT x FROM nothing")
