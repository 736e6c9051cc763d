"""From a finished run to its result tables (declared in the store of the experiments; ``results/README.md``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agents import hardware_log
from agents.breaches import broken_agreements, table_of
from agents.fleet.behaviour import rated
from agents.fleet.comfort import possible_kwh
from agents.fleet.possible import service
from agents.fleet.tables import GROUPS
from agents.foresight import Wires, calibration_table, operators_table
from agents.information.results import tables_of
from agents.monitoring import market_monitor
from agents.optimality import COLUMNS, gap_columns
from agents.power_quality import quality_table
from agents.settings import SEGMENTS
from agents.signals import charge_hardware, signals_table
from grid.thermal import run_thermal
from markets.contracts import Clock

if TYPE_CHECKING:
    from agents.events import GridEvents
    from agents.model import Flexpolder
    from agents.town import Town

Columns = dict[str, Any]
SATISFIED_SHARE, SATISFIED_KWH = 0.05, 0.5
"""A session is satisfied when no more than this share, or this energy, of what was asked and possible is missing."""


@dataclass(frozen=True)
class Outcome:
    """Result of a run: columns by table name."""

    tables: Mapping[str, Columns]


def collect(model: Flexpolder) -> Outcome:
    """Close the accounts of a finished run and gather its tables."""
    model.billing.charge_customers()
    model.billing.charge_grid(model.record.ev_kw)
    charge_hardware(model)
    broken = broken_agreements(
        model.rights, model.cast.dso.calls, model.town.base_kw + model.record.ev_kw, model.record.ev_kw
    )
    model.billing.charge_breaches(broken)
    makers = (
        _time_and_prices, _system, _trades_and_positions, _money, _reserves, _load, _wires, _congestion, _sessions,
        _links,
    )  # fmt: skip
    tables: dict[str, Columns] = {}
    for make in makers:
        tables |= make(model)
    tables["breaches"] = table_of(broken)
    tables["gap"] = _gap(model, tables)
    return Outcome(tables)


def _gap(m: Flexpolder, tables: Mapping[str, Columns]) -> Columns:
    """Distance of every segment to its optimum, where it is wanted."""
    if not m.settings.is_gap_wanted:
        return {name: [] for name in COLUMNS}
    strategy_of = {name: segment.strategy for name, segment in m.settings.fleet.segments.items()}
    return gap_columns(tables["sessions"], tables["prices"]["contract_eur_per_kwh"], strategy_of)


def _charge_signal_hardware(m: Flexpolder) -> None:
    """The DSO pays for what hears its direct signals, at connections with charging points."""
    if m.settings.regulation.absolute_signal_path != "direct":
        return
    fitted = np.count_nonzero(m.cast.dso.has_hardware[np.unique(m.town.fleet.points.connection_row)])
    eur = fitted * m.settings.signals.hardware_eur_per_year * m.settings.days / 365.0
    m.cashbook.pay(m.horizon.n_periods - 1, m.cast.dso.account, "equipment makers", eur, "signal_hardware")


def _time_and_prices(m: Flexpolder) -> dict[str, Columns]:
    h, r, x = m.horizon, m.record, m.exchange
    period = np.arange(h.n_periods, dtype=np.int32)
    vwap = np.where(x.traded_mwh > 0.0, x.traded_eur / np.maximum(x.traded_mwh, 1e-12), np.nan)
    return {
        "periods": {
            "period": period,
            "time_utc": h.start_utc,
            "local_hour": h.local_hour.astype(np.float32),
            "day": h.day_of.astype(np.int32),
        },
        "prices": {
            "period": period,
            "day_ahead_eur_per_mwh": x.day_ahead_eur_per_mwh,
            "intraday_vwap_eur_per_mwh": vwap,
            "imbalance_shortage_eur_per_mwh": r.price["shortage"],
            "imbalance_surplus_eur_per_mwh": r.price["surplus"],
            "mid_eur_per_mwh": r.price["mid"],
            "up_eur_per_mwh": r.price["up"],
            "down_eur_per_mwh": r.price["down"],
            "regulation_state": r.state,
            "co2_g_per_kwh": r.co2_g_per_kwh,
            "contract_eur_per_kwh": m.cast.supplier.price_eur_per_kwh[: h.n_periods],
        },
    }


def _system(m: Flexpolder) -> dict[str, Columns]:
    s, n = m.record.system, m.horizon.n_periods
    town = m.record.source_kwh * m.settings.representation / 250.0
    return {
        "system": {
            "period": np.arange(n, dtype=np.int32),
            "load_mw": m.nation.load_mw + town,
            "load_forecast_mw": m.cast.tso.load_forecast_mw + town,
            "wind_mw": s["wind_mw"],
            "solar_mw": s["solar_mw"],
            "thermal_mw": s["thermal_mw"],
            "import_mw": s["import_mw"],
            "system_imbalance_mw": s["error_mw"],
            "afrr_up_mwh": s["up_mwh"],
            "afrr_down_mwh": s["down_mwh"],
            "mfrrda_mwh": s["incident_mwh"],
            "passive_mwh": s["passive_mwh"],
        }
    }


def _trades_and_positions(m: Flexpolder) -> dict[str, Columns]:
    t, p = m.exchange.trades, m.positions
    n, parties = m.horizon.n_periods, p.parties
    imbalance = np.stack([p.imbalance_mwh(k) for k in range(n)], axis=1)
    flat = {f"{market}_mwh": p.bought_mwh[market].ravel() for market in p.bought_mwh}
    return {
        "trades": t.columns(),
        "order_book": _order_book(m),
        "positions": {
            "period": np.tile(np.arange(n, dtype=np.int32), len(parties)),
            "brp": np.repeat(parties, n).tolist(),
            **flat,
            "metered_mwh": p.metered_mwh.ravel(),
            "activated_mwh": p.activated_mwh.ravel(),
            "imbalance_mwh": imbalance.ravel(),
            "imbalance_eur": m.record.imbalance_eur.ravel(),
        },
    }


def _money(m: Flexpolder) -> dict[str, Columns]:
    ledger = m.cashbook.ledger
    c = ledger.columns()
    names, reasons = np.array(ledger.accounts, dtype=object), np.array(ledger.reasons, dtype=object)
    rows = [(p.name, ",".join(p.roles), f"{role}: {p.name}") for p in m.settings.parties for role in p.roles]
    party, roles, account = (list(v) for v in zip(*rows, strict=True))
    refused = sorted(m.exchange.rejections.counts.items())
    return {
        "ledger": {
            "period": c["period"],
            "payer": names[c["payer"]].tolist(),
            "payee": names[c["payee"]].tolist(),
            "reason": reasons[c["reason"]].tolist(),
            "amount_eur": c["amount_eur"],
        },
        "parties": {"party": party, "roles": roles, "account": account},
        "rejections": {
            "period": [k[0] for k, _ in refused],
            "market": [k[1] for k, _ in refused],
            "party": [k[2] for k, _ in refused],
            "rule": [k[3] for k, _ in refused],
            "count": [n for _, n in refused],
        },
    }


def _reserves(m: Flexpolder) -> dict[str, Columns]:
    r, a, d = m.cast.tso.reserves, m.record.activations, m.cast.tso.duty.log
    columns = ("period", "provider", "direction", "energy_mwh", "price_eur_per_mwh")
    return {
        "balance_delta": _balance_delta(m),
        "reserves": r.columns(),
        "activations": {name: [row[k] for row in a] for k, name in enumerate(columns)},
        "reserve_shortfalls": d.columns(),
        "market_monitor": market_monitor(m),
    }


def _flat_kw(town: Town) -> np.ndarray:
    """Homes, roofs (negative) and sites without charging, float64[3, n_periods]."""
    parts = (town.home_kw, town.roof_kw, town.site_kw)
    home, roof, site = (part.sum(axis=0, dtype=np.float64) for part in parts)
    return np.stack([home, -roof, site])


def _balance_delta(m: Flexpolder) -> Columns:
    """The operator's published series, one row a sample; it became visible after the publication delay."""
    deltas = m.cast.tso.deltas
    columns = {name: np.concatenate([d[name] for d in deltas]).astype(np.float32) for name in deltas[0]}
    second = columns.pop("second").astype(np.int32)
    period = np.repeat(np.arange(len(deltas), dtype=np.int32), [len(d["second"]) for d in deltas])
    return {"period": period, "second": second, **columns}


def _load(m: Flexpolder) -> dict[str, Columns]:
    n, town = m.horizon.n_periods, m.town
    names = [*SEGMENTS, "household", "pv", "site"]
    power = np.concatenate([m.record.segment_kw, _flat_kw(town)])
    free = np.concatenate([m.twin.segment_kw(), _flat_kw(m.twin.town)])
    return {
        "load": {
            "period": np.tile(np.arange(n, dtype=np.int32), len(names)),
            "segment": np.repeat(names, n).tolist(),
            "power_kw": power.ravel(),
            "uncontrolled_kw": free.ravel(),
        }
    }


def _wires(m: Flexpolder) -> dict[str, Columns]:
    a, r, table = m.town.grid.arrays, m.record, m.town.grid.connections
    n, nb, nn = m.horizon.n_periods, a.n_branches, a.n_nodes
    free = m.twin.loading_share()
    m.record.reference_loading_share = free
    period = np.arange(n, dtype=np.int32)
    kinds = np.array(["line", "transformer", "link"])[a.kind]
    names, nodes = list(a.branch_ids), list(a.node_ids)
    return {
        "branches": {
            "branch_index": np.arange(nb, dtype=np.int32),
            "branch": names,
            "kind": kinds.tolist(),
            "level": [a.level[k] for k in a.to_node],
            "from_node": [nodes[k] for k in a.from_node],
            "to_node": [nodes[k] for k in a.to_node],
            "rating_a": a.rated_current_a[:, 1],
            "area": [a.area[k] if a.level[k] == "lv" else "" for k in a.to_node],
        },
        "branch_loading": {
            "period": np.repeat(period, nb),
            "branch_index": np.tile(np.arange(nb, dtype=np.int32), n),
            "loading_share": r.loading_share.ravel(),
            "uncontrolled_loading_share": free.astype(np.float32).ravel(),
        },
        "nodes": {
            "node_index": np.arange(nn, dtype=np.int32),
            "node": nodes,
            "level": list(a.level),
            "x": a.node["x"].astype(np.float32),
            "y": a.node["y"].astype(np.float32),
            "u_rated_v": a.node["u_rated"],
        },
        "node_voltage": {
            "period": np.repeat(period, nn),
            "node_index": np.tile(np.arange(nn, dtype=np.int32), n),
            "voltage_min_pu": r.voltage_min_pu.ravel(),
            "voltage_max_pu": r.voltage_max_pu.ravel(),
            "vuf_share": r.vuf_share.ravel(),
        },
        "connections": {
            "connection_row": np.arange(len(table), dtype=np.int32),
            "ean": list(table.ean),
            "node_index": table.node_index.astype(np.int32),
            "kind": list(table.kind),
            "capacity_kw": table.capacity_kw,
            "phase": table.phase.astype(np.int8),
        },
        "ageing": _ageing(m),
        "outages": _outages(m, m.events),
        "uncontrolled_outages": _outages(m, m.twin.events),
        "quality": quality_table(r, a, m.dispatch.frequency_hz, is_three_phase=m.town.flow.fidelity == "three_phase"),
        "energy": {
            "period": period,
            "source_kwh": r.source_kwh,
            "connections_kwh": r.served_kwh,
            "losses_kwh": r.losses_kwh,
            "residual_kwh": r.source_kwh - r.served_kwh - r.losses_kwh,
        },
    }


def _outages(m: Flexpolder, switches: GridEvents | None) -> Columns:
    """Interruptions of supply and what they cost."""
    events = [] if switches is None else switches.interruptions
    index = m.town.grid.arrays.branch_index
    end = m.horizon.n_periods
    return {
        "kind": [e.kind for e in events],
        "branch_index": np.array([index[e.branch] for e in events], dtype=np.int32),
        "first_period": np.array([e.first for e in events], dtype=np.int32),
        "periods": np.array([max(min(e.last, end) - e.first, 0) for e in events], dtype=np.int32),
        "connections": np.array([e.connections for e in events], dtype=np.int32),
        "resupplied_by": [", ".join(e.closed) for e in events],
        "connection_h": np.array([e.connection_h for e in events]),
        "unserved_kwh": np.array([e.unserved_kwh for e in events]),
        "postponed_kwh": np.array([e.postponed_kwh for e in events]),
        "emergency_kwh": np.array([e.emergency_kwh for e in events]),
    }


def _congestion(m: Flexpolder) -> dict[str, Columns]:
    dso, tso = (operator.log.columns() for operator in (m.cast.dso, m.cast.tso))
    joined: Columns = {name: dso[name] + tso[name] for name in dso}
    done, operators = _interventions(m), (m.cast.dso, m.cast.tso)
    wires = Wires(
        m.record.loading_share, m.record.reference_loading_share, m.town.grid.arrays.rated_kva,
        m.settings.regulation.congestion_threshold_share,
    )  # fmt: skip
    return {
        "announcements": _judged(m, _newest(joined)),
        "interventions": done,
        "operators": operators_table(wires, done, {o.role: o.is_own for o in operators}),
        "forecast_calibration": calibration_table(wires, done, operators),
        "agreements": _agreements(m),
        "signals": signals_table(m),
        "bid_obligations": m.market_day.desk.duty.log.columns(),
        **m.market_day.desk.flex.tables(m.record.ev_kw),
    }


def _newest(log: Columns) -> Columns:
    """One row per element and period: the last announcement before delivery."""
    last = {(b, p): k for k, (b, p) in enumerate(zip(log["branch_index"], log["period"], strict=True))}
    rows = sorted(last.values())
    return {name: [values[k] for k in rows] for name, values in log.items()}


def _judged(m: Flexpolder, log: Columns) -> Columns:
    """What became of each announcement, judged by what was measured and by the same day without steering.

    Avoided: the element held, and without steering it would not have. Missed: it was overloaded all the same, or
    nobody had announced it. Needless: it held, and would have held without steering.
    """
    limit = m.settings.regulation.congestion_threshold_share
    loading, free = m.record.loading_share, m.record.reference_loading_share
    outcome = []
    for branch, period in zip(log["branch_index"], log["period"], strict=True):
        is_over = loading[period, branch] > limit
        would = free[period, branch] > limit
        outcome.append("missed" if is_over else "avoided" if would else "needless")
    announced = set(zip(log["period"], log["branch_index"], strict=True))
    for period, branch in np.argwhere(np.nan_to_num(loading) > limit).tolist():
        if (period, branch) not in announced:
            row = (period, period, branch, "dso", np.nan, 0.0, np.nan, "less_load")
            for name, value in zip(log, row, strict=True):
                log[name].append(value)
            outcome.append("missed")
    return {**log, "outcome": outcome}


def _interventions(m: Flexpolder) -> Columns:
    rows = list(m.market_day.desk.interventions.rows)
    path = m.settings.regulation.absolute_signal_path
    n = m.horizon.n_periods
    rows += [(p, "absolute_signal", path, b, np.nan, 0.0) for p, b in m.cast.dso.signals if p < n]
    rows.sort(key=lambda row: (row[0], row[1], row[3]))
    columns = ("period", "kind", "route", "branch_index", "relief_mw", "cost_eur")
    return {name: [row[k] for row in rows] for k, name in enumerate(columns)}


def _agreements(m: Flexpolder) -> Columns:
    """Rights of flexible connections: what they cost, what was withheld, and who broke them."""
    r = m.rights
    count, energy = r.breaches(m.town.base_kw + m.record.ev_kw)
    first = np.unique(r.group, return_index=True)[1] if len(r.rows) else np.zeros(0, dtype=np.int64)
    leads = np.zeros(len(r.rows), dtype=bool)
    leads[first] = True
    return {
        "connection_row": r.rows.astype(np.int32),
        "agreement": r.kinds,
        "group": r.group.astype(np.int32),
        "fee_eur": r.fee_eur() if len(r.rows) else np.zeros(0),
        "withheld_kwh": 0.25 * (r.right_kw - r.limit_kw).sum(axis=1),
        "breach_quarters": np.where(leads, count[r.group], 0).astype(np.int64) if len(r.rows) else np.zeros(0, int),
        "breach_kwh": np.where(leads, energy[r.group], 0.0) if len(r.rows) else np.zeros(0),
    }


def _order_book(m: Flexpolder) -> Columns:
    """Best prices of the continuous market at the moments of trade."""
    rows = m.exchange.book_rows
    names = ("gate_period", "period", "side", "price_eur_per_mwh", "volume_mw", "rank")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _ageing(m: Flexpolder) -> Columns:
    """Hot spot and loss of life of the MV/LV transformers (IEC 60076-7), and the same without steering."""
    a = m.town.grid.arrays
    rows = np.flatnonzero((a.kind == 1) & a.is_lv_branch)
    ambient = m.nation.weather.temperature_c
    runs = [
        run_thermal(np.nan_to_num(loading[:, rows].astype(np.float64)), ambient)
        for loading in (m.record.loading_share, m.record.reference_loading_share)
    ]
    return {
        "branch_index": rows.astype(np.int32),
        "hot_spot_max_c": runs[0].hot_spot_c.max(axis=0),
        "loss_of_life_h": _total(runs[0].loss_of_life_h),
        "uncontrolled_hot_spot_max_c": runs[1].hot_spot_c.max(axis=0),
        "uncontrolled_loss_of_life_h": _total(runs[1].loss_of_life_h),
    }


def _total(hours: np.ndarray) -> np.ndarray:
    return np.asarray(hours if hours.ndim == 1 else hours.sum(axis=0))


def _sessions(m: Flexpolder) -> dict[str, Columns]:
    fleet, state, b = m.town.fleet, m.cast.evs.state, m.billing
    s, v, p = fleet.sessions, fleet.vehicles, fleet.points
    began = np.flatnonzero((s.departure_min > 0) & (s.arrival_min < m.horizon.n_periods * 15))
    ev, cp = s.ev_row[began], s.cp_row[began]
    is_done = ~np.isnan(state.departure_kwh[began])
    start = state.arrival_kwh[began]
    end = np.where(is_done, state.departure_kwh[began], state.battery_kwh[ev])
    possible = np.maximum(possible_kwh(fleet, state, began) - start, 0.0)
    desired = np.maximum(s.desired_kwh[began] - start, 0.0)
    asked = np.where(np.isnan(possible), desired, possible)
    missing = np.where(is_done, np.maximum(asked - np.maximum(end - start, 0.0), 0.0), 0.0)
    drawn, delivered = state.session_import_kwh[began], state.session_export_kwh[began]
    _, high, _, eta = rated(v, p, ev, cp)
    can_deliver = p.is_bidirectional[cp] & (v.discharge_kw[ev] > 0)
    segment = np.array(SEGMENTS, dtype=object)[p.segment[cp]]
    group = np.array(GROUPS, dtype=object)[v.group[ev]]
    opted_out = m.cast.drivers.refused[began]
    return {
        "sessions": {
            "session_row": began.astype(np.int32),
            "ev_row": ev.astype(np.int32),
            "driver_group": group.tolist(),
            "charging_point_row": cp.astype(np.int32),
            "segment": segment.tolist(),
            "arrival_min": s.arrival_min[began].astype(np.int32),
            "departure_min": s.departure_min[began].astype(np.int32),
            "arrival_kwh": start,
            "max_kw": high,
            "max_discharge_kw": np.where(can_deliver, np.minimum(v.discharge_kw[ev], high), 0.0),
            "efficiency_share": eta,
            "reserve_kwh": v.reserve_share[ev] * v.capacity_kwh[ev],
            "desired_kwh": desired,
            "delivered_kwh": end - start,
            "metered_kwh": drawn - delivered,
            "missing_kwh": missing,
            "possible_kwh": possible,
            "energy_eur": b.energy_eur[began],
            "cost_eur": b.cost_eur[began],
            "uncontrolled_cost_eur": b.reference_eur[began],
            "co2_kg": b.co2_kg[began],
            "uncontrolled_co2_kg": b.reference_co2_kg[began],
            "is_opted_out": opted_out,
            "is_v2x": can_deliver,
            "discharged_kwh": delivered,
        },
        "drivers": _drivers(m, segment, is_done, missing, asked, opted_out),
        "refused_sessions": {
            "row": [row for row, _ in m.town.refused_sessions],
            "reason": [reason for _, reason in m.town.refused_sessions],
        },
        "submeters": m.submeters.settled(
            m.cast.supplier.wholesale_eur_per_mwh, Clock.of(m.horizon), m.cast.supplier.tax, m.cast.supplier.metering
        ),
    }


def _drivers(
    m: Flexpolder,
    segment: np.ndarray,
    is_done: np.ndarray,
    missing: np.ndarray,
    asked: np.ndarray,
    opted_out: np.ndarray,
) -> Columns:
    """Satisfaction of finished sessions by segment, and the energy missing of what all of them could have had."""
    rows = []
    given = service(m.town.fleet, m.cast.evs.state, m.town.grid.connections.capacity_kw, m.town.base_kw)
    for code, name in enumerate(SEGMENTS):
        here = (segment == name) & is_done
        if here.any():
            satisfied = missing[here] <= np.maximum(SATISFIED_SHARE * asked[here], SATISFIED_KWH)
            share = float(np.mean(satisfied)), float(np.mean(opted_out[here]))
            together, short = given.of_segment(code)
            lost = short / together if together > 0.0 else 0.0
            rows.append(
                (name, int(here.sum()), share[1], share[0], float(np.sum(missing[here])), together, short, lost)
            )
    columns = (
        "segment", "sessions", "opt_out_share", "satisfied_share", "missing_kwh", "service_possible_kwh",
        "service_missing_kwh", "service_missing_share",
    )  # fmt: skip
    return {name: [row[k] for row in rows] for k, name in enumerate(columns)}


def _links(m: Flexpolder) -> dict[str, Columns]:
    columns = ("period", "kind", "text")
    log = m.cast.pool.log
    return {
        **tables_of(m.links, m.cast.cpo.checks),
        **hardware_log.tables_of(m.real.log if m.real is not None else None),
        "aggregators": log.columns(),
        "events": {name: [e[k] for e in m.record.events] for k, name in enumerate(columns)},
    }
