"""Sessions, meters, limits and master data of charging points, between stations, CPO, aggregator and DSO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class SessionStarted(Message):
    """OCPP transaction start: who plugged in where, with what the car said (NaN where it said nothing)."""

    sender, receiver, protocol = "charging_point", "cpo", "OCPP"
    functions = ("CP-6",)
    row = "session_row"
    session_row: np.ndarray
    cp_row: np.ndarray
    arrival_min: np.ndarray
    max_kw: np.ndarray
    min_kw: np.ndarray
    max_discharge_kw: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    efficiency_share: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray


@dataclass(frozen=True)
class GridCapacity(Message):
    """Capacity that the DSO grants at connections (table 7.1, grid capacity)."""

    sender, receiver, protocol = "dso", "cpo", "UFTP"
    row = "connection_row"
    connection_row: np.ndarray
    capacity_kw: np.ndarray


@dataclass(frozen=True)
class PointRegistration(Message):
    """Master data of charging points, from CPO to aggregator (table 7.1: location, grid and CP capacity, groups).

    ``location_row`` and ``group_row`` are the connection (EAN) and its group; -1 where it is not told.
    """

    sender, receiver, protocol = "cpo", "aggregator", "OCPI / OpenADR"
    functions = ("CPO-5",)
    row = "cp_row"
    cp_row: np.ndarray
    location_row: np.ndarray
    max_kw: np.ndarray
    grid_kw: np.ndarray
    group_row: np.ndarray


@dataclass(frozen=True)
class ConsentWithdrawn(Message):
    """Drivers withdraw their consent: the aggregator must forget the session and leave the car alone."""

    sender, receiver, protocol = "ev_driver", "aggregator", "app"
    row = "session_row"
    session_row: np.ndarray


@dataclass(frozen=True)
class SessionEnded(Message):
    """OCPP transaction end with the meter's energy, and what the car counted itself (NaN where it said nothing)."""

    sender, receiver, protocol = "charging_point", "cpo", "OCPP"
    functions = ("CP-6",)
    row = "session_row"
    session_row: np.ndarray
    cp_row: np.ndarray
    metered_kwh: np.ndarray
    car_kwh: np.ndarray


@dataclass(frozen=True)
class MeterValues(Message):
    """Real charge rate of stations in use, and the session (OCPP transaction) it is of; -1 where there is none."""

    sender, receiver, protocol = "charging_point", "cpo", "OCPP"
    functions = ("CP-4",)
    row = "cp_row"
    cp_row: np.ndarray
    power_kw: np.ndarray
    transaction_row: np.ndarray


@dataclass(frozen=True)
class StationLimit(Message):
    """Charging profile for stations, and the profile to fall back on when the link is lost."""

    sender, receiver, protocol = "cpo", "charging_point", "OCPP"
    functions = ("CPO-3", "CPO-4")
    row = "cp_row"
    is_momentary = True
    cp_row: np.ndarray
    limit_kw: np.ndarray
    fallback_kw: np.ndarray


@dataclass(frozen=True)
class SteeringAbility(Message):
    """Which stations are there, follow limits and have a car; only physical ones ever say so."""

    sender, receiver, protocol = "charging_point", "cpo", "OCPP"
    functions = ("CP-4",)
    row = "cp_row"
    cp_row: np.ndarray
    is_steerable: np.ndarray


@dataclass(frozen=True)
class SteeringAbilityToAggregator(Message):
    """The same from the CPO: what cannot be steered is not offered to any market."""

    sender, receiver, protocol = "cpo", "aggregator", "OCPI / OpenADR"
    functions = ("CPO-12",)
    row = "cp_row"
    cp_row: np.ndarray
    is_steerable: np.ndarray


@dataclass(frozen=True)
class SessionOffer(Message):
    """The CPO tells the aggregator of new sessions with what stations and drivers said."""

    sender, receiver, protocol = "cpo", "aggregator", "OCPI / OpenADR"
    functions = ("CPO-8", "CPO-12")
    row = "session_row"
    session_row: np.ndarray
    cp_row: np.ndarray
    arrival_min: np.ndarray
    max_kw: np.ndarray
    min_kw: np.ndarray
    max_discharge_kw: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    efficiency_share: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray
    is_override: np.ndarray


@dataclass(frozen=True)
class ChargeRates(Message):
    """Real charge rates with the session each is of, and ended sessions, from CPO to aggregator."""

    sender, receiver, protocol = "cpo", "aggregator", "OCPI / OpenADR"
    functions = ("CPO-12",)
    row = "cp_row"
    apart = ("ended_session_row",)
    cp_row: np.ndarray
    power_kw: np.ndarray
    transaction_row: np.ndarray
    ended_session_row: np.ndarray


@dataclass(frozen=True)
class SmartChargingSignal(Message):
    """The aggregator's wish per charging point for the coming period."""

    sender, receiver, protocol = "aggregator", "cpo", "OCPI / OpenADR"
    functions = ("CPO-1", "AGG-5")
    row = "cp_row"
    is_momentary = True
    cp_row: np.ndarray
    target_kw: np.ndarray
