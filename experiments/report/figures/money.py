"""Section on money: who paid whom for what, each party's statement, and who gains from smart charging."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import fsum

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.palette import BLUE, CYCLE, GREEN, GREY, ORANGE, PINK, VERMILLION, chart, rgba
from experiments.report.section import Chart, Section, empty, fold, heading, note
from experiments.report.view import RunView
from experiments.report.wording import euro, inside, label, listing, percent, plural, roles_label, table

SMALL_FLOW_SHARE = 0.004
REASON = {
    "day_ahead": BLUE,
    "forward": GREY,
    "intraday": GREEN,
    "imbalance": VERMILLION,
    "redispatch": ORANGE,
    "afrr": PINK,
    "fcr": PINK,
}


def section(run: RunView) -> Section:
    """Flows of money between roles; their sum is zero by construction and checked here."""
    key, title = "money", "Money"
    flows = flows_between_roles(run)
    if flows.is_empty():
        return Section(key, title, "", [empty("The ledger of this run is empty: nobody paid anybody.")])
    lead = (
        "Every payment is booked once with payer and payee, so that receipts and payments cancel. Roles held by one "
        "company are shown together. Amounts are those of the simulated parties over the whole run."
    )
    residual = money_residual_eur(run)
    blocks: list[Chart | str] = [_sankey(flows), _key(flows), *_gains(run), heading("Statement of every party")]
    blocks += [_statements(run), fold("All flows by payer, payee and reason", _flow_table(flows))]
    total = float(run.table("ledger")["amount_eur"].abs().sum())
    blocks.append(note(f"Check: receipts minus payments over all accounts = {euro(residual)} of {euro(total)} moved."))
    return Section(key, title, lead, blocks)


def money_residual_eur(run: RunView) -> float:
    """Receipts minus payments over all accounts, computed account by account."""
    net = _net_by_account(run)
    return fsum(net["net"].to_list())


def _net_by_account(run: RunView) -> pl.DataFrame:
    ledger = run.table("ledger")
    paid = ledger.group_by(pl.col("payer").alias("account")).agg(pl.col("amount_eur").sum().alias("paid"))
    got = ledger.group_by(pl.col("payee").alias("account")).agg(pl.col("amount_eur").sum().alias("got"))
    both = paid.join(got, on="account", how="full", coalesce=True).fill_null(0.0)
    return both.with_columns((pl.col("got") - pl.col("paid")).alias("net")).sort("account")


def role_names(run: RunView) -> Mapping[str, str]:
    """Role(s) of every account: those of the party that holds it, else the first word of the account's name."""
    held: dict[str, str] = {}
    for party, roles, account in run.table("parties").select("party", "roles", "account").iter_rows():
        text = roles_label(roles or party)
        held[account or party] = held[party] = text
    ledger = run.table("ledger")
    accounts = set(ledger["payer"].unique()) | set(ledger["payee"].unique())
    return {a: held.get(a) or label(a.split(":")[0].split("/")[0]) for a in accounts}


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


def _sankey(flows: pl.DataFrame) -> Chart:
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
    colours = reason_colours(flows)
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
    return Chart("money-flows", "Who paid whom, and for what", _sankey_finding(flows, shown, total), figure)


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


def _key(flows: pl.DataFrame) -> str:
    totals = flows.group_by("reason").agg(pl.col("eur").sum()).sort("eur", "reason", descending=[True, False])
    colours = reason_colours(flows)
    items = "".join(
        f'<li><span style="background:{colours[r]}"></span>{escape(label(r))} {euro(v)}</li>'
        for r, v in totals.iter_rows()
    )
    return f'<ul class="key" aria-label="Payments by reason">{items}</ul>'


def _flow_table(flows: pl.DataFrame) -> str:
    rows = [[payer, payee, label(reason), euro(eur)] for payer, payee, reason, eur in flows.iter_rows()]
    return table(["Payer", "Payee", "Reason", "Amount"], rows, "Money flows", 3)


def _statements(run: RunView) -> str:
    roles = role_names(run)
    rows = [
        [account, roles[account], euro(got), euro(paid), euro(net, sign=True)]
        for account, paid, got, net in _net_by_account(run).sort("net", descending=True).head(60).iter_rows()
    ]
    net = _net_by_account(run)
    rest = max(0, net.height - 60)
    if rest:
        few = net.sort("net", descending=True).tail(rest)
        got, paid, left = (float(few[c].sum()) for c in ("got", "paid", "net"))
        rows.append([f"{rest} other accounts", "", euro(got), euro(paid), euro(left, sign=True)])
    rows.append(
        [
            "All accounts",
            "",
            euro(float(net["got"].sum())),
            euro(float(net["paid"].sum())),
            euro(fsum(net["net"].to_list())),
        ]
    )
    return table(["Account", "Role", "Received", "Paid", "Net"], rows, "Statements", 2)


def _gains(run: RunView) -> list[Chart | str]:
    sessions = run.table("sessions")
    gains = {
        f"{label(s)} (drivers)": float((part["uncontrolled_cost_eur"] - part["cost_eur"]).sum())
        for s in run.segments
        if (part := sessions.filter(pl.col("segment") == s)).height and part["uncontrolled_cost_eur"].count()
    }
    if not gains:
        return [empty("Who wins and who pays is not shown: no session has a counterfactual cost.")]
    names = sorted(gains, key=lambda k: gains[k])
    values = [gains[k] for k in names]
    bars = go.Bar(
        x=values,
        y=names,
        orientation="h",
        marker={"color": [BLUE if v >= 0 else VERMILLION for v in values]},
        text=[euro(v, sign=True) for v in values],
        textposition="auto",
        hovertemplate="%{text}",
    )
    up = [k for k in reversed(names) if gains[k] > 0.5]
    down = [k for k in names if gains[k] < -0.5]
    finding = (
        (f"Better off than uncontrolled: {listing(up)}. " if up else "No group of drivers is better off. ")
        + (f"Worse off: {listing(down)}. " if down else "No group of drivers is worse off. ")
        + f"Together drivers {'saved' if np.sum(values) >= 0 else 'paid'} {euro(abs(float(np.sum(values))))}"
        + (" against charging on arrival." if np.sum(values) >= 0 else " more than when charging on arrival.")
        + " Companies and operators have no counterfactual in a single run; their results are in the statement below."
    )
    axis = {"title": {"text": "Gain against uncontrolled charging (€)"}}
    figure = chart([bars], "", 120 + 38 * len(names), xaxis=axis, hovermode="closest")
    return [Chart("money-gains", "Who wins and who pays", finding, figure)]
