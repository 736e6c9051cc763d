"""Money flows between roles: netting, the Sankey diagrams and their key."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, BROWN, CYCLE, GREEN, GREY, ORANGE, PINK, SKY, VERMILLION, chart, rgba
from experiments.report.section import Chart
from experiments.report.view import RunView
from experiments.report.wording import euro, inside, label, percent, plural, roles_label

SMALL_FLOW_SHARE = 0.004
DROWNED_SHARE = 0.5
"""Share of all money below which the flows around EVs get a diagram of their own."""
_EV_SIDE = ("driver", "drivers", "ev_driver", "ev", "cpo", "emsp", "fleet_operator", "vehicle_maker")
_GRID_SIDE = ("aggregator", "csp", "bsp", "energy_manager", "dso", "household", "households", "home")
MOBILITY = frozenset(_EV_SIDE + _GRID_SIDE)
REASON = {
    "retail_energy": SKY,
    "grid_tariff": BROWN,
    "charging_session": "#332288",
    "charging_at_home": "#88CCEE",
    "roaming": "#999933",
    "energy_tax": "#882255",
    "vat": "#AA4499",
    "grid_losses": "#44AA99",
    "flexibility": "#117733",
    "reserve_penalty": "#661100",
    "balancing_energy": "#DDCC77",
    "ida": "#117733",
    "day_ahead": BLUE,
    "forward": GREY,
    "intraday": GREEN,
    "imbalance": VERMILLION,
    "redispatch": ORANGE,
    "afrr": PINK,
    "fcr": PINK,
}


def role_names(run: RunView) -> Mapping[str, str]:
    """Role(s) of every account: those of the party that holds it, else the first word of the account's name."""
    held: dict[str, str] = {}
    for party, roles, account in run.table("parties").select("party", "roles", "account").iter_rows():
        text = roles_label(roles or party)
        held[account or party] = held[party] = text
    ledger = run.table("ledger")
    accounts = set(ledger["payer"].unique()) | set(ledger["payee"].unique())
    return {a: held.get(a) or label(_kind(a)) for a in accounts}


def _kind(account: str) -> str:
    return account.split(":")[0].split("/")[0]


def mobility_names(run: RunView) -> set[str]:
    """Names, as in :func:`role_names`, of the accounts on the side of EVs and their grid."""
    names = role_names(run)
    codes = {a: _kind(a) for a in names}
    for party, roles, account in run.table("parties").select("party", "roles", "account").iter_rows():
        codes[account or party] = codes[party] = roles or party
    return {names[a] for a in names if MOBILITY & {c.strip() for c in codes[a].split(",")}}


def flows_between_roles(run: RunView) -> pl.DataFrame:
    """Net flow by payer role, payee role and reason, all positive: columns payer, payee, reason, eur."""
    roles = role_names(run)
    ledger = run.table("ledger").group_by("payer", "payee", "reason").agg(pl.col("amount_eur").sum().alias("eur"))
    named = ledger.with_columns(pl.col("payer", "payee").replace(dict(roles)))
    summed = named.group_by("payer", "payee", "reason").agg(pl.col("eur").sum()).filter(pl.col("eur") != 0)
    turned = summed.with_columns(
        pl.when(pl.col("eur") >= 0).then("payer").otherwise("payee").alias("payer"),
        pl.when(pl.col("eur") >= 0).then("payee").otherwise("payer").alias("payee"),
        pl.col("eur").abs(),
    )
    return (
        turned.group_by("payer", "payee", "reason")
        .agg(pl.col("eur").sum())
        .sort("eur", "payer", "payee", "reason", descending=[True, False, False, False])
    )


def sankeys(run: RunView, flows: pl.DataFrame) -> list[Chart | str]:
    """One diagram of all flows; if national trade drowns the EVs' money, one of the latter before it."""
    total, names = float(flows["eur"].sum()), mobility_names(run)
    near = flows.filter(pl.col("payer").is_in(names) | pl.col("payee").is_in(names))
    colours = reason_colours(flows)
    whole: list[Chart | str] = [
        _sankey(flows, colours, "money-flows", "Who paid whom, and for what"),
        _key(flows, colours),
    ]
    if near.is_empty() or float(near["eur"].sum()) > DROWNED_SHARE * total:
        return whole
    part = _sankey(near, colours, "money-mobility", "Who paid whom around the EV and its grid")
    all_ = _sankey(flows, colours, "money-flows", "The same with the national power system")
    return [part, _key(near, colours), all_, _key(flows, colours)]


def _sankey(flows: pl.DataFrame, colours: Mapping[str, str], key: str, title: str) -> Chart:
    total = float(flows["eur"].sum())
    shown = flows.filter(pl.col("eur") >= SMALL_FLOW_SHARE * total)
    paid = dict(shown.group_by("payer").agg(pl.col("eur").sum()).iter_rows())
    got = dict(shown.group_by("payee").agg(pl.col("eur").sum()).iter_rows())
    left = sorted(paid, key=lambda r: (-paid[r], r))
    right = sorted(got, key=lambda r: (-got[r], r))
    nodes = {
        "label": [f"{r}  {euro(paid[r])}" for r in left] + [f"{r}  {euro(got[r])}" for r in right],
        "color": "#44525f",
        "thickness": 12,
        "pad": 18,
        "hovertemplate": "%{label}<extra></extra>",
    }
    links = {
        "source": [left.index(r) for r in shown["payer"]],
        "target": [len(left) + right.index(r) for r in shown["payee"]],
        "value": shown["eur"].to_list(),
        "color": [rgba(colours[r], 0.6) for r in shown["reason"]],
        "label": [label(r) for r in shown["reason"]],
        "customdata": [euro(v) for v in shown["eur"]],
        "hovertemplate": "%{label}: %{customdata}<extra></extra>",
    }
    figure = chart(
        [go.Sankey(arrangement="fixed", node=nodes, link=links, textfont={"size": 13})],
        height=max(400, 46 * max(len(left), len(right)) + 120),
        margin={"l": 8, "r": 48, "t": 40, "b": 12},
        annotations=[_corner("Payers", 0), _corner("Payees", 1)],
    )
    return Chart(key, title, _sankey_finding(flows, shown, total), figure)


def _sankey_finding(flows: pl.DataFrame, shown: pl.DataFrame, total: float) -> str:
    first = shown.row(0, named=True)
    rest = flows.height - shown.height
    left_out = f" {plural(rest, 'flow')} below {percent(SMALL_FLOW_SHARE, 1)} are only in the table." if rest else ""
    return (
        f"{euro(total)} changed hands. The largest flow is {inside(label(first['reason']))}: {first['payer']} paid "
        f"{first['payee']} {euro(first['eur'])} ({percent(first['eur'] / total)} of all).{left_out}"
    )


def _corner(text: str, side: int) -> dict[str, object]:
    where = {"xref": "paper", "yref": "paper", "x": side, "y": 1.0, "yanchor": "bottom", "showarrow": False}
    return where | {"text": f"<b>{text}</b>", "xanchor": "right" if side else "left", "yshift": 12}


def reason_colours(flows: pl.DataFrame) -> dict[str, str]:
    """Colour of every kind of payment: markets keep theirs, the rest takes the palette in order of amount."""
    totals = flows.group_by("reason").agg(pl.col("eur").sum()).sort("eur", "reason", descending=[True, False])
    known = {r: colour for r in totals["reason"] for word, colour in REASON.items() if r.startswith(word)}
    spare = [c for c in CYCLE if c not in known.values()] or list(CYCLE)
    others = [r for r in totals["reason"] if r not in known]
    return known | {r: spare[i % len(spare)] for i, r in enumerate(others)}


def _key(flows: pl.DataFrame, colours: Mapping[str, str]) -> str:
    totals = flows.group_by("reason").agg(pl.col("eur").sum()).sort("eur", "reason", descending=[True, False])
    items = "".join(
        f'<li><span style="background:{colours[r]}"></span>{escape(label(r))} {euro(v)}</li>'
        for r, v in totals.iter_rows()
    )
    return f'<ul class="key" aria-label="Payments by reason">{items}</ul>'
