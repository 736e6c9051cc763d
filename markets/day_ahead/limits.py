"""Harmonised price limits that move: they widen when prices come near them on several days.

Sources: SDAC harmonised maximum and minimum clearing price methodology (HMMCP, NEMO notices 2022-2023), SEMO notice of
24 November 2023: a price beyond 70 % of a limit on two days within 30 widens it, by 500 EUR/MWh upwards and
100 EUR/MWh downwards, after a transition of 28 days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LimitRule:
    """How one limit moves.

    Parameters
    ----------
    step_eur_per_mwh : float
        Change of the limit; negative for the lower one.
    trigger_share : float
        A day counts when a price reaches this share of the limit.
    days : int
        Number of days that must count.
    window_days : int
        Rolling window that they must fall in.
    transition_days : int
        Days from the last of them to the first delivery day under the new limit; days in between do not count.
    """

    step_eur_per_mwh: float
    trigger_share: float = 0.7
    days: int = 2
    window_days: int = 30
    transition_days: int = 28


UPPER = LimitRule(500.0)
LOWER = LimitRule(-100.0)


def moving_limit(extreme_eur_per_mwh: np.ndarray, start_eur_per_mwh: float, rule: LimitRule) -> np.ndarray:
    """Limit that holds on every delivery day.

    Parameters
    ----------
    extreme_eur_per_mwh : float64[n_days]
        Highest price of each day for the upper limit, lowest for the lower one; NaN for a day without prices.
    start_eur_per_mwh : float
        Limit on the first day.
    rule : LimitRule
        :data:`UPPER` or :data:`LOWER`, or one of a scenario.

    Returns
    -------
    float64[n_days]
        Limits, €/MWh.
    """
    limit = np.full(len(extreme_eur_per_mwh), float(start_eur_per_mwh))
    sign = 1.0 if rule.step_eur_per_mwh > 0.0 else -1.0
    counted: list[int] = []
    changes_on = -1
    for day, price in enumerate(np.asarray(extreme_eur_per_mwh, dtype=np.float64)):
        if day == changes_on:
            limit[day:] += rule.step_eur_per_mwh
        if day < changes_on or not sign * price >= sign * rule.trigger_share * limit[day]:
            continue
        counted = [d for d in counted if day - d < rule.window_days] + [day]
        if len(counted) >= rule.days:
            counted, changes_on = [], day + rule.transition_days
    return limit
