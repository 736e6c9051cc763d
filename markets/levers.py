"""Regulatory parameters: everything a policy analyst may turn, one field each.

A lever is one field of :class:`Regulation`: its name carries the unit, its metadata the default, the range that
makes sense, the source and one line of meaning. The scenario reader, the range check, the sweep, the command line,
the report's axes and ``docs/levers.md`` all read this class; nothing else has to be registered.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any


def lever(default: Any, low: float | None, high: float | None, source: str, meaning: str, choices: tuple = ()) -> Any:
    """Declare one lever.

    Parameters
    ----------
    default : bool, int, float or str
        Value of a run that says nothing.
    low, high : float or None
        Smallest and largest sensible value, both allowed; None for levers that are choices or switches.
    source : str
        Law, operator document or report section.
    meaning : str
        One line for tables and axes.
    choices : tuple
        The allowed values of a lever that is a choice.
    """
    metadata = {"low": low, "high": high, "source": source, "meaning": meaning, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Regulation:
    """The rules of one run. Sources are abbreviated as in ``docs/sources.md``."""

    # wholesale
    day_ahead_mtu_min: int = lever(15, None, None, "SDAC, since 1 Oct 2025", "day-ahead market time unit", (15, 60))
    day_ahead_price_min_eur_per_mwh: float = lever(
        -500.0, -1000.0, 0.0, "SDAC HMMCP", "harmonised minimum clearing price"
    )
    day_ahead_price_max_eur_per_mwh: float = lever(
        4000.0, 500.0, 10000.0, "SDAC HMMCP", "harmonised maximum clearing price"
    )
    intraday_gate_closure_min: int = lever(
        5, 0, 120, "EPEX SPOT NL", "minutes between the end of domestic intraday trade and delivery"
    )
    intraday_cross_border_gate_min: int = lever(
        60,
        0,
        120,
        "ACER 04/2018; Reg. 2024/1747",
        "minutes between the end of cross-border intraday trade and delivery",
    )
    # redispatch and capacity limits
    redispatch_min_order_mw: float = lever(0.1, 0.001, 1.0, "GOPACS", "smallest redispatch order")
    redispatch_gate_min: int = lever(
        45, 15, 240, "GOPACS (assumption)", "minutes between the last redispatch clearing and delivery"
    )
    redispatch_price_cap_eur_per_mwh: float = lever(
        1500.0, 0.0, 10000.0, "assumption", "highest accepted redispatch order price"
    )
    redispatch_low_voltage_pooling: bool = lever(
        True, None, None, "report 6.2.1", "connections below 0.1 MW may offer redispatch as a pool"
    )
    bid_obligation_share: float = lever(
        0.0, 0.0, 1.0, "GOPACS bid-obligation contract", "capacity of flexible connections that must be bid on request"
    )
    bid_obligation_price_eur_per_mwh: float = lever(
        300.0, 0.0, 10000.0, "assumption", "agreed price at which dearer orders under a bid obligation are settled"
    )
    bid_obligation_standby_eur_per_mw_h: float = lever(
        5.0, 0.0, 1000.0, "assumption", "fee for standing by under a bid obligation"
    )
    bid_obligation_penalty_eur_per_mwh: float = lever(
        150.0, 0.0, 10000.0, "assumption", "owed for energy under a bid obligation that was asked and not bid"
    )
    congestion_threshold_share: float = lever(
        1.0, 0.5, 1.5, "Netcode; report 7.1", "loading above which a forecast counts as congestion"
    )
    capacity_call_hour: int = lever(
        8, 6, 11, "Netcode (assumption)", "hour of D-1 at which capacity-limiting contracts are called"
    )
    capacity_call_eur_per_mwh: float = lever(75.0, 0.0, 1000.0, "assumption", "compensation of a called capacity limit")
    # the DSO's last resort
    absolute_signal_path: str = lever(
        "via_csp", None, None, "report 6.1", "route of the DSO's absolute signal", ("direct", "via_csp", "none")
    )
    absolute_signal_threshold_share: float = lever(
        1.2, 0.8, 2.0, "report 6.1 (level: assumption)", "measured loading above which the absolute signal is sent"
    )
    absolute_signal_announced: bool = lever(
        False, None, None, "report 6.1", "a direct absolute signal is also told to CSP, CPO and BRP"
    )
    # balancing
    min_bid_mw: float = lever(1.0, 0.1, 10.0, "TenneT BTP 5.2", "smallest FCR and aFRR bid")
    prequalified_pool_min_mw: float = lever(
        1.0, 0.1, 20.0, "TenneT FCR handbook", "smallest pool that a BSP may prequalify"
    )
    fcr_demand_mw: float = lever(136.0, 0.0, 400.0, "TenneT 2026", "Dutch FCR demand")
    afrr_demand_up_mw: float = lever(454.0, 0.0, 1500.0, "TenneT 2026 Q1", "contracted upward aFRR capacity")
    afrr_demand_down_mw: float = lever(496.0, 0.0, 1500.0, "TenneT 2026 Q1", "contracted downward aFRR capacity")
    afrr_import_capacity_mw: float = lever(
        70.0, 0.0, 2000.0, "PICASSO, IGCC (size: calibration)", "cross-border netting and aFRR exchange per direction"
    )
    mfrrda_up_mw: float = lever(850.0, 0.0, 3000.0, "TenneT 2026 Q1", "contracted upward incident reserve (mFRRda)")
    mfrrda_down_mw: float = lever(580.0, 0.0, 3000.0, "TenneT 2026 Q1", "contracted downward incident reserve (mFRRda)")
    mfrrda_trigger_share: float = lever(
        1.0, 0.0, 2.0, "assumption", "demand, as a share of the aFRR on offer, beyond which incident reserve is called"
    )
    mfrrda_premium_eur_per_mwh: float = lever(
        200.0, 0.0, 2000.0, "assumption", "price of incident reserve: day-ahead plus (up) or less (down) this"
    )
    state_sampling_s: int = lever(
        12,
        None,
        None,
        "TenneT, 12 s since 3 Feb 2026",
        "sampling of the balance delta for the regulation state",
        (12, 60),
    )
    balance_delta_delay_s: int = lever(146, 0, 900, "measured Aug 2026", "publication delay of the balance delta")
    is_dual_pricing: bool = lever(True, None, None, "TenneT IPS 6.1", "state 2 has two prices; off: mid price for both")
    incentive_component_eur_per_mwh: float = lever(
        0.0, 0.0, 50.0, "TenneT IPS, abolished 31 Jul 2020", "incentive component on the imbalance price"
    )
    pass_through_ramp_share_per_min: float = lever(
        1.0, 0.01, 1.0, "TenneT's request: 0.20", "largest ramp of passive balancing, share of maximum per minute"
    )
    passive_balancing_share: float = lever(
        0.0, 0.0, 1.0, "report 6.2.3", "part of the pool on a pass-through contract that reacts to the balance delta"
    )
    # contracts and tariffs
    supply_contract: str = lever(
        "dynamic",
        None,
        None,
        "report 6.2.3",
        "supply contract behind the charging points",
        ("fixed", "time_of_use", "dynamic", "pass_through"),
    )
    congestion_tool: str = lever(
        "both",
        None,
        None,
        "report 6.2.1; Netcode",
        "what grid operators may use against expected congestion",
        ("both", "redispatch", "capacity_call", "none"),
    )
    transport_right: str = lever(
        "firm",
        None,
        None,
        "ACM 2024; report 7.4.1",
        "transport agreement of flexible connections",
        ("firm", "non_firm", "tdtr85", "time_block", "group"),
    )
    is_clustering_allowed: bool = lever(
        False, None, None, "report 7.4.2", "connections may be pooled into one virtual limit"
    )
    grid_tariff: str = lever(
        "capacity_band",
        None,
        None,
        "ACM; VREG; report 7.4.1",
        "tariff model of small connections",
        ("capacity_band", "monthly_peak", "time_of_use", "bandwidth"),
    )
    energy_tax_eur_per_kwh: float = lever(
        0.0916, 0.0, 0.2, "Belastingdienst 2026", "energy tax on electricity up to 10 MWh, excl. VAT"
    )
    vat_share: float = lever(0.21, 0.0, 0.3, "Wet OB", "value added tax")
    is_net_metering: bool = lever(
        True, None, None, "ends 1 Jan 2027, Kamerstuk 36611", "feed-in is netted against consumption"
    )
    feed_in_compensation_share: float = lever(
        0.5, 0.0, 1.0, "Kamerstuk 36611-3", "share of the bare price paid for feed-in without net metering"
    )
    # roles and data
    aggregation_model: str = lever(
        "integrated",
        None,
        None,
        "USEF; Dir. 2019/944 art. 17",
        "who bears the imbalance of sold flexibility",
        ("integrated", "uncorrected", "corrected_meter", "central_settlement", "contractual"),
    )
    transfer_of_energy_eur_per_mwh: float = lever(
        90.0, 0.0, 500.0, "assumption", "transfer-of-energy price of the central and the contractual model"
    )
    iso15118_share: float = lever(0.1, 0.0, 1.0, "report 7.2.2", "EVs and stations that speak ISO 15118")
    oem_api_share: float = lever(
        0.3, 0.0, 1.0, "report 7.2.2 (level: assumption)", "EVs whose maker shares state of charge through its API"
    )
    emsp_app_share: float = lever(
        0.6, 0.0, 1.0, "report 7.2.1 (level: assumption)", "drivers who state a departure in an app"
    )
    is_consent_default: bool = lever(True, None, None, "report 7.3", "drivers share data unless they object")
    aggregator_choice: str = lever(
        "driver",
        None,
        None,
        "report 6.1",
        "who chooses the aggregator: each driver, the CPO for all its public points, or nobody (no aggregator)",
        ("driver", "cpo", "none"),
    )
    aggregator_switching: str = lever(
        "both",
        None,
        None,
        "report 6.1 (freedom to choose; behaviour: assumption)",
        "what makes drivers and CPO change their aggregator where there are several",
        ("never", "experience", "price", "both"),
    )
    aggregator_notice_days: int = lever(
        1, 0, 30, "Dir. 2019/944 art. 12", "days from the choice of another aggregator until it takes over"
    )
    smart_ready_share: float = lever(
        1.0, 0.0, 1.0, "report 6.1 (level: assumption)", "charging points that can be steered; a mandate makes it 1"
    )
    is_smart_ready_mandated: bool = lever(
        False, None, None, "report 6.1; UK regulations 2021", "every charging point must be smart-charging ready"
    )
    is_certification_required: bool = lever(
        False, None, None, "report 6.1", "only a certified aggregator may offer services to grid operators"
    )
    is_aggregator_certified: bool = lever(
        True, None, None, "report 6.1", "the aggregator holds the certificate for grid-relevant control"
    )


def levers() -> tuple[Field, ...]:
    """All levers in the order of the class."""
    return fields(Regulation)


def fault_of(name: str, value: Any) -> str | None:
    """Say what is wrong with a lever's value, or None.

    Parameters
    ----------
    name : str
        Field name of :class:`Regulation`.
    value : object
        The value to check.

    Returns
    -------
    str or None
        One sentence with the value and what would be right.
    """
    declared = {f.name: f for f in levers()}[name]
    meta = declared.metadata
    if meta["choices"]:
        if value not in meta["choices"] or isinstance(value, bool) != isinstance(declared.default, bool):
            return f"{value!r} is not one of {', '.join(map(repr, meta['choices']))}"
        return None
    if isinstance(declared.default, bool):
        return None if isinstance(value, bool) else f"{value!r} is not true or false"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{value!r} is not a number"
    if isinstance(declared.default, int) and not float(value).is_integer():
        return f"{value!r} is not a whole number"
    if not meta["low"] <= value <= meta["high"]:
        return f"{value!r} is outside {meta['low']:g} to {meta['high']:g}"
    return None
