"""Prices of wholesale and supply, and the forecasts that a pool is bought in by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class PriceToSupplier(Message):
    """Wholesale prices from the BRP to the supplier, from ``first_period`` on."""

    sender, receiver, protocol = "brp", "supplier", "market API"
    functions = ("BRP-1",)
    first_period: int
    price_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class ContractPrice(Message):
    """Prices of the supply contract, from ``first_period`` on."""

    sender, receiver, protocol = "supplier", "aggregator", "market API"
    functions = ("SUP-1", "AGG-4")
    first_period: int
    price_eur_per_kwh: np.ndarray
    feed_in_eur_per_kwh: np.ndarray


@dataclass(frozen=True)
class TenantPrice(Message):
    """Prices of a tenant's own contract at the charging points behind its sub-meter, from ``first_period`` on."""

    sender, receiver, protocol = "supplier", "aggregator", "market API"
    cp_row: np.ndarray
    first_period: int
    price_eur_per_kwh: np.ndarray
    feed_in_eur_per_kwh: np.ndarray


@dataclass(frozen=True)
class ConnectionForecast(Message):
    """What the BRP expects the pool's connections to use, from ``first_period`` on."""

    sender, receiver, protocol = "brp", "aggregator", "market API"
    functions = ("BRP-2",)
    first_period: int
    power_mw: np.ndarray


@dataclass(frozen=True)
class PoolForecast(Message):
    """What the aggregator plans for its pool, from ``first_period`` on, and what of it could move."""

    sender, receiver, protocol = "aggregator", "brp", "market API"
    functions = ("AGG-5",)
    first_period: int
    firm_mw: np.ndarray
    flexible_mw: np.ndarray
    limit_eur_per_mwh: np.ndarray
