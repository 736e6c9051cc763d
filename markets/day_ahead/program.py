"""The mixed-integer program behind the choice of blocks (see :mod:`markets.day_ahead.selection`)."""

from __future__ import annotations

from typing import NamedTuple

import highspy
import numpy as np

from markets.day_ahead.admission import AuctionTerms
from markets.day_ahead.families import BlockTable
from markets.day_ahead.solver import QuietHighs

# Loss in euros that the program overlooks, so that float noise in large sums excludes no choice; the exact pricing
# of every proposal does not overlook it.
_SLACK_EUR = 1e-4
# All blocks together are worth this much more to the program, so that of equal choices the larger volume wins.
VOLUME_BONUS_EUR = 1e-4


class Tangents(NamedTuple):
    """Points on the curve functions: position of the MTU, price, gain above the base, ends of the net demand."""

    place: np.ndarray
    tick: np.ndarray
    gain_eur: np.ndarray
    net_low_mw: np.ndarray
    net_high_mw: np.ndarray


class Proposal(NamedTuple):
    """A solution: shares (None when there is none), the yes-or-no of each block, prices, and a bound on the welfare.

    A block that may be accepted to any small share can be a yes with a share of nothing. The bound counts from the
    welfare without blocks.
    """

    share: np.ndarray | None
    is_accepted: np.ndarray
    ticks: np.ndarray
    bound_eur: float


class BlockProgram:
    """Accepted shares, prices and gains of blocks as a mixed-integer linear program.

    Columns: welfare ``w`` and gain ``c`` of the curve orders, net supply of blocks and price of each touched MTU;
    for each block a yes-or-no, a share (the same column when only the whole block may be accepted) and what its family
    gains; for each exclusive group the price of its one place.

    Parameters
    ----------
    table : BlockTable
        Admitted blocks.
    mtu : int64[n_touched]
        MTUs in which blocks deliver.
    low_tick, high_tick : float64[n_touched]
        Box of possible prices.
    absorbed_mw : (float64[n_touched], float64[n_touched])
        Smallest and largest net supply of blocks that the curves can absorb.
    terms : AuctionTerms
        What holds.
    """

    def __init__(
        self,
        table: BlockTable,
        mtu: np.ndarray,
        low_tick: np.ndarray,
        high_tick: np.ndarray,
        absorbed_mw: tuple[np.ndarray, np.ndarray],
        terms: AuctionTerms,
    ) -> None:
        self.table, self.mtu, self.low_tick, self.high_tick = table, mtu, low_tick, high_tick
        self._terms, self._absorbed_mw = terms, absorbed_mw
        self._h = terms.mtu_h
        self._seen: set[tuple[int, float]] = set()
        self._solver = QuietHighs()
        self._solver.setOptionValue("mip_rel_gap", 0.0)
        self._solver.setOptionValue("mip_abs_gap", 0.1 * VOLUME_BONUS_EUR)
        self._add_columns()
        self._add_block_rows()
        self._add_supply_rows()
        self._add_gain_rows()

    def _add_columns(self) -> None:
        n, k = len(self.table), len(self.mtu)
        free = np.full(k, highspy.kHighsInf)
        tick = self._terms.tick_eur_per_mwh
        self._w = self._columns(np.ones(k), -free, free)
        self._c = self._columns(np.zeros(k), -free, free)
        self._supply = self._columns(np.zeros(k), *self._supply_box())
        self._price = self._columns(np.zeros(k), self.low_tick * tick, self.high_tick * tick)
        energy = self.table.energy_mwh
        worth = self.table.worth_eur + VOLUME_BONUS_EUR * energy / np.sum(energy)
        is_divisible = self.table.min_share < 1.0
        self._yes = self._columns(np.where(is_divisible, 0.0, worth), np.zeros(n), np.ones(n))
        kinds = np.full(n, highspy.HighsVarType.kInteger)
        for column, kind in zip(self._yes, kinds, strict=True):
            self._solver.changeColIntegrality(int(column), kind)
        self._share = self._yes.copy()
        n_divisible = int(is_divisible.sum())
        self._share[is_divisible] = self._columns(worth[is_divisible], np.zeros(n_divisible), np.ones(n_divisible))
        self._gain = self._columns(np.zeros(n), np.zeros(n), np.full(n, highspy.kHighsInf))
        n_groups = int(self.table.group.max(initial=-1)) + 1
        self._place = self._columns(np.zeros(n_groups), np.zeros(n_groups), np.full(n_groups, highspy.kHighsInf))
        self._solver.changeObjectiveSense(highspy.ObjSense.kMaximize)

    def _columns(self, cost: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        first = self._solver.getNumCol()
        for c, a, b in zip(cost, low, high, strict=True):
            self._solver.addCol(float(c), float(a), float(b), 0, [], [])
        return np.arange(first, first + len(cost))

    def _row(self, low: float, high: float, columns: np.ndarray, values: np.ndarray) -> None:
        keep = values != 0.0
        index, value = columns[keep].astype(np.int32), values[keep].astype(np.float64)
        self._solver.addRow(float(low), float(high), len(index), index, value)

    def _at_least(self, low: float, *terms: tuple[np.ndarray | int, np.ndarray | float]) -> None:
        """Add a row: the sum of columns times values is at least ``low``."""
        parts = [np.broadcast_arrays(np.atleast_1d(c), np.asarray(v, dtype=np.float64)) for c, v in terms]
        columns, values = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        self._row(low, highspy.kHighsInf, columns, values)

    def _add_block_rows(self) -> None:
        """Smallest shares, links and exclusive groups."""
        for b, (yes, share, parent) in enumerate(zip(self._yes, self._share, self.table.parent, strict=True)):
            if yes != share:
                self._at_least(0.0, (yes, 1.0), (share, -1.0))
                self._at_least(0.0, (share, 1.0), (yes, -self.table.min_share[b]))
            if parent >= 0:
                self._at_least(0.0, (self._yes[parent], 1.0), (yes, -1.0))
                self._at_least(0.0, (self._share[parent], 1.0), (share, -1.0))
        for group in range(len(self._place)):
            self._at_least(-1.0, (self._share[self.table.group == group], -1.0))

    def _add_supply_rows(self) -> None:
        """Net supply of the blocks in each MTU."""
        for column, supply in zip(self._supply, self.table.supply_mw.T[self.mtu], strict=True):
            self._row(0.0, 0.0, np.append(self._share, column), np.append(supply, -1.0))

    def _supply_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Net supply that the blocks can bring and the curves can absorb."""
        supply = self.table.supply_mw[:, self.mtu]
        least, most = self._absorbed_mw
        bought, sold = np.sum(np.minimum(supply, 0.0), axis=0), np.sum(np.maximum(supply, 0.0), axis=0)
        return np.maximum(least, bought), np.minimum(most, sold)

    def _add_gain_rows(self) -> None:
        """No accepted family loses, and all gains add up to the welfare."""
        energy = self.table.supply_mw[:, self.mtu] * self._h
        tick = self._terms.tick_eur_per_mwh
        best = np.sum(np.maximum(energy * (self.low_tick * tick), energy * (self.high_tick * tick)), axis=1)
        most = np.maximum(self.table.worth_eur + best, 0.0)
        for b in range(len(self.table)):
            group = self.table.group[b]
            place: list[tuple] = [(self._place[group], 1.0)] if group >= 0 else []
            children = self._gain[self.table.parent == b]
            self._at_least(
                self.table.worth_eur[b] - most[b],
                (self._gain[b], 1.0),
                (children, -1.0),
                (self._price, -energy[b]),
                (self._yes[b], -most[b]),
                *place,
            )
        self._duality_row = self._solver.getNumRow()
        self._at_least(
            -_SLACK_EUR,
            (self._w, 1.0),
            (self._share, self.table.worth_eur),
            (self._c, -1.0),
            (self._gain[self.table.parent < 0], -1.0),
            (self._place, -1.0),
        )

    def add(self, points: Tangents) -> bool:
        """Add the tangents to welfare and gain at points that are not in the program yet; False when all were."""
        before = len(self._seen)
        tick = self._terms.tick_eur_per_mwh
        for place, at, gain, low, high in zip(*points, strict=True):
            if (place, at) in self._seen:
                continue
            self._seen.add((place, at))
            price = at * tick
            # w <= gain + price * net supply, and c >= gain - net demand * (p - price) on either side of the point
            self._at_least(-gain, (self._w[place], -1.0), (self._supply[place], self._h * price))
            for net in sorted({low, high}):
                line = [(self._c[place], 1.0), (self._price[place], self._h * net)]
                self._at_least(gain + self._h * net * price, *line)
        return len(self._seen) > before

    def forbid(self, is_accepted: np.ndarray) -> None:
        """Cut off one choice of blocks."""
        sign = np.where(is_accepted, -1.0, 1.0)
        self._at_least(1.0 - float(np.sum(is_accepted)), (self._yes, sign))

    def best_shares(self, is_accepted: np.ndarray, time_limit_s: float) -> Proposal:
        """Give the shares of highest welfare for one choice of blocks, whatever prices it needs."""
        return self.solve_without_prices(time_limit_s, is_accepted, is_accepted)

    def solve_without_prices(
        self, time_limit_s: float, at_least: np.ndarray | None = None, at_most: np.ndarray | None = None
    ) -> Proposal:
        """Solve for the highest welfare whatever prices it needs, between two choices of blocks (nothing and all)."""
        n = len(self.table)
        low = np.zeros(n) if at_least is None else at_least.astype(np.float64)
        high = np.ones(n) if at_most is None else at_most.astype(np.float64)
        self._bound_choice(low, high, -highspy.kHighsInf)
        found = self.solve(time_limit_s)
        self._bound_choice(np.zeros(n), np.ones(n), -_SLACK_EUR)
        return found

    def _bound_choice(self, low: np.ndarray, high: np.ndarray, least_duality_eur: float) -> None:
        for column, a, b in zip(self._yes, low, high, strict=True):
            self._solver.changeColBounds(int(column), float(a), float(b))
        self._solver.changeRowBounds(self._duality_row, least_duality_eur, highspy.kHighsInf)

    def solve(self, time_limit_s: float) -> Proposal:
        """Solve the program as it stands."""
        before = self._solver.getRunTime()
        self._solver.setOptionValue("time_limit", before + time_limit_s)
        self._solver.run()
        info, status = self._solver.getInfo(), self._solver.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Proposal(None, np.zeros(0, np.bool_), np.zeros(0), -np.inf)
        bound = float(info.mip_dual_bound)
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return Proposal(None, np.zeros(0, np.bool_), np.zeros(0), bound)
        value = np.array(self._solver.getSolution().col_value)
        ticks = np.clip(value[self._price] / self._terms.tick_eur_per_mwh, self.low_tick, self.high_tick)
        return Proposal(self._clean(value), value[self._yes] > 0.5, np.round(ticks, 6), bound)

    def _clean(self, value: np.ndarray) -> np.ndarray:
        """Shares without solver noise: nothing, the smallest share, the whole, or in between."""
        least = self.table.min_share
        share = np.round(np.clip(value[self._share], least, 1.0), 9)
        share = np.where(share > 1.0 - 1e-7, 1.0, np.where(share < least + 1e-7, least, share))
        return np.where((value[self._yes] > 0.5) & (share > 0.0), share, 0.0)
