"""Several limits at once: site, station and conductor, each with cars that can be off or at least at their minimum.

:func:`agents.fleet.strategies.allocation.allocate` shares one limit per site. Where a car hangs on more than one (the
fuse of its station within the connection of its site, each of the three phases), every limit on its way has to carry
what it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from agents.fleet.charging import KW_PER_A

_TOLERANCE_KW = 1e-9


@dataclass(frozen=True, eq=False)
class Limit:
    """One kind of limit: which group each session is in, what counts of its power, and the most per group.

    Attributes
    ----------
    group : int array, shape (n,)
        Group of each session, -1 where this limit does not concern it.
    share : float array, shape (n,)
        Part of the session's power that counts.
    limit_kw : float array, shape (n_groups,)
        Most per group; below zero (other load exceeds it already) delivery has to make up for it first.
    """

    group: np.ndarray
    share: np.ndarray
    limit_kw: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray, limit_kw: np.ndarray) -> Limit:
        """Limit on the whole power of sites, stations or feeders."""
        return cls(np.asarray(group), np.ones(len(group)), np.atleast_1d(np.asarray(limit_kw, dtype=np.float64)))


def phase_limits(site: np.ndarray, phases: np.ndarray, first_phase: np.ndarray, limit_a: np.ndarray) -> list[Limit]:
    """Limits of the three conductors of every site.

    Parameters
    ----------
    site, phases, first_phase : int arrays, shape (n,)
        Of each session: its site, the phases in use, the first conductor.
    limit_a : float array, shape (n_sites, 3)
        Current that each conductor has left for charging.

    Returns
    -------
    list of Limit
        One per conductor.
    """
    phases = np.asarray(phases)
    limits = []
    for conductor in range(3):
        is_used = (conductor - np.asarray(first_phase)) % 3 < phases
        share = np.where(is_used, 1.0 / np.maximum(phases, 1), 0.0)
        limits.append(Limit(np.asarray(site), share, np.asarray(limit_a, dtype=np.float64)[:, conductor] * KW_PER_A))
    return limits


@njit(cache=True)
def _greedy(
    order: np.ndarray,
    requested_kw: np.ndarray,
    min_kw: np.ndarray,
    group: np.ndarray,
    share: np.ndarray,
    left_kw: np.ndarray,
) -> np.ndarray:
    """Give in order what every limit of a session still carries, or nothing if that is below its minimum."""
    power = np.zeros(len(order))
    for i in order:
        most = requested_kw[i]
        for k in range(len(group)):
            if group[k, i] >= 0 and share[k, i] > 0.0:
                most = min(most, left_kw[k, group[k, i]] / share[k, i])
        if most <= 0.0 or most < min_kw[i] - _TOLERANCE_KW:
            continue
        power[i] = most
        for k in range(len(group)):
            if group[k, i] >= 0:
                left_kw[k, group[k, i]] -= share[k, i] * most
    return power


def allocate_within(
    requested_kw: np.ndarray, min_kw: np.ndarray, limits: Sequence[Limit], rank: np.ndarray | None = None
) -> np.ndarray:
    """Power of every session so that no limit is exceeded and nobody runs below its minimum.

    Parameters
    ----------
    requested_kw : float array, shape (n,)
        What each would draw; delivering (below zero) is passed through and makes room in its groups.
    min_kw : float array, shape (n,)
        Lowest power other than zero.
    limits : sequence of Limit
        All of them hold.
    rank : float array, shape (n,), optional
        Lowest first (laxity, or minus the priority); ties and default: row order.

    Returns
    -------
    float array, shape (n,)
        Between the minimum and the request, or zero.
    """
    request = np.asarray(requested_kw, dtype=np.float64)
    n = len(request)
    order = np.argsort(np.zeros(n) if rank is None else rank, kind="stable")
    group = np.array([limit.group for limit in limits], dtype=np.int64).reshape(len(limits), n)
    share = np.array([limit.share for limit in limits], dtype=np.float64).reshape(len(limits), n)
    width = max((len(limit.limit_kw) for limit in limits), default=1)
    left = np.full((len(limits), width), np.inf)
    for k, limit in enumerate(limits):
        counted = np.where(group[k] >= 0, share[k] * np.minimum(request, 0.0), 0.0)
        delivered = np.bincount(np.maximum(group[k], 0), weights=counted, minlength=len(limit.limit_kw))
        left[k, : len(limit.limit_kw)] = np.maximum(limit.limit_kw - delivered, 0.0)
    power = _greedy(order, request, np.asarray(min_kw, dtype=np.float64), group, share, left)
    return np.where(request < 0.0, request, power)
