"""The day-ahead auction (SDAC rules): curve and block orders, one price per market time unit."""

from markets.day_ahead.admission import RULES, AuctionTerms, Rejection
from markets.day_ahead.clearing import DayAheadClearing, ParadoxicalRejection, clear, hourly_index
from markets.day_ahead.elastic import neighbour_orders, portfolio_orders
from markets.day_ahead.families import BlockLimits, BlockSearch
from markets.day_ahead.limits import LOWER, UPPER, LimitRule, moving_limit
from markets.day_ahead.orders import BlockOrder, CurveOrders

__all__ = [
    "LOWER",
    "RULES",
    "UPPER",
    "AuctionTerms",
    "BlockLimits",
    "BlockOrder",
    "BlockSearch",
    "CurveOrders",
    "DayAheadClearing",
    "LimitRule",
    "ParadoxicalRejection",
    "Rejection",
    "clear",
    "hourly_index",
    "moving_limit",
    "neighbour_orders",
    "portfolio_orders",
]
