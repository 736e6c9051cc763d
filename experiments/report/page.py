"""The page: header, table of contents, sections, and everything it needs in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from experiments.kpis import KPIS
from experiments.report import selection, summary
from experiments.report.facts import facts
from experiments.report.figures import (
    balancing,
    checks,
    congestion,
    drivers,
    grid,
    hardware,
    load,
    messages,
    money,
    prices,
)
from experiments.report.section import Section, fold
from experiments.report.shell import header, page_of
from experiments.report.shell import summary as summary_section
from experiments.report.view import RunView
from experiments.report.wording import count, number, plural, table
from experiments.store.folder import read_json, read_tables

SECTIONS: tuple[Callable[[RunView], Section | None], ...] = (
    prices.section,
    load.section,
    grid.section,
    congestion.section,
    balancing.section,
    money.section,
    drivers.section,
    messages.section,
    hardware.section,
    checks.section,
    checks.method,
)


def run_report(tables: Mapping[str, pl.DataFrame], kpis: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """One self-contained HTML page about one run.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        Result tables by name; absent or empty ones give a section that says so.
    kpis : mapping
        KPIs by name, numbers or mappings with ``value``.
    manifest : mapping
        Scenario, seed, versions and cost of the run.

    Returns
    -------
    str
        HTML that asks nothing of the network.
    """
    run = RunView(tables, kpis, manifest)
    cases = (selection.Case("uncontrolled", run, is_uncontrolled=True), selection.Case("as simulated", run))
    filters = selection.bar(cases)
    parts = [part for build in SECTIONS if (part := build(run)) is not None]
    if filters:
        parts.insert(0, selection.section(cases))
    name = str(manifest.get("name") or run.scenario("name") or "run")
    return page_of(name, _header(run, name) + filters, parts, _footer(run), ("grid.js", "selection.js"))


def write_run_report(run_dir: str | Path) -> Path:
    """Write ``report.html`` beside the tables of a finished run.

    Parameters
    ----------
    run_dir : path
        Folder with the run's Parquet tables, ``kpis.json`` and ``manifest.json``.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    FileNotFoundError
        If the folder is not that of a run.
    FolderError
        If a table cannot be read.
    """
    folder = Path(run_dir)
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(f"{folder}: no manifest.json, so this is not the folder of a finished run")
    kpis = read_json(folder / "kpis.json") if (folder / "kpis.json").is_file() else {}
    page = folder / "report.html"
    page.write_text(run_report(read_tables(folder), kpis, read_json(folder / "manifest.json")), encoding="utf-8")
    return page


def _dates(run: RunView) -> str:
    if not run.n_periods:
        return "No periods"
    first, last = (run.local_time[i].item() for i in (0, -1))
    days = round(run.n_periods * run.period_h / 24)
    span = f"{first:%A} {first.day} {first:%B %Y}"
    if first.date() != last.date():
        span += f" to {last:%A} {last.day} {last:%B %Y}"
    return f"{span} · {plural(days, 'day')} · {count(run.n_periods)} periods of {run.period_h * 60:.0f} minutes"


def _header(run: RunView, name: str) -> str:
    f = facts(run)
    size = f"{plural(run.n_evs, 'EV')} · {plural(run.n_homes, 'home')}"
    branches, nodes = run.table("branches").height, run.table("nodes").height
    if nodes:
        size += f" · {plural(nodes, 'grid node')} and {plural(branches, 'cable, line or transformer', 'branches')}"
    about = str(run.manifest.get("description") or run.scenario("description") or "")
    scale = f"<strong>Scale.</strong> {escape(summary.representation(run))}"
    small = "Uncontrolled = the same drivers and trips, every car charging at full power from arrival."
    return header("Simulation report", name, about, [_dates(run), size], scale) + summary_section(
        [t.html() for t in summary.tiles(f)],
        summary.sentences(run, f),
        f'<p class="small">{small}</p>{_key_figures(run)}',
    )


def _key_figures(run: RunView) -> str:
    rows = [
        [k.meaning[:1].upper() + k.meaning[1:], number(run.kpi(name), 4), k.unit.replace("EUR", "€"), k.better, name]
        for name, k in KPIS.items()
        if name in run.kpis
    ]
    heads = ["Key figure", "Value", "Unit", "Better is", "Name in kpis.json"]
    return fold(f"All {len(rows)} key figures", table(heads, rows, "Key figures")) if rows else ""


def _footer(run: RunView) -> str:
    seed = run.manifest.get("seed")
    said = f" · seed {seed}" if seed is not None else ""
    return f"flexpolder{said} · this page is self-contained and asks nothing of the network"
