"""Section on physical stations: what the market asked of them and what they did."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, FAINT, GREY, ORANGE, VERMILLION, time_chart
from experiments.report.section import Chart, Section
from experiments.report.view import RunView
from experiments.report.wording import count, energy, number, percent, plural, power, table

QUALITY = ("fresh", "stale", "suspect", "estimated", "absent")
MOST_STATIONS = 4


def section(run: RunView) -> Section | None:
    """One chart a station and a table of all; None where every station was simulated."""
    seen = run.table("hardware")
    if seen.is_empty() or not run.n_periods:
        return None
    lead = (
        "These charging points were no simulation but stations on a wire, real or emulated. They took their limit from "
        "the market like all others; what they measured went into the settlement."
    )
    stations = seen["station_id"].unique().sort().to_list()
    blocks: list[Chart | str] = [_chart(run, seen, name, row) for row, name in enumerate(stations[:MOST_STATIONS])]
    return Section("hardware", "Physical stations", lead, [*blocks, _table(seen, stations)])


def _chart(run: RunView, seen: pl.DataFrame, station: str, row: int) -> Chart:
    part = seen.filter(pl.col("station_id") == station, pl.col("period").is_between(0, run.n_periods - 1))
    part = part.sort("period")
    clock = run.local_time[part["period"].to_numpy()]
    looks = (("limit_kw", "limit of the market", GREY, "dash"), ("power_kw", "measured", BLUE, "solid"))
    traces = [
        go.Scatter(
            x=clock,
            y=part[c].to_list(),
            name=n,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 1.8, "shape": "hv"},
            hovertemplate="%{y:.3~g} kW",
        )
        for c, n, colour, dash in looks
    ]
    doubt = part.filter(pl.col("quality") > 0)
    if doubt.height:
        traces.append(
            go.Scatter(
                x=run.local_time[doubt["period"].to_numpy()],
                y=doubt["power_kw"].to_list(),
                name="not freshly measured",
                mode="markers",
                marker={"color": ORANGE, "symbol": "x", "size": 8},
                text=[QUALITY[min(int(q), 4)] for q in doubt["quality"]],
                hovertemplate="%{text}",
            )
        )
    above = part.filter(pl.col("power_kw") > pl.col("limit_kw") + 0.1).height
    finding = (
        f"{energy(float(part['energy_kwh'].sum() or 0))} charged, at most {power(float(part['power_kw'].max() or 0))}; "  # type: ignore[arg-type]
        + (f"above its limit in {plural(above, 'quarter-hour')}" if above else "never above its limit")
        + f"; {percent(doubt.height / max(part.height, 1))} of the values are not freshly measured."
    )
    figure = time_chart(run, traces, "Power (kW)", 280, yaxis={"gridcolor": FAINT, "rangemode": "tozero"})
    if above:
        figure.update_traces(line={"color": VERMILLION}, selector={"name": "measured"})
    return Chart(f"station-{row}", f"Station {station}", finding, figure)


def _table(seen: pl.DataFrame, stations: list[str]) -> str:
    rows = []
    for name in stations:
        part = seen.filter(pl.col("station_id") == name)
        register = part["register_kwh"].drop_nulls().to_numpy()
        counted = float(register.max() - register.min()) if register.size else None
        doubt = float((part["quality"] > 0).mean() or 0.0)  # type: ignore[arg-type]
        metered = "register" if part["is_metered"].all() else "power × time"
        energy_ = number(float(part["energy_kwh"].sum() or 0), 4)
        rows.append([name, str(part["charging_point_row"][0]), count(part.height), energy_, number(counted, 4)])
        rows[-1] += [metered, percent(doubt)]
    heads = ["Station", "Point", "Quarter-hours", "Energy (kWh)", "Register moved (kWh)", "Settled by", "Not fresh"]
    return table(heads, rows, "Physical stations")
