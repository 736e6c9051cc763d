"""What to read from whole runs: the direct signal, strain on the grid, settlement period, and more data."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.claims.claim import Differences, Evidence, over
from experiments.results import Results

WORSE_SERVED, MORE_MISSED = 0.01, 0.002
"""What counts as drivers being hurt more: another one in a hundred, another 0.2 % of the energy."""


def direct_signal(read: Differences) -> Evidence:
    """An absolute signal that nobody else is told of, against the same signal through CSP and aggregator."""
    sent = read("direct", "", "absolute_signals")
    cost = read("direct", "via_csp", "pool_imbalance_cost_eur")
    volume = read("direct", "via_csp", "signalled_imbalance_mwh")
    told = read("announced", "direct", "signalled_imbalance_mwh")
    return Evidence(
        (
            over("direct signals in the run", sent, "", above=0.0),
            over(
                "imbalance of the cars' BRP in a quarter-hour with a signal, direct against through the CSP",
                volume,
                "MWh",
                above=0.0,
            ),
            over("imbalance cost of the cars' BRP, direct against through the CSP", cost, "EUR", above=0.0),
            over("that imbalance if a direct signal is also announced, against not", told, "MWh"),
            over("that imbalance with a direct signal", read("direct", "", "signalled_imbalance_mwh"), "MWh"),
            over(
                "energy drivers miss, direct against through the CSP", read("direct", "via_csp", "missing_kwh"), "kWh"
            ),
            over(
                "hours of overload, direct against through the CSP", read("direct", "via_csp", "overload_branch_h"), "h"
            ),
        ),
        "Without a signal in the run nothing can be hidden: the claim needs a grid in distress. A signal moves little "
        "of what the BRP of a whole town buys.",
    )


def pool_brp_figures(results: Results) -> pl.DataFrame:
    """What signals mean for the BRP that buys for the cars: design, replication and two figures.

    ``signalled_imbalance_mwh``: mean size of its imbalance in quarter-hours with an absolute signal (null = no signal);
    ``pool_imbalance_cost_eur``: what imbalance cost it over the run.
    """
    parties = results.manifest["base"]["resolved"]["party"]
    brp = next(p["name"] for p in parties if {"supplier", "brp"} <= set(p["roles"]))
    run, quarter = ["design", "replication"], ["design", "replication", "period"]
    mine = results.table("positions").filter(pl.col("brp") == brp)
    signals = results.table("interventions").filter(pl.col("kind") == "absolute_signal").select(quarter).unique()
    cost = mine.group_by(run).agg(pool_imbalance_cost_eur=-pl.col("imbalance_eur").sum())
    size = pl.col("imbalance_mwh").abs().mean()
    during = mine.join(signals, on=quarter).group_by(run).agg(signalled_imbalance_mwh=size)
    return cost.join(during, on=run, how="left").collect()


def strain(read: Differences) -> Evidence:
    """Highest loading with each way of steering, against nobody steering."""
    kpi = "transformer_loading_max_share"
    gain = {name: read(name, "uncontrolled", kpi) for name in ("price", "time_of_use", "managed")}
    overload = read("managed", "uncontrolled", "overload_branch_h")
    return Evidence(
        (
            over("highest transformer loading, prices and congestion management", gain["managed"], "share", below=0.0),
            over("highest transformer loading, following prices", gain["price"], "share", below=0.0),
            over("highest transformer loading, following a time-of-use fee", gain["time_of_use"], "share", below=0.0),
            over("hours of overload, prices and congestion management", overload, "h"),
            over("highest transformer loading with nobody steering", read("uncontrolled", "", kpi), "share"),
        ),
        "Whether smart charging relieves the grid depends on what it follows: a price can move all cars to one hour.",
    )


def settlement_period(read: Differences) -> Evidence:
    """Public charging that follows day-ahead prices of an hour against those of a quarter-hour."""
    served = read("hour", "quarter", "satisfied_share")
    missing = read("hour", "quarter", "missing_share")
    return Evidence(
        (
            over("sessions satisfied, hourly against quarter-hourly prices", served, "share", below=-WORSE_SERVED),
            over("energy missed of what was asked, hourly against quarter-hourly", missing, "share", above=MORE_MISSED),
            over(
                "drivers' saving per kWh, hourly against quarter-hourly",
                read("hour", "quarter", "driver_saving_eur_per_kwh"),
                "EUR/kWh",
            ),
            over("sessions satisfied with hourly prices", read("hour", "", "satisfied_share"), "share"),
        ),
        "The report's argument is that avoiding a dear hour stops a car for a full hour; here plans keep the "
        "departure that was told or is usual, so a pause costs little service however long it is.",
    )


def more_data(read: Differences) -> Evidence:
    """Nobody shares data, against all cars and drivers sharing state of charge and departure."""
    saving = read("all", "none", "driver_saving_eur_per_kwh")
    missing = read("all", "none", "missing_kwh")
    steps = [
        over(f"drivers' saving with {n}", read(k, "none", "driver_saving_eur_per_kwh"), "EUR/kWh") for k, n in _STEPS
    ]
    return Evidence(
        (
            over("drivers' saving per kWh, all data against none", saving, "EUR/kWh", above=0.0),
            over("energy that drivers miss, all data against none", missing, "kWh", below=0.0),
            *steps,
            over("imbalance of BRPs, all data against none", read("all", "none", "brp_imbalance_mwh"), "MWh"),
        ),
        _hinge(saving, missing),
    )


_STEPS = (("soc", "state of charge only"), ("departure", "departure only"))


def _hinge(saving: np.ndarray, missing: np.ndarray) -> str:
    if np.mean(saving) > 0 and np.mean(missing) <= 0:
        return "Data help both the bill and the battery."
    return "Data help one of bill and battery more than the other; see both figures."
