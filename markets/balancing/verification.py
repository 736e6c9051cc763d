"""Checking the delivery of FCR per ISP (TenneT, FCR handbook v3.10, section 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from markets.balancing.fcr import NOMINAL_HZ, FcrRules, fcr_response_mw, slowest_response_mw


@dataclass(frozen=True)
class FcrVerification:
    """Quality of delivery per ISP.

    Parameters
    ----------
    out_of_bound_share : array of float, shape (n_isp,)
        Share of the time with too little delivery.
    slope_ratio : array of float, shape (n_isp,)
        Delivered over expected power per hertz (regression); NaN where the expected delivery was constant.
    is_adequate : array of bool, shape (n_isp,)
        Both within their bounds; a slope that cannot be fitted is not held against the provider.
    """

    out_of_bound_share: np.ndarray
    slope_ratio: np.ndarray
    is_adequate: np.ndarray


def fcr_corridor_mw(
    frequency_hz: np.ndarray,
    capacity_mw: Any,
    *,
    step_s: float,
    rules: FcrRules | None = None,
    before_hz: float = NOMINAL_HZ,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of the delivery: between the immediate and the slowest answer, plus the tolerance.

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
    lower_mw, upper_mw : array of float, shape (n,)
    """
    rules = rules or FcrRules()
    now = fcr_response_mw(frequency_hz, capacity_mw, rules)
    slow = slowest_response_mw(frequency_hz, capacity_mw, step_s=step_s, rules=rules, before_hz=before_hz)
    tolerance = rules.tolerance_share * np.asarray(capacity_mw, dtype=np.float64)
    return np.minimum(now, slow) - tolerance, np.maximum(now, slow) + tolerance


def verify_fcr(
    frequency_hz: np.ndarray,
    delivered_mw: np.ndarray,
    capacity_mw: Any,
    *,
    step_s: float = 4.0,
    isp_s: float = 900.0,
    rules: FcrRules | None = None,
    before_hz: float = NOMINAL_HZ,
) -> FcrVerification:
    """Judge the delivery of whole ISPs.

    Parameters
    ----------
    frequency_hz : array of float, shape (n,)
        Frequency series.
    delivered_mw : array of float, shape (n,)
        Measurement minus baseline, positive = up.
    capacity_mw : float or array of float, shape (n,)
        Contracted power.
    step_s, isp_s : float
        Time between samples, length of an ISP.
    rules : FcrRules, optional
        The defaults when left out.
    before_hz : float
        Frequency before the first sample.

    Returns
    -------
    FcrVerification
        An ISP at the end that is not complete is left out.
    """
    rules = rules or FcrRules()
    per_isp = round(isp_s / step_s)
    n_isp = len(frequency_hz) // per_isp
    expected = fcr_response_mw(frequency_hz, capacity_mw, rules)
    lower, upper = fcr_corridor_mw(frequency_hz, capacity_mw, step_s=step_s, rules=rules, before_hz=before_hz)
    slack = 1e-9
    is_short = np.where(expected >= 0.0, delivered_mw < lower - slack, delivered_mw > upper + slack)
    cut = (slice(0, n_isp * per_isp),)
    short, want, got = (np.asarray(a)[cut].reshape(n_isp, per_isp) for a in (is_short, expected, delivered_mw))
    out_of_bound = short.mean(axis=1)
    slope = _slope(want, got)
    is_steep = np.isnan(slope) | ((slope >= rules.slope_min - slack) & (slope <= rules.slope_max + slack))
    return FcrVerification(out_of_bound, slope, (out_of_bound < rules.out_of_bound_share) & is_steep)


def _slope(want: np.ndarray, got: np.ndarray) -> np.ndarray:
    """Regression slope of delivered on expected power per row; the frequency scale cancels."""
    spread = want - want.mean(axis=1, keepdims=True)
    square = np.sum(spread * spread, axis=1)
    is_flat = square <= 1e-12 * np.maximum(1.0, np.sum(want * want, axis=1))
    product = np.sum(spread * got, axis=1)
    return np.where(is_flat, np.nan, product / np.where(is_flat, 1.0, square))
