"""The joint distribution of arrival, stay and energy of one segment.

Arrival decides the means of stay and energy. The stay is a mixture: a short log-normal mode, a long mode that ends at
a clock time, and a few that stay a day more; the weight of the long mode follows from the published mean of the hour.
Energy is log-normal with the hour's mean and rank-correlated with the stay. All three are quantile transforms of
correlated normals, so that a driver's habit shifts them without changing the distribution over drivers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from agents.fleet.figures import SegmentFigures

_SHORTEST_STAY_H = 0.2


def arrival_hour(figures: SegmentFigures, is_weekend: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Local clock hour of arrival (0 to 24) at quantile ``u``, straight within an hour."""
    edges = np.arange(25.0)
    weekday = np.interp(u, np.concatenate([[0.0], np.cumsum(figures.weekday)]), edges)
    weekend = np.interp(u, np.concatenate([[0.0], np.cumsum(figures.weekend)]), edges)
    return np.where(is_weekend, weekend, weekday)


def _long_mode_h(figures: SegmentFigures, hour: np.ndarray) -> np.ndarray:
    """Hours from arrival until the next leaving time that is at least three hours away."""
    until = (figures.leave_clock_h - hour) % 24.0
    return np.where(until < 3.0, until + 24.0, until)


def long_mode_share(figures: SegmentFigures, hour: np.ndarray) -> np.ndarray:
    """Weight of the long mode that gives the published mean stay of the arrival hour."""
    target = figures.stay_level * figures.stay_h[np.asarray(hour).astype(int) % 24]
    long_mean = _long_mode_h(figures, hour) + 24.0 * figures.next_day_share
    return np.clip((target - figures.short_h) / (long_mean - figures.short_h), 0.0, 1.0)


def stay_hours(figures: SegmentFigures, hour: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Length of the stay.

    Parameters
    ----------
    figures : SegmentFigures
        The segment.
    hour : float array
        Local clock hour of arrival.
    u : float array
        Quantile of the stay among those who arrive then.

    Returns
    -------
    float array
        Hours.
    """
    sigma = figures.short_sigma
    if figures.leave_sd_h == 0.0:
        return _log_normal(figures.stay_level * figures.stay_h[hour.astype(int) % 24], sigma, ndtri(u))
    share = long_mode_share(figures, hour)
    is_long = u >= 1.0 - share
    tiny = 1e-9
    within_short = np.clip(u / np.maximum(1.0 - share, tiny), tiny, 1 - tiny)
    within_long = np.clip((u - (1.0 - share)) / np.maximum(share, tiny), tiny, 1 - tiny)
    next_day = within_long > 1.0 - figures.next_day_share
    first = within_long / (1.0 - figures.next_day_share)
    second = (within_long - (1.0 - figures.next_day_share)) / max(figures.next_day_share, tiny)
    z = ndtri(np.clip(np.where(next_day, second, first), tiny, 1 - tiny))
    long_stay = _long_mode_h(figures, hour) + 24.0 * next_day + figures.leave_sd_h * z
    stay = np.where(is_long, long_stay, _log_normal(figures.short_h, sigma, ndtri(within_short)))
    return np.maximum(stay, _SHORTEST_STAY_H)


def energy_kwh(figures: SegmentFigures, hour: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Energy of the session at the meter before any limit of car and point, from a standard normal ``z``."""
    mean = figures.energy_level * figures.energy_kwh[np.asarray(hour).astype(int) % 24]
    return _log_normal(mean, figures.energy_sigma, z)


def blend(weight: float, habit: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Standard normal that correlates ``weight`` with itself over the draws of one habit."""
    return np.sqrt(weight) * habit + np.sqrt(1.0 - weight) * fresh


def joint(
    figures: SegmentFigures, is_weekend: np.ndarray, habit: np.ndarray, fresh: np.ndarray, driver_rho: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrival hour, stay in hours and energy in kWh.

    Parameters
    ----------
    figures : SegmentFigures
        The segment.
    is_weekend : bool array
        Per draw.
    habit, fresh : float arrays, shape (3, ...)
        Standard normals of the driver and of the day for arrival, stay and energy.
    driver_rho : float
        Correlation between two days of one driver.
    """
    z_arrival, z_stay, z_energy = (blend(driver_rho, habit[k], fresh[k]) for k in range(3))
    hour = np.minimum(arrival_hour(figures, is_weekend, ndtr(z_arrival)), 24.0 - 1e-9)
    stay = stay_hours(figures, hour, ndtr(z_stay))
    rho = figures.energy_stay_rho
    return hour, stay, energy_kwh(figures, hour, rho * z_stay + np.sqrt(1.0 - rho * rho) * z_energy)


def _log_normal(mean: np.ndarray | float, sigma: float, z: np.ndarray) -> np.ndarray:
    return mean * np.exp(sigma * z - sigma * sigma / 2.0)
