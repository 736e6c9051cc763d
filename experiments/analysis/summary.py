"""Tables of a sweep: policies with means and differences from the base, regret over states, indices of factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.analysis.cube import cube_of, difference_of, interval_of, state_means
from experiments.analysis.intervals import Interval
from experiments.analysis.robustness import regret
from experiments.analysis.sensitivity import Indices, morris_indices, sobol_indices
from experiments.kpis import KPIS
from experiments.results import Results
from experiments.store.folder import FolderError
from experiments.sweep.design import joint_positions

_UNKNOWN = Interval(float("nan"), float("nan"), 0)
_NONE = np.empty(0)


def policy_rows(results: Results, kpis: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per policy and key figure.

    Parameters
    ----------
    results : Results
        A sweep.
    kpis : sequence of str
        Key figures; those of interest if empty.

    Returns
    -------
    list of dict
        policy, kpi, mean, half_width, n, is_base, difference, difference_half_width (against the base policy, NaN if
        there is none), is_significant (the interval of the difference does not hold zero).
    """
    seen, names = results.observations, results.manifest["policies"]
    base = int(results.manifest["base_policy"])
    confidence = float(results.manifest["sweep"]["sweep"]["confidence"])
    wanted = kpis or results.manifest["kpis"]
    cubes = {kpi: cube_of(seen, kpi, len(names)) for kpi in wanted}
    rows = []
    for policy, name in enumerate(names):
        for kpi in wanted:
            mine = cubes[kpi][policy]
            mean = interval_of(mine, confidence)
            moved = difference_of(mine, cubes[kpi][base], confidence) if base >= 0 else _UNKNOWN
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
    return state_means(cube_of(results.observations, kpi, len(results.manifest["policies"])))


def regret_rows(results: Results, kpis: Sequence[str] = ()) -> list[dict[str, Any]]:
    """How every policy holds up over the states of the uncertainties.

    Only figures that have a better direction are judged, in the states in which every policy has a value.

    Returns
    -------
    list of dict
        policy, kpi, max_regret, mean_regret, share_not_worse (states in which it is at least as good as the base
        policy; NaN without a base), n_states.
    """
    rows: list[dict[str, Any]] = []
    base, names = int(results.manifest["base_policy"]), results.manifest["policies"]
    for kpi in kpis or results.manifest["kpis"]:
        if not KPIS[kpi].better:
            continue
        lower = KPIS[kpi].better == "lower"
        outcomes = outcome_matrix(results, kpi)
        outcomes = outcomes[:, np.all(np.isfinite(outcomes), axis=0)]
        n = outcomes.shape[1]
        lost = regret(outcomes, lower_is_better=lower) if n else np.full((len(names), 1), np.nan)
        for row, name in enumerate(names):
            gain = (outcomes[base] - outcomes[row]) * (1.0 if lower else -1.0) if base >= 0 and n else _NONE
            rows.append(
                {
                    "policy": name,
                    "kpi": kpi,
                    "max_regret": float(np.max(lost[row])),
                    "mean_regret": float(np.mean(lost[row])),
                    "share_not_worse": float(np.mean(gain >= 0.0)) if gain.size else float("nan"),
                    "n_states": n,
                }
            )
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


def index_rows(results: Results, kpis: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Indices of every key figure of interest: kpi, factor, first, total with half widths, or the reason for none."""
    rows: list[dict[str, Any]] = []
    for kpi in kpis or results.manifest["kpis"]:
        try:
            found = indices_of(results, kpi)
        except FolderError as error:
            rows.append({"kpi": kpi, "factor": "", "note": str(error)})
            continue
        columns = (found.first, found.first_half_width, found.total, found.total_half_width, found.sigma)
        names = ("first", "first_half_width", "total", "total_half_width", "sigma")
        for row, factor in enumerate(found.factors):
            values = {name: float(column[row]) for name, column in zip(names, columns, strict=True)}
            rows.append({"kpi": kpi, "factor": factor, "note": ""} | values)
    return rows
