"""A key figure of a whole sweep as one array: policies by states of the uncertainties by replications.

Replications of all policies and states share their random numbers, and the states are a fixed design, not a draw. So
what counts as one independent value is a replication: its mean over all states. With a single replication the states
themselves have to do.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.analysis.intervals import Interval, mean_interval


def cube_of(observations: pl.DataFrame, kpi: str, n_policies: int | None = None) -> np.ndarray:
    """Values of a key figure, float64[policies, samples, replications]; NaN where there is no sound run.

    Parameters
    ----------
    observations : polars.DataFrame
        Columns ``policy``, ``sample``, ``replication`` and the key figure.
    kpi : str
        Key figure.
    n_policies : int, optional
        Policies of the sweep, where the last may have no run.
    """
    place = tuple(observations[c].to_numpy() for c in ("policy", "sample", "replication"))
    shape = [int(p.max()) + 1 if p.size else 0 for p in place]
    cube = np.full((max(shape[0], n_policies or 0), *shape[1:]), np.nan)
    cube[place] = observations[kpi].cast(pl.Float64).to_numpy()
    return cube


def units(values: np.ndarray) -> np.ndarray:
    """Independent values of one policy, float64[n], from float64[samples, replications].

    Replications in which every state has a value, averaged over the states; every finite value if there are fewer
    than two of them.
    """
    whole = values[:, np.all(np.isfinite(values), axis=0)]
    if whole.shape[0] and whole.shape[1] >= 2:
        return np.mean(whole, axis=0)
    return values[np.isfinite(values)]


def interval_of(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Mean and interval of one policy's values, float64[samples, replications]."""
    return mean_interval(units(values), confidence)


def difference_of(values: np.ndarray, base: np.ndarray, confidence: float = 0.95) -> Interval:
    """Mean and interval of the differences of two policies, state by state and replication by replication."""
    return mean_interval(units(values - base), confidence)


def state_means(cube: np.ndarray) -> np.ndarray:
    """Mean over the replications, float64[policies, samples]; NaN where no run is sound."""
    known = np.isfinite(cube)
    n = known.sum(axis=2)
    total = np.where(known, cube, 0.0).sum(axis=2)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)
