"""Effect of one lever or uncertainty: the mean of a key figure at each of its values, averaged over all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval

MAX_LEVELS = 8
"""Number factors with more different values are cut into bins."""
BINS = 5


@dataclass(frozen=True)
class Level:
    """A value (or bin) of a factor and what the key figure is there.

    Parameters
    ----------
    label : str
        The value, or "low to high" of a bin.
    position : float
        Where it stands on an axis: the value or the middle of the bin; its number for words.
    mean : Interval
        Of the key figure.
    change : Interval
        Against the first level; with several replications from pairs of the same replication. All changes of a factor
        hold together at the level of confidence (Bonferroni), so that the largest of many is not called sure by luck.
    """

    label: str
    position: float
    mean: Interval
    change: Interval


@dataclass(frozen=True)
class Effect:
    """Effect of one factor on one key figure."""

    factor: str
    kpi: str
    levels: tuple[Level, ...]
    is_numeric: bool

    @property
    def span(self) -> float:
        """Largest minus smallest mean over the levels; NaN without any."""
        means = np.array([level.mean.mean for level in self.levels])
        means = means[np.isfinite(means)]
        return float(np.ptp(means)) if means.size else float("nan")

    @property
    def strongest(self) -> Level | None:
        """The level that differs most from the first one, if any does beyond its interval."""
        sure = [v for v in self.levels[1:] if abs(v.change.mean) > v.change.half_width]
        return max(sure, key=lambda v: abs(v.change.mean)) if sure else None


def effect_of(observations: pl.DataFrame, factor: str, kpi: str, confidence: float = 0.95) -> Effect | None:
    """Effect of a factor; None if it has fewer than two values in these observations.

    Parameters
    ----------
    observations : polars.DataFrame
        One row per point and replication: the factor's column, ``replication`` and the key figure. The design must be
        balanced or random in the other factors, otherwise their effects mix in.
    factor : str
        Column of the lever or uncertainty.
    kpi : str
        Key figure.
    confidence : float
        Level of the intervals.
    """
    column = observations[factor]
    is_numeric = column.dtype.is_numeric()
    bins = _binned(column.cast(pl.Float64).to_numpy()) if is_numeric else _words(column)
    if len(bins) < 2:
        return None
    values = observations[kpi].cast(pl.Float64).to_numpy()
    replication = observations["replication"].to_numpy()
    has_pairs = np.unique(replication).size >= 2
    per_level = [_units(values[rows], replication[rows], by_replication=has_pairs) for _, _, rows in bins]
    strict = 1.0 - (1.0 - confidence) / (len(bins) - 1)
    levels = []
    for (label, position, _), mine in zip(bins, per_level, strict=True):
        change = _paired(mine, per_level[0], strict) if has_pairs else _apart(mine, per_level[0], strict)
        levels.append(Level(label, position, mean_interval(mine, confidence), change))
    return Effect(factor, kpi, tuple(levels), is_numeric)


def _words(column: pl.Series) -> list[tuple[str, float, np.ndarray]]:
    found = column.unique(maintain_order=True).to_list()
    return [(str(v), float(k), column.eq(v).to_numpy()) for k, v in enumerate(found)]


def _binned(values: np.ndarray) -> list[tuple[str, float, np.ndarray]]:
    found = np.unique(values)
    if found.size <= MAX_LEVELS:
        return [(f"{v:g}", float(v), values == v) for v in found]
    edges = np.quantile(values, np.linspace(0.0, 1.0, BINS + 1))
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    return [
        (f"{edges[k]:.3g} to {edges[k + 1]:.3g}", float(edges[k] + edges[k + 1]) / 2, place == k)
        for k in range(BINS)
        if np.any(place == k)
    ]


def _units(values: np.ndarray, replication: np.ndarray, *, by_replication: bool) -> np.ndarray:
    """One value a replication, at its number (NaN = none), or simply all values."""
    finite = np.isfinite(values)
    if not by_replication:
        return values[finite]
    n = np.bincount(replication[finite])
    total = np.bincount(replication[finite], weights=values[finite])
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _paired(values: np.ndarray, first: np.ndarray, confidence: float) -> Interval:
    """Difference against the first level over the replications that both have."""
    n = min(values.size, first.size)
    return mean_interval(values[:n] - first[:n], confidence)


def _apart(values: np.ndarray, first: np.ndarray, confidence: float) -> Interval:
    """Difference of the means of two independent samples; its half width is on the safe side."""
    if values is first:
        return Interval(0.0, 0.0, values.size)
    a, b = mean_interval(values, confidence), mean_interval(first, confidence)
    return Interval(a.mean - b.mean, float(np.hypot(a.half_width, b.half_width)), min(a.n, b.n))


def one_at_a_time(observations: pl.DataFrame, factor: str, others: dict[str, Any]) -> pl.DataFrame:
    """The observations in which only this factor moves: all others at their base values."""
    keep = [pl.col(key) == value for key, value in others.items() if key != factor]
    return observations.filter(*keep) if keep else observations
