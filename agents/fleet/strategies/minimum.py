"""Plans in which no car runs below its minimum: what is too little waits until it is enough.

Optimal plans of many cars leave some with a trickle in a period, and below 6 A a car draws nothing. The energy is
carried to the car's next planned period, as far as the room of its site there allows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_EPS = 1e-9


@njit(cache=True)
def carry_trickles(
    plan_kw: np.ndarray,
    share: np.ndarray,
    min_kw: np.ndarray,
    max_kw: np.ndarray,
    site: np.ndarray,
    limit_kw: np.ndarray,
) -> None:
    """Rewrite a plan in place so that every power is zero or at least the car's minimum.

    Parameters
    ----------
    plan_kw, share : float arrays, shape (n, T)
        Power while the car is there, and share of the period that it is there.
    min_kw, max_kw : float arrays, shape (n,)
        Lowest power other than zero, and highest.
    site : int array, shape (n,)
        Site of each car.
    limit_kw : float array, shape (n_sites, T)
        Most per site, as mean of the period; what the plan drops in a period makes room for what it carries into it.
    """
    n, n_periods = plan_kw.shape
    carried, left_kw = np.zeros(n), limit_kw.copy()
    last = np.zeros(n, dtype=np.int64)
    for i in range(n):
        for t in range(n_periods):
            if share[i, t] > 0.0:
                last[i] = t
            if plan_kw[i, t] >= min_kw[i] - _EPS:
                left_kw[site[i], t] -= plan_kw[i, t] * share[i, t]
    for t in range(n_periods):
        for i in range(n):
            if share[i, t] <= 0.0 or plan_kw[i, t] + carried[i] <= _EPS:
                plan_kw[i, t] = 0.0
                continue
            base = plan_kw[i, t] if plan_kw[i, t] >= min_kw[i] - _EPS else 0.0
            wanted = plan_kw[i, t] + carried[i] / share[i, t]
            if last[i] == t:
                wanted = max(wanted, min_kw[i])
            given = min(wanted, max_kw[i], base + left_kw[site[i], t] / share[i, t])
            if given < min_kw[i] - _EPS:
                given = base
            left_kw[site[i], t] -= (given - base) * share[i, t]
            carried[i] = max(carried[i] + (plan_kw[i, t] - given) * share[i, t], 0.0)
            plan_kw[i, t] = given
    for i in range(n):
        _place_anywhere(plan_kw[i], share[i], min_kw[i], max_kw[i], carried[i], left_kw[site[i]])


@njit(cache=True)
def _place_anywhere(
    plan_kw: np.ndarray, share: np.ndarray, min_kw: float, max_kw: float, missing: float, left_kw: np.ndarray
) -> None:
    """Put what could not be carried to the end into any period with room, as long as something is missing."""
    for t in range(len(plan_kw)):
        if missing <= _EPS:
            return
        if share[t] > 0.0:
            wanted = max(plan_kw[t] + missing / share[t], min_kw)
            given = min(wanted, max_kw, plan_kw[t] + max(left_kw[t], 0.0) / share[t])
            if given >= min_kw - _EPS and given > plan_kw[t]:
                missing -= (given - plan_kw[t]) * share[t]
                left_kw[t] -= (given - plan_kw[t]) * share[t]
                plan_kw[t] = given
