"""Grid tariffs as data: what a connection pays its grid operator, computed for all connections at once.

Every tariff answers ``cost_eur(power_kw, capacity_kw, clock)``: the bill of each connection for the periods of the
clock, yearly amounts in proportion to their hours. Amounts are those of the source named at each class; whether
they contain VAT is said there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.contracts.agreements import FIRM_EUR_PER_KW_YEAR, NON_FIRM_BASE_EUR_PER_YEAR, NON_FIRM_EUR_PER_KW_YEAR
from markets.contracts.clock import Clock, starts_of
from markets.levers import Regulation

YEAR_H = 8760.0
# Fuse classes of small connections: largest power at 230 V per phase, and the capacity they are billed for.
# Billing capacities ("rekencapaciteit") 0.05 / 4 / 20 / 30 / 40 / 50 kW up to 1x6 A, 3x25, 3x35, 3x50, 3x63, 3x80 A.
CLASS_KW = np.array([1.38, 17.25, 24.15, 34.5, 43.47, 55.2])
CLASS_BILLED_KW = np.array([0.05, 4.0, 20.0, 30.0, 40.0, 50.0])
_BASE_BILLED_KW = 4.0


@dataclass(frozen=True)
class GridTariff:
    """What all tariffs share.

    Parameters
    ----------
    has_vat : bool
        The amounts contain value added tax.
    """

    has_vat: bool = False

    def cost_eur(self, power_kw: np.ndarray, capacity_kw: np.ndarray, clock: Clock) -> np.ndarray:
        """The bill of each connection for the clock's periods.

        Parameters
        ----------
        power_kw : float64[n_periods, n_connections]
            Mean power, consumption positive.
        capacity_kw : float64[n_connections]
            Capacity of each connection.
        clock : Clock
            Local time of the periods.

        Returns
        -------
        float64[n_connections]
            EUR.
        """
        power = np.asarray(power_kw, dtype=np.float64)
        capacity = np.broadcast_to(np.asarray(capacity_kw, dtype=np.float64), power.shape[1:])
        return self._cost_eur(power, capacity, clock)

    def cost_with_vat_eur(
        self, power_kw: np.ndarray, capacity_kw: np.ndarray, clock: Clock, vat_share: float
    ) -> np.ndarray:
        """The bill of a customer who cannot reclaim VAT; arguments as in :meth:`cost_eur`."""
        cost = self.cost_eur(power_kw, capacity_kw, clock)
        return cost if self.has_vat else cost * (1.0 + vat_share)

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        return np.zeros(capacity.shape)


@dataclass(frozen=True)
class CapacityBand(GridTariff):
    """Dutch tariff for small connections: a fixed amount per fuse class, no part per kWh.

    The connection and metering part of the base class is used for all classes (assumption); the capacity part
    grows with the billing capacity. Above 3 x 80 A a price per kW of capacity holds.

    Parameters
    ----------
    standing_eur_per_year, connection_and_meter_eur_per_year, capacity_eur_per_year : float
        Parts of the bill of a 3 x 25 A connection.
    large_eur_per_kw_year : float
        Above the largest class; the report's firm 55 kW for 3000 EUR (report 7.4.1).
    """

    has_vat: bool = True
    standing_eur_per_year: float = 21.78
    connection_and_meter_eur_per_year: float = 79.43
    capacity_eur_per_year: float = 322.83
    large_eur_per_kw_year: float = FIRM_EUR_PER_KW_YEAR

    def yearly_eur(self, capacity_kw: np.ndarray) -> np.ndarray:
        """Bill of a year, float64 of the shape of ``capacity_kw``."""
        capacity = np.asarray(capacity_kw, dtype=np.float64)
        fuse = np.searchsorted(CLASS_KW * (1 + 1e-9), capacity)
        billed = CLASS_BILLED_KW[np.minimum(fuse, CLASS_KW.size - 1)]
        fixed = self.standing_eur_per_year + self.connection_and_meter_eur_per_year
        small = fixed + self.capacity_eur_per_year * billed / _BASE_BILLED_KW
        return np.where(fuse < CLASS_KW.size, small, fixed + self.large_eur_per_kw_year * capacity)

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        return self.yearly_eur(capacity) * (clock.hours / YEAR_H)


def monthly_peaks_kw(power_kw: np.ndarray, clock: Clock, floor_kw: float = 2.5) -> np.ndarray:
    """Highest quarter-hour mean of each month, at least the floor, float64[n_months, n_connections]."""
    return np.maximum(np.maximum.reduceat(power_kw, starts_of(clock.month), axis=0), floor_kw)


def rolling_mean_kw(peaks_kw: np.ndarray, months: int = 12) -> np.ndarray:
    """Mean of each month's peak and those of up to ``months - 1`` months before it, same shape."""
    total = np.cumsum(peaks_kw, axis=0)
    before = np.concatenate([np.zeros((min(months, len(total)), *total.shape[1:])), total[:-months]])
    count = np.minimum(np.arange(1, peaks_kw.shape[0] + 1), months)
    return (total - before) / count.reshape((-1,) + (1,) * (peaks_kw.ndim - 1))


@dataclass(frozen=True)
class MonthlyPeak(GridTariff):
    """Flemish capacity tariff: the rolling mean of the last twelve monthly quarter-hour peaks (Fluvius 2023).

    Months before the horizon are unknown: the mean runs over the months there are.

    Parameters
    ----------
    eur_per_kw_year : float
        Price, mean of 2023, without VAT.
    floor_kw : float
        Smallest monthly peak.
    cap_eur_per_kwh : float
        Most that a consumed kWh may cost; infinite for no cap.
    """

    eur_per_kw_year: float = 40.4
    floor_kw: float = 2.5
    cap_eur_per_kwh: float = float("inf")

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        billed = rolling_mean_kw(monthly_peaks_kw(power, clock, self.floor_kw))
        starts = starts_of(clock.month)
        hours = np.diff(np.append(starts, clock.n_periods)) * clock.period_h
        cost = (hours / YEAR_H) @ billed * self.eur_per_kw_year
        if np.isinf(self.cap_eur_per_kwh):
            return cost
        consumed = np.sum(np.maximum(power, 0.0), axis=0) * clock.period_h
        return np.minimum(cost, consumed * self.cap_eur_per_kwh)


@dataclass(frozen=True)
class TimeOfUse(GridTariff):
    """Energy fee that is dearer in the evening (report 7.4.1; C56). Amounts are assumptions near the band's mean.

    Parameters
    ----------
    standing_eur_per_year : float
        Fixed part.
    high_eur_per_kwh, low_eur_per_kwh : float
        Fee per consumed kWh inside and outside the windows.
    windows : tuple of (from hour, to hour)
        Local hours of the high fee.
    is_weekend_low : bool
        The low fee holds all weekend.
    """

    standing_eur_per_year: float = 100.0
    high_eur_per_kwh: float = 0.20
    low_eur_per_kwh: float = 0.05
    windows: tuple[tuple[float, float], ...] = ((17.0, 21.0),)
    is_weekend_low: bool = False

    def fee_eur_per_kwh(self, clock: Clock) -> np.ndarray:
        """Fee of each period, float64[n_periods], as a charging strategy sees it."""
        is_high = clock.is_between(self.windows)
        if self.is_weekend_low:
            is_high &= ~clock.is_weekend
        return np.where(is_high, self.high_eur_per_kwh, self.low_eur_per_kwh)

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        energy_fee = self.fee_eur_per_kwh(clock) @ np.maximum(power, 0.0) * clock.period_h
        return energy_fee + self.standing_eur_per_year * (clock.hours / YEAR_H)


@dataclass(frozen=True)
class Bandwidth(GridTariff):
    """Broadband-like tariff of the report: the guaranteed mean power is bought, not the fuse (report 7.4.1).

    Both examples, 150 EUR for a day mean of 10 kW and 450 EUR for 35 kW, lie on the line 30 EUR + 12 EUR per kW.

    Parameters
    ----------
    base_eur_per_year, eur_per_mean_kw_year : float
        The line.
    guaranteed_share : float
        Guaranteed day mean as a share of the capacity (10/17 and 35/55 in the examples).
    excess_eur_per_kwh : float
        Fee per kWh of a day beyond the guaranteed mean.
    """

    base_eur_per_year: float = NON_FIRM_BASE_EUR_PER_YEAR
    eur_per_mean_kw_year: float = NON_FIRM_EUR_PER_KW_YEAR
    guaranteed_share: float = 10.0 / 17.0
    excess_eur_per_kwh: float = 0.0

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        mean_kw = self.guaranteed_share * capacity
        cost = (self.base_eur_per_year + self.eur_per_mean_kw_year * mean_kw) * (clock.hours / YEAR_H)
        if self.excess_eur_per_kwh == 0.0:
            return cost
        energy = np.add.reduceat(np.maximum(power, 0.0), clock.day_starts, axis=0) * clock.period_h
        day_h = np.diff(np.append(clock.day_starts, clock.n_periods)) * clock.period_h
        beyond = np.maximum(energy - day_h[:, None] * mean_kw, 0.0)
        return cost + np.sum(beyond, axis=0) * self.excess_eur_per_kwh


@dataclass(frozen=True)
class WeightedPeak(GridTariff):
    """High-voltage style tariff: contracted kW and the month's highest kW, weighted by the hour (ACM 2024-23593).

    Amounts are assumptions.

    Parameters
    ----------
    contract_eur_per_kw_year, peak_eur_per_kw_month : float
        Prices of the contracted power and of the weighted monthly peak.
    windows : tuple of (from hour, to hour)
        Hours that count in full.
    outside_weight : float
        Weight of a kW outside them.
    """

    contract_eur_per_kw_year: float = 25.0
    peak_eur_per_kw_month: float = 2.5
    windows: tuple[tuple[float, float], ...] = ((7.0, 23.0),)
    outside_weight: float = 0.5

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        weight = np.where(clock.is_between(self.windows), 1.0, self.outside_weight)
        peaks = monthly_peaks_kw(power * weight[:, None], clock, 0.0)
        hours = np.diff(np.append(starts_of(clock.month), clock.n_periods)) * clock.period_h
        months = hours / (YEAR_H / 12.0)
        contract = self.contract_eur_per_kw_year * capacity * (clock.hours / YEAR_H)
        return contract + months @ peaks * self.peak_eur_per_kw_month


@dataclass(frozen=True)
class FeedInFee(GridTariff):
    """Fee per kWh fed in, with a free yearly amount; added to another tariff where a scenario asks for it."""

    eur_per_kwh: float = 0.0
    free_kwh_per_year: float = 0.0

    def _cost_eur(self, power: np.ndarray, capacity: np.ndarray, clock: Clock) -> np.ndarray:
        fed_in = -np.sum(np.minimum(power, 0.0), axis=0) * clock.period_h
        free = self.free_kwh_per_year * (clock.hours / YEAR_H)
        return np.maximum(fed_in - free, 0.0) * self.eur_per_kwh


GRID_TARIFFS: dict[str, type[GridTariff]] = {
    "capacity_band": CapacityBand,
    "monthly_peak": MonthlyPeak,
    "time_of_use": TimeOfUse,
    "bandwidth": Bandwidth,
    "weighted_peak": WeightedPeak,
    "feed_in_fee": FeedInFee,
}

# 3 x 25 A in 2024, with VAT (by inference): standing 18.00 * 1.21, connection + meter, capacity.
CAPACITY_BANDS_2024: dict[str, CapacityBand] = {
    "stedin": CapacityBand(connection_and_meter_eur_per_year=42.94 + 36.49, capacity_eur_per_year=322.83),
    "enexis": CapacityBand(connection_and_meter_eur_per_year=425.88 - 21.78 - 335.27, capacity_eur_per_year=335.27),
    "liander": CapacityBand(connection_and_meter_eur_per_year=37.02 + 12.62, capacity_eur_per_year=329.48),
}


@dataclass(frozen=True)
class EnergyTax:
    """Dutch energy tax on electricity up to 10 MWh a year, without VAT (Belastingdienst).

    Parameters
    ----------
    eur_per_kwh : float
        Rate.
    rebate_eur_per_year : float
        Yearly reduction per connection, with VAT.
    vat_share : float
        Value added tax on energy and tax.
    """

    eur_per_kwh: float = 0.0916
    rebate_eur_per_year: float = 519.80
    vat_share: float = 0.21

    @classmethod
    def of(cls, regulation: Regulation) -> EnergyTax:
        """Tax of a run from its levers; the rebate is that of 2026."""
        return cls(regulation.energy_tax_eur_per_kwh, vat_share=regulation.vat_share)

    def rebate_eur(self, hours: float) -> float:
        """Reduction for a stretch of the year."""
        return self.rebate_eur_per_year * hours / YEAR_H


# Rates: Belastingdienst via gelijkvergelijk.nl; the rebates of 2023 and 2024 are from memory.
ENERGY_TAX: dict[int, EnergyTax] = {
    2023: EnergyTax(0.12599, 596.86),
    2024: EnergyTax(0.10880, 631.35),
    2025: EnergyTax(0.10154, 524.95),
    2026: EnergyTax(0.09160, 519.80),
}


@dataclass(frozen=True)
class NetMetering:
    """What feed-in is worth: netted with consumption until 2027, then paid at least a share of the bare price.

    Parameters
    ----------
    is_on : bool
        Yearly netting ("salderen").
    floor_share : float
        Without netting, smallest share of the bare price that is paid (Kamerstuk 36611-3: at least half until 2030).
    fee_eur_per_kwh : float
        Supplier's fee per kWh fed in.
    """

    is_on: bool = True
    floor_share: float = 0.5
    fee_eur_per_kwh: float = 0.0

    @classmethod
    def of(cls, regulation: Regulation) -> NetMetering:
        """Net metering of a run from its levers."""
        return cls(regulation.is_net_metering, regulation.feed_in_compensation_share)

    def netted_kwh(self, consumed_kwh: np.ndarray, fed_in_kwh: np.ndarray) -> np.ndarray:
        """Feed-in that cancels consumption, at most the consumption; same shape."""
        if not self.is_on:
            return np.zeros(np.broadcast_shapes(np.shape(consumed_kwh), np.shape(fed_in_kwh)))
        return np.minimum(consumed_kwh, fed_in_kwh)
