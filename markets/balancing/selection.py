"""Choosing reserve capacity bids: the cheapest whole number of steps, with bids that cannot be divided.

Costs are exact: a dynamic programme over steps for the indivisible bids, joined with the cost curve of the divisible
ones. Equal costs are decided by the oldest time stamp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np


@numba.njit(cache=True)
def _whole_bids(units: np.ndarray, price: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Cheapest way to take exactly k steps from all-or-nothing bids, and which bids that takes."""
    cost = np.full(most + 1, np.inf)
    cost[0] = 0.0
    is_taken = np.zeros((units.size, most + 1), dtype=np.bool_)
    for j in range(units.size):
        for k in range(most, units[j] - 1, -1):
            other = cost[k - units[j]] + units[j] * price[j]
            if other < cost[k]:
                cost[k] = other
                is_taken[j, k] = True
    return cost, is_taken


@numba.njit(cache=True)
def _join(whole: np.ndarray, parts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Cheapest split of k steps over both kinds, and how many steps come from indivisible bids."""
    cost = np.full(most + 1, np.inf)
    from_whole = np.zeros(most + 1, dtype=np.int64)
    for i in range(most + 1):
        if whole[i] == np.inf:
            continue
        for j in range(min(parts.size, most + 1 - i)):
            total = whole[i] + parts[j]
            if total < cost[i + j]:
                cost[i + j] = total
                from_whole[i + j] = i
    return cost, from_whole


@dataclass(frozen=True)
class CostCurve:
    """Cheapest cost of every number of steps from one set of bids, and how to get it.

    Parameters
    ----------
    cost : array of float, shape (most + 1,)
        € for exactly k steps; infinite where k cannot be had exactly.
    """

    units: np.ndarray
    by_price: np.ndarray
    is_whole: np.ndarray
    cost: np.ndarray
    from_whole: np.ndarray
    is_taken: np.ndarray

    def award(self, k: int) -> np.ndarray:
        """Steps awarded to every bid for a total of k, int64[n]."""
        awarded = np.zeros(self.units.size, dtype=np.int64)
        left = int(self.from_whole[k])
        whole = np.flatnonzero(self.is_whole)
        for j in range(whole.size - 1, -1, -1):
            if self.is_taken[j, left]:
                awarded[whole[j]] = self.units[whole[j]]
                left -= int(self.units[whole[j]])
        rest = k - int(self.from_whole[k])
        parts = self.by_price[~self.is_whole[self.by_price]]
        before = np.concatenate([[0], np.cumsum(self.units[parts])[:-1]]) if parts.size else np.zeros(0, np.int64)
        awarded[parts] = np.clip(rest - before, 0, self.units[parts])
        return awarded


def cost_curve(
    units: np.ndarray, price: np.ndarray, age_rank: np.ndarray, is_whole: np.ndarray, most: int
) -> CostCurve:
    """Cost curve of one set of bids.

    Parameters
    ----------
    units : array of int, shape (n,)
        Offered steps.
    price : array of float, shape (n,)
        € per step.
    age_rank : array of float, shape (n,)
        0 for the oldest bid up to 1 for the newest; decides between equal costs.
    is_whole : array of bool, shape (n,)
        Bids that are awarded completely or not at all.
    most : int
        Largest number of steps wanted.

    Returns
    -------
    CostCurve
        The costs contain less than a cent for the age of the bids.
    """
    aged = price + age_rank * (1e-3 / max(most, 1))
    by_price = np.lexsort((age_rank, price))
    parts = by_price[~is_whole[by_price]]
    steps = np.repeat(aged[parts], np.minimum(units[parts], most))[:most]
    whole_cost, is_taken = _whole_bids(units[is_whole], aged[is_whole], most)
    cost, from_whole = _join(whole_cost, np.concatenate([[0.0], np.cumsum(steps)]), most)
    return CostCurve(units, by_price, is_whole, cost, from_whole, is_taken)


def cheapest_split(home: np.ndarray, abroad: np.ndarray, demand: int, low: int, high: int) -> tuple[int, int]:
    """Steps from home and abroad that cover as much of the demand as possible at the least cost.

    Parameters
    ----------
    home, abroad : array of float, shape (demand + 1,)
        Costs of exactly k steps, infinite where impossible.
    demand : int
        Wanted in all.
    low, high : int
        Limits of the home share; the lower one gives way when home bids cannot reach it.

    Returns
    -------
    from_home, from_abroad : int
    """
    possible = np.flatnonzero(np.isfinite(home))
    low = min(low, int(possible[-1]))
    candidates = possible[(possible >= low) & (possible <= max(high, low))]
    for total in range(demand, 0, -1):
        mine = candidates[candidates <= total]
        costs = home[mine] + abroad[total - mine]
        if mine.size and np.isfinite(costs).any():
            best = int(mine[np.argmin(costs)])
            return best, total - best
    return 0, 0
