"""Section on the grid: the picture, the most loaded elements, duration curves, voltage, ageing and outages."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from experiments.report.figures.congestion import outages
from experiments.report.figures.grid_picture import branch_title, picture
from experiments.report.figures.quality import ageing, asked, digits, quality
from experiments.report.palette import BLUE, ORANGE, PINK, VERMILLION, chart, time_chart
from experiments.report.section import Chart, Section, empty, heading
from experiments.report.view import RunView
from experiments.report.wording import listing, number, percent, plural, table


def section(run: RunView) -> Section:
    """Whether the wires held and what was done about it."""
    key, title = "grid", "The grid"
    grids = run.matrices if run.n_periods else {}
    if not grids or not np.isfinite(grids["loading_share"]).any():
        why = "This run wrote no branch loading: it had no grid, or no power flow was computed."
        return Section(key, title, "", [empty(why), *outages(run)])
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
        *quality(run),
        *ageing(run),
        *outages(run),
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
    least, most, share = asked(run, "voltage", (0.9, 1.1, 0.95))
    bad = int(np.sum(np.nanmean((low < least) | (high > most), axis=0) > 1.0 - share + 1e-9))
    finding = (
        f"Over all nodes and phases the voltage stayed between {number(np.nanmin(lowest))} and "
        f"{number(np.nanmax(highest))} times nominal. "
        f"{plural(bad, 'node') if bad else 'No node'} left the ±{digits(100 * (most - 1.0))} % band "
        f"for more than {digits(100 * (1.0 - share))} % of the run."
    )
    vuf = run.matrices["vuf_share"]
    if np.isfinite(vuf).any():
        _, most_vuf, share = asked(run, "unbalance", (0.0, 0.02, 0.95))
        unbalanced = int(np.sum(np.nanmean(vuf > most_vuf, axis=0) > 1.0 - share + 1e-9))
        much = f"exceeded {digits(100 * most_vuf)} % for more than {digits(100 * (1.0 - share))} % of the run."
        finding += f" Unbalance was at most {percent(float(np.nanmax(vuf)), 1)}; " + (
            f"{plural(unbalanced, 'node')} {much}" if unbalanced else f"no node {much}"
        )
    base = {"mode": "lines", "hovertemplate": "%{y:.3f}"}
    traces = [
        go.Scatter(**run.clock(), y=run.thin(highest), name="Highest of all nodes", line={"color": PINK}, **base),
        go.Scatter(**run.clock(), y=run.thin(lowest), name="Lowest of all nodes", line={"color": BLUE}, **base),
    ]
    limits = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": VERMILLION, "width": 1}}
        for y in (least, most)
    ]
    figure = time_chart(run, traces, "Voltage (times nominal)", 300, shapes=limits)
    return [Chart("grid-voltage", "Voltage band", finding, figure)]
