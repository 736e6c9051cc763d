"""Section on load: EVs by segment against the uncontrolled counterfactual, households, and the average day."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.figures.prices import moment
from experiments.report.palette import BLACK, SEGMENT, UNCONTROLLED, chart, line, rgba, time_chart
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, energy, label, percent, power, table

DASHED = {"dash": "dash", "width": 1.6}


def section(run: RunView) -> Section:
    """Who took power when."""
    key, title = "load", "Charging and other load"
    if run.table("load").is_empty():
        return Section(key, title, "", [empty("This run wrote no load: there were no connections.")])
    lead = (
        "Power at the simulated connections (not multiplied by the representation). The dashed line is the "
        "uncontrolled counterfactual: the same drivers, each charging at full power from the moment of arrival."
    )
    if not run.segments:
        return Section(key, title, lead, [empty("There were no EVs in this run."), *_others(run)])
    by_segment = {s: run.series("load", "power_kw", segment=s) for s in run.segments}
    free = {s: run.series("load", "uncontrolled_kw", segment=s) for s in run.segments}
    blocks: list[Chart | str] = [_stacked(run, by_segment, free), *_others(run), _average_day(run, by_segment, free)]
    blocks += [heading("EV segments"), _table(run, by_segment, free)]
    return Section(key, title, lead, blocks)


def totals(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Sum over segments with missing values as zero, float64[n_periods]."""
    return np.nansum(np.stack(list(parts.values())), axis=0)


def _areas(clock: dict[str, Any], parts: dict[str, np.ndarray], run: RunView | None) -> list[go.Scatter]:
    """Stacked areas: charging above zero, feed-in (where there is any) below."""
    out = []
    for side, edge in ((1, "charging"), (-1, "feed-in")):
        for s, values in parts.items():
            piece = np.where(values * side > 0, values, 0.0)
            if side < 0 and not (piece < -1e-6).any():
                continue
            shown = run.thin(piece) if run else piece.astype(np.float32)
            out.append(
                go.Scatter(
                    **clock,
                    y=shown,
                    name=label(s) + (" (feeding back)" if side < 0 else ""),
                    mode="lines",
                    line={"width": 0.5, "color": SEGMENT[s], "shape": "hv"},
                    fillcolor=rgba(SEGMENT[s], 0.8 if side > 0 else 0.45),
                    stackgroup=edge,
                    hovertemplate="%{y:,.4~g} kW",
                    meta={"segment": s} if run else {"segment": s, "fold": side},
                )
            )
    return out


def _stacked(run: RunView, by_segment: dict[str, np.ndarray], free: dict[str, np.ndarray]) -> Chart:
    controlled, uncontrolled = totals(by_segment), totals(free)
    top, top_free = int(np.argmax(controlled)), int(np.argmax(uncontrolled))
    before = uncontrolled[top_free]
    change = (controlled[top] - before) / before if before else np.nan
    word = "lower" if change < 0 else "higher"
    finding = (
        f"The EVs' highest demand was {power(controlled[top])} ({moment(run, top)}); uncontrolled it would have been "
        f"{power(before)} ({moment(run, top_free)}), so steering made the peak {percent(abs(change))} {word}. "
        f"{percent(moved_share(controlled, uncontrolled))} of the energy was charged at another time than on arrival."
    )
    traces = [
        *_areas(run.clock(), by_segment, run),
        line(run, uncontrolled, "All EVs, uncontrolled", UNCONTROLLED, "kW", line=DASHED, meta={"sum": 0}),
    ]
    figure = time_chart(run, traces, "EV power (kW)", 430)
    return Chart("load-ev", "EV charging by segment", finding, figure)


def moved_share(controlled_kw: np.ndarray, uncontrolled_kw: np.ndarray) -> float:
    """Share of the uncontrolled energy that was not charged in its uncontrolled period."""
    total = np.sum(uncontrolled_kw)
    return float(np.sum(np.maximum(uncontrolled_kw - controlled_kw, 0.0)) / total) if total > 0 else float("nan")


def _others(run: RunView) -> list[Chart | str]:
    kinds = [s for s in run.table("load")["segment"].unique().sort().to_list() if s not in run.segments]
    if not kinds:
        return [note("No other load than EVs was written.")]
    values = {s: run.series("load", "power_kw", segment=s) for s in kinds}
    colours = {s: SEGMENT.get(s, BLACK) for s in kinds}
    colours["pv"] = "#b39b00"  # the yellow of the palette is too pale for a line
    traces = [line(run, v, label(s), colours[s], "kW") for s, v in values.items()]
    everything = totals(values | {s: run.series("load", "power_kw", segment=s) for s in run.segments})
    traces.append(line(run, everything, "All connections together", BLACK, "kW", line={"width": 2.2}))
    low, high = int(np.argmin(everything)), int(np.argmax(everything))
    finding = (
        f"All connections together took at most {power(everything[high])} ({moment(run, high)}) and at least "
        f"{power(everything[low])} ({moment(run, low)})"
        + ("; below zero the town feeds power back into the grid." if everything[low] < 0 else ".")
    )
    figure = time_chart(run, traces, "Power (kW)", 330)
    return [Chart("load-other", "Households, solar panels and the town as a whole", finding, figure)]


def _average_day(run: RunView, by_segment: dict[str, np.ndarray], free: dict[str, np.ndarray]) -> Chart:
    since_midnight = run.local_time - run.local_time.astype("datetime64[D]")
    slot = (since_midnight / np.timedelta64(1, "h") // run.period_h).astype(int)
    n = round(24 / run.period_h)
    size = np.maximum(np.bincount(slot, minlength=n), 1)

    def mean_day(v: np.ndarray) -> np.ndarray:
        return np.bincount(slot, weights=np.nan_to_num(v), minlength=n) / size

    def closed(v: np.ndarray) -> np.ndarray:
        """A stepped line up to the end of its last period."""
        return np.append(v, v[-1])

    parts = {s: mean_day(v) for s, v in by_segment.items()}
    clock = {"x0": 0.0, "dx": run.period_h}
    uncontrolled = mean_day(totals(free))
    dashed = go.Scatter(
        **clock,
        y=closed(uncontrolled).astype(np.float32),
        name="All EVs, uncontrolled",
        mode="lines",
        meta={"sum": 0, "fold": 1},
        line={"color": UNCONTROLLED, "shape": "hv"} | DASHED,
        hovertemplate="%{y:,.4~g} kW",
    )
    controlled = totals(parts)
    top, top_free = int(np.argmax(controlled)), int(np.argmax(uncontrolled))
    finding = (
        f"On the average day EV demand peaks at {clock_time(top, run)} with {power(controlled[top])}; uncontrolled it "
        f"would peak at {clock_time(top_free, run)} with {power(uncontrolled[top_free])}."
    )
    axis = {"title": {"text": "Local clock hour"}, "dtick": 3, "range": [0, 24], "hoverformat": ".4~g"}
    areas = _areas(clock, {s: closed(v) for s, v in parts.items()}, None)
    figure = chart([*areas, dashed], "Mean EV power (kW)", 360, xaxis=axis)
    return Chart("load-day", "The average day", finding, figure)


def clock_time(slot: int, run: RunView) -> str:
    """Start of a slot of the day as ``HH:MM``."""
    minutes = round(slot * run.period_h * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _table(run: RunView, by_segment: dict[str, np.ndarray], free: dict[str, np.ndarray]) -> str:
    sessions = run.table("sessions").group_by("segment").agg(pl.len().alias("n"))
    known = dict(sessions.iter_rows())
    rows = []
    for s, v in by_segment.items():
        u = np.nan_to_num(free[s])
        rows.append(
            [
                label(s),
                count(known.get(s, 0)),
                energy(float(np.nansum(v)) * run.period_h),
                power(float(np.nan_to_num(v).max())),
                power(float(u.max())),
                percent(moved_share(np.nan_to_num(v), u)),
            ]
        )
    heads = ["Segment", "Sessions", "Energy", "Peak", "Peak uncontrolled", "Moved in time"]
    return table(heads, rows, "EV load by segment")
