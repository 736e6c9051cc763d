"""Redispatch as on GOPACS: location-tagged orders that relieve congested elements at least spread."""

from markets.redispatch.clearing import RedispatchClearing, clear
from markets.redispatch.orders import RULES, RedispatchOrders, RedispatchRules, Rejection
from markets.redispatch.settlement import RedispatchSettlement, settle

__all__ = [
    "RULES",
    "RedispatchClearing",
    "RedispatchOrders",
    "RedispatchRules",
    "RedispatchSettlement",
    "Rejection",
    "clear",
    "settle",
]
