"""Section on sensitivity: Sobol or Morris indices of a joint design, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from experiments.analysis.summary import index_rows
from experiments.report.naming import change_unit, name_of, scale_of
from experiments.report.palette import BLUE, GREY, ORANGE, chart
from experiments.report.section import Chart, Section, empty, note
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import inside, listing, number, percent, table

SURE_SHARE = 0.05
"""Total index above which a factor is said to matter."""
ROUGH_SHARE = 0.25
"""Half width of an index from which the page says that samples are few."""
SHOWN = (-0.5, 1.6)
"""Widest axis of indices; intervals beyond it are cut."""


def section(view: SweepView) -> Section:
    """What drives each figure, where the design allows to say it."""
    key, title = "sensitivity", "What drives the results"
    if not view.is_joint:
        why = (
            "Sensitivity indices need the design sobol or morris, which varies everything together; this sweep is a "
            f"{view.head['design'].replace('_', ' ')}. The effects above say how far each lever moves each figure."
        )
        return Section(key, title, "", [empty(why)])
    rows = index_rows(view.results, view.kpis)
    is_sobol = view.head["design"] == "sobol"
    lead = _SOBOL if is_sobol else _MORRIS
    blocks: list[Chart | str] = []
    for row, kpi in enumerate(view.kpis):
        mine = [r for r in rows if r["kpi"] == kpi]
        if mine[0]["factor"]:
            blocks.append(_sobol(kpi, mine, row) if is_sobol else _morris(kpi, mine, row))
        else:
            blocks.append(note(f"{name_of(kpi)}: {mine[0]['note']}."))
    return Section(key, title, lead, [*blocks, _table([r for r in rows if r["factor"]], is_sobol=is_sobol)])


_SOBOL = (
    "A first-order index is the share of a figure's variance that one factor explains alone; the total index adds what "
    "it does together with others. A long total over a short first-order bar means interplay. Small negative values "
    "and bars that reach zero are sampling noise."
)
_MORRIS = (
    "Morris moves one factor at a time along random paths. The mean absolute effect says how much a factor matters "
    "when it crosses its range, the spread whether its effect depends on the others or is curved."
)


def _sobol(kpi: str, rows: list[dict[str, Any]], row: int) -> Chart:
    rows = sorted(rows, key=lambda r: r["total"])
    names = [name_of(r["factor"]) for r in rows]
    bars = [
        go.Bar(
            x=[r[which] for r in rows],
            y=names,
            orientation="h",
            name=label,
            marker={"color": colour},
            error_x={"type": "data", "array": [r[f"{which}_half_width"] for r in rows], "thickness": 1.4, "width": 4},
            hovertemplate=f"{label} %{{x:.2f}}<extra></extra>",
        )
        for which, label, colour in (("total", "total", ORANGE), ("first", "alone", BLUE))
    ]
    ends = [r[w] + s * r[f"{w}_half_width"] for r in rows for w in ("first", "total") for s in (-1.0, 1.0)]
    low, high = (float(np.clip(np.nan_to_num(v), *SHOWN)) for v in (min(ends), max(ends)))
    axis = {"title": {"text": "Share of the variance"}, "showgrid": True, "range": [min(low, -0.02), max(high, 1.0)]}
    figure = chart(bars, "", 110 + 46 * len(rows), xaxis=axis, barmode="group", hovermode="closest")
    return Chart(f"sobol-{row}", name_of(kpi), drivers(kpi, rows), figure)


def drivers(kpi: str, rows: list[dict[str, Any]]) -> str:
    """In words which factors drive a figure, from Sobol indices."""
    ranked = sorted(rows, key=lambda r: -r["total"])
    sure = [r for r in ranked if r["total"] - r["total_half_width"] > 0 and r["total"] > SURE_SHARE]
    if not sure:
        return f"No factor stands out for {inside(name_of(kpi))}; more samples would be needed."
    told = [f"{inside(name_of(r['factor']))} {_share(r)}" for r in sure[:3]]
    rest = [(inside(name_of(r["factor"])), r["total"] + r["total_half_width"]) for r in ranked if r not in sure]
    quiet, unclear = [n for n, most in rest if most <= SURE_SHARE], [n for n, most in rest if not most <= SURE_SHARE]
    tail = f" Hardly any: {listing(quiet)}." if quiet else ""
    tail += f" Not clear: {listing(unclear)}." if unclear else ""
    if max(r["total_half_width"] for r in sure) > ROUGH_SHARE:
        tail += " These intervals are wide: more samples would narrow them."
    return f"Variance of {inside(name_of(kpi))}, interplay included: {listing(told)}.{tail}"


def _share(row: dict[str, Any]) -> str:
    return f"{percent(min(max(row['total'], 0.0), 1.0))} (± {percent(row['total_half_width'])})"


def _morris(kpi: str, rows: list[dict[str, Any]], row: int) -> Chart:
    scale = scale_of(kpi)
    dots = go.Scatter(
        x=[r["total"] * scale for r in rows],
        y=[r["sigma"] * scale for r in rows],
        error_x={"type": "data", "array": [r["total_half_width"] * scale for r in rows], "thickness": 1.4, "width": 4},
        mode="markers+text",
        text=[name_of(r["factor"]) for r in rows],
        textposition="top right",
        marker={"size": 10, "color": BLUE},
        hovertemplate="%{text}: effect %{x:.4~g}, spread %{y:.4~g}<extra></extra>",
    )
    most = max((r["total"] for r in rows), default=0.0) * scale
    line = go.Scatter(x=[0, most], y=[0, most], mode="lines", line={"color": GREY, "dash": "dot"}, hoverinfo="skip")
    unit = change_unit(kpi) or "count"
    axes = {
        "xaxis": {"title": {"text": f"Mean absolute effect ({unit})"}, "rangemode": "tozero", "showgrid": True},
        "yaxis": {"title": {"text": f"Spread of the effects ({unit})"}, "rangemode": "tozero"},
    }
    figure = chart([line, dots], "", 380, hovermode="closest", showlegend=False, **axes)
    ranked = sorted(rows, key=lambda r: -r["total"])
    top = ranked[0]
    finding = (
        f"{name_of(top['factor'])} moves {inside(name_of(kpi))} most, by {number(top['total'] * scale)} ± "
        f"{number(top['total_half_width'] * scale, 2)} {unit} on average when it crosses its range. Above the dotted "
        "line an effect depends strongly on the other factors."
    )
    return Chart(f"morris-{row}", name_of(kpi), finding, figure)


def _table(rows: list[dict[str, Any]], *, is_sobol: bool) -> str:
    heads = ["Figure", "Factor"]
    heads += ["Alone", "±", "Total", "±"] if is_sobol else ["Mean effect", "Mean absolute effect", "±", "Spread"]
    out = []
    for r in rows:
        scale = 1.0 if is_sobol else scale_of(r["kpi"])
        names = ("first", "first_half_width", "total", "total_half_width")
        columns = names if is_sobol else ("first", "total", "total_half_width", "sigma")
        out.append([name_of(r["kpi"]), name_of(r["factor"]), *(number(r[c] * scale) for c in columns)])
    return table(heads, out, "Sensitivity indices", 2)
