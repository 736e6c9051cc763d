"""Share a limit among the cars of a site when a car can only be off or at least at its minimum (the 6 A problem).

Scaling everyone down does not work below 6 A per phase: cars stop. So cars are admitted one by one while the limit
carries their minimum; what is left is spread. Who comes first is the rule.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

_TOLERANCE_KW = 1e-9
_ADMITTED_KW = 1e-12  # marks a car that is in although its minimum is zero


@njit(cache=True)
def _admit_and_fill(
    order: np.ndarray,
    site: np.ndarray,
    requested_kw: np.ndarray,
    min_kw: np.ndarray,
    limit_kw: np.ndarray,
    is_greedy: bool,
) -> np.ndarray:
    """Admit in order within each site, then fill: greedy in order, or equally (water level)."""
    n = len(order)
    power = np.zeros(n)
    i = 0
    while i < n:
        j = i
        here = site[order[i]]
        while j < n and site[order[j]] == here:
            j += 1
        left = limit_kw[here]
        for k in range(i, j):
            row = order[k]
            can = requested_kw[row] > 0.0 and requested_kw[row] >= min_kw[row] - _TOLERANCE_KW
            least = min(min_kw[row], requested_kw[row])
            if can and least <= left + _TOLERANCE_KW and left > _TOLERANCE_KW:
                first = min(requested_kw[row], left) if is_greedy else least
                power[row] = max(first, least, _ADMITTED_KW)
                left -= power[row]
        if not is_greedy:
            _water_fill(order, i, j, requested_kw, power, max(left, 0.0))
        i = j
    return power


@njit(cache=True)
def _water_fill(
    order: np.ndarray, first: int, end: int, requested_kw: np.ndarray, power: np.ndarray, left_kw: float
) -> None:
    """Raise the admitted cars to one common level with ``left_kw`` more, none above its request."""
    low, high, demand = 0.0, 0.0, 0.0
    for k in range(first, end):
        row = order[k]
        if power[row] > 0.0:
            high = max(high, requested_kw[row])
            demand += requested_kw[row] - power[row]
    if demand <= left_kw:
        level = high
    else:
        for _ in range(60):
            level = 0.5 * (low + high)
            used = 0.0
            for k in range(first, end):
                row = order[k]
                if power[row] > 0.0:
                    used += max(min(requested_kw[row], level) - power[row], 0.0)
            if used > left_kw:
                high = level
            else:
                low = level
        level = low
    for k in range(first, end):
        row = order[k]
        if power[row] > 0.0:
            power[row] = max(power[row], min(requested_kw[row], level))


def _by_turn(site: np.ndarray, turn: int, priority: np.ndarray, laxity_h: np.ndarray) -> np.ndarray:
    """Everyone in turn: within each site the row that comes first moves on every turn by the golden share."""
    n = len(site)
    order = np.argsort(site, kind="stable")
    start = np.searchsorted(site[order], site)
    size = np.bincount(site)[site] if n else np.zeros(0, dtype=np.int64)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    first = np.floor((turn * 0.6180339887498949 % 1.0) * size).astype(np.int64)
    return (place - start - first) % np.maximum(size, 1)


RULES: dict[str, tuple[Callable[[np.ndarray, int, np.ndarray, np.ndarray], np.ndarray], bool]] = {
    "equal_share": (lambda site, turn, priority, laxity_h: laxity_h, False),
    "least_laxity": (lambda site, turn, priority, laxity_h: laxity_h, True),
    "priority": (lambda site, turn, priority, laxity_h: -priority, True),
    "rotating": (_by_turn, True),
}


def allocate(
    requested_kw: np.ndarray,
    min_kw: np.ndarray,
    limit_kw: np.ndarray | float,
    rule: str = "equal_share",
    *,
    site: np.ndarray | None = None,
    priority: np.ndarray | None = None,
    laxity_h: np.ndarray | None = None,
    turn: int = 0,
) -> np.ndarray:
    """Power of every session so that no site exceeds its limit and nobody runs below its minimum.

    Parameters
    ----------
    requested_kw : float array, shape (n,)
        What each would draw; zero or less (delivering) is passed through and makes room at its site.
    min_kw : float array, shape (n,)
        Lowest power other than zero.
    limit_kw : float or float array, shape (n_sites,)
        Most per site; infinite for none.
    rule : str
        ``equal_share``: admit the most urgent, then one common level. ``least_laxity``: the most urgent get all they
        ask. ``priority``: the same by ``priority``, highest first. ``rotating``: the same in turns.
    site : int array, shape (n,), optional
        Site of each session; one site by default.
    priority, laxity_h : float arrays, optional
        Keys of the rules; laxity is the time left less the time needed. Ties keep row order.
    turn : int
        Number of the turn for ``rotating``.

    Returns
    -------
    float array, shape (n,)
        Between the minimum and the request, or zero.
    """
    request = np.asarray(requested_kw, dtype=np.float64)
    n = len(request)
    sites = np.zeros(n, dtype=np.int64) if site is None else np.asarray(site, dtype=np.int64)
    limits = np.atleast_1d(np.asarray(limit_kw, dtype=np.float64))
    if len(limits) == 1 and n:
        limits = np.full(int(sites.max()) + 1, limits[0])
    delivered = np.bincount(sites, weights=np.minimum(request, 0.0), minlength=len(limits))
    key, is_greedy = RULES[rule]
    zeros = np.zeros(n)
    rank = key(sites, turn, zeros if priority is None else priority, zeros if laxity_h is None else laxity_h)
    order = np.lexsort((np.arange(n), rank, sites))
    room = np.maximum(limits - delivered, 0.0)
    power = _admit_and_fill(order, sites, request, np.asarray(min_kw, dtype=np.float64), room, is_greedy)
    return np.where(request < 0.0, request, np.where(power <= 1e-11, 0.0, power))
