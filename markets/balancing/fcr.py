"""Frequency containment reserve: size, droop response and speed (TenneT, FCR handbook v3.10, sections 3.1 and 4.7).

Power is positive upward: a pool of EVs delivers +2.5 MW by charging 2.5 MW less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

NOMINAL_HZ = 50.0


@dataclass(frozen=True)
class FcrRules:
    """What FCR must do.

    Parameters
    ----------
    full_deviation_hz : float
        Deviation of full activation.
    insensitivity_hz : float
        Deviation up to which nothing is delivered, at most 0.01.
    first_response_s, full_response_s : float
        Latest start and latest full delivery after a step; half is due at half the time.
    tolerance_share : float
        Half width of the delivery corridor, share of the contracted power (5 % is 10 mHz).
    out_of_bound_share : float
        Largest share of an ISP with too little delivery, exclusive.
    slope_min, slope_max : float
        Allowed ratio of delivered to expected power per hertz.
    """

    full_deviation_hz: float = 0.2
    insensitivity_hz: float = 0.0
    first_response_s: float = 2.0
    full_response_s: float = 30.0
    tolerance_share: float = 0.05
    out_of_bound_share: float = 0.05
    slope_min: float = 0.9
    slope_max: float = 1.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.insensitivity_hz <= 0.01:
            raise ValueError(f"insensitivity_hz is {self.insensitivity_hz}, must be 0 to 0.01 Hz")


def fcr_response_mw(frequency_hz: Any, capacity_mw: Any, rules: FcrRules | None = None) -> np.ndarray:
    """Steady delivery of FCR at a frequency.

    Parameters
    ----------
    frequency_hz : array_like of float
        Grid frequency.
    capacity_mw : array_like of float
        Contracted power, broadcast against the frequency.
    rules : FcrRules, optional
        The defaults when left out.

    Returns
    -------
    array of float
        Linear up to the full deviation, constant beyond; zero within the insensitivity. Delivery goes on at any
        larger deviation (the duty holds from 47.5 to 51.5 Hz).
    """
    rules = rules or FcrRules()
    deviation = np.asarray(frequency_hz, dtype=np.float64) - NOMINAL_HZ
    share = np.clip(-deviation / rules.full_deviation_hz, -1.0, 1.0)
    # a hertz value such as 49.99 is not exact in binary
    is_dead = np.abs(deviation) <= rules.insensitivity_hz + 1e-9
    return np.where(is_dead, 0.0, share) * np.asarray(capacity_mw, dtype=np.float64)


def slowest_response_mw(
    frequency_hz: np.ndarray,
    capacity_mw: Any,
    *,
    step_s: float,
    rules: FcrRules | None = None,
    before_hz: float = NOMINAL_HZ,
) -> np.ndarray:
    """Slowest delivery that still meets the speed: every change of frequency is answered linearly in 30 s.

    Parameters
    ----------
    frequency_hz : array of float, shape (n,)
        Frequency series.
    capacity_mw : float or array of float, shape (n,)
        Contracted power.
    step_s : float
        Time between samples.
    rules : FcrRules, optional
        The defaults when left out.
    before_hz : float
        Frequency before the first sample.

    Returns
    -------
    array of float, shape (n,)
        Mean of the steady response over the last 30 s: after a step half of it at 15 s, all of it at 30 s.
    """
    rules = rules or FcrRules()
    window = max(1, round(rules.full_response_s / step_s))
    share = fcr_response_mw(np.concatenate([np.full(window, before_hz), frequency_hz]), 1.0, rules)
    sums = np.concatenate([[0.0], np.cumsum(share)])
    # the mean over the samples before each instant: at the step itself nothing is due yet
    return (sums[window:-1] - sums[: -window - 1]) / window * np.asarray(capacity_mw, dtype=np.float64)


def required_share(since_step_s: Any, rules: FcrRules | None = None) -> np.ndarray:
    """Smallest delivered share of the answer to a step: nothing before 2 s, then linear to all of it at 30 s."""
    rules = rules or FcrRules()
    since = np.asarray(since_step_s, dtype=np.float64)
    return np.where(since < rules.first_response_s, 0.0, np.minimum(since / rules.full_response_s, 1.0))


def is_fast_enough(delivered_mw: np.ndarray, step_mw: float, *, step_s: float, rules: FcrRules | None = None) -> bool:
    """Whether a delivery answers a step of frequency in time.

    Parameters
    ----------
    delivered_mw : array of float, shape (n,)
        Delivery, the first sample at the instant of the step; at least 30 s long.
    step_mw : float
        Steady answer to the step, either sign.
    step_s : float
        Time between samples.
    rules : FcrRules, optional
        The defaults when left out.

    Returns
    -------
    bool
        Something within 2 s, half within 15 s, all (to 1e-6) within 30 s and kept.
    """
    rules = rules or FcrRules()
    share = np.asarray(delivered_mw, dtype=np.float64) / step_mw
    time_s = np.arange(share.size) * step_s
    if time_s[-1] < rules.full_response_s:
        return False
    half, full = rules.full_response_s / 2.0, rules.full_response_s
    return bool(
        np.any(share[time_s <= rules.first_response_s] > 0.0)
        and np.all(share[time_s >= half] >= 0.5 - 1e-6)
        and np.all(share[time_s >= full] >= 1.0 - 1e-6)
    )


@dataclass(frozen=True)
class FcrSize:
    """Duty of an area: its FCR, the part that must stay inside, and the most that may be sold on top."""

    obligation_mw: int
    core_mw: int
    export_limit_mw: float


def fcr_size(
    reference_incident_mw: float, area_share: float, *, core_share: float = 0.3, export_limit_mw: float = 100.0
) -> FcrSize:
    """Size the FCR of an area (TenneT, ancillary services: 3000 MW times 4.1026 % is 123 MW in 2025).

    Parameters
    ----------
    reference_incident_mw : float
        Reference incident of the synchronous area.
    area_share : float
        Share of the area.
    core_share : float
        Share that must be located in the area.
    export_limit_mw : float
        Least allowed export; a larger 30 % share counts instead.

    Returns
    -------
    FcrSize
        Whole MW.
    """
    duty = round(reference_incident_mw * area_share)
    return FcrSize(duty, round(core_share * duty), max(core_share * duty, export_limit_mw))


def symmetric_offer_mw(plan_mw: Any, lowest_mw: Any, highest_mw: Any, *, step_mw: float = 1.0) -> np.ndarray:
    """Largest symmetric power of a pool around its planned consumption.

    Parameters
    ----------
    plan_mw, lowest_mw, highest_mw : array_like of float
        Planned, smallest and largest consumption.
    step_mw : float
        Bid step.

    Returns
    -------
    array of float
        The smaller of both distances, rounded down to the step, never negative.
    """
    plan = np.asarray(plan_mw, dtype=np.float64)
    room = np.minimum(plan - np.asarray(lowest_mw), np.asarray(highest_mw) - plan)
    return np.maximum(0.0, np.floor(room / step_mw + 1e-9) * step_mw)


PENALTY_FACTORS = {"lack_of_response": 20.0, "non_availability": 5.0}
ALLOCATION_PENALTY_EUR = 2500.0


def fcr_penalty_eur(kind: str, *, price_eur_per_mw: float, missing_mw: float, share_of_block: float) -> float:
    """Penalty for FCR that was not there (factors: FCR handbook and framework agreement).

    Parameters
    ----------
    kind : str
        ``"lack_of_response"`` (found by the operator) or ``"non_availability"`` (reported in time).
    price_eur_per_mw : float
        Capacity price of the block.
    missing_mw : float
        Power that lacked.
    share_of_block : float
        Part of the block concerned, 1/16 for one ISP of a four-hour block.

    Returns
    -------
    float
        €, paid by the provider.
    """
    return PENALTY_FACTORS[kind] * price_eur_per_mw * missing_mw * share_of_block


def allocation_penalty_eur(received_h: float) -> float:
    """Administrative penalty for a late allocation message.

    Parameters
    ----------
    received_h : float
        Hour of its first version counted from midnight of D-1; infinite for none. 17 is the deadline.

    Returns
    -------
    float
        € 2500 after the deadline, else 0. Without any message by 09:00 of D+1 (hour 57) the whole volume is also
        non-available, see :func:`is_without_allocation`.
    """
    return ALLOCATION_PENALTY_EUR if received_h > 17.0 else 0.0


def is_without_allocation(received_h: float) -> bool:
    """Whether no allocation message arrived by 09:00 of D+1, hours as in :func:`allocation_penalty_eur`."""
    return math.isnan(received_h) or received_h > 57.0
