"""The neighbouring zones as a trader: sells and buys at the border while a gate and the interconnectors leave room."""

from __future__ import annotations

import numpy as np

from agents.exchange import BORDER, Exchange
from agents.world.neighbours import Neighbours
from markets.day_ahead import CurveOrders
from markets.intraday import Order, Product, is_cross_border_open

AUCTION_STEPS = ((300.0, 6.0), (300.0, 14.0), (300.0, 30.0))
"""Power and distance from the last known price in the intraday auctions, MW and EUR/MWh (assumption)."""
CONTINUOUS_STEPS = ((60.0, 4.0), (90.0, 10.0), (150.0, 25.0))
"""The same in the continuous market, where cross-border capacity is first come, first served (assumption)."""


class Border:
    """What neighbours bring to each market; nothing beyond the interconnectors, nothing after the cross-border gate.

    Parameters
    ----------
    neighbours : Neighbours
        Curves of the day-ahead auction; the sum of their steps is the usable interconnection.
    exchange : Exchange
        Where it trades.
    """

    def __init__(self, neighbours: Neighbours, exchange: Exchange) -> None:
        self.neighbours, self.exchange = neighbours, exchange
        self.row = exchange.positions.row(BORDER)
        self._import_limit_mw = neighbours.import_mw.sum(axis=0)
        self._export_limit_mw = neighbours.export_mw.sum(axis=0)

    def room_mw(self, periods: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Further power that the interconnectors can carry in and out of the country, float[n] each."""
        export = self.exchange.positions.total_mwh(BORDER, periods) / 0.25
        return (
            np.maximum(self._import_limit_mw[periods] + export, 0.0),
            np.maximum(self._export_limit_mw[periods] - export, 0.0),
        )

    def day_ahead_orders(self, periods: np.ndarray, per_mtu: int) -> CurveOrders:
        """Import offers and export bids of a day, at most the interconnection of each direction."""
        n = self.neighbours
        parts = []
        for is_buy, mw, price in (
            (False, n.import_mw, n.import_price_eur_per_mwh),
            (True, n.export_mw, n.export_price_eur_per_mwh),
        ):
            power, limit = (v[:, periods].reshape(len(v), -1, per_mtu).mean(axis=2) for v in (mw, price))
            # steps of the curve on the volume grid whose sum is still the interconnection
            ends = np.floor(10.0 * np.cumsum(power, axis=0) + 1e-6) / 10.0
            steps = np.round(np.diff(ends, axis=0, prepend=0.0), 1)
            mtu = np.broadcast_to(np.arange(power.shape[1]), power.shape).ravel()
            shape = (np.full(power.size, self.row), np.full(power.size, is_buy), mtu)
            parts.append(CurveOrders(*shape, steps.ravel(), self.exchange.within_limits(limit).ravel()))
        return CurveOrders.concatenate(parts)

    def intraday_orders(self, periods: np.ndarray) -> CurveOrders:
        """Orders of an intraday auction around the last known price, within the room that is left."""
        n, price = len(periods), self.exchange.last_price_eur_per_mwh(periods)
        parts = []
        for is_buy, room in zip((False, True), self.room_mw(periods), strict=True):
            used = np.zeros(n)
            for mw, spread in AUCTION_STEPS:
                step = np.floor(10.0 * np.minimum(mw, room - used) + 1e-6) / 10.0
                used += step
                limit = np.round(price + (-spread if is_buy else spread), 2)
                parts.append(CurveOrders(np.full(n, self.row), np.full(n, is_buy), np.arange(n), step, limit))
        return CurveOrders.concatenate(parts)

    def quotes(self, now: int, product: Product) -> list[Order]:
        """Quotes in the continuous market; none once the cross-border gate has closed or an auction suspends it."""
        period = product.first_period
        horizon, gate = self.exchange.horizon, self.exchange.regulation.intraday_cross_border_gate_min
        midnight = 15.0 * horizon.day_slice(int(horizon.day_of[period])).start
        if not is_cross_border_open(15.0 * now - midnight, 15.0 * period - midnight, gate_min=gate):
            return []
        at = product.span
        price = float(np.mean(self.exchange.last_price_eur_per_mwh(at)))
        orders = []
        for is_buy, free in zip((False, True), self.room_mw(at), strict=True):
            room = float(np.min(free))
            for mw, spread in CONTINUOUS_STEPS:
                step = float(np.floor(10.0 * min(mw, room) + 1e-6) / 10.0)
                room -= step
                if step > 0.0:
                    orders.append(Order(self.row, is_buy, step, round(price + (-spread if is_buy else spread), 2)))
        return orders
