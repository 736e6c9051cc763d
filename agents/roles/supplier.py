"""Electricity supplier: turns wholesale prices into the contract price of its customers and bills them."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.links import Links
from agents.messages import ContractPrice, PriceToSupplier
from agents.role import Role
from markets.contracts import Clock
from markets.levers import Regulation
from markets.supply import SUPPLY_CONTRACTS, SupplyContract, all_in_eur_per_kwh, feed_in_eur_per_kwh
from markets.tariffs import EnergyTax, NetMetering, TimeOfUse


class Supplier(Role):
    """Supplier of the town.

    Parameters
    ----------
    regulation : Regulation
        Tax, net metering and the contract of EV customers.
    clock : Clock
        Local time of the run.
    """

    role: ClassVar[str] = "supplier"

    def __init__(self, model: mesa.Model, party: str, links: Links, regulation: Regulation, clock: Clock) -> None:
        super().__init__(model, party, links)
        self.tax, self.metering = EnergyTax.of(regulation), NetMetering.of(regulation)
        self.contract: SupplyContract = SUPPLY_CONTRACTS[regulation.supply_contract]()
        self.clock = clock
        n = clock.n_periods
        self.grid_fee_eur_per_kwh = np.zeros(n)
        """Energy part of the grid tariff, VAT included, which the supplier collects for the DSO."""
        if regulation.grid_tariff == "time_of_use":
            self.grid_fee_eur_per_kwh = TimeOfUse().fee_eur_per_kwh(clock) * (1.0 + regulation.vat_share)
        self.wholesale_eur_per_mwh = np.full(n, np.nan)
        self.price_eur_per_kwh, self.feed_in_eur_per_kwh = np.full(n, np.nan), np.full(n, np.nan)

    def price(self) -> None:
        """Publish the contract price of the periods whose wholesale price is known (SUP-1)."""
        for told in self.knowledge.take(PriceToSupplier):
            span = slice(told.first_period, told.first_period + len(told.price_eur_per_mwh))
            self.wholesale_eur_per_mwh[span] = told.price_eur_per_mwh
            known = np.nan_to_num(self.wholesale_eur_per_mwh, nan=0.0)
            all_in = all_in_eur_per_kwh(self.contract, self.clock, known, self.tax) + self.grid_fee_eur_per_kwh
            self.price_eur_per_kwh[span] = all_in[span]
            feed_in = feed_in_eur_per_kwh(self.contract, self.clock, known, self.tax, self.metering)
            self.feed_in_eur_per_kwh[span] = feed_in[span]
            self.send(
                ContractPrice(
                    told.first_period, self.price_eur_per_kwh[span].copy(), self.feed_in_eur_per_kwh[span].copy()
                )
            )
