"""The page that compares two runs."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.report.comparison import comparison_report
from experiments.report.comparison.page import sentences
from experiments.report.comparison.pair import Pair, flat, open_pair
from experiments.report.comparison.sections import winners
from experiments.report.view import RunView
from experiments.run import run_scenario
from experiments.scenario import read_scenario
from tests import report_sweep_model
from tests.test_report_example import example_manifest, example_tables
from tests.test_report_page import _Balance, _browse_with, _own, _text

SETS: dict[str, list[str]] = {
    "now": [],
    "non_firm": ['regulation.transport_right="non_firm"', 'scenario.name="non_firm"'],
    "longer": ["scenario.days=2", 'scenario.name="longer"'],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    for name, sets in SETS.items():
        run_scenario(read_scenario("small", sets), place / name, simulate=report_sweep_model.simulate)
    return {name: place / name for name in SETS}


@pytest.fixture(scope="module")
def pair(folders: dict[str, Path]) -> Pair:
    return open_pair(folders["now"], folders["non_firm"])


def test_settings_that_differ_are_all_there_is(pair: Pair) -> None:
    assert pair.settings == [("regulation.transport_right", "firm", "non_firm")]
    assert pair.is_same_world and pair.is_same_clock
    assert flat({"a": {"b": 1, "c": [2]}, "d": 3}) == {"a.b": 1, "a.c": [2], "d": 3}


def test_summary_is_computed_from_both_runs(pair: Pair) -> None:
    said = " ".join(sentences(pair))
    assert "non_firm differs in 1 setting: transport right (firm → non firm)." in said
    assert "EV peak (−40.0 kW, −6 %)" in said  # 800 x 0.5 x 0.1
    assert "None of the other main figures gets worse." in said
    assert "non_firm costs drivers €5.00 less per MWh" in said  # 0.05 EUR/kWh x 0.1
    assert "worse off are distribution operator (DSO) (−€70.00, mainly grid)" in said
    assert "due to the settings" in said


def test_changes_of_money_cancel(pair: Pair) -> None:
    assert sum(b - a for _, a, b in pair.money) == pytest.approx(0.0, abs=1e-9)
    up, down = winners(pair)
    assert up and down


def test_sessions_are_compared_one_by_one(pair: Pair) -> None:
    assert pair.sessions.height == 3
    assert pair.session_change(segment="home").mean == pytest.approx(-1100 * 0.005)
    other = pair.b.table("sessions").with_columns(ev_row=pl.col("ev_row") + 7)
    apart = Pair(pair.a, RunView({**pair.b.tables, "sessions": other}, pair.b.kpis, pair.b.manifest))
    assert apart.sessions.is_empty()
    assert "cannot be compared one by one" in _text(comparison_report(apart))


def test_other_days_are_a_caution_and_an_average_day(folders: dict[str, Path]) -> None:
    pair = open_pair(folders["now"], folders["longer"])
    assert not pair.is_same_world and not pair.is_same_clock
    shown = _text(comparison_report(pair))
    assert "Caution: the runs differ in seed, days" in shown and "mean over the days by hour" in shown


def test_page_is_whole_for_rich_and_for_empty_runs() -> None:
    rich = RunView(example_tables(days=1), {"ev_peak_kw": 3.0}, example_manifest())
    for two in (Pair(rich, rich), Pair(RunView({}), RunView({})), Pair(rich, RunView({}))):
        shown = comparison_report(two)
        parser = _Balance()
        parser.feed(_own(shown))
        assert parser.open == [] and len(parser.ids) == len(set(parser.ids))
        assert len(shown.encode()) < 6_500_000
    assert "same settings" in _text(comparison_report(Pair(rich, rich)))


def test_compare_command_refuses_what_is_no_run(tmp_path: Path, folders: dict[str, Path]) -> None:
    place = tmp_path / "new" / "page.html"
    good = CliRunner().invoke(app, ["compare", str(folders["now"]), str(folders["non_firm"]), "--out", str(place)])
    assert good.exit_code == 0 and place.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    bad = CliRunner().invoke(app, ["compare", str(folders["now"]), str(tmp_path), "--out", str(place)])
    assert bad.exit_code == 2 and "is it a results folder?" in bad.output


HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  root.dataset.done = "yes";
})();</script></body>"""


@pytest.mark.slow
def test_browser_draws_the_comparison(pair: Pair, tmp_path: Path) -> None:
    page = comparison_report(pair)
    data, complaints, _ = _browse_with(HANDS, page, tmp_path)
    assert "error" not in data and not complaints and data["done"] == "yes"
    assert data["drawn"] == str(len(re.findall(r"data-figure=", page)))
