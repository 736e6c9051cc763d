"""Grid frequency: its everyday wander, and the swing after an incident.

For market studies the deviation is drawn (a Dutch pool cannot move 300 GW); the swing model is for incidents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from markets.balancing.fcr import NOMINAL_HZ


@numba.njit(cache=True)
def _autoregress(noise: np.ndarray, keep: float, start: float) -> np.ndarray:
    """Series x[t] = keep * x[t - 1] + noise[t]."""
    path = np.empty(noise.size)
    value = start
    for t in range(noise.size):
        value = keep * value + noise[t]
        path[t] = value
    return path


def frequency_deviation_hz(
    n_steps: int,
    rng: np.random.Generator,
    *,
    step_s: float = 4.0,
    sigma_hz: float = 0.019,
    correlation_s: float = 180.0,
    schedule_step_hz: float = 0.01,
    schedule_decay_s: float = 150.0,
    start_hz: float | None = None,
) -> np.ndarray:
    """Draw a series of frequency deviations: an Ornstein-Uhlenbeck process plus steps at the schedule changes.

    Parameters
    ----------
    n_steps : int
        Length of the series, starting at a quarter of an hour.
    rng : numpy.random.Generator
        Source of randomness.
    step_s : float
        Time between samples.
    sigma_hz : float
        Standard deviation of the process (assumption: 18 to 20 mHz).
    correlation_s : float
        Time after which its autocorrelation has fallen to 1/e (assumption: minutes).
    schedule_step_hz : float
        Standard deviation of the kick at each quarter; full hours kick twice as hard (assumption).
    schedule_decay_s : float
        Time in which a kick fades to 1/e.
    start_hz : float, optional
        Deviation before the first sample; drawn when left out.

    Returns
    -------
    array of float, shape (n_steps,)
        Hertz around the nominal frequency.
    """
    keep = np.exp(-step_s / correlation_s)
    start = float(rng.normal(0.0, sigma_hz)) if start_hz is None else start_hz
    wander = _autoregress(rng.normal(0.0, sigma_hz * np.sqrt(1.0 - keep * keep), n_steps), keep, start)
    per_quarter = round(900.0 / step_s)
    kicks = np.zeros(n_steps)
    at = np.arange(0, n_steps, per_quarter)
    kicks[at] = rng.normal(0.0, schedule_step_hz, at.size) * np.where(np.arange(at.size) % 4 == 0, 2.0, 1.0)
    return wander + _autoregress(kicks, float(np.exp(-step_s / schedule_decay_s)), 0.0)


@dataclass(frozen=True)
class SynchronousArea:
    """A synchronous area in one swing equation.

    Parameters
    ----------
    load_mw : float
        Load S, 150 to 400 GW in Continental Europe.
    start_time_s : float
        Acceleration time Ta = 2H, about 10 to 12 s.
    self_regulation_share_per_hz : float
        Change of load with frequency, 1 % per hertz.
    fcr_mw, full_deviation_hz : float
        Containment reserve and the deviation at which it is fully used.
    fcr_full_s : float
        Time in which the reserve can go from nothing to all, linearly.
    """

    load_mw: float = 300_000.0
    start_time_s: float = 12.0
    self_regulation_share_per_hz: float = 0.01
    fcr_mw: float = 3000.0
    full_deviation_hz: float = 0.2
    fcr_full_s: float = 30.0


def initial_slope_hz_per_s(loss_mw: float, area: SynchronousArea) -> float:
    """Rate of change of frequency right after losing a power (negative for a loss of generation)."""
    return -loss_mw * NOMINAL_HZ / (area.load_mw * area.start_time_s)


def settled_deviation_hz(loss_mw: float, area: SynchronousArea) -> float:
    """Deviation at which containment reserve and load balance a loss.

    Parameters
    ----------
    loss_mw : float
        Lost generation; negative for lost load.
    area : SynchronousArea
        The area.

    Returns
    -------
    float
        Minus the loss over the sum of droop and self-regulation; beyond the full deviation only the load goes on.
    """
    load_mw_per_hz = area.self_regulation_share_per_hz * area.load_mw
    linear = loss_mw / (area.fcr_mw / area.full_deviation_hz + load_mw_per_hz)
    if abs(linear) > area.full_deviation_hz:
        linear = (loss_mw - np.sign(loss_mw) * area.fcr_mw) / load_mw_per_hz
    return -float(linear)


@numba.njit(cache=True)
def _swing(
    disturbance_mw: np.ndarray,
    step_s: float,
    gain_hz_per_mws: float,
    damping_mw_per_hz: float,
    fcr_mw: float,
    full_deviation_hz: float,
    ramp_mw: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate the swing equation with a reserve of limited ramp; see :func:`swing`."""
    deviation, reserve = np.zeros(disturbance_mw.size), np.zeros(disturbance_mw.size)
    f, p = 0.0, 0.0
    for t in range(disturbance_mw.size):
        target = fcr_mw * min(max(-f / full_deviation_hz, -1.0), 1.0)
        p += min(max(target - p, -ramp_mw), ramp_mw)
        f += step_s * gain_hz_per_mws * (disturbance_mw[t] + p - damping_mw_per_hz * f)
        deviation[t], reserve[t] = f, p
    return deviation, reserve


def swing(disturbance_mw: np.ndarray, area: SynchronousArea, *, step_s: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Frequency after a disturbance.

    Parameters
    ----------
    disturbance_mw : array of float, shape (n,)
        Power balance without reserve per step: -3000 after losing 3000 MW of generation. Reserve of other kinds
        (aFRR) is added here.
    area : SynchronousArea
        The area.
    step_s : float
        Step of the explicit integration.

    Returns
    -------
    deviation_hz : array of float, shape (n,)
        After each step, starting from zero.
    fcr_mw : array of float, shape (n,)
        Containment reserve, positive = up.

    Notes
    -----
    d(df)/dt = f0 / (Ta S) (dP + P_FCR - D df).
    """
    return _swing(
        np.asarray(disturbance_mw, dtype=np.float64),
        step_s,
        NOMINAL_HZ / (area.start_time_s * area.load_mw),
        area.self_regulation_share_per_hz * area.load_mw,
        area.fcr_mw,
        area.full_deviation_hz,
        area.fcr_mw / area.fcr_full_s * step_s,
    )
