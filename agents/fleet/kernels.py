"""Whole weeks of many charging points in one compiled loop, with shared limits, rationing by switching, and accounts.

Three ways to charge: at once, price-responsive (V1G) and price-optimal with delivery (V2X). Everybody is steered: who
opts out or wants energy at once is the business of the main loop. A plan waits in the row of
the power trace it will become, so it takes no memory of its own; plans of cars that share a limit book its room.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from agents.fleet.blocks import cut
from agents.fleet.charging import minutes_to, own_kw
from agents.fleet.plans import AHEAD_MAX, release, v1g_plan, v2x_plan
from agents.fleet.sorting import ascending
from agents.fleet.state import FleetState
from agents.fleet.stepping import Record, car_ratings, drive, plug_in_due, run_session, unplug
from agents.fleet.tables import Fleet

UNCONTROLLED, V1G, V2X = range(3)
_FLOAT32_KW = 1e-4  # a plan waits in the float32 power trace: below this difference it means the minimum itself
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


SLOT = np.dtype(
    [
        ("high_kw", "f8"),
        ("low_kw", "f8"),
        ("departure_min", "f8"),
        ("row", "i4"),
        ("cp", "i4"),
        ("ev", "i4"),
        ("group", "i4"),
        ("next_on", "i4"),
        ("is_stale", "?"),
        ("is_full", "?"),
        ("is_calm", "?"),
    ],
    align=True,
)
"""What the loop needs of a plugged-in car at every period, in one cache line: its ratings, when it leaves, where its
records are, its group within the block, the period before which its plan is zero, whether that plan is out of date, the
battery full, and whether nothing at all happens to it at a set-point of zero (trip driven, no pause to be counted, no
reaction to follow)."""


@njit(cache=True, nogil=True)
def _take_slots(
    frozen: tuple,
    changing: tuple,
    active: np.ndarray,
    first: int,
    end: int,
    group: np.ndarray,
    first_group: int,
    slots: np.ndarray,
) -> None:
    """Fill the slots of sessions that have just plugged in."""
    cars, points, stays = frozen
    car_states = changing[0]
    for k in range(first, end):
        row = active[k]
        stay, slot = stays[row], slots[k]
        car_state = car_states[stay.ev_row]
        _, slot.high_kw, slot.low_kw = car_ratings(cars[stay.ev_row], points[stay.cp_row])
        slot.row, slot.cp, slot.ev = row, stay.cp_row, stay.ev_row
        slot.group, slot.departure_min = group[stay.cp_row] - first_group, stay.departure_min
        slot.is_stale, slot.is_full, slot.is_calm = True, car_state.battery_kwh >= stay.desired_kwh, False


@njit(cache=True, nogil=True)
def _plan(
    frozen: tuple,
    changing: tuple,
    slot: Record,
    t: int,
    step_min: float,
    way: tuple,
    booked_kw: np.ndarray,
    limit_kw: float,
    work: np.ndarray,
    plan: np.ndarray,
) -> None:
    """Give back what is left of a car's plan and make a new one."""
    mode, price, wear = way
    stay, car_state = frozen[2][slot.row], changing[0][slot.ev]
    car, point = frozen[0][slot.ev], frozen[1][slot.cp]
    now = max(t, int(stay.arrival_min // step_min))
    release(booked_kw, plan, now, int(np.ceil(stay.departure_min / step_min)))
    if mode == V1G:
        v1g_plan(car, point, stay, car_state, price, now, step_min, booked_kw, limit_kw, plan)
    else:
        v2x_plan(car, point, stay, car_state, price, now, step_min, wear, work, booked_kw, limit_kw, plan)
    slot.is_stale = False


@njit(cache=True, nogil=True)
def _next_on(plan_kw: np.ndarray, t: int, end: int) -> int:
    """First period after ``t`` with a plan other than zero, ``end`` if there is none before."""
    t += 1
    while t < min(end, len(plan_kw)) and plan_kw[t] == 0.0:
        t += 1
    return t


@njit(cache=True, nogil=True)
def _must_charge(frozen: tuple, changing: tuple, slot: Record, end_min: float) -> bool:
    """Whether a car that delivers has no time left to be full at departure."""
    stay, car, point = frozen[2][slot.row], frozen[0][slot.ev], frozen[1][slot.cp]
    n, high, low = car_ratings(car, point)
    battery = changing[0][slot.ev].battery_kwh
    own = own_kw(car.phases, car.ac_a, car.dc_kw, point.is_dc)
    left = minutes_to(battery, stay.desired_kwh, car.capacity_kwh, high, own, low, n, car.efficiency_pu, point.is_dc)
    return stay.departure_min - end_min < left


@njit(cache=True, nogil=True)
def _ask(
    frozen: tuple,
    changing: tuple,
    slots: np.ndarray,
    n_active: int,
    t: int,
    step_min: float,
    way: tuple,
    limit_kw: np.ndarray,
    booked_kw: np.ndarray,
    work: np.ndarray,
    power: np.ndarray,
    setpoint: np.ndarray,
) -> None:
    """Set-point of every active session of a block; those without a fresh plan get one first."""
    mode = way[0]
    for k in range(n_active):
        slot = slots[k]
        if mode == UNCONTROLLED:
            setpoint[k] = 0.0 if slot.is_full else slot.high_kw
            continue
        if slot.is_stale:
            g = slot.group
            _plan(frozen, changing, slot, t, step_min, way, booked_kw[g], limit_kw[g], work, power[slot.cp])
        elif mode == V1G and t < slot.next_on:
            setpoint[k] = 0.0
            continue
        wanted = float(power[slot.cp, t])
        power[slot.cp, t] = 0.0
        if mode == V1G:
            slot.next_on = _next_on(power[slot.cp], t, int(slot.departure_min / step_min) + 1)
        if mode == V2X and not slot.is_full and _must_charge(frozen, changing, slot, (t + 1) * step_min):
            wanted = slot.high_kw
        if wanted == 0.0 or (wanted > 0.0 and slot.is_full):
            setpoint[k] = 0.0
            continue
        setpoint[k] = min(wanted if abs(wanted - slot.low_kw) > _FLOAT32_KW else slot.low_kw, slot.high_kw)
        if abs(wanted + slot.low_kw) <= _FLOAT32_KW:
            setpoint[k] = -slot.low_kw


@njit(cache=True, nogil=True)
def _serve(
    frozen: tuple,
    changing: tuple,
    slots: np.ndarray,
    active: np.ndarray,
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
        slot = slots[k]
        is_leaving = slot.departure_min <= end
        if not slot.is_calm or setpoint[k] != 0.0 or is_leaving:
            row, ev, cp = slot.row, slot.ev, slot.cp
            car, point, stay = frozen[0][ev], frozen[1][cp], frozen[2][row]
            car_state, point_state, stay_state = changing[0][ev], changing[1][cp], changing[2][row]
            if car_state.ev_session != row:
                drive(car, stay, car_state, stay_state, row, floor_share)
            slot.is_calm = reaction_min <= 0.0 and car.sleep_after_min == np.inf
            if setpoint[k] != 0.0 or not slot.is_calm:
                states = (car_state, point_state, stay_state)
                energy = run_session(car, point, stay, *states, setpoint[k], np.inf, start, end, reaction_min)
                power[cp, t] += energy * 60.0 / step_min
                cost[cp] += energy * price_now
            slot.is_full = car_state.battery_kwh >= stay.desired_kwh
            point_state.session_row = row
            if is_leaving:
                unplug(car_state, point_state, stay_state)
        if not is_leaving:
            active[kept] = active[k]
            if kept < k:
                slots[kept] = slot
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _share_limits(
    frozen: tuple,
    changing: tuple,
    slots: np.ndarray,
    n_active: int,
    limit_kw: np.ndarray,
    setpoint: np.ndarray,
    now_min: float,
    step_min: float,
    chain: np.ndarray,
    rationed: np.ndarray,
) -> None:
    """Bring every group of a block under its limit; cars that lost energy plan again.

    Cars of a group are chained: ``last`` holds one more than the slot of the last, 0 if there is none.
    """
    total, last = np.zeros(len(limit_kw)), np.zeros(len(limit_kw), dtype=np.int64)
    for k in range(n_active):
        if setpoint[k] > 0.0:
            g = slots[k].group
            total[g] += setpoint[k]
            chain[k], last[g] = last[g] - 1, k + 1
    for g in range(len(limit_kw)):
        if total[g] > limit_kw[g] + 1e-9:
            rationed[g] += (
                _ration(frozen, changing, slots, setpoint, chain, last[g] - 1, limit_kw[g], now_min) * step_min / 60.0
            )


@njit(cache=True, nogil=True)
def _ration(
    frozen: tuple,
    changing: tuple,
    slots: np.ndarray,
    setpoint: np.ndarray,
    chain: np.ndarray,
    last: int,
    limit_kw: float,
    now_min: float,
) -> float:
    """Keep a group under its limit: least lax first, whole cars on or off, never below a car's minimum.

    What others deliver makes no room: a car may reach its reserve within the period. The cars of the group are
    chained from ``last`` on; returns the power that was asked for and not given.
    """
    size, k = 0, last
    while k >= 0:
        size, k = size + 1, chain[k]
    member, laxity = np.empty(size, dtype=np.int64), np.empty(size)
    k = last
    for j in range(size):
        slot = slots[k]
        need_kwh = frozen[2][slot.row].desired_kwh - changing[0][slot.ev].battery_kwh
        member[j], laxity[j] = k, slot.departure_min - now_min - need_kwh / max(slot.high_kw * 0.9, 1e-9) * 60.0
        k = chain[k]
    left, lost = limit_kw, 0.0
    for j in ascending(laxity):
        k = member[j]
        given = min(setpoint[k], left)
        if given < slots[k].low_kw - 1e-9 or given <= 0.0:
            given = 0.0
        if given < setpoint[k]:
            lost += setpoint[k] - given
            slots[k].is_stale = True
            setpoint[k] = given
        left -= given
    return lost


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
    cars, _, stays = frozen
    car_states, point_states, stay_states = changing
    group, first_group, limit_kw = sharing
    floor_share, reaction_min, step_min = rules
    room = min(len(queue), len(power) * 2) + 1
    active, cursor, slots = np.empty(room, np.int32), np.zeros(2, np.int64), np.empty(room, SLOT)
    setpoint, chain = np.zeros(room), np.empty(room, np.int64)
    booked_kw = np.zeros((len(limit_kw), power.shape[1]), np.float32)
    work = np.empty((11, 4 * AHEAD_MAX if way[0] == V2X else 1))
    is_shared = bool(np.isfinite(limit_kw).any())
    for t in range(power.shape[1]):
        before, end = cursor[1], (t + 1) * step_min
        plug_in_due(cars, stays, car_states, point_states, stay_states, active, cursor, queue, floor_share, end)
        n = cursor[1]
        _take_slots(frozen, changing, active, before, n, group, first_group, slots)
        _ask(frozen, changing, slots, n, t, step_min, way, limit_kw, booked_kw, work, power, setpoint)
        if is_shared:
            now = t * step_min
            _share_limits(frozen, changing, slots, n, limit_kw, setpoint, now, step_min, chain, rationed)
        rest = (setpoint, way[1][t], floor_share, reaction_min, power, cost)
        cursor[1] = _serve(frozen, changing, slots, active, n, t, step_min, *rest)


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
    out: np.ndarray | None = None,
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
    out : float32 array, shape (n_points, n_periods), optional
        Memory for the power trace; runs that follow each other save the time to be given fresh pages.

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
        gaps = np.flatnonzero(~np.isfinite(price))
        first = f", the first missing one is period {gaps[0]}" if len(gaps) else ""
        raise ValueError(f"price: {len(price)} values of which {len(gaps)} are not finite{first}; need {n_periods}")
    if out is not None:
        out[:] = 0.0
    power = np.zeros((fleet.n_points, n_periods), dtype=np.float32) if out is None else out
    return _launch(fleet, state, MODES[mode], price, group, group_limit_kw, wear_eur_per_kwh, threads, power)


def _launch(
    fleet: Fleet,
    state: FleetState,
    mode: int,
    price: np.ndarray,
    group: np.ndarray | None,
    group_limit_kw: np.ndarray | float,
    wear: float,
    threads: int,
    power: np.ndarray,
) -> Week:
    """Cut the fleet into independent blocks and run each; what was active before must be empty."""
    groups = (
        np.arange(fleet.n_points) if np.all(np.isinf(group_limit_kw)) else fleet.points.site if group is None else group
    )
    limit = np.broadcast_to(np.asarray(group_limit_kw, dtype=np.float64), int(np.max(groups, initial=-1)) + 1)
    parts = cut(fleet, groups)
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
            _week(frozen, changing, queue, way, sharing, rules, power, cost, rationed[first:end])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(parts.n_blocks)))
    state.cursor[:] = len(fleet.sessions), 0
    back = np.zeros(len(limit))
    back[parts.old_group] = rationed
    return Week(power, cost, back)
