"""Redispatch as on GOPACS: location-tagged orders that relieve congested elements at least spread."""

from markets.redispatch.announcement import Announcement, announcements
from markets.redispatch.clearing import RedispatchClearing, clear
from markets.redispatch.obligations import BidObligation, MissedBid, is_obliged, missed_bids, with_price_caps
from markets.redispatch.orders import RULES, RedispatchOrders, RedispatchRules, Rejection
from markets.redispatch.settlement import RedispatchSettlement, settle

__all__ = [
    "RULES",
    "Announcement",
    "BidObligation",
    "MissedBid",
    "RedispatchClearing",
    "RedispatchOrders",
    "RedispatchRules",
    "RedispatchSettlement",
    "Rejection",
    "announcements",
    "clear",
    "is_obliged",
    "missed_bids",
    "settle",
    "with_price_caps",
]
