"""Numba bodies of one period: plug in, drive, charge, account, unplug. Used by the main loop and the week kernels.

Arguments named in the singular (``car``, ``point``, ``stay``) are records of the tables, ``*_state`` their twins; the
kernels write through them. Plurals are whole tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from agents.fleet.charging import POWER_TOLERANCE_KW, charge, discharge, own_kw, ratings

Record = Any
WEEK_MIN = 10_080.0
SEAT = np.dtype([("desired_kwh", "f8"), ("row", "i4"), ("ev", "i4"), ("cp", "i4"), ("departure_min", "i4")])
"""What a period must know of a calm car, beside the list of active sessions: its session (-1: not calm), car, point,
when it leaves and when it is full. A car is calm when nothing happens to it at a set-point of zero or once it is full:
no pause to count, no reaction to follow. Most cars are, so that most periods of most cars touch one cache line."""


@njit(cache=True)
def plug_in_due(
    cars: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    point_states: np.ndarray,
    stay_states: np.ndarray,
    active: np.ndarray,
    cursor: np.ndarray,
    queue: np.ndarray,
    floor_share: float,
    end_min: float,
) -> None:
    """Plug in every session that arrives before ``end_min``; ``queue`` holds session rows by arrival, empty for all."""
    n = len(queue) if len(queue) else len(stays)
    while cursor[0] < n:
        row = queue[cursor[0]] if len(queue) else cursor[0]
        if stays[row].arrival_min >= end_min:
            return
        cursor[0] += 1
        stay = stays[row]
        if stay.departure_min <= 0:
            continue
        active[cursor[1]] = row
        cursor[1] += 1
        if point_states[stay.cp_row].session_row < 0:
            point_states[stay.cp_row].session_row = row
        if car_states[stay.ev_row].ev_session < 0:
            drive(cars[stay.ev_row], stay, car_states[stay.ev_row], stay_states[row], row, floor_share)


@njit(cache=True)
def drive(car: Record, stay: Record, car_state: Record, stay_state: Record, row: int, floor_share: float) -> None:
    """Take the trip before a session from the battery, charging on the road what would fall below the floor."""
    car_state.ev_session = row
    if not stay_state.has_driven:
        floor = min(floor_share * car.capacity_kwh, car_state.battery_kwh)
        after = car_state.battery_kwh - stay.drive_kwh
        if after < floor:
            car_state.elsewhere_kwh += floor - after
            after = floor
        car_state.driven_kwh += stay.drive_kwh
        car_state.battery_kwh = after
        stay_state.has_driven = True
    if np.isnan(stay_state.arrival_kwh):
        stay_state.arrival_kwh = car_state.battery_kwh
        car_state.paused_min = 0.0
        car_state.wake_left_min = 0.0


@njit(cache=True)
def awake_minutes(car: Record, car_state: Record, minutes: float, wants: bool) -> float:
    """Minutes of an interval in which the car is awake; counts pauses and the waking of sleepers."""
    if not wants:
        car_state.paused_min += minutes
        return 0.0
    if car_state.paused_min >= car.sleep_after_min:
        car_state.wake_left_min = car.wake_min
    car_state.paused_min = 0.0
    waking = min(car_state.wake_left_min, minutes)
    car_state.wake_left_min -= waking
    return minutes - waking


@njit(cache=True)
def car_ratings(car: Record, point: Record) -> tuple[int, float, float]:
    """Phases in use, highest and lowest charging power in kW; the weakest of car, cable and point decides."""
    ampere = car.ac_a if point.is_tethered else min(car.ac_a, float(car.cable_a))
    return ratings(car.phases, ampere, car.min_a, car.dc_kw, point.max_kw, point.phases, point.is_dc)


@njit(cache=True)
def run_interval(
    car: Record,
    point: Record,
    stay: Record,
    car_state: Record,
    setpoint_kw: float,
    stop_kwh: float,
    minutes: float,
    allowed_kwh: float,
) -> float:
    """Follow one set-point for some minutes; returns the energy at the meter (negative: delivered), kWh.

    ``allowed_kwh`` is what the car may have taken from its battery so far under its warranty.
    """
    if minutes <= 0.0:
        return 0.0
    if setpoint_kw == 0.0:
        return awake_minutes(car, car_state, minutes, False)
    n, high, low = car_ratings(car, point)
    if n == 0:
        return 0.0
    before, factor, is_dc = car_state.battery_kwh, car.efficiency_pu, point.is_dc
    back = min(car.discharge_kw, high) if point.is_bidirectional else 0.0
    power = min(setpoint_kw, high) if setpoint_kw >= 0.0 else min(-setpoint_kw, back)
    wants = power >= low - POWER_TOLERANCE_KW and power > 0.0
    awake = awake_minutes(car, car_state, minutes, wants)
    if awake <= 0.0:
        return 0.0
    if setpoint_kw >= 0.0:
        stop = min(stop_kwh, stay.desired_kwh)
        own = own_kw(car.phases, car.ac_a, car.dc_kw, is_dc)
        after, energy = charge(before, stop, car.capacity_kwh, power, own, low, n, factor, is_dc, awake)
    else:
        left = max(allowed_kwh - car_state.discharged_kwh, 0.0)
        floor = max(car.reserve_share * car.capacity_kwh, before - left)
        after, energy = discharge(before, floor, power, n, factor, is_dc, awake)
        car_state.discharged_kwh += before - after
        energy = -energy
    car_state.battery_kwh = after
    car_state.loss_kwh += energy - (after - before)
    return energy


@njit(cache=True)
def run_session(
    car: Record,
    point: Record,
    stay: Record,
    car_state: Record,
    point_state: Record,
    stay_state: Record,
    setpoint_kw: float,
    stop_kwh: float,
    start_min: float,
    end_min: float,
    reaction_min: float,
) -> float:
    """One session's part of a period, the reaction to a new set-point included; books and returns kWh at the meter."""
    minutes = min(end_min, stay.departure_min) - max(start_min, stay.arrival_min)
    if minutes <= 0.0:
        return 0.0
    energy, allowed = 0.0, car.warranty_kwh * (1.0 + start_min // WEEK_MIN)
    if reaction_min > 0.0 and setpoint_kw != point_state.last_kw:
        late = min(reaction_min, minutes)
        energy = run_interval(car, point, stay, car_state, point_state.last_kw, stop_kwh, late, allowed)
        minutes -= late
    energy += run_interval(car, point, stay, car_state, setpoint_kw, stop_kwh, minutes, allowed)
    point_state.last_kw = setpoint_kw
    if energy >= 0.0:
        point_state.import_kwh += energy
        stay_state.session_import_kwh += energy
    else:
        point_state.export_kwh -= energy
        stay_state.session_export_kwh -= energy
    return energy


@njit(cache=True)
def unplug(car_state: Record, point_state: Record, stay_state: Record) -> None:
    """End a session."""
    stay_state.departure_kwh = car_state.battery_kwh
    car_state.ev_session = -1
    point_state.last_kw = 0.0
    point_state.session_row = -1


@njit(cache=True)
def is_idle(seat: Record, row: int, car_states: np.ndarray, limit_kw: np.ndarray, end_min: float) -> bool:
    """Whether nothing happens to a session in a period: it stays, and has nothing to do or is full."""
    if seat.row != row or seat.departure_min <= end_min:
        return False
    limit = limit_kw[seat.cp]
    return limit == 0.0 or (limit > 0.0 and car_states[seat.ev].battery_kwh >= seat.desired_kwh)


@njit(cache=True)
def step_all(
    cars: np.ndarray,
    points: np.ndarray,
    stays: np.ndarray,
    car_states: np.ndarray,
    point_states: np.ndarray,
    stay_states: np.ndarray,
    active: np.ndarray,
    cursor: np.ndarray,
    limit_kw: np.ndarray,
    stop_kwh: np.ndarray,
    start_min: float,
    end_min: float,
    floor_share: float,
    reaction_min: float,
    energy_kwh: np.ndarray,
    seats: np.ndarray,
) -> None:
    """Run every active session from ``start_min`` to ``end_min``; adds kWh per point to ``energy_kwh``."""
    kept = 0
    for k in range(cursor[1]):
        row = active[k]
        if k < len(seats) and is_idle(seats[k], row, car_states, limit_kw, end_min):
            active[kept] = row
            if kept < k:
                seats[kept] = seats[k]
            kept += 1
            continue
        stay, stay_state = stays[row], stay_states[row]
        ev, cp = stay.ev_row, stay.cp_row
        car, point = cars[ev], points[cp]
        car_state, point_state = car_states[ev], point_states[cp]
        if car_state.ev_session != row:
            drive(car, stay, car_state, stay_state, row, floor_share)
        energy_kwh[cp] += run_session(
            car,
            point,
            stay,
            car_state,
            point_state,
            stay_state,
            limit_kw[cp],
            stop_kwh[cp],
            start_min,
            end_min,
            reaction_min,
        )
        if stay.departure_min <= end_min:
            unplug(car_state, point_state, stay_state)
        else:
            point_state.session_row = row
            active[kept] = row
            if kept < len(seats):
                seat = seats[kept]
                seat.row = row if reaction_min <= 0.0 and car.sleep_after_min == np.inf else -1
                seat.ev, seat.cp, seat.departure_min, seat.desired_kwh = ev, cp, stay.departure_min, stay.desired_kwh
            kept += 1
    cursor[1] = kept
