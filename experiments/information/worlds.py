"""Variants of a scenario that these experiments run, and what they read from a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agents.settings import Settings

FLEXIBLE = {"v1g": "price_optimal_v1g", "v2x": "price_optimal_v2x"}
V2X_SHARE = 0.5
"""Share of cars that can deliver in the V2X worlds: large, so that the difference is seen (assumption)."""
TALKATIVE: dict[str, Any] = {"iso15118_share": 0.8, "oem_api_share": 0.5, "emsp_app_share": 0.8}
"""Adoption at which nearly every data item comes, so that taking one away can be measured (assumption)."""
HOME_SEGMENTS = ("home", "office", "depot", "shared")


def in_mode(settings: Settings, mode: str) -> Settings:
    """The same world with cars that only charge (v1g), or that deliver as well (v2x)."""
    segments = {
        name: segment if segment.strategy == "uncontrolled" else replace(segment, strategy=FLEXIBLE[mode])
        for name, segment in settings.fleet.segments.items()
    }
    fleet = replace(settings.fleet, segments=segments, v2x_share=V2X_SHARE if mode == "v2x" else 0.0)
    return replace(settings, fleet=fleet)


def talkative(settings: Settings) -> Settings:
    """The same world with high adoption of everything that tells data."""
    return replace(settings, regulation=replace(settings.regulation, **TALKATIVE))


def ev_kw(tables: Mapping[str, Any]) -> np.ndarray:
    """Power of all EVs by period, kW."""
    load = tables["load"]
    segment, period = np.asarray(load["segment"]), np.asarray(load["period"])
    is_ev = ~np.isin(segment, ("household", "pv", "site"))
    return np.bincount(period[is_ev], weights=np.asarray(load["power_kw"])[is_ev])


def received_eur(tables: Mapping[str, Any], role: str, reasons: tuple[str, ...]) -> float:
    """What parties in a role received less what they paid, for some reasons."""
    ledger = tables["ledger"]
    reason = np.asarray(ledger["reason"], dtype=object)
    amount = np.where(np.isin(reason, reasons), np.asarray(ledger["amount_eur"], dtype=np.float64), 0.0)
    payee = np.array([str(name).startswith(f"{role}:") for name in ledger["payee"]], dtype=bool)
    payer = np.array([str(name).startswith(f"{role}:") for name in ledger["payer"]], dtype=bool)
    return float(np.sum(amount[payee]) - np.sum(amount[payer]))
