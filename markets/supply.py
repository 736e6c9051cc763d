"""Supplier contracts: the price of a kWh per quarter-hour, and the small contracts around a charging session.

Every supply contract answers ``bare_eur_per_kwh(clock, day_ahead)``: the energy price without tax. The all-in price
adds energy tax and VAT; what feed-in earns depends on net metering.

Sources: rules of section 6 (dynamic contract, energy tax, net metering), report 6.2.3 (imbalance pass-through).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.contracts.clock import Clock
from markets.tariffs import YEAR_H, EnergyTax, NetMetering


@dataclass(frozen=True)
class SupplyContract:
    """What all supply contracts share.

    Parameters
    ----------
    standing_eur_per_year : float
        Fixed part, with VAT.
    feed_in_eur_per_kwh : float
        Paid per kWh fed in and not netted; NaN for the bare price of the quarter-hour.
    has_tax : bool
        Energy tax and VAT are added in :func:`all_in_eur_per_kwh` (a business may be billed without).
    """

    standing_eur_per_year: float = 0.0
    feed_in_eur_per_kwh: float = float("nan")
    has_tax: bool = True

    def bare_eur_per_kwh(self, clock: Clock, day_ahead_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Energy price without tax in each period, float64[n_periods].

        Parameters
        ----------
        clock : Clock
            Local time of the periods.
        day_ahead_eur_per_mwh : float64[n_periods]
            Day-ahead price; contracts that do not follow it ignore it.
        """
        return np.asarray(day_ahead_eur_per_mwh, dtype=np.float64) / 1000

    def settles_imbalance(self) -> bool:
        """Whether the customer bears the imbalance price of its own deviation."""
        return False


@dataclass(frozen=True)
class Fixed(SupplyContract):
    """One price for the contract's term."""

    energy_eur_per_kwh: float = 0.13

    def bare_eur_per_kwh(self, clock: Clock, day_ahead_eur_per_mwh: np.ndarray) -> np.ndarray:
        """The same price in every period."""
        return np.full(clock.n_periods, self.energy_eur_per_kwh)


@dataclass(frozen=True)
class TimeOfUseSupply(SupplyContract):
    """Normal price in the windows of working days, low price at other times."""

    high_eur_per_kwh: float = 0.14
    low_eur_per_kwh: float = 0.12
    windows: tuple[tuple[float, float], ...] = ((7.0, 23.0),)
    is_weekend_low: bool = True

    def bare_eur_per_kwh(self, clock: Clock, day_ahead_eur_per_mwh: np.ndarray) -> np.ndarray:
        """High or low price by local hour."""
        is_high = clock.is_between(self.windows)
        if self.is_weekend_low:
            is_high &= ~clock.is_weekend
        return np.where(is_high, self.high_eur_per_kwh, self.low_eur_per_kwh)


@dataclass(frozen=True)
class Dynamic(SupplyContract):
    """Day-ahead price plus a surcharge; what is fed in earns the day-ahead price minus ``feed_in_fee``."""

    surcharge_eur_per_kwh: float = 0.02
    feed_in_fee_eur_per_kwh: float = 0.0

    def bare_eur_per_kwh(self, clock: Clock, day_ahead_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Spot plus surcharge."""
        return np.asarray(day_ahead_eur_per_mwh, dtype=np.float64) / 1000 + self.surcharge_eur_per_kwh


@dataclass(frozen=True)
class PassThrough(Dynamic):
    """Dynamic price on the nomination; the deviation from it is settled at the imbalance price (report 6.2.3)."""

    surcharge_eur_per_kwh: float = 0.005

    def settles_imbalance(self) -> bool:
        """Yes."""
        return True


SUPPLY_CONTRACTS: dict[str, type[SupplyContract]] = {
    "fixed": Fixed,
    "time_of_use": TimeOfUseSupply,
    "dynamic": Dynamic,
    "pass_through": PassThrough,
}


def all_in_eur_per_kwh(
    contract: SupplyContract, clock: Clock, day_ahead_eur_per_mwh: np.ndarray, tax: EnergyTax
) -> np.ndarray:
    """What one consumed kWh costs in each period with energy tax and VAT (C52), float64[n_periods]."""
    bare = contract.bare_eur_per_kwh(clock, day_ahead_eur_per_mwh)
    return (bare + tax.eur_per_kwh) * (1.0 + tax.vat_share) if contract.has_tax else bare


def feed_in_eur_per_kwh(
    contract: SupplyContract,
    clock: Clock,
    day_ahead_eur_per_mwh: np.ndarray,
    tax: EnergyTax,
    metering: NetMetering,
) -> np.ndarray:
    """What one kWh fed in earns in each period, float64[n_periods]; may be negative under a dynamic contract.

    With net metering it saves the all-in price of a consumed kWh (as long as feed-in does not exceed consumption).
    Without, a dynamic contract pays the spot price minus its fee, the others their agreed amount, at least
    ``floor_share`` of a bare price above 0. The supplier's feed-in fee is taken off in every case.
    """
    if metering.is_on:
        return all_in_eur_per_kwh(contract, clock, day_ahead_eur_per_mwh, tax) - metering.fee_eur_per_kwh
    if isinstance(contract, Dynamic):
        spot = np.asarray(day_ahead_eur_per_mwh, dtype=np.float64) / 1000
        return spot - contract.feed_in_fee_eur_per_kwh - metering.fee_eur_per_kwh
    bare = contract.bare_eur_per_kwh(clock, day_ahead_eur_per_mwh)
    agreed = bare if np.isnan(contract.feed_in_eur_per_kwh) else np.full(bare.shape, contract.feed_in_eur_per_kwh)
    return np.maximum(agreed, metering.floor_share * np.maximum(bare, 0.0)) - metering.fee_eur_per_kwh


@dataclass(frozen=True)
class SupplyBill:
    """Bill of each connection for the clock's periods, float64[n_connections] each, EUR.

    ``energy_eur`` goes to the supplier, ``tax_eur`` (energy tax less the rebate) and ``vat_eur`` to the state,
    ``feed_in_eur`` is what the supplier pays for feed-in that is not netted (fee taken off), ``standing_eur`` is
    the supplier's fixed part.
    """

    energy_eur: np.ndarray
    tax_eur: np.ndarray
    vat_eur: np.ndarray
    feed_in_eur: np.ndarray
    standing_eur: np.ndarray

    @property
    def total_eur(self) -> np.ndarray:
        """What the customer pays in all."""
        return self.energy_eur + self.tax_eur + self.vat_eur + self.standing_eur - self.feed_in_eur


def bill(
    contract: SupplyContract,
    power_kw: np.ndarray,
    clock: Clock,
    day_ahead_eur_per_mwh: np.ndarray,
    tax: EnergyTax,
    metering: NetMetering,
) -> SupplyBill:
    """Bill connections on one contract for all periods of the clock.

    Parameters
    ----------
    contract : SupplyContract
        Their contract.
    power_kw : float64[n_periods, n_connections]
        Mean power, feed-in negative.
    clock : Clock
        Local time of the periods; the clock's length is treated as the netting period.
    day_ahead_eur_per_mwh : float64[n_periods]
        Day-ahead price.
    tax : EnergyTax
        Energy tax and VAT; left out when the contract has none.
    metering : NetMetering
        Netting of feed-in.

    Returns
    -------
    SupplyBill
        With netting, the same share of every period's feed-in is netted: feed-in beyond consumption is paid like
        without netting.
    """
    power = np.asarray(power_kw, dtype=np.float64)
    consumed, fed_in = np.maximum(power, 0.0) * clock.period_h, np.maximum(-power, 0.0) * clock.period_h
    consumed_kwh, fed_in_kwh = np.sum(consumed, axis=0), np.sum(fed_in, axis=0)
    netted = metering.netted_kwh(consumed_kwh, fed_in_kwh)
    netted_share = np.divide(netted, fed_in_kwh, out=np.zeros_like(netted), where=fed_in_kwh > 0.0)
    bare = contract.bare_eur_per_kwh(clock, day_ahead_eur_per_mwh)
    no_netting = NetMetering(False, metering.floor_share, 0.0)
    paid = feed_in_eur_per_kwh(contract, clock, day_ahead_eur_per_mwh, tax, no_netting)
    energy = bare @ consumed - netted_share * (bare @ fed_in)
    beyond = (1.0 - netted_share) * (paid @ fed_in) - metering.fee_eur_per_kwh * fed_in_kwh
    zero = np.zeros(energy.shape)
    if not contract.has_tax:
        return SupplyBill(energy, zero, zero, beyond, zero + contract.standing_eur_per_year * clock.hours / YEAR_H)
    energy_tax = tax.eur_per_kwh * (consumed_kwh - netted)
    vat = tax.vat_share * (energy + energy_tax)
    standing = zero + contract.standing_eur_per_year * clock.hours / YEAR_H
    return SupplyBill(energy, energy_tax - tax.rebate_eur(clock.hours), vat, beyond, standing)


def pass_through_cash_eur(
    deviation_mwh: np.ndarray | float,
    shortage_eur_per_mwh: np.ndarray | float,
    surplus_eur_per_mwh: np.ndarray | float,
) -> np.ndarray:
    """What a pass-through customer receives for its deviation (C40, C39); negative = pays.

    Parameters
    ----------
    deviation_mwh : float64
        Nominated minus measured consumption: surplus positive.
    shortage_eur_per_mwh, surplus_eur_per_mwh : float64
        Imbalance prices.

    Returns
    -------
    float64
        EUR, broadcast shape.
    """
    surplus = np.maximum(deviation_mwh, 0.0)
    shortage = np.maximum(-np.asarray(deviation_mwh, dtype=np.float64), 0.0)
    return surplus * surplus_eur_per_mwh - shortage * shortage_eur_per_mwh


@dataclass(frozen=True)
class DriverReward:
    """What a driver gets for flexibility: per kWh discharged, per kWh shifted, per session plugged in ready.

    Amounts are assumptions; ``wear_eur_per_kwh`` is a battery's wear that the reward should at least cover.
    """

    discharge_eur_per_kwh: float = 0.15
    shift_eur_per_kwh: float = 0.02
    session_eur: float = 0.0
    wear_eur_per_kwh: float = 0.06

    def compensation_eur(self, discharged_kwh: np.ndarray, shifted_kwh: np.ndarray | float = 0.0) -> np.ndarray:
        """Reward of sessions, float64 of the shape of ``discharged_kwh``."""
        discharged = np.asarray(discharged_kwh, dtype=np.float64)
        return (
            self.discharge_eur_per_kwh * np.maximum(discharged, 0.0)
            + self.shift_eur_per_kwh * np.maximum(shifted_kwh, 0.0)
            + self.session_eur
        )


@dataclass(frozen=True)
class RoamingFee:
    """What an EMSP owes a CPO for its driver's session at the CPO's station. Amounts are assumptions.

    ``hub_eur_per_session`` goes to the roaming hub instead.
    """

    session_eur: float = 0.30
    energy_eur_per_kwh: float = 0.02
    hub_eur_per_session: float = 0.05

    def fee_eur(self, charged_kwh: np.ndarray) -> np.ndarray:
        """EMSP to CPO, per session, float64 of the shape of ``charged_kwh``."""
        return self.session_eur + self.energy_eur_per_kwh * np.maximum(np.asarray(charged_kwh, dtype=np.float64), 0.0)
