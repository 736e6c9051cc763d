"""Section on trust: convergence of the differences, and the runs that failed."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.analysis.cube import units
from experiments.analysis.intervals import FEW_REPLICATIONS, convergence
from experiments.report.naming import change_unit, interval_text, name_of, scale_of
from experiments.report.palette import BLUE, chart, rgba
from experiments.report.section import Chart, Section, heading, note
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import count, inside, plural, table

MOST_FAILURES = 50


def section(view: SweepView) -> Section:
    """Whether there were enough replications, and what went wrong."""
    blocks: list[Chart | str] = [*_convergence(view), *_failures(view)]
    lead = "More replications narrow an interval with the root of their number; failed runs are left out of all means."
    return Section("runs", "Convergence and failed runs", lead, blocks)


def _convergence(view: SweepView) -> list[Chart | str]:
    picked = _largest(view)
    if picked is None:
        return [note("With fewer than three replications there is no convergence to show.")]
    policy, kpi = picked
    cube = view.cubes[kpi]
    values = units(cube[policy] - cube[view.base]) * scale_of(kpi)
    mean, half = convergence(values, view.confidence)
    x = np.arange(1, values.size + 1)
    band = np.isfinite(half)
    edge = np.concatenate([(mean + half)[band], (mean - half)[band][::-1]])
    traces = [
        go.Scatter(
            x=np.concatenate([x[band], x[band][::-1]]),
            y=edge,
            mode="lines",
            fill="toself",
            fillcolor=rgba(BLUE, 0.18),
            line={"width": 0},
            hoverinfo="skip",
            name="interval",
        ),
        go.Scatter(x=x, y=mean, mode="lines", line={"color": BLUE, "width": 2}, name="mean difference"),
    ]
    axes = {
        "xaxis": {"title": {"text": "Replications"}, "tickformat": "d", "nticks": 8},
        "yaxis": {"title": {"text": f"Difference ({change_unit(kpi) or 'count'})"}},
    }
    figure = chart(traces, "", 300, **axes)
    enough = "" if values.size >= FEW_REPLICATIONS else f" Fewer than {FEW_REPLICATIONS}: the interval is rough."
    text = (
        f"{name_of(kpi)} of “{view.policies[policy]}” against the base after 1, 2, … {values.size} replications: "
        f"{interval_text(kpi, view.change(policy, kpi), is_change=True)}.{enough}"
    )
    return [Chart("convergence", "Convergence of a difference", text, figure)]


def _largest(view: SweepView) -> tuple[int, str] | None:
    """The largest difference from the base in the first figure that has three values of it."""
    for kpi in view.kpis if view.base >= 0 else ():
        found = {p: view.change(p, kpi) for p in range(len(view.policies)) if p != view.base}
        known = [p for p in found if found[p].n >= 3 and abs(found[p].mean) > 0]
        if known:
            return max(known, key=lambda p: abs(found[p].mean)), kpi
    return None


def _failures(view: SweepView) -> list[str]:
    if not view.n_failed:
        return [note(f"All {count(view.runs.height)} runs have a result.")]
    bad = view.runs.filter(pl.col("status") != "ok")
    by_error = bad.group_by("error").len().sort("len", descending=True)
    text = note(
        f"{plural(view.n_failed, 'run')} of {count(view.runs.height)} {'has' if view.n_failed == 1 else 'have'} no "
        f"result, most often for this reason: {inside(str(by_error['error'][0]))} ({count(by_error['len'][0])}). "
        "flexpolder query shows tracebacks; flexpolder resume --retry-failed runs them again."
    )
    columns = ["job", "design", "replication", "seed", "status", "error"]
    rows = [[str(v) for v in row] for row in bad.select(columns).head(MOST_FAILURES).iter_rows()]
    return [heading("Failed runs"), text, table([c.capitalize() for c in columns], rows, "Failed runs", 9)]
