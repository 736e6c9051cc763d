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
def _whole_steps(exact: np.ndarray, start: np.ndarray, step: float) -> tuple:
    """Whole steps of every volume, their sum in each group, and the rows that have a remainder."""
    steps, given = np.empty(len(exact)), np.zeros(len(start) - 1)
    rows, n = np.empty(len(exact), np.int64), 0
    for g in range(len(given)):
        for i in range(start[g], start[g + 1]):
            steps[i] = np.floor(exact[i] / step + 1e-6)
            given[g] += steps[i]
            if exact[i] / step - steps[i] > 1e-6:
                rows[n] = i
                n += 1
    return steps, given, rows[:n]


def round_groups(exact: np.ndarray, start: np.ndarray, total_steps: np.ndarray, step: float) -> np.ndarray:
    """Round volumes to whole steps that add up to a total in every group, by the largest remainder.

    Parameters
    ----------
    exact : float64[n]
        Volumes, MW.
    start : int64[n_groups + 1]
        Bounds of the groups.
    total_steps : float64[n_groups]
        What the whole steps of a group must add up to; within one step per fractional volume.
    step : float
        Volume step, MW.

    Returns
    -------
    float64[n]
        Whole numbers of steps.
    """
    steps, given, rows = _whole_steps(exact, start, step)
    group = np.searchsorted(start, rows, side="right") - 1
    remainder = np.rint((exact[rows] / step - steps[rows]) * 1e6)
    order = np.lexsort((rows, -remainder, group))
    place = np.arange(len(rows)) - np.searchsorted(group[order], group[order])  # among the remainders of the group
    gets_one = place < np.rint(total_steps - given)[group[order]]
    steps[rows[order[gets_one]]] += 1.0
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
