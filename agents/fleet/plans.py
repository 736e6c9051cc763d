"""Plans of one car inside the week kernels: cheapest periods, and the storage optimum, within the room of a limit."""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.charging import efficiency, minutes_to, own_kw
from agents.fleet.stepping import Record, car_ratings
from agents.fleet.strategies.storage import follow, thresholds

AHEAD_MAX = 1440


@njit(cache=True, nogil=True)
def _minutes_there(stay: Record, t: int, step_min: float) -> float:
    """Minutes of period ``t`` in which the car is plugged in."""
    return min((t + 1) * step_min, stay.departure_min) - max(t * step_min, stay.arrival_min)


@njit(cache=True, nogil=True)
def release(booked_kw: np.ndarray, plan_kw: np.ndarray, first: int, end: int) -> None:
    """Take a plan back."""
    for t in range(first, min(end, len(plan_kw))):
        booked_kw[t] -= plan_kw[t]
        plan_kw[t] = 0.0


@njit(cache=True, nogil=True)
def _cheapest(
    price: np.ndarray,
    first: int,
    end: int,
    booked_kw: np.ndarray,
    room_kw: float,
    plan_kw: np.ndarray,
    chosen: np.ndarray,
) -> int:
    """Fill ``chosen`` with the cheapest free periods, cheapest and then earliest first; returns how many there are.

    Free are periods that are not in the plan yet and whose bookings are at most ``room_kw``, and all behind the end.
    """
    n = 0
    for t in range(first, end):
        if n == len(chosen) and price[t] >= price[chosen[n - 1]]:
            continue
        if t < len(plan_kw) and (booked_kw[t] > room_kw or plan_kw[t] > 0.0):
            continue
        k = n if n < len(chosen) else n - 1
        while k > 0 and price[chosen[k - 1]] > price[t]:
            chosen[k] = chosen[k - 1]
            k -= 1
        chosen[k] = t
        n = min(n + 1, len(chosen))
    return n


@njit(cache=True, nogil=True)
def v1g_plan(
    car: Record,
    point: Record,
    stay: Record,
    car_state: Record,
    price: np.ndarray,
    now: int,
    step_min: float,
    booked_kw: np.ndarray,
    limit_kw: float,
    plan_kw: np.ndarray,
) -> None:
    """Cheapest periods until the car is full, where the shared limit has room; then, if need be, anywhere.

    The plan stands in the car's row of the power trace and in the bookings of its group.
    """
    n, high, low = car_ratings(car, point)
    own = own_kw(car.phases, car.ac_a, car.dc_kw, point.is_dc)
    left = minutes_to(
        car_state.battery_kwh, stay.desired_kwh, car.capacity_kwh, high, own, low, n, car.efficiency_pu, point.is_dc
    )
    end = min(int(np.ceil(stay.departure_min / step_min)), len(price))
    if n == 0:
        return
    chosen = np.empty(min(int(left / step_min) + 3, max(end - now, 0)), dtype=np.int64)
    for attempt in range(2):
        room_kw = limit_kw - high if attempt == 0 else np.inf
        for k in range(_cheapest(price, now, end, booked_kw, room_kw, plan_kw, chosen)):
            if left <= 1e-9:
                break
            t = chosen[k]
            minutes = _minutes_there(stay, t, step_min)
            if t < len(plan_kw):
                plan_kw[t] = high if left >= minutes else max(high * left / minutes, low)
                booked_kw[t] += plan_kw[t]
            left -= minutes
        if left <= 1e-9 or limit_kw == np.inf:
            return


@njit(cache=True, nogil=True)
def v2x_plan(
    car: Record,
    point: Record,
    stay: Record,
    car_state: Record,
    price: np.ndarray,
    now: int,
    step_min: float,
    wear: float,
    work: np.ndarray,
    booked_kw: np.ndarray,
    limit_kw: float,
    plan_kw: np.ndarray,
) -> None:
    """Optimal plan with delivery within the room of the shared limit, into the car's row of the power trace."""
    n, high, low = car_ratings(car, point)
    ahead = min(int(np.ceil(stay.departure_min / step_min)), len(price), now + AHEAD_MAX) - now
    if n == 0 or ahead <= 0:
        return
    factor, is_dc = car.efficiency_pu, point.is_dc
    eta = efficiency(high, n, factor, is_dc)
    back_kw = min(car.discharge_kw, high) if point.is_bidirectional else 0.0
    battery, stop, floor = car_state.battery_kwh, stay.desired_kwh, car.reserve_share * car.capacity_kwh
    full_min = (stop - battery) / (high * eta) * 60.0
    own = own_kw(car.phases, car.ac_a, car.dc_kw, is_dc)
    taper_min = minutes_to(battery, stop, car.capacity_kwh, high, own, low, n, factor, is_dc) - full_min
    planned = max(ahead - int(np.ceil(max(taper_min, 0.0) / step_min - 1e-9)), 1)
    up, down, buy, sell, change = (
        work[0, :planned],
        work[1, :planned],
        work[2, :planned],
        work[3, :planned],
        work[8, :planned],
    )
    low_kwh, high_kwh = work[4, : planned + 1], work[5, : planned + 1]
    low_kwh[:] = min(floor, battery)
    high_kwh[:] = max(stop, battery)
    for attempt in range(2):
        for k in range(planned):
            t = now + k
            hours = _minutes_there(stay, t, step_min) / 60.0
            room = limit_kw - booked_kw[t] if attempt == 0 and t < len(plan_kw) else np.inf
            most = min(high, room) if room >= low else 0.0
            up[k], down[k] = most * eta * hours, back_kw / eta * hours
            buy[k], sell[k] = price[t] / eta, price[t] * eta - wear
        rule = (work[6], work[7], work[9, :planned], work[10, :planned])
        thresholds(low_kwh, high_kwh, up, down, buy, sell, stop, *rule)
        follow(battery, floor, up, down, work[9, :planned], work[10, :planned], change)
        if limit_kw == np.inf or battery + np.sum(change) >= stop - 1e-6:
            break
    for k in range(min(ahead, len(plan_kw) - now)):
        power = high if full_min > 0.0 else 0.0
        if k < planned:
            meter = change[k] / eta if change[k] > 0.0 else change[k] * eta
            power = meter * 60.0 / _minutes_there(stay, now + k, step_min)
        if 1e-9 < power < low:
            power = low
        plan_kw[now + k] = 0.0 if -low < power < 0.0 else power
        booked_kw[now + k] += plan_kw[now + k]
