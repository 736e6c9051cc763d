"""Breaches of an agreement: what was promised, what happened, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_METER_KW = 1e-6  # below this a difference is float noise


class Breach(NamedTuple):
    """One broken promise.

    ``rule`` names it, ``by`` is ``"customer"`` or ``"operator"``. ``value_kw`` is the measured mean (customer) or
    the limit given (operator), ``limit_kw`` what would have been right. ``energy_kwh`` is the difference over the
    time from ``period`` on, ``penalty_eur`` what the one who broke it owes.
    """

    rule: str
    by: str
    row: int
    period: int
    n_periods: int
    limit_kw: float
    value_kw: float
    energy_kwh: float
    penalty_eur: float


class Exceedances(NamedTuple):
    """Every period and connection above its limit, as columns of one length (for whole fleets)."""

    period: np.ndarray
    row: np.ndarray
    excess_kw: np.ndarray
    energy_kwh: np.ndarray


def exceedances(measured_kw: np.ndarray, limit_kw: np.ndarray | float, period_h: float) -> Exceedances:
    """Find every measured period mean above its limit.

    Parameters
    ----------
    measured_kw : float64[n_periods, n_connections]
        Mean power per period, consumption positive. NaN (no reading) is no breach.
    limit_kw : float64, broadcast to the same shape
        What may be drawn.
    period_h : float
        Length of a period.

    Returns
    -------
    Exceedances
        Ordered by period, then row.
    """
    measured = np.asarray(measured_kw, dtype=np.float64)
    excess = np.nan_to_num(measured - np.broadcast_to(np.asarray(limit_kw, dtype=np.float64), measured.shape))
    period, row = np.nonzero(excess > _METER_KW)
    over = excess[period, row]
    return Exceedances(period, row, over, over * period_h)


def over_limit(
    rule: str, measured_kw: np.ndarray, limit_kw: np.ndarray, period_h: float, penalty_eur_per_mwh: float, row: int = 0
) -> list[Breach]:
    """Customer breaches of one connection, one a period; arrays float64[n_periods]."""
    found = exceedances(measured_kw[:, None], limit_kw[:, None], period_h)
    return [
        Breach(
            rule, "customer", row, int(p), 1, float(limit_kw[p]), float(measured_kw[p]), float(e),
            float(e) / 1000 * penalty_eur_per_mwh,
        )
        for p, e in zip(found.period, found.energy_kwh, strict=True)
    ]  # fmt: skip


def under_mean(
    rule: str,
    limit_kw: np.ndarray,
    needed_mean_kw: float,
    starts: np.ndarray,
    period_h: float,
    penalty_eur_per_mwh: float,
    row: int = 0,
) -> list[Breach]:
    """Operator breaches: stretches (from ``starts``) whose mean limit is below the promised mean."""
    length = np.diff(np.append(starts, limit_kw.shape[0]))
    mean = np.add.reduceat(limit_kw, starts) / length
    found = []
    for k in np.flatnonzero(mean < needed_mean_kw - _METER_KW):
        short = (needed_mean_kw - mean[k]) * length[k] * period_h
        owed = float(short / 1000 * penalty_eur_per_mwh)
        found.append(
            Breach(
                rule,
                "operator",
                row,
                int(starts[k]),
                int(length[k]),
                needed_mean_kw,
                float(mean[k]),
                float(short),
                owed,
            )
        )
    return found


def total_penalty_eur(breaches: Sequence[Breach], by: str) -> float:
    """What one side owes for its breaches."""
    return float(np.sum([b.penalty_eur for b in breaches if b.by == by]))
