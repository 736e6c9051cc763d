"""Section on the policies: paired differences from the base with intervals, and every mean as a table."""

from __future__ import annotations

from math import isfinite

import numpy as np
import plotly.graph_objects as go

from experiments.analysis.intervals import Interval
from experiments.report.naming import change_unit, interval_text, is_better, name_of, scale_of, value_text
from experiments.report.palette import BLUE, GREY, VERMILLION, chart
from experiments.report.section import Chart, Section, empty, fold, heading
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, listing, plural, table

MOST_POLICIES = 20
OPEN_CHARTS = 4
MOST_ROWS = 2000
MOST_COLUMNS = 6


def section(view: SweepView) -> Section:
    """How every policy differs from the base."""
    key, title = "policies", "Policies against the base"
    if view.is_joint:
        why = "This design varies levers and uncertainties together, so its points are no policies to compare."
        return Section(key, title, "", [empty(why)])
    blocks: list[Chart | str] = []
    if view.base < 0:
        blocks.append(empty("The sweep has no base policy, so there is nothing to take differences from."))
    else:
        blocks += [heading("All policies at a glance"), scorecard(view)]
        charts = [_chart(view, kpi, row) for row, kpi in enumerate(view.kpis)]
        blocks += charts[:OPEN_CHARTS]
        if len(charts) > OPEN_CHARTS:
            more = "".join(c.html() for c in charts[OPEN_CHARTS:])
            blocks.append(fold(plural(len(charts) - OPEN_CHARTS, "more figure"), more))
    lead = (
        "A difference is taken run by run between two policies that met the same drivers, weather, prices and faults, "
        "and then averaged; what both share cancels. Blue is better than the base, orange-red worse, grey (in "
        "the table ≈) not distinguishable from it."
    )
    return Section(key, title, lead, [*blocks, heading("All policies"), _table(view)])


def scorecard(view: SweepView) -> str:
    """Differences of all policies from the base, one row a policy, with what they are worth."""
    kpis = view.kpis[:MOST_COLUMNS]
    heads = ["Policy", *(name_of(k) for k in kpis)]
    base = [f"base: {view.policies[view.base]}", *(interval_text(k, view.level(view.base, k)) for k in kpis)]
    others = [p for p in range(len(view.policies)) if p != view.base][:MOST_POLICIES]
    rows = [base] + [[view.policies[p], *(_score(view, p, k) for k in kpis)] for p in others]
    return table(heads, rows, "Policies at a glance")


def _score(view: SweepView, policy: int, kpi: str) -> str:
    found = view.change(policy, kpi)
    if not isfinite(found.mean):
        return "–"
    if not view.is_sure(policy, kpi):
        return f"≈ {interval_text(kpi, found, is_change=True)}"
    worth = {True: "better ", False: "worse ", None: ""}[is_better(kpi, found.mean)]
    return f"{worth}{interval_text(kpi, found, is_change=True)}"


def _chart(view: SweepView, kpi: str, row: int) -> Chart:
    others = [p for p in range(len(view.policies)) if p != view.base]
    found = {p: view.change(p, kpi) for p in others}
    order = sorted(others, key=lambda p: -abs(np.nan_to_num(found[p].mean)))[:MOST_POLICIES]
    order.sort(key=lambda p: np.nan_to_num(found[p].mean))
    scale = scale_of(kpi)
    half = [found[p].half_width * scale if isfinite(found[p].half_width) else 0.0 for p in order]
    dots = go.Scatter(
        x=[found[p].mean * scale for p in order],
        y=list(range(len(order))),
        error_x={"type": "data", "array": half, "thickness": 1.6, "width": 6, "color": "#55616d"},
        mode="markers",
        marker={
            "size": 10,
            "color": [_colour(view, p, kpi) for p in order],
            "symbol": ["circle" if view.is_sure(p, kpi) else "circle-open" for p in order],
        },
        text=[interval_text(kpi, found[p], is_change=True) for p in order],
        customdata=[view.policies[p] for p in order],
        hovertemplate="%{customdata}: %{text}<extra></extra>",
    )
    axis = {"title": {"text": f"Difference from the base ({change_unit(kpi) or 'count'})"}, "showgrid": True}
    look = {"shapes": [_zero()], "hovermode": "closest", "showlegend": False}
    height = 120 + 26 * len(order)
    figure = chart([dots], "", height, xaxis=axis | {"zeroline": False}, yaxis=names_axis(view, order), **look)
    return Chart(f"policy-{row}", name_of(kpi), _finding(view, kpi, found), figure)


def names_axis(view: SweepView, order: list[int]) -> dict[str, object]:
    """A vertical axis with the names of policies at 0, 1, 2 …"""
    names = [short(view.policies[p]) for p in order]
    ends = [-0.7, len(order) - 0.3]
    return {
        "tickvals": list(range(len(order))),
        "ticktext": names,
        "range": ends,
        "automargin": True,
        "zeroline": False,
    }


def short(name: str, most: int = 60) -> str:
    """A policy's name for an axis."""
    return name if len(name) <= most else name[: most - 1] + "…"


def _zero() -> dict[str, object]:
    line = {"color": "#1d2733", "width": 1}
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": 0, "x1": 0, "line": line}


def _colour(view: SweepView, policy: int, kpi: str) -> str:
    if not view.is_sure(policy, kpi):
        return GREY
    good = is_better(kpi, view.change(policy, kpi).mean)
    return {True: BLUE, False: VERMILLION, None: "#1d2733"}[good]


def _finding(view: SweepView, kpi: str, found: dict[int, Interval]) -> str:
    sure = [p for p in found if view.is_sure(p, kpi)]
    base = interval_text(kpi, view.level(view.base, kpi))
    if not sure:
        return f"Base: {base}. No policy differs from it by more than its interval."
    good = sorted((p for p in sure if is_better(kpi, view.change(p, kpi).mean)), key=lambda p: _size(view, p, kpi))
    bad = sorted(
        (p for p in sure if is_better(kpi, view.change(p, kpi).mean) is False), key=lambda p: _size(view, p, kpi)
    )
    told = []
    if good:
        told.append(f"{plural(len(good), 'policy', 'policies')} do better, most {_named(view, good[-1], kpi)}")
    if bad:
        told.append(f"{plural(len(bad), 'policy', 'policies')} do worse, most {_named(view, bad[-1], kpi)}")
    if not good and not bad:
        most = max(sure, key=lambda p: _size(view, p, kpi))
        told.append(f"{plural(len(sure), 'policy', 'policies')} differ, most {_named(view, most, kpi)}")
    few = f" The {MOST_POLICIES} largest differences are drawn." if len(found) > MOST_POLICIES else ""
    return f"Base: {base}. {listing(told)}.{few}".replace("1 policy do ", "1 policy does ")


def _size(view: SweepView, policy: int, kpi: str) -> float:
    return abs(view.change(policy, kpi).mean)


def _named(view: SweepView, policy: int, kpi: str) -> str:
    return f"“{view.policies[policy]}” by {interval_text(kpi, view.change(policy, kpi), is_change=True)}"


def _table(view: SweepView) -> str:
    heads = ["Policy", "Figure", "Mean", "Nine in ten runs", "Against the base", "Sure?", "Values"]
    rows = []
    for policy, name in enumerate(view.policies):
        for kpi in view.kpis:
            level, moved = view.level(policy, kpi), view.change(policy, kpi)
            sure = "base" if policy == view.base else "yes" if view.is_sure(policy, kpi) else "within noise"
            change = "–" if policy == view.base else interval_text(kpi, moved, is_change=True)
            spread = " to ".join(value_text(kpi, v) for v in view.band(policy, kpi))
            rows.append([name, name_of(kpi), interval_text(kpi, level), spread, change, sure, str(level.n)])
    inside_ = table(heads, rows[:MOST_ROWS], "Policies", 2)
    if len(rows) <= 30:
        return inside_
    more = f" (the first {MOST_ROWS:,} of {len(rows):,} rows)" if len(rows) > MOST_ROWS else ""
    return fold(f"Means and differences of {inside(plural(len(view.policies), 'policy', 'policies'))}{more}", inside_)
