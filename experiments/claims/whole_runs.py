"""What to read from whole runs: the direct signal, strain on the grid, settlement period, and more data."""

from __future__ import annotations

import numpy as np

from experiments.claims.claim import Differences, Evidence, over


def direct_signal(read: Differences) -> Evidence:
    """An absolute signal that nobody else is told of, against the same signal through CSP and aggregator."""
    sent = read("direct", "", "absolute_signals")
    cost = read("direct", "via_csp", "brp_imbalance_cost_eur")
    volume = read("direct", "via_csp", "brp_imbalance_mwh")
    told = read("announced", "direct", "brp_imbalance_mwh")
    return Evidence(
        (
            over("direct signals in the run", sent, "", above=0.0),
            over("imbalance of BRPs, direct against through the CSP", volume, "MWh", above=0.0),
            over("net imbalance cost of BRPs, direct against through the CSP", cost, "EUR", above=0.0),
            over("imbalance if a direct signal is also announced", told, "MWh"),
            over(
                "energy drivers miss, direct against through the CSP", read("direct", "via_csp", "missing_kwh"), "kWh"
            ),
            over(
                "hours of overload, direct against through the CSP", read("direct", "via_csp", "overload_branch_h"), "h"
            ),
        ),
        "Without a signal in the run nothing can be hidden: the claim needs a grid in distress.",
    )


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
    missing = read("hour", "quarter", "missing_kwh")
    saving = read("hour", "quarter", "driver_saving_eur_per_kwh")
    return Evidence(
        (
            over("energy that drivers miss, hourly against quarter-hourly prices", missing, "kWh", above=0.0),
            over("drivers' saving per kWh, hourly against quarter-hourly prices", saving, "EUR/kWh", below=0.0),
            over(
                "sessions satisfied, hourly against quarter-hourly", read("hour", "quarter", "satisfied_share"), "share"
            ),
            over("energy that drivers miss with hourly prices", read("hour", "", "missing_kwh"), "kWh"),
        ),
        "The report's argument is that avoiding a dear hour stops a car for a full hour; here plans keep the "
        "departure.",
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
