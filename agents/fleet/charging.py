"""What one car does at one charging point: ratings, efficiency, and charge or discharge over some minutes, exactly.

Power is phases x 230 V x ampere. Energy is booked at the meter; the battery gets meter times efficiency, and gives
meter over efficiency. Power depends on set-point and state of charge only and is constant within a taper band, so the
energy of an interval does not depend on how the interval is cut.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.figures import (
    EFFICIENCY_A,
    EFFICIENCY_DC,
    EFFICIENCY_ONE_PHASE,
    EFFICIENCY_THREE_PHASE,
    MIN_DC_KW,
    TAPER_AC_EDGE,
    TAPER_AC_SHARE,
    TAPER_DC_EDGE,
    TAPER_DC_SHARE,
)

KW_PER_A = 0.23
POWER_TOLERANCE_KW = 1e-9
_A = tuple(EFFICIENCY_A)
_ONE = tuple(EFFICIENCY_ONE_PHASE)
_THREE = tuple(EFFICIENCY_THREE_PHASE)
_AC_EDGE, _AC_SHARE = tuple(TAPER_AC_EDGE), tuple(TAPER_AC_SHARE)
_DC_EDGE, _DC_SHARE = tuple(TAPER_DC_EDGE), tuple(TAPER_DC_SHARE)


@njit(cache=True)
def efficiency(power_kw: float, n_phases: int, factor: float, is_dc: bool) -> float:
    """One-way efficiency at a power at the meter (absolute value).

    Parameters
    ----------
    power_kw : float
        Power at the meter.
    n_phases : int
        Phases in use.
    factor : float
        The car's factor on the published curve.
    is_dc : bool
        Direct-current point.
    """
    if is_dc:
        return EFFICIENCY_DC
    ampere = power_kw / (KW_PER_A * n_phases)
    curve = _ONE if n_phases == 1 else _THREE
    if ampere <= _A[0]:
        return curve[0] * factor
    for k in range(1, 4):
        if ampere < _A[k]:
            weight = (ampere - _A[k - 1]) / (_A[k] - _A[k - 1])
            return (curve[k - 1] + weight * (curve[k] - curve[k - 1])) * factor
    return curve[3] * factor


@njit(cache=True)
def ratings(
    car_phases: int, car_a: float, car_min_a: float, car_dc_kw: float, point_kw: float, point_phases: int, is_dc: bool
) -> tuple[int, float, float]:
    """Phases in use, highest and lowest charging power in kW of a car at a point; (0, 0, 0) if it cannot charge."""
    if is_dc:
        if car_dc_kw <= 0.0:
            return 0, 0.0, 0.0
        return 3, min(car_dc_kw, point_kw), MIN_DC_KW
    n = min(car_phases, point_phases)
    ampere = min(car_a, point_kw / (KW_PER_A * point_phases))
    low = n * KW_PER_A * car_min_a
    high = max(min(n * KW_PER_A * ampere, point_kw), 0.0)
    return (n, high, low) if high >= low - 1e-6 else (0, 0.0, 0.0)


@njit(cache=True)
def own_kw(phases: int, ampere: float, dc_kw: float, is_dc: bool) -> float:
    """Highest power that a car takes where nothing else limits it: its on-board charger, or its battery at a DC point.

    Parameters
    ----------
    phases, ampere : int, float
        Of the on-board charger.
    dc_kw : float
        Highest power at a direct-current point.
    is_dc : bool
        Which of both counts.
    """
    return dc_kw if is_dc else phases * KW_PER_A * ampere


@njit(cache=True)
def charge(
    battery_kwh: float,
    stop_kwh: float,
    capacity_kwh: float,
    power_kw: float,
    car_kw: float,
    min_kw: float,
    n_phases: int,
    factor: float,
    is_dc: bool,
    minutes: float,
) -> tuple[float, float]:
    """Charge for some minutes with the taper near full.

    Parameters
    ----------
    battery_kwh, stop_kwh, capacity_kwh : float
        Energy now, energy to stop at, usable capacity.
    power_kw : float
        Set-point at the meter, at least ``min_kw`` and at most what the point gives.
    car_kw, min_kw : float
        Highest power of the car itself (:func:`own_kw`), of which the taper is a share (who takes 250 kW does not
        notice it at 60 kW), and the lowest power.
    n_phases, factor, is_dc
        As in :func:`efficiency`.
    minutes : float
        Length of the interval.

    Returns
    -------
    (float, float)
        Energy in the battery afterwards and energy at the meter, kWh.
    """
    meter = 0.0
    edges = _DC_EDGE if is_dc else _AC_EDGE
    shares = _DC_SHARE if is_dc else _AC_SHARE
    for k in range(5):
        if battery_kwh >= stop_kwh or minutes <= 0.0:
            break
        target = min(edges[k] * capacity_kwh if k < 4 else capacity_kwh, stop_kwh)
        if battery_kwh >= target:
            continue
        band_kw = min(power_kw, max(car_kw * shares[k], min_kw))
        rate = band_kw * efficiency(band_kw, n_phases, factor, is_dc) / 60.0
        needed = (target - battery_kwh) / rate
        if needed > minutes:
            battery_kwh += rate * minutes
            meter += band_kw * minutes / 60.0
            minutes = 0.0
        else:
            battery_kwh = target
            meter += band_kw * needed / 60.0
            minutes -= needed
    return battery_kwh, meter


@njit(cache=True)
def minutes_to(
    battery_kwh: float,
    stop_kwh: float,
    capacity_kwh: float,
    max_kw: float,
    car_kw: float,
    min_kw: float,
    n_phases: int,
    factor: float,
    is_dc: bool,
) -> float:
    """Minutes at full power until the car stops, taper included; it does not matter when those minutes are."""
    minutes = 0.0
    edges = _DC_EDGE if is_dc else _AC_EDGE
    shares = _DC_SHARE if is_dc else _AC_SHARE
    if n_phases == 0:
        return 0.0
    for k in range(5):
        target = min(edges[k] * capacity_kwh if k < 4 else capacity_kwh, stop_kwh)
        if battery_kwh < target:
            band_kw = min(max_kw, max(car_kw * shares[k], min_kw))
            minutes += (target - battery_kwh) / (band_kw * efficiency(band_kw, n_phases, factor, is_dc)) * 60.0
            battery_kwh = target
    return minutes


@njit(cache=True)
def rate_stays(cars: np.ndarray, points: np.ndarray, stays: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Ratings of sessions, float64[6, n]: phases, highest and lowest kW, efficiency at both, taper in kWh.

    The last is the energy that full power would bring in the extra time the taper takes.
    """
    out = np.zeros((6, len(rows)))
    for k in range(len(rows)):
        stay = stays[rows[k]]
        car, point = cars[stay.ev_row], points[stay.cp_row]
        ampere = car.ac_a if point.is_tethered else min(car.ac_a, float(car.cable_a))
        n, high, low = ratings(car.phases, ampere, car.min_a, car.dc_kw, point.max_kw, point.phases, point.is_dc)
        if n == 0:
            continue
        factor, stop, full = car.efficiency_pu, stay.desired_kwh, car.capacity_kwh
        eta = efficiency(high, n, factor, point.is_dc)
        start = min(0.5 * full, stop)
        car_kw = own_kw(car.phases, car.ac_a, car.dc_kw, point.is_dc)
        minutes = minutes_to(start, stop, full, high, car_kw, low, n, factor, point.is_dc)
        out[0, k], out[1, k], out[2, k], out[3, k] = n, high, low, eta
        out[4, k] = efficiency(low, n, factor, point.is_dc)
        out[5, k] = max(minutes / 60.0 * high * eta - (stop - start), 0.0)
    return out


@njit(cache=True)
def discharge(
    battery_kwh: float, floor_kwh: float, power_kw: float, n_phases: int, factor: float, is_dc: bool, minutes: float
) -> tuple[float, float]:
    """Deliver for some minutes, down to a floor; returns energy in the battery and energy delivered at the meter."""
    if battery_kwh <= floor_kwh:
        return battery_kwh, 0.0
    rate = power_kw / efficiency(power_kw, n_phases, factor, is_dc) / 60.0
    needed = (battery_kwh - floor_kwh) / rate
    if needed > minutes:
        return battery_kwh - rate * minutes, power_kw * minutes / 60.0
    return floor_kwh, power_kw * needed / 60.0


def minutes_to_array(
    battery_kwh: np.ndarray,
    stop_kwh: np.ndarray,
    capacity_kwh: np.ndarray,
    max_kw: np.ndarray,
    car_kw: np.ndarray,
    min_kw: np.ndarray,
    n_phases: np.ndarray,
    factor: np.ndarray,
    is_dc: np.ndarray,
) -> np.ndarray:
    """NumPy twin of :func:`minutes_to` on arrays."""
    minutes, now = np.zeros(len(battery_kwh)), np.asarray(battery_kwh, dtype=float)
    can = np.asarray(n_phases) > 0
    for k in range(5):
        edge = np.where(is_dc, TAPER_DC_EDGE[k], TAPER_AC_EDGE[k])
        share = np.where(is_dc, TAPER_DC_SHARE[k], TAPER_AC_SHARE[k])
        target = np.maximum(np.minimum(edge * capacity_kwh, stop_kwh), now)
        band_kw = np.minimum(max_kw, np.maximum(car_kw * share, min_kw))
        rate = np.where(can, band_kw * efficiency_array(band_kw, n_phases, factor, is_dc), 1.0)
        minutes += np.where(can, (target - now) / rate * 60.0, 0.0)
        now = target
    return minutes


def efficiency_array(power_kw: np.ndarray, n_phases: np.ndarray, factor: np.ndarray, is_dc: np.ndarray) -> np.ndarray:
    """NumPy twin of :func:`efficiency` on arrays."""
    ampere = np.abs(power_kw) / (KW_PER_A * np.maximum(n_phases, 1))
    one = np.interp(ampere, EFFICIENCY_A, EFFICIENCY_ONE_PHASE)
    three = np.interp(ampere, EFFICIENCY_A, EFFICIENCY_THREE_PHASE)
    return np.where(is_dc, EFFICIENCY_DC, np.where(n_phases == 1, one, three) * factor)


def ratings_array(
    car_phases: np.ndarray,
    car_a: np.ndarray,
    car_min_a: np.ndarray,
    car_dc_kw: np.ndarray,
    point_kw: np.ndarray,
    point_phases: np.ndarray,
    is_dc: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """NumPy twin of :func:`ratings` on arrays."""
    point_kw = np.asarray(point_kw, dtype=float)
    n = np.minimum(car_phases, point_phases).astype(np.int64)
    ampere = np.minimum(np.asarray(car_a, dtype=float), point_kw / (KW_PER_A * point_phases))
    low = n * KW_PER_A * np.asarray(car_min_a, dtype=float)
    high = np.maximum(np.minimum(n * KW_PER_A * ampere, point_kw), 0.0)
    can_ac = high >= low - 1e-6
    can_dc = np.asarray(car_dc_kw) > 0.0
    can = np.where(is_dc, can_dc, can_ac)
    phases = np.where(is_dc, 3, n) * can
    high = np.where(is_dc, np.minimum(np.asarray(car_dc_kw, dtype=float), point_kw), high) * can
    return phases, high, np.where(is_dc, MIN_DC_KW, low) * can
