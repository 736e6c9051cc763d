"""Differences between policies on common random numbers: run against run with the same seed and state of the world."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.analysis.cube import cube_of, difference_of
from experiments.analysis.intervals import Interval


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
        ``n`` counts the replications, each averaged over the states of the uncertainties (the pairs, if there are
        fewer than two replications); pairs of which one run is missing or undefined are left out.
    """
    cube = cube_of(observations, kpi, max(policy, base) + 1)
    return difference_of(cube[policy], cube[base], confidence)


def variance_ratio(observations: pl.DataFrame, policy: int, base: int, kpi: str) -> float:
    """How much pairing helps: variance of an unpaired difference over that of the paired one."""
    cube = cube_of(observations, kpi, max(policy, base) + 1)
    paired = float(np.nanvar(cube[policy] - cube[base], ddof=1))
    unpaired = float(np.nanvar(cube[policy], ddof=1) + np.nanvar(cube[base], ddof=1))
    return unpaired / paired if paired > 0 else float("inf")
