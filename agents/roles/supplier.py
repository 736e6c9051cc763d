"""Electricity supplier: turns wholesale prices into the contract price of its customers and bills them."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.links import Links
from agents.messages import ContractPrice, PriceToSupplier, TenantPrice
from agents.role import Role
from agents.roles.brp import MEAN_PRICE_EUR_PER_MWH
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
        self.wholesale_eur_per_mwh = np.full(n, MEAN_PRICE_EUR_PER_MWH)
        """What it was told, and until then what it expects: customers are billed whether or not a price reached it."""
        self.price_eur_per_kwh, self.feed_in_eur_per_kwh = self._contract_prices()
        self.tenant_points: dict[str, np.ndarray] = {}
        """Charging points behind sub-meters, by the contract of their tenant."""

    def price(self) -> None:
        """Publish the contract price of the periods whose wholesale price is known (SUP-1)."""
        for told in self.knowledge.take(PriceToSupplier):
            span = slice(told.first_period, told.first_period + len(told.price_eur_per_mwh))
            self.wholesale_eur_per_mwh[span] = told.price_eur_per_mwh
            price, feed_in = self._contract_prices()
            self.price_eur_per_kwh[span], self.feed_in_eur_per_kwh[span] = price[span], feed_in[span]
            self.send(ContractPrice(told.first_period, price[span].copy(), feed_in[span].copy()))
            self._price_tenants(told.first_period, span)

    def _price_tenants(self, first: int, span: slice) -> None:
        """Publish the prices of contracts that hold behind sub-meters."""
        for kind, cp_row in self.tenant_points.items():
            price, feed_in = self._prices_of(SUPPLY_CONTRACTS[kind]())
            self.send(TenantPrice(cp_row, first, price[span].copy(), feed_in[span].copy()))

    def energy_price_eur_per_kwh(self, period: int) -> float:
        """Energy price in the contract of EV customers, without tax and grid fees."""
        return float(self.contract.bare_eur_per_kwh(self.clock, self.wholesale_eur_per_mwh)[period])

    def _contract_prices(self) -> tuple[np.ndarray, np.ndarray]:
        """All-in price and feed-in price of the contract at the wholesale prices as now known, EUR/kWh."""
        price, feed_in = self._prices_of(self.contract)
        return price + self.grid_fee_eur_per_kwh, feed_in

    def _prices_of(self, contract: SupplyContract) -> tuple[np.ndarray, np.ndarray]:
        """Energy, tax and VAT of a contract, and what it pays for feed-in, EUR/kWh."""
        wholesale = self.wholesale_eur_per_mwh
        price = all_in_eur_per_kwh(contract, self.clock, wholesale, self.tax)
        return price, feed_in_eur_per_kwh(contract, self.clock, wholesale, self.tax, self.metering)
