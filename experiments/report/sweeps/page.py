"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from experiments.report.section import Section, fold
from experiments.report.shell import header, page_of
from experiments.report.shell import summary as summary_section
from experiments.report.sweeps import (
    discovery,
    explore,
    gains,
    levers,
    method,
    policies,
    robustness,
    runs,
    sensitivity,
    summary,
    tradeoffs,
)
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import plural, table
from experiments.results import Results

SECTIONS: tuple[Callable[[SweepView], Section], ...] = (
    levers.section,
    policies.section,
    sensitivity.section,
    tradeoffs.section,
    robustness.section,
    discovery.section,
    gains.section,
    explore.section,
    runs.section,
    method.section,
)


def sweep_report(results: Results) -> str:
    """One self-contained HTML page about a sweep; also while it is still running."""
    view = SweepView(results)
    parts = [build(view) for build in SECTIONS]
    m = view.manifest
    foot = f"flexpolder · root seed {view.head['seed']} · this page is self-contained and asks nothing of the network"
    return page_of(m["name"], _top(view), parts, foot, ("explore.js",))


def write_sweep_report(folder: str | Path) -> str:
    """Write ``report.html`` into the folder of a sweep and say where it is; FolderError if it is none."""
    results = Results.open(folder)
    results.place.write("report.html", sweep_report(results).encode())
    return f"{results.place}/report.html"


def _top(view: SweepView) -> str:
    m = view.manifest
    base = m["base"]["resolved"]["scenario"]
    meta = [
        f"Base scenario {base['name']}: {plural(int(base['days']), 'day')} from {base['first_day']}",
        " · ".join(
            (
                plural(view.points.height, "point"),
                plural(m["n_designs"], "distinct scenario"),
                plural(view.runs.height, "run"),
            )
        ),
    ]
    n = int(base["representation"])
    scale = f"<strong>Scale.</strong> {escape(_scale(n))}"
    head = header("Sweep report", m["name"], m["description"], meta, scale)
    return head + summary_section([t.html() for t in summary.tiles(view)], summary.sentences(view), _figures(view))


def _scale(n: int) -> str:
    if n == 1:
        return "Each simulated EV stands for one EV in the national markets and for itself on the wires."
    return f"Each simulated EV stands for {n:,} EVs in the national markets and for one EV on the wires."


def _figures(view: SweepView) -> str:
    from experiments.kpis import KPIS

    rows = [[k, KPIS[k].meaning, KPIS[k].unit.replace("EUR", "€"), KPIS[k].better or "–"] for k in view.kpis]
    return fold("What the figures mean", table(["Key figure", "Meaning", "Unit", "Better is"], rows, "Figures", 9))
