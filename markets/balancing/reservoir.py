"""FCR from limited energy reservoirs such as batteries (TenneT, FCR handbook v3.10, section 3.2 and annex 8.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALERT_LEVELS = ((0.05, 900.0), (0.1, 300.0), (0.2, 0.0))  # hertz, seconds


@dataclass(frozen=True)
class ReservoirRules:
    """Duties of a limited reservoir.

    Parameters
    ----------
    alert_minutes : float
        Full delivery that must remain possible both ways in the normal state.
    reserve_minutes : float
        Full delivery at which reserve mode begins: the full activation time of aFRR.
    rated_ratio : float
        Least ratio of rated to prequalified power.
    restore_h : float
        Time after which the whole reserve is available again.
    """

    alert_minutes: float = 15.0
    reserve_minutes: float = 5.0
    rated_ratio: float = 1.25
    restore_h: float = 2.0


@dataclass(frozen=True)
class SocWindows:
    """State-of-charge limits as shares of the capacity: of the normal state, and where reserve mode begins."""

    normal_low_share: float
    normal_high_share: float
    reserve_low_share: float
    reserve_high_share: float


def soc_windows(capacity_mw: float, energy_mwh: float, rules: ReservoirRules | None = None) -> SocWindows:
    """Windows of a reservoir that serves FCR both ways.

    Parameters
    ----------
    capacity_mw : float
        FCR power.
    energy_mwh : float
        Usable energy.
    rules : ReservoirRules, optional
        The defaults when left out.

    Returns
    -------
    SocWindows
        The normal window is empty (low above high) when the reservoir is too small.
    """
    rules = rules or ReservoirRules()
    alert, reserve = (capacity_mw * m / 60.0 / energy_mwh for m in (rules.alert_minutes, rules.reserve_minutes))
    return SocWindows(alert, 1.0 - alert, reserve, 1.0 - reserve)


def reservoir_faults(
    capacity_mw: float, energy_mwh: float, rated_mw: float, rules: ReservoirRules | None = None
) -> tuple[str, ...]:
    """Names of the rules that a reservoir breaks: ``"reservoir_too_small"``, ``"rated_power_too_small"``."""
    rules = rules or ReservoirRules()
    faults = []
    if 2.0 * capacity_mw * rules.alert_minutes / 60.0 > energy_mwh + 1e-9:
        faults.append("reservoir_too_small")
    if rated_mw < rules.rated_ratio * capacity_mw - 1e-9:
        faults.append("rated_power_too_small")
    return tuple(faults)


def largest_fcr_mw(
    energy_mwh: float, rated_mw: float, *, step_mw: float = 0.1, rules: ReservoirRules | None = None
) -> float:
    """Largest FCR power of a reservoir, rounded down to the step."""
    rules = rules or ReservoirRules()
    most = min(energy_mwh * 30.0 / rules.alert_minutes, rated_mw / rules.rated_ratio)
    return max(0.0, float(np.floor(most / step_mw + 1e-9) * step_mw))


def is_alert(deviation_hz: np.ndarray, *, step_s: float) -> np.ndarray:
    """Whether the system is in the alert state after each sample.

    Parameters
    ----------
    deviation_hz : array of float, shape (n,)
        Frequency deviation, each sample holding for one step.
    step_s : float
        Time between samples.

    Returns
    -------
    array of bool, shape (n,)
        50 mHz for 15 min, 100 mHz for 5 min, or 200 mHz at once. Each counter starts anew when the deviation falls
        below its level.
    """
    size = np.abs(np.asarray(deviation_hz, dtype=np.float64))
    alert = np.zeros(size.size, dtype=bool)
    for level_hz, duration_s in ALERT_LEVELS:
        is_beyond = size >= level_hz - 1e-9
        index = np.arange(1, size.size + 1)
        run = index - np.maximum.accumulate(np.where(is_beyond, 0, index))
        alert |= is_beyond & (run * step_s >= duration_s - 1e-9)
    return alert


def short_term_deviation_hz(deviation_hz: np.ndarray, *, step_s: float, minutes: float = 5.0) -> np.ndarray:
    """What reserve mode reacts to: the deviation from its mean over the last minutes.

    Parameters
    ----------
    deviation_hz : array of float, shape (n,)
        Frequency deviation.
    step_s : float
        Time between samples.
    minutes : float
        Averaging time; shorter at the start of the series.

    Returns
    -------
    array of float, shape (n,)
    """
    window = max(1, round(minutes * 60.0 / step_s))
    deviation = np.asarray(deviation_hz, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(deviation)])
    end = np.arange(1, deviation.size + 1)
    start = np.maximum(end - window, 0)
    return deviation - (sums[end] - sums[start]) / (end - start)


@dataclass(frozen=True)
class ReservoirRun:
    """A reservoir through a series of frequency deviations; arrays of shape (n,).

    Parameters
    ----------
    delivered_mw : array of float
        Positive = up.
    soc_share : array of float
        State of charge after each sample.
    reserve_weight : array of float
        0 normal mode, 1 reserve mode, between while changing over.
    """

    delivered_mw: np.ndarray
    soc_share: np.ndarray
    reserve_weight: np.ndarray


def run_reservoir(
    deviation_hz: np.ndarray,
    *,
    capacity_mw: float,
    energy_mwh: float,
    soc_share: float,
    step_s: float,
    full_deviation_hz: float = 0.2,
    rules: ReservoirRules | None = None,
) -> ReservoirRun:
    """Deliver FCR from a reservoir, changing to reserve mode outside its window.

    Parameters
    ----------
    deviation_hz : array of float, shape (n,)
        Frequency deviation.
    capacity_mw, energy_mwh : float
        FCR power and usable energy.
    soc_share : float
        State of charge at the start.
    step_s : float
        Time between samples.
    full_deviation_hz : float
        Deviation of full activation.
    rules : ReservoirRules, optional
        The defaults when left out.

    Returns
    -------
    ReservoirRun
        Outside the reserve limits the answer moves, linearly over ``reserve_minutes``, from the deviation itself to
        its short-term part, and back inside them. Delivery stops at an empty or full reservoir. Losses are not
        counted.
    """
    rules = rules or ReservoirRules()
    windows = soc_windows(capacity_mw, energy_mwh, rules)
    short = short_term_deviation_hz(deviation_hz, step_s=step_s, minutes=rules.reserve_minutes)
    drift = step_s / (rules.reserve_minutes * 60.0)
    n = len(deviation_hz)
    delivered, soc, weight = np.zeros(n), np.zeros(n), np.zeros(n)
    level, mode, hours = soc_share * energy_mwh, 0.0, step_s / 3600.0
    for t in range(n):
        is_outside = not windows.reserve_low_share <= level / energy_mwh <= windows.reserve_high_share
        mode = min(1.0, mode + drift) if is_outside else max(0.0, mode - drift)
        reaction = (1.0 - mode) * deviation_hz[t] + mode * short[t]
        wanted = capacity_mw * min(max(-reaction / full_deviation_hz, -1.0), 1.0)
        delivered[t] = min(max(wanted, (level - energy_mwh) / hours), level / hours)
        level -= delivered[t] * hours
        soc[t], weight[t] = level / energy_mwh, mode
    return ReservoirRun(delivered, soc, weight)
