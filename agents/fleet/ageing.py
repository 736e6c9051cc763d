"""Battery ageing as a cost: by calendar and by cycling.

Calendar: the capacity lost per year grows with the mean state of charge. Cycling: a price per kWh that passes through
the battery. Levels from memory with low confidence (2-8 ct/kWh for V2X, 50 %): assumptions to vary, never tuned to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AgeingSpec:
    """Prices of ageing.

    Attributes
    ----------
    battery_eur_per_kwh : float
        Replacement price of usable capacity.
    end_of_life_share : float
        Share of capacity whose loss uses up the battery.
    calendar_share_per_year : float
        Capacity lost per year at 50 % state of charge.
    calendar_slope : float
        Relative increase of that loss per unit of state of charge above 50 %.
    cycle_eur_per_kwh : float
        Price of a kWh taken from the battery (throughput).
    """

    battery_eur_per_kwh: float = 120.0
    end_of_life_share: float = 0.3
    calendar_share_per_year: float = 0.015
    calendar_slope: float = 0.8
    cycle_eur_per_kwh: float = 0.04


def calendar_cost_eur(
    spec: AgeingSpec, capacity_kwh: np.ndarray, mean_soc_share: np.ndarray, hours: float
) -> np.ndarray:
    """Cost of ``hours`` of rest at a mean state of charge, EUR per battery."""
    yearly = spec.calendar_share_per_year * (1.0 + spec.calendar_slope * (np.asarray(mean_soc_share) - 0.5))
    lost_share = np.maximum(yearly, 0.0) * hours / 8760.0
    return lost_share / spec.end_of_life_share * spec.battery_eur_per_kwh * np.asarray(capacity_kwh)


def cycle_cost_eur(spec: AgeingSpec, discharged_kwh: np.ndarray) -> np.ndarray:
    """Cost of energy taken from the battery beyond driving, EUR."""
    return spec.cycle_eur_per_kwh * np.asarray(discharged_kwh)
