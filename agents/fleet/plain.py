"""The physics of one period in plain NumPy: the twin the compiled kernels are held against."""

from __future__ import annotations

import numpy as np

from agents.fleet.behaviour import own_kw_array, rated
from agents.fleet.charging import POWER_TOLERANCE_KW, efficiency_array
from agents.fleet.figures import TAPER_AC_EDGE, TAPER_AC_SHARE, TAPER_DC_EDGE, TAPER_DC_SHARE
from agents.fleet.physics import minutes_of, plug_in
from agents.fleet.state import FleetState
from agents.fleet.stepping import WEEK_MIN
from agents.fleet.tables import Fleet


def step_plain(
    fleet: Fleet, state: FleetState, period: int, limit_kw: np.ndarray, period_h: float = 0.25
) -> np.ndarray:
    """Twin of :func:`agents.fleet.physics.step`; returns the energy at the meter per point, kWh.

    Cars react at once here: fleets with a reaction time are not its business.
    """
    plug_in(fleet, state, period, period_h)
    start, end = period * minutes_of(period_h), (period + 1) * minutes_of(period_h)
    energy = np.zeros(fleet.n_points)
    rows = state.active_sessions.copy()
    left = rows
    while len(left):
        is_first = np.zeros(len(left), dtype=bool)
        is_first[np.unique(fleet.sessions.ev_row[left], return_index=True)[1]] = True
        turn = np.zeros(len(left), dtype=bool)
        turn[np.unique(fleet.sessions.cp_row[left], return_index=True)[1]] = True
        now = left[is_first & turn]
        energy[fleet.sessions.cp_row[now]] += _move(fleet, state, now, limit_kw, start, end)
        left = left[~(is_first & turn)]
    stays = rows[fleet.sessions.departure_min[rows] > end]
    state.active[: len(stays)] = stays
    state.cursor[1] = len(stays)
    state.session_row[fleet.sessions.cp_row[stays]] = stays
    return energy


def _drive(fleet: Fleet, state: FleetState, rows: np.ndarray) -> None:
    """Trips of sessions that could not be taken from the battery when they plugged in."""
    s, v = fleet.sessions, fleet.vehicles
    late = rows[~state.has_driven[rows]]
    ev = s.ev_row[late]
    floor = np.minimum(fleet.elsewhere_floor_share * v.capacity_kwh[ev], state.battery_kwh[ev])
    after = state.battery_kwh[ev] - s.drive_kwh[late]
    state.elsewhere_kwh[ev] += np.maximum(floor - after, 0.0)
    state.driven_kwh[ev] += s.drive_kwh[late]
    state.battery_kwh[ev] = np.maximum(after, floor)
    state.has_driven[late] = True
    new = rows[np.isnan(state.arrival_kwh[rows])]
    state.arrival_kwh[new] = state.battery_kwh[s.ev_row[new]]
    state.paused_min[s.ev_row[new]] = 0.0
    state.wake_left_min[s.ev_row[new]] = 0.0


def _move(
    fleet: Fleet, state: FleetState, rows: np.ndarray, limit_kw: np.ndarray, start: float, end: float
) -> np.ndarray:
    """Energy at the meter of some sessions, each EV and point once; books it."""
    s, v, p = fleet.sessions, fleet.vehicles, fleet.points
    ev, cp = s.ev_row[rows], s.cp_row[rows]
    _drive(fleet, state, rows)
    minutes = np.minimum(end, s.departure_min[rows]) - np.maximum(start, s.arrival_min[rows])
    n, high, low, _ = rated(v, p, ev, cp)
    limit = limit_kw[cp]
    back = np.where(p.is_bidirectional[cp], np.minimum(v.discharge_kw[ev], high), 0.0)
    power = np.where(limit >= 0.0, np.minimum(limit, high), np.minimum(-limit, back))
    wants = (n > 0) & (power > 0.0) & (power >= low - POWER_TOLERANCE_KW) & (minutes > 0.0)
    awake = _awake(fleet, state, ev, np.where(n > 0, np.maximum(minutes, 0.0), 0.0), wants)
    before = state.battery_kwh[ev]
    car, own = (n, v.efficiency_pu[ev], p.is_dc[cp]), own_kw_array(v, ev, p.is_dc[cp])
    up = np.where(wants & (limit >= 0.0), awake, 0.0)
    stored, bought = charge_array(before, s.desired_kwh[rows], v.capacity_kwh[ev], power, own, low, *car, up)
    down = np.where(wants & (limit < 0.0), awake, 0.0)
    warranty = np.maximum(v.warranty_kwh[ev] * (1.0 + start // WEEK_MIN) - state.discharged_kwh[ev], 0.0)
    floor = np.maximum(v.reserve_share[ev] * v.capacity_kwh[ev], before - warranty)
    rate = power / np.maximum(efficiency_array(power, *car), 1e-9) / 60.0
    taken = np.minimum(rate * down, np.maximum(before - floor, 0.0))
    sold = np.divide(taken * power, rate * 60.0, out=np.zeros_like(taken), where=rate > 0.0)
    state.battery_kwh[ev] = stored - taken
    state.discharged_kwh[ev] += taken
    state.loss_kwh[ev] += bought - sold - (stored - taken - before)
    state.import_kwh[cp] += bought
    state.export_kwh[cp] += sold
    state.session_import_kwh[rows] += bought
    state.session_export_kwh[rows] += sold
    gone = s.departure_min[rows] <= end
    state.departure_kwh[rows[gone]] = state.battery_kwh[ev[gone]]
    state.session_row[cp[gone]], state.ev_session[ev[gone]] = -1, -1
    return bought - sold


def _awake(fleet: Fleet, state: FleetState, ev: np.ndarray, minutes: np.ndarray, wants: np.ndarray) -> np.ndarray:
    """Minutes awake; counts pauses and the waking of sleepers."""
    v = fleet.vehicles
    wakes = wants & (state.paused_min[ev] >= v.sleep_after_min[ev])
    state.wake_left_min[ev[wakes]] = v.wake_min[ev[wakes]]
    state.paused_min[ev] = np.where(wants, 0.0, state.paused_min[ev] + minutes)
    waking = np.where(wants, np.minimum(state.wake_left_min[ev], minutes), 0.0)
    state.wake_left_min[ev] -= waking
    return np.where(wants, minutes - waking, 0.0)


def charge_array(
    battery: np.ndarray,
    stop: np.ndarray,
    capacity: np.ndarray,
    power: np.ndarray,
    own: np.ndarray,
    low: np.ndarray,
    n: np.ndarray,
    factor: np.ndarray,
    is_dc: np.ndarray,
    minutes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Charge band by band of the taper; battery afterwards and energy at the meter."""
    battery, meter, left = battery.copy(), np.zeros(len(battery)), minutes.copy()
    for k in range(5):
        edge = np.where(is_dc, TAPER_DC_EDGE[k], TAPER_AC_EDGE[k])
        share = np.where(is_dc, TAPER_DC_SHARE[k], TAPER_AC_SHARE[k])
        target = np.minimum(edge * capacity, stop)
        band_kw = np.minimum(power, np.maximum(own * share, low))
        rate = band_kw * efficiency_array(band_kw, n, factor, is_dc) / 60.0
        needed = np.divide(target - battery, rate, out=np.zeros_like(rate), where=rate > 0.0)
        used = np.where(battery < target, np.minimum(needed, left), 0.0)
        battery = np.where((used > 0.0) & (used == needed), target, battery + rate * used)
        meter += band_kw * used / 60.0
        left = left - used
    return battery, meter
