"""What the report of a sweep reads: policies, levers, states and key figures, each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.cube import cube_of, difference_of, interval_of, state_means
from experiments.analysis.effects import Effect, effect_of, one_at_a_time
from experiments.analysis.intervals import Interval, quantile_band
from experiments.kpis import KPIS
from experiments.report.naming import name_of, setting_text
from experiments.report.wording import inside
from experiments.results import Results
from experiments.sweep.design import JOINT_DESIGNS

DEFAULT_KPIS = (
    "driver_cost_eur_per_kwh",
    "ev_peak_kw",
    "transformer_loading_max_share",
    "overload_branch_h",
    "satisfied_share",
    "redispatch_cost_eur",
    "brp_imbalance_cost_eur",
    "fcr_awarded_mw",
    "ev_co2_g_per_kwh",
    "day_ahead_mean_eur_per_mwh",
)
"""Key figures shown for a sweep that names none."""
MOST_KPIS = 10
NAN = float("nan")
UNKNOWN = Interval(NAN, NAN, 0)


@dataclass(frozen=True)
class SweepView:
    """A sweep's results, read-only."""

    results: Results

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Plan and provenance."""
        return self.results.manifest

    @property
    def head(self) -> dict[str, Any]:
        """The section ``[sweep]`` of the file."""
        found: dict[str, Any] = self.manifest["sweep"]["sweep"]
        return found

    @property
    def confidence(self) -> float:
        """Level of all intervals."""
        return float(self.head["confidence"])

    @property
    def is_joint(self) -> bool:
        """Whether levers and uncertainties vary together, so that there is no policy to compare."""
        return self.head["design"] in JOINT_DESIGNS

    @cached_property
    def policies(self) -> list[str]:
        """Names of the policies: as the sweep file has them, else their lever values as people read them."""
        named = [str(name) for name in self.manifest["policies"]]
        if self.is_joint or self.head["design"] == "list":
            return named
        first = self.points.unique("policy", keep="first", maintain_order=True)
        for row in first.to_dicts():
            if named[row["policy"]] != "base":
                told = (f"{inside(name_of(k))} {setting_text(k, row[k])}" for k in self.levers)
                named[row["policy"]] = ", ".join(told)
        return named

    @property
    def base(self) -> int:
        """Row of the base policy, -1 = none."""
        return int(self.manifest["base_policy"])

    @cached_property
    def observations(self) -> pl.DataFrame:
        """One row per point and replication of the sound runs."""
        return self.results.observations

    @cached_property
    def points(self) -> pl.DataFrame:
        """The design."""
        return self.results.points

    @cached_property
    def runs(self) -> pl.DataFrame:
        """All runs."""
        return self.results.runs

    @cached_property
    def levers(self) -> list[str]:
        """Keys that policies vary."""
        named = [a["key"] for a in self.manifest["sweep"].get("lever", [])]
        return named or list(dict.fromkeys(k for p in self.manifest["sweep"].get("policy", []) for k in p["set"]))

    @cached_property
    def uncertainties(self) -> list[str]:
        """Keys that nobody chooses."""
        return [a["key"] for a in self.manifest["sweep"].get("uncertainty", [])]

    @property
    def factors(self) -> list[str]:
        """Levers, then uncertainties."""
        return [*self.levers, *self.uncertainties]

    @property
    def n_states(self) -> int:
        """States of the uncertainties."""
        return int(self.points["sample"].n_unique())

    @cached_property
    def replications(self) -> tuple[int, int]:
        """Fewest and most sound replications of a point."""
        if self.observations.is_empty():
            return 0, 0
        per_point = self.observations.group_by("point").len()["len"].to_numpy()
        return int(per_point.min()), int(per_point.max())

    @cached_property
    def kpis(self) -> list[str]:
        """Key figures shown: those of interest, else the usual ones; only those with a value."""
        named = self.manifest["sweep"]["sweep"].get("kpis") or [k for k in DEFAULT_KPIS if k in KPIS]
        return [k for k in named if self.has_values(k)][:MOST_KPIS]

    @cached_property
    def silent(self) -> list[str]:
        """Key figures asked for that no run has a value of."""
        return [k for k in self.head.get("kpis", []) if not self.has_values(k)]

    def has_values(self, kpi: str) -> bool:
        """Whether any run has the figure."""
        column = self.observations[kpi].cast(pl.Float64)
        return bool(column.is_finite().any())

    @cached_property
    def cubes(self) -> dict[str, np.ndarray]:
        """Every key figure with values as float64[policies, samples, replications]."""
        seen, n = self.observations, len(self.policies)
        return {k: cube_of(seen, k, n) for k in KPIS if self.has_values(k)}

    def level(self, policy: int, kpi: str) -> Interval:
        """Mean of a policy."""
        return interval_of(self.cubes[kpi][policy], self.confidence) if kpi in self.cubes else UNKNOWN

    def band(self, policy: int, kpi: str) -> tuple[float, float]:
        """Between which values nine in ten runs of a policy lie, for figures with a long tail such as overload."""
        low, _, high = quantile_band(self.cubes[kpi][policy].ravel(), 0.9) if kpi in self.cubes else (NAN,) * 3
        return low, high

    def change(self, policy: int, kpi: str) -> Interval:
        """Paired difference of a policy from the base."""
        if self.base < 0 or kpi not in self.cubes:
            return UNKNOWN
        if (policy, kpi) not in self._changes:
            cube = self.cubes[kpi]
            self._changes[policy, kpi] = difference_of(cube[policy], cube[self.base], self.confidence)
        return self._changes[policy, kpi]

    @cached_property
    def _changes(self) -> dict[tuple[int, str], Interval]:
        """Differences already computed."""
        return {}

    def is_sure(self, policy: int, kpi: str) -> bool:
        """Whether the interval of the difference from the base does not hold zero."""
        found = self.change(policy, kpi)
        return policy != self.base and abs(found.mean) > found.half_width

    @cached_property
    def outcomes(self) -> dict[str, np.ndarray]:
        """Mean over replications of every shown figure, float64[policies, samples]."""
        return {k: state_means(self.cubes[k]) for k in self.kpis}

    @cached_property
    def effects(self) -> dict[str, list[Effect]]:
        """Effects of all factors on every shown figure, strongest first."""
        return {k: self._effects(k) for k in self.kpis}

    def _effects(self, kpi: str) -> list[Effect]:
        found = [e for f in self.factors if (e := effect_of(self._around(f), f, kpi, self.confidence)) is not None]
        return sorted(found, key=lambda e: -np.nan_to_num(e.span))

    def _around(self, factor: str) -> pl.DataFrame:
        """The observations that show the effect of one factor; the base only where it belongs to the design."""
        seen = self.observations
        if self.head["design"] in ("one_at_a_time", "list") and factor in self.levers:
            return one_at_a_time(seen, factor, self._at_base())
        is_extra = self.head["design"] in ("full_factorial", "latin_hypercube") and self._has_extra_base
        return seen.filter(pl.col("policy") != self.base) if is_extra else seen

    @cached_property
    def _has_extra_base(self) -> bool:
        """Whether the base was added to the design."""
        return self.base == 0 and self.policies[0] == "base" and len(self.policies) > 1

    def _at_base(self) -> dict[str, Any]:
        """Values of the levers in the base policy; of the commonest value where there is none."""
        rows = self.points.filter(pl.col("policy") == self.base) if self.base >= 0 else self.points
        return {key: rows[key].mode().sort()[0] for key in self.levers if key in rows.columns and rows.height}

    @cached_property
    def n_failed(self) -> int:
        """Runs without a result."""
        return int((self.runs["status"] != "ok").sum())
