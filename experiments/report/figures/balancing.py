"""Section on balancing: regulation states, imbalance prices, activated energy and reserve auctions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLACK, CYCLE, MARKET, STATE, STATE_NAME, chart, line, time_chart
from experiments.report.section import Chart, Section, empty, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, euro, label, listing, number, percent, plural, table

STATES = (-1, 0, 1, 2)


def section(run: RunView) -> Section:
    """How the system was kept in balance and what the EVs contributed."""
    key, title = "balancing", "Balancing"
    blocks = [*_states(run), *_national(run), *_imbalance(run), *_activated(run), *_reserves(run), *_shortfalls(run)]
    if not blocks:
        return Section(key, title, "", [empty("This run wrote no balancing results: no reserve was called.")])
    lead = (
        "Reserves keep supply and demand equal. Who deviates from its programme pays or "
        "receives the imbalance price of the period; who supplies reserve energy is paid for it."
    )
    return Section(key, title, lead, blocks)


def _states(run: RunView) -> list[Chart | str]:
    state = run.series("prices", "regulation_state")
    state = state[np.isfinite(state)].astype(int)
    if not state.size:
        return []
    share = {s: float(np.mean(state == s)) for s in STATES}
    traces = [
        go.Bar(
            y=[""],
            x=[100 * share[s]],
            name=STATE_NAME[s],
            orientation="h",
            marker={"color": STATE[s], "line": {"color": "#7b8794", "width": 0.5}},
            text=[percent(share[s])] if share[s] >= 0.04 else None,
            textposition="inside",
            textfont={"color": BLACK},
            insidetextanchor="middle",
            hovertemplate="%{x:.1f} % of the time",
        )
        for s in STATES
    ]
    finding = (
        f"Power was short (state +1) in {percent(share[1])} and long (state −1) in {percent(share[-1])} of the "
        f"periods; in {percent(share[2])} both directions were needed (state 2, both sides pay)."
    )
    axis = {"title": {"text": "Share of periods (%)"}, "range": [0, 100]}
    legend = {"y": 1.1}
    figure = chart(traces, "", 190, barmode="stack", xaxis=axis, hovermode="closest", legend=legend)
    return [Chart("balance-states", "Regulation state", finding, figure)]


def _national(run: RunView) -> list[Chart | str]:
    up, down = run.series("system", "afrr_up_mwh"), -run.series("system", "afrr_down_mwh")
    if np.isnan(up).all() and np.isnan(down).all():
        return []
    traces: list[Any] = [
        _bars(run, up, "aFRR up", MARKET["up"]),
        _bars(run, down, "aFRR down (shown below zero)", MARKET["down"]),
    ]
    finding = (
        f"Nationally {number(np.nansum(up))} MWh of upward and {number(-np.nansum(down))} MWh of downward automatic "
        "reserve were activated."
    )
    figure = time_chart(run, traces, "Energy per period (MWh)", 300, barmode="relative", bargap=0)
    return [Chart("balance-afrr", "Activated reserve energy in the country", finding, figure)]


def _bars(run: RunView, values: np.ndarray, name: str, colour: str) -> go.Bar:
    marker = {"color": colour, "line": {"width": 0}}
    template = "%{y:,.3~g} MWh"
    return go.Bar(**run.clock(), y=run.thin(values), name=name, marker=marker, hovertemplate=template)


def _imbalance(run: RunView) -> list[Chart | str]:
    positions = run.table("positions")
    if positions.is_empty():
        return []
    parties = positions["brp"].unique().sort().to_list()
    volume = {b: run.series("positions", "imbalance_mwh", brp=b) for b in parties}
    shown = sorted(parties, key=lambda b: -float(np.nansum(np.abs(volume[b]))))[:6]
    traces = [line(run, volume[b], b, CYCLE[i % len(CYCLE)], "MWh") for i, b in enumerate(shown)]
    money = positions.group_by("brp").agg(
        pl.col("imbalance_mwh").clip(lower_bound=0).sum().alias("surplus"),
        pl.col("imbalance_mwh").clip(upper_bound=0).sum().alias("shortage"),
        pl.col("imbalance_eur").sum().alias("eur"),
    )
    rows = [[b, number(p), number(m), number(e)] for b, p, m, e in money.sort("brp").iter_rows()]
    biggest = shown[0]
    finding = (
        f"{biggest} deviated most: {number(float(np.nansum(np.abs(volume[biggest]))))} MWh in total. "
        "Above zero is surplus, below zero shortage."
    )
    figure = time_chart(run, traces, "Imbalance (MWh per period)", 320)
    heads = ["Balance responsible party", "Surplus (MWh)", "Shortage (MWh)", "Net received (€), − = paid"]
    chart_ = Chart("balance-brp", "Imbalance of the balance responsible parties", finding, figure)
    return [chart_, table(heads, rows, "Imbalance by party")]


def _activated(run: RunView) -> list[Chart | str]:
    activations = run.table("activations")
    if activations.is_empty():
        return []
    grouped = activations.group_by("provider", "direction").agg(
        pl.col("energy_mwh").sum().alias("mwh"),
        (pl.col("energy_mwh") * pl.col("price_eur_per_mwh")).sum().alias("value"),
        pl.len().alias("n"),
    )
    rows = [
        [p, label(d), count(n), number(mwh), number(value / mwh if mwh else None)]
        for p, d, mwh, value, n in grouped.sort("provider", "direction").iter_rows()
    ]
    heads = ["Provider", "Direction", "Activations", "Energy (MWh)", "Mean price (€/MWh)"]
    return [heading("Reserve energy delivered, by provider"), table(heads, rows, "Activated energy", 2)]


def _reserves(run: RunView) -> list[Chart | str]:
    reserves = run.table("reserves")
    if reserves.is_empty():
        return [empty("No reserve capacity was offered in the auctions, so there is no award to show.")]
    grouped = (
        reserves.group_by("product", "provider")
        .agg(
            pl.col("offered_mw").mean(),
            pl.col("awarded_mw").mean(),
            pl.col("price_eur_per_mw_h").mean(),
            pl.len().alias("n"),
        )
        .sort("product", "provider")
    )
    traces = [
        go.Bar(
            y=_names(grouped),
            x=grouped[c].to_list(),
            name=n,
            orientation="h",
            marker={"color": colour},
            text=[number(v) for v in grouped[c]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x:.3~g} MW",
        )
        for c, n, colour in (("offered_mw", "Offered", "#b8c4cc"), ("awarded_mw", "Awarded", MARKET["fcr"]))
    ]
    total = grouped.group_by("product").agg(pl.col("offered_mw").sum(), pl.col("awarded_mw").sum()).sort("product")
    parts = [f"{number(a)} of {number(o)} MW offered in {label(p)}" for p, o, a in total.iter_rows()]
    finding = f"On average per auction block with an offer, providers were awarded {listing(parts)}."
    axes = {"xaxis": {"title": {"text": "Mean capacity per block (MW)"}}, "yaxis": {"autorange": "reversed"}}
    figure = chart(traces, "", 130 + 42 * grouped.height, barmode="group", hovermode="closest", **axes)
    rows = [[label(p), v, number(o), number(a), number(e), count(n)] for p, v, o, a, e, n in grouped.iter_rows()]
    heads = ["Product", "Provider", "Offered (MW)", "Awarded (MW)", "Mean price (€/MW/h)", "Blocks with an offer"]
    return [
        Chart("balance-reserves", "Reserve auctions", finding, figure),
        table(heads, rows, "Reserve auctions", 2),
    ]


def _shortfalls(run: RunView) -> list[str]:
    """Contracted reserve that its provider did not keep ready, and what that cost."""
    short = run.table("reserve_shortfalls")
    if short.is_empty():
        return []
    grouped = short.group_by("provider", "product").agg(
        pl.len(), pl.col("contracted_mw").mean(), pl.col("missing_mw").mean(), pl.col("penalty_eur").sum()
    )
    rows = [
        [v, label(p), count(n), number(c), number(m), euro(e)]
        for v, p, n, c, m, e in grouped.sort("provider", "product").iter_rows()
    ]
    heads = ["Provider", "Product", "Quarter-hours", "Contracted (MW, mean)", "Missing (MW, mean)", "Penalty"]
    text = (
        f"In {plural(short['period'].n_unique(), 'quarter-hour')} a provider had less reserve ready than it had sold; "
        f"that cost {euro(float(short['penalty_eur'].sum()))} in penalties, all towns together."
    )
    return [heading("Contracted reserve that was not there"), note(text), table(heads, rows, "Reserve shortfalls", 2)]


def _names(grouped: pl.DataFrame) -> list[str]:
    return [f"{label(p)}, {v}" for p, v in grouped.select("product", "provider").iter_rows()]
