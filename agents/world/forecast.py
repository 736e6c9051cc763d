"""Forecasts as any role would see them: right on average, better the closer the target comes.

The error of one target period is a sum of independent pieces, one per span of lead time; as a span passes, its piece
becomes known. A later forecast is therefore never worse informed than an earlier one, revisions cannot be predicted,
and the error at lead 0 is nil. Each piece is autocorrelated over the target periods (a missed front shifts hours, not
single quarters).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from agents.world.noise import persistent


@dataclass(frozen=True)
class ErrorGrowth:
    """Standard deviation of the forecast error against lead time, straight between the knots and flat after the last.

    Parameters
    ----------
    lead_h : tuple of float
        Lead times in hours, rising, all above 0; the error at lead 0 is nil.
    sigma : tuple of float
        Standard deviation at these lead times, never falling, in the unit of the forecast quantity.
    """

    lead_h: tuple[float, ...]
    sigma: tuple[float, ...]

    def __post_init__(self) -> None:
        leads, sigmas = np.array((0.0, *self.lead_h)), np.array((0.0, *self.sigma))
        if (
            leads.size != sigmas.size
            or leads.size < 2
            or (np.diff(leads) <= 0.0).any()
            or (np.diff(sigmas) < 0.0).any()
        ):
            raise ValueError(
                f"lead_h {self.lead_h} must rise from above 0 and sigma {self.sigma} must be as long and never fall"
            )

    def at(self, lead_h: np.ndarray) -> np.ndarray:
        """Standard deviation at any lead time in hours; 0 for times that have passed."""
        return np.interp(lead_h, (0.0, *self.lead_h), (0.0, *self.sigma))

    def known_shares(self, lead_h: np.ndarray) -> np.ndarray:
        """Weight of every piece of error at any lead time, shape (n_knots, n_targets).

        The squares of a column sum to the variance at that lead.
        """
        edges = np.array((0.0, *self.lead_h))
        reached = np.clip(lead_h[None, :], edges[:-1, None], edges[1:, None])
        return np.sqrt(np.maximum(self.at(reached) ** 2 - self.at(edges[:-1])[:, None] ** 2, 0.0))


@lru_cache(maxsize=512)
def _weights(growth: ErrorGrowth, leads: bytes, period_h: float) -> np.ndarray:
    """Shares of some leads in periods (the bytes of their int64 array): everybody asks for the same few again."""
    weights = growth.known_shares(np.frombuffer(leads, dtype=np.int64) * period_h)
    weights.setflags(write=False)
    return weights


NEAR_PERIODS = 12
"""Length of :attr:`ForecastSource.near`: the quarters that continuous trade asks for in every period."""


@dataclass(frozen=True)
class ForecastSource:
    """The truth and what is not known of it yet.

    Parameters
    ----------
    actual : array of float, shape (n_periods,)
        What will happen.
    sigma_of_lead : ErrorGrowth
        Size of the error.
    error : array of float, shape (n_knots, n_periods)
        Unit-variance pieces of error, see :func:`forecast_source`.
    low, high : float
        Physical limits of the quantity; a forecast beyond them is cut, which biases it slightly near the limits.
    period_h : float
        Length of a period in hours.
    """

    actual: np.ndarray
    sigma_of_lead: ErrorGrowth
    error: np.ndarray
    low: float = -np.inf
    high: float = np.inf
    period_h: float = 0.25

    def issued_at(self, period: int, targets: np.ndarray | Sequence[int]) -> np.ndarray:
        """Forecast made at the start of a period.

        Parameters
        ----------
        period : int
            Period of issue; negative for days before the horizon.
        targets : array of int, shape (n_targets,)
            Periods of interest, each within the horizon.

        Returns
        -------
        array of float, shape (n_targets,)
            Past and present targets hold what happened.
        """
        target = np.asarray(targets, dtype=np.int64)
        weights = _weights(self.sigma_of_lead, (target - period).tobytes(), self.period_h)
        forecast = self.actual[target] + np.einsum("kt,kt->t", weights, self.error[:, target])
        return np.clip(forecast, self.low, self.high)

    @cached_property
    def near(self) -> np.ndarray:
        """Forecasts of the next hours made in every period, shape (n_periods, NEAR_PERIODS).

        Row t holds what :meth:`issued_at` gives in period t for t, t + 1, ...; beyond the horizon the last period
        stands.
        """
        n = self.actual.size
        target = np.minimum(np.arange(n)[:, None] + np.arange(NEAR_PERIODS), n - 1)
        weights = self.sigma_of_lead.known_shares(np.arange(NEAR_PERIODS) * self.period_h)
        forecast = self.actual[target] + np.einsum("jk,jtk->tk", weights, self.error[:, target])
        return np.clip(forecast, self.low, self.high)

    def soon(self, now: int, span: slice) -> np.ndarray:
        """Forecast made in ``now`` for a span of periods, shape (n_targets,); cheap within the next hours."""
        if 0 <= now <= span.start and span.stop <= now + NEAR_PERIODS:
            return self.near[now, span.start - now : span.stop - now]
        return self.issued_at(now, np.arange(span.start, span.stop))

    def scaled(self, factor: float) -> ForecastSource:
        """The same forecasts in another unit, or of a share of the quantity."""
        growth = ErrorGrowth(self.sigma_of_lead.lead_h, tuple(factor * s for s in self.sigma_of_lead.sigma))
        return ForecastSource(
            self.actual * factor, growth, self.error, self.low * factor, self.high * factor, self.period_h
        )


def forecast_source(
    actual: np.ndarray,
    sigma_of_lead: ErrorGrowth,
    rng: np.random.Generator,
    *,
    memory_h: float = 6.0,
    relative_size: np.ndarray | None = None,
    low: float = -np.inf,
    high: float = np.inf,
    period_h: float = 0.25,
) -> ForecastSource:
    """Draw the errors of one quantity.

    Parameters
    ----------
    actual : array of float, shape (n_periods,)
        What will happen.
    sigma_of_lead : ErrorGrowth
        Size of the error in the unit of ``actual``.
    rng : numpy.random.Generator
        Source of randomness.
    memory_h : float
        Memory of the error over target periods.
    relative_size : array of float, shape (n_periods,), optional
        Factor on the error's size per target: sun has no error at night.
    low, high : float
        Physical limits.
    period_h : float
        Length of a period in hours.
    """
    n_knots = len(sigma_of_lead.lead_h)
    memories = np.geomspace(max(memory_h / 4.0, 0.5), memory_h, n_knots)
    error = persistent(actual.size, memories.tolist(), rng, step_h=period_h)
    if relative_size is not None:
        error *= relative_size
    return ForecastSource(np.asarray(actual, dtype=np.float64), sigma_of_lead, error, low, high, period_h)


# Error sizes (assumptions, 60-70 %): day-ahead errors of national wind about 5-7 % of capacity, of solar about 4 %,
# of load about 2 % of the mean; an hour ahead a third to a fifth of that. Published shares are of these orders.
WIND_ERROR_SHARE = ErrorGrowth((0.25, 1.0, 6.0, 24.0, 48.0, 168.0), (0.004, 0.012, 0.030, 0.055, 0.080, 0.170))
SOLAR_ERROR_SHARE = ErrorGrowth((0.25, 1.0, 6.0, 24.0, 48.0, 168.0), (0.004, 0.012, 0.026, 0.040, 0.055, 0.085))
LOAD_ERROR_SHARE = ErrorGrowth((0.25, 1.0, 6.0, 24.0, 48.0, 168.0), (0.003, 0.006, 0.012, 0.020, 0.026, 0.045))


def wind_forecast(share: np.ndarray, rng: np.random.Generator) -> ForecastSource:
    """Forecast of a wind fleet's output share; surest in calm and storm, where the power curve is flat."""
    steepness = np.sqrt(np.maximum(share * (1.0 - share), 0.02)) / 0.42
    return forecast_source(share, WIND_ERROR_SHARE, rng, memory_h=9.0, relative_size=steepness, low=0.0, high=1.0)


def solar_forecast(share: np.ndarray, clear_sky_w_per_m2: np.ndarray, rng: np.random.Generator) -> ForecastSource:
    """Forecast of the PV fleet's output share; the error follows the clear sky, which everybody knows."""
    height = np.asarray(clear_sky_w_per_m2) / 450.0
    return forecast_source(share, SOLAR_ERROR_SHARE, rng, memory_h=4.0, relative_size=height, low=0.0, high=1.0)


def load_forecast(load_mw: np.ndarray, rng: np.random.Generator) -> ForecastSource:
    """Forecast of a load of any size, in its own unit."""
    mean = float(np.mean(load_mw))
    growth = ErrorGrowth(LOAD_ERROR_SHARE.lead_h, tuple(mean * s for s in LOAD_ERROR_SHARE.sigma))
    return forecast_source(load_mw, growth, rng, memory_h=8.0, low=0.0)
