"""From wishes to sessions: one place at a time per EV, one EV at a time per charging point."""

from __future__ import annotations

import numpy as np
from numba import njit

TRAVEL_MIN = 20
_KEEP_SHARE = 0.6


@njit(cache=True)
def one_place_at_a_time(
    ev: np.ndarray, kind: np.ndarray, arrival: np.ndarray, departure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Resolve overlapping wishes of each EV.

    A new stay elsewhere shortens the running one if at least 60 % of it remains; otherwise the car is still parked
    and the new wish lapses. Twenty minutes of travel lie between two stays.

    Parameters
    ----------
    ev, kind, arrival, departure : int arrays, sorted by (ev, arrival)
        EV row, kind of stay, minutes.

    Returns
    -------
    (bool array, int array)
        Which wishes stay, and the departures after shortening.
    """
    n = len(ev)
    keep = np.zeros(n, dtype=np.bool_)
    leave = departure.copy()
    last = -1
    for i in range(n):
        if last >= 0 and ev[last] == ev[i] and arrival[i] < leave[last] + TRAVEL_MIN:
            shortened = arrival[i] - TRAVEL_MIN
            enough = shortened - arrival[last] >= _KEEP_SHARE * (departure[last] - arrival[last])
            if kind[i] == kind[last] or not enough:
                continue
            leave[last] = shortened
        keep[i] = True
        last = i
    return keep, leave


@njit(cache=True)
def find_points(
    pool: np.ndarray,
    arrival: np.ndarray,
    departure: np.ndarray,
    u: np.ndarray,
    pool_start: np.ndarray,
    pool_points: np.ndarray,
    n_points: int,
) -> np.ndarray:
    """Give every arrival a free point of its pool, first come first served.

    Parameters
    ----------
    pool : int array, sorted by arrival
        Pool of points each arrival looks at.
    arrival, departure : int arrays
        Minutes.
    u : float array
        Uniform draw that decides where in the pool the driver starts looking.
    pool_start, pool_points : int arrays
        Points of pool p are ``pool_points[pool_start[p]:pool_start[p + 1]]``.
    n_points : int
        Number of points in all.

    Returns
    -------
    int array
        Point row, -1 where every point was taken (turned away).
    """
    free_from = np.full(n_points, np.iinfo(np.int64).min)
    point = np.full(len(pool), -1, dtype=np.int64)
    for i in range(len(pool)):
        first, size = pool_start[pool[i]], pool_start[pool[i] + 1] - pool_start[pool[i]]
        offset = int(u[i] * size)
        for k in range(size):
            candidate = pool_points[first + (offset + k) % size]
            if free_from[candidate] <= arrival[i]:
                free_from[candidate] = departure[i]
                point[i] = candidate
                break
    return point


@njit(cache=True)
def carry_need(ev: np.ndarray, need_kwh: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Pass the energy of sessions that did not happen on to the EV's next one; rows sorted by (ev, arrival)."""
    out = need_kwh.copy()
    waiting = 0.0
    for i in range(len(ev)):
        if i > 0 and ev[i] != ev[i - 1]:
            waiting = 0.0
        if is_kept[i]:
            out[i] += waiting
            waiting = 0.0
        else:
            waiting += out[i]
    return out
