"""CSP: the only door to congestion management; places location-tagged orders and passes signals on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import mesa
import numpy as np

from agents.information.defence import GUARANTEED_SHARE
from agents.links import Links
from agents.messages import (
    AbsoluteSignal,
    AbsoluteSignalViaCsp,
    CapacityCall,
    CapacityCallNotice,
    CongestionAnnouncement,
    CongestionNotice,
    CongestionOffer,
    CongestionOfferToDso,
    CongestionOfferToTso,
    FlexibilityUsedToCsp,
    FlexibilityUsedToDso,
    RedispatchNotice,
    RedispatchOrder,
    TsoCongestionAnnouncement,
    TsoRedispatchOrder,
)
from agents.role import Role
from agents.roles.pooling import merged_congestion, room_of, shares_of_change, shares_of_limit
from markets.redispatch import RedispatchOrders


@dataclass(frozen=True)
class PlacedOrders:
    """Orders of one announcement and which connections stand behind each.

    Attributes
    ----------
    orders : RedispatchOrders
        One row per group and period.
    members : tuple of int arrays
        Connection rows of each order.
    weight_kw : tuple of float arrays
        What each of them contributes.
    period : int array
        Delivery period of each row.
    branch : int array
        Congested element that each answers.
    operator : tuple of str
        Role of the operator that announced it.
    """

    orders: RedispatchOrders
    members: tuple[np.ndarray, ...]
    weight_kw: tuple[np.ndarray, ...]
    period: np.ndarray
    branch: np.ndarray
    operator: tuple[str, ...]


class CSP(Role):
    """Congestion service provider.

    Parameters
    ----------
    capacity_kw : float array, shape (n_connections,)
        Contracted capacity of every connection.
    participation_min_kw : float
        Connections above offer on their own, those below in a pool.
    """

    role: ClassVar[str] = "csp"

    def __init__(
        self, model: mesa.Model, party: str, links: Links, capacity_kw: np.ndarray, participation_min_kw: float
    ) -> None:
        super().__init__(model, party, links)
        self.capacity_kw, self.participation_min_kw = capacity_kw, participation_min_kw
        self._offer: CongestionOffer | None = None
        self._offers: dict[str, CongestionOffer] = {}
        self.is_plausibility_checked, self.refused_signals = False, 0
        self.price_cap_eur_per_mwh = np.inf
        """Most that grid operators pay for an order (the congestion price of table 7.1)."""

    def pass_on_offer(self) -> None:
        """Tell DSO and TSO connections, prognosis and room (CSP-2, CSP-3, CSP-4)."""
        for offer in self._pooled():
            self._offer = offer
            content = (
                offer.first_period, offer.connection_row, offer.prognosis_kw, offer.reducible_kw,
                offer.increasable_kw, offer.price_eur_per_mwh, offer.increase_eur_per_mwh,
            )  # fmt: skip
            self.send(CongestionOfferToDso(*content))
            self.send(CongestionOfferToTso(*content))

    def _pooled(self) -> list[CongestionOffer]:
        """New offers, those of several aggregators for the same periods as one."""
        by_span: dict[tuple[int, int], dict[str, CongestionOffer]] = {}
        for party, offer in self.knowledge.take_from(CongestionOffer):
            self._offers[party] = offer
            by_span.setdefault((offer.first_period, offer.prognosis_kw.shape[1]), {})[party] = offer
        return [merged_congestion(list(of_party.values())) for of_party in by_span.values()]

    def place_orders(self, first: int, n: int) -> PlacedOrders | None:
        """Answer the announcements with orders: sell (use less) or buy (use more) inside the area.

        Parameters
        ----------
        first, n : int
            Periods that are cleared.
        """
        announced: list[CongestionAnnouncement | TsoCongestionAnnouncement] = [
            *self.knowledge.take(CongestionAnnouncement),
            *self.knowledge.take(TsoCongestionAnnouncement),
        ]
        for a in announced:
            self.send(CongestionNotice(a.first_period, a.connection_row, a.needed_kw, self.price_cap_eur_per_mwh))
        offer = self._offer
        if offer is None or not announced:
            return None
        rows: list[tuple[int, bool, float, float, float, bool, int]] = []
        members, weights, areas = [], [], []
        taken: set[tuple[int, int]] = set()
        for area in sorted(announced, key=lambda a: len(a.connection_row)):
            mine = np.flatnonzero(np.isin(offer.connection_row, area.connection_row))
            groups = self._groups(offer, mine)
            for k in np.flatnonzero(area.needed_kw > 0.0).tolist():
                period = area.first_period + k
                at = period - offer.first_period
                if not (0 <= at < offer.prognosis_kw.shape[1] and first <= period < first + n):
                    continue
                room = (offer.reducible_kw if area.sign > 0 else offer.increasable_kw)[:, at]
                for group, is_pool in groups:
                    free = np.array([r for r in group.tolist() if (r, period) not in taken and room[r] > 0.0], int)
                    if not len(free):
                        continue
                    taken.update((int(r), period) for r in free)
                    power = float(np.sum(room[free])) / 1000.0
                    limit = float((offer.price_eur_per_mwh if area.sign > 0 else offer.increase_eur_per_mwh)[at])
                    connection = -1 if is_pool else int(offer.connection_row[free[0]])
                    contracted = float(np.sum(self.capacity_kw[offer.connection_row[free]])) / 1000.0
                    rows.append((connection, area.sign < 0, power, round(limit, 2), contracted, is_pool, period))
                    members.append(offer.connection_row[free])
                    weights.append(room[free])
                    areas.append((area.branch_index, area.sender))
        if not rows:
            return None
        orders, delivery = self._orders(rows, first, n)
        branch, operator = zip(*areas, strict=True)
        return PlacedOrders(orders, tuple(members), tuple(weights), delivery, np.array(branch), operator)

    def _groups(self, offer: CongestionOffer, mine: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        """Large connections one by one, all small ones together."""
        large = self.capacity_kw[offer.connection_row[mine]] >= self.participation_min_kw
        singles = [(np.array([row]), False) for row in mine[large].tolist()]
        pool = mine[~large]
        return [*singles, (pool, True)] if len(pool) else singles

    @staticmethod
    def _orders(
        rows: list[tuple[int, bool, float, float, float, bool, int]], first: int, n: int
    ) -> tuple[RedispatchOrders, np.ndarray]:
        """Orders and the delivery period of each."""
        connection, is_buy, power, price, contracted, is_pool, period = zip(*rows, strict=True)
        quantity = np.zeros((len(rows), n))
        quantity[np.arange(len(rows)), np.array(period) - first] = power
        orders = RedispatchOrders.of(
            np.array(connection), np.array(is_buy), quantity, np.array(price), contracted_mw=np.array(contracted),
            is_pool=np.array(is_pool),
        )  # fmt: skip
        return orders, np.array(period)

    def pass_on_signals(self) -> None:
        """Notify the aggregator of accepted flexibility, capacity calls and absolute limits (CSP-1, CSP-6)."""
        orders: list[RedispatchOrder | TsoRedispatchOrder] = [
            *self.knowledge.take(RedispatchOrder),
            *self.knowledge.take(TsoRedispatchOrder),
        ]
        for order in orders:
            if self.is_plausibility_checked and not self._was_offered(order):
                self.refused_signals += 1
                continue
            shares = shares_of_change(self._offers, order.first_period, order.connection_row, order.change_kw)
            for party, change in shares.items():
                if change.any():
                    self.send(RedispatchNotice(order.first_period, order.connection_row, change), party)
        for call in self.knowledge.take(CapacityCall):
            limits = shares_of_limit(self._offers, call.first_period, call.connection_row, len(call.limit_kw))
            for party, part in limits.items():
                limit = np.where(np.isfinite(call.limit_kw), part * np.nan_to_num(call.limit_kw), call.limit_kw)
                self.send(CapacityCallNotice(call.first_period, call.connection_row, limit), party)
        for signal in self.knowledge.take(AbsoluteSignal):
            share = signal.limit_share
            if self.is_plausibility_checked:
                self.refused_signals += int(np.sum(share < GUARANTEED_SHARE))
                share = np.maximum(share, GUARANTEED_SHARE)
            told = (signal.first_period, signal.connection_row, share, signal.n_periods)
            self.send(AbsoluteSignalViaCsp(*told))

    def _was_offered(self, order: RedispatchOrder | TsoRedispatchOrder) -> bool:
        """Whether an order asks for no more than the pool offered at each connection and period."""
        if self._offer is None:
            return False
        most = room_of(self._offer, order.first_period, order.connection_row, order.change_kw)
        return bool(np.all(np.abs(order.change_kw) <= most + 1e-6))

    def report(self) -> None:
        """Tell the DSO what was really delivered (CSP-5)."""
        used_mw: dict[int, float] = {}
        for used in self.knowledge.take(FlexibilityUsedToCsp):
            used_mw[used.period] = used_mw.get(used.period, 0.0) + used.power_mw
        for period, mw in used_mw.items():
            self.send(FlexibilityUsedToDso(period, mw))
