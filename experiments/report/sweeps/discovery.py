"""Section on scenario discovery: under which values of levers and uncertainties a figure goes wrong, by PRIM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.analysis.scenarios import Box, best_box, peel
from experiments.kpis import KPIS
from experiments.report.naming import name_of, scale_of, setting_text, shown_unit, title_of, value_text
from experiments.report.palette import BLUE, GREY, VERMILLION, chart, rgba
from experiments.report.section import Chart, Section, empty, note
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, listing, number, percent, plural, table

FEWEST_CASES = 20
WORST_SHARE = 0.25
LIMITS = {
    "transformer_loading_max_share": 1.0,
    "line_loading_max_share": 1.0,
    "voltage_min_pu": 0.9,
    "voltage_max_pu": 1.1,
    "overload_branch_h": 0.0,
}
"""Limits beyond which a case counts as wrong; other figures: their worst quarter."""
MOST_KPIS = 4


def section(view: SweepView) -> Section:
    """Boxes in the space of factors in which bad outcomes are frequent."""
    key, title = "discovery", "When does it go wrong?"
    factors = _numeric(view)
    n = view.points.height
    if n < FEWEST_CASES or not factors:
        why = f"Scenario discovery needs {FEWEST_CASES} different points and a factor that is a number; here are {n}."
        return Section(key, title, "", [empty(why)])
    lead = (
        "The patient rule induction method cuts thin slices off the space of levers and uncertainties as long as bad "
        "cases get more frequent in what is left. Density is the share of bad cases inside the box, coverage the share "
        "of all bad cases that it holds. A box describes this sweep's points; it is no law."
    )
    blocks: list[Chart | str] = []
    for row, kpi in enumerate([k for k in view.kpis if KPIS[k].better][:MOST_KPIS]):
        blocks += _of(view, kpi, factors, row)
    return Section(key, title, lead, blocks or [empty("No figure of interest has a better direction.")])


def _numeric(view: SweepView) -> list[str]:
    points = view.points
    kinds = [(f, points[f]) for f in view.factors if f in points.columns]
    return [f for f, c in kinds if (c.dtype.is_numeric() or c.dtype == pl.Boolean) and c.n_unique() > 1]


def cases(view: SweepView, kpi: str, factors: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Factors and outcome of every point with a value, float64[n, factors] and float64[n]."""
    points = view.points
    values = view.outcomes[kpi][points["policy"].to_numpy(), points["sample"].to_numpy()]
    x = np.column_stack([points[f].cast(pl.Float64).to_numpy() for f in factors])
    known = np.isfinite(values)
    return x[known], values[known]


def bad_cases(kpi: str, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Which cases are bad, and in words what that means; by a limit of the figure or its worst quarter."""
    lower = KPIS[kpi].better == "lower"
    if kpi in LIMITS:
        is_bad = values > LIMITS[kpi] if lower else values < LIMITS[kpi]
        if 0 < is_bad.sum() < is_bad.size:
            return is_bad, f"{'above' if lower else 'below'} {value_text(kpi, LIMITS[kpi])}"
    edge = float(np.quantile(values, 1 - WORST_SHARE if lower else WORST_SHARE))
    is_bad = values > edge if lower else values < edge
    return is_bad, f"{'above' if lower else 'below'} {value_text(kpi, edge)} (the worst quarter)"


def _of(view: SweepView, kpi: str, factors: list[str], row: int) -> list[Chart | str]:
    x, values = cases(view, kpi, factors)
    if len(x) < FEWEST_CASES:
        return [note(f"{name_of(kpi)}: only {len(x)} points have a value.")]
    is_bad, meaning = bad_cases(kpi, values)
    if not 0 < is_bad.sum() < is_bad.size:
        return [note(f"{name_of(kpi)} is the same at every point, so nothing goes wrong more often somewhere.")]
    box = best_box(peel(x, is_bad))
    limits = box.limits(tuple(factors), x)
    if not limits:
        return [note(f"{name_of(kpi)}: bad cases ({meaning}) are spread over the whole space.")]
    text = (
        f"{name_of(kpi)} is {meaning} in {percent(float(np.mean(is_bad)))} of {plural(len(x), 'point')}. It is so in "
        f"{percent(box.density)} of those with {_words(limits, x, factors)}; that box holds {percent(box.coverage)} of "
        "the bad cases."
    )
    figure = _figure(box, x, values, is_bad, [factors.index(f) for f in limits], factors, kpi)
    chart_ = Chart(f"prim-{row}", name_of(kpi), text, figure)
    return [chart_, _table(limits, box, kpi)]


def _words(limits: dict[str, tuple[float, float]], x: np.ndarray, factors: list[str]) -> str:
    told = []
    for factor, (low, high) in limits.items():
        column = x[:, factors.index(factor)]
        name = inside(name_of(factor))
        if low <= column.min():
            told.append(f"{name} at most {setting_text(factor, high)}")
        elif high >= column.max():
            told.append(f"{name} at least {setting_text(factor, low)}")
        else:
            told.append(f"{name} from {setting_text(factor, low)} to {setting_text(factor, high)}")
    return listing(told)


def _figure(
    box: Box, x: np.ndarray, values: np.ndarray, is_bad: np.ndarray, cut: list[int], factors: list[str], kpi: str
) -> go.Figure:
    """The two factors that the box cuts hardest with all points; if it cuts a single one, against the figure."""
    span = np.ptp(x, axis=0)
    kept = (box.high - box.low) / np.where(span > 0, span, 1.0)
    cut = sorted(cut, key=lambda k: float(kept[k]))
    a = cut[0]
    across, up = _Side.of(box, x, a, factors), _Side(title_of(kpi), values * scale_of(kpi), None)
    if len(cut) > 1:
        up = _Side.of(box, x, cut[1], factors)
    marks = [("other", ~is_bad, GREY, "circle-open"), ("bad", is_bad, VERMILLION, "x")]
    traces = [
        go.Scatter(
            x=across.values[rows].tolist(),
            y=up.values[rows].tolist(),
            mode="markers",
            name=name,
            marker={"size": 8, "color": colour, "symbol": symbol},
            hovertemplate="%{x:.4~g}, %{y:.4~g}<extra></extra>",
        )
        for name, rows, colour, symbol in marks
    ]
    look = {"type": "rect", "line": {"color": BLUE, "width": 2}, "fillcolor": rgba(BLUE, 0.08)}
    shape = look | across.edges("x") | up.edges("y")
    axes = {"xaxis": {"title": {"text": across.title}, "showgrid": True}, "yaxis": {"title": {"text": up.title}}}
    return chart(traces, "", 360, hovermode="closest", shapes=[shape], **axes)


@dataclass(frozen=True)
class _Side:
    """One axis of the picture: values, and the box's edges a little widened (None: the whole axis)."""

    title: str
    values: np.ndarray
    limits: tuple[float, float] | None

    @classmethod
    def of(cls, box: Box, x: np.ndarray, column: int, factors: list[str]) -> _Side:
        """The axis of a factor."""
        key = factors[column]
        slack = 0.02 * float(np.ptp(x[:, column]))
        limits = tuple((np.array([box.low[column] - slack, box.high[column] + slack]) * scale_of(key)).tolist())
        return cls(title_of(key), x[:, column] * scale_of(key), (limits[0], limits[1]))

    def edges(self, axis: str) -> dict[str, Any]:
        """Two edges of a rectangle in plotly's words."""
        if self.limits is None:
            return {f"{axis}ref": "paper", f"{axis}0": 0, f"{axis}1": 1}
        return {f"{axis}0": self.limits[0], f"{axis}1": self.limits[1]}


def _table(limits: dict[str, tuple[float, float]], box: Box, kpi: str) -> str:
    rows = [
        [name_of(f), number(low * scale_of(f), 4), number(high * scale_of(f), 4), shown_unit(f)]
        for f, (low, high) in limits.items()
    ]
    rows.append(["Density", percent(box.density), "", ""])
    rows.append(["Coverage", percent(box.coverage), "", ""])
    rows.append(["Share of all points", percent(box.mass), "", ""])
    return table(["Factor", "From", "To", "Unit"], rows, f"Box of {name_of(kpi)}")
