"""Stationary random series with a memory: the building block of weather, forecast errors and daily scatter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

QUARTER_H = 0.25


def persistent(
    n_steps: int,
    memory_h: Sequence[float],
    rng: np.random.Generator,
    *,
    smooth_h: float = 0.0,
    step_h: float = QUARTER_H,
) -> np.ndarray:
    """Draw first-order autoregressive series with mean 0 and variance 1 at every step.

    Parameters
    ----------
    n_steps : int
        Length of every series.
    memory_h : sequence of float, length n_series
        Time in hours after which the autocorrelation has fallen to about 1/e; above 0.
    rng : numpy.random.Generator
        Source of randomness.
    smooth_h : float
        Time constant of a low-pass filter over the series (the spatial mean of a country has no jumps); 0 for none.
    step_h : float
        Length of a step in hours.

    Returns
    -------
    array of float, shape (n_series, n_steps)
        Series drawn from their stationary distribution, independent of each other.
    """
    keep = np.exp(-step_h / np.asarray(memory_h, dtype=np.float64))
    rough = rng.standard_normal((n_steps, keep.size))
    rough[1:] *= np.sqrt(1.0 - keep**2)
    _accumulate(rough, keep)
    if smooth_h <= 0.0:
        return rough.T.copy()
    slow = np.full(keep.size, np.exp(-step_h / smooth_h))
    gain = np.sqrt(1.0 - slow**2)
    # variance of the filtered series and its covariance with the first rough value, so that it starts stationary
    variance = (1.0 + keep * slow) / (1.0 - keep * slow)
    covariance = gain / (1.0 - keep * slow)
    first = covariance * rough[0] + np.sqrt(variance - covariance**2) * rng.standard_normal(keep.size)
    rough *= gain
    rough[0] = first
    _accumulate(rough, slow)
    return (rough / np.sqrt(variance)).T.copy()


def _accumulate(shocks: np.ndarray, keep: np.ndarray) -> None:
    """Turn shocks of shape (n_steps, n_series) into autoregressive series in place."""
    for before, now in pairwise(shocks):
        now += keep * before


def softplus_exponent(normal: np.ndarray) -> np.ndarray:
    """Logit of the standard normal distribution function, to 1.4e-4 in probability (Bowling et al. 2009)."""
    return 1.5976 * normal + 0.07056 * normal**3


def probability(normal: np.ndarray) -> np.ndarray:
    """Standard normal distribution function, to 1.4e-4; keeps scipy out of the start-up."""
    return 1.0 / (1.0 + np.exp(-softplus_exponent(normal)))


def weibull(normal: np.ndarray, shape: float) -> np.ndarray:
    """Turn standard normal values into Weibull values of scale 1 by their probability."""
    return np.logaddexp(0.0, softplus_exponent(normal)) ** (1.0 / shape)
