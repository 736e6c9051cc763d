"""Plans of one car inside the week kernels: cheapest periods, and the storage optimum, within the room of a limit."""

from __future__ import annotations

import numpy as np
from numba import njit

from agents.fleet.charging import efficiency, minutes_to
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
    left = minutes_to(
        car_state.battery_kwh, stay.desired_kwh, car.capacity_kwh, high, low, n, car.efficiency_pu, point.is_dc
    )
    end = min(int(np.ceil(stay.departure_min / step_min)), len(price))
    if n == 0:
        return
    for attempt in range(2):
        last_price, last_period = -np.inf, -1
        while left > 1e-9:
            best, best_price = -1, np.inf
            for t in range(now, end):
                is_next = price[t] > last_price or (price[t] == last_price and t > last_period)
                if not is_next or price[t] >= best_price:
                    continue
                if t < len(plan_kw):
                    has_room = booked_kw[t] + high <= limit_kw
                    if (attempt == 0 and not has_room) or (attempt == 1 and plan_kw[t] > 0.0):
                        continue
                best, best_price = t, price[t]
            if best < 0:
                break
            last_price, last_period = best_price, best
            minutes = _minutes_there(stay, best, step_min)
            if best < len(plan_kw):
                plan_kw[best] = high if left >= minutes else max(high * left / minutes, low)
                booked_kw[best] += plan_kw[best]
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
    taper_min = minutes_to(battery, stop, car.capacity_kwh, high, low, n, factor, is_dc) - full_min
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
