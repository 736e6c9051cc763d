"""Section on congestion: what was announced, what operators did, how good that was, and transport rights."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.figures.contracts import breaches, signals
from experiments.report.figures.grid_picture import branch_title, foretold
from experiments.report.palette import BLUE, FAINT, GREEN, GREY, ORANGE, PINK, SKY, VERMILLION, chart, time_chart
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, energy, euro, inside, label, listing, number, percent, plural, table

OUTCOME = {"avoided": GREEN, "needless": ORANGE, "missed": VERMILLION}
KIND = {"redispatch": BLUE, "capacity_call": SKY, "absolute_signal": PINK}
ROUTE = {
    "market": "matched orders of the market",
    "via_csp": "through CSP and aggregator",
    "direct": "straight to chargers",
}


def section(run: RunView) -> Section:
    """Congestion from forecast to settlement."""
    key, title = "congestion", "Congestion and transport rights"
    lead = (
        "The operator forecasts where wires would be too full, announces it, and buys relief or calls limits; if that "
        "fails it orders. Afterwards the run compares this with what perfect foresight would have done."
    )
    announced, done = run.table("announcements"), run.table("interventions")
    if announced.is_empty() and done.is_empty():
        blocks: list[Chart | str] = [empty("The operators expected no congestion and did not intervene.")]
    else:
        blocks = [_timeline(run, announced, done), *_needed(announced), *_cost(run, done)]
    return Section(
        key, title, lead, [*blocks, *_operators(run), *_calibration(run), *signals(run), *_rights(run), *breaches(run)]
    )


def _timeline(run: RunView, announced: pl.DataFrame, done: pl.DataFrame) -> Chart:
    branches = run.table("branches")
    names = {r["branch_index"]: f"{label(r['kind'])} {r['branch']}" for r in branches.iter_rows(named=True)}
    both = pl.concat([announced.select("period", "branch_index"), done.select("period", "branch_index")]).drop_nulls()
    top = both.group_by("branch_index").len().sort("len", "branch_index", descending=[True, False]).head(12)
    rank = {b: i for i, b in enumerate(top["branch_index"].to_list())}
    clock = run.local_time
    traces: list[Any] = []
    told = announced.with_columns(
        kind=pl.when(pl.col("forecast_loading_share").is_null()).then(pl.lit("unannounced")).otherwise("outcome")
    )
    for (outcome,), part in told.sort("kind").group_by("kind", maintain_order=True):
        part = part.filter(pl.col("branch_index").is_in(list(rank)), pl.col("period").is_between(0, run.n_periods - 1))
        is_told = outcome != "unannounced"
        traces.append(
            go.Scatter(
                x=clock[part["period"].to_numpy()],
                y=[rank[b] for b in part["branch_index"]],
                mode="markers",
                name=f"Announced: {label(str(outcome)).lower()}" if is_told else "Overloaded, not announced",
                marker={"symbol": "line-ns-open", "size": 13, "color": OUTCOME.get(str(outcome), "#1d2733")},
                customdata=(100 * part["forecast_loading_share"]).round(0).to_list(),
                hovertemplate="expected loading %{customdata} %" if is_told else "not foreseen",
            )
        )
    within = done.filter(pl.col("period").is_between(0, run.n_periods - 1))
    for (kind,), part in within.sort("kind").group_by("kind", maintain_order=True):
        summed = part.group_by("period").agg((pl.col("relief_mw").sum() * 1000).alias("relief_kw")).sort("period")
        traces.append(
            go.Bar(
                x=clock[summed["period"].to_numpy()],
                y=summed["relief_kw"].to_list(),
                name=f"Intervention: {label(str(kind)).lower()}",
                marker={"color": KIND.get(str(kind), "#7b8794"), "line": {"width": 0}},
                width=run.period_h * 3_600_000,
                yaxis="y2",
                hovertemplate="%{y:.3~g} kW",
            )
        )
    ticks = {"tickvals": list(rank.values()), "ticktext": [names.get(b, str(b)) for b in rank], "zeroline": False}
    finding = (
        f"{_announced(announced)} and {plural(done.height, 'intervention')}. Marks above: what was announced, for "
        "which element; bars below: the relief obtained."
    )
    figure = time_chart(run, traces, "", 300 + 24 * len(rank), barmode="stack", hovermode="closest")
    figure.update_layout(
        yaxis={"domain": [0.42, 1], **ticks, "title": None, "range": [len(rank) - 0.5, -0.5]},
        yaxis2={
            "domain": [0, 0.34],
            "title": {"text": "Relief (kW)"},
            "rangemode": "tozero",
            "anchor": "x",
            "gridcolor": FAINT,
        },
        xaxis={"anchor": "y2", "range": [str(clock[0]), str(clock[-1])] if run.n_periods else None},
        margin={"l": 190},
    )
    return Chart("grid-congestion", "When congestion was announced and relieved", finding, figure)


def outcomes(announced: pl.DataFrame) -> str:
    """What became of announced congestion, as counts in words."""
    told = foretold(announced)
    if told.is_empty():
        return "none"
    counts = told.group_by("outcome").len().sort("len", "outcome", descending=[True, False])
    return listing([f"{count(n)} {inside(label(o))}" for o, n in counts.iter_rows()])


def _announced(announced: pl.DataFrame) -> str:
    """How much was announced, how it came out, and how much came unannounced."""
    told = foretold(announced)
    rest = announced.height - told.height
    text = plural(told.height, "announcement") + " of congestion"
    if told.height:
        text += f" ({outcomes(announced)})"
    return text + (f", {plural(rest, 'overload')} that nobody had announced" if rest else "")


def _needed(announced: pl.DataFrame) -> list[str]:
    told = foretold(announced)
    if told.is_empty():
        return [note("Nothing was announced beforehand.")]
    grouped = told.group_by("operator", "outcome").agg(
        pl.len(), pl.col("probability").mean(), pl.col("forecast_loading_share").mean(), pl.col("needed_mw").sum()
    )
    rows = [
        [label(o), label(w), count(n), percent(p), percent(share), number(1000 * mw)]
        for o, w, n, p, share, mw in grouped.sort("operator", "outcome").iter_rows()
    ]
    heads = ["Operator", "Afterwards", "Announcements", "Mean probability", "Mean expected loading", "Needed (kW)"]
    text = note(
        "Avoided: it held, and without any smart charging it would not have. Missed: it was overloaded all the same. "
        "Needless: it held, and would have held anyhow."
    )
    return [heading("Were the announcements right?"), text, table(heads, rows, "Announcements by outcome", 2)]


def _cost(run: RunView, done: pl.DataFrame) -> list[str]:
    if done.is_empty():
        return [note("No intervention took place.")]
    grouped = done.group_by("kind", "route").agg(
        pl.len(), (pl.col("relief_mw").sum() * run.period_h * 1000).alias("kwh"), pl.col("cost_eur").sum()
    )
    rows = [
        [
            label(k),
            ROUTE.get(r or "", label(r)),
            count(n),
            number(kwh) if kwh else "not measured",
            euro(cost),
            number(1000 * cost / kwh if kwh else None),
        ]
        for k, r, n, kwh, cost in grouped.sort("kind", "route").iter_rows()
    ]
    heads = ["Intervention", "Route", "Quarter-hours × elements", "Relief (kWh)", "Cost", "€ per MWh of relief"]
    return [heading("What the interventions cost"), table(heads, rows, "Interventions", 2)]


# ---- against perfect foresight ---------------------------------------------------------------------------------------

PARTS = (
    ("avoided", "needed, and the element held", GREEN),
    ("missed", "overloaded all the same", VERMILLION),
    ("needless", "would have held without", ORANGE),
)


def _operators(run: RunView) -> list[Chart | str]:
    found = run.table("operators").filter((pl.col("interventions") > 0) | (pl.col("missed") > 0))
    tools = found.filter(pl.col("tool") != "all")
    if found.is_empty():
        return []
    names = [f"{_short(o)}, {inside(label(t))}" for o, t in tools.select("operator", "tool").iter_rows()]
    traces = [
        go.Bar(y=names, x=tools[c].to_list(), name=n, orientation="h", marker={"color": colour}, hovertemplate="%{x}")
        for c, n, colour in PARTS
    ]
    axis = {"title": {"text": "Interventions, quarter-hours and elements"}}
    figure = chart(traces, "", 150 + 40 * len(names), barmode="stack", xaxis=axis, hovermode="closest")
    told = " ".join(_told(row) for row in found.filter(pl.col("tool") == "all").iter_rows(named=True))
    rows = [
        [
            _short(r["operator"]),
            "All together" if r["tool"] == "all" else label(r["tool"]),
            *(count(r[c]) for c in ("interventions", "avoided", "missed", "needless")),
            *(number(1000 * (r[c] or 0.0)) for c in ("bought_mwh", "avoided_mwh", "perfect_mwh")),
            euro(r["cost_eur"]),
            number(r["eur_per_avoided_mwh"]),
        ]
        for r in found.iter_rows(named=True)
    ]
    heads = ["Operator", "Tool", "Done", "Avoided", "Missed", "Needless", "Bought (kWh)", "Avoided (kWh)"]
    heads += ["Perfect foresight (kWh)", "Cost", "€ per avoided MWh"]
    drawn: list[Chart | str] = []
    if len(names):
        drawn = [Chart("operators", "Interventions against perfect foresight", told, figure)]
    return [*drawn, table(heads, rows, "Operators against perfect foresight", 2)]


def _short(operator: str) -> str:
    return operator.upper() if operator in ("dso", "tso") else label(operator)


def _told(row: dict[str, Any]) -> str:
    """One operator's record in a sentence or two."""
    n, who = row["interventions"], _short(row["operator"])
    alone = max(0, row["avoided"] + row["missed"] + row["needless"] - n)
    if not n:
        return f"The {who} did not intervene; {plural(row['missed'], 'overload')} passed without it."
    text = (
        f"Of the {count(n)} times and places where the {who} intervened, {count(row['avoided'])} were needed and "
        f"enough, {count(row['missed'] - alone)} needed but not enough, and {count(row['needless'])} not needed"
    )
    text += f"; {plural(alone, 'overload')} passed without intervention." if alone else "."
    paid = f" It paid {euro(row['cost_eur'])} for {number(1000 * row['bought_mwh'])} kWh of relief"
    if row["eur_per_avoided_mwh"] is not None:
        paid += f", which is €{number(row['eur_per_avoided_mwh'])} per MWh of overload avoided"
    if not row["cost_eur"] and not row["bought_mwh"]:
        paid = " It paid nothing for them"
    return f"{text}{paid}; perfect foresight would have bought {number(1000 * row['perfect_mwh'])} kWh."


def _calibration(run: RunView) -> list[Chart | str]:
    found = run.table("forecast_calibration").filter(pl.col("forecasts") > 0)
    if found.is_empty():
        return []
    looks = {"day_ahead": (ORANGE, "square", "the day before"), "intraday": (BLUE, "circle", "on the day")}
    traces: list[Any] = [
        go.Scatter(x=[0, 100], y=[0, 100], mode="lines", name="right on average", line={"color": GREY, "dash": "dot"})
    ]
    told = []
    for (operator, horizon), part in found.group_by("operator", "horizon", maintain_order=True):
        colour, symbol, when = looks.get(str(horizon), (PINK, "diamond", str(horizon)))
        traces.append(
            go.Scatter(
                x=(100 * part["mean_probability"]).to_list(),
                y=(100 * part["observed_share"]).to_list(),
                mode="lines+markers",
                name=f"{_short(str(operator))}, forecast {when}",
                text=[f"{count(n)} forecasts" for n in part["forecasts"]],
                marker={"color": colour, "symbol": symbol, "size": 9},
                line={"color": colour, "width": 1.2},
                hovertemplate="foretold %{x:.0f} %, came in %{y:.1f} % (%{text})",
            )
        )
        said = float((part["mean_probability"] * part["forecasts"]).sum())
        came = float((part["observed_share"] * part["forecasts"]).sum())
        told.append(f"{when}, {number(said)} overloads were foretold and {number(came)} would have come")
    finding = (
        f"Summed probabilities of the {_short(str(found['operator'][0]))}: {listing(told)}. Below the dotted line "
        "overload was foretold too often."
    )
    axes = {
        "xaxis": {"title": {"text": "Foretold probability of overload (%)"}, "range": [-2, 102], "showgrid": True},
        "yaxis": {"range": [-2, 102]},
    }
    figure = chart(traces, "How often it would have come (%)", 340, hovermode="closest", **axes)
    return [Chart("calibration", "How good the operator's forecasts were", finding, figure)]


# ---- transport rights ------------------------------------------------------------------------------------------------


def _rights(run: RunView) -> list[Chart | str]:
    held = run.table("agreements")
    if held.is_empty():
        return []
    summed = held.group_by("agreement").agg(
        pl.len(),
        pl.col("group").n_unique().alias("groups"),
        pl.col("fee_eur", "withheld_kwh", "breach_quarters", "breach_kwh").sum(),
    )
    rows = [
        [label(a), count(n), count(g) if g < n else "–", euro(fee), number(w), count(q), number(k)]
        for a, n, g, fee, w, q, k in summed.sort("agreement").iter_rows()
    ]
    heads = ["Right", "Connections", "Groups", "Fee for the run", "Withheld (kWh)", "Quarter-hours in breach"]
    quarters, breach = float(held["breach_quarters"].sum() or 0), float(held["breach_kwh"].sum() or 0)
    text = (
        f"{plural(held.height, 'flexible connection')} paid {euro(float(held['fee_eur'].sum()))} for the right to "
        f"transport; {energy(float(held['withheld_kwh'].sum()))} of that right was taken back by the operator"
    )
    text += (
        f"; limits were broken in {plural(quarters, 'quarter-hour')} by {energy(breach)}."
        if quarters
        else "; nobody went above a limit."
    )
    out: list[Chart | str] = [heading("Transport rights of flexible connections"), note(text)]
    out.append(table([*heads, "Above the limit (kWh)"], rows, "Transport rights"))
    broken = held.filter(pl.col("breach_quarters") > 0).sort("breach_kwh", descending=True).head(10)
    if broken.height:
        worst = [
            [f"connection {c}", label(a), count(q), number(k)]
            for c, a, q, k in broken.select("connection_row", "agreement", "breach_quarters", "breach_kwh").iter_rows()
        ]
        out.append(table(["Who", "Right", "Quarter-hours", "Above the limit (kWh)"], worst, "Largest breaches", 2))
    return out


def supply(run: RunView) -> str:
    """Interruptions in a sentence or two, and whether uncontrolled charging would have tripped more; "" if none."""
    found = run.table("outages")
    own, free = (int((run.table(t)["kind"] == "trip").sum()) for t in ("outages", "uncontrolled_outages"))
    trips = f"Protection tripped {plural(own, 'time')}; with uncontrolled charging {plural(free, 'time')}."
    if found.is_empty():
        return f"Supply was never interrupted. {trips}" if free else ""
    text = (
        f"Supply was interrupted {plural(found.height, 'time')}: {energy(float(found['unserved_kwh'].sum() or 0))} of "
        f"homes and sites was not served, {energy(float(found['emergency_kwh'].sum() or 0))} came out of cars."
    )
    return f"{text} {trips}" if own or free else text


def outages(run: RunView) -> list[Chart | str]:
    """Interruptions of supply and trips of protection, one row each."""
    found = run.table("outages")
    if found.is_empty():
        return [note(supply(run) or "No outage, islanding or protection trip took place.")]
    names = {row["branch_index"]: branch_title(row) for row in run.table("branches").iter_rows(named=True)}
    clock = run.local_time
    rows = []
    for r in found.sort("first_period").iter_rows(named=True):
        start = clock[int(np.clip(r["first_period"] or 0, 0, run.n_periods - 1))].item()
        rows.append(
            [
                f"{start:%a} {start.day} {start:%b %H:%M}",
                label(r["kind"]),
                names.get(r["branch_index"], "several"),
                number((r["periods"] or 0) * run.period_h),
                count(r["connections"]),
                (r["resupplied_by"] or "nobody").replace(",", ", "),
                *(number(r[c]) for c in ("connection_h", "unserved_kwh", "postponed_kwh", "emergency_kwh")),
            ]
        )
    heads = ["From", "Kind", "Element", "Hours", "Connections", "Resupplied by", "Connection-hours"]
    heads += ["Unserved (kWh)", "Charging postponed (kWh)", "From EVs (kWh)"]
    return [heading("Outages and protection"), note(supply(run)), table(heads, rows, "Outages", 3)]
