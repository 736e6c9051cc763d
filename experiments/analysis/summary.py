"""Tables of a sweep: policies with means and differences from the base, regret over states, indices of factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval
from experiments.analysis.paired import paired_difference
from experiments.analysis.robustness import max_regret
from experiments.analysis.sensitivity import Indices, morris_indices, sobol_indices
from experiments.kpis import KPIS
from experiments.results import Results
from experiments.store.folder import FolderError
from experiments.sweep.design import joint_positions

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


def outcome_matrix(results: Results, kpi: str) -> np.ndarray:
    """Mean over replications of a key figure, float64[policies, samples]; NaN where no run is sound."""
    mean = results.observations.group_by("policy", "sample").agg(pl.col(kpi).drop_nans().mean())
    shape = (len(results.manifest["policies"]), 1 + int(results.points["sample"].to_numpy().max()))
    outcomes = np.full(shape, np.nan)
    outcomes[mean["policy"].to_numpy(), mean["sample"].to_numpy()] = mean[kpi].cast(pl.Float64).to_numpy()
    return outcomes


def regret_rows(results: Results) -> list[dict[str, Any]]:
    """Largest regret of every policy over the samples of the uncertainties: policy, kpi, max_regret.

    Only figures that have a better direction are judged.
    """
    rows = []
    for kpi in results.manifest["kpis"]:
        if KPIS[kpi].better:
            worst = max_regret(outcome_matrix(results, kpi), lower_is_better=KPIS[kpi].better == "lower")
            named = zip(results.manifest["policies"], worst.tolist(), strict=True)
            rows += [{"policy": name, "kpi": kpi, "max_regret": value} for name, value in named]
    return rows


def indices_of(results: Results, kpi: str) -> Indices:
    """Sobol or Morris indices of a key figure over the levers and uncertainties of a joint design.

    Raises
    ------
    FolderError
        If the sweep has another design, or a point without a value.
    """
    head = results.manifest["sweep"]["sweep"]
    factors = tuple(a["key"] for kind in ("lever", "uncertainty") for a in results.manifest["sweep"].get(kind, []))
    values = outcome_matrix(results, kpi)[:, 0]
    try:
        if head["design"] == "sobol":
            return sobol_indices(factors, values, head["confidence"])
        if head["design"] == "morris":
            positions = joint_positions("morris", len(factors), head["samples"], head["seed"])
            return morris_indices(factors, positions, values, head["confidence"])
    except ValueError as error:
        raise FolderError(f"no indices of {kpi}: {error}") from None
    raise FolderError(f"indices need design = 'sobol' or 'morris', this sweep has '{head['design']}'")


def index_rows(results: Results) -> list[dict[str, Any]]:
    """Indices of every key figure of interest: kpi, factor, first, total with half widths, or the reason for none."""
    rows: list[dict[str, Any]] = []
    for kpi in results.manifest["kpis"]:
        try:
            found = indices_of(results, kpi)
        except FolderError as error:
            rows.append({"kpi": kpi, "factor": "", "note": str(error)})
            continue
        columns = (found.first, found.first_half_width, found.total, found.total_half_width)
        names = ("first", "first_half_width", "total", "total_half_width")
        for row, factor in enumerate(found.factors):
            values = {name: float(column[row]) for name, column in zip(names, columns, strict=True)}
            rows.append({"kpi": kpi, "factor": factor, "note": ""} | values)
    return rows
