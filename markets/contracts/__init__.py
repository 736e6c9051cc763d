"""Transport agreements and capacity contracts as data, each with its limits, its price and its checker."""

from markets.contracts.agreements import DurationBound, Firm, NonFirm, TimeBlock, TransportAgreement
from markets.contracts.breaches import Breach, Exceedances, exceedances, total_penalty_eur
from markets.contracts.clock import Clock
from markets.contracts.door import (
    REPORT_AGREEMENTS,
    TRANSPORT_AGREEMENTS,
    agreement_for,
    check_portfolio,
    own_agreement,
)
from markets.contracts.group import SHARING_RULES, Group, allowed_kw
from markets.contracts.guarantee import Guarantee
from markets.contracts.limiting import CapacityLimiting

__all__ = [
    "REPORT_AGREEMENTS",
    "SHARING_RULES",
    "TRANSPORT_AGREEMENTS",
    "Breach",
    "CapacityLimiting",
    "Clock",
    "DurationBound",
    "Exceedances",
    "Firm",
    "Group",
    "Guarantee",
    "NonFirm",
    "TimeBlock",
    "TransportAgreement",
    "agreement_for",
    "allowed_kw",
    "check_portfolio",
    "exceedances",
    "own_agreement",
    "total_penalty_eur",
]
