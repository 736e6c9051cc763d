"""Section on gains and losses: who pays and who wins under each policy, by role and by group of drivers."""

from __future__ import annotations

from math import isfinite

import numpy as np
import plotly.graph_objects as go

from agents.settings import SEGMENTS
from experiments.analysis.intervals import Interval
from experiments.kpis import BALANCE_ROLES
from experiments.report.palette import chart
from experiments.report.section import Chart, Section, empty, fold
from experiments.report.sweeps.policies import short
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import euro, inside, label, listing, table

MOST_POLICIES = 15
SMALL_EUR = 0.005
LOSS, GAIN = "#b35806", "#2c6fbb"


def parties(view: SweepView) -> dict[str, tuple[str, float]]:
    """Shown name → (key figure, sign): drivers by where they charge, then roles; only those that occur."""
    wanted = {f"Drivers at {inside(label(s))}": (f"{s}_drivers_cost_eur", -1.0) for s in SEGMENTS}
    wanted |= {label(r): (f"{r}_balance_eur", 1.0) for r in BALANCE_ROLES}
    return {n: (k, sign) for n, (k, sign) in wanted.items() if k in view.cubes and np.nanmax(np.abs(view.cubes[k])) > 0}


def gain(view: SweepView, policy: int, kpi: str, sign: float) -> Interval:
    """Gain of a party under a policy against the base."""
    found = view.change(policy, kpi)
    return Interval(sign * found.mean, found.half_width, found.n)


def section(view: SweepView) -> Section:
    """What each party gains or loses against the base."""
    key, title = "gains", "Who pays, who wins"
    who = parties(view)
    if view.is_joint or view.base < 0 or len(view.policies) < 2 or not who:
        why = (
            "Gains and losses are differences from a base policy in the ledger and in drivers' bills; this sweep has "
            "no base policy or its runs moved no money."
        )
        return Section(key, title, "", [empty(why)])
    lead = (
        "Gain of each party against the base policy over a whole run, in euros: receipts minus payments of the "
        "roles, and minus the bill of the drivers. A party that holds two roles counts under both, so columns do "
        "not add up to zero; the ledger does. Colours compare policies within a row; strong colour and a dot mark a"
        " difference beyond its interval."
    )
    return Section(key, title, lead, [_map(view, who), fold("Gains and losses with intervals", _table(view, who))])


def ranked(view: SweepView) -> list[int]:
    """Policies other than the base, those that surely change most for the parties first.

    A party's change counts relative to the largest change that it has under any policy, because national producers and
    a town's drivers move amounts of very different size.
    """
    others = [p for p in range(len(view.policies)) if p != view.base]
    found = np.array([[_sure_eur(gain(view, p, *w)) for p in others] for w in parties(view).values()])
    most = np.maximum(found.max(axis=1, keepdims=True, initial=0.0), SMALL_EUR)
    score = (found / most).sum(axis=0)
    return [others[k] for k in np.argsort(-score, kind="stable")]


def _sure_eur(found: Interval) -> float:
    return abs(found.mean) if abs(found.mean) > max(found.half_width, SMALL_EUR) else 0.0


def winners(view: SweepView, policy: int) -> tuple[list[str], list[str]]:
    """Who surely gains and who surely loses under a policy, with amounts, largest first."""
    found = {n: gain(view, policy, *w) for n, w in parties(view).items()}
    sure = {n: v for n, v in found.items() if abs(v.mean) > max(v.half_width, SMALL_EUR)}
    up = sorted((n for n in sure if sure[n].mean > 0), key=lambda n: -sure[n].mean)
    down = sorted((n for n in sure if sure[n].mean < 0), key=lambda n: sure[n].mean)
    return [f"{inside(n)} ({euro(sure[n].mean, sign=True)})" for n in up], [
        f"{inside(n)} ({euro(sure[n].mean, sign=True)})" for n in down
    ]


def _map(view: SweepView, who: dict[str, tuple[str, float]]) -> Chart:
    shown = ranked(view)[:MOST_POLICIES]
    found = [[gain(view, p, *w) for p in shown] for w in who.values()]
    z = np.array([[v.mean for v in line] for line in found])
    text = [[_cell(v) for v in line] for line in found]
    most = np.maximum(np.max(np.abs(np.nan_to_num(z)), axis=1, keepdims=True), SMALL_EUR)
    is_sure = np.array([[_sure_eur(v) > 0.0 for v in line] for line in found])
    strength = np.nan_to_num(z) / most * np.where(is_sure, 1.0, 0.2)
    names = [short(view.policies[p], 60).replace(", ", ",<br>") for p in shown]
    lines = max(n.count("<br>") for n in names) + 1
    colours = [[0, LOSS], [0.5, "#f7f7f7"], [1, GAIN]]
    heat = go.Heatmap(
        z=strength,
        x=list(range(len(shown))),
        y=list(who),
        zmin=-1,
        zmax=1,
        colorscale=colours,
        showscale=False,
        text=text,
        texttemplate="%{text}",
        textfont={"size": 11},
        customdata=[[view.policies[p] for p in shown] for _ in who],
        hovertemplate="%{y}<br>%{customdata}: %{text}<extra></extra>",
        xgap=2,
        ygap=2,
    )
    across = {
        "tickvals": list(range(len(shown))),
        "ticktext": names,
        "side": "top",
        "tickangle": -30 if len(shown) > 4 else 0,
    }
    down = {"autorange": "reversed", "title": None}
    top = 20 + 18 * lines if len(shown) <= 4 else 150
    height = top + 40 + 34 * len(who)
    figure = chart(
        [heat], "", height, xaxis=across, yaxis=down, hovermode="closest", margin={"l": 64, "r": 60, "t": top, "b": 10}
    )
    up, lost = winners(view, shown[0])
    finding = f"Most changes under “{view.policies[shown[0]]}”. "
    finding += f"Better off: {listing(up[:4])}. " if up else "Nobody is surely better off. "
    finding += f"Worse off: {listing(lost[:4])}." if lost else "Nobody is surely worse off."
    if len(view.policies) - 1 > MOST_POLICIES:
        finding += f" The {MOST_POLICIES} policies that change most are drawn."
    return Chart("gains-map", "Gain or loss against the base (blue: gain, brown: loss)", finding, figure)


def _cell(found: Interval) -> str:
    if not isfinite(found.mean):
        return "–"
    mark = " •" if abs(found.mean) > max(found.half_width, SMALL_EUR) else ""
    return euro(found.mean, sign=True) + mark


def _table(view: SweepView, who: dict[str, tuple[str, float]]) -> str:
    rows = []
    for policy in ranked(view)[:200]:
        for name, pair in who.items():
            found = gain(view, policy, *pair)
            half = euro(found.half_width) if isfinite(found.half_width) else "–"
            rows.append([view.policies[policy], name, euro(found.mean, sign=True), half])
    return table(["Policy", "Party", "Gain against the base", "±"], rows, "Gains and losses", 2)
