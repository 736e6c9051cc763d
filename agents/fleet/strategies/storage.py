"""Exact optimum of one storage against prices: a convex value function kept as a list of slopes.

The cost to go is convex and piecewise linear in the stored energy. Going one period back adds two pieces (buying and
selling) to the sorted list and cuts both ends to the allowed window. The optimal rule of the period needs two numbers
only: buy below the first, sell above the second, rest in between - so a plan cannot chatter.
"""

from __future__ import annotations

import numpy as np
from numba import njit

PENALTY_EUR_PER_KWH = 1e4


@njit(cache=True)
def _insert(slope: np.ndarray, length: np.ndarray, n: int, new_slope: float, new_length: float) -> int:
    """Insert a piece into the ascending list; returns the new count."""
    if new_length <= 0.0:
        return n
    k = n
    while k > 0 and slope[k - 1] > new_slope:
        slope[k] = slope[k - 1]
        length[k] = length[k - 1]
        k -= 1
    if k > 0 and slope[k - 1] == new_slope:
        for j in range(k, n):
            slope[j] = slope[j + 1]
            length[j] = length[j + 1]
        length[k - 1] += new_length
        return n
    slope[k] = new_slope
    length[k] = new_length
    return n + 1


@njit(cache=True)
def _cut(slope: np.ndarray, length: np.ndarray, n: int, amount: float, is_left: bool) -> int:
    """Cut ``amount`` from one end, or extend it with the penalty slope if negative; returns the new count."""
    if amount < 0.0:
        return _insert(slope, length, n, -PENALTY_EUR_PER_KWH if is_left else PENALTY_EUR_PER_KWH, -amount)
    if not is_left:
        while n > 0 and amount > 0.0:
            piece = min(length[n - 1], amount)
            amount -= piece
            length[n - 1] -= piece
            if length[n - 1] <= 0.0:
                n -= 1
        return n
    gone = 0
    while gone < n and amount > 0.0:
        piece = min(length[gone], amount)
        amount -= piece
        length[gone] -= piece
        if length[gone] > 0.0:
            break
        gone += 1
    for k in range(gone, n):
        slope[k - gone] = slope[k]
        length[k - gone] = length[k]
    return n - gone


@njit(cache=True)
def thresholds(
    low: np.ndarray,
    high: np.ndarray,
    charge_kwh: np.ndarray,
    discharge_kwh: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
    target: float,
    slope: np.ndarray,
    length: np.ndarray,
    buy_below: np.ndarray,
    sell_above: np.ndarray,
) -> None:
    """Backward pass over T periods.

    Parameters
    ----------
    low, high : float arrays, shape (T + 1,)
        Window of the stored energy at the start of each period and at the end; outside it energy is penalised.
    charge_kwh, discharge_kwh : float arrays, shape (T,)
        Most that can be stored and taken in each period.
    buy, sell : float arrays, shape (T,)
        Cost of a kWh stored and revenue of a kWh taken; ``sell`` is lowered to ``buy`` where it is above.
    target : float
        Energy wanted at the end; less is penalised.
    slope, length : float arrays, at least 2 T + 4
        Work space.
    buy_below, sell_above : float arrays, shape (T,)
        Result: the rule of each period.
    """
    n_periods = len(charge_kwh)
    wanted = min(max(target, low[n_periods]), high[n_periods])
    n = _insert(slope, length, 0, -PENALTY_EUR_PER_KWH, wanted - low[n_periods])
    n = _insert(slope, length, n, 0.0, high[n_periods] - wanted)
    for t in range(n_periods - 1, -1, -1):
        earning = min(sell[t], buy[t])
        below, above = low[t + 1], low[t + 1]
        for k in range(n):
            if slope[k] < -buy[t]:
                below += length[k]
            if slope[k] <= -earning:
                above += length[k]
        buy_below[t], sell_above[t] = below, above
        n = _insert(slope, length, n, -buy[t], charge_kwh[t])
        n = _insert(slope, length, n, -earning, discharge_kwh[t])
        n = _cut(slope, length, n, low[t] - (low[t + 1] - charge_kwh[t]), True)
        n = _cut(slope, length, n, (high[t + 1] + discharge_kwh[t]) - high[t], False)


@njit(cache=True)
def follow(
    energy: float,
    floor: float,
    charge_kwh: np.ndarray,
    discharge_kwh: np.ndarray,
    buy_below: np.ndarray,
    sell_above: np.ndarray,
    change_kwh: np.ndarray,
) -> None:
    """Forward pass: change of the stored energy per period; never sells below ``floor``."""
    for t in range(len(charge_kwh)):
        change = 0.0
        if energy < buy_below[t]:
            change = min(charge_kwh[t], buy_below[t] - energy)
        elif energy > sell_above[t]:
            change = -min(discharge_kwh[t], max(energy - max(sell_above[t], floor), 0.0))
        change_kwh[t] = change
        energy += change


@njit(cache=True)
def plan_many(
    energy_kwh: np.ndarray,
    target_kwh: np.ndarray,
    floor_kwh: np.ndarray,
    full_kwh: np.ndarray,
    n_periods: np.ndarray,
    charge_kwh: np.ndarray,
    discharge_kwh: np.ndarray,
    buy: np.ndarray,
    sell: np.ndarray,
) -> np.ndarray:
    """Optimal change of stored energy of many storages, float64[n, n_ahead].

    Parameters
    ----------
    energy_kwh, target_kwh, floor_kwh, full_kwh : float arrays, shape (n,)
        Now, wanted at the end, least while selling, most.
    n_periods : int array, shape (n,)
        Periods until the end of each.
    charge_kwh, discharge_kwh, buy, sell : float arrays, shape (n, n_ahead)
        As in :func:`thresholds`, per kWh stored or taken.
    """
    n, n_ahead = charge_kwh.shape
    change = np.zeros((n, n_ahead))
    slope, length = np.empty(2 * n_ahead + 8), np.empty(2 * n_ahead + 8)
    buy_below, sell_above = np.empty(n_ahead), np.empty(n_ahead)
    low, high = np.empty(n_ahead + 1), np.empty(n_ahead + 1)
    for i in range(n):
        ahead = n_periods[i]
        low[: ahead + 1] = min(floor_kwh[i], energy_kwh[i])
        high[: ahead + 1] = max(full_kwh[i], energy_kwh[i])
        up, down = charge_kwh[i, :ahead], discharge_kwh[i, :ahead]
        rule = (slope, length, buy_below[:ahead], sell_above[:ahead])
        thresholds(low[: ahead + 1], high[: ahead + 1], up, down, buy[i, :ahead], sell[i, :ahead], target_kwh[i], *rule)
        follow(energy_kwh[i], floor_kwh[i], up, down, buy_below[:ahead], sell_above[:ahead], change[i, :ahead])
    return change
