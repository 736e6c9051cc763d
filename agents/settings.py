"""What one run needs to know, as frozen data: the bridge between a scenario file and the model.

The scenario reader in :mod:`experiments.scenario` fills these classes after all checks; the model trusts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from grid.quality import QualityRules
from markets.contracts import TransportAgreement, own_agreement
from markets.levers import Regulation

SEGMENTS = ("home", "public_ac", "office", "depot", "shared", "dc_site")


@dataclass(frozen=True)
class SegmentSettings:
    """EVs of one segment and how they are steered."""

    evs: int
    charging_points: int
    strategy: str
    is_smart_share: float = 1.0
    """Share of drivers who take part in smart charging unless they opt out of a session."""


@dataclass(frozen=True)
class DriverSettings:
    """What drivers want and say; names and meaning as in :class:`agents.fleet.spec.FleetSpec`."""

    stating_error_min: float = 45.0
    stating_error_share: float = 0.25
    refuse_share: float = 0.05
    """Drivers who refuse smart charging before any experience."""
    desired_full_share: float = 0.5
    minimum_share: float = 0.2
    anxious_share: float = 0.1
    co2_focus_share: float = 0.0


@dataclass(frozen=True)
class CarSettings:
    """How cars react and what they can hold; names and meaning as in :class:`agents.fleet.spec.FleetSpec`."""

    reaction_s: float = 0.0
    ramp_s: float = 0.0
    sleeper_share: float = 0.03
    deaf_share: float = 0.0
    sleep_after_min: float = 30.0
    wake_min: float = 5.0
    cable_16a_share: float = 0.15
    soh_mean_share: float = 0.96
    v2x_reserve_share: float = 0.3
    v2x_warranty_kwh_per_week: float = 200.0


@dataclass(frozen=True)
class FleetSettings:
    """The simulated EVs by segment."""

    segments: dict[str, SegmentSettings]
    v2x_share: float = 0.05
    plug_in_hybrid_share: float = 0.3
    opt_out_share: float = 0.05
    """Share of sessions whose driver presses "charge now"."""
    car_model: str = ""
    """All battery cars are of this model (:data:`agents.fleet.figures.BATTERY_CARS`); empty: as registered."""
    truck_share: float = 0.0
    """Share of depot vehicles that are trucks, at points of 60 kW direct current."""
    is_learning: bool = True
    """Drivers who were let down leave smart charging, drivers who saved stay."""
    sessions: str | None = None
    """File of recorded sessions that takes the place of the drawn ones."""
    sessions_time_zone: str = ""
    """Zone of its times that carry no offset."""
    drivers: DriverSettings = field(default_factory=DriverSettings)
    cars: CarSettings = field(default_factory=CarSettings)


@dataclass(frozen=True)
class EventSettings:
    """A branch out of service: ``outage`` (the ring may supply it) or ``island`` (what is behind feeds itself)."""

    kind: str
    branch: str
    first_h: float
    hours: float
    resupply_h: float = 1.0


@dataclass(frozen=True)
class AgreementSettings:
    """A transport agreement of its own for the connections of a kind, or for one EAN; None = the usual of its form."""

    site: str
    kind: str
    capacity_kw: float | None = None
    fee_eur_per_year: float | None = None
    penalty_eur_per_mwh: float | None = None
    min_kw: float | None = None
    day_mean_kw: float | None = None
    block_mean_kw: float | None = None

    def of(self, connection_kw: float) -> TransportAgreement:
        """The agreement for a connection of a capacity."""
        capacity = connection_kw if self.capacity_kw is None else self.capacity_kw
        names = ("fee_eur_per_year", "penalty_eur_per_mwh", "min_kw", "day_mean_kw", "block_mean_kw")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return own_agreement(self.kind, capacity, **given)


@dataclass(frozen=True)
class SignalSettings:
    """Who can hear the DSO's absolute signal directly, at what cost, and how late and how surely it comes."""

    direct_share: float = 1.0
    """Share of connections with the hardware; the DSO reaches the others through the CSP."""
    direct_delay_min: float = 0.0
    direct_failure_share: float = 0.0
    """Share of single signals that do not arrive."""
    hardware_eur_per_year: float = 15.0
    """Per connection fitted (assumption)."""
    csp_delay_min: float = 0.0


@dataclass(frozen=True)
class GridSettings:
    """The simulated wires."""

    homes: int = 6400
    lv_areas: int = 40
    fidelity: str = "three_phase"
    heat_pump_share: float = 0.15
    pv_share: float = 0.35
    site_pv_share: float = 0.0
    """Peak power of the panels of an office or firm against its connection."""
    dc_site_kw: float = 600.0
    """Capacity of the connection of each fast-charging site of the generated town (up to six points)."""
    file: str | None = None
    """Grid file, or ``simbench:`` and a code; None = a generated town."""
    loads: str = "own"
    """``own``: connections of a grid that brings a year of profiles follow it; ``drawn``: as in a generated town."""
    is_protected: bool = False
    """Branches trip when they are overloaded for too long."""
    repair_h: float = 2.0
    """Time until a tripped branch is back."""
    events: tuple[EventSettings, ...] = ()
    quality: QualityRules = field(default_factory=QualityRules)
    """What power quality is judged by."""


@dataclass(frozen=True)
class TenantSettings:
    """A tenant behind the connection of an office site, with a sub-meter and a supply contract of its own."""

    name: str
    contract: str = "dynamic"
    point_share: float = 0.0
    """Share of the site's charging points behind the sub-meter."""
    load_share: float = 0.0
    """Share of the site's other load, and of its roof."""
    guaranteed_share: float = 0.0
    """Share of the connection that is kept free for it when the connection is short."""


@dataclass(frozen=True)
class SystemSettings:
    """The rest of the Dutch power system."""

    gas_eur_per_mwh: float = 30.0
    coal_eur_per_mwh: float = 12.0
    co2_eur_per_t: float = 70.0
    wind_capacity_scale: float = 1.0
    solar_capacity_scale: float = 1.0
    load_scale: float = 1.0
    load_forecast_error_share: float = 0.02


@dataclass(frozen=True)
class PartySettings:
    """A company and the market roles it holds."""

    name: str
    roles: tuple[str, ...]
    customer_share: float = 0.0
    """Aggregators: share of the drivers that begin with it; 0 = an even part of what the others leave."""
    reward_share: float = 0.5
    """Aggregators: part of the revenue of flexibility that goes on to drivers (assumption)."""
    is_certified: bool = True
    """Aggregators: may act on behalf of the grid."""
    strategy: str = ""
    """Aggregators: how it charges all its customers; empty = by the strategy of each segment."""


DEFAULT_PARTIES = (
    PartySettings("Voltan Energy", ("supplier", "brp")),
    PartySettings("Flexio", ("aggregator", "csp", "bsp")),
    PartySettings("Laadpaal", ("cpo",)),
    PartySettings("Rijpas", ("emsp",)),
    PartySettings("Noordnet", ("dso",)),
    PartySettings("Hoogspan", ("tso",)),
    PartySettings("Centrale", ("producer", "brp")),
    PartySettings("Windzon", ("producer", "brp")),
    PartySettings("Rest of the country", ("brp",)),
    PartySettings("Autobouw", ("vehicle_maker",)),
    PartySettings("Depot Zuid", ("fleet_operator",)),
    PartySettings("Thuismeester", ("energy_manager",)),
)


@dataclass(frozen=True)
class FailureSettings:
    """One failure of links: a name of :data:`agents.information.failures.FAILURES`, when, and how many stations."""

    kind: str
    first_h: float
    hours: float
    share: float = 1.0


@dataclass(frozen=True)
class QualitySettings:
    """How one protocol behaves."""

    protocol: str
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss_share: float = 0.0
    twice_share: float = 0.0
    is_fifo: bool = True


@dataclass(frozen=True)
class LinkSettings:
    """What happens to messages on their way."""

    failures: tuple[FailureSettings, ...] = ()
    quality: tuple[QualitySettings, ...] = ()


@dataclass(frozen=True)
class ItemSettings:
    """What is wrong with one data item on its way to one role (empty receiver = all)."""

    item: str
    receiver: str = ""
    is_off: bool = False
    missing_share: float = 0.0
    noise_share: float = 0.0
    delay_min: float = 0.0


@dataclass(frozen=True)
class DataSettings:
    """Data items that come badly, and meters that are wrong."""

    items: tuple[ItemSettings, ...] = ()
    car_meter_error_share: float = 0.0
    faulty_meter_share: float = 0.0
    faulty_meter_factor: float = 1.3


@dataclass(frozen=True)
class ConsentSettings:
    """How drivers act on the default of the lever ``is_consent_default``."""

    object_share: float = 0.0
    agree_share: float = 0.4
    never: tuple[str, ...] = ()
    withdraw_share: float = 0.0
    withdraw_h: float = 12.0
    keep_days: float = 0.0
    """Days that data of a finished session may be kept; 0 = no limit."""


@dataclass(frozen=True)
class AttackSettings:
    """One attack: a name of :data:`agents.information.attacks.ATTACKS`, when, and what share is in its hands."""

    kind: str
    first_h: float
    hours: float = 1.0
    share: float = 1.0


@dataclass(frozen=True)
class SecuritySettings:
    """Certificates, what protects, and who attacks."""

    attacks: tuple[AttackSettings, ...] = ()
    is_verified: bool = True
    """Receivers check certificate, signature and order of messages."""
    is_plausibility_checked: bool = False
    rate_limit_share: float = 0.0
    """Most that a station's limit may change per period, share of its rating; 0 = no limit."""
    random_delay_min: float = 0.0
    """Stations follow a new limit after a random delay up to this."""
    expired: tuple[tuple[str, float], ...] = ()
    """Roles whose certificates expire, and the hour."""
    second_root_share: float = 0.0
    """Share of cars whose certificates come from the other of the two root authorities."""
    is_root_cross_trusted: bool = False
    card_share: float = 0.5
    """Share of drivers who can identify themselves by card when plug and charge fails."""


@dataclass(frozen=True)
class StationPlan:
    """A physical station in the place of a charging point, named ``segment/number``."""

    charging_point: str
    station_id: str
    connector: int = 0
    """Connector (EVSE) used; 0 = the one on which a session starts."""
    station_limit_kw: float = 0.0
    """Limit of the whole station, shared by its connectors; 0 = none."""
    safe_kw: float = 4.14
    cable_a: float = 32.0
    phases: int = 3
    unit: str = ""
    discharge_kw: float = 0.0
    ramp_kw_per_s: float = 0.0
    """Fastest rise of a set-point; 0 = at once."""
    lease_s: float = 60.0
    meter_interval_s: float = 10.0
    strict: bool = True
    insist: bool = False
    address: str = ""
    vendor: str = ""
    model: str = ""
    serial_number: str = ""
    """What it must say of itself when it starts; empty = anything."""


@dataclass(frozen=True)
class HardwarePlan:
    """All physical stations of a run and how they are reached (see :mod:`agents.hardware.config`)."""

    stations: tuple[StationPlan, ...]
    folder: str
    host: str = "127.0.0.1"
    port: int = 9000
    security_profile: int = 0
    certificate: str | None = None
    private_key: str | None = None
    station_ca: str | None = None
    secrets: str | None = None
    real_time_factor: float = 1.0
    live_from: str = ""
    """Local time of the first day from which the stations take part; empty = from the start."""
    live_hours: float = 0.0
    """How long they take part; 0 = to the end of the run."""
    wait_for_stations_s: float = 0.0
    watchdog_s: float = 1800.0
    on_death: str = "safe"


@dataclass(frozen=True)
class Settings:
    """Everything that defines a run: same settings and versions, same bytes."""

    name: str
    first_day: date
    days: int
    seed: int = 1
    description: str = ""
    representation: int = 1
    """National EVs that one simulated EV stands for in the national markets."""
    regulation: Regulation = field(default_factory=Regulation)
    fleet: FleetSettings = field(default_factory=lambda: FleetSettings(segments={}))
    grid: GridSettings = field(default_factory=GridSettings)
    signals: SignalSettings = field(default_factory=SignalSettings)
    agreements: tuple[AgreementSettings, ...] = ()
    """Agreements beside the lever ``transport_right``; the last one that fits a connection holds."""
    is_gap_wanted: bool = False
    """Each segment's gap to the optimum is computed after the run."""
    tenants: tuple[TenantSettings, ...] = ()
    """Sub-meters behind every office connection; empty: the site is one customer."""
    system: SystemSettings = field(default_factory=SystemSettings)
    parties: tuple[PartySettings, ...] = DEFAULT_PARTIES
    series: dict[str, np.ndarray] = field(default_factory=dict)
    """User's own series by kind (``price_eur_per_mwh``, ``load_mw``, ``solar_share``, ``wind_share``), one value a
    period; they replace the embedded ones."""
    cut_links: tuple[tuple[str, str], ...] = ()
    """Pairs (sender role, receiver role) whose link delivers nothing."""
    links: LinkSettings = field(default_factory=LinkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    hardware: HardwarePlan | None = None
