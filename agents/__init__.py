"""The roles and their decisions, the fleet, the main loop, and the world that they live in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

ROLES: dict[str, tuple[str, str]] = {
    "ev_driver": ("agents.roles.ev_driver", "Drivers"),
    "ev": ("agents.roles.ev", "Evs"),
    "charging_point": ("agents.roles.charging_point", "Stations"),
    "cpo": ("agents.roles.cpo", "CPO"),
    "emsp": ("agents.roles.emsp", "EMSP"),
    "aggregator": ("agents.roles.aggregator", "Aggregator"),
    "csp": ("agents.roles.csp", "CSP"),
    "bsp": ("agents.roles.bsp", "BSP"),
    "brp": ("agents.roles.brp", "BRP"),
    "supplier": ("agents.roles.supplier", "Supplier"),
    "producer": ("agents.roles.producer", "Producer"),
    "dso": ("agents.roles.dso", "DSO"),
    "tso": ("agents.roles.tso", "TSO"),
    "fleet_operator": ("agents.roles.fleet_operator", "FleetOperator"),
    "energy_manager": ("agents.roles.energy_manager", "EnergyManager"),
    "vehicle_maker": ("agents.roles.vehicle_maker", "VehicleMaker"),
    "weather_service": ("agents.roles.weather_service", "WeatherService"),
}
"""Every role by its name in messages: the module that holds it and its class."""


def role_class(name: str) -> Any:
    """Class of a role, imported on first use.

    Raises
    ------
    KeyError
        For an unknown name; the known ones are listed.
    """
    if name not in ROLES:
        raise KeyError(f"role {name!r} is not one of {', '.join(ROLES)}")
    module, attribute = ROLES[name]
    return getattr(import_module(module), attribute)
