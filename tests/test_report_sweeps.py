"""The page of a sweep: true to its numbers for every design, and filters that work in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from plotly.offline import get_plotlyjs
from typer.testing import CliRunner

from experiments.analysis.intervals import Interval
from experiments.cli import app
from experiments.report.naming import interval_text, name_of, setting_text, value_text
from experiments.report.sweeps import discovery, gains, sweep_report, tradeoffs, write_sweep_report
from experiments.report.sweeps.page import SECTIONS
from experiments.report.sweeps.summary import sentences
from experiments.report.sweeps.view import SweepView
from experiments.results import Results
from experiments.sweep import drive
from experiments.sweep.drive import Conduct
from experiments.sweep.plan import plan_of
from tests.test_report_page import _Balance, _browse_with, _own, _text

KPIS = ["driver_cost_eur_per_kwh", "ev_peak_kw", "transformer_loading_max_share", "fcr_awarded_mw", "satisfied_share"]
LEVERS = [
    {"key": "regulation.min_bid_mw", "values": [0.1, 1.0]},
    {"key": "regulation.iso15118_share", "low": 0.0, "high": 0.8},
    {"key": "regulation.transport_right", "values": ["firm", "non_firm"]},
]
GAS = [{"key": "system.gas_eur_per_mwh", "low": 20.0, "high": 60.0}]


def sweep(folder: Path, model: str = "simulate", tables: dict[str, Any] | None = None, **head: Any) -> SweepView:
    tables = {"lever": LEVERS} if tables is None else tables
    raw = {"sweep": {"name": "t", "scenario": "small", "replications": 4, "kpis": KPIS} | head, **tables}
    how = Conduct(1, backend="in_process", model=f"tests.report_sweep_model:{model}")
    drive.start(plan_of(raw, "t.toml", "small"), folder, how)
    return SweepView(Results.open(folder))


@pytest.fixture(scope="module")
def factorial(tmp_path_factory: pytest.TempPathFactory) -> SweepView:
    folder = tmp_path_factory.mktemp("sweeps") / "factorial"
    return sweep(folder, tables={"lever": LEVERS, "uncertainty": GAS}, uncertainty_samples=4)


@pytest.fixture(scope="module")
def page(factorial: SweepView) -> str:
    return sweep_report(factorial.results)


# ---- the page --------------------------------------------------------------------------------------------------------


def test_page_has_every_section_and_asks_nothing_of_the_network(page: str, factorial: SweepView) -> None:
    own = _own(page)
    parser = _Balance()
    parser.feed(own)
    assert parser.open == [] and len(parser.ids) == len(set(parser.ids))
    for part in [build(factorial).key for build in SECTIONS]:
        assert f'<section id="{part}"' in page and f'href="#{part}"' in page
    assert not re.findall(r"https?://|//cdn|@import|url\(|<link|<img|fetch\(|XMLHttpRequest|sendBeacon", own)
    assert page.count(get_plotlyjs()[:200]) == 1
    assert len(page.encode()) < 6_500_000


DESIGNS: dict[str, dict[str, Any]] = {
    "one_at_a_time": {"design": "one_at_a_time", "kpis": []},
    "latin_hypercube": {"design": "latin_hypercube", "samples": 24, "replications": 2},
    "sobol": {"design": "sobol", "samples": 16, "replications": 1},
    "morris": {"design": "morris", "samples": 8, "replications": 1},
    "no base": {"has_base": False, "replications": 1},
}


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_makes_a_whole_page(tmp_path: Path, name: str) -> None:
    view = sweep(tmp_path / "s", **DESIGNS[name])
    shown = sweep_report(view.results)
    parser = _Balance()
    parser.feed(_own(shown))
    assert parser.open == [] and len(parser.ids) == len(set(parser.ids))
    assert sentences(view)
    assert not re.findall(r"\b(nan|inf)\b", _text(_own(shown)))


def test_a_sweep_without_any_sound_run_says_so(tmp_path: Path) -> None:
    policies = [{"name": "now", "set": {"regulation.transport_right": "non_firm"}}]
    view = sweep(tmp_path / "s", "simulate_or_raise", {"policy": policies}, design="list", has_base=False)
    shown = _text(sweep_report(view.results))
    assert "No run of this sweep has a result yet" in shown
    assert "Caution: 4 runs of 4 failed" in shown
    assert "no <b>solution</b> here" in shown  # escaped in the page, and shown as text


# ---- what it says, against numbers known beforehand ------------------------------------------------------------------


def test_summary_tells_the_effect_that_the_model_has(factorial: SweepView) -> None:
    said = " ".join(sentences(factorial))
    # 800 kW x 0.5 x 0.6 per unit of share: from 0 to 80 % = -192 kW, the same in every replication
    assert "EV peak moves by −192 kW (better) when ISO 15118 share goes from 0 % to 80 %." in said
    assert "drivers' cost (by +0.119 €/kWh through gas price)" in said  # 0.004 x (56.18 - 26.32)
    assert "13 policies, each in 4 states of 1 uncertainty, with 4 replications" in said
    assert "No run has a value of satisfied sessions." in said
    assert "Caution: with 4 replications" in said


def test_policies_are_named_by_their_levers_only(factorial: SweepView) -> None:
    assert factorial.policies[0] == "base"
    assert factorial.policies[1] == "min bid 0.1 MW, ISO 15118 share 0 %, transport right firm"
    assert len(set(factorial.policies)) == 13


def test_gains_are_bills_and_balances_against_the_base(factorial: SweepView) -> None:
    who = gains.parties(factorial)
    assert set(who) == {
        "Drivers at home chargers",
        "Drivers at public AC chargers",
        "Drivers at offices",
        "Supplier",
        "Aggregator",
        "Distribution operator (DSO)",
        "Transmission operator (TSO)",
    }
    row = factorial.policies.index("min bid 1 MW, ISO 15118 share 80 %, transport right non firm")
    drivers = gains.gain(factorial, row, *who["Drivers at home chargers"])
    assert drivers.mean == pytest.approx(1100 * 0.05 * (0.6 * 0.7 + 0.1))  # bill falls with steering
    assert gains.gain(factorial, row, *who["Distribution operator (DSO)"]).mean == pytest.approx(-70.0)
    up, down = gains.winners(factorial, row)
    assert any("home chargers" in w for w in up) and any("DSO" in w for w in down)


def test_front_and_box_are_those_of_the_model(factorial: SweepView) -> None:
    judged = tradeoffs.directed(factorial)
    best = [factorial.policies[p] for p in tradeoffs.front(factorial, judged)]
    assert best == ["min bid 0.1 MW, ISO 15118 share 80 %, transport right non firm"]
    factors = ["regulation.iso15118_share", "system.gas_eur_per_mwh"]
    x, values = discovery.cases(factorial, "transformer_loading_max_share", factors)
    assert x.shape == (52, 2)
    is_bad, meaning = discovery.bad_cases("transformer_loading_max_share", values)
    assert meaning == "above 100 %" and is_bad.sum() == np.sum(values > 1.0)
    everything = discovery.bad_cases("ev_peak_kw", values)
    assert "the worst quarter" in everything[1] and 0 < everything[0].sum() <= 13


def test_named_policies_are_judged_against_the_base(tmp_path: Path) -> None:
    policies = [
        {"name": "today"},
        {"name": "talking cars", "set": {"regulation.iso15118_share": 0.6, "regulation.min_bid_mw": 0.1}},
        {"name": "non-firm rights", "set": {"regulation.transport_right": "non_firm"}},
    ]
    view = sweep(tmp_path / "s", tables={"policy": policies}, design="list", replications=20)
    said = " ".join(sentences(view))
    assert "EV peak: “talking cars” does best, −124 kW against the base." in said  # 800 x 0.5 x 0.6 x 0.5 + 4 x 0.9
    assert "the base is “today”" in said and "Caution" not in said


def test_effects_do_not_call_luck_sure(tmp_path: Path) -> None:
    view = sweep(tmp_path / "s", design="latin_hypercube", samples=40, replications=2, kpis=["ev_peak_kw"])
    found = {e.factor: e for e in view.effects["ev_peak_kw"]}
    assert view.effects["ev_peak_kw"][0].factor == "regulation.iso15118_share"
    assert found["regulation.iso15118_share"].strongest is not None


def test_names_units_and_intervals() -> None:
    assert name_of("overload_branch_h") == "Overload, branch-hours"
    assert name_of("fleet.home.evs") == "Home EVs"
    assert value_text("satisfied_share", 0.985) == "98.5 %"
    assert value_text("redispatch_cost_eur", -1234.4, sign=True) == "−€1,234"
    assert value_text("ev_peak_kw", None) == "–"
    assert interval_text("satisfied_share", Interval(0.02, 0.004, 9), is_change=True) == "+2.00 ± 0.40 points"
    assert interval_text("ev_peak_kw", Interval(12.0, float("nan"), 1)) == "12.0 kW"
    assert setting_text("regulation.is_net_metering", False) == "no"
    assert setting_text("regulation.min_bid_mw", 0.1) == "0.1 MW"


def test_report_command_writes_the_page_of_a_sweep(factorial: SweepView) -> None:
    found = CliRunner().invoke(app, ["report", str(factorial.results.folder)])
    assert found.exit_code == 0, found.output
    written = (factorial.results.folder / "report.html").read_text(encoding="utf-8")
    assert written == sweep_report(factorial.results)
    assert write_sweep_report(factorial.results.folder) == f"{factorial.results.folder}/report.html"


# ---- in a browser ----------------------------------------------------------------------------------------------------

HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  window.addEventListener("error", (e) => { root.dataset.error = e.message; });
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  const get = (s) => document.querySelector(s), shown = () => get("[data-out=shown]").textContent.split(" ")[0];
  const dots = (id) => get(id).data.slice(1).reduce((n, t) => n + t.x.length, 0);
  root.dataset.all = shown();
  const box = get("[data-filter='0']"); box.click(); await wait(80);
  root.dataset.filtered = shown(); root.dataset.dots = [dots("#explore-a"), dots("#explore-b")].join();
  get("#explore-a").emit("plotly_selected", { points: [{ customdata: 0 }, { customdata: 1 }, { customdata: 51 }] });
  await wait(80);
  root.dataset.brushed = shown(); root.dataset.linked = dots("#explore-b");
  const axis = get("[data-axis=ax]"); axis.value = "1"; axis.dispatchEvent(new Event("change")); await wait(80);
  root.dataset.axis = get("#explore-a").layout.xaxis.title.text;
  HTMLAnchorElement.prototype.click = () => {}; // a real download can keep a headless browser from ending
  get("[data-act=download]").click(); root.dataset.points = root.dataset.saved;
  get("[data-act=reset]").click(); await wait(80);
  root.dataset.reset = shown() + get("#explore-table").tBodies[0].rows.length;
  const saved = [];
  for (const button of document.querySelectorAll("button.csv")) { button.click(); saved.push(root.dataset.saved); }
  root.dataset.downloads = saved.length; root.dataset.rows = saved.map((s) => s.split(":")[1]).join();
  box.focus(); root.dataset.focus = document.activeElement === box;
  root.dataset.done = "yes";
})();</script></body>"""


@pytest.mark.slow
def test_browser_draws_filters_and_links(page: str, tmp_path: Path) -> None:
    data, complaints, dom = _browse_with(HANDS, page, tmp_path)
    assert "error" not in data and not complaints
    figures = len(re.findall(r"data-figure=", page)) + 2
    assert data["drawn"] == str(figures) and len(re.findall(r'class="main-svg"', dom)) >= figures
    assert data["done"] == "yes"
    assert (data["all"], data["filtered"], data["dots"]) == ("52", "28", "28,28")  # min bid 0.1 MW filtered out
    assert (data["brushed"], data["linked"]) == ("3", "3")  # two of the base, one of the last policy
    assert data["axis"] == "EV peak (kW)"
    assert data["points"] == "selected-points.csv:4"
    assert data["reset"] == "5215" and data["focus"] == "true"
    assert int(data["downloads"]) > 15 and min(int(n) for n in data["rows"].split(",")) >= 2


@pytest.mark.slow
def test_browser_shows_a_joint_design_without_error(tmp_path: Path) -> None:
    view = sweep(
        tmp_path / "s", design="sobol", samples=16, replications=1, tables={"lever": LEVERS, "uncertainty": GAS}
    )
    data, complaints, _ = _browse_with(HANDS, sweep_report(view.results), tmp_path)
    assert "error" not in data and not complaints and data["ready"] == "yes"


def test_view_reads_a_running_sweep(factorial: SweepView) -> None:
    assert factorial.runs.filter(pl.col("status") == "ok").height == factorial.observations.height
    assert factorial.replications == (4, 4)
