"""Balancing rules as the levers set them."""

from __future__ import annotations

from markets.balancing.bids import BidRules
from markets.balancing.capacity import CapacityRules
from markets.balancing.controller import ActivationRules
from markets.balancing.incident import IncidentRules
from markets.balancing.prequalification import PoolRules
from markets.levers import Regulation


def activation_rules(regulation: Regulation, *, dead_band_mw: float = 0.0) -> ActivationRules:
    """Controller with the levers' exchange capacity, sampling and delay."""
    return ActivationRules(
        import_capacity_mw=regulation.afrr_import_capacity_mw,
        dead_band_mw=dead_band_mw,
        state_sampling_s=regulation.state_sampling_s,
        balance_delta_delay_s=float(regulation.balance_delta_delay_s),
    )


def bid_rules(regulation: Regulation) -> BidRules:
    """Energy bid rules with the levers' smallest bid."""
    return BidRules(min_bid_mw=regulation.min_bid_mw)


def capacity_rules(regulation: Regulation) -> CapacityRules:
    """Capacity bid rules with the levers' smallest bid."""
    return CapacityRules(min_bid_mw=regulation.min_bid_mw)


def incident_rules(regulation: Regulation) -> IncidentRules:
    """Incident reserve as the levers set it."""
    return IncidentRules(
        up_mw=regulation.mfrrda_up_mw,
        down_mw=regulation.mfrrda_down_mw,
        trigger_share=regulation.mfrrda_trigger_share,
        premium_eur_per_mwh=regulation.mfrrda_premium_eur_per_mwh,
    )


def pool_rules(regulation: Regulation) -> PoolRules:
    """Prequalification with the levers' smallest pool."""
    return PoolRules(pool_min_mw=regulation.prequalified_pool_min_mw)
