"""Intraday trade: the continuous order book of each product and the auctions IDA1 to IDA3."""

from markets.intraday.book import OrderBook
from markets.intraday.orders import BookTerms, Level, Order, Product, Refusal, Snapshot, Trade

__all__ = ["BookTerms", "Level", "Order", "OrderBook", "Product", "Refusal", "Snapshot", "Trade"]
