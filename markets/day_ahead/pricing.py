"""Prices for a given choice of blocks: as near to the middle of their intervals as the accepted blocks allow.

An accepted block must not lose. A parent may lose when the accepted blocks below it make up for it. A block that is
accepted in part stands exactly at the money. These are straight conditions on the prices; among all prices in the
intervals that meet them, the nearest to the middles (least squares) are chosen, then put on the tick.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from markets.day_ahead.admission import AuctionTerms, round_half_away
from markets.day_ahead.crossing import Interval
from markets.day_ahead.families import BlockTable
from markets.day_ahead.solver import QuietHighs

_LOSS_EUR = 1e-6  # float noise in the gain of a family
_NOISE = 1e-9  # in accepted shares
_MOST_MOVES = 10.0  # ticks by which a price may move to meet the conditions on the grid


@dataclass(frozen=True)
class Conditions:
    """Rows ``least <= gain_eur + slope @ ticks <= most`` that the accepted blocks put on the prices.

    On the grid of ticks an equation can only be met nearly: ``slack_eur`` (two columns) is how far a row may be below
    and above its bounds there.
    """

    slope: np.ndarray
    gain_eur: np.ndarray
    least: np.ndarray
    most: np.ndarray
    slack_eur: np.ndarray

    def violation_eur(self, value_eur: np.ndarray) -> np.ndarray:
        """How far rows (last axis) are outside their bounds on the grid, less float noise."""
        below, above = self.slack_eur.T
        outside: np.ndarray = np.maximum(self.least - below - value_eur, value_eur - self.most - above) - _LOSS_EUR
        return np.maximum(outside, 0.0)

    def value_eur(self, ticks: np.ndarray) -> np.ndarray:
        """Gain of every row at prices in ticks."""
        return self.gain_eur + self.slope @ ticks


def conditions_of(table: BlockTable, share: np.ndarray, terms: AuctionTerms) -> Conditions:
    """Write down what the accepted blocks ask of the prices.

    Parameters
    ----------
    table : BlockTable
        Admitted blocks, at least one.
    share : float64[n_blocks]
        Accepted shares.
    terms : AuctionTerms
        Tick and length of an MTU.

    Returns
    -------
    Conditions
        One row for every accepted family, and one for every pair of partly accepted members of a used-up group,
        which gain alike.
    """
    member = table.subtree_matrix(share > 0.0)
    slope = member @ table.supply_mw * (terms.mtu_h * terms.tick_eur_per_mwh)
    gain, one_tick = member @ table.worth_eur, np.sum(np.abs(slope), axis=1)
    cap = np.where(table.parent >= 0, share[table.parent], 1.0)
    is_partial = (share > 0.0) & (share < cap - _NOISE)
    used = np.bincount(table.group[table.group >= 0], weights=share[table.group >= 0], minlength=len(table) + 1)
    is_sharing = is_partial & (table.group >= 0) & (used[table.group] > 1.0 - _NOISE)
    is_level = is_partial & ~is_sharing
    rows = np.flatnonzero(share > 0.0)
    first, second = _pairs(np.flatnonzero(is_sharing), table.group)
    width = one_tick[first] + one_tick[second]
    above = np.where(is_level, one_tick, 0.0)[rows]
    return Conditions(
        np.concatenate([slope[rows], slope[first] - slope[second]]),
        np.concatenate([gain[rows], gain[first] - gain[second]]),
        np.zeros(len(rows) + len(first)),
        np.concatenate([np.where(is_level, 0.0, np.inf)[rows], np.zeros(len(first))]),
        np.concatenate([np.stack([np.zeros(len(rows)), above], axis=1), np.stack([width, width], axis=1)]),
    )


def _pairs(rows: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of rows of one group."""
    first, second = np.triu_indices(len(rows), 1)
    is_same = group[rows[first]] == group[rows[second]]
    return rows[first[is_same]], rows[second[is_same]]


def choose_ticks(conditions: Conditions, interval: Interval) -> np.ndarray | None:
    """Choose the prices.

    Parameters
    ----------
    conditions : Conditions
        What the accepted blocks ask.
    interval : Interval
        Clearing prices of every MTU; one that lies between two ticks is published on the nearest one.

    Returns
    -------
    float64[n_mtu] or None
        Whole ticks, or None when no prices fit.
    """
    is_point = interval.low_tick == interval.high_tick
    low = np.where(is_point, round_half_away(interval.low_tick), interval.low_tick)
    high = np.where(is_point, low, interval.high_tick)
    middle = 0.5 * (low + high)
    ticks = np.clip(round_half_away(middle), low, high)
    if not conditions.violation_eur(conditions.value_eur(ticks)).any():
        return ticks
    nearest = _project(conditions, low, high, middle)
    if nearest is None:
        return None
    return _on_tick(conditions, nearest, low, high)


def _project(conditions: Conditions, low: np.ndarray, high: np.ndarray, middle: np.ndarray) -> np.ndarray | None:
    """Nearest point to the middles that meets the conditions, in fractional ticks (a quadratic program in HiGHS)."""
    free = np.flatnonzero((high > low) & (conditions.slope != 0.0).any(axis=0))
    if not len(free):
        return None
    # distances from the middle as variables: the objective is their plain sum of squares
    slope, at_middle = conditions.slope[:, free], conditions.value_eur(middle)
    rows = slope, conditions.least - at_middle, conditions.most - at_middle
    solver = QuietHighs()
    solver.passModel(_program(np.zeros(len(free)), (low - middle)[free], (high - middle)[free], *rows))
    hessian = highspy.HighsHessian()
    hessian.dim_, hessian.format_ = len(free), highspy.HessianFormat.kTriangular
    hessian.start_, hessian.index_ = np.arange(len(free) + 1), np.arange(len(free))
    hessian.value_ = np.full(len(free), 2.0)
    solver.passHessian(hessian)
    distance = _solved(solver)
    if distance is None:
        return None
    result = middle.copy()
    result[free] += distance
    return result


def _on_tick(conditions: Conditions, nearest: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """Whole ticks close to given prices that meet the conditions on the grid (an integer program in HiGHS)."""
    rounded = np.clip(round_half_away(nearest), low, high)
    if not conditions.violation_eur(conditions.value_eur(rounded)).any():
        return rounded
    n = len(nearest)
    up, down = (np.minimum(_MOST_MOVES, room) for room in (high - rounded, rounded - low))
    below, above = conditions.slack_eur.T
    now = conditions.value_eur(rounded)
    rows = (
        np.hstack([conditions.slope, -conditions.slope]),
        conditions.least - below - now,
        conditions.most + above - now,
    )
    program = _program(np.ones(2 * n), np.zeros(2 * n), np.concatenate([up, down]), *rows)
    program.integrality_ = [highspy.HighsVarType.kInteger] * (2 * n)
    solver = QuietHighs()
    solver.passModel(program)
    moves = _solved(solver)
    if moves is None:
        return None
    ticks: np.ndarray = rounded + np.round(moves[:n]) - np.round(moves[n:])
    return None if conditions.violation_eur(conditions.value_eur(ticks)).any() else ticks


def _program(
    cost: np.ndarray, low: np.ndarray, high: np.ndarray, slope: np.ndarray, least: np.ndarray, most: np.ndarray
) -> highspy.HighsLp:
    """Minimise a cost within bounds under ``least <= slope @ x <= most``."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), len(slope)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, low, high
    lp.row_lower_, lp.row_upper_ = least, most
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum((slope != 0.0).sum(axis=1))])
    lp.a_matrix_.index_ = np.nonzero(slope)[1]
    lp.a_matrix_.value_ = slope[slope != 0.0]
    return lp


def _solved(solver: QuietHighs) -> np.ndarray | None:
    """Solve; the columns' values, or None when there is no solution."""
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)
