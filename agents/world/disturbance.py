"""The unpredicted imbalance of the rest of the system: what the operator must balance within each quarter-hour.

Two parts with a memory: a slow one (forecast errors of the many parties that are not simulated, minutes to hours) and
a fast one (seconds to minutes). The default sizes are tuned so that, once cleared by ``markets.balancing`` with netting
of :data:`NETTING_MW` and the one-minute sampling of 2023, the regulation states come near those that TenneT published
for December 2023 (market-rules section 8): −1 44.5 %, 0 14.8 %, +1 30.7 %, 2 10.0 %. A test asserts the bands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.world.noise import persistent

CYCLE_S = 4
CYCLES_PER_ISP = 225
# Netting with neighbours (IGCC) that belongs to the calibration: `ActivationRules.import_capacity_mw`.
NETTING_MW = 80.0


@dataclass(frozen=True)
class DisturbanceScale:
    """Size and memory of the unpredicted imbalance.

    Parameters
    ----------
    bias_mw : float
        Mean, positive = surplus (the Dutch system is long more often than short).
    slow_mw, slow_memory_min : float
        Standard deviation and memory of the slow part. Where the simulated parties bring forecast errors of their
        own, lower it: variances add up.
    fast_mw, fast_memory_s : float
        The same for the fast part.
    unrest : float
        Standard deviation of the logarithm of a factor on both parts: calm and restless hours come in spells.
    unrest_memory_h : float
        Memory of that factor.
    """

    bias_mw: float = 28.0
    slow_mw: float = 200.0
    slow_memory_min: float = 45.0
    fast_mw: float = 115.0
    fast_memory_s: float = 120.0
    unrest: float = 0.55
    unrest_memory_h: float = 3.0

    def times(self, factor: float) -> DisturbanceScale:
        """All powers multiplied by a factor, memories unchanged."""
        return replace(
            self, bias_mw=self.bias_mw * factor, slow_mw=self.slow_mw * factor, fast_mw=self.fast_mw * factor
        )


def intra_isp_noise(
    rng: np.random.Generator, n_periods: int, scale: DisturbanceScale | None = None, *, n_cycles: int = CYCLES_PER_ISP
) -> np.ndarray:
    """Draw the unpredicted imbalance of consecutive quarter-hours.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    n_periods : int
        Number of quarter-hours (ISPs).
    scale : DisturbanceScale, optional
        Sizes and memories; the calibrated ones when left out.
    n_cycles : int
        Control cycles of four seconds per ISP.

    Returns
    -------
    array of float, shape (n_periods, n_cycles)
        MW, positive = surplus (the sign of the area control error), continuous from one ISP to the next.
    """
    size = scale or DisturbanceScale()
    slow = _autoregressive(rng.standard_normal((n_periods, n_cycles)), CYCLE_S / (60.0 * size.slow_memory_min))
    fast = _autoregressive(rng.standard_normal((n_periods, n_cycles)), CYCLE_S / size.fast_memory_s)
    return size.bias_mw + _unrest(rng, n_periods, n_cycles, size) * (size.slow_mw * slow + size.fast_mw * fast)


def _unrest(rng: np.random.Generator, n_periods: int, n_cycles: int, size: DisturbanceScale) -> np.ndarray:
    """Factor of mean square 1 that drifts from ISP to ISP, shape (n_periods, n_cycles)."""
    level = size.unrest * persistent(n_periods + 1, (size.unrest_memory_h,), rng)[0] - size.unrest**2
    inside = np.arange(n_cycles) / n_cycles
    return np.exp(level[:-1, None] + np.diff(level)[:, None] * inside)


def _autoregressive(shocks: np.ndarray, decay: float) -> np.ndarray:
    """First-order autoregression of unit variance along rows and on from row to row.

    Every row is run from zero, all rows at once; then the value at the end of the row before is added with its decay,
    which is exact because the recursion is linear.
    """
    n_periods, n_cycles = shocks.shape
    keep = np.exp(-decay)
    series = shocks * np.sqrt(1.0 - keep**2)
    series[:1, :1] = shocks[:1, :1]
    for cycle in range(1, n_cycles):
        series[:, cycle] += keep * series[:, cycle - 1]
    fade = keep ** np.arange(1, n_cycles + 1)
    for period in range(1, n_periods):
        series[period] += series[period - 1, -1] * fade
    return series
