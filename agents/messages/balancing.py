"""Balancing: offers, reserves, the system's balance, activations and the flexibility that was delivered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class BalancingOffer(Message):
    """Connections and power that the pool offers for balancing, per period from ``first_period``."""

    sender, receiver, protocol = "aggregator", "bsp", "OpenADR"
    functions = ("AGG-9", "AGG-10")
    is_momentary = True
    first_period: int
    connection_row: np.ndarray
    up_mw: np.ndarray
    down_mw: np.ndarray
    up_eur_per_mwh: np.ndarray
    down_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class BalancingOfferToTso(Message):
    """The BSP's connections and power for balancing."""

    sender, receiver, protocol = "bsp", "tso", "market API"
    functions = ("BSP-1", "BSP-2")
    is_momentary = True
    first_period: int
    connection_row: np.ndarray
    up_mw: np.ndarray
    down_mw: np.ndarray


@dataclass(frozen=True)
class ReserveOffer(Message):
    """What the pool could hold in reserve on a coming day, per period from ``first_period``."""

    sender, receiver, protocol = "aggregator", "bsp", "OpenADR"
    functions = ("AGG-9", "AGG-10")
    first_period: int
    connection_row: np.ndarray
    up_mw: np.ndarray
    down_mw: np.ndarray


@dataclass(frozen=True)
class ReserveAward(Message):
    """Reserve capacity contracted by the TSO, per period from ``first_period``."""

    sender, receiver, protocol = "tso", "bsp", "market API"
    functions = ("MR-TSO",)
    first_period: int
    fcr_mw: np.ndarray
    up_mw: np.ndarray
    down_mw: np.ndarray


@dataclass(frozen=True)
class ReserveNotice(Message):
    """The BSP tells the aggregator what it must keep ready."""

    sender, receiver, protocol = "bsp", "aggregator", "OpenADR"
    functions = ("BSP-4",)
    first_period: int
    fcr_mw: np.ndarray
    up_mw: np.ndarray
    down_mw: np.ndarray


@dataclass(frozen=True)
class SystemForecast(Message):
    """The TSO publishes what dispatchable plants must cover: forecast load less wind and sun, from ``first_period``."""

    sender, receiver, protocol = "tso", "producer", "market API"
    functions = ("TSO-1",)
    first_period: int
    residual_load_mw: np.ndarray


@dataclass(frozen=True)
class CarbonForecast(Message):
    """The TSO publishes the expected CO2 of a kWh from the grid, by its forecast of load, wind and sun."""

    sender, receiver, protocol = "tso", "aggregator", "market API"
    functions = ("TSO-1",)
    first_period: int
    co2_kg_per_kwh: np.ndarray


@dataclass(frozen=True)
class PublishedBalance(Message):
    """The published balance delta and state, as anybody can read them."""

    sender, receiver, protocol = "tso", "aggregator", "market API"
    functions = ("MR-TSO",)
    is_momentary = True
    period: int
    delta_mw: float
    regulation_state: int
    mid_eur_per_mwh: float


@dataclass(frozen=True)
class Activation(Message):
    """Balancing power that the TSO activates in a period, + = up."""

    sender, receiver, protocol = "tso", "bsp", "IEC 60870"
    functions = ("TSO-3",)
    is_momentary = True
    period: int
    power_mw: float


@dataclass(frozen=True)
class ActivationNotice(Message):
    """The BSP notifies the aggregator of an activation."""

    sender, receiver, protocol = "bsp", "aggregator", "OpenADR"
    functions = ("BSP-4",)
    is_momentary = True
    period: int
    power_mw: float


@dataclass(frozen=True)
class FlexibilityUsedToBsp(Message):
    """Flexibility really delivered for balancing."""

    sender, receiver, protocol = "aggregator", "bsp", "OpenADR"
    functions = ("AGG-11",)
    period: int
    power_mw: float


@dataclass(frozen=True)
class FlexibilityUsedToCsp(Message):
    """Flexibility really delivered against congestion."""

    sender, receiver, protocol = "aggregator", "csp", "OpenADR"
    functions = ("AGG-11",)
    period: int
    power_mw: float


@dataclass(frozen=True)
class FlexibilityUsedToTso(Message):
    """The BSP reports what was delivered."""

    sender, receiver, protocol = "bsp", "tso", "market API"
    functions = ("BSP-3",)
    period: int
    power_mw: float


@dataclass(frozen=True)
class FlexibilityUsedToDso(Message):
    """The CSP reports what was delivered."""

    sender, receiver, protocol = "csp", "dso", "UFTP"
    functions = ("CSP-5",)
    period: int
    power_mw: float


@dataclass(frozen=True)
class BalanceDelta(Message):
    """Published balance delta and regulation state of a past period."""

    sender, receiver, protocol = "tso", "brp", "market API"
    functions = ("MR-TSO",)
    period: int
    delta_mw: float
    regulation_state: int
    mid_eur_per_mwh: float
