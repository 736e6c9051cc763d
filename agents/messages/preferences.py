"""Drivers' preferences on their way through the EMSP, and what drivers are told of steering and its price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class ChargingPreference(Message):
    """What a driver told the EMSP, passed to the aggregator."""

    sender, receiver, protocol = "emsp", "aggregator", "OCPI"
    functions = ("EMSP-5",)
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray
    urgent_kwh: np.ndarray
    is_override: np.ndarray
    co2_focus: np.ndarray


@dataclass(frozen=True)
class ChargingPreferenceToCpo(Message):
    """What a driver told the EMSP, passed to the CPO."""

    sender, receiver, protocol = "emsp", "cpo", "OCPI"
    functions = ("EMSP-4", "CPO-7")
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray
    is_override: np.ndarray


@dataclass(frozen=True)
class SteeringNotice(Message):
    """How stations are being steered and what it does to the price, from CPO to EMSP."""

    sender, receiver, protocol = "cpo", "emsp", "OCPI"
    functions = ("CPO-10", "CPO-13")
    row = "session_row"
    session_row: np.ndarray
    saving_eur: np.ndarray


@dataclass(frozen=True)
class PriceEffectToDriver(Message):
    """What smart charging did to the price of a session, on the station's display."""

    sender, receiver, protocol = "cpo", "ev_driver", "station"
    functions = ("CPO-9",)
    row = "session_row"
    session_row: np.ndarray
    saving_eur: np.ndarray


@dataclass(frozen=True)
class PriceEffectToAggregator(Message):
    """What smart charging did to the price of a session, to the aggregator."""

    sender, receiver, protocol = "cpo", "aggregator", "OCPI / OpenADR"
    functions = ("CPO-11",)
    row = "session_row"
    session_row: np.ndarray
    saving_eur: np.ndarray


@dataclass(frozen=True)
class SteeringPlan(Message):
    """How sessions that have just begun will be charged: limit of the site and power now, from CPO to EMSP."""

    sender, receiver, protocol = "cpo", "emsp", "OCPI"
    functions = ("CPO-13",)
    row = "session_row"
    session_row: np.ndarray
    site_limit_kw: np.ndarray
    power_kw: np.ndarray


@dataclass(frozen=True)
class ChargingOutlook(Message):
    """The EMSP tells drivers what their site can give and how their car is charged at first."""

    sender, receiver, protocol = "emsp", "ev_driver", "app"
    functions = ("EMSP-1", "EMSP-2")
    row = "session_row"
    session_row: np.ndarray
    site_limit_kw: np.ndarray
    power_kw: np.ndarray


@dataclass(frozen=True)
class DriverInformation(Message):
    """The EMSP tells drivers what steering did to the price of their session."""

    sender, receiver, protocol = "emsp", "ev_driver", "app"
    functions = ("EMSP-6",)
    row = "session_row"
    session_row: np.ndarray
    saving_eur: np.ndarray
