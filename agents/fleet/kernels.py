"""Whole weeks of many charging points in one compiled loop, with shared limits, rationing by switching, and accounts.

Three ways to charge: at once, price-responsive (V1G) and price-optimal with delivery (V2X). A plan waits in the row of
the power trace it will become, so it takes no memory of its own; plans of cars that share a limit book its room.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from agents.fleet.blocks import cut
from agents.fleet.charging import minutes_to
from agents.fleet.plans import AHEAD_MAX, release, v1g_plan, v2x_plan
from agents.fleet.state import FleetState
from agents.fleet.stepping import car_ratings, drive, plug_in_due, run_session
from agents.fleet.tables import Fleet

UNCONTROLLED, V1G, V2X = range(3)
MODES = {"uncontrolled": UNCONTROLLED, "price_optimal_v1g": V1G, "price_optimal_v2x": V2X}


@dataclass(frozen=True)
class Week:
    """Result of a kernel run.

    Attributes
    ----------
    power_kw : float32 array, shape (n_points, n_periods)
        Mean power at the meter, positive into the car.
    cost_eur : float array, shape (n_points,)
        Metered energy times price.
    rationed_kwh : float array, shape (n_sites,)
        Energy that a shared limit kept from cars in the period they asked for it.
    """

    power_kw: np.ndarray
    cost_eur: np.ndarray
    rationed_kwh: np.ndarray


@njit(cache=True, nogil=True)
def _ration(
    members: np.ndarray, size: int, setpoint_kw: np.ndarray, least_kw: np.ndarray, laxity: np.ndarray, limit_kw: float
) -> None:
    """Keep a group under its limit: least lax first, whole cars on or off, never below a car's minimum.

    What others deliver makes no room: a car may reach its reserve within the period.
    """
    left = limit_kw
    order = np.argsort(laxity[:size])
    for j in range(size):
        k = members[order[j]]
        given = min(setpoint_kw[k], left)
        if given < least_kw[order[j]] - 1e-9 or given <= 0.0:
            given = 0.0
        setpoint_kw[k] = given
        left -= given


@njit(cache=True, nogil=True)
def _ask(
    cars: np.ndarray,
    points: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    active: np.ndarray,
    is_stale: np.ndarray,
    n_active: int,
    t: int,
    step_min: float,
    way: tuple,
    sharing: tuple,
    booked_kw: np.ndarray,
    work: np.ndarray,
    power: np.ndarray,
    setpoint: np.ndarray,
) -> None:
    """Set-point of every active session of a block; those without a fresh plan get one first."""
    mode, price, wear = way
    group, first_group, limit_kw = sharing
    for k in range(n_active):
        stay = stays[active[k]]
        cp = stay.cp_row
        car, point, car_state = cars[stay.ev_row], points[cp], car_states[stay.ev_row]
        if mode != UNCONTROLLED and is_stale[k]:
            g = group[cp] - first_group
            now = max(t, int(stay.arrival_min // step_min))
            plan, booked = power[cp], booked_kw[g]
            release(booked, plan, now, int(np.ceil(stay.departure_min / step_min)))
            if mode == V1G:
                v1g_plan(car, point, stay, car_state, price, now, step_min, booked, limit_kw[g], plan)
            else:
                v2x_plan(car, point, stay, car_state, price, now, step_min, wear, work, booked, limit_kw[g], plan)
            is_stale[k] = False
        wanted = np.inf if mode == UNCONTROLLED else power[cp, t]
        is_full = car_state.battery_kwh >= stay.desired_kwh
        if (wanted == 0.0 and mode != V2X) or (wanted >= 0.0 and is_full):
            setpoint[k] = 0.0
            continue
        n, high, low = car_ratings(car, point)
        if mode == V2X:
            now_kwh, stop = car_state.battery_kwh, stay.desired_kwh
            left = minutes_to(now_kwh, stop, car.capacity_kwh, high, low, n, car.efficiency_pu, point.is_dc)
            wanted = high if stay.departure_min - (t + 1) * step_min < left else wanted
        setpoint[k] = min(wanted if abs(wanted - low) > 1e-4 else low, high)
        if abs(wanted + low) <= 1e-4:
            setpoint[k] = -low
    if mode in (V1G, V2X):
        for k in range(n_active):
            power[stays[active[k]].cp_row, t] = 0.0


@njit(cache=True, nogil=True)
def _serve(
    cars: np.ndarray,
    points: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    point_states: np.ndarray,
    stay_states: np.ndarray,
    active: np.ndarray,
    is_stale: np.ndarray,
    n_active: int,
    t: int,
    step_min: float,
    setpoint: np.ndarray,
    price_now: float,
    floor_share: float,
    reaction_min: float,
    power: np.ndarray,
    cost: np.ndarray,
) -> int:
    """Move every active session of a block through one period; returns how many stay."""
    start, end = t * step_min, (t + 1) * step_min
    kept = 0
    for k in range(n_active):
        row = active[k]
        stay, stay_state = stays[row], stay_states[row]
        ev, cp = stay.ev_row, stay.cp_row
        car, car_state, point_state = cars[ev], car_states[ev], point_states[cp]
        if car_state.ev_session != row:
            drive(car, stay, car_state, stay_state, row, floor_share)
        energy = 0.0
        if setpoint[k] != 0.0 or reaction_min > 0.0 or car.sleep_after_min < np.inf:
            power_kw = setpoint[k]
            energy = run_session(
                car, points[cp], stay, car_state, point_state, stay_state, power_kw, np.inf, start, end, reaction_min
            )
        if energy != 0.0:
            power[cp, t] += energy * 60.0 / step_min
            cost[cp] += energy * price_now
        if stay.departure_min <= end:
            stay_state.departure_kwh = car_state.battery_kwh
            car_state.ev_session = -1
            point_state.last_kw = 0.0
            point_state.session_row = -1
        else:
            point_state.session_row = row
            active[kept], is_stale[kept] = row, is_stale[k]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _share_limits(
    cars: np.ndarray,
    points: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    active: np.ndarray,
    n_active: int,
    group: np.ndarray,
    first_group: int,
    limit_kw: np.ndarray,
    setpoint: np.ndarray,
    t: int,
    step_min: float,
    is_stale: np.ndarray,
    rationed: np.ndarray,
) -> None:
    """Bring every group of a block under its limit; cars that lost energy plan again."""
    total = np.zeros(len(limit_kw))
    for k in range(n_active):
        total[group[stays[active[k]].cp_row] - first_group] += max(setpoint[k], 0.0)
    for g in range(len(limit_kw)):
        if total[g] <= limit_kw[g] + 1e-9:
            continue
        members, laxity, least = np.empty(n_active, dtype=np.int64), np.empty(n_active), np.empty(n_active)
        size = 0
        for k in range(n_active):
            stay = stays[active[k]]
            if group[stay.cp_row] - first_group != g or setpoint[k] <= 0.0:
                continue
            car, car_state = cars[stay.ev_row], car_states[stay.ev_row]
            _, high, low = car_ratings(car, points[stay.cp_row])
            need_min = (stay.desired_kwh - car_state.battery_kwh) / max(high * 0.9, 1e-9) * 60.0
            members[size], least[size] = k, low
            laxity[size] = stay.departure_min - t * step_min - need_min
            size += 1
        wanted = setpoint[members[:size]]
        _ration(members, size, setpoint, least, laxity, limit_kw[g])
        for j in range(size):
            lost = wanted[j] - setpoint[members[j]]
            if lost > 0.0:
                rationed[first_group + g] += lost * step_min / 60.0
                is_stale[members[j]] = True


@njit(cache=True, nogil=True)
def _week(
    frozen: tuple,
    changing: tuple,
    queue: np.ndarray,
    way: tuple,
    sharing: tuple,
    rules: tuple,
    power: np.ndarray,
    cost: np.ndarray,
    rationed: np.ndarray,
) -> None:
    """One block of points that share no car and no limit with others, through the whole horizon."""
    cars, points, stays = frozen
    car_states, point_states, stay_states = changing
    group, first_group, limit_kw = sharing
    floor_share, reaction_min, step_min = rules
    room = min(len(queue), len(power) * 2) + 1
    active, cursor, is_stale = np.empty(room, np.int32), np.zeros(2, np.int64), np.zeros(room, np.bool_)
    setpoint, booked_kw = np.zeros(room), np.zeros((len(limit_kw), power.shape[1]), np.float32)
    work = np.empty((11, 4 * AHEAD_MAX if way[0] == V2X else 1))
    is_shared = bool(np.isfinite(limit_kw).any())
    for t in range(power.shape[1]):
        before = cursor[1]
        end = (t + 1) * step_min
        plug_in_due(cars, stays, car_states, point_states, stay_states, active, cursor, queue, floor_share, end)
        n = cursor[1]
        is_stale[before:n] = True
        now = (active, is_stale, n, t, step_min)
        _ask(cars, points, stays, car_states, *now, way, sharing, booked_kw, work, power, setpoint)
        if is_shared:
            one = (group, first_group, limit_kw, setpoint, t, step_min, is_stale, rationed)
            _share_limits(cars, points, stays, car_states, active, n, *one)
        tables = (cars, points, stays, car_states, point_states, stay_states)
        cursor[1] = _serve(*tables, *now, setpoint, way[1][t], floor_share, reaction_min, power, cost)


def run_week(
    fleet: Fleet,
    state: FleetState,
    mode: str = "uncontrolled",
    price_eur_per_kwh: np.ndarray | None = None,
    *,
    group: np.ndarray | None = None,
    group_limit_kw: np.ndarray | float = np.inf,
    wear_eur_per_kwh: float = 0.0,
    threads: int = 1,
) -> Week:
    """Run the whole horizon for all points.

    Parameters
    ----------
    fleet : Fleet
        The fixed part.
    state : FleetState
        Start; changed in place.
    mode : str
        ``uncontrolled``, ``price_optimal_v1g`` or ``price_optimal_v2x``; cars know their own departure.
    price_eur_per_kwh : float array, at least n_periods long, optional
        Price per period; what lies behind the horizon serves sessions that are open at its end.
    group : int array, shape (n_points,), optional
        Points that share a limit; by default their site.
    group_limit_kw : float or float array, shape (n_groups,)
        Most power of each group.
    wear_eur_per_kwh : float
        Ageing per kWh taken from a battery to deliver.
    threads : int
        Blocks run side by side; the result does not depend on it.

    Returns
    -------
    Week

    Raises
    ------
    ValueError
        For an unknown mode or a price that is too short or not finite.
    """
    n_periods = fleet.horizon.n_periods
    price = np.zeros(n_periods) if price_eur_per_kwh is None else np.ascontiguousarray(price_eur_per_kwh, dtype=float)
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if len(price) < n_periods or not np.all(np.isfinite(price)):
        raise ValueError(f"price: {len(price)} values of which {np.isfinite(price).sum()} finite, need {n_periods}")
    return _launch(fleet, state, MODES[mode], price, group, group_limit_kw, wear_eur_per_kwh, threads)


def _launch(
    fleet: Fleet,
    state: FleetState,
    mode: int,
    price: np.ndarray,
    group: np.ndarray | None,
    group_limit_kw: np.ndarray | float,
    wear: float,
    threads: int,
) -> Week:
    """Cut the fleet into independent blocks and run each; what was active before must be empty."""
    groups = (
        np.arange(fleet.n_points) if np.all(np.isinf(group_limit_kw)) else fleet.points.site if group is None else group
    )
    limit = np.broadcast_to(np.asarray(group_limit_kw, dtype=np.float64), int(np.max(groups, initial=-1)) + 1)
    parts = cut(fleet, groups)
    power = np.zeros((fleet.n_points, fleet.horizon.n_periods), dtype=np.float32)
    cost, rationed = np.zeros(fleet.n_points), np.zeros(len(limit))
    way = (mode, price, wear)
    rules = (fleet.elsewhere_floor_share, fleet.reaction_s / 60.0, float(fleet.horizon.period_min))
    frozen = (fleet.vehicles.rows, fleet.points.rows, fleet.sessions.rows)
    sorted_limit = np.ascontiguousarray(limit[parts.old_group])

    def run(k: int) -> None:
        first, end = int(parts.group_start[k]), int(parts.group_start[k + 1])
        queue = parts.sessions[parts.session_start[k] : parts.session_start[k + 1]]
        if len(queue):
            sharing = (parts.group, first, sorted_limit[first:end])
            changing = (state.car, state.point, state.stay)
            _week(frozen, changing, queue, way, sharing, rules, power, cost, rationed)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(parts.n_blocks)))
    state.cursor[:] = len(fleet.sessions), 0
    back = np.zeros(len(limit))
    back[parts.old_group] = rationed
    return Week(power, cost, back)
