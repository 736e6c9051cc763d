"""Means with confidence intervals, quantile bands, and convergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW_REPLICATIONS = 20
"""Below this number intervals of skewed figures cover less than they say."""


@dataclass(frozen=True)
class Interval:
    """A mean and how well it is known.

    Parameters
    ----------
    mean : float
        NaN without values.
    half_width : float
        Of the confidence interval; NaN with fewer than two values.
    n : int
        Values used.
    """

    mean: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width

    @property
    def is_rough(self) -> bool:
        """Too few values to trust the interval of a skewed figure."""
        return self.n < FEW_REPLICATIONS


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean; NaN values are left out.

    Parameters
    ----------
    values : numpy.ndarray
        float64[n], one value a replication.
    confidence : float
        Level of the interval.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if finite.size < 2:
        return Interval(float(finite[0]) if finite.size else float("nan"), float("nan"), finite.size)
    error = float(np.std(finite, ddof=1)) / np.sqrt(finite.size)
    return Interval(float(np.mean(finite)), t_quantile(confidence, finite.size - 1) * error, finite.size)


def t_quantile(confidence: float, freedom: int) -> float:
    """Two-sided quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2))


def quantile_band(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Median with the quantiles that hold a share of the values, for figures with a long tail."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return (float("nan"),) * 3
    low, middle, high = np.quantile(finite, [0.5 - confidence / 2, 0.5, 0.5 + confidence / 2]).tolist()
    return low, middle, high


def convergence(values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Running mean and half width after 1, 2, … replications, float64[n] each; the first half width is NaN."""
    values = np.asarray(values, dtype=np.float64)
    found = [mean_interval(values[: n + 1], confidence) for n in range(values.size)]
    return np.array([i.mean for i in found]), np.array([i.half_width for i in found])
