"""Differences between policies on common random numbers: run against run with the same seed and state of the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval

PAIR = ("sample", "replication")
"""What two runs must share to be compared."""


def paired_difference(
    observations: pl.DataFrame, policy: int, base: int, kpi: str, confidence: float = 0.95
) -> Interval:
    """Mean difference of a key figure between two policies, with the interval of the paired differences.

    Parameters
    ----------
    observations : polars.DataFrame
        Columns ``policy``, ``sample``, ``replication`` and the key figure.
    policy, base : int
        Policies compared; the difference is policy minus base.
    kpi : str
        Key figure.
    confidence : float
        Level of the interval.

    Returns
    -------
    Interval
        ``n`` counts the pairs; pairs of which one run is missing or undefined are left out.
    """
    return mean_interval(differences(observations, policy, base, kpi)[kpi].to_numpy(), confidence)


def differences(observations: pl.DataFrame, policy: int, base: int, kpi: str) -> pl.DataFrame:
    """Differences pair by pair: sample, replication, and the key figure's difference."""
    sides = [observations.filter(pl.col("policy") == p).select(*PAIR, kpi) for p in (policy, base)]
    joined = sides[0].join(sides[1], on=PAIR, suffix="_base").sort(PAIR)
    return joined.select(*PAIR, pl.col(kpi) - pl.col(f"{kpi}_base"))


def variance_ratio(observations: pl.DataFrame, policy: int, base: int, kpi: str) -> float:
    """How much pairing helps: variance of an unpaired difference over that of the paired one."""
    values: list[Any] = [observations.filter(pl.col("policy") == p)[kpi].to_numpy() for p in (policy, base)]
    paired = float(np.var(differences(observations, policy, base, kpi)[kpi].to_numpy(), ddof=1))
    unpaired = float(np.var(values[0], ddof=1) + np.var(values[1], ddof=1))
    return unpaired / paired if paired > 0 else float("inf")
