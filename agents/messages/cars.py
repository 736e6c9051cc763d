"""What cars and their batteries tell, what drivers wish, and the power that a station allows a car."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.messages.base import Message


@dataclass(frozen=True)
class EvStatus(Message):
    """ISO 15118: what a car tells the station when it plugs in. Arrays over sessions."""

    sender, receiver, protocol = "ev", "charging_point", "ISO 15118"
    functions = ("EV-3", "EV-4", "EV-5", "EV-6", "EV-7", "EV-8")
    row = "session_row"
    session_row: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    efficiency_share: np.ndarray
    soh_share: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray


@dataclass(frozen=True)
class PowerDrawn(Message):
    """What cars draw, as the station's fiscal meter reads it. Arrays over charging points in use."""

    sender, receiver, protocol = "ev", "charging_point", "IEC 61851"
    functions = ("EV-1", "EV-9")
    row = "cp_row"
    is_momentary = True
    cp_row: np.ndarray
    power_kw: np.ndarray


@dataclass(frozen=True)
class EnergyCounted(Message):
    """ISO 15118: the energy a car counted by itself when its session ends, at its inlet. Arrays over sessions."""

    sender, receiver, protocol = "ev", "charging_point", "ISO 15118"
    row = "session_row"
    session_row: np.ndarray
    counted_kwh: np.ndarray


@dataclass(frozen=True)
class ChargeLimit(Message):
    """The largest power a station allows its car; negative asks for discharge (ISO 15118-20)."""

    sender, receiver, protocol = "charging_point", "ev", "IEC 61851 / ISO 15118"
    functions = ("CP-1", "CP-2", "EV-2")
    row = "cp_row"
    is_momentary = True
    cp_row: np.ndarray
    limit_kw: np.ndarray


@dataclass(frozen=True)
class DriverWish(Message):
    """A driver's preference in the EMSP's app: departure, energy, how much at once, opt-out, weight of CO2 (0 to 1)."""

    sender, receiver, protocol = "ev_driver", "emsp", "app"
    functions = ("DRV-2", "EMSP-3")
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray
    urgent_kwh: np.ndarray
    is_override: np.ndarray
    co2_focus: np.ndarray


@dataclass(frozen=True)
class DriverWishAtStation(Message):
    """A driver's "charge now" at the station, to the CPO."""

    sender, receiver, protocol = "ev_driver", "cpo", "station"
    functions = ("DRV-1", "CPO-6")
    row = "session_row"
    session_row: np.ndarray
    is_override: np.ndarray


@dataclass(frozen=True)
class DriverWishInCar(Message):
    """A driver's setting in the car."""

    sender, receiver, protocol = "ev_driver", "ev", "dashboard"
    functions = ("DRV-3",)
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray


@dataclass(frozen=True)
class VehicleData(Message):
    """State of charge and battery data from cars to their maker."""

    sender, receiver, protocol = "ev", "vehicle_maker", "OEM telematics"
    functions = ("EV-10",)
    row = "session_row"
    session_row: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    efficiency_share: np.ndarray
    soh_share: np.ndarray


@dataclass(frozen=True)
class OemData(Message):
    """The maker's API tells the aggregator what the car knows."""

    sender, receiver, protocol = "vehicle_maker", "aggregator", "OEM API"
    functions = ("EV-10", "AGG-2")
    row = "session_row"
    session_row: np.ndarray
    soc_kwh: np.ndarray
    capacity_kwh: np.ndarray
    efficiency_share: np.ndarray
