"""Section on drivers: energy at departure, opt-outs and what a kilowatt-hour cost."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import SEGMENT, UNCONTROLLED, chart, rgba
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, euro, inside, label, number, percent, plural, table

SERVED_WITHIN_KWH = 0.5
"""Missing energy up to which a session counts as served, where the run's table ``drivers`` does not say it."""


def section(run: RunView) -> Section:
    """Whether people drove off with what they asked for, and at what price."""
    key, title = "drivers", "Drivers"
    if run.table("sessions").is_empty():
        return Section(key, title, "", [empty("There were no charging sessions in this run.")])
    lead = (
        "A session counts as served when the car left with the energy asked for, as far as charger and stay allowed. "
        "Missing energy is what was asked for and possible, but not delivered."
    )
    blocks: list[Chart | str] = [_service(service(run)), heading("Sessions by segment"), _table(run)]
    return Section(key, title, lead, [*blocks, *_possible(run), *_cost(run), *_gap(run)])


def _possible(run: RunView) -> list[Chart | str]:
    """What was asked, what a car could have got by charging at full power all along, and what it got."""
    ended = pl.col("departure_min") <= round(run.n_periods * run.period_h * 60)
    done = run.table("sessions").filter(ended, pl.col("possible_kwh").is_not_null())
    if done.is_empty():
        return []
    reach = pl.min_horizontal("desired_kwh", "possible_kwh")
    got = pl.min_horizontal(pl.col("delivered_kwh").clip(lower_bound=0.0), reach)
    sums = done.group_by("segment").agg(
        pl.col("desired_kwh").sum().alias("asked"), reach.sum().alias("reach"), got.sum().alias("got")
    )
    found = {s: (a, r, g) for s, a, r, g in sums.iter_rows()}
    order = [s for s in run.segments if s in found and found[s][0] > 0]
    parts = (
        ("delivered", "#0072B2", [found[s][2] / found[s][0] for s in order]),
        ("possible, not delivered", "#D55E00", [(found[s][1] - found[s][2]) / found[s][0] for s in order]),
        ("not possible: stay or charger too short", "#d7dde3", [1 - found[s][1] / found[s][0] for s in order]),
    )
    traces = [
        go.Bar(
            y=[label(s) for s in order],
            x=[100 * v for v in values],
            name=name,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{x:.1f} %",
        )
        for name, colour, values in parts
    ]
    asked, reachable, given = (sum(found[s][k] for s in order) for k in range(3))
    finding = (
        f"Of the energy asked for in finished sessions {percent(reachable / asked, 1)} was physically possible in the "
        f"time and with the charger there was; of that, {percent(given / reachable if reachable else None, 1)} was "
        f"delivered. The remaining {percent(1 - reachable / asked, 1)} no way of charging could have given."
    )
    axis = {"title": {"text": "Share of the energy asked for (%)"}, "range": [0, 100]}
    look = {"barmode": "stack", "hovermode": "closest", "yaxis": {"autorange": "reversed"}}
    figure = chart(traces, "", 150 + 34 * len(order), xaxis=axis, **look)
    return [Chart("drivers-possible", "Service against what was physically possible", finding, figure)]


def _gap(run: RunView) -> list[Chart | str]:
    """How far each segment is from the cheapest way to charge the same energy."""
    found = run.table("gap").filter(pl.col("gap_share").is_not_null())
    if found.is_empty():
        return []
    paid, best = float(found["run_eur"].sum()), float(found["optimum_eur"].sum())
    rows = [
        [label(s), label(how), number(kwh), euro(a), euro(b), percent(g, 1)]
        for s, how, kwh, a, b, g in found.select(
            "segment", "strategy", "energy_kwh", "run_eur", "optimum_eur", "gap_share"
        ).iter_rows()
    ]
    text = (
        f"Energy at the price of its quarter-hour cost {euro(paid)}; who had known everything beforehand would have "
        f"paid {euro(best)} for the same energy within the same stays: "
        f"{percent(paid / best - 1, 1) if best > 0 else 'no share'} above the optimum."
    )
    heads = ["Segment", "Strategy", "Energy (kWh)", "This run", "Optimum", "Above it"]
    return [heading("Distance to the cheapest way to charge"), note(text), table(heads, rows, "Optimality gap", 2)]


def service(run: RunView) -> pl.DataFrame:
    """Finished sessions, satisfied share, opt-out share and missing energy by segment, in the fixed order."""
    told = run.table("drivers").filter(pl.col("sessions") > 0)
    if told.is_empty():
        missing = pl.col("missing_kwh").fill_null(0.0)
        told = (
            run.table("sessions")
            .group_by("segment")
            .agg(
                pl.len().cast(pl.Int64).alias("sessions"),
                pl.col("is_opted_out").cast(pl.Float64).mean().alias("opt_out_share"),
                (missing <= SERVED_WITHIN_KWH).cast(pl.Float64).mean().alias("satisfied_share"),
                missing.sum().alias("missing_kwh"),
            )
        )
    order = {s: i for i, s in enumerate(run.segments)}
    return told.sort(pl.col("segment").replace_strict(order, default=len(order)), "segment")


def overall(by_segment: pl.DataFrame, column: str) -> float:
    """Mean of a share over segments, weighted with their sessions."""
    known = by_segment.filter(pl.col(column).is_not_null())
    n = float(known["sessions"].sum())
    return float((known[column] * known["sessions"]).sum()) / n if n else float("nan")


def _service(by_segment: pl.DataFrame) -> Chart:
    names = [label(s) for s in by_segment["segment"]]
    share = [100 * (v if v is not None else np.nan) for v in by_segment["satisfied_share"]]
    n, missing = float(by_segment["sessions"].sum()), float(by_segment["missing_kwh"].sum())
    all_ = overall(by_segment, "satisfied_share")
    low = int(np.nanargmin(share)) if np.isfinite(share).any() else 0
    finding = f"{percent(all_, 1)} of {plural(n, 'finished session')} were served; {number(missing)} kWh was missing."
    if share and share[low] < 99.95:
        finding += f" The lowest share is that of {inside(names[low])}: {number(share[low])} %."
    bars = go.Bar(
        x=share,
        y=names,
        orientation="h",
        marker={"color": [SEGMENT.get(s, UNCONTROLLED) for s in by_segment["segment"]]},
        text=[f"{v:.1f} %" for v in share],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{x:.1f} %",
        meta={"bars": "served"},
    )
    axis = {"title": {"text": "Sessions served (%)"}, "range": [0, 108], "tickvals": [0, 20, 40, 60, 80, 100]}
    figure = chart([bars], "", 110 + 34 * len(names), xaxis=axis, yaxis={"autorange": "reversed"}, hovermode="closest")
    return Chart("drivers-service", "Energy delivered at departure", finding, figure)


def _table(run: RunView) -> str:
    sessions, by_segment = run.table("sessions"), service(run)
    rows = []
    for s in run.segments:
        part = sessions.filter(pl.col("segment") == s)
        if part.height:
            rows.append([label(s), *_row(part, by_segment.filter(pl.col("segment") == s))])
    rows.append(["All segments", *_row(sessions, by_segment)])
    heads = ["Segment", "Sessions", "Asked (kWh)", "Delivered", "Missing", "Served", "Opted out"]
    heads += ["V2X", "Fed back (kWh)", "Cost", "Unctr. cost", "€/kWh", "Unctr. €/kWh"]
    return table(heads, rows, "Sessions by segment (unctr. = uncontrolled)")


def _row(part: pl.DataFrame, by_segment: pl.DataFrame) -> list[str]:
    sums = {c: float(part[c].sum()) for c in part.columns if part[c].dtype == pl.Float64}
    delivered = sums["delivered_kwh"]
    return [
        count(part.height),
        count(sums["desired_kwh"]),
        count(delivered),
        count(sums["missing_kwh"]),
        percent(overall(by_segment, "satisfied_share"), 1),
        percent(overall(by_segment, "opt_out_share"), 1),
        count(float(part["is_v2x"].sum())),
        count(sums["discharged_kwh"]),
        euro(sums["cost_eur"]),
        euro(sums["uncontrolled_cost_eur"]),
        number(sums["cost_eur"] / delivered if delivered else None),
        number(sums["uncontrolled_cost_eur"] / delivered if delivered else None),
    ]


def _cost(run: RunView) -> list[Chart | str]:
    delivered = pl.when(pl.col("delivered_kwh") > 0.1).then(pl.col("delivered_kwh"))
    priced = run.table("sessions").with_columns(
        (pl.col("cost_eur") / delivered).alias("as simulated"),
        (pl.col("uncontrolled_cost_eur") / delivered).alias("uncontrolled"),
    )
    if not priced["as simulated"].is_not_null().any():
        return [empty("This run wrote no session costs.")]
    traces = []
    for case in ("as simulated", "uncontrolled"):
        for s in run.segments:
            v = priced.filter(pl.col("segment") == s)[case].drop_nulls().to_numpy()
            if v.size:
                traces.append(_box(s, v, case))
    energy = float(priced["delivered_kwh"].sum())
    cost, free = (float(priced[c].sum()) / energy for c in ("cost_eur", "uncontrolled_cost_eur"))
    finding = (
        f"Per kWh in the battery drivers paid {number(100 * cost)} cents on average, {number(100 * abs(free - cost))} "
        f"cents {'less' if free >= cost else 'more'} than uncontrolled. A box holds the middle half of the sessions, "
        "its whiskers nine in ten; colour is as simulated, grey uncontrolled."
    )
    axis = {"title": {"text": "Cost per kWh (€)"}, "rangemode": "tozero"}
    look = {"boxmode": "group", "hovermode": "closest", "showlegend": False}
    figure = chart(traces, "", 130 + 56 * len(run.segments), xaxis=axis, yaxis={"autorange": "reversed"}, **look)
    return [Chart("drivers-cost", "What a kilowatt-hour cost", finding, figure)]


def _box(segment: str, values: np.ndarray, case: str) -> go.Box:
    low, q1, middle, q3, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    colour = SEGMENT[segment] if case == "as simulated" else UNCONTROLLED
    return go.Box(
        y=[label(segment)],
        lowerfence=[low],
        q1=[q1],
        median=[middle],
        q3=[q3],
        upperfence=[high],
        mean=[float(values.mean())],
        orientation="h",
        name=case,
        offsetgroup=case,
        meta={"segment": segment},
        fillcolor=rgba(colour, 0.45),
        line={"color": colour, "width": 1.5},
    )
