"""Section on trade-offs: which policies no other policy beats in every figure."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import plotly.graph_objects as go

from experiments.analysis.cube import difference_of
from experiments.analysis.robustness import pareto_front
from experiments.kpis import KPIS
from experiments.report.naming import interval_text, name_of, scale_of, title_of
from experiments.report.palette import BLUE, GREY, VERMILLION, chart
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, listing, plural, table

MOST_PAIRS = 3


def section(view: SweepView) -> Section:
    """Pairs of figures that pull against each other, and the policies on the front of all figures."""
    key, title = "tradeoffs", "Trade-offs"
    judged = directed(view)
    if view.is_joint or len(view.policies) < 2 or len(judged) < 2:
        why = "Trade-offs need two policies and two figures with a better direction; this sweep does not have them."
        return Section(key, title, "", [empty(why)])
    lead = (
        "A policy is on the front if no other one is at least as good in every figure and better in one. Choosing "
        "within the front is a matter of values, not of facts. Means are compared; see the intervals before trusting a "
        "small difference."
    )
    charts: list[Chart | str] = [_chart(view, pair, row) for row, pair in enumerate(_pairs(view, judged))]
    heads = ["Policy on the front", *(title_of(k) for k in judged)]
    rows = [[view.policies[p], *(interval_text(k, view.level(p, k)) for k in judged)] for p in front(view, judged)]
    whole: list[Chart | str] = [heading("Front over all these figures"), table(heads, rows, "Front")]
    if len(rows) > 1 and are_alike(view, front(view, judged), judged):
        whole.insert(1, note("These policies differ by no more than noise: more replications are needed to choose."))
    return Section(key, title, lead, [*charts, *whole])


def directed(view: SweepView) -> list[str]:
    """Shown figures that have a better direction and differ between policies."""
    return [k for k in view.kpis if KPIS[k].better and np.nanstd(_means(view, [k])) > 0]


def _means(view: SweepView, kpis: list[str]) -> np.ndarray:
    return np.array([[view.level(p, k).mean for k in kpis] for p in range(len(view.policies))])


def front(view: SweepView, kpis: list[str]) -> list[int]:
    """Policies on the front of some figures."""
    lower = [KPIS[k].better == "lower" for k in kpis]
    return np.flatnonzero(pareto_front(_means(view, kpis), lower)).tolist()


def are_alike(view: SweepView, policies: list[int], kpis: list[str]) -> bool:
    """Whether no two of some policies surely differ in any figure, run against run."""
    for a, b in combinations(policies, 2):
        for kpi in kpis:
            found = difference_of(view.cubes[kpi][a], view.cubes[kpi][b], view.confidence)
            if abs(found.mean) > found.half_width:
                return False
    return True


def _pairs(view: SweepView, kpis: list[str]) -> list[tuple[str, str]]:
    """The pairs that conflict most, by rank correlation of how good they are."""
    good = _means(view, kpis) * [(-1.0 if KPIS[k].better == "lower" else 1.0) for k in kpis]
    rank = np.argsort(np.argsort(np.nan_to_num(good), axis=0), axis=0).astype(np.float64)
    found: np.ndarray = np.zeros((len(kpis), len(kpis)))
    if len(good) > 2:
        found = np.nan_to_num(np.atleast_2d(np.corrcoef(rank.T)))
    pairs = sorted(combinations(range(len(kpis)), 2), key=lambda p: found[p])
    named = [(kpis[a], kpis[b]) for a, b in pairs]
    return [p for p in named if len(front(view, list(p))) > 1][:MOST_PAIRS] or named[:1]


def _chart(view: SweepView, pair: tuple[str, str], row: int) -> Chart:
    on_front = set(front(view, list(pair)))
    groups = [
        ("beaten", [p for p in range(len(view.policies)) if p not in on_front and p != view.base], GREY, "circle"),
        ("on the front", sorted(on_front - {view.base}), BLUE, "diamond"),
        ("base", [view.base] if view.base >= 0 else [], VERMILLION, "star"),
    ]
    traces = [_dots(view, pair, *group) for group in groups if group[1]]
    line = sorted(on_front, key=lambda p: view.level(p, pair[0]).mean)
    xy = [[view.level(p, k).mean * scale_of(k) for p in line] for k in pair]
    traces.insert(
        0,
        go.Scatter(
            x=xy[0],
            y=xy[1],
            mode="lines",
            line={"color": BLUE, "dash": "dot", "width": 1},
            hoverinfo="skip",
            name="front",
        ),
    )
    axes = {
        "xaxis": {"title": {"text": _axis(pair[0])}, "showgrid": True},
        "yaxis": {"title": {"text": _axis(pair[1])}},
    }
    figure = chart(traces, "", 400, hovermode="closest", **axes)
    names = [f"“{view.policies[p]}”" for p in sorted(on_front)]
    told = listing(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    text = f"{plural(len(names), 'policy', 'policies')} on the front of these two figures: {told}."
    return Chart(f"pareto-{row}", f"{name_of(pair[0])} against {inside(name_of(pair[1]))}", text, figure)


def _axis(kpi: str) -> str:
    return f"{title_of(kpi)}, {KPIS[kpi].better} is better"


def _dots(view: SweepView, pair: tuple[str, str], name: str, rows: list[int], colour: str, symbol: str) -> go.Scatter:
    x, y = ([view.level(p, k) for p in rows] for k in pair)
    a, b = (scale_of(k) for k in pair)
    bar = {"type": "data", "thickness": 1, "width": 3}
    return go.Scatter(
        x=[v.mean * a for v in x],
        y=[v.mean * b for v in y],
        error_x=bar | {"array": np.nan_to_num([v.half_width * a for v in x]).tolist()},
        error_y=bar | {"array": np.nan_to_num([v.half_width * b for v in y]).tolist()},
        mode="markers",
        name=name,
        text=[view.policies[p] for p in rows],
        marker={"size": 11, "color": colour, "symbol": symbol},
        hovertemplate="%{text}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>",
    )
