"""The sections of a scenario file: every key with its unit, default, range and one line of meaning.

``docs/scenario.md`` shows the same; the classes are the only place in which a key is declared. Ranges are what makes
sense for a study of the Netherlands, wide enough for extreme cases.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SIMBENCH = "simbench:"
"""Start of a grid source that names a SimBench code instead of a file."""

SegmentName = Literal["home", "public_ac", "office", "depot", "shared", "dc_site"]


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ScenarioSection(Section):
    """What is simulated, when, and with which random seed."""

    name: str = Field(
        description="short name, used for the results folder", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
    )
    description: str = Field(
        default="", description="one line shown by `flexpolder scenarios` and in the report", max_length=400
    )
    base: str | None = Field(
        default=None,
        description="scenario (bundled name or file beside this one) whose keys hold where this file says nothing",
    )
    first_day: date = Field(
        default=date(2026, 1, 19),
        description="first local day (Europe/Amsterdam)",
        ge=date(2015, 1, 1),
        le=date(2050, 12, 31),
    )
    days: int = Field(default=7, description="local days simulated", ge=1, le=366)
    seed: int = Field(default=1, description="root of all random streams", ge=0, le=2**31 - 1)
    representation: int = Field(
        default=1, description="national EVs that one simulated EV stands for in the national markets", ge=1, le=10000
    )


class SegmentSection(Section):
    """EVs of one segment and how they are steered."""

    evs: int = Field(default=0, description="simulated EVs", ge=0, le=1_000_000)
    charging_points: int = Field(
        default=0, description="charging points of the segment; 0 = one per EV", ge=0, le=1_000_000
    )
    strategy: str = Field(
        default="price_optimal_v1g", description="charging strategy, a name from `flexpolder strategies`"
    )
    smart_share: float = Field(default=1.0, description="share of drivers who take part in smart charging", ge=0, le=1)


class DriversSection(Section):
    """What drivers want and what they say of it."""

    stating_error_min: float = Field(
        default=45.0, description="spread of the error in stated departures; 0 = truthful", ge=0, le=480
    )
    stating_error_share: float = Field(
        default=0.25, description="log spread of the error in the stated energy; 0 = truthful", ge=0, le=2
    )
    refuse_share: float = Field(
        default=0.05, description="drivers who refuse smart charging before any experience", ge=0, le=1
    )
    desired_full_share: float = Field(
        default=0.5, description="drivers of battery cars who want 100 % instead of 80 %", ge=0, le=1
    )
    minimum_share: float = Field(
        default=0.2, description="mean state of charge wanted at once, before anything smart", ge=0, le=0.6
    )
    anxious_share: float = Field(
        default=0.1,
        description="drivers with range anxiety: they want 100 %, at least half of it at once, plug in more often and "
        "press 'charge now' when they arrive low",
        ge=0, le=1,
    )  # fmt: skip
    co2_focus_share: float = Field(
        default=0.0,
        description="drivers who ask their app for little CO2 rather than for the lowest price; heard from those who "
        "use the EMSP's app",
        ge=0, le=1,
    )  # fmt: skip


class CarsSection(Section):
    """How cars react to set-points and what their batteries may do."""

    reaction_s: float = Field(default=0.0, description="dead time after a new set-point", ge=0, le=300)
    ramp_s: float = Field(default=0.0, description="length of the straight ramp to a new set-point", ge=0, le=300)
    sleeper_share: float = Field(default=0.03, description="cars that fall asleep in a pause", ge=0, le=1)
    deaf_share: float = Field(
        default=0.0, description="cars that a pause puts to sleep until they are plugged in anew", ge=0, le=1
    )
    sleep_after_min: float = Field(default=30.0, description="length of a pause that puts them to sleep", ge=0, le=1440)
    wake_min: float = Field(default=5.0, description="time that waking a sleeper takes", ge=0, le=240)
    cable_16a_share: float = Field(default=0.15, description="drivers with a 16 A cable and a stronger car", ge=0, le=1)
    soh_mean_share: float = Field(default=0.96, description="mean state of health of batteries", ge=0.8, le=1)
    v2x_reserve_share: float = Field(default=0.3, description="state of charge below which no car delivers", ge=0, le=1)
    v2x_warranty_kwh_per_week: float = Field(
        default=200.0, description="energy that a maker's warranty lets a car deliver", ge=0, le=10000
    )


class FleetSection(Section):
    """The simulated EVs."""

    home: SegmentSection = Field(default=SegmentSection(), description="private charging points at homes")
    public_ac: SegmentSection = Field(default=SegmentSection(), description="public AC posts in the street")
    office: SegmentSection = Field(default=SegmentSection(), description="charging at work")
    depot: SegmentSection = Field(
        default=SegmentSection(), description="vans and trucks of a fleet operator, in at night"
    )
    shared: SegmentSection = Field(default=SegmentSection(), description="shared cars")
    dc_site: SegmentSection = Field(default=SegmentSection(), description="visitors of fast-charging sites")
    v2x_share: float = Field(default=0.05, description="share of EVs and points that can discharge", ge=0, le=1)
    plug_in_hybrid_share: float = Field(default=0.3, description="share of plug-in hybrids among cars", ge=0, le=1)
    opt_out_share: float = Field(
        default=0.05, description="share of sessions whose driver asks to charge at once", ge=0, le=1
    )
    car_model: str = Field(
        default="", description="one model for all battery cars, such as 'VW ID.4'; empty = as registered in 2023/24"
    )
    truck_share: float = Field(
        default=0.0, description="share of depot vehicles that are trucks (60 kW points) instead of vans", ge=0, le=1
    )
    is_learning: bool = Field(
        default=True, description="drivers who were let down opt out, drivers who saved money stay"
    )
    sessions: str | None = Field(
        default=None, description="CSV or Parquet file of recorded sessions instead of drawn ones (docs/sessions.md)"
    )
    sessions_time_zone: str = Field(default="", description="zone of recorded times without offset")
    drivers: DriversSection = Field(default=DriversSection(), description="what drivers want and say")
    cars: CarsSection = Field(default=CarsSection(), description="how cars react and what batteries may do")


class GridQualitySection(Section):
    """What power quality is judged by, EN 50160 unless changed."""

    voltage_band_share: float = Field(
        default=0.1, description="largest deviation from the nominal voltage", gt=0, le=0.5
    )
    voltage_time_share: float = Field(
        default=0.95, description="share of a window's voltages that must keep it", gt=0, le=1
    )
    unbalance_limit_share: float = Field(
        default=0.02, description="largest unbalance (U2/U1, and difference between phases)", gt=0, le=0.5
    )
    unbalance_time_share: float = Field(
        default=0.95, description="share of a window's unbalances that must keep it", gt=0, le=1
    )
    frequency_band_share: float = Field(default=0.01, description="largest deviation from 50 Hz", gt=0, le=0.1)
    frequency_time_share: float = Field(
        default=0.995, description="share of a window's frequencies that must keep it", gt=0, le=1
    )
    average_min: int = Field(
        default=15, description="minutes that a voltage or unbalance is the mean of, whole quarter-hours",
        ge=15, le=1440, multiple_of=15,
    )  # fmt: skip
    frequency_average_s: int = Field(
        default=12, description="seconds that a frequency is the mean of, whole samples of 4 s",
        ge=4, le=900, multiple_of=4,
    )  # fmt: skip
    window_h: float = Field(
        default=168.0, description="hours judged together, a week in the standard; a whole number of means",
        ge=0.25, le=8784, multiple_of=0.25,
    )  # fmt: skip


class GridSection(Section):
    """The simulated wires."""

    homes: int = Field(default=6400, description="homes with a grid connection", ge=1, le=200_000)
    lv_areas: int = Field(default=40, description="low-voltage areas, one MV/LV transformer each", ge=1, le=5000)
    fidelity: Literal["linear", "symmetric", "three_phase"] = Field(
        default="three_phase", description="power-flow model of the low-voltage grid"
    )
    heat_pump_share: float = Field(default=0.15, description="share of homes with a heat pump", ge=0, le=1)
    pv_share: float = Field(default=0.35, description="share of homes with solar panels", ge=0, le=1)
    site_pv_share: float = Field(
        default=0.0, description="peak power of solar panels on offices and firms against their connection", ge=0, le=5
    )
    dc_site_kw: float = Field(
        default=600.0,
        description="connection of each fast-charging site (six points) of the generated town",
        ge=50,
        le=5000,
    )
    file: str | None = Field(
        default=None,
        description="grid instead of the generated town: a file, relative to the scenario, or `simbench:` and a code "
        "(needs the extra); homes and sites that the charging points need are added, `homes` and `lv_areas` not used",
    )
    loads: Literal["own", "drawn"] = Field(
        default="own",
        description="own: connections of a grid that brings profiles (SimBench, or its pandapower JSON) follow the day "
        "of that year nearest in the calendar with the same weekday; drawn, or a grid without: as in a generated town",
    )
    is_protected: bool = Field(default=False, description="lines and transformers trip when overloaded for too long")
    repair_h: float = Field(default=2.0, description="hours until a tripped branch is back", gt=0, le=168)
    quality: GridQualitySection = GridQualitySection()


class SignalSection(Section):
    """The DSO's absolute signal; its route is the lever `absolute_signal_path`."""

    direct_share: float = Field(
        default=1.0, description="connections fitted for direct signals; the DSO reaches others through the CSP",
        ge=0, le=1,
    )  # fmt: skip
    direct_delay_min: float = Field(default=0.0, description="delay of a direct signal", ge=0, le=240)
    direct_failure_share: float = Field(default=0.0, description="direct signals that do not arrive", ge=0, le=1)
    hardware_eur_per_year: float = Field(default=15.0, description="cost of a fitted connection", ge=0, le=1000)
    csp_delay_min: float = Field(default=0.0, description="delay on the way through CSP and aggregator", ge=0, le=240)


class AgreementSection(Section):
    """A transport agreement beside the lever `transport_right`; the last one that fits a connection holds."""

    site: str = Field(
        description="kind of connection (public_ac, office, depot, shared, dc_site) or an EAN of table `connections`",
        min_length=1,
    )
    kind: Literal["firm", "non_firm", "tdtr85", "time_block"] = Field(description="form of the right")
    capacity_kw: float | None = Field(
        default=None, description="power granted; empty = that of the connection, which it may not exceed", gt=0
    )
    fee_eur_per_year: float | None = Field(default=None, description="price; empty = usual", ge=0, le=1e9)
    penalty_eur_per_mwh: float | None = Field(
        default=None, description="owed by either side for a broken promise; empty = usual", ge=0, le=1e5
    )
    min_kw: float | None = Field(
        default=None, description="non-firm: guaranteed at any time; empty = usual share", ge=0
    )
    day_mean_kw: float | None = Field(default=None, description="non-firm: guaranteed mean of a day", ge=0)
    block_mean_kw: float | None = Field(default=None, description="non-firm: guaranteed mean of four hours", ge=0)


class EventSection(Section):
    """A branch of the grid out of service."""

    kind: Literal["outage", "island"] = Field(
        description="outage: dark until supplied over the ring or repaired; island: what is behind the branch feeds "
        "itself together from its V2X cars and roofs"
    )
    branch: str = Field(description="line or transformer, a name from table `branches`", min_length=1)
    first_h: float = Field(description="start, hours after the start of the run", ge=0, le=8784)
    hours: float = Field(description="how long", gt=0, le=8784)
    resupply_h: float = Field(
        default=1.0, description="hours until open points of a ring are closed to supply an outage", ge=0, le=8784
    )


def is_simbench(source: str) -> bool:
    """Tell whether a grid comes from SimBench and not from a file."""
    return source.startswith(SIMBENCH)


class SystemSection(Section):
    """The rest of the Dutch power system."""

    gas_eur_per_mwh: float = Field(default=30.0, description="gas price (heat value)", ge=0, le=500)
    coal_eur_per_mwh: float = Field(default=12.0, description="coal price (heat value)", ge=0, le=200)
    co2_eur_per_t: float = Field(default=70.0, description="emission allowance price", ge=0, le=500)
    wind_capacity_scale: float = Field(default=1.0, description="wind capacity relative to 2025", ge=0, le=10)
    solar_capacity_scale: float = Field(default=1.0, description="solar capacity relative to 2025", ge=0, le=10)
    load_scale: float = Field(default=1.0, description="national load relative to 2025", gt=0, le=5)
    load_forecast_error_share: float = Field(
        default=0.02, description="standard error of the load forecast", ge=0, le=0.3
    )


SeriesKind = Literal["price_eur_per_mwh", "load_mw", "solar_share", "wind_share"]


class SeriesSection(Section):
    """One time series of the user's own: a CSV or Parquet file with a time column and a value column."""

    file: str = Field(description="CSV or Parquet file, relative to the scenario")
    column: str = Field(description="column with the values")
    unit: str = Field(description="unit of the values, for example EUR/MWh, MW or share")
    time_column: str = Field(default="time_utc", description="column with the start of each interval")
    time_zone: str = Field(
        default="UTC", description="zone of times that carry no offset, for example Europe/Amsterdam"
    )
    largest_gap_min: int = Field(default=0, description="gaps up to this length repeat the last value", ge=0, le=1440)


class AllSeriesSection(Section):
    """The user's own series; each replaces the embedded one of its kind."""

    price_eur_per_mwh: SeriesSection | None = Field(default=None, description="Dutch day-ahead price, taken as given")
    load_mw: SeriesSection | None = Field(default=None, description="Dutch national load")
    solar_share: SeriesSection | None = Field(default=None, description="solar generation as share of capacity")
    wind_share: SeriesSection | None = Field(default=None, description="wind generation as share of capacity")


class TenantSection(Section):
    """A tenant behind every office connection: a sub-meter with a supply contract of its own."""

    name: str = Field(description="name of the tenant", min_length=1, max_length=60)
    contract: Literal["fixed", "time_of_use", "dynamic", "pass_through"] = Field(
        default="dynamic", description="supply contract of the sub-meter"
    )
    point_share: float = Field(
        default=0.0, description="share of the site's charging points behind the sub-meter", ge=0, le=1
    )
    load_share: float = Field(default=0.0, description="share of the site's other load and of its roof", ge=0, le=1)
    guaranteed_share: float = Field(
        default=0.0, description="share of the connection kept free for the tenant when it is short", ge=0, le=1
    )


class PartySection(Section):
    """A company and the market roles it holds."""

    name: str = Field(description="name of the company", min_length=1, max_length=60)
    roles: list[str] = Field(description="market roles held, at least one", min_length=1)
    customer_share: float = Field(
        default=0.0, description="aggregators: share of drivers at the start; 0 = even part of the rest", ge=0, le=1
    )
    reward_share: float = Field(
        default=0.5, description="aggregators: part of the flexibility revenue that drivers get", ge=0, le=1
    )
    is_certified: bool = Field(default=True, description="aggregators: may act on behalf of the grid")
    strategy: str = Field(default="", description="aggregators: strategy for all customers; empty = the segment's")


class OutputSection(Section):
    """What a run writes besides its KPIs."""

    is_report: bool = Field(default=True, description="write report.html")
    is_gap: bool = Field(
        default=False, description="compute each segment's gap to the optimum (table gap); takes time after the run"
    )
    tables: list[str] = Field(default=[], description="result tables to keep; empty keeps all")


class FailureSection(Section):
    """One failure of links."""

    kind: Literal["station", "cpo", "aggregator", "emsp", "vehicle_maker", "mobile_network"] = Field(
        description="what is down"
    )
    first_h: float = Field(default=17.0, description="hours after the start of the run", ge=0, le=8784)
    hours: float = Field(default=3.0, description="how long", gt=0, le=8784)
    share: float = Field(default=1.0, description="share of the charging points concerned", ge=0, le=1)


class QualitySection(Section):
    """How one protocol behaves, where it is worse than usual."""

    protocol: str = Field(description="a protocol as messages name it, for example OCPP")
    delay_s: float = Field(default=0.0, description="least delay; 0 keeps the usual one", ge=0, le=604800)
    jitter_s: float = Field(default=0.0, description="mean of the delay that chance adds", ge=0, le=604800)
    loss_share: float = Field(default=0.0, description="share lost for good", ge=0, le=1)
    twice_share: float = Field(default=0.0, description="share that arrives twice", ge=0, le=1)
    is_fifo: bool = Field(default=True, description="messages of a kind do not overtake each other")


class LinksSection(Section):
    """Message links of the run."""

    cut: list[list[str]] = Field(
        default=[], description="pairs [sender role, receiver role] whose link delivers nothing"
    )
    failures: list[FailureSection] = Field(default=[], description="failures in time windows")
    quality: list[QualitySection] = Field(default=[], description="protocols that are slow or lose messages")


class ItemSection(Section):
    """What is wrong with one data item on its way to one role."""

    item: str = Field(description="data item of report table 7.1, for example state_of_charge")
    receiver: str = Field(default="", description="role that gets it badly; empty = all")
    is_off: bool = Field(default=False, description="it does not come at all")
    missing_share: float = Field(default=0.0, description="share of which it does not come", ge=0, le=1)
    noise_share: float = Field(default=0.0, description="standard error, share of its value", ge=0, le=5)
    delay_min: float = Field(default=0.0, description="how much later it comes", ge=0, le=10080)


class DataSection(Section):
    """Data items that come badly, and meters that are wrong."""

    items: list[ItemSection] = Field(default=[], description="items that are off, missing, noisy or late")
    car_meter_error_share: float = Field(default=0.0, description="standard error of the cars' meters", ge=0, le=0.5)
    faulty_meter_share: float = Field(default=0.0, description="share of stations with a wrong meter", ge=0, le=1)
    faulty_meter_factor: float = Field(default=1.3, description="what a wrong meter shows of a kWh", ge=0, le=10)


class ConsentSection(Section):
    """What drivers agree to; the default is the lever is_consent_default."""

    object_share: float = Field(default=0.0, description="share who object where sharing is the default", ge=0, le=1)
    agree_share: float = Field(default=0.4, description="share who agree where not sharing is the default", ge=0, le=1)
    never: list[str] = Field(default=[], description="purposes that nobody agrees to")
    withdraw_share: float = Field(default=0.0, description="share who withdraw everything", ge=0, le=1)
    withdraw_h: float = Field(default=12.0, description="when, hours after the start", ge=0, le=8784)
    keep_days: float = Field(
        default=0.0, description="days that data of a finished session may be kept; 0 = no limit", ge=0, le=3650
    )


class AttackSection(Section):
    """One attack."""

    kind: Literal[
        "forged_absolute_signal",
        "forged_order",
        "compromised_aggregator",
        "compromised_cpo",
        "replay",
        "price_manipulation",
        "sensor_falsification",
        "plug_and_charge_failure",
    ] = Field(description="who lies to whom")
    first_h: float = Field(default=18.0, description="hours after the start of the run", ge=0, le=8784)
    hours: float = Field(default=1.0, description="how long", gt=0, le=8784)
    share: float = Field(default=1.0, description="share of the points in the attacker's hands", ge=0, le=1)


class ExpirySection(Section):
    """Certificates that expire during the run."""

    role: str = Field(description="role whose certificates expire")
    at_h: float = Field(default=12.0, description="hours after the start of the run", ge=0, le=8784)


class SecuritySection(Section):
    """Certificates, countermeasures and attacks."""

    attacks: list[AttackSection] = Field(default=[], description="who attacks when")
    is_verified: bool = Field(default=True, description="certificates, signatures and order are checked")
    is_plausibility_checked: bool = Field(
        default=False, description="aggregator, CPO, CSP and stations refuse what is signed but cannot be"
    )
    rate_limit_share: float = Field(
        default=0.0, description="most that a station's limit changes per period, share of rating; 0 = any", ge=0, le=2
    )
    random_delay_min: float = Field(
        default=0.0, description="stations follow after a random delay up to this", ge=0, le=15
    )
    expired: list[ExpirySection] = Field(default=[], description="certificates that expire")
    second_root_share: float = Field(
        default=0.0, description="share of cars and stations under the second root authority", ge=0, le=1
    )
    is_root_cross_trusted: bool = Field(default=False, description="the two root authorities trust each other")
    card_share: float = Field(default=0.5, description="drivers with a card beside plug and charge", ge=0, le=1)


class HardwareSection(Section):
    """A physical charging station in the place of a simulated charging point."""

    charging_point: str = Field(description="point it stands for: segment/number, for example home/0")
    station_id: str = Field(description="identity of the station in its URL", min_length=1, max_length=48)
    connector: int = Field(
        default=0, description="connector (EVSE) used; 0 = the one on which a session starts", ge=0, le=100
    )
    station_limit_kw: float = Field(
        default=0.0, description="limit of the whole station, shared by its connectors; 0 = none", ge=0, le=10000
    )
    safe_kw: float = Field(default=4.14, description="power it may draw when nobody steers it", ge=0, le=1000)
    cable_a: float = Field(default=32.0, description="rated current of the cable", gt=0, le=500)
    phases: int = Field(
        default=3, description="conductors of the socket, 1 or 3: limits in amperes count on them", ge=1, le=3
    )
    unit: Literal["", "A", "W"] = Field(default="", description="unit of limits; empty = what the station says")
    discharge_kw: float = Field(
        default=0.0, description="most power back to the grid (OCPP 2.1 and SunSpec)", ge=0, le=1000
    )
    ramp_kw_per_s: float = Field(
        default=0.0, description="fastest rise of a set-point; 0 = at once; a fall never waits", ge=0, le=1000
    )
    lease_s: float = Field(default=60.0, description="time within which it must fall back by itself", ge=3, le=3600)
    meter_interval_s: float = Field(default=10.0, description="interval of meter samples", ge=1, le=900)
    strict: bool = Field(default=True, description="refuse messages that break their schema; else only count them")
    insist: bool = Field(default=False, description="steer it even if it was not shown to fall back")
    address: str = Field(default="", description="empty for OCPP; modbus://host:502?unit=1 for SunSpec")
    vendor: str = Field(
        default="", description="what it must say of itself when it starts (OCPP), else it stays pending; empty = any",
        max_length=64,
    )  # fmt: skip
    model: str = Field(default="", description="the same, its model", max_length=64)
    serial_number: str = Field(default="", description="the same, its serial number", max_length=64)


class HardwarePortSection(Section):
    """How physical stations are reached."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=9000, description="port to listen on; 0 = any free one", ge=0, le=65535)
    security_profile: int = Field(default=0, description="OCPP security profile; 0 on loopback only", ge=0, le=3)
    certificate: str | None = Field(default=None, description="TLS certificate file")
    private_key: str | None = Field(default=None, description="TLS key file")
    station_ca: str | None = Field(default=None, description="authority that signs the stations' certificates")
    secrets: str | None = Field(default=None, description="file of hashed passwords")
    real_time_factor: float = Field(
        default=1.0, description="1 = real time and metered; more = hold mode, power only", gt=0, le=3600
    )
    live_from: str = Field(
        default="",
        description="local time of the first day, such as 17:30, from which the stations take part; empty = at once. "
        "Before and after, simulated points stand in and time runs free",
        pattern=r"^(|([01]\d|2[0-3]):(00|15|30|45))$",
    )
    live_hours: float = Field(
        default=0.0, description="market time for which they take part; 0 = to the end", ge=0, le=8784
    )
    wait_for_stations_s: float = Field(
        default=0.0,
        description="longest wait before that, until every station is there and has shown that it falls back",
        ge=0,
        le=3600,
    )
    watchdog_s: float = Field(
        default=1800.0,
        description="silence of the simulation after which stations get their safe limits",
        ge=1,
        le=7200,
    )
    on_death: Literal["safe", "stop"] = Field(
        default="safe", description="what then happens to sessions: safe limit, or stop"
    )
    folder: str = Field(default="results/hardware", description="where messages and proofs are recorded")


SECTIONS: dict[str, type[Section]] = {
    "scenario": ScenarioSection,
    "fleet": FleetSection,
    "grid": GridSection,
    "absolute_signal": SignalSection,
    "system": SystemSection,
    "series": AllSeriesSection,
    "links": LinksSection,
    "data": DataSection,
    "consent": ConsentSection,
    "security": SecuritySection,
    "hardware_port": HardwarePortSection,
    "output": OutputSection,
}


class ScenarioFile(Section):
    """A whole scenario file as written."""

    scenario: ScenarioSection
    regulation: dict[str, Any] = Field(default={}, description="levers, see `flexpolder levers`")
    fleet: FleetSection = FleetSection()
    grid: GridSection = GridSection()
    system: SystemSection = SystemSection()
    series: AllSeriesSection = AllSeriesSection()
    links: LinksSection = LinksSection()
    data: DataSection = DataSection()
    consent: ConsentSection = ConsentSection()
    security: SecuritySection = SecuritySection()
    tenant: list[TenantSection] = []
    absolute_signal: SignalSection = SignalSection()
    agreement: list[AgreementSection] = []
    event: list[EventSection] = []
    hardware: list[HardwareSection] = []
    hardware_port: HardwarePortSection = HardwarePortSection()
    party: list[PartySection] = []
    output: OutputSection = OutputSection()
