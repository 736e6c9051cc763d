"""aFRR activation: from energy bids and the area control error to activated power, energy and marginal prices.

Signs: balancing power is positive upward (more injection or less load). The area control error (ACE) is negative in
a shortage, so a negative ACE calls upward power. A control cycle is four seconds; an imbalance settlement period
(ISP) has 225 of them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from markets.balancing import kernel
from markets.balancing.bids import EnergyBids
from markets.balancing.controller import AT_REST, CYCLE_S, HISTORY_CYCLES, ActivationRules, ControllerState
from markets.balancing.passive import NO_PASSIVE, PassiveGroups

HOURS_PER_CYCLE = CYCLE_S / 3600.0


@dataclass(frozen=True)
class IspActivation:
    """What happened in one ISP.

    Parameters
    ----------
    activated_up_mw, activated_down_mw : array of float, shape (225,)
        Delivered power per cycle, both positive.
    delta_mw : array of float, shape (225,)
        Balance delta of aFRR: up minus down.
    import_mw : array of float, shape (225,)
        Netting and exchange, positive = import.
    passive_mw : array of float, shape (225,)
        Passive balancing, positive = up.
    remaining_error_mw : array of float, shape (225,)
        Area control error that the controller saw, after everything that acted in the cycle before.
    energy_mwh : array of float, shape (n_bids,)
        Per bid, positive for upward and negative for downward bids.
    passive_energy_mwh : array of float, shape (n_groups,)
        Per passive group, positive = up.
    marginal_up_eur_per_mwh, marginal_down_eur_per_mwh : array of float, shape (225,)
        Price of the dearest active bid in each cycle, NaN without activation.
    price_up_eur_per_mwh, price_down_eur_per_mwh : float
        Marginal price of the ISP, NaN without activation in that direction.
    mid_price_eur_per_mwh : float
        Mean of the lowest offered upward and the highest offered downward bid; the last known one when a side is
        empty.
    controller_state : ControllerState
        To be handed to the next ISP.
    """

    activated_up_mw: np.ndarray
    activated_down_mw: np.ndarray
    delta_mw: np.ndarray
    import_mw: np.ndarray
    passive_mw: np.ndarray
    remaining_error_mw: np.ndarray
    energy_mwh: np.ndarray
    passive_energy_mwh: np.ndarray
    marginal_up_eur_per_mwh: np.ndarray
    marginal_down_eur_per_mwh: np.ndarray
    price_up_eur_per_mwh: float
    price_down_eur_per_mwh: float
    mid_price_eur_per_mwh: float
    controller_state: ControllerState


def activate_isp(
    bids: EnergyBids,
    area_control_error_mw: np.ndarray,
    controller_state: ControllerState = AT_REST,
    rules: ActivationRules | None = None,
    *,
    passive: PassiveGroups = NO_PASSIVE,
    mfrrda_mw: float = 0.0,
) -> IspActivation:
    """Run the controller through one ISP.

    Parameters
    ----------
    bids : EnergyBids
        Admitted bids of this ISP (their ``period`` is not looked at).
    area_control_error_mw : array of float, shape (225,)
        Open-loop area control error per cycle: what it would be without aFRR, netting and passive balancing.
        Negative = shortage. Values that are not finite count as 0.
    controller_state : ControllerState
        From the ISP before.
    rules : ActivationRules, optional
        Controller settings; the defaults when left out.
    passive : PassiveGroups, optional
        Parties that react to the published balance delta within the ISP.
    mfrrda_mw : float
        Incident reserve that runs, + = up. It is part of the published balance delta (TenneT, balance-delta); its
        power must be in ``area_control_error_mw`` already.

    Returns
    -------
    IspActivation
    """
    one_period = replace(bids, period=np.zeros(len(bids), dtype=np.int64)) if bids.period.any() else bids
    error = np.atleast_2d(np.asarray(area_control_error_mw, dtype=np.float64))
    return activate_periods(one_period, error, controller_state, rules, passive=passive, mfrrda_mw=mfrrda_mw)[0]


@dataclass(frozen=True)
class _Ladder:
    """Bids of one direction in merit order per ISP. ``rows`` points into the bids; for ``arrays`` see the kernel."""

    rows: np.ndarray
    price: np.ndarray
    arrays: tuple[np.ndarray, ...]

    @property
    def start(self) -> np.ndarray:
        """First row of each ISP, and the end."""
        return self.arrays[0]

    @property
    def delivered(self) -> np.ndarray:
        """Power at the end of each bid's ISP."""
        return self.arrays[5]

    @property
    def energy(self) -> np.ndarray:
        """Sum of delivered power over the cycles."""
        return self.arrays[6]


def merit_order(bids: EnergyBids, *, is_up: bool) -> np.ndarray:
    """Rows of one direction by ISP and merit: lowest upward, highest downward price first, then row order."""
    rows = np.flatnonzero(bids.power_mw > 0.0 if is_up else bids.power_mw < 0.0)
    price = bids.price_eur_per_mwh[rows]
    return rows[np.lexsort((price if is_up else -price, bids.period[rows]))]


def _ladder(bids: EnergyBids, n_periods: int, rules: ActivationRules, *, is_up: bool) -> _Ladder:
    rows = merit_order(bids, is_up=is_up)
    power = np.abs(bids.power_mw[rows])
    ramp = power * bids.ramp_share_per_min[rows] / 60.0
    period, ident = bids.period[rows], bids.object_id[rows]
    carry = np.full(rows.size, -1, dtype=np.int64)
    if n_periods > 1:
        carry = _previous_rows(period, ident)
    start = np.searchsorted(period, np.arange(n_periods + 1))
    reach = ramp * max(rules.recruiting_horizon_s, CYCLE_S)
    arrays = (start, power, ramp * CYCLE_S, reach, carry, np.zeros(rows.size), np.zeros(rows.size))
    return _Ladder(rows, bids.price_eur_per_mwh[rows], arrays)


def _previous_rows(period: np.ndarray, ident: np.ndarray) -> np.ndarray:
    """Row of the same object in the ISP before, -1 for none or for objects without a number."""
    carry = np.full(period.size, -1, dtype=np.int64)
    order = np.lexsort((period, ident))
    before, after = order[:-1], order[1:]
    is_same = (ident[before] == ident[after]) & (ident[after] >= 0) & (period[before] + 1 == period[after])
    carry[after[is_same]] = before[is_same]
    return carry


def _start(ladder: _Ladder, bids: EnergyBids, state: ControllerState, *, is_up: bool) -> float:
    """Hand the power at the end of the last call over to the first ISP's bids; return the total."""
    end = int(ladder.start[1])
    mine = np.flatnonzero(state.delivered_mw > 0.0 if is_up else state.delivered_mw < 0.0)
    carry = np.full(end, -1, dtype=np.int64)
    if mine.size and end:
        known = mine[np.argsort(state.object_id[mine], kind="stable")]
        ident = bids.object_id[ladder.rows[:end]]
        at = np.minimum(np.searchsorted(state.object_id[known], ident), known.size - 1)
        carry = np.where((state.object_id[known[at]] == ident) & (ident >= 0), known[at], -1)
    total = state.delivered_up_mw if is_up else state.delivered_down_mw
    power = ladder.arrays[1]
    return float(kernel.hand_over(0, end, power, carry, np.abs(state.delivered_mw), total, ladder.delivered))


def activate_periods(
    bids: EnergyBids,
    area_control_error_mw: np.ndarray,
    controller_state: ControllerState = AT_REST,
    rules: ActivationRules | None = None,
    *,
    passive: PassiveGroups = NO_PASSIVE,
    mfrrda_mw: float = 0.0,
) -> list[IspActivation]:
    """Run the controller through several ISPs in one compiled call.

    Parameters
    ----------
    bids : EnergyBids
        Admitted bids with their ``period`` counted from the first ISP of the call; rows of other periods are never
        activated.
    area_control_error_mw : array of float, shape (n_periods, n_cycles)
        Open-loop area control error, see :func:`activate_isp`.
    controller_state, rules, passive, mfrrda_mw
        As in :func:`activate_isp`; the same incident reserve in every ISP.

    Returns
    -------
    list of IspActivation
        One per ISP; ``energy_mwh`` has one value per bid of that ISP, in row order. The controller state is complete
        only in the last one.
    """
    rules = rules or ActivationRules()
    error = np.nan_to_num(np.asarray(area_control_error_mw, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    up, down = (_ladder(bids, len(error), rules, is_up=side) for side in (True, False))
    totals = [_start(side, bids, controller_state, is_up=is_up) for side, is_up in ((up, True), (down, False))]
    delta = np.concatenate([controller_state.delta_mw, np.full(error.size, float(mfrrda_mw))])
    passive_mw = passive.start_mw(controller_state.passive_mw)
    control = _control(rules, controller_state, totals)
    delay, window = math.ceil(rules.balance_delta_delay_s / CYCLE_S), rules.state_sampling_s // CYCLE_S
    paths, rows, passive_energy = kernel.run(
        np.ascontiguousarray(error),
        up.arrays,
        down.arrays,
        control,
        passive.terms(CYCLE_S),
        passive_mw,
        delta,
        (HISTORY_CYCLES, delay, window),
    )
    object_id, delivered_mw = _objects_at_end(bids, up, down)
    end_state = ControllerState(
        integral_mw=float(control[5]),
        import_mw=float(control[6]),
        object_id=object_id,
        delivered_mw=delivered_mw,
        delivered_up_mw=float(control[7]),
        delivered_down_mw=float(control[8]),
        passive_mw=passive_mw,
        delta_mw=delta[-HISTORY_CYCLES:].copy(),
    )
    return _split(bids, paths, rows, (up, down), passive_energy * HOURS_PER_CYCLE, controller_state, end_state)


def _control(rules: ActivationRules, state: ControllerState, totals: list[float]) -> np.ndarray:
    """Settings and memory of the controller as the compiled loop wants them."""
    settings = [
        rules.beta,
        CYCLE_S / rules.integration_time_s,
        rules.import_capacity_mw,
        rules.dead_band_mw,
        rules.price_threshold_mw,
    ]
    return np.array([*settings, state.integral_mw, state.import_mw, *totals], dtype=np.float64)


def _objects_at_end(bids: EnergyBids, up: _Ladder, down: _Ladder) -> tuple[np.ndarray, np.ndarray]:
    """Objects of the last ISP and their signed power."""
    last = [slice(int(side.start[-2]), int(side.start[-1])) for side in (up, down)]
    rows = np.concatenate([up.rows[last[0]], down.rows[last[1]]])
    power = np.concatenate([up.delivered[last[0]], -down.delivered[last[1]]])
    is_active = power != 0.0
    return bids.object_id[rows[is_active]], power[is_active]


def _split(
    bids: EnergyBids,
    paths: np.ndarray,
    rows: np.ndarray,
    sides: tuple[_Ladder, _Ladder],
    passive_mwh: np.ndarray,
    before: ControllerState,
    end_state: ControllerState,
) -> list[IspActivation]:
    """One result per ISP from the arrays of the whole call."""
    known = [before.price_up_eur_per_mwh, before.price_down_eur_per_mwh, before.mid_price_eur_per_mwh]
    marginal_up, marginal_down = (np.append(side.price, math.nan)[rows[i]] for i, side in enumerate(sides))
    price_up, price_down = np.fmax.reduce(marginal_up, axis=1), np.fmin.reduce(marginal_down, axis=1)
    delta, energy = paths[0] - paths[1], _energy_mwh(bids, sides, len(price_up))
    results = []
    for p in range(len(price_up)):
        new_prices = (float(price_up[p]), float(price_down[p]), _mid(*sides, p))
        known = [old if math.isnan(new) else new for new, old in zip(new_prices, known, strict=True)]
        state = replace(
            end_state,
            price_up_eur_per_mwh=known[0],
            price_down_eur_per_mwh=known[1],
            mid_price_eur_per_mwh=known[2],
        )
        results.append(
            IspActivation(
                activated_up_mw=paths[0, p],
                activated_down_mw=paths[1, p],
                delta_mw=delta[p],
                import_mw=paths[2, p],
                passive_mw=paths[3, p],
                remaining_error_mw=paths[4, p],
                energy_mwh=energy[p],
                passive_energy_mwh=passive_mwh[p],
                marginal_up_eur_per_mwh=marginal_up[p],
                marginal_down_eur_per_mwh=marginal_down[p],
                price_up_eur_per_mwh=new_prices[0],
                price_down_eur_per_mwh=new_prices[1],
                mid_price_eur_per_mwh=known[2],
                controller_state=state,
            )
        )
    return results


def _energy_mwh(bids: EnergyBids, sides: tuple[_Ladder, _Ladder], n_periods: int) -> list[np.ndarray]:
    """Signed energy of every bid, one array per ISP in row order."""
    energy = np.zeros(len(bids))
    for side, sign in zip(sides, (1.0, -1.0), strict=True):
        energy[side.rows] = sign * HOURS_PER_CYCLE * side.energy + 0.0  # no negative zero
    by_period = np.argsort(bids.period, kind="stable")
    ends = np.searchsorted(bids.period[by_period], np.arange(n_periods + 1))
    ordered = energy[by_period]
    return [ordered[a:b] for a, b in itertools.pairwise(ends.tolist())]


def _mid(up: _Ladder, down: _Ladder, period: int) -> float:
    """Mid price of one ISP from its ladders, NaN when a side is empty."""
    a, b = int(up.start[period]), int(down.start[period])
    if a == up.start[period + 1] or b == down.start[period + 1]:
        return math.nan
    return float(up.price[a] + down.price[b]) / 2.0
