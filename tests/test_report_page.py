"""The page as a whole: complete, self-contained, true to its numbers, and drawn by a real browser."""

from __future__ import annotations

import html as html_module
import json
import os
import re
import shutil
import signal
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from plotly.offline import get_plotlyjs

from experiments.report import run_report, write_run_report
from experiments.report.facts import facts
from experiments.report.figures import checks, money
from experiments.report.figures.money_flows import flows_between_roles
from experiments.report.page import SECTIONS
from experiments.report.section import PLOT_OPTIONS
from experiments.report.summary import representation, sentences, tiles
from experiments.report.view import COLUMNS, RunView
from tests.test_report_example import example_manifest, example_tables

KEYS = ("summary", "prices", "load", "grid", "balancing", "money", "drivers", "messages", "checks", "method")
VOID = {"meta", "br", "input", "link", "img", "hr"}


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return example_tables(days=2)


@pytest.fixture(scope="module")
def one_day() -> dict[str, pl.DataFrame]:
    return example_tables(days=1)


@pytest.fixture(scope="module")
def page(tables: dict[str, pl.DataFrame]) -> str:
    return run_report(tables, {}, example_manifest())


def _own(page: str) -> str:
    """The page without the plotting library."""
    return page.replace(get_plotlyjs(), "")


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [v for k, v in attrs if k == "id" and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def _text(page: str) -> str:
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return html_module.unescape(re.sub(r"<[^>]+>", " ", bare))


@pytest.mark.parametrize("is_empty", [False, True])
def test_every_section_stands_on_the_page(page: str, is_empty: bool) -> None:
    shown = run_report({}, {}, {}) if is_empty else page
    for key in KEYS:
        assert f'<section id="{key}"' in shown and f'href="#{key}"' in shown
    assert ('class="empty"' in shown) == is_empty


def test_page_is_balanced_and_ids_are_unique(page: str) -> None:
    parser = _Balance()
    parser.feed(_own(page))
    assert parser.open == [] and len(parser.ids) == len(set(parser.ids))


def test_page_asks_nothing_of_the_network(page: str) -> None:
    own = _own(page)
    assert len(own) < len(page)
    assert not re.findall(r"https?://|//cdn|@import|url\(|<link|<img|fetch\(|XMLHttpRequest|sendBeacon", own)
    assert PLOT_OPTIONS["showSendToCloud"] is False and PLOT_OPTIONS["plotlyServerURL"] == ""


def test_page_is_small(page: str) -> None:
    assert page.count(get_plotlyjs()[:200]) == 1
    assert len(page.encode()) < 6_500_000


def test_large_grid_stays_within_the_limit(tables: dict[str, pl.DataFrame]) -> None:
    rng = np.random.default_rng(1)
    n, m = 192, 1200
    branches = pl.concat([tables["branches"]] * 6).head(m).with_columns(branch_index=pl.int_range(pl.len()))
    loading = rng.uniform(0, 1.2, n * branches.height)
    noise = pl.DataFrame(
        {
            "period": np.repeat(np.arange(n), branches.height),
            "branch_index": np.tile(np.arange(branches.height), n),
            "loading_share": loading,
            "uncontrolled_loading_share": loading[::-1],
        }
    )
    page = run_report(tables | {"branches": branches, "branch_loading": noise}, {}, {})
    assert len(page.encode()) < 8_000_000


def test_text_of_the_scenario_cannot_become_markup(tables: dict[str, pl.DataFrame]) -> None:
    evil = "</script><script>alert(1)</script>"
    named = tables["branches"].with_columns(branch=pl.lit(evil))
    shown = run_report(tables | {"branches": named}, {}, example_manifest() | {"name": evil, "description": evil})
    assert evil not in shown


@pytest.mark.parametrize("name", sorted(COLUMNS))
@pytest.mark.parametrize("how", ["absent", "no values"])
def test_any_table_may_be_missing(one_day: dict[str, pl.DataFrame], name: str, how: str) -> None:
    few = dict(one_day)
    if how == "absent":
        few.pop(name, None)
    else:
        floats = pl.col(pl.Float64, pl.Float32)
        few[name] = few.get(name, pl.DataFrame()).with_columns(floats * float("nan"))
    run = RunView(few, {}, example_manifest())
    assert all(part.html() for build in SECTIONS if (part := build(run)) is not None)
    assert sentences(run, facts(run))


# ---- what the summary says -------------------------------------------------------------------------------------------


def _run(**tables: pl.DataFrame) -> RunView:
    return RunView({"periods": example_tables(days=1)["periods"].head(4), **tables}, {}, {"representation": 50})


def test_peak_and_moved_energy_by_hand() -> None:
    load = pl.DataFrame(
        {
            "period": [0, 1, 2, 3],
            "segment": ["home"] * 4,
            "power_kw": [2.0, 2.0, 2.0, 2.0],
            "uncontrolled_kw": [8.0, 0.0, 0.0, 0.0],
        }
    )
    f = facts(_run(load=load))
    assert (f.ev_energy_kwh, f.peak_kw, f.free_peak_kw, f.moved_share) == (2.0, 2.0, 8.0, 0.75)


def _grid(loading: list[float], free: list[float]) -> dict[str, pl.DataFrame]:
    branches = pl.DataFrame(
        {
            "branch_index": [0, 1],
            "branch": ["a", "b"],
            "kind": ["transformer", "line"],
            "level": ["0.4 kV", "0.4 kV"],
            "from_node": ["n0", "n1"],
            "to_node": ["n1", "n2"],
            "area": ["", ""],
        }
    )
    nodes = pl.DataFrame({"node_index": [0, 1, 2], "node": ["n0", "n1", "n2"], "level": ["10 kV", "0.4 kV", "0.4 kV"]})
    shares = pl.DataFrame(
        {
            "period": [0, 0, 1, 1],
            "branch_index": [0, 1, 0, 1],
            "loading_share": loading,
            "uncontrolled_loading_share": free,
        }
    )
    return {"branches": branches, "nodes": nodes, "branch_loading": shares}


def test_overload_by_hand() -> None:
    run = _run(**_grid([1.2, 0.5, 1.1, 0.4], [1.3, 1.25, 0.9, 0.4]))
    f = facts(run)
    assert (f.overloaded_elements, f.overload_h, f.free_overloaded_elements, f.free_overload_h) == (1, 0.5, 2, 0.5)
    assert f.loading_row == 0 and f.loading_share == pytest.approx(1.2)
    said = " ".join(sentences(run, f))
    assert "did not hold everywhere: 1 element went above the rating for 0.500 element-hours" in said
    assert "Transformer a" in said and "120 %, uncontrolled 130 %" in said


def test_grid_that_holds_is_called_so() -> None:
    run = _run(**_grid([0.5, 0.5, 0.9, 0.4], [1.3, 0.5, 0.9, 0.4]))
    assert any("The grid held" in s and "would have overloaded 1 element" in s for s in sentences(run, facts(run)))


def test_summary_repeats_the_kpis(tables: dict[str, pl.DataFrame]) -> None:
    kpis = {
        "ev_peak_kw": 700.0,
        "ev_uncontrolled_peak_kw": 1000.0,
        "overload_branch_h": 12.5,
        "uncontrolled_overload_branch_h": 40.0,
        "satisfied_share": 0.913,
        "missing_kwh": 77.0,
        "voltage_min_pu": None,
    }
    run = RunView(tables, kpis, example_manifest())
    said = " ".join(sentences(run, facts(run)))
    shown = {t.name: (t.value, t.change) for t in tiles(facts(run))}
    assert "by 30 %, from 1,000 kW to 700 kW" in said
    assert "91.3 % of the sessions" in said and "77.0 kWh was missing" in said
    assert shown["Highest EV demand"] == ("700 kW", "−30 % against uncontrolled")
    assert shown["Overload, element-hours"] == ("12.5 h", "−27.5 h against uncontrolled")


def test_all_key_figures_are_listed(tables: dict[str, pl.DataFrame]) -> None:
    shown = _text(run_report(tables, {"losses_share": 0.0312, "messages": 12345.0, "voltage_min_pu": None}, {}))
    assert "All 3 key figures" in shown and "0.03120 share" in " ".join(shown.split()) and "12,345" in shown


def test_service_is_taken_from_the_run_where_it_says_it() -> None:
    told = pl.DataFrame(
        {
            "segment": ["home", "office", "depot"],
            "sessions": [3, 1, 0],
            "opt_out_share": [0.0, 1.0, float("nan")],
            "satisfied_share": [1.0, 0.0, float("nan")],
            "missing_kwh": [0.0, 4.0, 0.0],
        }
    )
    sessions = pl.DataFrame({"session_row": [0], "segment": ["home"], "missing_kwh": [9.0]})
    f = facts(_run(drivers=told, sessions=sessions))
    assert (f.served_share, f.missing_kwh) == (0.75, 4.0)


def test_savings_agree_with_the_sessions(tables: dict[str, pl.DataFrame]) -> None:
    run = RunView(tables, {}, example_manifest())
    s = tables["sessions"]
    saved = float(s["uncontrolled_cost_eur"].sum()) - float(s["cost_eur"].sum())
    cents = 100 * float(s["cost_eur"].sum()) / float(s["delivered_kwh"].sum())
    said = " ".join(sentences(run, facts(run)))
    assert f"saved drivers €{saved:,.0f}" in said and f"({cents:.1f} instead of" in said


def test_more_expensive_charging_is_not_called_a_saving(tables: dict[str, pl.DataFrame]) -> None:
    dear = tables["sessions"].with_columns(cost_eur=pl.col("uncontrolled_cost_eur") * 2)
    run = RunView(tables | {"sessions": dear}, {}, {})
    said = " ".join(sentences(run, facts(run)))
    assert "Smart charging cost drivers" in said and "saved drivers" not in said
    paid = next(t for t in tiles(facts(run)) if t.name == "Drivers paid")
    assert paid.is_better is False and paid.change.startswith("+")


@pytest.mark.parametrize(("n", "words"), [(1, "stands for one EV"), (1000, "stands for 1,000 EVs")])
def test_representation_is_stated(page: str, n: int, words: str) -> None:
    assert words in representation(RunView({}, {}, {"representation": n}))
    assert "stands for 1,000 EVs in the national markets (600,000 in all)" in _text(page)


def test_failed_energy_balance_is_said_first_hand(tables: dict[str, pl.DataFrame]) -> None:
    calm = {k: v for k, v in tables.items() if k != "events"}
    good = RunView(calm, {}, {})
    assert {v for _, _, v in checks.verdicts(good)} == {"passed"}
    torn = calm["energy"].with_columns(residual_kwh=pl.lit(1.0))
    bad = RunView(calm | {"energy": torn}, {}, {})
    assert [v for _, _, v in checks.verdicts(bad)] == ["passed", "failed", "passed"]
    assert any(s.startswith("Caution") and "energy" in s for s in sentences(bad, facts(bad)))


def test_period_without_power_flow_is_counted(tables: dict[str, pl.DataFrame]) -> None:
    gone = pl.when(pl.col("period") == 5).then(None).otherwise(pl.col("loading_share")).alias("loading_share")
    few = {k: v for k, v in tables.items() if k != "events"}
    few["branch_loading"] = tables["branch_loading"].with_columns(gone)
    assert checks.verdicts(RunView(few, {}, {}))[2][1:] == ("1", "failed")


def test_national_trade_does_not_drown_the_money_around_evs(tables: dict[str, pl.DataFrame]) -> None:
    nation = pl.DataFrame(
        {"period": [0], "payer": ["world"], "payee": ["Centrale"], "reason": ["day_ahead"], "amount_eur": [9e8]}
    )
    ledger = pl.concat([tables["ledger"], nation], how="vertical_relaxed")
    shown = money.section(RunView(tables | {"ledger": ledger}, {}, {})).html()
    assert 'id="money-mobility"' in shown and "EV drivers paid" in shown
    assert "World paid Producer, BRP €900.0 million" in shown
    assert 'id="money-mobility"' not in money.section(RunView(tables, {}, {})).html()


def test_flows_add_up_to_the_ledger(tables: dict[str, pl.DataFrame]) -> None:
    paid = tables["ledger"]
    back = pl.DataFrame(
        {"period": [0], "payer": ["Flexio"], "payee": ["Noordnet"], "reason": ["penalty"], "amount_eur": [-70.0]}
    )
    run = RunView(tables | {"ledger": pl.concat([paid, back], how="vertical_relaxed")}, {}, {})
    flows = flows_between_roles(run)
    assert float(flows["eur"].sum()) == pytest.approx(float(paid["amount_eur"].sum()) + 70.0)
    fine = flows.filter(pl.col("reason") == "penalty").row(0, named=True)
    assert (fine["payer"], fine["payee"]) == ("Distribution operator (DSO)", "Aggregator, CSP, BSP")


def test_written_beside_the_tables(tables: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    for name, frame in tables.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "manifest.json").write_text(json.dumps(example_manifest()))
    (tmp_path / "kpis.json").write_text(json.dumps({"ev_peak_kw": None}))
    path = write_run_report(tmp_path)
    assert path == tmp_path / "report.html" and path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert path.read_text(encoding="utf-8") == run_report(tables, {"ev_peak_kw": None}, example_manifest())


def test_sums_of_money_do_not_depend_on_threads_or_chunks(tables: dict[str, pl.DataFrame]) -> None:
    ledger = tables["ledger"]
    chunked = pl.concat([ledger[k : k + 7] for k in range(0, ledger.height, 7)], rechunk=False)
    both = [RunView({**tables, "ledger": frame}, {}, example_manifest()) for frame in (ledger, chunked)]
    found = {money.money_residual_eur(view) for view in both for _ in range(30)}
    assert len(found) == 1


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no manifest"):
        write_run_report(tmp_path)


# ---- in a browser ----------------------------------------------------------------------------------------------------

CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (p := shutil.which(n))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
    "--dump-dom",
    "--window-size=1400,2400",
)
HANDS = """<script>(async () => {
  const root = document.documentElement, wait = (ms) => new Promise((r) => setTimeout(r, ms));
  window.addEventListener("error", (e) => { root.dataset.error = e.message; });
  for (let i = 0; i < 400 && root.dataset.ready !== "yes" && !root.dataset.error; i++) await wait(25);
  const get = (name) => document.querySelector(`[data-act=${name}]`), grid = document.getElementById("grid-plot");
  const set = (name, value, kind) => { const e = get(name); e.value = value; e.dispatchEvent(new Event(kind)); };
  if (!grid) { root.dataset.done = "nothing to do"; return; }
  const colours = () => JSON.stringify(grid.data.map((t) => (t.x ? t.x.length : 0)));
  const clock = () => document.querySelector("[data-out=clock]").textContent;
  const below = document.getElementById("branch-plot");
  const before = { clock: clock(), picture: colours(), title: below.layout.title.text, y: grid.data[0].y.join() };
  set("slide", 12, "input"); await wait(50);
  root.dataset.moved = clock() !== before.clock && colours() !== before.picture;
  const smart = colours(); set("slide", 76, "input"); await wait(50); const then = colours();
  set("case", "u", "change"); await wait(50); root.dataset.compared = colours() !== then && smart !== then;
  set("branch", "40", "change"); await wait(50); root.dataset.chosen = below.layout.title.text !== before.title;
  grid.emit("plotly_click", { points: [{ customdata: 3 }] }); await wait(50);
  root.dataset.clicked = get("branch").value;
  const spot = get("slide").value; get("play").click(); await wait(900); get("play").click();
  root.dataset.played = Number(get("slide").value) - Number(spot) + get("play").textContent;
  set("layout", "tree", "change"); await wait(50);
  root.dataset.tree = grid.layout.annotations.map((a) => a.text).join();
  HTMLAnchorElement.prototype.click = () => {}; // a real download can keep a headless browser from ending
  const saved = [];
  for (const button of document.querySelectorAll("button.csv")) { button.click(); saved.push(root.dataset.saved); }
  root.dataset.downloads = saved.length; root.dataset.rows = saved.map((s) => s.split(":")[1]).join();
  root.dataset.done = "yes";
})();</script></body>"""


def _browse(page: str, folder: Path) -> tuple[dict[str, str], str, str]:
    return _browse_with(HANDS, page, folder)


def _browse_with(hands: str, page: str, folder: Path) -> tuple[dict[str, str], str, str]:
    """What a page says of itself after a script has used it, the browser's complaints, and the page as it then is."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page is not tested in a browser")
    file = folder / "page.html"
    file.write_text(page.replace("</body>", hands), encoding="utf-8")
    for attempt in range(3):
        profile = f"--user-data-dir={folder / f'profile{attempt}'}"
        dom, said = _ask([CHROMIUM, *FLAGS, profile, file.as_uri()])
        found = re.search(r"<html[^>]*>", dom)
        data = dict(re.findall(r'data-([a-z]+)="([^"]*)"', found.group())) if found else {}
        # the browser's clock runs ahead of its other threads: on a busy machine it can end before the page did
        if "done" in data or "error" in data:
            break
    assert found, f"Chromium showed nothing: {said[-500:]}"
    complaints = "\n".join(line for line in said.splitlines() if "CONSOLE" in line)
    return data, complaints, dom


def _ask(command: list[str], most_s: float = 90.0) -> tuple[str, str]:
    """Output of the browser; one that has answered but does not end is ended with all its processes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as browser:
        try:
            dom, said = browser.communicate(timeout=most_s)
        except subprocess.TimeoutExpired:
            os.killpg(browser.pid, signal.SIGKILL)
            dom, said = browser.communicate()
    return dom.decode(errors="replace"), said.decode(errors="replace")


@pytest.mark.slow
def test_browser_draws_every_figure_and_controls_work(page: str, tmp_path: Path) -> None:
    data, complaints, dom = _browse(page, tmp_path)
    assert "error" not in data and not complaints
    figures = len(re.findall(r"data-figure=", page)) + 2
    assert data["drawn"] == str(figures) and len(re.findall(r'class="main-svg"', dom)) >= figures
    assert data["done"] == "yes"
    assert (data["moved"], data["compared"], data["chosen"], data["clicked"]) == ("true", "true", "true", "3")
    assert re.fullmatch(r"[1-9]\d*Play", data["played"])
    assert "10 kV" in data["tree"] and "0.4 kV" in data["tree"]
    assert int(data["downloads"]) > 20 and min(int(n) for n in data["rows"].split(",")) >= 2


@pytest.mark.slow
def test_browser_shows_an_empty_run_without_error(tmp_path: Path) -> None:
    data, complaints, _ = _browse(run_report({}, {}, {}), tmp_path)
    assert "error" not in data and not complaints and data["ready"] == "yes"
