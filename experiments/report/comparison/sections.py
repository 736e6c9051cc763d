"""Sections of the comparison, in the order of the page."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.kpis import KPIS
from experiments.report.comparison.pair import Pair
from experiments.report.figures.load import totals
from experiments.report.naming import interval_text, is_better, name_of, setting_text, value_text
from experiments.report.palette import BLUE, GREY, ORANGE, VERMILLION, chart, line, time_chart
from experiments.report.section import Chart, Section, empty, fold, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, euro, inside, label, number, percent, plural, power, table

SMALL_EUR = 0.5
SMALL_SHARE = 0.001
"""Relative change below which a figure counts as unchanged in words."""


def settings(pair: Pair) -> Section:
    """What differs between the two runs before anything happened."""
    key, title = "settings", "What differs in the settings"
    lead = "Both runs are defined by their resolved scenarios; this is every key in which those differ."
    if not pair.settings:
        return Section(key, title, lead, [empty("Nothing: both runs have the same settings.")])
    a, b = pair.names
    rows = [[name_of(k), _setting(k, x), _setting(k, y), k] for k, x, y in pair.settings]
    blocks: list[Chart | str] = [table(["What", a, b, "Key"], rows, "Settings that differ", 9)]
    if pair.unknown_to_one:
        blocks.append(note(f"Only one of the two program versions has: {', '.join(pair.unknown_to_one)}."))
    return Section(key, title, lead, blocks)


def _setting(key: str, value: object) -> str:
    return "–" if value is None else setting_text(key, value)


def figures(pair: Pair) -> Section:
    """All key figures side by side."""
    key, title = "figures", "Key figures"
    if not pair.kpis:
        return Section(key, title, "", [empty("The runs have no key figures in common.")])
    a, b = pair.names
    heads = ["Figure", a, b, "Change", "Change, %", "For the better?", "Name"]
    moved = [_figure_row(*row) for row in pair.kpis if row[1] != row[2]]
    same = [_figure_row(*row) for row in pair.kpis if row[1] == row[2]]
    lead = "One run each: a change holds for this draw of weather and behaviour. A sweep tells how sure it is."
    blocks: list[Chart | str] = [_relative(pair), table(heads, moved, "Key figures that change", 1)]
    blocks += [fold(f"{len(same)} figures that do not change", table(heads, same, "Unchanged key figures", 1))]
    return Section(key, title, lead, blocks)


def _figure_row(name: str, a: float, b: float) -> list[str]:
    is_small = abs(b - a) <= SMALL_SHARE * max(abs(a), abs(b))
    good = "hardly changes" if is_small else {True: "yes", False: "no", None: ""}[is_better(name, b - a)]
    share = percent((b - a) / abs(a), 1, sign=True) if a else "–"
    change = value_text(name, b - a, is_change=True, sign=True)
    return [name_of(name), value_text(name, a), value_text(name, b), change, share, good, name]


def _relative(pair: Pair) -> Chart:
    """Judged figures as bars of relative change."""
    judged = [
        (k, (b - a) / abs(a))
        for k, a, b in pair.kpis
        if KPIS[k].better and a * b > 0 and abs((b - a) / a) >= SMALL_SHARE
    ]
    shown = sorted(judged, key=lambda r: -abs(r[1]))[:16][::-1]
    good = [is_better(k, v) for k, v in shown]
    bars = go.Bar(
        x=[max(-200.0, min(200.0, 100 * v)) for _, v in shown],
        y=[name_of(k) for k, _ in shown],
        orientation="h",
        marker={"color": [BLUE if g else VERMILLION for g in good]},
        text=[
            f"{percent(v, 1, sign=True)} {'better' if g else 'worse'}" for (_, v), g in zip(shown, good, strict=True)
        ],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    axis = {"title": {"text": f"Change from {pair.names[0]} to {pair.names[1]} (%)"}, "showgrid": True} | _room(shown)
    figure = chart([bars], "", max(230, 120 + 30 * len(shown)), xaxis=axis, hovermode="closest")
    n_good = sum(1 for g in good if g)
    text = (
        f"Of the {plural(len(shown), 'largest relative change')} {n_good} "
        f"{'is' if n_good == 1 else 'are'} for the better (blue) and {len(shown) - n_good} for the worse (orange-red). "
        "Bars beyond 200 % are cut. These are figures of the whole run; the filters do not change them."
        if shown
        else "No figure that has a better direction changes."
    )
    return Chart("relative", "What gets better, what worse", text, figure)


def _room(shown: list[tuple[str, float]]) -> dict[str, Any]:
    """A range with room for the texts at the ends of the bars."""
    ends = [max(-200.0, min(200.0, 100 * v)) for _, v in shown]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.3 * ((high - low) or 1.0)
    return {"range": [low - (room if low < 0 else 0.0), high + (room if high > 0 else 0.0)]}


def time(pair: Pair) -> Section:
    """Load, price and loading of both over time."""
    key, title = "time", "Over time"
    if not pair.a.n_periods or not pair.b.n_periods:
        return Section(key, title, "", [empty("At least one of the runs has no periods.")])
    lead = "The same quarter-hours in both runs."
    if not pair.is_same_clock:
        lead = "The runs cover other days, so this is the mean over the days by hour of the local clock."
    blocks: list[Chart | str] = [_load(pair), _price(pair), _loading(pair)]
    return Section(key, title, lead, blocks)


def ev_kw(run: RunView) -> np.ndarray:
    """Power of all EVs, float64[n_periods]; NaN where the run wrote no load."""
    if run.table("load").is_empty() or not run.segments:
        return np.full(run.n_periods, np.nan)
    return totals({s: run.series("load", "power_kw", segment=s) for s in run.segments})


def transformer_share(run: RunView) -> np.ndarray:
    """Loading of the most loaded transformer, float64[n_periods]."""
    rows = run.table("branches").filter(pl.col("kind") == "transformer")["branch_index"].to_numpy()
    found = run.matrices["loading_share"][:, rows] if rows.size else np.empty((run.n_periods, 0))
    known = np.where(np.isfinite(found), found, -np.inf)
    worst = known.max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(worst), worst, np.nan)


def _overlay(
    pair: Pair,
    key: str,
    title: str,
    unit: str,
    values: tuple[np.ndarray, np.ndarray],
    finding: str,
    is_sum: bool = False,
) -> Chart:
    """Both runs over time, or over the mean day; ``is_sum`` if it is the EVs' power, which the page's filters redo."""
    looks = ((pair.names[0], ORANGE, "dash"), (pair.names[1], BLUE, "solid"))
    if pair.is_same_clock:
        traces = [
            line(run, v, name, colour, unit, line={"dash": dash}, meta={"sum": i} if is_sum else None)
            for i, (run, v, (name, colour, dash)) in enumerate(zip((pair.a, pair.b), values, looks, strict=True))
        ]
        return Chart(key, title, finding, time_chart(pair.a, traces, f"{title} ({unit})"))
    traces = []
    for i, (run, v, (name, colour, dash)) in enumerate(zip((pair.a, pair.b), values, looks, strict=True)):
        hour, mean = _average_day(run, v)
        style = {"color": colour, "dash": dash, "width": 1.8, "shape": "hv"}
        meta = {"sum": i, "fold": 1} if is_sum else None
        traces.append(go.Scatter(x=hour, y=mean, name=name, mode="lines", line=style, meta=meta))
    axis = {"title": {"text": "Hour of the local clock"}, "dtick": 3, "range": [0, 24]}
    return Chart(key, title, finding, chart(traces, f"{title} ({unit})", xaxis=axis))


def _average_day(run: RunView, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    minutes = run.local_time.astype("datetime64[m]").astype(np.int64) % 1440
    slot = minutes // 15
    known = np.isfinite(values)
    n = np.bincount(slot[known], minlength=96)
    total = np.bincount(slot[known], weights=values[known], minlength=96)
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return np.arange(97) / 4, np.append(mean, mean[-1])


def _peak(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")


def _load(pair: Pair) -> Chart:
    values = (ev_kw(pair.a), ev_kw(pair.b))
    peaks = [power(_peak(v)) for v in values]
    text = f"Highest demand of all EVs: {peaks[0]} in {pair.names[0]}, {peaks[1]} in {pair.names[1]}."
    return _overlay(pair, "pair-load", "Power of the EVs", "kW", values, text, is_sum=True)


def _price(pair: Pair) -> Chart:
    values = (
        pair.a.series("prices", "day_ahead_eur_per_mwh"),
        pair.b.series("prices", "day_ahead_eur_per_mwh"),
    )
    means = [number(float(np.nanmean(v))) if np.isfinite(v).any() else "–" for v in values]
    text = f"Mean day-ahead price: {means[0]} €/MWh in {pair.names[0]}, {means[1]} €/MWh in {pair.names[1]}."
    return _overlay(pair, "pair-price", "Day-ahead price", "€/MWh", values, text)


def _loading(pair: Pair) -> Chart:
    values = (100 * transformer_share(pair.a), 100 * transformer_share(pair.b))
    text = (
        f"Most loaded transformer of each quarter-hour, at most {number(_peak(values[0]))} % in {pair.names[0]} and "
        f"{number(_peak(values[1]))} % in {pair.names[1]}."
    )
    return _overlay(pair, "pair-loading", "Highest transformer loading", "%", values, text)


def money(pair: Pair) -> Section:
    """Net receipts by role: who wins, who pays when going from A to B."""
    key, title = "money", "Who pays, who wins"
    if not pair.money:
        return Section(key, title, "", [empty("Neither run moved money.")])
    a, b = pair.names
    lead = (
        "Net receipts of each role or combination of roles over the run. The changes add up to zero: what one gains "
        "others pay. Energy that is bought and burnt counts as paid to the market."
    )
    if pair.a.n_periods != pair.b.n_periods:
        lead += " The runs differ in length, so the amounts do too."
    rows = [[r, euro(x, sign=True), euro(y, sign=True), euro(y - x, sign=True)] for r, x, y in pair.money]
    statement = table(["Role", a, b, "Change"], rows, "Net receipts")
    return Section(key, title, lead, [_gains(pair), heading("Net receipts"), statement])


def _gains(pair: Pair) -> Chart:
    shown = pair.money[:14][::-1]
    change = [y - x for _, x, y in shown]
    bars = go.Bar(
        x=change,
        y=[r for r, _, _ in shown],
        orientation="h",
        marker={"color": [BLUE if v >= 0 else VERMILLION for v in change]},
        text=[euro(v, sign=True) for v in change],
        textposition="auto",
        hovertemplate="%{y}: %{text}<extra></extra>",
        meta={"bars": "money", "change": True},
    )
    axis = {"title": {"text": f"Gain from {pair.names[0]} to {pair.names[1]} (€)"}, "showgrid": True}
    figure = chart([bars], "", 120 + 32 * len(shown), xaxis=axis, hovermode="closest", meta={"fit": True})
    up, down = winners(pair)
    text = (f"Better off: {', '.join(up[:3])}. " if up else "Nobody is better off. ") + (
        f"Worse off: {', '.join(down[:3])}." if down else "Nobody is worse off."
    )
    return Chart("pair-money", "Gains and losses by role", text, figure)


def winners(pair: Pair, is_national: bool | None = None) -> tuple[list[str], list[str]]:
    """Roles that gain and roles that lose, with amounts, largest first; of all, the town's or the country's."""
    change = [(r, y - x) for r, x, y in pair.money if is_national is None or (r in pair.national) == is_national]
    up = [f"{inside(r)} ({euro(v, sign=True)}{_mainly(pair, r, v)})" for r, v in change if v > SMALL_EUR]
    return up, [f"{inside(r)} ({euro(v, sign=True)}{_mainly(pair, r, v)})" for r, v in change if v < -SMALL_EUR]


def _mainly(pair: Pair, role: str, change: float) -> str:
    """The kind of payment behind most of a role's gain or loss."""
    found = {why: eur for (who, why), eur in pair.reasons.items() if who == role and eur * change > 0}
    top = max(found, key=lambda k: abs(found[k]), default="")
    return f", mainly {inside(label(top))}" if top and abs(found[top]) > 0.5 * abs(change) else ""


def drivers(pair: Pair) -> Section:
    """Bills of drivers by where they charge and by group, session by session where both met the same ones."""
    key, title = "drivers", "Drivers"
    if pair.sessions.is_empty():
        why = "The runs do not have the same charging sessions, so bills cannot be compared one by one."
        return Section(key, title, "", [empty(why), _drivers_apart(pair)])
    lead = (
        f"Both runs met the same {count(pair.sessions.height)} sessions, so each is compared with itself. Intervals "
        "are 95 % over sessions taken as independent; they say nothing about other weeks."
    )
    blocks: list[Chart | str] = [_by_group(pair, "segment"), _group_table(pair, "segment")]
    if pair.sessions["driver_group"].n_unique() > 1:
        blocks += [heading("By group of drivers"), _group_table(pair, "driver_group")]
    return Section(key, title, lead, blocks)


def _groups(pair: Pair, column: str) -> list[str]:
    return [g for g in pair.sessions[column].unique(maintain_order=True).to_list() if g]


def _by_group(pair: Pair, column: str) -> Chart:
    names = _groups(pair, column)
    found = [pair.session_change(**{column: n}) for n in names]
    dots = go.Scatter(
        x=[v.mean for v in found],
        y=[label(n) for n in names],
        error_x={
            "type": "data",
            "array": [v.half_width if isfinite(v.half_width) else 0 for v in found],
            "color": GREY,
        },
        mode="markers",
        marker={"size": 11, "color": [VERMILLION if v.mean > 0 else BLUE for v in found]},
        hovertemplate="%{y}: %{x:.3~g} €<extra></extra>",
        meta={"bills": column},
    )
    axis = {"title": {"text": "Change of a session's cost (€)"}, "showgrid": True}
    figure = chart([dots], "", 120 + 36 * len(names), xaxis=axis, hovermode="closest", meta={"fit": True})
    every = pair.session_change()
    dearer = float((pair.sessions["change_eur"] > 0.005).mean() or 0.0)  # type: ignore[arg-type]
    text = (
        f"A session costs {interval_text('x_eur', every, is_change=True)} in {pair.names[1]} against {pair.names[0]}; "
        f"{percent(dearer)} of the sessions get dearer."
    )
    return Chart("pair-drivers", "Change of the drivers' bills", text, figure)


def _group_table(pair: Pair, column: str) -> str:
    rows = []
    for name in _groups(pair, column):
        part = pair.sessions.filter(pl.col(column) == name)
        mean = interval_text("x_eur", pair.session_change(**{column: name}), is_change=True)
        total, missing = float(part["change_eur"].sum()), float(part["change_missing_kwh"].sum())
        rows.append([label(name), count(part.height), mean, euro(total, sign=True), number(missing, sign=True)])
    heads = ["Drivers", "Sessions", "Change per session", "Change in all", "Missing energy (kWh)"]
    return table(heads, rows, f"Change of bills by {column.replace('_', ' ')}")


def _drivers_apart(pair: Pair) -> str:
    rows = []
    for name, run in zip(pair.names, (pair.a, pair.b), strict=True):
        seen = run.table("sessions")
        energy = float(seen["delivered_kwh"].sum())
        cost = float(seen["cost_eur"].sum())
        rows.append([name, count(seen.height), number(energy), euro(cost), number(cost / energy if energy else None)])
    return table(["Run", "Sessions", "Energy (kWh)", "Cost", "€/kWh"], rows, "Drivers of both runs")


def method(pair: Pair) -> Section:
    """Provenance of both runs and what the page cannot say."""
    lead = "Two runs of the same program, each defined by scenario and seed."
    rows = []
    for what, name in (
        ("Seed", "seed"),
        ("National EVs per simulated EV", "representation"),
        ("Periods", "n_periods"),
        ("Python", "python"),
        ("Digest of the program", "source_digest"),
        ("Digest of the scenario", "scenario_digest"),
        ("Digest of the results", "content_sha256"),
    ):
        rows.append([what, *(str(r.manifest.get(name, "–"))[:16] for r in (pair.a, pair.b))])
    limits = [
        "One draw of weather and behaviour: run a sweep with replications before drawing a conclusion.",
        "Prices come out of a stylised national system; towns, drivers and companies are synthetic.",
    ]
    if pair.a.manifest.get("source_digest") != pair.b.manifest.get("source_digest"):
        limits.insert(
            0, "The two runs were made by different versions of the program: part of the change may be due to that."
        )
    blocks = [heading("Limits of what this page can say"), *(note(t) for t in limits)]
    blocks.append(table(["Item", *pair.names], rows, "Provenance", 9))
    return Section("method", "Method and provenance", lead, blocks)
