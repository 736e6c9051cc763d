"""Volumes on the step: buyers and sellers of a market time unit get the same whole number of steps.

The rule: the traded volume of the MTU is rounded to the nearest step, halves up. Every order gets the whole steps of
its exact acceptance; the steps that are left go, one each, to the orders with the largest remainder, and among equal
remainders to the order that stands first. Each side then adds up to the same volume, and no order gets more than its
quantity, which is a whole number of steps.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def round_group(exact: np.ndarray, step: float, total_steps: int) -> np.ndarray:
    """Round volumes to whole steps that add up to a total, by the largest remainder.

    Parameters
    ----------
    exact : float64[n]
        Volumes, MW.
    step : float
        Volume step, MW.
    total_steps : int
        What the whole steps must add up to; within one step per fractional volume.

    Returns
    -------
    float64[n]
        Whole numbers of steps.
    """
    n = len(exact)
    steps = np.empty(n)
    n_open = 0
    given = 0.0
    for i in range(n):
        steps[i] = np.floor(exact[i] / step + 1e-6)
        given += steps[i]
        if exact[i] / step - steps[i] > 1e-6:
            n_open += 1
    left = round(total_steps - given)
    if left <= 0 or n_open == 0:
        return steps
    rows, remainder = np.empty(n_open, np.int64), np.empty(n_open)
    k = 0
    for i in range(n):
        if exact[i] / step - steps[i] > 1e-6:
            rows[k] = i
            remainder[k] = -np.rint((exact[i] / step - steps[i]) * 1e6)
            k += 1
    order = np.argsort(remainder, kind="mergesort")
    for k in range(min(left, n_open)):
        steps[rows[order[k]]] += 1.0
    return steps


@numba.njit(cache=True)
def round_groups(accepted: np.ndarray, start: np.ndarray, total_steps: np.ndarray, step: float) -> np.ndarray:
    """Round each group ``accepted[start[g]:start[g + 1]]`` by :func:`round_group`; result in steps."""
    steps = np.empty(len(accepted))
    for g in range(len(start) - 1):
        steps[start[g] : start[g + 1]] = round_group(accepted[start[g] : start[g + 1]], step, total_steps[g])
    return steps
