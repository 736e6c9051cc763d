"""What an aggregator believes of its sessions, worked out from what it was told: compiled, one row after the other.

Asked for several times in every period. NaN stands for what nobody told. Tests hold these loops against the same rules
in plain NumPy.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EFFICIENCY = 0.88
"""Charging efficiency that the aggregator assumes of a car it knows nothing about (calibration, physics)."""
UNKNOWN_NEED_KWH = 30.0
"""Energy that a car is kept ready for when nobody says what it needs: dear, because data is missing (report 7.1)."""
UNKNOWN_MOST_KWH = 100.0
"""Most that a battery nobody described is believed to take where nothing was stated; a truck may state more."""
UNKNOWN_ENERGY_KWH = 20.0
"""Energy in a battery whose state of charge nobody told."""
FIRST_KWH = 8.0
"""What a car gets at once when its driver states no departure: enough for a short stay between two trips."""
READY_BEFORE_MIN = 90.0
"""A car is ready this long before its stated departure (twice the spread of statements): drivers leave early as often
as late."""
STATED_STAY_SHARE = 0.45
"""Of a short stay this share counts at least."""
NEED_MARGIN = 1.08
"""Energy planned on top of what the battery needs: chargers lose more at low current."""
STATED_MARGIN = 1.3
"""The same on top of what a driver stated: statements are as often too low as too high (spread a quarter)."""
UNKNOWN_DC_TAPER_SHARE = 0.5
"""Time for the taper of direct current against that for the need, where the battery is unknown."""
RESERVE_SHARE = 0.3
"""Charge below which a car does not deliver."""


@njit(cache=True)
def usual_efficiency(told: float) -> float:
    """One-way efficiency: as told, else what is usual."""
    return EFFICIENCY if np.isnan(told) else told


@njit(cache=True)
def ready_min(arrival_min: float, told_min: float, safe_stay_h: np.ndarray) -> float:
    """Time by which a car must be ready: a little before what was told, else a safe stay by the hour of arrival."""
    if np.isnan(told_min):
        return arrival_min + 60.0 * safe_stay_h[int(arrival_min // 60.0) % 24]
    return max(told_min - READY_BEFORE_MIN, arrival_min + STATED_STAY_SHARE * (told_min - arrival_min))


@njit(cache=True)
def need_kwh(received: float, efficiency: float, capacity: float, soc: float, desired: float, stated: float) -> float:
    """Energy still needed in the battery: by the battery, else as stated, else what fits in or is usual."""
    room = capacity - soc - received
    need = NEED_MARGIN * (desired - soc - received)
    if np.isnan(need):
        need = STATED_MARGIN * stated * efficiency - received
    if np.isnan(need):
        need = NEED_MARGIN * (UNKNOWN_NEED_KWH - received) if np.isnan(room) else room
    most = NEED_MARGIN * room
    if np.isnan(room):
        most = UNKNOWN_MOST_KWH if np.isnan(stated) else np.inf
    return min(max(need, 0.0), most)


@njit(cache=True)
def slow_kwh(now: float, stop: float, capacity: float, edges: np.ndarray, shares: np.ndarray) -> float:
    """Energy that full power would bring in the time lost below it, by the bands of a taper; nan where not known."""
    if np.isnan(now) or np.isnan(stop) or np.isnan(capacity):
        return np.nan
    lost, low = 0.0, 0.0
    for k in range(len(edges)):
        inside = min(capacity * edges[k], stop) - max(capacity * low, now)
        lost += max(inside, 0.0) * (1.0 / shares[k] - 1.0)
        low = edges[k]
    return lost


@njit(cache=True)
def ready_of(
    rows: np.ndarray, segment: np.ndarray, arrival_min: np.ndarray, departure_min: np.ndarray, safe_stay_h: np.ndarray
) -> np.ndarray:
    """Time by which each session's car must be ready, float64[n]; columns over all sessions, ``segment`` over rows."""
    found = np.empty(len(rows))
    for i in range(len(rows)):
        found[i] = ready_min(arrival_min[rows[i]], departure_min[rows[i]], safe_stay_h[segment[i]])
    return found


@njit(cache=True)
def need_of(
    rows: np.ndarray,
    metered_kwh: np.ndarray,
    efficiency_share: np.ndarray,
    capacity_kwh: np.ndarray,
    soc_kwh: np.ndarray,
    desired_kwh: np.ndarray,
    stated_kwh: np.ndarray,
) -> np.ndarray:
    """Energy still needed of each session, float64[n]; columns over all sessions."""
    found = np.empty(len(rows))
    for i in range(len(rows)):
        r = rows[i]
        efficiency = usual_efficiency(efficiency_share[r])
        received = metered_kwh[r] * efficiency
        found[i] = need_kwh(received, efficiency, capacity_kwh[r], soc_kwh[r], desired_kwh[r], stated_kwh[r])
    return found


@njit(cache=True)
def look_at(
    rows: np.ndarray,
    now_min: float,
    may_deliver: np.ndarray,
    is_dc: np.ndarray,
    segment: np.ndarray,
    told: tuple[np.ndarray, ...],
    safe_stay_h: np.ndarray,
    curves: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """All that a strategy needs of some sessions at once.

    Parameters
    ----------
    rows : int64[n]
        Sessions.
    now_min : float
        Start of the period.
    may_deliver, is_dc, segment : bool[n], bool[n], int[n]
        Of the session's charging point.
    told : tuple of float64[n_sessions]
        Columns arrival_min, departure_min, metered_kwh, efficiency_share, capacity_kwh, soc_kwh, desired_kwh,
        stated_kwh, urgent_kwh, max_kw.
    safe_stay_h : float64[n_segments, 24]
        Stay where nobody said when the car leaves.
    curves : tuple
        Edges and shares of the taper of direct and of alternating current.

    Returns
    -------
    float64[9, n]
        Time by which the car is ready, need, energy now, most energy, reserve, taper, urgent part, efficiency, and 1
        where all is known that delivery needs.
    """
    arrival, departure, metered, efficiency_share, capacity, soc, desired, stated, urgent, max_kw = told
    found = np.empty((9, len(rows)))
    for i in range(len(rows)):
        r = rows[i]
        efficiency = usual_efficiency(efficiency_share[r])
        received = metered[r] * efficiency
        ready = max(ready_min(arrival[r], departure[r], safe_stay_h[segment[i]]), now_min + 15.0)
        need = need_kwh(received, efficiency, capacity[r], soc[r], desired[r], stated[r])
        energy = UNKNOWN_ENERGY_KWH if np.isnan(soc[r]) else soc[r] + received
        knows = not (np.isnan(soc[r]) or np.isnan(capacity[r]) or np.isnan(departure[r])) and may_deliver[i]
        top = desired[r] if knows and not np.isnan(desired[r]) else energy + need
        # what the driver wants at once, or what is right where nobody said when the car leaves
        first = FIRST_KWH if np.isnan(departure[r]) else 0.0
        if not np.isnan(urgent[r]):
            first = max(first, urgent[r] * efficiency)
        reserve = 0.0 if np.isnan(capacity[r]) else RESERVE_SHARE * capacity[r]
        if urgent[r] > 0.0 and not np.isnan(soc[r]):
            reserve = max(reserve, soc[r] + first)
        stop = capacity[r] if np.isnan(desired[r]) else desired[r]
        edges, shares = curves[0] if is_dc[i] else curves[1]
        taper = slow_kwh(soc[r] + received, stop, capacity[r], edges, shares)
        if np.isnan(taper):
            taper = UNKNOWN_DC_TAPER_SHARE * need if is_dc[i] else 0.0
        if not is_dc[i] and not np.isnan(departure[r]):
            taper -= (departure[r] - ready) / 60.0 * max_kw[r] * efficiency
        found[0, i], found[1, i], found[2, i] = ready, need, energy
        found[3, i], found[4, i], found[5, i] = max(top, energy), reserve, max(taper, 0.0)
        found[6, i] = min(max(first - max(metered[r], 0.0) * efficiency, 0.0), need)
        found[7, i], found[8, i] = efficiency, 1.0 if knows else 0.0
    return found
