"""Section on robustness: how the policies hold up over the states of the uncertainties, by regret."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import plotly.graph_objects as go

from experiments.analysis.robustness import regret
from experiments.analysis.summary import regret_rows
from experiments.kpis import KPIS
from experiments.report.naming import change_unit, name_of, scale_of, value_text
from experiments.report.palette import BLUE, GREY, chart
from experiments.report.section import Chart, Section, empty, fold
from experiments.report.sweeps.policies import MOST_POLICIES, names_axis
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, percent, table

MOST_CHARTS = 4


def section(view: SweepView) -> Section:
    """Regret of every policy: how much worse than the best one it is in the same state of the world."""
    key, title = "robustness", "Robustness over uncertainties"
    judged = [k for k in view.kpis if KPIS[k].better]
    if view.is_joint or view.n_states < 2 or len(view.policies) < 2 or not judged:
        why = (
            "Robustness needs at least two policies that each meet several states of the uncertainties "
            "([[uncertainty]] tables in the sweep file); this sweep has none to compare."
        )
        return Section(key, title, "", [empty(why)])
    rows = regret_rows(view.results, judged)
    charts = [_chart(view, kpi, row) for row, kpi in enumerate(judged[:MOST_CHARTS])]
    lead = (
        f"Every policy met the same {view.n_states} states of the uncertainties. Regret is how much worse a policy is "
        "than the best policy in the same state; a robust policy has a small largest regret, whatever happens."
    )
    return Section(key, title, lead, [*charts, fold("Regret of every policy", _table(view, rows))])


def best(view: SweepView, kpi: str) -> tuple[int, float] | None:
    """The policy with the smallest largest regret and that regret; None where it cannot be said."""
    lost = _regret(view, kpi)
    if lost is None:
        return None
    worst = np.max(lost, axis=1)
    return int(np.argmin(worst)), float(np.min(worst))


def _regret(view: SweepView, kpi: str) -> np.ndarray | None:
    outcomes = view.outcomes[kpi]
    outcomes = outcomes[:, np.all(np.isfinite(outcomes), axis=0)]
    if not outcomes.size or not KPIS[kpi].better:
        return None
    return regret(outcomes, lower_is_better=KPIS[kpi].better == "lower")


def _chart(view: SweepView, kpi: str, row: int) -> Chart:
    lost = _regret(view, kpi)
    scale = scale_of(kpi)
    if lost is None:
        return Chart(f"regret-{row}", name_of(kpi), "No state has a value of every policy.", chart([]))
    worst = np.max(lost, axis=1)
    order = np.argsort(worst, kind="stable")[:MOST_POLICIES][::-1].tolist()
    x, y = [], []
    for place, policy in enumerate(order):
        x += (lost[policy] * scale).tolist()
        y += [place] * lost.shape[1]
    states = go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name="one state of the world",
        marker={"size": 7, "color": GREY, "opacity": 0.55},
        hovertemplate="%{x:.4~g}<extra>one state</extra>",
    )
    top = go.Scatter(
        x=(worst[order] * scale).tolist(),
        y=list(range(len(order))),
        mode="markers",
        name="largest",
        marker={"size": 11, "color": BLUE, "symbol": "diamond"},
        hovertemplate="%{x:.4~g}<extra>largest regret</extra>",
    )
    axis = {"title": {"text": f"Regret ({change_unit(kpi) or 'count'})"}, "rangemode": "tozero", "showgrid": True}
    height = 130 + 26 * len(order)
    figure = chart([states, top], "", height, xaxis=axis, yaxis=names_axis(view, order), hovermode="closest")
    found = best(view, kpi)
    assert found is not None
    text = (
        f"“{view.policies[found[0]]}” has the smallest largest regret in {inside(name_of(kpi))}: at worst "
        f"{value_text(kpi, found[1], is_change=True)} behind the best policy of that state."
    )
    return Chart(f"regret-{row}", name_of(kpi), text, figure)


def _table(view: SweepView, rows: list[dict[str, Any]]) -> str:
    shown = dict(zip(view.manifest["policies"], view.policies, strict=True))
    heads = ["Policy", "Figure", "Largest regret", "Mean regret", "States not worse than the base", "States"]
    out = [
        [
            shown[r["policy"]],
            name_of(r["kpi"]),
            value_text(r["kpi"], r["max_regret"], is_change=True),
            value_text(r["kpi"], r["mean_regret"], is_change=True),
            percent(r["share_not_worse"]) if isfinite(r["share_not_worse"]) else "–",
            str(r["n_states"]),
        ]
        for r in rows[:1000]
    ]
    return table(heads, out, "Regret", 2)
