"""One redispatch round: needs of the grid operators against orders of the CSP and counter-orders of producers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.bid_duty import BidDuty
from agents.cashbook import Cashbook
from agents.exchange import RejectionLog, TradeLog
from agents.flex_log import FlexLog
from agents.positions import Positions
from agents.roles.csp import PlacedOrders
from agents.roles.grid_operator import GridOperator, Needs
from agents.roles.producer import Producer
from markets import redispatch
from markets.calendar import Horizon
from markets.redispatch import RedispatchOrders, RedispatchRules
from markets.redispatch.orders import RULES, faults

COUNTER_MW = 50.0
"""Largest counter-order of a producer per period: connections above 60 MW are not on this platform (GOPACS)."""
COUNTER_MARKUP_EUR_PER_MWH = 5.0
OUTSIDE = 10_000_000
"""Connection rows from here on are outside the simulated wires."""


@dataclass
class InterventionLog:
    """Interventions as columns, see table ``interventions``."""

    rows: list[tuple[int, str, str, int, float, float]]


def counter_orders(producers: Sequence[Producer], now: int, periods: np.ndarray) -> RedispatchOrders | None:
    """Producers outside the area buy energy back, or sell more, around their cost."""
    rows = []
    for producer in producers:
        up, down = producer.room_mw(now, periods)
        for is_buy, room, sign in ((False, up, 1.0), (True, down, -1.0)):
            total = np.minimum(room.sum(axis=0), COUNTER_MW)
            useful = room.max(axis=1) > 1.0
            if not useful.any():
                continue
            cost = producer.cost_eur_per_mwh[useful]
            price = float(np.max(cost) if is_buy else np.min(cost)) + sign * COUNTER_MARKUP_EUR_PER_MWH
            rows.append((OUTSIDE + 2 * producer.row + is_buy, is_buy, total, round(price, 2), producer.row))
    if not rows:
        return None
    connection, side, quantity, price_eur, row = zip(*rows, strict=True)
    return RedispatchOrders.of(
        np.array(connection), np.array(side), np.stack(quantity), np.array(price_eur),
        csp=np.array(row), order_id=1_000_000 + np.arange(len(rows)), contracted_mw=COUNTER_MW,
    )  # fmt: skip


def join(inside: RedispatchOrders, outside: RedispatchOrders, pool_row: int) -> RedispatchOrders:
    """Stack two books."""
    parts = {
        name: np.concatenate([getattr(inside, name), getattr(outside, name)])
        for name in inside.__dataclass_fields__
        if name not in ("csp", "order_id")
    }
    csp = np.concatenate([np.full(inside.n_orders, pool_row), outside.csp])
    order_id = np.concatenate([np.arange(inside.n_orders), outside.order_id])
    return RedispatchOrders(csp=csp, order_id=order_id, **parts)


@dataclass(frozen=True)
class RoundResult:
    """What a round brought.

    Attributes
    ----------
    change_kw : float array, shape (n_connections, n_periods)
        Accepted change of consumption per connection inside.
    pool_mw : float array, shape (n_periods,)
        Their sum in MW, + = more consumption.
    relief_mw : float array, shape (n_elements, n_periods)
        Obtained relief.
    """

    rows: np.ndarray
    change_kw: np.ndarray
    pool_mw: np.ndarray
    relief_mw: np.ndarray


def shares_of_relief(relief_mw: np.ndarray) -> np.ndarray:
    """Part of each element in the cost of a period, float[n_elements, n_periods]; columns sum to 1.

    The spread goes by the relief that each got. An order with one share for its whole window may also run in a period
    without relief; what it costs there is shared alike, so that no payment is lost.
    """
    relief = np.maximum(relief_mw, 0.0)
    total = relief.sum(axis=0)
    alike = np.full(relief.shape, 1.0 / max(len(relief), 1))
    return np.where(total > 1e-12, relief / np.maximum(total, 1e-12), alike)


class RedispatchDesk:
    """The platform on which congestion is traded (GOPACS): clears, settles and books.

    Parameters
    ----------
    operators : sequence of GridOperator
        Who may ask for relief.
    rules : RedispatchRules
        Limits of orders.
    positions, cashbook, trades, rejections
        Where results are booked.
    pool : tuple of (str, int, str)
        Balance responsible party of the pool, its row, and the CSP's account.
    representation : int
        Towns the simulated one stands for: each has its own congestion, and the counter-trade is national.
    accounts : list of str
        Ledger account of every trader.
    horizon : Horizon
        The periods.
    duty : BidDuty
        Bid-obligation contracts of the pool's connections.
    """

    def __init__(
        self,
        operators: Sequence[GridOperator],
        rules: RedispatchRules,
        positions: Positions,
        cashbook: Cashbook,
        trades: TradeLog,
        rejections: RejectionLog,
        pool: tuple[str, int, str],
        representation: int,
        accounts: list[str],
        horizon: Horizon,
        duty: BidDuty,
    ) -> None:
        self.duty = duty
        self.operators, self.rules, self.positions, self.cashbook = operators, rules, positions, cashbook
        self.trades, self.rejections, self.accounts = trades, rejections, accounts
        self.pool_party, self.pool_row, self.csp_account = pool
        self.representation = representation
        self.interventions = InterventionLog([])
        self.flex = FlexLog(horizon)
        self.pool_receipts_eur = np.zeros(horizon.n_periods)
        """What the CSP got for the pool, of the simulated town, by period of delivery."""

    def clear(
        self,
        now: int,
        needs: Sequence[tuple[GridOperator, Needs]],
        placed: PlacedOrders,
        counter: RedispatchOrders | None,
    ) -> RoundResult | None:
        """Clear one round; None when nothing was taken."""
        placed = self.duty.at_agreed_price(placed)
        if counter is None:
            codes = faults(placed.orders, np.zeros((placed.orders.n_orders, 1)), self.rules)
            broken = {row: RULES[codes[row]] for row in np.flatnonzero(codes).tolist()}
            for rule in broken.values():
                self.rejections.add(now, "redispatch", self._name(self.pool_row), rule)
            self._note_orders(now, placed, np.zeros(placed.orders.quantity_mw.shape), broken)
            return None
        book = join(placed.orders, counter, self.pool_row)
        needed_mw, branches, sign, owner = self._needed(needs)
        effectivity = self._effectivity(placed, counter.n_orders, branches, sign, owner, dict(needs))
        headroom = np.where(needed_mw > 0.0, 0.0, np.inf)
        clearing = redispatch.clear(
            book, needed_relief_mw=needed_mw, effectivity=effectivity, headroom_mw=headroom, rules=self.rules
        )
        for refused in clearing.rejections:
            who = self._name(int(book.csp[refused.row]))
            self.rejections.add(now, "redispatch", who, refused.rule)
        broken = {refused.row: refused.rule for refused in clearing.rejections}
        self._note_orders(now, placed, clearing.accepted_mw[: placed.orders.n_orders], broken)
        if not clearing.accepted_mw.any():
            return None
        first = needs[0][1].first
        self._book(now, first, book, clearing, owner)
        self._note(first, clearing, branches)
        return self._result(placed, clearing)

    def _note_orders(self, now: int, placed: PlacedOrders, accepted_mw: np.ndarray, broken: dict[int, str]) -> None:
        """Keep what the CSP bid, what was taken and what was refused."""
        self.duty.note_orders(placed, broken)
        self.flex.note_orders(now, placed, accepted_mw, broken)

    def _needed(
        self, needs: Sequence[tuple[GridOperator, Needs]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[GridOperator]]:
        """Elements by direction: one row for each element and sign that is needed in any period."""
        rows, branch, sign, owner = [], [], [], []
        for operator, need in needs:
            for k, b in enumerate(need.branches.tolist()):
                for s in (1, -1):
                    wanted = np.where(need.sign[k] == s, need.needed_kw[k], 0.0) / 1000.0
                    if (wanted > 1e-4).any():
                        rows.append(wanted)
                        branch.append(b)
                        sign.append(s)
                        owner.append(operator)
        n = needs[0][1].needed_kw.shape[1]
        return np.array(rows).reshape(-1, n), np.array(branch, int), np.array(sign, int), owner

    def _effectivity(
        self,
        placed: PlacedOrders,
        n_counter: int,
        branches: np.ndarray,
        sign: np.ndarray,
        owner: list[GridOperator],
        needs: dict[GridOperator, Needs],
    ) -> np.ndarray:
        """Weighted mean over the members of each order; nothing outside reaches these wires."""
        factors = np.zeros((placed.orders.n_orders + n_counter, len(branches)))
        rows = np.unique(np.concatenate(placed.members))
        of = {operator: operator.effectivity_for(needs[operator], operator.node_of_connection[rows])
              for operator in dict.fromkeys(owner)}  # fmt: skip
        for e, (branch, operator) in enumerate(zip(branches.tolist(), owner, strict=True)):
            of_node = of[operator][:, branch] * sign[e]
            for row, (members, weight) in enumerate(zip(placed.members, placed.weight_kw, strict=True)):
                at = of_node[operator.node_of_connection[members]]
                factors[row, e] = np.sum(at * weight) / np.sum(weight)
        return factors

    def _book(
        self,
        now: int,
        first: int,
        book: RedispatchOrders,
        clearing: redispatch.RedispatchClearing,
        owner: list[GridOperator],
    ) -> None:
        """Money to every order's owner from the operators, energy to the positions of both sides."""
        settled = redispatch.settle(clearing)
        share = shares_of_relief(clearing.relief_mw)
        for row, k in np.argwhere(clearing.accepted_mw > 0.0).tolist():
            period, party = first + k, int(book.csp[row])
            mwh = float(settled.position_mwh[row, k]) * self.representation
            self.positions.bought_mwh["redispatch"][party, period] += mwh
            account = self.csp_account if party == self.pool_row else self.accounts[party]
            for e, operator in enumerate(owner):
                eur = float(settled.receipt_eur[row, k] * share[e, k])
                self.cashbook.pay_national(period, operator.account, account, eur * self.representation, "redispatch")
                if party == self.pool_row:
                    self.pool_receipts_eur[period] += eur
            mw, price = float(clearing.accepted_mw[row, k]), float(clearing.price_eur_per_mwh[row])
            who, asked = self._name(party), owner[int(np.argmax(share[:, k]))].party
            pair = (asked, who) if clearing.is_buy[row] else (who, asked)
            self.trades.add("redispatch", now, period, *pair, mw, price)

    def _name(self, row: int) -> str:
        """Party behind an order: the CSP for the pool, else the trader itself."""
        return self.csp_account.partition(": ")[2] if row == self.pool_row else self.positions.parties[row]

    def _note(self, first: int, clearing: redispatch.RedispatchClearing, branches: np.ndarray) -> None:
        relief, share = np.maximum(clearing.relief_mw, 0.0), shares_of_relief(clearing.relief_mw)
        for e, k in np.argwhere(relief > 1e-6).tolist():
            cost = float(clearing.spread_cost_per_period_eur[k] * share[e, k])
            row = (first + k, "redispatch", "market", int(branches[e]), float(relief[e, k]), cost)
            self.interventions.rows.append(row)

    def _result(self, placed: PlacedOrders, clearing: redispatch.RedispatchClearing) -> RoundResult:
        signed = clearing.signed_mw[: placed.orders.n_orders]
        rows = np.unique(np.concatenate(placed.members))
        change = np.zeros((len(rows), signed.shape[1]))
        for order, (members, weight) in enumerate(zip(placed.members, placed.weight_kw, strict=True)):
            part = 1000.0 * signed[order][None, :] * (weight / np.sum(weight))[:, None]
            change[np.searchsorted(rows, members)] += part
        return RoundResult(rows, change, signed.sum(axis=0), clearing.relief_mw)
