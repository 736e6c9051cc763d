"""The optimisation behind one group of coupled periods, as a linear or mixed-integer programme for HiGHS.

Columns are the accepted MW of an order in one period, or one share for an order that is the same over its window,
and the unresolved relief of each congested element. Two passes: least unresolved relief, then least cost with that
relief kept. The first pass is skipped when full relief is possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from markets.redispatch.orders import RedispatchOrders, RedispatchRules

# A cent per MWh is the price tick; these are far below it. They refuse volume that helps nobody and let the earlier
# row win among equal prices.
_USELESS_EUR_PER_MWH = 1e-3
_LATER_EUR_PER_MWH = 1e-3
_PRIMAL_SIMPLEX = 4  # HiGHS option value; the second pass starts from a point that is primal feasible
# Restarts and sub-problem heuristics cost up to nine tenths of the time on these problems and find nothing better.
_EXACT = {
    "mip_rel_gap": 0.0,
    "mip_feasibility_tolerance": 1e-9,
    "mip_allow_restart": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_root_reduced_cost": False,
}
_KEEP_MW = 1e-8  # slack on the relief that the second pass must keep


@dataclass(frozen=True)
class Solution:
    """Accepted volume float64[n_orders, n_periods], relative gap to the proven optimum, unresolved relief."""

    accepted_mw: np.ndarray
    gap_share: float
    unresolved_mw: float


def quiet_solver() -> highspy.Highs:
    """A HiGHS instance that prints nothing, on one thread (so that runs in parallel keep their speed).

    The Python constructor registers callbacks, which makes the engine print its banner; the engine's own does not.
    """
    solver = highspy.Highs.__new__(highspy.Highs)
    super(highspy.Highs, solver).__init__()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    return solver


class Programme:
    """One group of periods; arguments as in ``clear``, cut to the valid orders and to these periods."""

    def __init__(
        self,
        orders: RedispatchOrders,
        periods: np.ndarray,
        need_mw: np.ndarray,
        effectivity: np.ndarray,
        headroom_mw: np.ndarray,
        headroom_reverse_mw: np.ndarray,
        rules: RedispatchRules,
    ) -> None:
        self.quantity_mw = orders.quantity_mw[:, periods]
        self.signed_effectivity = np.where(orders.is_buy[:, None], effectivity, -effectivity)
        self.is_buy = orders.is_buy
        self.rules = rules
        self._columns(orders)
        self._prices(orders.settled_price_eur_per_mwh)
        self._rows(need_mw, headroom_mw, headroom_reverse_mw)

    def _columns(self, orders: RedispatchOrders) -> None:
        """Number the columns: ``pair`` = order and period with volume, ``column_of_pair`` its column."""
        self.pair_order, self.pair_period = np.nonzero(self.quantity_mw > 0.0)
        is_window = orders.is_window[self.pair_order]
        n_periods = self.quantity_mw.shape[1]
        key = np.where(is_window, self.pair_order * (n_periods + 1) + n_periods, 0)
        key = np.where(is_window, key, self.pair_order * (n_periods + 1) + self.pair_period)
        keys, first, self.column_of_pair = np.unique(key, return_index=True, return_inverse=True)
        volume = self.quantity_mw[self.pair_order, self.pair_period]
        self.mw_per_unit = np.where(is_window, volume, 1.0)
        self.n_volumes = keys.shape[0]
        order = self.pair_order[first]
        fill = orders.min_fill_share[order]
        self.upper = np.where(is_window[first], 1.0, volume[first])
        self.lower = fill * self.upper
        kind = np.where(fill > 0.0, int(highspy.HighsVarType.kSemiContinuous), int(highspy.HighsVarType.kContinuous))
        is_binary = fill >= 1.0
        self.kind = np.where(is_binary, int(highspy.HighsVarType.kInteger), kind)
        self.lower[is_binary] = 0.0

    def _prices(self, price: np.ndarray) -> None:
        """Cost of each column in EUR per MWh times its MW.

        Orders that cross belong to the exchange, not to the operator. Where the best buy is above the cheapest sell,
        the gap is added to every sell, so that no combination is taken for its profit alone.
        """
        n_periods = self.quantity_mw.shape[1]
        later = np.arange(price.shape[0]) / max(1, price.shape[0]) * _LATER_EUR_PER_MWH
        best_buy, best_sell = np.full(n_periods, -np.inf), np.full(n_periods, np.inf)
        is_buy = self.is_buy[self.pair_order]
        np.maximum.at(best_buy, self.pair_period[is_buy], price[self.pair_order[is_buy]])
        np.minimum.at(best_sell, self.pair_period[~is_buy], price[self.pair_order[~is_buy]])
        crossing = np.maximum(np.nan_to_num(best_buy - best_sell, neginf=0.0), 0.0)
        p = price[self.pair_order]
        sell_cost = p + crossing[self.pair_period] + _USELESS_EUR_PER_MWH
        each = np.where(is_buy, -p, sell_cost) + later[self.pair_order]
        self.cost = np.bincount(self.column_of_pair, weights=each * self.mw_per_unit, minlength=self.n_volumes)

    def _rows(self, need: np.ndarray, room: np.ndarray, reverse: np.ndarray) -> None:
        """Balance per period, relief per congested element, limits per element that the orders could reach."""
        signed = self.signed_effectivity
        most = np.maximum(signed, 0.0).T @ self.quantity_mw
        least = np.minimum(signed, 0.0).T @ self.quantity_mw
        is_needed = need > 0.0
        is_limited = (most > room) & ~is_needed
        is_limited_back = -least > reverse
        self.need = need[is_needed]
        n_periods, n_need = need.shape[1], self.need.shape[0]
        blocks = [self._balance_entries(), self._element_entries(is_needed, n_periods)]
        # relief row: load change - unresolved <= -need
        blocks.append((n_periods + np.arange(n_need), self.n_volumes + np.arange(n_need), np.full(n_need, -1.0)))
        is_bounded = is_limited | is_limited_back
        blocks.append(self._element_entries(is_bounded, n_periods + n_need))
        lower_limit = np.where(is_limited_back, -reverse, -np.inf)[is_bounded]
        upper_limit = np.where(is_limited, room, np.inf)[is_bounded]
        lower = [np.zeros(n_periods), np.full(n_need, -np.inf), lower_limit]
        upper = [np.zeros(n_periods), -self.need, upper_limit]
        self.row_lower, self.row_upper = np.concatenate(lower), np.concatenate(upper)
        self._row_wise(blocks)

    def _balance_entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = np.where(self.is_buy[self.pair_order], 1.0, -1.0)
        return self.pair_period, self.column_of_pair, side * self.mw_per_unit

    def _element_entries(self, mask: np.ndarray, first_row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Load change of every masked element and period, rows numbered as ``np.nonzero`` counts them."""
        number = np.full(mask.shape, -1)
        number[mask] = first_row + np.arange(int(mask.sum()))
        rows, columns, values = [], [], []
        for element in np.flatnonzero(mask.any(axis=1)):
            row = number[element, self.pair_period]
            value = self.signed_effectivity[self.pair_order, element] * self.mw_per_unit
            keep = (row >= 0) & (np.abs(value) > 1e-9)
            rows.append(row[keep])
            columns.append(self.column_of_pair[keep])
            values.append(value[keep])
        if not rows:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)

    def _row_wise(self, blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        """Join the entries into HiGHS' row-wise form, with one last row: the sum of unresolved relief."""
        n_need, last = self.need.shape[0], self.row_lower.shape[0]
        total = (np.full(n_need, last), self.n_volumes + np.arange(n_need), np.ones(n_need))
        row, column, value = (np.concatenate(part) for part in zip(*blocks, total, strict=True))
        order = np.lexsort((column, row))
        self.index, self.value = column[order].astype(np.int32), value[order]
        self.start = np.searchsorted(row[order], np.arange(last + 2)).astype(np.int32)

    def solve(self) -> Solution:
        """Most relief, then least cost."""
        solver = quiet_solver()
        options = {**_EXACT, "mip_max_nodes": self.rules.node_limit, "time_limit": self.rules.time_limit_s}
        for name, value in options.items():
            solver.setOptionValue(name, value)
        n_need = self.need.shape[0]
        self._load(solver)
        full = self._run(solver)
        if full is not None:
            return full
        unresolved = self.n_volumes + np.arange(n_need, dtype=np.int32)
        solver.changeColsBounds(n_need, unresolved, np.zeros(n_need), self.need)
        self._charge(solver, np.zeros(self.n_volumes), np.ones(n_need))
        most = self._run(solver)
        if most is None:
            return Solution(np.zeros(self.quantity_mw.shape), 1.0, float(np.sum(self.need)))
        self._charge(solver, self.cost, np.zeros(n_need))
        solver.changeRowBounds(self.row_lower.shape[0], -np.inf, most.unresolved_mw + _KEEP_MW)
        solver.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)
        cheapest = self._run(solver)
        return most if cheapest is None else cheapest

    def _load(self, solver: highspy.Highs) -> None:
        """Hand the programme over, unresolved relief fixed at zero."""
        n_need = self.need.shape[0]
        lp = highspy.HighsLp()
        lp.num_col_ = self.n_volumes + n_need
        lp.num_row_ = self.row_lower.shape[0] + 1
        lp.col_cost_ = np.concatenate([self.cost, np.zeros(n_need)])
        lp.col_lower_ = np.concatenate([self.lower, np.zeros(n_need)])
        lp.col_upper_ = np.concatenate([self.upper, np.zeros(n_need)])
        lp.row_lower_ = np.append(self.row_lower, -np.inf)
        lp.row_upper_ = np.append(self.row_upper, np.inf)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = self.start, self.index, self.value
        if self.kind.any():
            kinds = [highspy.HighsVarType(int(k)) for k in self.kind]
            lp.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * n_need
        solver.passModel(lp)

    @staticmethod
    def _charge(solver: highspy.Highs, cost: np.ndarray, unresolved_cost: np.ndarray) -> None:
        both = np.concatenate([cost, unresolved_cost])
        solver.changeColsCost(both.shape[0], np.arange(both.shape[0], dtype=np.int32), both)

    def _run(self, solver: highspy.Highs) -> Solution | None:
        """One optimisation; None when there is no feasible point (or none was found in time)."""
        solver.run()
        status, info = solver.getModelStatus(), solver.getInfo()
        is_feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
        if not is_feasible or status == highspy.HighsModelStatus.kInfeasible:
            return None
        values = np.array(solver.getSolution().col_value)
        units = self._snapped(values[: self.n_volumes])
        accepted = np.zeros(self.quantity_mw.shape)
        accepted[self.pair_order, self.pair_period] = units[self.column_of_pair] * self.mw_per_unit
        return Solution(np.round(accepted, 9), self._gap(status, info), float(np.sum(values[self.n_volumes :])))

    def _snapped(self, units: np.ndarray) -> np.ndarray:
        """Values inside their bounds, free of the optimiser's integrality tolerance."""
        is_integer = self.kind == int(highspy.HighsVarType.kInteger)
        is_semi = self.kind == int(highspy.HighsVarType.kSemiContinuous)
        semi = np.where(units < 0.5 * self.lower, 0.0, np.maximum(units, self.lower))
        units = np.where(is_integer, np.rint(units), np.where(is_semi, semi, units))
        return np.clip(units, 0.0, self.upper)

    def _gap(self, status: highspy.HighsModelStatus, info: highspy.HighsInfo) -> float:
        if status == highspy.HighsModelStatus.kOptimal:
            return 0.0
        return float(min(1.0, abs(info.mip_gap))) if self.kind.any() else 1.0
