"""Every message that one role may send another: frozen dataclasses with sender, receiver and protocol.

Messages carry batches: one message speaks of many stations or periods with arrays. ``functions`` names the IDs of
``docs/roles.md`` that sending the message carries out. Sources: report sections 6.1 (data flows), 6.3 (functions),
7.1 (data items) and 7.2 (protocols).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np


@dataclass(frozen=True)
class Message:
    """Base of all messages."""

    sender: ClassVar[str] = ""
    receiver: ClassVar[str] = ""
    protocol: ClassVar[str] = ""
    functions: ClassVar[tuple[str, ...]] = ()
    row: ClassVar[str] = ""
    """Field that names the many ends (stations, sessions, connections) a batch speaks of; empty: it is one thing."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Fields that do not run along :attr:`row`."""
    is_momentary: ClassVar[bool] = False
    """An order or a reading of this moment: worthless later, so nobody keeps it for a link that is down."""

    def _values(self) -> Iterable[Any]:
        return vars(self).values()

    @property
    def rows(self) -> np.ndarray:
        """The many ends this batch speaks of; empty if it speaks of one thing."""
        return np.asarray(getattr(self, self.row)) if self.row else np.zeros(0, dtype=np.int64)

    def take(self, keep: np.ndarray) -> Self:
        """The same batch for some of its ends, chosen by a mask or by positions."""
        along = [f.name for f in fields(self) if f.name not in self.apart]
        return replace(self, **{n: v[keep] for n in along if isinstance(v := getattr(self, n), np.ndarray)})

    @property
    def size(self) -> tuple[int, int]:
        """Both :attr:`n_items` and :attr:`n_bytes`, in one look."""
        most, total = 1, 0
        for value in self._values():
            if isinstance(value, np.ndarray):
                total += value.nbytes
                if value.ndim and len(value) > most:
                    most = len(value)
            else:
                total += 8
        return most, total

    @property
    def n_items(self) -> int:
        """Number of things the batch speaks of: the longest array, at least one."""
        return self.size[0]

    @property
    def n_bytes(self) -> int:
        """Size of the content: arrays as they are, anything else as eight bytes."""
        return self.size[1]


# --- EV, driver and charging point -----------------------------------------------------------------------------------


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
    """A driver's preference in the EMSP's app: departure, energy, how much of it at once, opt-out."""

    sender, receiver, protocol = "ev_driver", "emsp", "app"
    functions = ("DRV-2", "EMSP-3")
    row = "session_row"
    session_row: np.ndarray
    departure_min: np.ndarray
    desired_kwh: np.ndarray
    urgent_kwh: np.ndarray
    is_override: np.ndarray


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


# --- charging point, CPO, EMSP, aggregator ---------------------------------------------------------------------------


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


# --- contracts with aggregators, where there are several -------------------------------------------------------------


@dataclass(frozen=True)
class AggregatorTerms(Message):
    """What an aggregator brought its customers lately, cheaper hours and rewards together, as it tells drivers."""

    sender, receiver, protocol = "aggregator", "ev_driver", "app"
    benefit_eur_per_kwh: float


@dataclass(frozen=True)
class AggregatorTermsToCpo(Message):
    """The same for a CPO that chooses the aggregator of its public points."""

    sender, receiver, protocol = "aggregator", "cpo", "API"
    benefit_eur_per_kwh: float


@dataclass(frozen=True)
class AggregatorChosen(Message):
    """Drivers ask an aggregator to take them over from another."""

    sender, receiver, protocol = "ev_driver", "aggregator", "app"
    row = "ev_row"
    ev_row: np.ndarray


@dataclass(frozen=True)
class AggregatorChosenByCpo(Message):
    """A CPO asks an aggregator to take its public points over from another."""

    sender, receiver, protocol = "cpo", "aggregator", "API"
    row = "cp_row"
    cp_row: np.ndarray


@dataclass(frozen=True)
class SwitchRequest(Message):
    """An aggregator asks for new customers to be entered in the register of connections."""

    sender, receiver, protocol = "aggregator", "dso", "market API"
    row = "ev_row"
    ev_row: np.ndarray


@dataclass(frozen=True)
class PointSwitchRequest(Message):
    """An aggregator asks for charging points to be entered in the register of connections."""

    sender, receiver, protocol = "aggregator", "dso", "market API"
    row = "cp_row"
    cp_row: np.ndarray


@dataclass(frozen=True)
class ContractShares(Message):
    """The register tells an aggregator what part of each charging point's users has a contract with it."""

    sender, receiver, protocol = "dso", "aggregator", "market API"
    row = "cp_row"
    cp_row: np.ndarray
    share: np.ndarray


# --- electricity market ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PriceToSupplier(Message):
    """Wholesale prices from the BRP to the supplier, from ``first_period`` on."""

    sender, receiver, protocol = "brp", "supplier", "market API"
    functions = ("BRP-1",)
    first_period: int
    price_eur_per_mwh: np.ndarray


@dataclass(frozen=True)
class ContractPrice(Message):
    """Prices of the supply contract, from ``first_period`` on."""

    sender, receiver, protocol = "supplier", "aggregator", "market API"
    functions = ("SUP-1", "AGG-4")
    first_period: int
    price_eur_per_kwh: np.ndarray
    feed_in_eur_per_kwh: np.ndarray


@dataclass(frozen=True)
class TenantPrice(Message):
    """Prices of a tenant's own contract at the charging points behind its sub-meter, from ``first_period`` on."""

    sender, receiver, protocol = "supplier", "aggregator", "market API"
    cp_row: np.ndarray
    first_period: int
    price_eur_per_kwh: np.ndarray
    feed_in_eur_per_kwh: np.ndarray


@dataclass(frozen=True)
class ConnectionForecast(Message):
    """What the BRP expects the pool's connections to use, from ``first_period`` on."""

    sender, receiver, protocol = "brp", "aggregator", "market API"
    functions = ("BRP-2",)
    first_period: int
    power_mw: np.ndarray


@dataclass(frozen=True)
class PoolForecast(Message):
    """What the aggregator plans for its pool, from ``first_period`` on, and what of it could move."""

    sender, receiver, protocol = "aggregator", "brp", "market API"
    functions = ("AGG-5",)
    first_period: int
    firm_mw: np.ndarray
    flexible_mw: np.ndarray
    limit_eur_per_mwh: np.ndarray


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


MESSAGES: dict[str, type[Message]] = {cls.__name__: cls for cls in Message.__subclasses__()}
"""All message types by name, in the order of this file."""
