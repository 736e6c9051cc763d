"""Incident reserve: manually and directly activated mFRR (mFRRda), contracted for availability.

It has no place on the ladder of the aFRR. The operator calls it when the demand exceeds the aFRR on offer, and its
price bounds the balancing energy price of the ISP: it raises the upward and lowers the downward price (TenneT,
Imbalance Pricing System v6.1, section 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from markets.balancing.activation import IspActivation
from markets.balancing.controller import CYCLE_S

LOOK_BACK_S = 300
"""The demand is judged by its mean of the last five minutes (assumption)."""


@dataclass(frozen=True)
class IncidentRules:
    """When incident reserve is called, how much there is, and what it costs.

    Parameters
    ----------
    up_mw, down_mw : float
        Contracted power, both positive.
    trigger_share : float
        Demand for balancing energy, as a share of the aFRR on offer, beyond which it is called.
    premium_eur_per_mwh : float
        Distance of its price from the day-ahead price.
    """

    up_mw: float = 850.0
    down_mw: float = 580.0
    trigger_share: float = 1.0
    premium_eur_per_mwh: float = 200.0

    def prices_eur_per_mwh(self, running_mw: float, day_ahead_eur_per_mwh: float) -> tuple[float, float]:
        """Upward and downward price of the reserve that runs (+ = up), NaN where none does."""
        up = day_ahead_eur_per_mwh + self.premium_eur_per_mwh if running_mw > 0.0 else math.nan
        return up, day_ahead_eur_per_mwh - self.premium_eur_per_mwh if running_mw < 0.0 else math.nan


def balancing_demand_mw(activation: IspActivation, running_mw: float = 0.0) -> float:
    """Power that the system needed at the end of an ISP: activated, running and still missing, + = up."""
    last = LOOK_BACK_S // CYCLE_S
    return float(np.mean(activation.delta_mw[-last:]) - np.mean(activation.remaining_error_mw[-last:])) + running_mw


def incident_call_mw(
    activation: IspActivation, *, offered_up_mw: float, offered_down_mw: float, running_mw: float, rules: IncidentRules
) -> float:
    """Incident reserve for the next ISP.

    Parameters
    ----------
    activation : IspActivation
        The ISP that ends.
    offered_up_mw, offered_down_mw : float
        aFRR on offer, both positive.
    running_mw : float
        Incident reserve that runs in this ISP, + = up.
    rules : IncidentRules
        When and how much.

    Returns
    -------
    float
        The whole demand, so that the aFRR is free again, at most what is contracted; 0 where the aFRR suffices.
        + = up.
    """
    demand = balancing_demand_mw(activation, running_mw)
    offered = offered_up_mw if demand > 0.0 else offered_down_mw
    if abs(demand) <= rules.trigger_share * offered:
        return 0.0
    return float(np.clip(demand, -rules.down_mw, rules.up_mw))
