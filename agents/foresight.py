"""What grid operators did against congestion, measured against what perfect foresight would have done.

Without an intervention a branch would have carried what was measured plus the relief obtained there; under an absolute
signal, whose relief nobody measures, what it carried before the signal or what it carries on the day without steering,
whichever is more. Perfect foresight acts where that is above the limit, and buys exactly what is above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.roles.grid_operator import GridOperator

TOOLS = ("redispatch", "capacity_call", "absolute_signal")
ALL = "all"
BIN_EDGES = (0.001, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
"""Forecasts below 0.1 % are not judged: nearly all branches at nearly all times."""
PERIOD_H = 0.25
COLUMNS = (
    "operator", "tool", "interventions", "avoided", "missed", "needless", "bought_mwh", "avoided_mwh", "perfect_mwh",
    "cost_eur", "eur_per_avoided_mwh",
)  # fmt: skip


@dataclass(frozen=True)
class Wires:
    """Loading of every branch in every period, float[n_periods, n_branches].

    Attributes
    ----------
    measured_share : float array
        As it was.
    unsteered_share : float array
        On the day without any steering.
    rated_kva : float array, shape (n_branches,)
        Ratings.
    limit_share : float
        Loading above which there is congestion.
    """

    measured_share: np.ndarray
    unsteered_share: np.ndarray
    rated_kva: np.ndarray
    limit_share: float

    def without(self, interventions: Mapping[str, Any]) -> np.ndarray:
        """Loading had no operator done anything."""
        would = np.nan_to_num(self.measured_share).astype(np.float64)
        period, branch, kind, relief_mw = _interventions(interventions)
        is_signal = kind == "absolute_signal"
        bought = ~is_signal
        kva = self.rated_kva[branch[bought]]
        np.add.at(would, (period[bought], branch[bought]), 1000.0 * relief_mw[bought] / kva)
        order = np.lexsort((branch[is_signal], period[is_signal]))
        unsteered = np.nan_to_num(self.unsteered_share)
        for t, b in zip(period[is_signal][order].tolist(), branch[is_signal][order].tolist(), strict=True):
            before = would[t - 1, b] if t > 0 else 0.0
            would[t, b] = max(would[t, b], before, float(unsteered[t, b]))
        return would


def operators_table(
    wires: Wires, interventions: Mapping[str, Any], owned: Mapping[str, np.ndarray]
) -> dict[str, list[Any]]:
    """Columns of table ``operators``.

    Parameters
    ----------
    wires : Wires
        Loading.
    interventions : mapping
        Columns of table ``interventions``.
    owned : mapping of str to bool array, shape (n_branches,)
        Branches of each operator.
    """
    would = wires.without(interventions)
    rows = [row for name, is_own in owned.items() for row in _rows_of(name, is_own, wires, would, interventions)]
    return {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}


def _rows_of(
    name: str, is_own: np.ndarray, wires: Wires, would: np.ndarray, interventions: Mapping[str, Any]
) -> Iterator[tuple[Any, ...]]:
    period, branch, kind, relief_mw = _interventions(interventions)
    cost = np.asarray(interventions["cost_eur"], dtype=np.float64)
    measured = np.nan_to_num(wires.measured_share)
    needs, holds = (would > wires.limit_share) & is_own, measured <= wires.limit_share
    mwh_per_share = PERIOD_H * np.where(np.isfinite(wires.rated_kva), wires.rated_kva, 0.0) / 1000.0
    above = np.where(needs, would - wires.limit_share, 0.0) * mwh_per_share
    avoided = np.where(needs, would - np.maximum(measured, wires.limit_share), 0.0) * mwh_per_share
    acted_at_all = np.zeros_like(needs)
    for tool in (*TOOLS, ALL):
        mine = is_own[branch] & ((kind == tool) | (tool == ALL))
        acted = np.zeros_like(needs)
        acted[period[mine], branch[mine]] = True
        acted_at_all |= acted
        missed = acted if tool != ALL else is_own
        gain = float(np.sum(np.maximum(avoided[acted], 0.0)))
        eur = float(np.sum(cost[mine]))
        yield (
            name, tool, int(acted.sum()), int((acted & needs & holds).sum()), int((missed & needs & ~holds).sum()),
            int((acted & ~needs).sum()), PERIOD_H * float(np.nansum(relief_mw[mine])), gain, float(above.sum()), eur,
            eur / gain if gain > 0.0 else float("nan"),
        )  # fmt: skip


def calibration_table(
    wires: Wires, interventions: Mapping[str, Any], operators: Sequence[GridOperator]
) -> dict[str, list[Any]]:
    """Columns of table ``forecast_calibration``: forecast probability of congestion against how often it came."""
    happened = wires.without(interventions) > wires.limit_share
    rows = []
    for operator in operators:
        for horizon, chance in operator.probability.items():
            known = np.isfinite(chance) & operator.is_own & np.isfinite(wires.measured_share)
            at = np.digitize(chance[known], BIN_EDGES) - 1
            at = np.minimum(at, len(BIN_EDGES) - 2)
            for k in range(len(BIN_EDGES) - 1):
                mine = at == k
                if not mine.any():
                    continue
                mean, came = float(np.mean(chance[known][mine])), float(np.mean(happened[known][mine]))
                rows.append((operator.role, horizon, BIN_EDGES[k], BIN_EDGES[k + 1], int(mine.sum()), mean, came))
    columns = ("operator", "horizon", "low", "high", "forecasts", "mean_probability", "observed_share")
    return {name: [row[k] for row in rows] for k, name in enumerate(columns)}


def _interventions(table: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.asarray(table["period"], dtype=np.int64),
        np.asarray(table["branch_index"], dtype=np.int64),
        np.asarray(table["kind"], dtype=np.str_),
        np.asarray(table["relief_mw"], dtype=np.float64),
    )
