"""How far a run was from the cheapest way to deliver the same: the gap of any strategy to the optimum, by HiGHS.

The optimum knows every arrival, departure and price beforehand and moves the same energy: each session starts from the
battery it really found and ends with at least the battery it really left (sessions open at the end of the horizon: at
the end of the horizon). Ratings and efficiencies are those at full power, without taper and minimum currents, so the
optimum is a lower bound. Where cars share a limit the program holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.fleet.behaviour import rated
from agents.fleet.state import FleetState
from agents.fleet.strategies.storage import plan_many
from agents.fleet.tables import Fleet

_COLUMNS = (
    "arrival_min", "departure_min", "arrival_kwh", "desired_kwh", "delivered_kwh", "metered_kwh", "discharged_kwh",
    "max_kw", "max_discharge_kw", "reserve_kwh", "efficiency_share", "energy_eur",
)  # fmt: skip
_MISSING_EUR_PER_KWH = 100.0
_SESSIONS_PER_PROGRAM = 200


@dataclass(frozen=True)
class Gap:
    """Cost of a run against the optimum.

    Attributes
    ----------
    run_eur, optimum_eur : float
        Energy at its price, ageing of delivery included.
    gap_share : float
        Relative to the optimum's absolute cost.
    energy_kwh : float
        Net energy at the meter in the run.
    solver : str
        What found the optimum.
    """

    run_eur: float
    optimum_eur: float
    gap_share: float
    energy_kwh: float
    solver: str


@dataclass(frozen=True)
class _Stays:
    """Sessions of a run on the period grid: window, batteries at both ends and ratings."""

    row: np.ndarray
    first: np.ndarray
    end: np.ndarray
    start_kwh: np.ndarray
    final_kwh: np.ndarray
    high_kw: np.ndarray
    back_kw: np.ndarray
    reserve_kwh: np.ndarray
    desired_kwh: np.ndarray
    eta: np.ndarray
    hours: np.ndarray


def _stays(fleet: Fleet, state: FleetState) -> _Stays:
    s, v = fleet.sessions, fleet.vehicles
    row = np.flatnonzero(~np.isnan(state.arrival_kwh))
    ev, cp = s.ev_row[row], s.cp_row[row]
    final = np.where(np.isnan(state.departure_kwh[row]), state.battery_kwh[ev], state.departure_kwh[row])
    _, high, _, eta = rated(v, fleet.points, ev, cp)
    back = np.minimum(v.discharge_kw[ev], high) * fleet.points.is_bidirectional[cp]
    battery = (state.arrival_kwh[row], final, high, back, v.reserve_share[ev] * v.capacity_kwh[ev])
    window = _windows(s.arrival_min[row], s.departure_min[row], fleet.horizon.n_periods, fleet.horizon.period_min)
    return _Stays(row, *window[:2], *battery, s.desired_kwh[row].astype(np.float64), eta, window[2])


def _windows(
    arrival_min: np.ndarray, departure_min: np.ndarray, n_periods: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First period, end, and hours in each period from the first on, shape (n, longest)."""
    arrive, leave = np.maximum(arrival_min, 0), np.minimum(departure_min, n_periods * step)
    first, end = arrive // step, -(-leave // step)
    ahead = np.arange(int(np.max(end - first, initial=0)))[None, :]
    t = (first[:, None] + ahead) * step
    hours = np.clip(np.minimum(t + step, leave[:, None]) - np.maximum(t, arrive[:, None]), 0, None) / 60.0
    return first, end, hours


def _ahead(values: np.ndarray, first: np.ndarray, width: int) -> np.ndarray:
    """Values of the periods from ``first`` on, 0 behind the end, shape (n, width)."""
    padded = np.concatenate([values, np.zeros(width)])
    return padded[first[:, None] + np.arange(width)[None, :]]


def _v2x_optimum(st: _Stays, price: np.ndarray, wear: float) -> float:
    """Sum of the exact optima of all sessions with delivery (proved equal to the linear program in the tests)."""
    eta = st.eta[:, None]
    here = _ahead(price, st.first, st.hours.shape[1])
    change = plan_many(
        st.start_kwh,
        st.final_kwh,
        st.reserve_kwh,
        st.desired_kwh,
        (st.end - st.first).astype(np.int64),
        st.high_kw[:, None] * eta * st.hours,
        st.back_kw[:, None] / np.maximum(eta, 1e-9) * st.hours,
        here / np.maximum(eta, 1e-9),
        here * eta - wear,
    )
    meter = np.where(change > 0.0, change / np.maximum(eta, 1e-9), change * eta)
    return float(np.sum(meter * here) - wear * np.sum(np.minimum(change, 0.0)))


def _v1g_optimum(
    st: _Stays, price: np.ndarray, group: np.ndarray | None, limit_kw: np.ndarray, period_h: float
) -> float:
    """Cost of the linear program over all sessions without delivery; it falls apart by group, or by car."""
    if group is None:
        parts = np.array_split(np.arange(len(st.row)), max(len(st.row) // _SESSIONS_PER_PROGRAM, 1))
        return float(np.sum([_program(st, part, price, np.full(len(price), np.inf)) for part in parts]))
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(limit_kw) + 1))
    costs = [
        _program(st, order[bounds[g] : bounds[g + 1]], price, np.full(len(price), limit_kw[g] * period_h))
        for g in range(len(limit_kw))
    ]
    return float(np.sum(costs))


def _program(st: _Stays, rows: np.ndarray, price: np.ndarray, limit_kwh: np.ndarray) -> float:
    """One program of some sessions under a limit per period, solved by HiGHS; need that cannot be met is free."""
    import highspy

    from markets.day_ahead.solver import QuietHighs

    need = np.maximum(st.final_kwh - st.start_kwh, 0.0)[rows] / np.maximum(st.eta[rows], 1e-9)
    most = st.high_kw[rows, None] * st.hours[rows]
    need = np.minimum(need, most.sum(axis=1))
    car, k = np.nonzero((most > 0.0) & (need > 0.0)[:, None])
    period, upper = st.first[rows][car] + k, most[car, k]
    if len(car) == 0:
        return 0.0
    is_tight = np.bincount(period, weights=upper, minlength=len(price)) > limit_kwh
    limit_row = np.cumsum(is_tight) - 1 + len(rows)
    n, m = len(car), int(is_tight.sum())
    column = np.arange(n)
    capped = is_tight[period]
    entries = np.concatenate([column, column[capped], n + np.arange(len(rows))])
    into = np.concatenate([car, limit_row[period[capped]], np.arange(len(rows))])
    by_column = np.argsort(entries, kind="stable")
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = n + len(rows), len(rows) + m
    model.col_cost_ = np.concatenate([price[period], np.full(len(rows), _MISSING_EUR_PER_KWH)])
    model.col_lower_ = np.zeros(n + len(rows))
    model.col_upper_ = np.concatenate([upper, np.full(len(rows), np.inf)])
    model.row_lower_ = np.concatenate([need, np.full(m, -np.inf)])
    model.row_upper_ = np.concatenate([need, limit_kwh[is_tight]])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.searchsorted(entries[by_column], np.arange(n + len(rows) + 1)).astype(np.int32)
    model.a_matrix_.index_ = into[by_column].astype(np.int32)
    model.a_matrix_.value_ = np.ones(len(into))
    solver = QuietHighs()
    solver.passModel(model)
    solver.run()
    missing = np.array(solver.getSolution().col_value)[n:]
    return float(solver.getInfo().objective_function_value - _MISSING_EUR_PER_KWH * np.sum(missing))


def gap_of_sessions(sessions: Mapping[str, np.ndarray], price_eur_per_kwh: np.ndarray, period_min: int = 15) -> Gap:
    """Gap of stored sessions to the cheapest way to bring every battery to where it was at departure.

    Parameters
    ----------
    sessions : mapping
        Columns of result table ``sessions`` (all rows, or those of a segment).
    price_eur_per_kwh : float array, shape (n_periods,)
        Price of the kWh at the meter, in both directions.
    period_min : int
        Length of a period.

    Returns
    -------
    Gap
        By HiGHS; where a car delivered, by the exact storage optimum of every session.
    """
    price = np.asarray(price_eur_per_kwh, dtype=np.float64)
    c = {name: np.asarray(sessions[name]) for name in _COLUMNS}
    known = np.flatnonzero(~np.isnan(c["arrival_kwh"]) & ~np.isnan(c["delivered_kwh"]))
    c = {name: values[known] for name, values in c.items()}
    first, end, hours = _windows(c["arrival_min"].astype(int), c["departure_min"].astype(int), len(price), period_min)
    final, desired = c["arrival_kwh"] + c["delivered_kwh"], c["arrival_kwh"] + c["desired_kwh"]
    window = (known, first, end, c["arrival_kwh"], final)
    st = _Stays(*window, c["max_kw"], c["max_discharge_kw"], c["reserve_kwh"], desired, c["efficiency_share"], hours)
    if np.any(c["discharged_kwh"] > 0.0):
        best, solver = _v2x_optimum(st, price, 0.0), "exact storage optimum"
    else:
        best, solver = _v1g_optimum(st, price, None, np.empty(0), period_min / 60.0), "HiGHS"
    run = float(np.sum(c["energy_eur"]))
    return Gap(run, best, (run - best) / max(abs(best), 1e-9), float(np.sum(c["metered_kwh"])), solver)


def gap_to_optimum(
    fleet: Fleet,
    state: FleetState,
    power_kw: np.ndarray,
    price_eur_per_kwh: np.ndarray,
    *,
    group: np.ndarray | None = None,
    group_limit_kw: np.ndarray | None = None,
    wear_eur_per_kwh: float = 0.0,
) -> Gap:
    """Gap of a finished run to the cheapest run with the same batteries at every departure.

    Parameters
    ----------
    fleet, state : Fleet, FleetState
        The run and its final state.
    power_kw : float array, shape (n_points, n_periods)
        What was drawn.
    price_eur_per_kwh : float array, at least n_periods long
        Price of the kWh at the meter.
    group, group_limit_kw : int array (n_points,) and float array (n_groups,), optional
        Shared limits the optimum keeps as well.
    wear_eur_per_kwh : float
        Ageing per kWh taken from a battery to deliver.

    Returns
    -------
    Gap
        By HiGHS. Runs in which a car delivered: by the exact storage optimum of every session, without shared limits.
    """
    price, period_h = np.asarray(price_eur_per_kwh, dtype=float)[: power_kw.shape[1]], fleet.horizon.period_h
    st = _stays(fleet, state)
    delivered = float(np.sum(state.discharged_kwh))
    run = float(np.sum(power_kw.sum(axis=0, dtype=np.float64) * price) * period_h + wear_eur_per_kwh * delivered)
    if delivered > 0.0:
        best, solver = _v2x_optimum(st, price, wear_eur_per_kwh), "exact storage optimum"
    else:
        groups = None if group is None else np.asarray(group)[fleet.sessions.cp_row[st.row]]
        limits = np.empty(0) if group_limit_kw is None else np.atleast_1d(np.asarray(group_limit_kw, dtype=float))
        best, solver = _v1g_optimum(st, price, groups, limits, period_h), "HiGHS"
    net = float(np.sum(power_kw, dtype=np.float64) * period_h)
    return Gap(run, best, (run - best) / max(abs(best), 1e-9), net, solver)
