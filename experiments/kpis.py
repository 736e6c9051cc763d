"""Key figures of a run: a pure function from result tables to one flat dict, with the meaning of every figure.

A figure that is not defined in a run (no session, no trade) is NaN, which JSON files show as null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.settings import SEGMENTS

PERIOD_H = 0.25
NAN = float("nan")
Tables = Mapping[str, Mapping[str, Any]]
BALANCE_ROLES = ("supplier", "aggregator", "cpo", "emsp", "dso", "tso", "producer", "fleet_operator")
"""Roles whose balance is a key figure."""


@dataclass(frozen=True)
class Kpi:
    """A key figure: unit, which direction is better ("lower", "higher" or "" for neither) and meaning."""

    unit: str
    better: str
    meaning: str


KPIS: dict[str, Kpi] = {
    # drivers
    "driver_cost_eur_per_kwh": Kpi("EUR/kWh", "lower", "paid by drivers per kWh in the battery"),
    "driver_saving_eur_per_kwh": Kpi("EUR/kWh", "higher", "saved by drivers per kWh against no steering"),
    "driver_saving_eur": Kpi("EUR", "higher", "saved by all drivers against no steering"),
    "satisfied_share": Kpi("share", "higher", "finished sessions that got the energy asked for and possible"),
    "missing_kwh": Kpi("kWh", "lower", "energy asked for and possible, not delivered at departure"),
    "missing_share": Kpi("share", "lower", "missing energy as share of the energy asked for"),
    "service_missing_share": Kpi(
        "share", "lower", "energy missing at departure of what cars, points and connections could have given"
    ),
    "opt_out_share": Kpi("share", "lower", "sessions whose driver asked to charge at once"),
    "ev_co2_g_per_kwh": Kpi("g/kWh", "lower", "emission per kWh in the battery"),
    "co2_saved_kg": Kpi("kg", "higher", "emission saved against no steering"),
    "v2x_discharged_mwh": Kpi("MWh", "", "energy taken back from batteries"),
    "sessions": Kpi("", "", "charging sessions"),
    **{f"{s}_drivers_cost_eur": Kpi("EUR", "lower", f"paid by drivers who charge at {s}") for s in SEGMENTS},
    # load
    "ev_energy_mwh": Kpi("MWh", "", "net energy of EVs at the meter"),
    "ev_peak_kw": Kpi("kW", "lower", "highest quarter-hour power of all EVs"),
    "ev_uncontrolled_peak_kw": Kpi("kW", "", "the same without any steering"),
    "ev_peak_reduction_share": Kpi("share", "higher", "how much lower the EVs' peak is than without steering"),
    "area_peak_kw": Kpi("kW", "lower", "highest quarter-hour power of the simulated area"),
    "area_uncontrolled_peak_kw": Kpi("kW", "", "the same without any steering"),
    # wires
    "transformer_loading_max_share": Kpi("share", "lower", "highest loading of a transformer"),
    "transformer_uncontrolled_loading_max_share": Kpi("share", "", "the same without any steering"),
    "line_loading_max_share": Kpi("share", "lower", "highest loading of a line or cable"),
    "overload_branch_h": Kpi("h", "lower", "hours above rating, summed over lines and transformers"),
    "uncontrolled_overload_branch_h": Kpi("h", "", "the same without any steering"),
    "voltage_min_pu": Kpi("pu", "higher", "lowest voltage at any node and phase"),
    "voltage_max_pu": Kpi("pu", "lower", "highest voltage at any node and phase"),
    "voltage_outside_share": Kpi("share", "lower", "node quarters outside 0.9 to 1.1 pu"),
    "unbalance_max_share": Kpi("share", "lower", "highest voltage unbalance factor"),
    "losses_share": Kpi("share", "lower", "losses as share of the energy drawn from above"),
    "voltage_met_share": Kpi("share", "higher", "nodes and weeks that keep the voltage of EN 50160"),
    "unbalance_met_share": Kpi("share", "higher", "nodes and weeks that keep its unbalance (three-phase runs)"),
    "phase_difference_met_share": Kpi("share", "higher", "the same by the difference between phases of the report"),
    "frequency_met_share": Kpi("share", "higher", "weeks that keep its frequency"),
    "unserved_kwh": Kpi("kWh", "lower", "demand of homes and sites not served in outages"),
    "uncontrolled_unserved_kwh": Kpi("kWh", "", "the same without any steering"),
    "trips": Kpi("", "lower", "branches tripped by their protection"),
    "uncontrolled_trips": Kpi("", "", "the same without any steering"),
    "emergency_kwh": Kpi("kWh", "", "delivered by V2X cars to connections without supply"),
    "interrupted_connection_h": Kpi("h", "lower", "hours without supply, summed over connections"),
    # congestion
    "redispatch_cost_eur": Kpi("EUR", "lower", "spread paid by grid operators for redispatch"),
    "redispatch_mwh": Kpi("MWh", "", "energy moved by redispatch"),
    "capacity_call_cost_eur": Kpi("EUR", "lower", "paid for called capacity limits"),
    "absolute_signals": Kpi("", "lower", "absolute signals sent, per quarter-hour and place"),
    "interventions_avoided": Kpi("", "higher", "interventions that were needed and kept the element, per quarter-hour"),
    "interventions_needless": Kpi("", "lower", "interventions without which the element would have held"),
    "congestion_missed": Kpi("", "lower", "quarter-hours and places with congestion all the same"),
    "eur_per_avoided_mwh": Kpi("EUR/MWh", "lower", "cost of all interventions per MWh above the limit avoided"),
    "transport_fee_eur": Kpi("EUR", "lower", "price of the transport rights of flexible connections"),
    "withheld_kwh": Kpi("kWh", "lower", "energy that the operator's limits took back from these rights"),
    "transport_breach_quarters": Kpi("", "lower", "quarter-hours above the limits of these rights"),
    "transport_penalty_eur": Kpi("EUR", "lower", "owed by either side for broken agreements and called limits"),
    "congestion_announced": Kpi("", "lower", "quarter-hours and places with announced congestion"),
    "congestion_avoided_share": Kpi("share", "higher", "announced congestion that was avoided"),
    # markets
    "day_ahead_mean_eur_per_mwh": Kpi("EUR/MWh", "", "mean day-ahead price"),
    "day_ahead_spread_eur_per_mwh": Kpi("EUR/MWh", "", "mean over days of highest minus lowest day-ahead price"),
    "imbalance_shortage_mean_eur_per_mwh": Kpi("EUR/MWh", "", "mean price for shortage"),
    "state_2_share": Kpi("share", "", "quarter-hours with regulation state 2"),
    "brp_imbalance_mwh": Kpi("MWh", "lower", "absolute imbalance summed over BRPs and quarter-hours"),
    "brp_imbalance_cost_eur": Kpi("EUR", "lower", "net paid by BRPs for imbalance"),
    "intraday_volume_mwh": Kpi("MWh", "", "traded on the continuous intraday market"),
    "fcr_awarded_mw": Kpi("MW", "higher", "mean FCR capacity contracted with aggregators"),
    "afrr_up_awarded_mw": Kpi("MW", "higher", "mean upward aFRR capacity contracted with aggregators"),
    "afrr_down_awarded_mw": Kpi("MW", "higher", "mean downward aFRR capacity contracted with aggregators"),
    "activated_mwh": Kpi("MWh", "", "balancing energy activated"),
    "rejected_orders": Kpi("", "lower", "orders and bids that a market refused"),
    # links and money
    "messages": Kpi("", "", "messages between roles"),
    "messages_lost": Kpi("", "lower", "messages lost"),
    "money_moved_eur": Kpi("EUR", "", "sum of all payments"),
    **{f"{r}_balance_eur": Kpi("EUR", "", f"receipts minus payments of parties with role {r}") for r in BALANCE_ROLES},
    "others_balance_eur": Kpi("EUR", "", "receipts minus payments of accounts without a role, such as drivers"),
}


def kpis_of(tables: Tables) -> dict[str, float]:
    """All key figures of a run.

    Parameters
    ----------
    tables : mapping
        Columns by table name as in :data:`experiments.store.TABLES`; absent tables count as empty.

    Returns
    -------
    dict
        Value by name, in the order of :data:`KPIS`.
    """
    found: dict[str, float] = {}
    for group in _GROUPS:
        found.update(group(tables))
    return {name: float(found[name]) for name in KPIS}


def _column(tables: Tables, table: str, column: str) -> np.ndarray:
    return np.asarray(tables.get(table, {}).get(column, ()))


def _numbers(tables: Tables, table: str, *columns: str) -> list[np.ndarray]:
    return [_column(tables, table, c).astype(np.float64) for c in columns]


def _words(tables: Tables, table: str, column: str) -> np.ndarray:
    return _column(tables, table, column).astype(np.str_)


def _ratio(top: float, bottom: float) -> float:
    return float(top / bottom) if bottom else NAN


def _of(reduce: Callable[[np.ndarray], Any], values: np.ndarray) -> float:
    """Reduce finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(reduce(finite)) if finite.size else NAN


def _drivers(tables: Tables) -> dict[str, float]:
    names = ("desired_kwh", "delivered_kwh", "missing_kwh", "cost_eur", "uncontrolled_cost_eur")
    desired, delivered, missing, cost, dumb_cost = _numbers(tables, "sessions", *names)
    co2, dumb_co2, discharged = _numbers(tables, "sessions", "co2_kg", "uncontrolled_co2_kg", "discharged_kwh")
    saving = float(np.sum(dumb_cost) - np.sum(cost))
    energy = float(np.sum(delivered))
    opted_out = _column(tables, "sessions", "is_opted_out").astype(bool)
    segment = _words(tables, "sessions", "segment")
    n_finished, satisfied = _numbers(tables, "drivers", "sessions", "satisfied_share")
    together, short = _numbers(tables, "drivers", "service_possible_kwh", "service_missing_kwh")
    return {
        "driver_cost_eur_per_kwh": _ratio(float(np.sum(cost)), energy),
        "driver_saving_eur_per_kwh": _ratio(saving, energy),
        "driver_saving_eur": saving,
        "satisfied_share": _ratio(float(np.nansum(n_finished * satisfied)), float(np.sum(n_finished))),
        "missing_kwh": float(np.sum(missing)),
        "missing_share": _ratio(float(np.sum(missing)), float(np.sum(desired))),
        "service_missing_share": _ratio(float(np.sum(short)), float(np.sum(together))),
        "opt_out_share": _of(np.mean, opted_out.astype(np.float64)),
        "ev_co2_g_per_kwh": _ratio(1000.0 * float(np.sum(co2)), energy),
        "co2_saved_kg": float(np.sum(dumb_co2) - np.sum(co2)),
        "v2x_discharged_mwh": float(np.sum(discharged)) / 1000.0,
        "sessions": float(desired.size),
        **{f"{s}_drivers_cost_eur": float(np.sum(cost[segment == s])) for s in SEGMENTS},
    }


def _load(tables: Tables) -> dict[str, float]:
    power, dumb = _numbers(tables, "load", "power_kw", "uncontrolled_kw")
    period = _column(tables, "load", "period").astype(np.int64)
    segment = _words(tables, "load", "segment")
    is_ev = np.isin(segment, SEGMENTS)
    is_area = segment != "site"
    ev, dumb_ev = (_per_period(period[is_ev], v[is_ev]) for v in (power, dumb))
    area, dumb_area = (_per_period(period[is_area], v[is_area]) for v in (power, dumb))
    peak, dumb_peak = _of(np.max, ev), _of(np.max, dumb_ev)
    return {
        "ev_energy_mwh": float(np.sum(ev)) * PERIOD_H / 1000.0,
        "ev_peak_kw": peak,
        "ev_uncontrolled_peak_kw": dumb_peak,
        "ev_peak_reduction_share": 1.0 - _ratio(peak, dumb_peak),
        "area_peak_kw": _of(np.max, area),
        "area_uncontrolled_peak_kw": _of(np.max, dumb_area),
    }


def _per_period(period: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(period, weights=values) if period.size else np.zeros(0)


def _wires(tables: Tables) -> dict[str, float]:
    loading, dumb = _numbers(tables, "branch_loading", "loading_share", "uncontrolled_loading_share")
    kind = _words(tables, "branches", "kind")
    row = _column(tables, "branch_loading", "branch_index").astype(np.int64)
    is_transformer = kind[row] == "transformer" if row.size else np.zeros(0, bool)
    low, high, unbalance = _numbers(tables, "node_voltage", "voltage_min_pu", "voltage_max_pu", "vuf_share")
    source, losses = _numbers(tables, "energy", "source_kwh", "losses_kwh")
    least, most = _voltage_band(tables)
    return {
        "transformer_loading_max_share": _of(np.max, loading[is_transformer]),
        "transformer_uncontrolled_loading_max_share": _of(np.max, dumb[is_transformer]),
        "line_loading_max_share": _of(np.max, loading[~is_transformer]),
        "overload_branch_h": PERIOD_H * float(np.count_nonzero(loading > 1.0)),
        "uncontrolled_overload_branch_h": PERIOD_H * float(np.count_nonzero(dumb > 1.0)),
        "voltage_min_pu": _of(np.min, low),
        "voltage_max_pu": _of(np.max, high),
        "voltage_outside_share": _of(np.mean, ((low < least) | (high > most)).astype(np.float64)),
        "unbalance_max_share": _of(np.max, unbalance),
        "losses_share": _ratio(float(np.sum(losses)), float(np.sum(source))),
        **_supply(tables),
    }


def _voltage_band(tables: Tables) -> tuple[float, float]:
    """Voltages that the run's rules ask for, pu; those of EN 50160 where no verdict tells."""
    is_voltage = _words(tables, "quality", "aspect") == "voltage"
    edges = _numbers(tables, "quality", "limit_low", "limit_high")
    if not is_voltage.any() or edges[0].shape != is_voltage.shape:
        return 0.9, 1.1
    return float(edges[0][is_voltage][0]), float(edges[1][is_voltage][0])


def _supply(tables: Tables) -> dict[str, float]:
    """Power quality and interruptions."""
    aspect, area = _words(tables, "quality", "aspect"), _words(tables, "quality", "area")
    nodes, met = _numbers(tables, "quality", "nodes", "nodes_met")
    is_whole = np.isin(area, ("all", "country"))
    share = {}
    for name in ("voltage", "unbalance", "phase_difference", "frequency"):
        here = is_whole & (aspect == name)
        share[f"{name}_met_share"] = _ratio(float(np.sum(met[here])), float(np.sum(nodes[here])))
    unserved, emergency, hours = _numbers(tables, "outages", "unserved_kwh", "emergency_kwh", "connection_h")
    return {
        **share,
        "unserved_kwh": float(np.sum(unserved)),
        "uncontrolled_unserved_kwh": float(np.sum(_numbers(tables, "uncontrolled_outages", "unserved_kwh")[0])),
        "trips": float(np.count_nonzero(_words(tables, "outages", "kind") == "trip")),
        "uncontrolled_trips": float(np.count_nonzero(_words(tables, "uncontrolled_outages", "kind") == "trip")),
        "emergency_kwh": float(np.sum(emergency)),
        "interrupted_connection_h": float(np.sum(hours)),
    }


def _congestion(tables: Tables) -> dict[str, float]:
    kind = _words(tables, "interventions", "kind")
    cost, relief = _numbers(tables, "interventions", "cost_eur", "relief_mw")
    outcome = _words(tables, "announcements", "outcome")
    # an overload that nobody foretold stands in the table too, without a forecast
    (foretold,) = _numbers(tables, "announcements", "forecast_loading_share")
    return {
        "redispatch_cost_eur": float(np.sum(cost[kind == "redispatch"])),
        "redispatch_mwh": float(np.sum(relief[kind == "redispatch"])) * PERIOD_H,
        "capacity_call_cost_eur": float(np.sum(cost[kind == "capacity_call"])),
        "absolute_signals": float(np.count_nonzero(kind == "absolute_signal")),
        **_foresight(tables),
        "congestion_announced": float(np.count_nonzero(np.isfinite(foretold))),
        "congestion_avoided_share": _of(np.mean, (outcome == "avoided").astype(np.float64)),
    }


def _foresight(tables: Tables) -> dict[str, float]:
    """Interventions of all operators against perfect foresight, and what transport rights cost and withheld."""
    is_all = _words(tables, "operators", "tool") == "all"
    fee, withheld, breaches = _numbers(tables, "agreements", "fee_eur", "withheld_kwh", "breach_quarters")
    names = ("avoided", "needless", "missed", "cost_eur", "avoided_mwh")
    avoided, needless, missed, cost, mwh = (float(np.sum(v[is_all])) for v in _numbers(tables, "operators", *names))
    return {
        "interventions_avoided": avoided,
        "interventions_needless": needless,
        "congestion_missed": missed,
        "eur_per_avoided_mwh": _ratio(cost, mwh),
        "transport_fee_eur": float(np.sum(fee)),
        "withheld_kwh": float(np.sum(withheld)),
        "transport_breach_quarters": float(np.sum(breaches)),
        "transport_penalty_eur": float(np.sum(_numbers(tables, "breaches", "penalty_eur")[0])),
    }


def _markets(tables: Tables) -> dict[str, float]:
    day_ahead, shortage = _numbers(tables, "prices", "day_ahead_eur_per_mwh", "imbalance_shortage_eur_per_mwh")
    state = _column(tables, "prices", "regulation_state")
    imbalance, imbalance_eur = _numbers(tables, "positions", "imbalance_mwh", "imbalance_eur")
    volume = _numbers(tables, "trades", "volume_mw")[0]
    is_intraday = _words(tables, "trades", "market") == "intraday"
    return {
        "day_ahead_mean_eur_per_mwh": _of(np.mean, day_ahead),
        "day_ahead_spread_eur_per_mwh": _daily_spread(tables, day_ahead),
        "imbalance_shortage_mean_eur_per_mwh": _of(np.mean, shortage),
        "state_2_share": _of(np.mean, (state == 2).astype(np.float64)),
        "brp_imbalance_mwh": float(np.sum(np.abs(imbalance))),
        "brp_imbalance_cost_eur": 0.0 - float(np.sum(imbalance_eur)),
        "intraday_volume_mwh": float(np.sum(volume[is_intraday])) * PERIOD_H,
        **{f"{p}_awarded_mw": _awarded(tables, p) for p in ("fcr", "afrr_up", "afrr_down")},
        "activated_mwh": float(np.sum(_numbers(tables, "activations", "energy_mwh")[0])),
        "rejected_orders": float(np.sum(_numbers(tables, "rejections", "count")[0])),
    }


def _daily_spread(tables: Tables, price: np.ndarray) -> float:
    day = _column(tables, "periods", "day")
    if not price.size or day.size != price.size:
        return NAN
    spreads = [np.max(price[day == d]) - np.min(price[day == d]) for d in np.unique(day)]
    return _of(np.mean, np.array(spreads))


def _awarded(tables: Tables, product: str) -> float:
    """Capacity contracted with aggregators per block; with everybody where no provider is known as one."""
    is_product = _words(tables, "reserves", "product") == product
    provider = _words(tables, "reserves", "provider")
    parties = tables.get("parties", {})
    named = zip(parties.get("party", ()), parties.get("roles", ()), strict=False)
    pool = [party for party, roles in named if "aggregator" in roles]
    is_pool = np.isin(provider, pool) if pool and provider.size else np.ones(is_product.size, bool)
    start = _column(tables, "reserves", "block_start_period")[is_product]
    awarded = _numbers(tables, "reserves", "awarded_mw")[0][is_product & is_pool]
    return float(np.sum(awarded)) / np.unique(start).size if start.size else 0.0


def _links_and_money(tables: Tables) -> dict[str, float]:
    count, lost = _numbers(tables, "messages", "count", "lost")
    return {
        "messages": float(np.sum(count)),
        "messages_lost": float(np.sum(lost)),
        "money_moved_eur": float(np.sum(np.abs(_numbers(tables, "ledger", "amount_eur")[0]))),
        **_balances(tables),
    }


def _balances(tables: Tables) -> dict[str, float]:
    """Balances by role: the one an account names (``"dso: Noordnet"``), else all roles of the party that holds it.

    Accounts are numbered by a dict because that is much quicker than comparing texts.
    """
    ledger, parties = tables.get("ledger", {}), tables.get("parties", {})
    row: dict[str, int] = {}
    payer, payee = (np.array([row.setdefault(a, len(row)) for a in ledger.get(c, ())], int) for c in ("payer", "payee"))
    amount = _numbers(tables, "ledger", "amount_eur")[0]
    balance = np.bincount(payee, amount, len(row)) - np.bincount(payer, amount, len(row))
    held = {a: r.split(",") for a, r in zip(parties.get("account", ()), parties.get("roles", ()), strict=True)}
    held |= {a: [a.partition(": ")[0]] for a in row if a.partition(": ")[0] in BALANCE_ROLES}
    found = {f"{r}_balance_eur": _sum_of(balance, row, [a for a in row if r in held.get(a, ())]) for r in BALANCE_ROLES}
    return found | {"others_balance_eur": _sum_of(balance, row, [a for a in row if a not in held])}


def _sum_of(balance: np.ndarray, row: Mapping[str, int], accounts: list[str]) -> float:
    return float(np.sum(balance[[row[a] for a in accounts]])) if accounts else 0.0


_GROUPS: tuple[Callable[[Tables], dict[str, float]], ...] = (
    _drivers,
    _load,
    _wires,
    _congestion,
    _markets,
    _links_and_money,
)
