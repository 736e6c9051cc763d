"""Aggregators side by side, where there is more than one."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.report.section import Chart, heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, euro, number, plural, table


def aggregators(run: RunView) -> list[Chart | str]:
    """Money, reserves and redispatch of every aggregator; nothing for a run with a single one."""
    parties = run.table("parties")
    is_one = pl.col("roles").str.split(",").list.eval(pl.element().str.strip_chars()).list.contains("aggregator")
    names = parties.filter(is_one)["party"].unique().sort().to_list()
    if len(names) < 2:
        return []
    rows = [_row(run, name) for name in names]
    heads = ["Aggregator", "Received", "Paid", "Net", "FCR (MW)", "aFRR up (MW)", "aFRR down (MW)"]
    heads += ["Activated (MWh)", "Redispatch trades", "Refused bids"]
    text = "Capacity is the mean over all auction blocks of the run; money is that of the simulated town."
    shown: list[Chart | str] = [heading("The aggregators side by side"), note(text), table(heads, rows, "Aggregators")]
    return [*shown, *_customers(run)]


def _customers(run: RunView) -> list[Chart | str]:
    """Who joined and left, and what each aggregator brought its customers."""
    days = run.table("aggregators").sort("day", "party")
    if days.is_empty():
        return []
    last = days.filter(pl.col("day") == days["day"].max())
    sums = days.group_by("party").agg(pl.col("joined", "left", "charged_kwh").sum())
    both = last.select("party", "customers", "benefit_eur_per_kwh").join(sums, on="party").sort("party")
    rows = [
        [p, count(n), count(i), count(o), count(kwh), number(100 * b if b is not None else None)]
        for p, n, b, i, o, kwh in both.iter_rows()
    ]
    moved = int(both["joined"].sum() or 0)
    text = (
        f"{plural(moved, 'driver')} changed to another aggregator during the run."
        if moved
        else "No driver changed to another aggregator during the run."
    )
    heads = [
        "Aggregator",
        "Customers at the end",
        "Joined",
        "Left",
        "Charged (kWh)",
        "Benefit on the last day (ct/kWh)",
    ]
    return [note(text), table(heads, rows, "Customers of aggregators")]


def _row(run: RunView, name: str) -> list[str]:
    parties = run.table("parties").filter(pl.col("party") == name)
    mine = list({*parties["account"].drop_nulls().to_list(), name})
    ledger = run.table("ledger").filter(pl.col("payer") != pl.col("payee"))
    flows = [
        (ledger.filter(pl.col(side).is_in(mine))["amount_eur"].to_numpy(), sign)
        for side, sign in (("payee", 1.0), ("payer", -1.0))
    ]
    signed = np.concatenate([sign * values for values, sign in flows])
    got, paid = float(signed[signed > 0].sum()), float(-signed[signed < 0].sum())
    reserves = run.table("reserves")
    awarded = []
    for product in ("fcr", "afrr_up", "afrr_down"):
        blocks = reserves.filter(pl.col("product") == product)
        n = blocks["block_start_period"].n_unique()
        awarded.append(float(blocks.filter(pl.col("provider") == name)["awarded_mw"].sum()) / n if n else 0.0)
    active = float(run.table("activations").filter(pl.col("provider") == name)["energy_mwh"].sum())
    is_mine = pl.any_horizontal(pl.col("seller", "buyer") == name)
    trades = run.table("trades").filter(pl.col("market") == "redispatch", is_mine).height
    refused = float(run.table("rejections").filter(pl.col("party") == name)["count"].sum())
    shown = [number(v) for v in (*awarded, active)]
    return [name, euro(got), euro(paid), euro(got - paid, sign=True), *shown, count(trades), count(refused)]
