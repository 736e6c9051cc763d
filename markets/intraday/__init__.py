"""Intraday trade: the continuous order book of each product and the auctions IDA1 to IDA3."""

from markets.intraday.auctions import AUCTIONS, IntradayAuction, clear_auction, is_cross_border_open
from markets.intraday.book import OrderBook
from markets.intraday.orders import BookTerms, Level, Order, Product, Refusal, Snapshot, Trade
from markets.intraday.stream import Matched, Stream, match
from markets.intraday.venue import ContinuousMarket

__all__ = [
    "AUCTIONS",
    "BookTerms",
    "ContinuousMarket",
    "IntradayAuction",
    "Level",
    "Matched",
    "Order",
    "OrderBook",
    "Product",
    "Refusal",
    "Snapshot",
    "Stream",
    "Trade",
    "clear_auction",
    "is_cross_border_open",
    "match",
]
