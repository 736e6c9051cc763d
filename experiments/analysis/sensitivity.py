"""Sensitivity indices of joint designs: Sobol and Morris, with intervals.

SALib answers zero for everything, without a word, if a single value is not a number; that is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.sweep.design import MORRIS_LEVELS, joint_problem


@dataclass(frozen=True)
class Indices:
    """Indices of one key figure, one entry per factor.

    Parameters
    ----------
    factors : tuple of str
        Keys in the order of the design.
    first, first_half_width : numpy.ndarray
        Sobol: first-order index. Morris: mean of the elementary effects.
    total, total_half_width : numpy.ndarray
        Sobol: total index. Morris: mean of the absolute elementary effects (mu star).
    sigma : numpy.ndarray
        Morris: standard deviation of the elementary effects; Sobol: zeros.
    """

    factors: tuple[str, ...]
    first: np.ndarray
    first_half_width: np.ndarray
    total: np.ndarray
    total_half_width: np.ndarray
    sigma: np.ndarray

    def ranking(self) -> list[str]:
        """Factors from the most to the least influential by total index; ties by name."""
        return [f for _, f in sorted(zip(-self.total, self.factors, strict=True), key=lambda pair: (pair[0], pair[1]))]


def sobol_indices(factors: tuple[str, ...], values: np.ndarray, confidence: float = 0.95, seed: int = 1) -> Indices:
    """Sobol indices from the rows of a Saltelli design.

    Parameters
    ----------
    factors : tuple of str
        Keys.
    values : numpy.ndarray
        float64[samples * (factors + 2)], mean of the key figure at every point, in the order of the design.
    confidence : float
        Level of the bootstrap intervals.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        For a value that is not finite, a wrong number of rows, or values that are all the same.
    """
    from SALib.analyze import sobol

    _check(values, len(factors) + 2)
    found = sobol.analyze(
        joint_problem(len(factors)), values, calc_second_order=False, conf_level=confidence, seed=seed
    )
    zeros = np.zeros(len(factors))
    return Indices(factors, found["S1"], found["S1_conf"], found["ST"], found["ST_conf"], zeros)


def morris_indices(
    factors: tuple[str, ...], positions: np.ndarray, values: np.ndarray, confidence: float = 0.95, seed: int = 1
) -> Indices:
    """Morris's elementary effects; see :func:`sobol_indices` for errors.

    Parameters
    ----------
    factors : tuple of str
        Keys.
    positions : numpy.ndarray
        float64[n, factors], the design's positions in the unit cube.
    values : numpy.ndarray
        float64[n], mean of the key figure at every point.
    confidence : float
        Level of the bootstrap intervals of mu star.
    seed : int
        Of the bootstrap.
    """
    from SALib.analyze import morris

    _check(values, len(factors) + 1)
    found = morris.analyze(
        joint_problem(len(factors)), positions, values, num_levels=MORRIS_LEVELS, conf_level=confidence, seed=seed
    )
    half_width = np.asarray(found["mu_star_conf"], dtype=np.float64)
    effects = [np.asarray(found[name], dtype=np.float64) for name in ("mu", "mu_star", "sigma")]
    return Indices(factors, effects[0], half_width, effects[1], half_width, effects[2])


def _check(values: np.ndarray, rows_per_sample: int) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(f"{bad.size} points have no value (the first is point {bad[0]}); indices would all read zero")
    if values.size % rows_per_sample:
        raise ValueError(f"{values.size} points are no multiple of {rows_per_sample}, so the design is incomplete")
    if np.ptp(values) == 0.0:
        raise ValueError("the key figure is the same at every point; there is nothing to explain")
