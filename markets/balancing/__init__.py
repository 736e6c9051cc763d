"""Balancing: FCR, aFRR, netting, regulation state, imbalance prices, passive balancing, frequency.

Powers are MW and positive upward (more injection or less load); a party's imbalance is positive for a surplus.
"""

from markets.balancing.activation import (
    AT_REST,
    CYCLE_S,
    CYCLES_PER_ISP,
    ActivationRules,
    ControllerState,
    IspActivation,
    activate_isp,
    activate_periods,
    merit_order,
)
from markets.balancing.bids import NO_BIDS, BidRules, EnergyBids, Rejection, admit_energy_bids, missing_obligation_mw
from markets.balancing.capacity import (
    CapacityAward,
    CapacityBids,
    CapacityRules,
    admit_capacity_bids,
    afrr_capacity_auction,
    fcr_auction,
)
from markets.balancing.imbalance import (
    IspPrices,
    bound_by_mfrrda,
    carry_missing_prices,
    imbalance_prices,
    marginal_prices,
    price_isp,
    regulation_state,
    sample_delta,
)
from markets.balancing.passive import NO_PASSIVE, PassiveGroups, react
from markets.balancing.settlement import (
    IspSettlement,
    brp_imbalance_mwh,
    settle_deviation,
    settle_imbalance,
    settle_isp,
    tso_residue,
)

__all__ = [
    "AT_REST",
    "CYCLES_PER_ISP",
    "CYCLE_S",
    "NO_BIDS",
    "NO_PASSIVE",
    "ActivationRules",
    "BidRules",
    "CapacityAward",
    "CapacityBids",
    "CapacityRules",
    "ControllerState",
    "EnergyBids",
    "IspActivation",
    "IspPrices",
    "IspSettlement",
    "PassiveGroups",
    "Rejection",
    "activate_isp",
    "activate_periods",
    "admit_capacity_bids",
    "admit_energy_bids",
    "afrr_capacity_auction",
    "bound_by_mfrrda",
    "brp_imbalance_mwh",
    "carry_missing_prices",
    "fcr_auction",
    "imbalance_prices",
    "marginal_prices",
    "merit_order",
    "missing_obligation_mw",
    "price_isp",
    "react",
    "regulation_state",
    "sample_delta",
    "settle_deviation",
    "settle_imbalance",
    "settle_isp",
    "tso_residue",
]
