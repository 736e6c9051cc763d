"""Power quality after EN 50160 as the report reads it (section 3.1.2), with every window a parameter.

The standard averages voltage and unbalance over ten minutes and frequency over ten seconds; results of a quarter-hour
simulation are judged on quarter-hour means, 672 a week, which hides short peaks. Unbalance is judged twice, because
the verdict differs: as the negative-sequence factor of the standard and as the difference between the phases of the
report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grid.flow_results import FlowBatch

NOMINAL_V, NOMINAL_HZ = 230.0, 50.0
STEPS_PER_WEEK = 672
"""Quarter-hours in a week."""

NO_SUPPLY_PU = 0.05
"""Below 5 % of the voltage is an interruption, which the standard judges apart."""


@dataclass(frozen=True)
class QualityLimit:
    """A band that values must keep to for a share of a window.

    Parameters
    ----------
    name : str
        Shown in results.
    low, high : float
        Edges of the band; a value on the edge is inside.
    required_share : float
        Share of the values of a window that must be inside.
    unit : str
        Of ``low`` and ``high``.
    """

    name: str
    low: float
    high: float
    required_share: float
    unit: str

    def allowed_outside(self, n_values: int | np.ndarray) -> np.ndarray:
        """Return how many of ``n_values`` may lie outside."""
        return np.floor((1.0 - self.required_share) * np.asarray(n_values) + 1e-9).astype(np.int64)


VOLTAGE = QualityLimit("voltage", 0.9, 1.1, 0.95, "pu")
VOLTAGE_V = QualityLimit("voltage", 207.0, 253.0, 0.95, "V")
UNBALANCE = QualityLimit("unbalance factor", 0.0, 0.02, 0.95, "share")
PHASE_DIFFERENCE = QualityLimit("difference between the phases", 0.0, 0.02, 0.95, "share")
FREQUENCY = QualityLimit("frequency ±1 %", 49.5, 50.5, 0.995, "Hz")
FREQUENCY_OUTER = QualityLimit("frequency -6/+4 %", 47.0, 52.0, 1.0, "Hz")


@dataclass(frozen=True)
class QualityRules:
    """What a run's voltages, unbalance and frequency are judged by; EN 50160 unless changed.

    Parameters
    ----------
    voltage_band_share, unbalance_limit_share, frequency_band_share : float
        Largest deviation from nominal voltage, unbalance, and deviation from 50 Hz.
    voltage_time_share, unbalance_time_share, frequency_time_share : float
        Share of a window's values that must keep them.
    average_min : int
        Minutes that a value of voltage or unbalance is the mean of; whole quarter-hours.
    frequency_average_s : int
        Seconds that a value of the frequency is the mean of; whole samples of four seconds.
    window_h : float
        Hours judged together; a week in the standard. Holds a whole number of means.
    """

    voltage_band_share: float = 0.1
    voltage_time_share: float = 0.95
    unbalance_limit_share: float = 0.02
    unbalance_time_share: float = 0.95
    frequency_band_share: float = 0.01
    frequency_time_share: float = 0.995
    average_min: int = 15
    frequency_average_s: int = 12
    window_h: float = 168.0

    @property
    def voltage(self) -> QualityLimit:
        """Limit of the voltage, pu."""
        band = self.voltage_band_share
        return replace(VOLTAGE, low=1.0 - band, high=1.0 + band, required_share=self.voltage_time_share)

    @property
    def unbalance(self) -> QualityLimit:
        """Limit of the negative-sequence factor."""
        return replace(UNBALANCE, high=self.unbalance_limit_share, required_share=self.unbalance_time_share)

    @property
    def phase_difference(self) -> QualityLimit:
        """Limit of the difference between the phases."""
        return replace(PHASE_DIFFERENCE, high=self.unbalance_limit_share, required_share=self.unbalance_time_share)

    @property
    def frequency(self) -> QualityLimit:
        """Inner band of the frequency, Hz; the outer one is the standard's in any case."""
        band_hz = NOMINAL_HZ * self.frequency_band_share
        share = self.frequency_time_share
        return replace(FREQUENCY, low=NOMINAL_HZ - band_hz, high=NOMINAL_HZ + band_hz, required_share=share)

    @property
    def steps_per_mean(self) -> int:
        """Quarter-hours that one value is the mean of."""
        return self.average_min // 15

    @property
    def steps_per_window(self) -> int:
        """Quarter-hours judged together."""
        return round(4.0 * self.window_h)


@dataclass(frozen=True)
class Verdict:
    """Judgement of one limit; arrays have the windows first, then the axes of the values without time.

    Parameters
    ----------
    limit : QualityLimit
        What was asked.
    n_outside : ndarray of int
        Values outside the band.
    n_valid : ndarray of int
        Values judged; nan (no result, no supply) does not count.
    is_met : ndarray of bool
        True where ``n_outside`` is within what the limit allows.
    """

    limit: QualityLimit
    n_outside: np.ndarray
    n_valid: np.ndarray
    is_met: np.ndarray


@dataclass(frozen=True)
class QualityReport:
    """Verdicts on a batch of power flows: voltage per node and phase, both readings of unbalance per node."""

    voltage: Verdict
    unbalance: Verdict
    phase_difference: Verdict

    @property
    def is_met(self) -> np.ndarray:
        """Windows and nodes that keep voltage and negative-sequence unbalance, bool[n_windows, n_nodes]."""
        return self.voltage.is_met.all(axis=-1) & self.unbalance.is_met


def judge(values: np.ndarray, limit: QualityLimit, window: int | None = None) -> Verdict:
    """Judge values against a limit, window by window.

    Parameters
    ----------
    values : ndarray, (n_values, ...)
        Time first; nan = not measured.
    limit : QualityLimit
        Band and share.
    window : int, optional
        Values per window; one window over everything by default. A shorter last window is judged on what it has.

    Returns
    -------
    Verdict
        With a leading axis of windows.
    """
    values = np.asarray(values, dtype=np.float64)
    size = max(len(values), 1) if window is None else window
    if size < 1:
        raise ValueError(f"window {window}; a window holds at least one value")
    is_valid = np.isfinite(values)
    inside = (values >= limit.low) & (values <= limit.high)
    starts = np.arange(0, max(len(values), 1), size)
    outside = np.stack([np.sum(is_valid[s : s + size] & ~inside[s : s + size], axis=0) for s in starts])
    valid = np.stack([np.sum(is_valid[s : s + size], axis=0) for s in starts])
    return Verdict(limit, outside, valid, outside <= limit.allowed_outside(valid))


def is_frequency_in_order(hertz: np.ndarray) -> bool:
    """Tell whether a week of ten-second frequencies keeps both bands of the standard."""
    return bool(judge(hertz, FREQUENCY).is_met.all() and judge(hertz, FREQUENCY_OUTER).is_met.all())


def judge_flow(batch: FlowBatch, window: int = STEPS_PER_WEEK) -> QualityReport:
    """Judge a three-phase batch solved with angles.

    Parameters
    ----------
    batch : FlowBatch
        From ``solve_many(..., with_angles=True)``.
    window : int
        Steps per window; a week of quarter-hours by default.
    """
    has_supply = batch.voltage_pu > NO_SUPPLY_PU
    volts = np.where(has_supply, batch.voltage_pu, np.nan)
    is_live = has_supply.all(axis=-1)
    factor = np.where(is_live, batch.vuf_share, np.nan)
    difference = np.where(is_live, batch.phase_deviation_share, np.nan)
    return QualityReport(
        judge(volts, VOLTAGE, window), judge(factor, UNBALANCE, window), judge(difference, PHASE_DIFFERENCE, window)
    )
