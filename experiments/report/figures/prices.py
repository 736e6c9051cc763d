"""Section on prices: day-ahead, intraday and imbalance, with the regulation state as a strip."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.figures.markets import monitor
from experiments.report.palette import GREY, MARKET, STATE, STATE_NAME, line, time_chart
from experiments.report.section import Chart, Section, empty, heading
from experiments.report.view import RunView
from experiments.report.wording import count, label, number, percent, plural, table

UNIT = "€/MWh"
SERIES = {
    "day_ahead_eur_per_mwh": ("Day-ahead", MARKET["day_ahead"]),
    "intraday_vwap_eur_per_mwh": ("Intraday, volume-weighted", MARKET["intraday"]),
    "imbalance_shortage_eur_per_mwh": ("Imbalance, short side pays", MARKET["shortage"]),
    "imbalance_surplus_eur_per_mwh": ("Imbalance, long side receives", MARKET["surplus"]),
}
LOOK = {
    "imbalance_surplus_eur_per_mwh": {"width": 1.1},
    "imbalance_shortage_eur_per_mwh": {"width": 1.1, "dash": "dot"},
    "day_ahead_eur_per_mwh": {"width": 2.4},
}


def section(run: RunView) -> Section:
    """Prices over time, their statistics and the hours in which they were negative."""
    key, title = "prices", "Prices and markets"
    if run.table("prices").is_empty():
        return Section(key, title, "", [empty("This run wrote no prices: no market was simulated.")])
    values = {c: run.series("prices", c) for c in SERIES}
    lead = "What electricity cost in the wholesale markets and what an imbalance cost, per quarter-hour."
    watched = monitor(run, _mean_prices(run.table("trades")))
    blocks: list[Chart | str] = [_over_time(run, values), heading("Price statistics"), _statistics(values)]
    traded = "" if watched else _markets(run)
    blocks += watched or ([heading("Traded volume"), traded] if traded else [])
    return Section(key, title, lead, blocks)


def state_strip(run: RunView, y_axis: str) -> list[Any]:
    """The regulation state as a one-row heat map plus legend entries."""
    state = run.series("prices", "regulation_state")[:: run.thinning]
    if np.isnan(state).all():
        return []
    colours = [STATE[s] for s in (-1, 0, 1, 2)]
    scale = [[(i + j) / 4, c] for i, c in enumerate(colours) for j in (0, 1)]
    strip = go.Heatmap(
        **run.clock(),
        y=[0],
        z=[state.tolist()],
        zmin=-1.5,
        zmax=2.5,
        colorscale=scale,
        showscale=False,
        xaxis="x",
        yaxis=y_axis,
        name="Regulation state",
        hovertemplate="regulation state %{z}<extra></extra>",
    )
    marks = [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=STATE_NAME[s],
            marker={"symbol": "square", "size": 11, "color": STATE[s], "line": {"color": GREY, "width": 0.5}},
            legend="legend2",
            hoverinfo="skip",
        )
        for s in (-1, 0, 1, 2)
    ]
    return [strip, *marks]


def _over_time(run: RunView, values: dict[str, np.ndarray]) -> Chart:
    traces: list[Any] = [
        line(run, values[c], name, colour, UNIT, line=LOOK.get(c, {}), legendrank=1000 - rank)
        for rank, (c, (name, colour)) in enumerate(reversed(SERIES.items()))
        if np.isfinite(values[c]).any()
    ]
    layout = {
        "yaxis": {"domain": [0.12, 1.0]},
        "yaxis2": {"domain": [0.0, 0.06], "showticklabels": False, "fixedrange": True, "showgrid": False},
        "xaxis": {"anchor": "y2"},
        "legend2": {"orientation": "h", "x": 0, "y": -0.26, "yanchor": "top", "font": {"size": 11}},
        "margin": {"b": 104},
    }
    figure = time_chart(run, traces + state_strip(run, "y2"), f"Price ({UNIT})", 470)
    figure.update_layout(**layout)
    return Chart("prices-time", "Market prices by quarter-hour", _finding(run, values), figure)


def _finding(run: RunView, values: dict[str, np.ndarray]) -> str:
    day_ahead, short = values["day_ahead_eur_per_mwh"], values["imbalance_shortage_eur_per_mwh"]
    parts = []
    if np.isfinite(day_ahead).any():
        low, high = int(np.nanargmin(day_ahead)), int(np.nanargmax(day_ahead))
        parts.append(
            f"The day-ahead price averaged {number(np.nanmean(day_ahead))} {UNIT}; it was lowest "
            f"({number(day_ahead[low])}) on {moment(run, low)} and highest ({number(day_ahead[high])}) on "
            f"{moment(run, high)}."
        )
        below = int(np.sum(day_ahead < 0))
        parts.append(
            f"It was negative in {plural(below, 'quarter-hour')} ({percent(below / len(day_ahead), 1)})."
            if below
            else "It was never negative."
        )
    if np.isfinite(short).any():
        parts.append(f"Being short cost between {number(np.nanmin(short))} and {number(np.nanmax(short))} {UNIT}.")
    parts.append("The strip below shows in which direction the transmission operator regulated.")
    return " ".join(parts)


def moment(run: RunView, period: int) -> str:
    """A period as local day and clock time, such as ``Mon 13 Jan 18:15``."""
    instant = run.local_time[period].item()
    return f"{instant:%a} {instant.day} {instant:%b %H:%M}"


def _statistics(values: dict[str, np.ndarray]) -> str:
    rows = []
    for column, (name, _) in SERIES.items():
        v = values[column][np.isfinite(values[column])]
        if v.size:
            q = np.quantile(v, [0.05, 0.5, 0.95])
            rows.append([name, *(number(x) for x in (v.mean(), v.std(), v.min(), *q, v.max())), count(v.size)])
    heads = ["Price (€/MWh)", "Mean", "Spread (std)", "Lowest", "5 %", "Median", "95 %", "Highest", "Quarter-hours"]
    return table(heads, rows, "Price statistics")


def _markets(run: RunView) -> str:
    """Trades of a run without a market monitor; a trade against the central counterparty stands twice in the table."""
    trades = run.table("trades").filter(pl.col("buyer") != "exchange")
    prices = _mean_prices(trades)
    grouped = trades.group_by("market").agg(
        pl.len().alias("n"), (pl.col("volume_mw").sum() * run.period_h).alias("mwh")
    )
    rows = [
        [label(m), count(n), number(mwh), number(prices.get(m))] for m, n, mwh in grouped.sort("market").iter_rows()
    ]
    return table(["Market", "Trades", "Volume (MWh)", "Mean price (€/MWh)"], rows, "Traded volume by market")


def _mean_prices(trades: pl.DataFrame) -> dict[str, float]:
    """Volume-weighted mean price by market."""
    value = (pl.col("volume_mw") * pl.col("price_eur_per_mwh")).sum() / pl.col("volume_mw").sum()
    return dict(trades.group_by("market").agg(value.alias("mean")).iter_rows())
