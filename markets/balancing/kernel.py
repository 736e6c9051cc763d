"""The four-second loop of aFRR, compiled: controller, netting, ramps, merit order and passive balancing.

The plain twin with the same meaning is in ``tests/balancing_twin.py``; tests compare the two.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def hand_over(
    start: int,
    end: int,
    power: np.ndarray,
    carry: np.ndarray,
    previous_mw: np.ndarray,
    previous_total_mw: float,
    delivered: np.ndarray,
) -> float:
    """Start the bids of a new ISP from what the objects delivered at the end of the last one.

    A bid goes on where its object was (``carry`` = its place in ``previous_mw``, -1 for none); what the vanished
    bids delivered is taken over by the cheapest bids with room. Returns the total.
    """
    total = 0.0
    for i in range(start, end):
        delivered[i] = min(power[i], previous_mw[carry[i]]) if carry[i] >= 0 else 0.0
        total += delivered[i]
    left = previous_total_mw - total
    for i in range(start, end):
        if left <= 0.0:
            break
        add = min(left, power[i] - delivered[i])
        delivered[i] += add
        left -= add
        total += add
    return total


@numba.njit(cache=True)
def dispatch(
    start: int,
    end: int,
    last: int,
    target_mw: float,
    power: np.ndarray,
    step: np.ndarray,
    reach: np.ndarray,
    delivered: np.ndarray,
    energy: np.ndarray,
) -> tuple[float, int]:
    """One control cycle of one direction: move the bids of rows ``start:end`` (in merit order) towards the target.

    A bid can move at most ``step`` per cycle. Cheaper bids are used first, each counting for what it can reach
    within the recruiting horizon (``reach``); if that is not enough, dearer ones are started in parallel.
    ``last`` is the last row that still delivers (start - 1 for none). Returns the delivered total and the new last.
    """
    floor = 0.0  # what cannot be taken back in this cycle
    for i in range(start, last + 1):
        floor += max(0.0, delivered[i] - step[i])
    missing = target_mw - floor
    total = 0.0
    new_last = start - 1
    for i in range(start, end):
        if missing <= 0.0 and i > last:
            break
        low = max(0.0, delivered[i] - step[i])
        add = min(max(missing, 0.0), min(power[i], delivered[i] + reach[i]) - low)
        missing -= add
        delivered[i] = min(low + add, delivered[i] + step[i])
        energy[i] += delivered[i]
        if delivered[i] > 0.0:
            total += delivered[i]
            new_last = i
    return total, new_last


@numba.njit(cache=True)
def marginal_row(start: int, last: int, threshold_mw: float, delivered: np.ndarray) -> int:
    """Dearest row that delivers at least the threshold, or -1."""
    for i in range(last, start - 1, -1):
        if delivered[i] >= threshold_mw:
            return i
    return -1


@numba.njit(cache=True)
def last_delivering(start: int, end: int, delivered: np.ndarray) -> int:
    """Last row that delivers anything, or start - 1."""
    for i in range(end - 1, start - 1, -1):
        if delivered[i] > 0.0:
            return i
    return start - 1


@numba.njit(cache=True)
def passive_step(
    seen_mw: float,
    threshold_mw: np.ndarray,
    max_up_mw: np.ndarray,
    max_down_mw: np.ndarray,
    ramp_mw: np.ndarray,
    passive: np.ndarray,
) -> float:
    """Move every group of passive balancers one ramp step towards what the published delta asks; return the sum.

    Upward regulation beyond a group's threshold calls its whole upward range, downward regulation its whole
    downward range, anything between lets it return to its plan.
    """
    total = 0.0
    for g in range(passive.size):
        target = 0.0
        if seen_mw > threshold_mw[g]:
            target = max_up_mw[g]
        elif seen_mw < -threshold_mw[g]:
            target = -max_down_mw[g]
        move = min(max(target - passive[g], -ramp_mw[g]), ramp_mw[g])
        passive[g] += move
        total += passive[g]
    return total


@numba.njit(cache=True)
def published_end(step: int, delay_steps: int, window: int) -> int:
    """End (exclusive) of the newest sampling window that is public at the start of a step, in steps."""
    return (step - delay_steps) // window * window


@numba.njit(cache=True)
def run(
    open_loop_mw: np.ndarray,
    up_start: np.ndarray,
    up_power: np.ndarray,
    up_step: np.ndarray,
    up_reach: np.ndarray,
    up_carry: np.ndarray,
    up: np.ndarray,
    down_start: np.ndarray,
    down_power: np.ndarray,
    down_step: np.ndarray,
    down_reach: np.ndarray,
    down_carry: np.ndarray,
    down: np.ndarray,
    totals: np.ndarray,
    control: np.ndarray,
    passive_terms: np.ndarray,
    passive: np.ndarray,
    delta: np.ndarray,
    history: int,
    delay_steps: int,
    window: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Run whole ISPs of control cycles.

    Parameters
    ----------
    open_loop_mw : float64[n_periods, n_steps]
        Area control error without aFRR, netting and passive balancing; negative = shortage.
    up_start, up_power, up_step, up_reach, up_carry : arrays over upward bids
        Bids in merit order within each ISP; ``up_start`` (n_periods + 1) holds the rows of each ISP. ``up_carry`` is
        the row of the same object in the ISP before, -1 for none; unused in the first ISP.
    up : float64[n_up]
        In: delivered power of the first ISP's bids at its start. Out: at the end of each ISP.
    down_* : the same for downward bids, in positive MW.
    totals : float64[2]
        Delivered up and down at the start.
    control : float64[7]
        beta, cycle over Tr, import capacity, dead band, price threshold, integral, import (the last is updated).
    passive_terms : float64[4, n_groups]
        Threshold, upward and downward range, ramp per cycle of the passive groups.
    passive : float64[n_groups]
        Their power, positive = up; updated.
    delta : float64[history + n_periods * n_steps]
        Balance delta; the first ``history`` cycles are known, the rest is filled.
    delay_steps, window : int
        Publication delay and sampling window in cycles.

    Returns
    -------
    paths : float64[5, n_periods, n_steps]
        Delivered up, delivered down, import, passive power, remaining area control error.
    rows : int64[2, n_periods, n_steps]
        Row of the dearest active bid up and down, -1 for none.
    energy_up, energy_down : float64[n_up], float64[n_down]
        Sum of delivered power over the cycles, MW times cycles.
    passive_energy : float64[n_periods, n_groups]
        The same for the passive groups.
    integral : float
        Integral part at the end.
    """
    n_periods, n_steps = open_loop_mw.shape
    beta, gain, import_capacity, dead_band, threshold = control[0], control[1], control[2], control[3], control[4]
    integral, imported = control[5], control[6]
    paths = np.empty((5, n_periods, n_steps))
    rows = np.empty((2, n_periods, n_steps), dtype=np.int64)
    energy_up, energy_down = np.zeros(up_power.size), np.zeros(down_power.size)
    passive_energy = np.zeros((n_periods, passive.size))
    up_total, down_total = totals[0], totals[1]
    passive_total = passive.sum()
    for p in range(n_periods):
        u0, u1, d0, d1 = up_start[p], up_start[p + 1], down_start[p], down_start[p + 1]
        if p > 0:
            up_total = hand_over(u0, u1, up_power, up_carry, up, up_total, up)
            down_total = hand_over(d0, d1, down_power, down_carry, down, down_total, down)
        u_last, d_last = last_delivering(u0, u1, up), last_delivering(d0, d1, down)
        most_up = up_power[u0:u1].sum() + import_capacity
        most_down = down_power[d0:d1].sum() + import_capacity
        for s in range(n_steps):
            g = history + p * n_steps + s
            if passive.size > 0:
                seen = delta[published_end(g, delay_steps, window) - window + window // 2]
                passive_total = passive_step(
                    seen, passive_terms[0], passive_terms[1], passive_terms[2], passive_terms[3], passive
                )
                passive_energy[p] += passive
            error = open_loop_mw[p, s] + up_total - down_total + imported + passive_total
            integral = min(max(integral + error * gain, -most_up), most_down)
            demand = -(beta * error + integral)
            imported = min(max(demand, -import_capacity), import_capacity)
            local = demand - imported
            if abs(local) <= dead_band:
                local = 0.0
            up_total, u_last = dispatch(u0, u1, u_last, max(local, 0.0), up_power, up_step, up_reach, up, energy_up)
            down_total, d_last = dispatch(
                d0, d1, d_last, max(-local, 0.0), down_power, down_step, down_reach, down, energy_down
            )
            delta[g] = up_total - down_total
            paths[0, p, s] = up_total
            paths[1, p, s] = down_total
            paths[2, p, s] = imported
            paths[3, p, s] = passive_total
            paths[4, p, s] = error
            rows[0, p, s] = marginal_row(u0, u_last, threshold, up)
            rows[1, p, s] = marginal_row(d0, d_last, threshold, down)
    control[6] = imported
    return paths, rows, energy_up, energy_down, passive_energy, integral
