"""Which policy holds up: regret over the states of the world, robustness, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def regret(outcomes: np.ndarray, *, lower_is_better: bool) -> np.ndarray:
    """How much worse each policy is than the best one in the same state of the world (Savage).

    Parameters
    ----------
    outcomes : numpy.ndarray
        float64[policies, states], mean of the key figure.
    lower_is_better : bool
        Direction.

    Returns
    -------
    numpy.ndarray
        float64[policies, states], zero or more.
    """
    cost = outcomes if lower_is_better else -outcomes
    return cost - np.min(cost, axis=0, keepdims=True)


def max_regret(outcomes: np.ndarray, *, lower_is_better: bool) -> np.ndarray:
    """Largest regret of each policy, float64[policies]."""
    return np.max(regret(outcomes, lower_is_better=lower_is_better), axis=1)


def satisficing_share(outcomes: np.ndarray, limit: float, *, lower_is_better: bool) -> np.ndarray:
    """Share of the states in which each policy meets a limit, float64[policies] (domain criterion)."""
    is_met = outcomes <= limit if lower_is_better else outcomes >= limit
    return np.mean(is_met, axis=1)


def pareto_front(outcomes: np.ndarray, lower_is_better: Sequence[bool]) -> np.ndarray:
    """Policies that no other policy beats in every figure.

    Parameters
    ----------
    outcomes : numpy.ndarray
        float64[policies, figures].
    lower_is_better : sequence of bool
        Direction of every figure.

    Returns
    -------
    numpy.ndarray
        bool[policies]; a policy with a figure that is not finite is never on the front, equals stay together.
    """
    cost = np.where(np.asarray(lower_is_better, dtype=bool), outcomes, -outcomes)
    is_sound: np.ndarray = np.all(np.isfinite(cost), axis=1)
    front = is_sound.copy()
    for row in np.flatnonzero(is_sound):
        others = cost[is_sound]
        is_dominating = np.all(others <= cost[row], axis=1) & np.any(others < cost[row], axis=1)
        front[row] = not is_dominating.any()
    return front
