"""The four-second loop of aFRR, compiled: controller, netting, ramps, merit order and passive balancing.

The plain twin with the same meaning is in ``tests/test_markets_balancing_activation.py``; tests compare the two.
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
    up: tuple[np.ndarray, ...],
    down: tuple[np.ndarray, ...],
    control: np.ndarray,
    passive_terms: np.ndarray,
    passive: np.ndarray,
    delta: np.ndarray,
    timing: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run whole ISPs of control cycles.

    Parameters
    ----------
    open_loop_mw : float64[n_periods, n_steps]
        Area control error without aFRR, netting and passive balancing; negative = shortage.
    up, down : tuples of arrays over the bids of one direction, in merit order within each ISP, powers positive
        0 start (n_periods + 1): first row of each ISP. 1 power. 2 largest move per cycle. 3 reach within the
        recruiting horizon. 4 carry: row of the same object in the ISP before, -1 for none, unused in the first ISP.
        5 delivered: in, the first ISP's bids at its start; out, at the end of each ISP. 6 energy: out, sum of
        delivered power over the cycles.
    control : float64[9]
        beta, cycle over Tr, import capacity, dead band, price threshold, then updated: integral, import, delivered
        up, delivered down.
    passive_terms : float64[4, n_groups]
        Threshold, upward and downward range, ramp per cycle of the passive groups.
    passive : float64[n_groups]
        Their power, positive = up; updated.
    delta : float64[history + n_periods * n_steps]
        Balance delta as published; the first ``history`` cycles are known. The rest comes with what runs besides aFRR
        (incident reserve), to which aFRR is added.
    timing : tuple of int
        history, publication delay and sampling window in cycles.

    Returns
    -------
    paths : float64[5, n_periods, n_steps]
        Delivered up, delivered down, import, passive power, remaining area control error.
    rows : int64[2, n_periods, n_steps]
        Row of the dearest active bid up and down, -1 for none.
    passive_energy : float64[n_periods, n_groups]
        Sum of the groups' power over the cycles.
    """
    n_periods, n_steps = open_loop_mw.shape
    paths = np.empty((5, n_periods, n_steps))
    rows = np.empty((2, n_periods, n_steps), dtype=np.int64)
    passive_energy = np.zeros((n_periods, passive.size))
    for p in range(n_periods):
        if p > 0:
            control[7] = _start_isp(p, up, control[7])
            control[8] = _start_isp(p, down, control[8])
        _run_isp(
            p, open_loop_mw[p], up, down, control, passive_terms, passive, delta, timing, paths, rows, passive_energy[p]
        )
    return paths, rows, passive_energy


@numba.njit(cache=True)
def _start_isp(p: int, side: tuple[np.ndarray, ...], total_mw: float) -> float:
    """Hand one direction over from the ISP before."""
    start, delivered = side[0], side[5]
    return hand_over(start[p], start[p + 1], side[1], side[4], delivered, total_mw, delivered)


@numba.njit(cache=True)
def _run_isp(
    p: int,
    open_loop_mw: np.ndarray,
    up: tuple[np.ndarray, ...],
    down: tuple[np.ndarray, ...],
    control: np.ndarray,
    passive_terms: np.ndarray,
    passive: np.ndarray,
    delta: np.ndarray,
    timing: tuple[int, int, int],
    paths: np.ndarray,
    rows: np.ndarray,
    passive_energy: np.ndarray,
) -> None:
    """Run the cycles of ISP ``p``; arguments as in :func:`run`."""
    beta, gain, import_capacity, dead_band, threshold = control[:5]
    integral, imported, up_total, down_total = control[5:]
    history, delay_steps, window = timing
    u0, u1, d0, d1 = up[0][p], up[0][p + 1], down[0][p], down[0][p + 1]
    u_last, d_last = last_delivering(u0, u1, up[5]), last_delivering(d0, d1, down[5])
    most_up = up[1][u0:u1].sum() + import_capacity
    most_down = down[1][d0:d1].sum() + import_capacity
    passive_total = passive.sum()
    for s in range(open_loop_mw.size):
        g = history + p * open_loop_mw.size + s
        if passive.size > 0:
            seen = delta[published_end(g, delay_steps, window) - window + window // 2]
            passive_total = passive_step(
                seen, passive_terms[0], passive_terms[1], passive_terms[2], passive_terms[3], passive
            )
            passive_energy += passive
        error = open_loop_mw[s] + up_total - down_total + imported + passive_total
        integral = min(max(integral + error * gain, -most_up), most_down)
        demand = -(beta * error + integral)
        imported = min(max(demand, -import_capacity), import_capacity)
        local = demand - imported
        if abs(local) <= dead_band:
            local = 0.0
        up_total, u_last = dispatch(u0, u1, u_last, max(local, 0.0), up[1], up[2], up[3], up[5], up[6])
        down_total, d_last = dispatch(d0, d1, d_last, max(-local, 0.0), down[1], down[2], down[3], down[5], down[6])
        delta[g] += up_total - down_total
        paths[0, p, s] = up_total
        paths[1, p, s] = down_total
        paths[2, p, s] = imported
        paths[3, p, s] = passive_total
        paths[4, p, s] = error
        rows[0, p, s] = marginal_row(u0, u_last, threshold, up[5])
        rows[1, p, s] = marginal_row(d0, d_last, threshold, down[5])
    control[5], control[6], control[7], control[8] = integral, imported, up_total, down_total
