"""What bears on charging from outside: loads and panels behind the meter, weather, tours of fleets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class LocalLoad(Message):
    """Load behind the meter of homes, from energy managers to their charging points."""

    sender, receiver, protocol = "energy_manager", "charging_point", "local"
    functions = ("CP-7",)
    row = "connection_row"
    is_momentary = True
    connection_row: np.ndarray
    load_kw: np.ndarray


@dataclass(frozen=True)
class SiteLoad(Message):
    """Load behind connections with several charging points, from their energy managers to the CPO that shares them."""

    sender, receiver, protocol = "energy_manager", "cpo", "local API"
    functions = ("CPO-2",)
    row = "connection_row"
    is_momentary = True
    connection_row: np.ndarray
    load_kw: np.ndarray


@dataclass(frozen=True)
class HomeForecast(Message):
    """Surplus of panels and load behind the meter, from home energy managers to the aggregator."""

    sender, receiver, protocol = "energy_manager", "aggregator", "local API"
    functions = ("AGG-1",)
    row = "connection_row"
    is_momentary = True
    connection_row: np.ndarray
    load_kw: np.ndarray


@dataclass(frozen=True)
class SolarPanelData(Message):
    """Peak power of the panels behind connections, from their energy managers to the aggregator."""

    sender, receiver, protocol = "energy_manager", "aggregator", "local API"
    functions = ("AGG-1",)
    row = "connection_row"
    connection_row: np.ndarray
    peak_kw: np.ndarray


@dataclass(frozen=True)
class WeatherForecast(Message):
    """What panels are expected to give, share of their peak, from ``first_period`` on (report section 9.1)."""

    sender, receiver, protocol = "weather_service", "aggregator", "API"
    first_period: int
    solar_share: np.ndarray


@dataclass(frozen=True)
class FleetSchedule(Message):
    """When a fleet operator needs which vehicle back on the road, and the energy at the meter that its tour took."""

    sender, receiver, protocol = "fleet_operator", "aggregator", "API"
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray
    needed_kwh: np.ndarray
