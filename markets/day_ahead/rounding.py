"""Volumes on the step: buyers and sellers of a market time unit get the same whole number of steps.

The rule: the traded volume of the MTU is rounded to the nearest step, halves up. Every order gets the whole steps of
its exact acceptance; the steps that are left go, one each, to the orders with the largest remainder, and among equal
remainders to the order that stands first. Each side then adds up to the same volume, and no order gets more than its
quantity, which is a whole number of steps.
"""

from __future__ import annotations

import numba
import numpy as np

from markets.day_ahead.admission import AuctionTerms, round_half_away
from markets.day_ahead.crossing import Book
from markets.day_ahead.families import BlockTable


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


def on_step(
    book: Book,
    table: BlockTable,
    block_share: np.ndarray,
    accepted_mw: np.ndarray,
    bought_mw: np.ndarray,
    terms: AuctionTerms,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put exact acceptance on the volume step.

    Parameters
    ----------
    book : Book
        Grouped curve orders.
    table : BlockTable
        Admitted blocks.
    block_share : float64[n_blocks]
        Accepted shares.
    accepted_mw : float64[n]
        Exact acceptance of the grouped curve orders.
    bought_mw : float64[n_mtu]
        Exact volume of the curve orders that buy.
    terms : AuctionTerms
        Volume step; 0 changes nothing.

    Returns
    -------
    accepted_mw : float64[n]
        On the step.
    block_mw : float64[n_blocks, n_mtu]
        Accepted power of blocks, 0 or more.
    volume_mw : float64[n_mtu]
        Traded volume.
    """
    block_mw = block_share[:, None] * np.abs(table.supply_mw)
    volume = bought_mw + np.sum(block_mw[table.is_buy], axis=0)
    if terms.volume_step_mw == 0.0:
        return accepted_mw, block_mw, volume
    total = round_half_away(volume / terms.volume_step_mw)
    if len(table) == 0:
        steps = round_groups(accepted_mw, book.start, np.repeat(total, 2), terms.volume_step_mw)
        return terms.volume_of(steps), block_mw, terms.volume_of(total)
    both = np.concatenate([accepted_mw, block_mw.ravel()])
    groups_of_blocks = 2 * np.arange(terms.n_mtu) + np.where(table.is_buy, 0, 1)[:, None]
    group = np.concatenate([np.repeat(np.arange(2 * terms.n_mtu), np.diff(book.start)), groups_of_blocks.ravel()])
    order = np.argsort(group, kind="stable")
    start = np.searchsorted(group[order], np.arange(2 * terms.n_mtu + 1))
    steps = np.empty(len(both))
    steps[order] = round_groups(both[order], start, np.repeat(total, 2), terms.volume_step_mw)
    mw = terms.volume_of(steps)
    return mw[: len(accepted_mw)], mw[len(accepted_mw) :].reshape(block_mw.shape), terms.volume_of(total)
