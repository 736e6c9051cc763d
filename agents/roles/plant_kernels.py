"""What a producer works out for its units again and again within a period, compiled: a unit's numbers are few.

All arrays are over units, or units by the quarters of a product. Tests hold them against the same in plain NumPy.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def least_room_mw(
    available_mw: np.ndarray, planned_mw: np.ndarray, must_run_share: np.ndarray, is_firm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each firm unit can go up and down in every quarter of a product, float64[n_units] each."""
    n_units, n = planned_mw.shape
    up, down = np.zeros(n_units), np.zeros(n_units)
    for i in range(n_units):
        if not is_firm[i]:
            continue
        up[i], down[i] = np.inf, np.inf
        for k in range(n):
            up[i] = min(up[i], max(available_mw[i, k] - planned_mw[i, k], 0.0))
            down[i] = min(down[i], max(planned_mw[i, k] - must_run_share[i] * available_mw[i, k], 0.0))
    return up, down


@njit(cache=True)
def edge_prices(
    up_mw: np.ndarray, down_mw: np.ndarray, ask_eur_per_mwh: np.ndarray, value_eur_per_mwh: np.ndarray
) -> tuple[float, float]:
    """Price of the unit that moves next: the cheapest to go up, the one that saves most to go down.

    Units with no more than 1 MW of room count only where none has more.
    """
    n_units, n = ask_eur_per_mwh.shape
    least_up = 1.0 if up_mw.max() > 1.0 else 0.0
    least_down = 1.0 if down_mw.max() > 1.0 else 0.0
    cheapest, dearest = np.inf, -np.inf
    for i in range(n_units):
        if up_mw[i] > least_up:
            mean = 0.0
            for k in range(n):
                mean += ask_eur_per_mwh[i, k]
            cheapest = min(cheapest, mean / n)
        if down_mw[i] > least_down:
            dearest = max(dearest, value_eur_per_mwh[i])
    return cheapest, dearest


@njit(cache=True)
def meet_sales(
    planned_mw: np.ndarray,
    available_mw: np.ndarray,
    must_run_share: np.ndarray,
    cheapest_first: np.ndarray,
    sold_mw: np.ndarray,
) -> np.ndarray:
    """Move firm units from a plan until the sum is what was sold, within what they can, float64[n_units, n].

    Parameters
    ----------
    planned_mw, available_mw : float64[n_units, n]
        The plan, and what each unit can deliver.
    must_run_share : float64[n_units]
        Least output, share of what it can deliver.
    cheapest_first : int64[n_firm]
        Rows of the firm units: they go up in this order and down in the opposite one.
    sold_mw : float64[n]
        What was sold.
    """
    moved = planned_mw.copy()
    n_firm = len(cheapest_first)
    for k in range(planned_mw.shape[1]):
        missing = sold_mw[k] - planned_mw[:, k].sum()
        for j in range(n_firm):
            if missing > 0.0:
                i = cheapest_first[j]
                step = min(missing, max(available_mw[i, k] - moved[i, k], 0.0))
                missing -= step
                moved[i, k] += step
            elif missing < 0.0:
                i = cheapest_first[n_firm - 1 - j]
                step = min(-missing, max(moved[i, k] - must_run_share[i] * available_mw[i, k], 0.0))
                missing += step
                moved[i, k] -= step
    return moved
