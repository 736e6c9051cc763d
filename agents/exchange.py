"""The exchange: collects the orders that parties bring to a gate, clears them and books trades, positions and money.

It holds no opinion: prices come out of :mod:`markets.day_ahead` and :mod:`markets.intraday` from the orders alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.cashbook import Cashbook
from agents.column_log import ColumnLog
from agents.monitoring import AuctionMonitor
from agents.positions import Positions
from markets import day_ahead
from markets.calendar import Horizon
from markets.day_ahead import CurveOrders, DayAheadClearing
from markets.intraday import ContinuousMarket, Order, OrderBook, Product, Trade, clear_auction
from markets.levers import Regulation

BORDER = "Border"
"""Name under which the neighbouring zones trade."""
EXCHANGE = "exchange"
"""Central counterparty of all auctions."""


@dataclass
class TradeLog(ColumnLog):
    """Trades as columns, see table ``trades``."""

    market: list[str] = field(default_factory=list)
    gate_period: list[int] = field(default_factory=list)
    period: list[int] = field(default_factory=list)
    seller: list[str] = field(default_factory=list)
    buyer: list[str] = field(default_factory=list)
    volume_mw: list[float] = field(default_factory=list)
    price_eur_per_mwh: list[float] = field(default_factory=list)
    product_min: list[int] = field(default_factory=list)

    def add(
        self, market: str, gate: int, period: int, seller: str, buyer: str, mw: float, price: float, minutes: int = 15
    ) -> None:
        """Note one trade; one of a longer product stands once for each of its periods."""
        self.note(market, gate, period, seller, buyer, mw, price, minutes)


@dataclass
class RejectionLog:
    """Refused orders counted by what they broke, see table ``rejections``."""

    counts: dict[tuple[int, str, str, str], int] = field(default_factory=dict)

    def add(self, period: int, market: str, party: str, rule: str, n: int = 1) -> None:
        """Count refused orders."""
        key = (max(period, 0), market, party, rule)
        self.counts[key] = self.counts.get(key, 0) + n


class Exchange:
    """Wholesale trade of all parties.

    Parameters
    ----------
    horizon : Horizon
        The periods.
    regulation : Regulation
        Limits, MTU and gates.
    positions : Positions
        Energy accounts, changed in place.
    cashbook : Cashbook
        Takes the payments.
    accounts : list of str
        Ledger account of every party of ``positions``.
    """

    def __init__(
        self,
        horizon: Horizon,
        regulation: Regulation,
        positions: Positions,
        cashbook: Cashbook,
        accounts: list[str],
    ) -> None:
        self.horizon, self.regulation = horizon, regulation
        self.positions, self.cashbook, self.accounts = positions, cashbook, accounts
        n = horizon.n_periods
        self.day_ahead_eur_per_mwh = np.full(n, np.nan)
        self.auction_eur_per_mwh = {f"ida{k}": np.full(n, np.nan) for k in (1, 2, 3)}
        self._newest_eur_per_mwh = np.full(n, np.nan)
        self.traded_mwh, self.traded_eur = np.zeros(n), np.zeros(n)
        self.trades, self.rejections = TradeLog(), RejectionLog()
        self.monitor = AuctionMonitor(len(positions.parties))
        self.continuous = ContinuousMarket(horizon, gate_min=regulation.intraday_gate_closure_min)
        self.book_rows: list[tuple[int, int, str, float, float, int]] = []

    # --- auctions ----------------------------------------------------------------------------------------------------

    def day_ahead(self, gate: int, span: slice, orders: Sequence[CurveOrders]) -> list[np.ndarray]:
        """Clear the day-ahead auction of a day (orders count MTUs from the start of the day).

        Returns
        -------
        list of float arrays
            Accepted power of every order, per element of ``orders``.
        """
        per_mtu = self.regulation.day_ahead_mtu_min // self.horizon.period_min
        clearing, accepted = self._auction("day_ahead", gate, span, orders, per_mtu)
        self.day_ahead_eur_per_mwh[span] = np.repeat(clearing.price_eur_per_mwh, per_mtu)
        self._newest_eur_per_mwh[span] = self.day_ahead_eur_per_mwh[span]
        return accepted

    def within_limits(self, price_eur_per_mwh: np.ndarray) -> np.ndarray:
        """Prices on the tick within the harmonised limits of the day-ahead auction: orders beyond are refused."""
        rules = self.regulation
        low, high = rules.day_ahead_price_min_eur_per_mwh, rules.day_ahead_price_max_eur_per_mwh
        return np.round(np.clip(price_eur_per_mwh, low, high), 2)

    def intraday_auction(self, name: str, gate: int, span: slice, orders: Sequence[CurveOrders]) -> list[np.ndarray]:
        """Clear IDA1, IDA2 or IDA3 for a span of periods; as :meth:`day_ahead`, always in quarter-hours."""
        clearing, accepted = self._auction(name, gate, span, orders, 1)
        price = np.where(clearing.is_traded, clearing.price_eur_per_mwh, np.nan)
        self.auction_eur_per_mwh[name][span] = price
        self._newest_eur_per_mwh[span] = np.where(clearing.is_traded, price, self._newest_eur_per_mwh[span])
        return accepted

    def last_price_eur_per_mwh(self, periods: np.ndarray | slice) -> np.ndarray:
        """Newest auction price of every period: what the market knows of its value, float[n]."""
        return self._newest_eur_per_mwh[periods]

    def _auction(
        self, market: str, gate: int, span: slice, orders: Sequence[CurveOrders], per_mtu: int
    ) -> tuple[DayAheadClearing, list[np.ndarray]]:
        book = CurveOrders.concatenate(orders)
        n_mtu = (span.stop - span.start) // per_mtu
        rules = self.regulation
        if market == "day_ahead":
            clearing = day_ahead.clear(
                book,
                n_mtu=n_mtu,
                price_min_eur_per_mwh=rules.day_ahead_price_min_eur_per_mwh,
                price_max_eur_per_mwh=rules.day_ahead_price_max_eur_per_mwh,
                mtu_h=0.25 * per_mtu,
            )
        else:
            clearing = clear_auction(int(market[-1]), book, n_mtu=n_mtu)
        for refused in clearing.rejections:
            self.rejections.add(gate, market, self.positions.parties[book.owner[refused.row]], refused.rule)
        self.monitor.note(market, book, clearing)
        self._settle_auction(market, gate, span, book, clearing, per_mtu)
        ends = np.cumsum([len(o) for o in orders])[:-1]
        return clearing, np.split(clearing.accepted_mw, ends)

    def _settle_auction(
        self, market: str, gate: int, span: slice, book: CurveOrders, clearing: DayAheadClearing, per_mtu: int
    ) -> None:
        """Book each party's net purchase per period against the central counterparty."""
        n_parties, n_mtu = len(self.positions.parties), len(clearing.price_eur_per_mwh)
        signed = np.where(book.is_buy, clearing.accepted_mw, -clearing.accepted_mw)
        valid = (book.owner >= 0) & (book.mtu >= 0) & (book.mtu < n_mtu)
        net = np.zeros((n_parties, n_mtu))
        np.add.at(net, (book.owner[valid], book.mtu[valid]), signed[valid])
        net_mw = np.repeat(net, per_mtu, axis=1)
        price = np.repeat(clearing.price_eur_per_mwh, per_mtu)
        kind = "day_ahead" if market == "day_ahead" else "intraday"
        self.positions.bought_mwh[kind][:, span] += 0.25 * net_mw
        periods = np.arange(span.start, span.stop)
        for row, party in enumerate(self.positions.parties):
            self.cashbook.pay_series(
                periods, self.accounts[row], EXCHANGE, 0.25 * net_mw[row] * price, market, national=True
            )
            for k in np.flatnonzero(np.abs(net_mw[row]) > 1e-9):
                mw = float(net_mw[row, k])
                pair = (EXCHANGE, party) if mw > 0 else (party, EXCHANGE)
                self.trades.add(market, gate, int(periods[k]), *pair, abs(mw), float(price[k]), 15 * per_mtu)

    # --- continuous trade --------------------------------------------------------------------------------------------

    def quote(self, now: int, product: Product, orders: Sequence[Order]) -> None:
        """Replace everything that rests in the book of a product by fresh quotes."""
        book = self._book(product)
        book.expire(15.0 * now)
        for order in orders:
            self._book_trades(now, product, book.submit(order, 15.0 * now))

    def trade(self, now: int, product: Product, order: Order) -> float:
        """Send an order that takes what it can get; returns the signed power bought (+) or sold, MW."""
        trades = self._book(product).submit(order, 15.0 * now)
        self._book_trades(now, product, trades)
        return sum(t.quantity_mw for t in trades) * (1.0 if order.is_buy else -1.0)

    def snapshot(self, now: int, period: int, depth: int = 3) -> None:
        """Keep the best prices of a quarter-hour's book as a result."""
        seen = self._book(Product(period)).snapshot(15.0 * now, depth)
        for side, levels in (("bid", seen.bids), ("ask", seen.asks)):
            for rank, level in enumerate(levels):
                self.book_rows.append((now, period, side, level.price_eur_per_mwh, level.quantity_mw, rank))

    def close(self, period: int) -> None:
        """Gate closure of the products that start in a period."""
        for book in self.continuous.close(period):
            for refused in book.refusals:
                self.rejections.add(period, "intraday", self.positions.parties[refused.owner], refused.rule)

    def _book(self, product: Product) -> OrderBook:
        return self.continuous.book(product)

    def _book_trades(self, now: int, product: Product, trades: Sequence[Trade]) -> None:
        names, bought = self.positions.parties, self.positions.bought_mwh["intraday"]
        for t in trades:
            mwh, eur = 0.25 * t.quantity_mw, 0.25 * t.quantity_mw * t.price_eur_per_mwh
            for period in product.periods:
                bought[t.buyer, period] += mwh
                bought[t.seller, period] -= mwh
                self.cashbook.pay_national(period, self.accounts[t.buyer], self.accounts[t.seller], eur, "intraday")
                pair = names[t.seller], names[t.buyer]
                minutes = 15 * product.n_periods
                self.trades.add("intraday", now, period, *pair, t.quantity_mw, t.price_eur_per_mwh, minutes)
                self.traded_mwh[period] += mwh
                self.traded_eur[period] += eur
