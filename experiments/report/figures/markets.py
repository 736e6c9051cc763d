"""What an authority would measure of the markets: concentration, indispensable parties, spread, churn, late trades."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, ORANGE, VERMILLION, chart
from experiments.report.section import Chart, heading
from experiments.report.view import RunView
from experiments.report.wording import count, euro, label, listing, number, percent, plural, table

CONCENTRATED = 2500
"""Herfindahl-Hirschman index above which competition authorities call a market highly concentrated."""


def monitor(run: RunView, mean_price: Mapping[str, float]) -> list[Chart | str]:
    """Concentration of every market as bars, and all measures with the mean price (by market) as a table."""
    found = run.table("market_monitor").filter(pl.col("trades") > 0)
    if found.is_empty():
        return []
    names = [_name(m) for m in found["market"]]
    sides = (("hhi_sellers", "sellers", BLUE), ("hhi_buyers", "buyers", ORANGE))
    traces = [
        go.Bar(y=names, x=found[c].to_list(), name=n, orientation="h", marker={"color": k}, hovertemplate="%{x:,.0f}")
        for c, n, k in sides
    ]
    limit = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": CONCENTRATED, "x1": CONCENTRATED}
    axis = {"title": {"text": "Herfindahl-Hirschman index (10,000 = one party)"}, "range": [0, 10_200]}
    look = {"xaxis": axis, "yaxis": {"autorange": "reversed"}, "barmode": "group", "hovermode": "closest"}
    shape = limit | {"line": {"color": VERMILLION, "width": 1.2, "dash": "dot"}}
    figure = chart(traces, "", 150 + 34 * len(names), shapes=[shape], **look)
    return [
        Chart("monitor", "Concentration of the markets", _finding(found), figure),
        heading("Market monitor"),
        _table(found, mean_price),
    ]


def _name(market: str) -> str:
    stem = market.removesuffix(" capacity")
    return label(stem) + (" capacity" if stem != market else "")


def _finding(found: pl.DataFrame) -> str:
    over = found.filter(pl.col("hhi_sellers") > CONCENTRATED).height
    pivotal = found.filter(pl.col("pivotal_share") > 0.01).sort("pivotal_share", descending=True)
    parts = [
        f"Sellers in {count(over)} of {plural(found.height, 'market')} are more concentrated than {CONCENTRATED:,} "
        "(dotted), where authorities look closely; the stylised country has few companies, so this is by construction."
    ]
    if pivotal.height:
        told = [
            f"{p} in {percent(s)} of {_name(m)}"
            for m, p, s in pivotal.select("market", "pivotal_party", "pivotal_share").head(3).iter_rows()
        ]
        parts.append(f"Demand could not have been met without {listing(told)}.")
    late = int(found["trades_after_gate"].sum() or 0)
    parts.append(f"{plural(late, 'trade')} came after the gate." if late else "No trade came after its gate.")
    beyond = int(found["beyond_prequalification"].sum() or 0)
    parts.append(f"{plural(beyond, 'award')} exceeded the prequalified power." if beyond else "")
    return " ".join(p for p in parts if p)


def _table(found: pl.DataFrame, mean_price: Mapping[str, float]) -> str:
    rows = [
        [
            _name(r["market"]),
            count(r["trades"]),
            count(r["volume_mwh"]) if (r["volume_mwh"] or 0) >= 100 else number(r["volume_mwh"]),
            number(mean_price.get(r["market"])),
            percent(r["churn"], 1),
            r["largest_seller"] or "–",
            r["pivotal_party"] or "–",
            percent(r["pivotal_share"]) if r["pivotal_party"] else "–",
            number(r["spread_eur_per_mwh"]),
            euro(r["welfare_eur"]),
        ]
        for r in found.iter_rows(named=True)
    ]
    heads = [
        "Market",
        "Trades",
        "Volume (MWh)",
        "Mean price (€/MWh)",
        "Of consumption",
        "Largest seller",
        "Indispensable",
        "how often",
    ]
    heads += ["Spread (€/MWh)", "Welfare"]
    return table(heads, rows, "Market monitor")
