"""Filters of whole pages: what a selection adds up to, in Python and in a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from experiments.report import run_report
from experiments.report.comparison import comparison_report
from experiments.report.comparison.pair import Pair
from experiments.report.facts import facts
from experiments.report.selection import Case, bar, packed
from experiments.report.view import RunView
from tests.test_report_example import example_manifest, example_tables
from tests.test_report_page import _browse_with


@pytest.fixture(scope="module")
def run() -> RunView:
    return RunView(example_tables(days=3), {}, example_manifest())


@pytest.fixture(scope="module")
def other(run: RunView) -> RunView:
    """The same sessions, each 10 % cheaper; home charging halved."""
    cheaper = run.table("sessions").with_columns(pl.col("cost_eur") * 0.9)
    is_home = pl.col("segment") == "home"
    load = run.table("load").with_columns(pl.when(is_home).then(pl.col("power_kw") * 0.5).otherwise("power_kw"))
    return RunView({**run.tables, "sessions": cheaper, "load": load}, {}, {**example_manifest(), "name": "cheap"})


def _rows(data: dict, width: int) -> np.ndarray:
    flat = np.frombuffer(zlib.decompress(base64.b64decode(data["f8"])))
    return flat.reshape(width, data["n"])


def test_packed_columns_add_up_to_the_tables(run: RunView) -> None:
    data = packed((Case("free", run, is_uncontrolled=True), Case("as simulated", run)), run.segments, True)
    free, smart = data["cases"]
    home = np.frombuffer(zlib.decompress(base64.b64decode(smart["power"]["home"]["f4"])), dtype="<f4")
    assert home == pytest.approx(run.series("load", "power_kw", segment="home"), rel=1e-6)
    sessions, found = run.table("sessions"), _rows(smart["sessions"], 8)
    assert found[4].sum() == pytest.approx(sessions["cost_eur"].sum())
    assert _rows(free["sessions"], 8)[4].sum() == pytest.approx(sessions["uncontrolled_cost_eur"].sum())
    assert found[6].sum() == pytest.approx(sessions["missing_kwh"].sum())
    money = _rows(smart["money"], 4)
    assert money[3].sum() == pytest.approx(0.0, abs=1e-6)
    supplier = data["roles"].index("Supplier, BRP")
    ledger = run.table("ledger").group_by("payer", "payee").agg(pl.col("amount_eur").sum())
    got, paid = (
        float(ledger.filter(pl.col(s) == "Voltan Energy")["amount_eur"].to_numpy().sum()) for s in ("payee", "payer")
    )
    assert money[3][money[1] == supplier].sum() == pytest.approx(got - paid)


def test_days_are_local_days(run: RunView) -> None:
    data = packed((Case("a", run), Case("b", run)), run.segments, True)
    assert [d[2] - d[1] for d in data["days"]] == [24, 24, 24]
    assert data["bins"][24].endswith("T00:00") and data["per"] == 4


def test_nothing_to_filter_gives_no_bar() -> None:
    empty = RunView({})
    assert bar((Case("a", empty), Case("b", empty))) == ""


HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  window.addEventListener("error", (e) => { root.dataset.error = e.message; });
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  const one = (s) => document.querySelector(s), figure = (k) => one(`[data-figure="${k}-data"]`);
  const settled = async (change) => {
    delete root.dataset.selected;
    change();
    for (let i = 0; i < 200 && root.dataset.selected === undefined; i++) await wait(25);
  };
  const set = (s, v) => { const e = one(s); e.value = v; e.dispatchEvent(new Event("change")); };
  const cell = (key, k) => (one(`#selection-table tr[data-figure=${key}]`) || { cells: [] }).cells[k]?.textContent;
  root.dataset.all = [cell("energy", 2), cell("bill", 1), cell("bill", 2)].join("|");
  one("#filters summary").focus(); root.dataset.focus = document.activeElement.closest("#filters") !== null;
  one("#filters").open = true;
  await settled(() => set("[data-day=from]", "1"));
  await settled(() => one("[data-segment=home]").click());
  root.dataset.some = [cell("energy", 2), cell("bill", 2)].join("|");
  root.dataset.told = root.dataset.selected;
  const time = figure("FIRST");
  root.dataset.range = time.layout.xaxis.range.join();
  root.dataset.bars = figure("SECOND").data[0].y.join();
  await settled(() => set("[data-role]", "0"));
  root.dataset.net = cell("net", 2) !== undefined;
  await settled(() => Plotly.relayout(time, { "xaxis.range[0]": "DAY 10:20", "xaxis.range[1]": "DAY 12:40" }));
  root.dataset.brushed = root.dataset.selected;
  root.dataset.followed = figure("THIRD").layout.xaxis.range.join();
  await settled(() => one("[data-act=everything]").click());
  root.dataset.again = [cell("energy", 2), cell("bill", 1), cell("bill", 2)].join("|");
  root.dataset.done = "yes";
})();</script></body>"""


def _hands(first: str, second: str, third: str, day: str) -> str:
    found = HANDS.replace("FIRST", first).replace("SECOND", second).replace("THIRD", third)
    return found.replace("DAY", day)


def _mwh(run: RunView, column: str = "power_kw", without: str = "", from_period: int = 0) -> str:
    kw = sum(run.series("load", column, segment=s)[from_period:] for s in run.segments if s != without)
    return f"{float(np.sum(kw)) * run.period_h / 1000:.3g}"


def _bills(run: RunView, column: str, without: str = "", from_min: int = 0) -> str:
    part = run.table("sessions").filter(pl.col("arrival_min") >= from_min, pl.col("segment") != without)
    return f"€{part[column].sum():,.0f}"


@pytest.mark.slow
def test_filters_of_a_run_act_on_figures_and_charts(run: RunView, tmp_path: Path) -> None:
    page = run_report(run.tables, {}, example_manifest())
    day = str(run.local_time[96])[:10]
    data, complaints, _ = _browse_with(_hands("load-ev", "money-gains", "prices-time", day), page, tmp_path)
    assert "error" not in data and not complaints and data["done"] == "yes"
    energy, before, after = data["all"].split("|")
    assert energy == f"{_mwh(run)} MWh" and facts(run).ev_energy_kwh > 0
    assert (before, after) == (_bills(run, "uncontrolled_cost_eur"), _bills(run, "cost_eur"))
    some = data["some"].split("|")
    assert some == [f"{_mwh(run, without='home', from_period=96)} MWh", _bills(run, "cost_eur", "home", 1440)]
    assert "Home chargers" not in data["told"] and "Offices" in data["told"] and "Home chargers" not in data["bars"]
    assert data["range"].startswith(f"{day}T00:00") and data["net"] == "true" and data["focus"] == "true"
    assert data["brushed"].startswith(f"{day} 10:00 to {day} 13:00")  # hours that hold the dragged range
    assert data["followed"] == f"{day}T10:00,{day}T13:00"
    assert data["again"] == data["all"]


@pytest.mark.slow
def test_filters_of_a_comparison_act_on_figures_and_charts(run: RunView, other: RunView, tmp_path: Path) -> None:
    page = comparison_report(Pair(run, other))
    day = str(run.local_time[96])[:10]
    data, complaints, _ = _browse_with(_hands("pair-load", "pair-drivers", "pair-price", day), page, tmp_path)
    assert "error" not in data and not complaints and data["done"] == "yes"
    energy, before, after = data["all"].split("|")
    assert energy == f"{_mwh(other)} MWh" and (before, after) == (_bills(run, "cost_eur"), _bills(other, "cost_eur"))
    some = [f"{_mwh(other, without='home', from_period=96)} MWh", _bills(other, "cost_eur", "home", 1440)]
    assert data["some"].split("|") == some
    assert "Home chargers" not in data["bars"] and "Offices" in data["bars"]
    assert data["followed"] == f"{day}T10:00,{day}T13:00" and data["again"] == data["all"]


def test_data_of_the_filters_is_a_small_part_of_the_page(run: RunView) -> None:
    page = run_report(run.tables, {}, example_manifest())
    found = re.search(r'id="selection-data">(.*?)</script>', page, re.S)
    assert found and len(found.group(1)) < 300_000 and json.loads(found.group(1).replace("<\\/", "</"))["cases"]


CSV_HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  HTMLAnchorElement.prototype.click = () => {};
  const texts = [];
  window.Blob = class extends Blob { constructor(parts, kind) { super(parts, kind); texts.push(parts.join("")); } };
  for (const name of ["Net receipts", "Change of bills by segment"]) {
    document.querySelector(`table[data-name="${name}"]`).parentElement.querySelector("button.csv").click();
  }
  root.dataset.csv = texts.join("#").replaceAll('"', "'");
  root.dataset.done = "yes";
})();</script></body>"""


@pytest.mark.slow
def test_tables_download_as_plain_numbers(run: RunView, other: RunView, tmp_path: Path) -> None:
    pair = Pair(run, other)
    data, complaints, _ = _browse_with(CSV_HANDS, comparison_report(pair), tmp_path)
    assert not complaints and data["done"] == "yes"
    money, bills = ([line.split(",") for line in text.splitlines()] for text in data["csv"].split("#"))
    assert money[0][1:] == ["example (€)", "cheap (€)", "Change (€)"] or money[0][0].endswith("Role")
    shown = {row[0]: [float(v) for v in row[-3:]] for row in money[1:] if "'" not in row[0]}
    told = {role: (a, b, b - a) for role, a, b in pair.money}
    assert shown and all(shown[r] == pytest.approx(told[r], rel=1e-3, abs=1.0) for r in shown)
    assert sum(float(row[1]) for row in bills[1:]) == pair.sessions.height
