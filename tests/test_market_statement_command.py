"""The statement command on a stored ledger, against sums by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.store.folder import write_tables

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # the month turns at midnight in Amsterdam, an hour before UTC
    start = datetime(2026, 1, 31, 22, 30, tzinfo=UTC)
    clock = {
        "period": [0, 1, 2, 3],
        "time_utc": [(start + timedelta(minutes=15 * k)).replace(tzinfo=None) for k in range(4)],
        "local_hour": [23.5, 23.75, 0.0, 0.25],
        "day": [0, 0, 1, 1],
    }
    ledger = {
        "period": [0, 1, 2, -20],
        "payer": ["dso: Noordnet", "supplier: Voltan", "supplier: Voltan", "tso: Hoogspan"],
        "payee": ["csp: Flexio", "exchange", "exchange", "supplier: Voltan"],
        "reason": ["redispatch", "day_ahead", "day_ahead", "imbalance"],
        "amount_eur": [10.0, 30.0, -5.0, 7.0],
    }
    write_tables(tmp_path, {"periods": clock, "ledger": ledger}, keep=("periods", "ledger"))
    return tmp_path


def rows(folder: Path, *more: str) -> list[dict]:
    found = runner.invoke(app, ["statement", str(folder), *more, "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_a_company_by_month_and_reason(folder: Path) -> None:
    found = {
        (r["month"], r["reason"]): (r["received_eur"], r["paid_eur"], r["net_eur"]) for r in rows(folder, "Voltan")
    }
    assert found == {
        ("2026-01", "day_ahead"): (0.0, 30.0, -30.0),
        ("2026-01", "imbalance"): (7.0, 0.0, 7.0),
        ("2026-02", "day_ahead"): (5.0, 0.0, 5.0),
    }


@pytest.mark.parametrize("asked, n", [("supplier", 3), ("supplier: Voltan", 3), ("csp", 1), ("exchange", 2)])
def test_an_account_may_be_named_by_role_or_in_full(folder: Path, asked: str, n: int) -> None:
    assert len(rows(folder, asked)) == n


def test_all_parties_together_have_nothing(folder: Path) -> None:
    assert sum(r["net_eur"] for r in rows(folder)) == pytest.approx(0.0)
    assert {r["month"] for r in rows(folder, "--month", "2026-02")} == {"2026-02"}


def test_an_unknown_party_is_told_who_there_is(folder: Path) -> None:
    found = runner.invoke(app, ["statement", str(folder), "Nobody"])
    assert found.exit_code == 2
    assert "Nobody" in found.output and "csp: Flexio" in found.output


def test_a_folder_without_a_ledger_is_refused_in_one_line(tmp_path: Path) -> None:
    found = runner.invoke(app, ["statement", str(tmp_path)])
    assert found.exit_code == 2 and "Traceback" not in found.output
