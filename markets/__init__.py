"""The rules: market clearings, contracts, tariffs, settlement and the ledger, as pure functions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

MARKETS: dict[str, tuple[str, str]] = {
    "day_ahead": ("markets.day_ahead", "clear"),
    "intraday_auction": ("markets.intraday", "clear_auction"),
    "intraday": ("markets.intraday", "ContinuousMarket"),
    "redispatch": ("markets.redispatch", "clear"),
    "fcr": ("markets.balancing", "fcr_auction"),
    "afrr_capacity": ("markets.balancing", "afrr_capacity_auction"),
    "afrr_energy": ("markets.balancing", "activate_isp"),
}
"""Every market by name: the module that holds its rule and what clears it."""


def market(name: str) -> Callable[..., Any]:
    """What clears a market, imported on first use (compiled rules take long to import).

    Raises
    ------
    KeyError
        For an unknown name; the known ones are listed.
    """
    if name not in MARKETS:
        raise KeyError(f"market {name!r} is not one of {', '.join(MARKETS)}")
    module, attribute = MARKETS[name]
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
