"""The table of a sweep: every policy, every key figure of interest, its mean and its difference from the base."""

from __future__ import annotations

from typing import Any

import polars as pl

from experiments.analysis.intervals import Interval, mean_interval
from experiments.analysis.paired import paired_difference
from experiments.results import Results

_UNKNOWN = Interval(float("nan"), float("nan"), 0)


def policy_rows(results: Results) -> list[dict[str, Any]]:
    """One row per policy and key figure of interest.

    Parameters
    ----------
    results : Results
        A sweep.

    Returns
    -------
    list of dict
        policy, kpi, mean, half_width, n, is_base, difference, difference_half_width (against the base policy, NaN if
        there is none), is_significant (the interval of the difference does not hold zero).
    """
    seen = results.observations
    base = int(results.manifest["base_policy"])
    confidence = float(results.manifest["sweep"]["sweep"]["confidence"])
    rows = []
    for policy, name in enumerate(results.manifest["policies"]):
        mine = seen.filter(pl.col("policy") == policy)
        for kpi in results.manifest["kpis"]:
            mean = mean_interval(mine[kpi].to_numpy(), confidence)
            moved = paired_difference(seen, policy, base, kpi, confidence) if base >= 0 else _UNKNOWN
            rows.append(
                {
                    "policy": name,
                    "kpi": kpi,
                    "mean": mean.mean,
                    "half_width": mean.half_width,
                    "n": mean.n,
                    "is_base": policy == base,
                    "difference": moved.mean,
                    "difference_half_width": moved.half_width,
                    "is_significant": abs(moved.mean) > moved.half_width,
                }
            )
    return rows
