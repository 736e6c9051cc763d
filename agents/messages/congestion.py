"""Congestion: offers, announcements, capacity limits, redispatch and absolute signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class CongestionOffer(Message):
    """Connections, power and prognosis that the pool offers against congestion, per connection and period."""

    sender, receiver, protocol = "aggregator", "csp", "OpenADR"
    functions = ("AGG-6", "AGG-7", "AGG-8")
    first_period: int
    connection_row: np.ndarray
    prognosis_kw: np.ndarray
    reducible_kw: np.ndarray
    increasable_kw: np.ndarray
    price_eur_per_mwh: np.ndarray
    increase_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class CongestionOfferToDso(Message):
    """The CSP's location-tagged offer and demand prognosis."""

    sender, receiver, protocol = "csp", "dso", "UFTP"
    functions = ("CSP-2", "CSP-3", "CSP-4")
    first_period: int
    connection_row: np.ndarray
    prognosis_kw: np.ndarray
    reducible_kw: np.ndarray
    increasable_kw: np.ndarray
    price_eur_per_mwh: np.ndarray
    increase_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class CongestionOfferToTso(Message):
    """The same offer for the TSO, whose network starts above the DSO's."""

    sender, receiver, protocol = "csp", "tso", "UFTP"
    functions = ("CSP-2", "CSP-3", "CSP-4")
    first_period: int
    connection_row: np.ndarray
    prognosis_kw: np.ndarray
    reducible_kw: np.ndarray
    increasable_kw: np.ndarray
    price_eur_per_mwh: np.ndarray
    increase_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class CongestionAnnouncement(Message):
    """The DSO's market message: expected congestion of one element, who is behind it, relief needed per period.

    ``sign`` is +1 where less consumption helps, -1 where more does.
    """

    sender, receiver, protocol = "dso", "csp", "UFTP"
    functions = ("DSO-1",)
    first_period: int
    connection_row: np.ndarray
    needed_kw: np.ndarray
    sign: int
    branch_index: int


@dataclass(frozen=True)
class CongestionNotice(Message):
    """The CSP tells the aggregator which connections lie in a congested area and what operators pay there at most."""

    sender, receiver, protocol = "csp", "aggregator", "OpenADR"
    functions = ("CSP-6",)
    first_period: int
    connection_row: np.ndarray
    needed_kw: np.ndarray
    price_eur_per_mwh: float


@dataclass(frozen=True)
class TsoCongestionAnnouncement(Message):
    """The TSO's market message, as the DSO's."""

    sender, receiver, protocol = "tso", "csp", "UFTP"
    functions = ("TSO-1",)
    first_period: int
    connection_row: np.ndarray
    needed_kw: np.ndarray
    sign: int
    branch_index: int


@dataclass(frozen=True)
class CapacityCall(Message):
    """The DSO calls a capacity-limiting contract: the most the connections may draw together, per period."""

    sender, receiver, protocol = "dso", "csp", "UFTP"
    functions = ("MR-DSO",)
    first_period: int
    connection_row: np.ndarray
    limit_kw: np.ndarray


@dataclass(frozen=True)
class TransportLimit(Message):
    """What the transport agreements leave on a day, per connection and period; connections of a group share theirs."""

    sender, receiver, protocol = "dso", "cpo", "market API"
    functions = ("MR-DSO",)
    first_period: int
    connection_row: np.ndarray
    limit_kw: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class CapacityCallNotice(Message):
    """The CSP passes a capacity call on."""

    sender, receiver, protocol = "csp", "aggregator", "OpenADR"
    functions = ("CSP-6",)
    first_period: int
    connection_row: np.ndarray
    limit_kw: np.ndarray


@dataclass(frozen=True)
class RedispatchOrder(Message):
    """Accepted flexibility: change of power per connection and period, + = more consumption."""

    sender, receiver, protocol = "dso", "csp", "UFTP"
    functions = ("DSO-4",)
    first_period: int
    connection_row: np.ndarray
    change_kw: np.ndarray


@dataclass(frozen=True)
class TsoRedispatchOrder(Message):
    """Accepted flexibility for demand management, from the TSO."""

    sender, receiver, protocol = "tso", "csp", "UFTP"
    functions = ("TSO-2",)
    first_period: int
    connection_row: np.ndarray
    change_kw: np.ndarray


@dataclass(frozen=True)
class RedispatchNotice(Message):
    """The CSP notifies the aggregator of accepted flexibility."""

    sender, receiver, protocol = "csp", "aggregator", "OpenADR"
    functions = ("CSP-6",)
    first_period: int
    connection_row: np.ndarray
    change_kw: np.ndarray


@dataclass(frozen=True)
class AbsoluteSignal(Message):
    """The DSO's absolute limit on the charging of connections for some quarter-hours, told to the CSP."""

    sender, receiver, protocol = "dso", "csp", "UFTP"
    functions = ("DSO-3",)
    is_momentary = True
    first_period: int
    connection_row: np.ndarray
    limit_share: np.ndarray
    n_periods: int = 1


@dataclass(frozen=True)
class AbsoluteSignalViaCsp(Message):
    """The CSP passes the absolute limit on."""

    sender, receiver, protocol = "csp", "aggregator", "OpenADR"
    functions = ("CSP-1", "AGG-3")
    is_momentary = True
    first_period: int
    connection_row: np.ndarray
    limit_share: np.ndarray
    n_periods: int = 1


@dataclass(frozen=True)
class AbsoluteSignalDirect(Message):
    """The DSO's absolute limit straight to stations, past everybody else."""

    sender, receiver, protocol = "dso", "charging_point", "local"
    functions = ("DSO-2", "CP-8")
    row = "connection_row"
    is_momentary = True
    first_period: int
    connection_row: np.ndarray
    limit_share: np.ndarray
