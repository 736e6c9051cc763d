"""Section on money: who paid whom for what, each party's statement, and who gains from smart charging."""

from __future__ import annotations

from math import fsum

import numpy as np
import plotly.graph_objects as go
import polars as pl

from experiments.report.figures.aggregators import aggregators
from experiments.report.figures.money_flows import flows_between_roles, role_names, sankeys
from experiments.report.palette import BLUE, VERMILLION, chart
from experiments.report.section import Chart, Section, empty, fold, heading, note
from experiments.report.view import RunView
from experiments.report.wording import euro, inside, label, listing, table


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
    blocks: list[Chart | str] = [*sankeys(run, flows), *_gains(run), heading("Statement of every party")]
    blocks += [_statements(run), *aggregators(run), fold("All flows by payer, payee and reason", _flow_table(flows))]
    total = float(run.table("ledger")["amount_eur"].abs().sum())
    blocks.append(note(f"Check: receipts minus payments over all accounts = {euro(residual)} of {euro(total)} moved."))
    return Section(key, title, lead, blocks)


def money_residual_eur(run: RunView) -> float:
    """Receipts minus payments over all accounts, computed account by account."""
    net = _net_by_account(run)
    return fsum(net["net"].to_list())


def _net_by_account(run: RunView) -> pl.DataFrame:
    """Receipts and payments of every account, added in the ledger's own order: a parallel sum rounds anew each time.

    A negative amount went the other way round.
    """
    ledger = run.table("ledger")
    parties = pl.concat([ledger["payer"].cast(pl.String), ledger["payee"].cast(pl.String)])
    names = parties.unique().sort()
    place, amount = parties.rank("dense").to_numpy() - 1, ledger["amount_eur"].to_numpy()
    payer, payee = place[: len(amount)], place[len(amount) :]
    turned = amount < 0
    giver, taker = np.where(turned, payee, payer), np.where(turned, payer, payee)
    paid = np.bincount(giver, weights=np.abs(amount), minlength=len(names))
    got = np.bincount(taker, weights=np.abs(amount), minlength=len(names))
    return pl.DataFrame({"account": names, "paid": paid, "got": got, "net": got - paid})


def _flow_table(flows: pl.DataFrame) -> str:
    rows = [[payer, payee, label(reason), euro(eur)] for payer, payee, reason, eur in flows.iter_rows()]
    return table(["Payer", "Payee", "Reason", "Amount"], rows, "Money flows", 3)


def _statements(run: RunView) -> str:
    roles = role_names(run)
    rows = [
        [account_name(account), roles[account], euro(got), euro(paid), euro(net, sign=True)]
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


def account_name(account: str) -> str:
    """An account as people read it: "Drivers at depots", "Flexio (BSP)"."""
    kind, _, who = account.partition(":")
    if not who:
        return label(account)
    if kind == "driver":
        return f"Drivers: {inside(label(who))}"
    return f"{who.strip()} as {inside(label(kind))}"


def _gains(run: RunView) -> list[Chart | str]:
    sessions = run.table("sessions")
    gains = {
        label(s): float((part["uncontrolled_cost_eur"] - part["cost_eur"]).sum())
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
        meta={"bars": "gain"},
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
    figure = chart([bars], "", 120 + 38 * len(names), xaxis=axis, hovermode="closest", meta={"fit": True})
    return [Chart("money-gains", "What smart charging brings drivers, by where they charge", finding, figure)]
