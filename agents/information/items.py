"""The data items of report table 7.1, and weather, solar and wholesale price of section 9.1, with their messages.

A service that lacks an item of importance 1 cannot be offered; items of importance 2 and 3 make it better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

CLUSTERS = ("local_optimisation", "congestion_management", "portfolio_management", "balancing")
"""Clusters of services of report table 3.1, in the order of table 7.1."""
MODES = ("v1g", "v2x")


@dataclass(frozen=True)
class Carrier:
    """A message that tells an item.

    Attributes
    ----------
    message : str
        Its type.
    fields : tuple of str
        Fields that hold the item; empty: the message is of no use without it, so it is not sent.
    """

    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One data item.

    Attributes
    ----------
    name : str
        As in the report, in code's spelling.
    importance : tuple of (v1g, v2x) per cluster
        1 necessary, 2 more efficient, 3 slightly more efficient, 0 not relevant.
    carriers : tuple of Carrier
        Messages that tell it.
    """

    name: str
    importance: tuple[tuple[int, int], ...]
    carriers: tuple[Carrier, ...]

    def importance_for(self, cluster: str, mode: str) -> int:
        """Importance for a cluster of services and a mode of charging; 0 if not relevant."""
        return self.importance[CLUSTERS.index(cluster)][MODES.index(mode)]


def _all(v1g: int, v2x: int) -> tuple[tuple[int, int], ...]:
    return ((v1g, v2x),) * 4


_NONE = (0, 0)
_CAR = ("EvStatus", "SessionStarted", "SessionOffer", "VehicleData", "OemData")
_PREFERENCE = ("departure_min", "desired_kwh")


def _of_car(field: str) -> tuple[Carrier, ...]:
    return tuple(Carrier(message, (field,)) for message in _CAR)


def _whole(*messages: str) -> tuple[Carrier, ...]:
    return tuple(Carrier(message) for message in messages)


_ITEMS = (
    Item("location", ((1, 1), (1, 1), (3, 3), _NONE), (Carrier("PointRegistration", ("location_row",)),)),
    Item(
        "grid_capacity",
        ((1, 1), (1, 1), (3, 3), (0, 1)),
        (Carrier("PointRegistration", ("grid_kw",)), Carrier("GridCapacity")),
    ),
    Item("cp_capacity", _all(1, 1), (Carrier("PointRegistration", ("max_kw",)),)),
    Item(
        "charging_preferences",
        _all(2, 1),
        (
            Carrier("EvStatus", _PREFERENCE),
            Carrier("SessionStarted", _PREFERENCE),
            Carrier("SessionOffer", (*_PREFERENCE, "is_override")),
            *_whole("DriverWish", "DriverWishInCar", "ChargingPreference", "ChargingPreferenceToCpo", "FleetSchedule"),
        ),
    ),
    Item("electricity_price", ((1, 1), _NONE, (1, 1), _NONE), _whole("ContractPrice")),
    Item(
        "imbalance_prices",
        (_NONE, _NONE, (1, 1), (1, 1)),
        (Carrier("PublishedBalance", ("mid_eur_per_mwh",)), Carrier("BalanceDelta", ("mid_eur_per_mwh",))),
    ),
    Item("congestion_price", (_NONE, (1, 1), (1, 1), _NONE), (Carrier("CongestionNotice", ("price_eur_per_mwh",)),)),
    Item("charging_profile", ((1, 1), (2, 2), (2, 2), (2, 2)), _whole("MeterValues", "ChargeRates")),
    Item("state_of_charge", _all(3, 1), _of_car("soc_kwh")),
    Item("battery_capacity", _all(3, 1), _of_car("capacity_kwh")),
    Item("battery_efficiency", _all(0, 2), _of_car("efficiency_share")),
    Item("congestion_areas", (_NONE, (1, 1), _NONE, _NONE), _whole("CongestionNotice", "CongestionAnnouncement")),
    Item("connection_groups", (_NONE, (1, 1), _NONE, (1, 1)), (Carrier("PointRegistration", ("group_row",)),)),
    Item(
        "regulation_state",
        (_NONE, _NONE, _NONE, (1, 1)),
        (
            Carrier("PublishedBalance", ("regulation_state", "delta_mw")),
            Carrier("BalanceDelta", ("regulation_state", "delta_mw")),
        ),
    ),
    Item(
        "connection_demand_prognosis",
        ((3, 3), (1, 1), (1, 1), (1, 1)),
        (*_whole("ConnectionForecast"), Carrier("CongestionOffer", ("prognosis_kw",))),
    ),
    Item("weather_data", (_NONE,) * 4, _whole("WeatherForecast")),
    Item("solar_panel_data", (_NONE,) * 4, _whole("SolarPanelData", "HomeForecast")),
    Item("wholesale_price", (_NONE,) * 4, _whole("PriceToSupplier")),
)
ITEMS: dict[str, Item] = {item.name: item for item in _ITEMS}
"""All items by name: the fifteen of table 7.1 in its order, then the three of section 9.1."""
TABLE_7_1 = tuple(ITEMS)[:15]


@cache
def necessary(cluster: str, mode: str) -> tuple[str, ...]:
    """Items without which a service cannot be offered."""
    return tuple(name for name, item in ITEMS.items() if item.importance_for(cluster, mode) == 1)


def is_offered(cluster: str, mode: str, absent: Iterable[str]) -> bool:
    """Whether a service can be offered without some items."""
    return not set(necessary(cluster, mode)) & set(absent)
