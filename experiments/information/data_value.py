"""What each data item is worth to each cluster of services, for V1G and V2X, beside the report's table 7.1.

A world in which everything is told is run once, then once without each item; congestion management in a world whose
wires are short, everything else in one whose wires are not. The value of an item to a cluster is what the cluster earns
or saves less without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.information.items import CLUSTERS, ITEMS, MODES, TABLE_7_1
from agents.settings import DataSettings, ItemSettings, Settings
from experiments.information.worlds import HOME_SEGMENTS, in_mode, received_eur, talkative

MISSING_EUR_PER_KWH = 1.0
"""What a missing kWh costs a driver: about a fast charger's price (assumption)."""
CONGESTED = {"congestion_threshold_share": 0.35, "redispatch_min_order_mw": 0.001}
"""Loading at which operators act in these worlds, and their smallest order: so low that a few streets are asked for
congestion management on most days (assumption; both lie beyond the levers' usual range on purpose)."""
Tables = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ItemValue:
    """Value of one item to one cluster.

    Attributes
    ----------
    item, cluster, mode : str
    importance : int
        Of report table 7.1; 0 = not relevant.
    base_eur, without_eur : float
        Worth of the service in a run with everything told, and without the item.
    """

    item: str
    cluster: str
    mode: str
    importance: int
    base_eur: float
    without_eur: float

    @property
    def value_eur(self) -> float:
        """What the item is worth."""
        return self.base_eur - self.without_eur


def worth_eur(tables: Tables, cluster: str, representation: int = 1) -> float:
    """What a cluster of services is worth in a run, EUR of the simulated area.

    * local optimisation: what drivers behind a meter save against no steering, less what missing energy costs them;
    * congestion management: what the CSP is paid;
    * portfolio management: what drivers on the road save, and less cost of the supplier's imbalance;
    * balancing: what the BSP is paid for capacity and energy, less penalties and the day-ahead value of that energy:
      what is not drawn now is bought later, what is drawn on call need not be.
    """
    if cluster == "local_optimisation":
        return _saved_eur(tables, behind_meter=True)
    if cluster == "congestion_management":
        duty = ("bid_obligation_standby", "bid_obligation_penalty")
        return received_eur(tables, "csp", ("redispatch", "capacity_call", *duty))
    if cluster == "portfolio_management":
        return _saved_eur(tables, behind_meter=False) + received_eur(tables, "supplier", ("imbalance",))
    paid = received_eur(tables, "bsp", ("fcr", "afrr_capacity", "balancing_energy", "reserve_penalty"))
    return paid - _energy_eur(tables) / representation


def _energy_eur(tables: Tables) -> float:
    """Day-ahead value of the energy that aggregators' BSP did not draw (less what it drew) on call, national EUR."""
    parties = tables["parties"]
    bsps = [p for p, account in zip(parties["party"], parties["account"], strict=True) if account.startswith("bsp:")]
    a, price = tables["activations"], np.asarray(tables["prices"]["day_ahead_eur_per_mwh"])
    mine = np.isin(np.asarray(a["provider"], dtype=object), bsps)
    sign = np.where(np.asarray(a["direction"], dtype=object) == "up", 1.0, -1.0)
    value = sign * np.asarray(a["energy_mwh"], dtype=np.float64) * price[np.asarray(a["period"], dtype=np.int64)]
    return float(np.sum(value[mine]))


def _saved_eur(tables: Tables, *, behind_meter: bool) -> float:
    s = tables["sessions"]
    mine = np.isin(np.asarray(s["segment"]), HOME_SEGMENTS) == behind_meter
    saved = np.asarray(s["uncontrolled_cost_eur"]) - np.asarray(s["cost_eur"])
    return float(np.sum((saved - MISSING_EUR_PER_KWH * np.asarray(s["missing_kwh"]))[mine]))


def measure(
    settings: Settings,
    simulate: Callable[[Settings], Any],
    *,
    modes: tuple[str, ...] = MODES,
    items: tuple[str, ...] = TABLE_7_1,
    progress: Callable[[int, int], None] | None = None,
) -> list[ItemValue]:
    """Run everything and compare.

    Parameters
    ----------
    settings : Settings
        The world.
    simulate : callable
        :func:`agents.model.simulate`.
    modes, items : tuples of str
        What to measure.
    progress : callable, optional
        Told (runs done, runs in all).
    """
    rules = replace(settings.regulation, **CONGESTED)  # type: ignore[arg-type]
    congested = talkative(replace(settings, regulation=rules))
    tight = tuple(c for c in CLUSTERS if c == "congestion_management")
    worlds = ((talkative(settings), tuple(c for c in CLUSTERS if c not in tight)), (congested, tight))
    done, total = 0, len(modes) * len(worlds) * (1 + len(items))
    found = []
    for mode in modes:
        worth: dict[str, dict[str, float]] = {item: {} for item in ("", *items)}
        for world, clusters in worlds:
            base = in_mode(world, mode)
            for item in ("", *items):
                off = (ItemSettings(item, "aggregator", is_off=True),) if item else ()
                tables = simulate(replace(base, data=DataSettings(items=off))).tables
                worth[item] |= {c: worth_eur(tables, c, world.representation) for c in clusters}
                done += 1
                if progress is not None:
                    progress(done, total)
        for item in items:
            for cluster in CLUSTERS:
                importance = ITEMS[item].importance_for(cluster, mode)
                found.append(ItemValue(item, cluster, mode, importance, worth[""][cluster], worth[item][cluster]))
    return found


def agreement(values: list[ItemValue]) -> float:
    """Rank correlation of measured value and the report's importance; 1 = the same order, NaN where nothing differs."""
    from scipy.stats import spearmanr

    measured = [v.value_eur for v in values]
    reported = [-(v.importance or 4) for v in values]
    if len(set(np.round(measured, 6))) < 2 or len(set(reported)) < 2:
        return float("nan")
    return float(spearmanr(measured, reported).statistic)
