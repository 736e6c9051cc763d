"""Bid-obligation contracts of flexible connections in a run: what must be bid, what was, and what is owed.

The DSO agrees with the CSP on a volume of every flexible connection that may take part. Announced offtake congestion
obliges the CSP to offer that volume as less consumption, at the agreed price at most. A fee is paid for standing by in
every period, and a penalty is owed for what was asked and not bid by the last round before delivery. An order that a
rule of the platform refuses is no bid. Source: GOPACS congestion management products (market-rules 3.1).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from agents.column_log import ColumnLog
from agents.roles.csp import PlacedOrders
from agents.roles.grid_operator import GridOperator, Needs
from markets.levers import Regulation
from markets.redispatch import BidObligation, RedispatchOrders, RedispatchRules, missed_bids, with_price_caps

PERIOD_H = 0.25
_POOL = -1


@dataclass
class BidDutyLog(ColumnLog):
    """Obligations that were asked for, as columns; see table ``bid_obligations``."""

    period: list[int] = field(default_factory=list)
    connection_row: list[int] = field(default_factory=list)
    contracted_mw: list[float] = field(default_factory=list)
    offered_mw: list[float] = field(default_factory=list)
    missing_mwh: list[float] = field(default_factory=list)
    penalty_eur: list[float] = field(default_factory=list)


class BidDuty:
    """The contracts of a run and how they are kept.

    Parameters
    ----------
    regulation : Regulation
        Levers ``bid_obligation_*``; no contract where the share is 0.
    rules : RedispatchRules
        Who may take part: connections below the threshold only where pools may.
    connection_row : int array, shape (n,)
        Flexible connections, ascending.
    capacity_kw : float array, shape (n,)
        Contracted capacity of each.
    n_periods : int
        Length of the run.
    """

    def __init__(
        self,
        regulation: Regulation,
        rules: RedispatchRules,
        connection_row: np.ndarray,
        capacity_kw: np.ndarray,
        n_periods: int,
    ) -> None:
        share, mw = regulation.bid_obligation_share, np.asarray(capacity_kw, dtype=np.float64) / 1000.0
        takes_part = (mw >= rules.participation_min_mw) | rules.is_pooling_allowed
        takes_part &= (mw <= rules.participation_max_mw) & (share * mw > 0.0)
        self.rows, self.volume_mw = np.asarray(connection_row)[takes_part], share * mw[takes_part]
        self.standby_eur_per_mw_h = regulation.bid_obligation_standby_eur_per_mw_h
        cap, penalty = regulation.bid_obligation_price_eur_per_mwh, regulation.bid_obligation_penalty_eur_per_mwh
        self.duties = [
            BidObligation(row, False, volume, cap, penalty_eur_per_mwh=penalty)
            for row, volume in zip(self.rows.tolist(), self.volume_mw.tolist(), strict=True)
        ]
        is_single = mw[takes_part] >= rules.participation_min_mw
        # small connections stand behind the order of a pool, which has no connection of its own
        self._priced = [d for d, single in zip(self.duties, is_single.tolist(), strict=True) if single]
        if not is_single.all():
            self._priced.append(BidObligation(_POOL, False, float(np.sum(self.volume_mw[~is_single])), cap))
        self.is_requested = np.zeros((len(self.rows), n_periods), dtype=np.bool_)
        self.offered_mw = np.zeros((len(self.rows), n_periods))
        self.log = BidDutyLog()

    def request(self, needs: Sequence[tuple[GridOperator, Needs]]) -> None:
        """Note for which periods and connections the DSO asks: those behind an element that needs less load."""
        if not len(self.rows):
            return
        for operator, need in needs:
            if operator.role != "dso":
                continue
            wanted = (need.needed_kw > 0.1) & (need.sign > 0)
            for k, branch in enumerate(need.branches.tolist()):
                behind = np.isin(self.rows, operator.connections_behind(branch))
                periods = need.first + np.flatnonzero(wanted[k])
                self.is_requested[np.ix_(behind, periods)] = True

    def at_agreed_price(self, placed: PlacedOrders) -> PlacedOrders:
        """Orders with the agreed price on those that answer the DSO under a contract."""
        if not self._priced:
            return placed
        capped = with_price_caps(placed.orders, self._priced)
        is_asked = np.array(placed.operator) == "dso"
        cap = np.where(is_asked, capped.contract_cap_eur_per_mwh, placed.orders.contract_cap_eur_per_mwh)
        return replace(placed, orders=replace(capped, contract_cap_eur_per_mwh=cap))

    def note_orders(self, placed: PlacedOrders, refused: Collection[int] = ()) -> None:
        """Note what was bid in a round for every connection; the best round of a period counts.

        Parameters
        ----------
        refused : collection of int
            Rows that the platform refused.
        """
        if not len(self.rows):
            return
        for row in np.flatnonzero(~placed.orders.is_buy).tolist():
            if row in refused:
                continue
            at = np.searchsorted(self.rows, placed.members[row]).clip(max=len(self.rows) - 1)
            known = self.rows[at] == placed.members[row]
            column = self.offered_mw[:, placed.period[row]]
            column[at[known]] = np.maximum(column[at[known]], placed.weight_kw[row][known] / 1000.0)

    def settle(self, period: int) -> tuple[float, float]:
        """Standby fee owed to the CSP and penalty that it owes for a period, EUR."""
        if not len(self.rows):
            return 0.0, 0.0
        asked = np.flatnonzero(self.is_requested[:, period])
        offered = self.offered_mw[asked, period]
        bids = RedispatchOrders.of(self.rows[asked], False, offered, 0.0)
        duties = [self.duties[k] for k in asked.tolist()]
        missed = {m.obligation_row: m for m in missed_bids(bids, duties, np.ones(1, dtype=np.bool_), PERIOD_H)}
        for k, duty in enumerate(duties):
            short = (missed[k].missing_mwh, missed[k].penalty_eur) if k in missed else (0.0, 0.0)
            self.log.note(period, duty.connection_row, duty.volume_mw, float(offered[k]), *short)
        standby = self.standby_eur_per_mw_h * PERIOD_H * float(np.sum(self.volume_mw))
        return standby, sum(m.penalty_eur for m in missed.values())
