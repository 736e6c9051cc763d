"""Section on the grid: the picture, the most loaded elements, duration curves, voltage and congestion."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.figures.grid_picture import branch_title, picture
from experiments.report.palette import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    VERMILLION,
    chart,
    time_chart,
)
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, euro, inside, label, listing, number, percent, plural, table

OUTCOME = {"avoided": GREEN, "needless": ORANGE, "missed": VERMILLION}
KIND = {"redispatch": BLUE, "capacity_call": SKY, "absolute_signal": PINK}


def section(run: RunView) -> Section:
    """Whether the wires held and what was done about it."""
    key, title = "grid", "The grid"
    grids = run.matrices if run.n_periods else {}
    if not grids or not np.isfinite(grids["loading_share"]).any():
        why = "This run wrote no branch loading: it had no grid, or no power flow was computed."
        return Section(key, title, "", [empty(why), *_congestion(run)])
    peak = np.nanmax(grids["loading_share"], axis=0, initial=-np.inf, where=np.isfinite(grids["loading_share"]))
    lead = (
        "Loading is the current of the most loaded phase as a share of the rating; above 100 % an element is "
        "overloaded. Voltage is relative to nominal; EN 50160 wants it within ±10 % for 95 % of a week."
    )
    blocks: list[Chart | str] = [
        picture(run, int(np.argmax(peak))),
        heading("The ten most loaded elements"),
        top_elements(run, 10),
        _duration(run),
        *_voltage(run),
        *_congestion(run),
    ]
    return Section(key, title, lead, blocks)


def top_elements(run: RunView, n: int) -> str:
    """Table of the most loaded branches with their counterfactual."""
    loading, free = run.matrices["loading_share"], run.matrices["uncontrolled_loading_share"]
    peak, peak_free = _highest(loading), _highest(free)
    rows = []
    for i in np.argsort(-peak, kind="stable")[:n].tolist():
        row = run.table("branches").sort("branch_index").row(i, named=True)
        over, over_free = (float(np.sum(m[:, i] > 1) * run.period_h) for m in (loading, free))
        change = percent(peak[i] - peak_free[i], 0, sign=True).replace(" %", " points")
        rows.append(
            [
                branch_title(row),
                percent(peak[i]),
                percent(peak_free[i]),
                change,
                number(over),
                number(over_free),
                percent(float(np.nanmean(loading[:, i]))),
            ]
        )
    heads = ["Element", "Highest", "Uncontrolled", "Difference", "Hours above 100 %", "Uncontrolled", "Mean"]
    return table(heads, rows, "The ten most loaded elements")


def _highest(values: np.ndarray) -> np.ndarray:
    """Highest known value per column; NaN where none is known."""
    peak = np.max(np.where(np.isfinite(values), values, -np.inf), axis=0)
    return np.where(np.isfinite(peak), peak, np.nan)


def _duration(run: RunView) -> Chart:
    loading, free = run.matrices["loading_share"], run.matrices["uncontrolled_loading_share"]
    is_transformer = np.array(run.table("branches").sort("branch_index")["kind"].to_list()) == "transformer"
    hours = {"x0": run.period_h, "dx": run.period_h}
    traces, parts = [], []
    for mask, name, colour in ((is_transformer, "transformers", BLUE), (~is_transformer, "cables and lines", ORANGE)):
        if not mask.any():
            continue
        for matrix, case, dash in ((loading, "as simulated", "solid"), (free, "uncontrolled", "dash")):
            highest = np.max(np.where(np.isfinite(matrix[:, mask]), matrix[:, mask], -np.inf), axis=1)
            highest = np.sort(highest[np.isfinite(highest)])[::-1] * 100
            if not highest.size:
                continue
            parts.append(f"{number(float(np.sum(highest > 100)) * run.period_h)} h for {name} {case}")
            style = {"color": colour, "dash": dash, "width": 1.8}
            name_ = f"Most loaded of all {name}, {case}"
            traces.append(
                go.Scatter(**hours, y=highest.astype(np.float32), name=name_, mode="lines", line=style).update(
                    hovertemplate="%{y:.0f} %"
                )
            )
    finding = f"Time with at least one element above 100 %: {listing(parts)}."
    axis = {"title": {"text": "Hours in which the loading was at least this high"}}
    limit = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100, "y1": 100, "line": {"color": VERMILLION}}]
    figure = chart(traces, "Loading (%)", 360, xaxis=axis, shapes=limit, yaxis={"rangemode": "tozero"})
    return Chart("grid-duration", "Duration curve of the highest loading", finding, figure)


def _voltage(run: RunView) -> list[Chart | str]:
    low, high = run.matrices["voltage_min_pu"], run.matrices["voltage_max_pu"]
    if not np.isfinite(low).any():
        return [empty("This run wrote no voltages.")]
    lowest = np.min(np.where(np.isfinite(low), low, np.inf), axis=1)
    highest = np.max(np.where(np.isfinite(high), high, -np.inf), axis=1)
    lowest, highest = (np.where(np.isfinite(v), v, np.nan) for v in (lowest, highest))
    outside = np.nanmean((low < 0.9) | (high > 1.1), axis=0)
    bad = int(np.sum(outside > 0.05))
    finding = (
        f"Over all nodes and phases the voltage stayed between {number(np.nanmin(lowest))} and "
        f"{number(np.nanmax(highest))} times nominal. "
        f"{plural(bad, 'node') if bad else 'No node'} left the ±10 % band for more than 5 % of the run."
    )
    vuf = run.matrices["vuf_share"]
    if np.isfinite(vuf).any():
        unbalanced = int(np.sum(np.nanmean(vuf > 0.02, axis=0) > 0.05))
        finding += f" Unbalance was at most {percent(float(np.nanmax(vuf)), 1)}; " + (
            f"{plural(unbalanced, 'node')} exceeded 2 % for more than 5 % of the run."
            if unbalanced
            else "no node exceeded 2 % for more than 5 % of the run."
        )
    base = {"mode": "lines", "hovertemplate": "%{y:.3f}"}
    traces = [
        go.Scatter(**run.clock(), y=run.thin(highest), name="Highest of all nodes", line={"color": PINK}, **base),
        go.Scatter(**run.clock(), y=run.thin(lowest), name="Lowest of all nodes", line={"color": BLUE}, **base),
    ]
    limits = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": VERMILLION, "width": 1}}
        for y in (0.9, 1.1)
    ]
    figure = time_chart(run, traces, "Voltage (times nominal)", 300, shapes=limits)
    return [Chart("grid-voltage", "Voltage band", finding, figure)]


def _congestion(run: RunView) -> list[Chart | str]:
    announced, done = run.table("announcements"), run.table("interventions")
    blocks: list[Chart | str] = [heading("Congestion: announcements and interventions")]
    if announced.is_empty() and done.is_empty():
        return [*blocks, empty("The operators expected no congestion and did not intervene.")]
    return [*blocks, _timeline(run, announced, done), *_needed(announced), *_cost(run, done)]


def _timeline(run: RunView, announced: pl.DataFrame, done: pl.DataFrame) -> Chart:
    names = {
        r["branch_index"]: f"{label(r['kind'])} {r['branch']}" for r in run.table("branches").iter_rows(named=True)
    }
    both = pl.concat([announced.select("period", "branch_index"), done.select("period", "branch_index")]).drop_nulls()
    top = both.group_by("branch_index").len().sort("len", "branch_index", descending=[True, False]).head(12)
    rank = {b: i for i, b in enumerate(top["branch_index"].to_list())}
    clock = run.local_time
    traces: list[Any] = []
    for (outcome,), part in announced.sort("outcome").group_by("outcome", maintain_order=True):
        part = part.filter(pl.col("branch_index").is_in(list(rank)), pl.col("period").is_between(0, run.n_periods - 1))
        traces.append(
            go.Scatter(
                x=clock[part["period"].to_numpy()],
                y=[rank[b] for b in part["branch_index"]],
                mode="markers",
                name=f"Announced: {label(str(outcome)).lower()}",
                marker={"symbol": "line-ns-open", "size": 13, "color": OUTCOME.get(str(outcome), "#7b8794")},
                customdata=(100 * part["forecast_loading_share"]).round(0).to_list(),
                hovertemplate="expected loading %{customdata} %",
            )
        )
    inside = done.filter(pl.col("period").is_between(0, run.n_periods - 1))
    for (kind,), part in inside.sort("kind").group_by("kind", maintain_order=True):
        hourly = part.group_by("period").agg(pl.col("relief_mw").sum()).sort("period")
        traces.append(
            go.Bar(
                x=clock[hourly["period"].to_numpy()],
                y=hourly["relief_mw"].to_list(),
                name=f"Intervention: {label(str(kind)).lower()}",
                marker={"color": KIND.get(str(kind), "#7b8794"), "line": {"width": 0}},
                width=run.period_h * 3_600_000,
                yaxis="y2",
                hovertemplate="%{y:.3~g} MW",
            )
        )
    ticks = {"tickvals": list(rank.values()), "ticktext": [names.get(b, str(b)) for b in rank], "zeroline": False}
    finding = (
        f"{plural(announced.height, 'announcement')} of congestion ({outcomes(announced)}) and "
        f"{plural(done.height, 'intervention')}. Marks above: what was announced, for which element; bars below: the "
        "relief obtained."
    )
    height = 300 + 24 * len(rank)
    figure = time_chart(run, traces, "", height, barmode="stack", hovermode="closest")
    figure.update_layout(
        yaxis={"domain": [0.42, 1], **ticks, "title": None, "range": [len(rank) - 0.5, -0.5]},
        yaxis2={"domain": [0, 0.34], "title": {"text": "Relief (MW)"}, "anchor": "x", "gridcolor": FAINT},
        xaxis={"anchor": "y2", "range": [str(clock[0]), str(clock[-1])] if run.n_periods else None},
        margin={"l": 190},
    )
    return Chart("grid-congestion", "When congestion was announced and relieved", finding, figure)


def outcomes(announced: pl.DataFrame) -> str:
    """What became of announced congestion, as counts in words."""
    if announced.is_empty():
        return "none"
    counts = announced.group_by("outcome").len().sort("len", "outcome", descending=[True, False])
    return listing([f"{count(n)} {inside(label(o))}" for o, n in counts.iter_rows()])


def _needed(announced: pl.DataFrame) -> list[str]:
    if announced.is_empty():
        return [note("Nothing was announced beforehand.")]
    grouped = announced.group_by("operator", "outcome").agg(
        pl.len(), pl.col("probability").mean(), pl.col("forecast_loading_share").mean(), pl.col("needed_mw").sum()
    )
    rows = [
        [o, label(w), count(n), percent(p), percent(share), number(mw)]
        for o, w, n, p, share, mw in grouped.sort("operator", "outcome").iter_rows()
    ]
    heads = ["Operator", "Afterwards", "Announcements", "Mean probability", "Mean expected loading", "Needed (MW)"]
    return [heading("Were the announcements right?"), table(heads, rows, "Announcements by outcome", 2)]


def _cost(run: RunView, done: pl.DataFrame) -> list[str]:
    if done.is_empty():
        return [note("No intervention took place.")]
    grouped = done.group_by("kind", "route").agg(
        pl.len(), (pl.col("relief_mw").sum() * run.period_h).alias("mwh"), pl.col("cost_eur").sum()
    )
    rows = [
        [label(k), label(r), count(n), number(mwh), euro(cost), number(cost / mwh if mwh else None)]
        for k, r, n, mwh, cost in grouped.sort("kind", "route").iter_rows()
    ]
    heads = ["Intervention", "Route", "Periods × elements", "Relief (MWh)", "Cost", "Cost (€/MWh)"]
    return [heading("What the interventions cost"), table(heads, rows, "Interventions", 2)]
