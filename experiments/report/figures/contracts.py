"""Who broke agreements, and what absolute signals led to: the tables below the congestion section."""

from __future__ import annotations

import polars as pl

from experiments.report.section import heading, note
from experiments.report.view import RunView
from experiments.report.wording import count, energy, euro, inside, label, number, plural, table

RULES = {
    "transport_right": "drew more than the right",
    "called_limit": "drew more than the limit of the day, or than was called",
    "feed_in_right": "fed in more than the right",
    "group_limit": "the group drew more than its common limit",
    "member_capacity": "a member drew more than its connection carries",
    "minimum": "limited below the guaranteed minimum",
    "day_mean": "left less than the guaranteed mean of a day",
    "block_mean": "left less than the guaranteed mean of a block of hours",
    "duration_share": "limited more hours than the year allows",
    "notice": "told too late",
    "firm_right": "limited a firm right",
}


def breaches(run: RunView) -> list[str]:
    """Broken agreements by rule and side; nothing where all were kept."""
    found = run.table("breaches")
    if found.is_empty():
        return []
    summed = found.group_by("agreement", "rule", "by").agg(
        pl.len(), pl.col("quarters", "energy_kwh", "penalty_eur").sum()
    )
    rows = [
        [RULES.get(rule, label(rule)), label(agreement), by, count(n), count(q), number(kwh), euro(eur)]
        for agreement, rule, by, n, q, kwh, eur in summed.sort("by", "agreement", "rule").iter_rows()
    ]
    text = (
        f"Agreements were broken in {plural(float(found['quarters'].sum()), 'quarter-hour')} and place by "
        f"{energy(float(found['energy_kwh'].sum()))}; {euro(float(found['penalty_eur'].sum()))} of penalties are owed."
    )
    heads = ["What", "Agreement", "By", "Connections or groups", "Quarter-hours", "Energy (kWh)", "Penalty"]
    return [heading("Who broke an agreement"), note(text), table(heads, rows, "Broken agreements", 3)]


def signals(run: RunView) -> list[str]:
    """Consequences of the absolute signal by route; nothing where none was sent."""
    found = run.table("signals")
    if found.is_empty():
        return []
    rows, told = [], []
    for r in found.iter_rows(named=True):
        known = r["withheld_mwh"] is not None
        rows.append(
            [
                {"direct": "Straight to the station", "via_csp": "Through CSP and aggregator"}.get(
                    r["route"], r["route"]
                ),
                label(r["learns"]),
                number(r["delay_min"]),
                count(r["signals"]),
                count(r["lost"]),
                number(r["withheld_mwh"]) if known else "planned around",
                euro(r["withheld_eur"]) if known else "–",
                number(r["imbalance_mwh"]),
                euro(r["imbalance_eur"]),
                count(r["sessions"]),
                number(r["missing_kwh"]),
                euro(r["hardware_eur"]),
            ]
        )
        if known and r["withheld_mwh"]:
            who = "told nobody else" if "only" in r["learns"] else f"told {inside(r['learns'])}"
            told.append(
                f"Direct signals {who}: they kept {number(r['withheld_mwh'])} MWh of charging from cars (scaled to the "
                "country), which the balance responsible party had bought and which was worth "
                f"{euro(r['withheld_eur'])} as imbalance."
            )
    heads = ["Route", "Who learns of it", "Delay (min)", "Signals", "Lost", "Withheld (MWh)", "Worth as imbalance"]
    heads += ["Imbalance of the BRP (MWh)", "Settled for it", "Sessions", "Missing (kWh)", "Hardware"]
    text = "Signals are counted per connection and quarter-hour; imbalance is that of all quarter-hours with a signal."
    return [heading("Absolute signals by route"), note(" ".join([*told, text])), table(heads, rows, "Signals", 2)]
