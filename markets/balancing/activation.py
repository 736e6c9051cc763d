"""aFRR activation: from energy bids and the area control error to activated power, energy and marginal prices.

Signs: balancing power is positive upward (more injection or less load). The area control error (ACE) is negative in
a shortage, so a negative ACE calls upward power. A control cycle is four seconds; an imbalance settlement period
(ISP) has 225 of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from markets.balancing import kernel
from markets.balancing.bids import EnergyBids
from markets.balancing.passive import NO_PASSIVE, PassiveGroups

CYCLE_S = 4
CYCLES_PER_ISP = 225
HISTORY_CYCLES = 300  # of the balance delta, kept so that the longest publication delay (900 s) can be served


@dataclass(frozen=True)
class ActivationRules:
    """How the load-frequency controller activates bids.

    Parameters
    ----------
    beta : float
        Proportional factor of the controller, 0 to 0.5 (UCTE operation handbook, policy 1).
    integration_time_s : float
        Integration time Tr, 50 to 200 s (same source).
    import_capacity_mw : float
        Netting and aFRR exchange with other areas, the same in both directions, used before local bids.
    dead_band_mw : float
        Local demand up to this size calls no bid.
    recruiting_horizon_s : float
        A dearer bid is started in parallel when the cheaper ones cannot ramp to the demand within this time; the
        cycle time (4 s) is the fastest response, 300 s follows the static ladder (assumption; that ramps can lift
        the price above the ladder: TenneT, merit order list page).
    price_threshold_mw : float
        Activation below this power does not set a price.
    state_sampling_s : int
        Interval of the published balance delta, a multiple of the cycle.
    balance_delta_delay_s : float
        Time between the end of a sampling interval and its publication, at most 900 s.
    """

    beta: float = 0.3
    integration_time_s: float = 150.0
    import_capacity_mw: float = 0.0
    dead_band_mw: float = 0.0
    recruiting_horizon_s: float = 60.0
    price_threshold_mw: float = 1e-3
    state_sampling_s: int = 12
    balance_delta_delay_s: float = 146.0

    def __post_init__(self) -> None:
        faults = []
        if self.integration_time_s <= 0.0:
            faults.append(f"integration_time_s is {self.integration_time_s}, must be above 0")
        if self.state_sampling_s < CYCLE_S or self.state_sampling_s % CYCLE_S:
            faults.append(f"state_sampling_s is {self.state_sampling_s}, must be a multiple of {CYCLE_S}")
        if not 0.0 <= self.balance_delta_delay_s <= 900.0:
            faults.append(f"balance_delta_delay_s is {self.balance_delta_delay_s}, must be 0 to 900")
        if faults:
            raise ValueError("activation rules: " + "; ".join(faults))


@dataclass(frozen=True)
class ControllerState:
    """What the controller remembers from one ISP to the next.

    Parameters
    ----------
    integral_mw, import_mw : float
        Integral part of the controller and the running import.
    object_id, delivered_mw : arrays of shape (n,)
        Objects that deliver at the end of the ISP and their power, positive = up.
    delivered_up_mw, delivered_down_mw : float
        Delivered power per direction at the end of the ISP, both positive.
    passive_mw : array of float, shape (n_groups,)
        Power of the passive groups.
    delta_mw : array of float, shape (HISTORY_CYCLES,)
        Latest values of the balance delta.
    price_up_eur_per_mwh, price_down_eur_per_mwh, mid_price_eur_per_mwh : float
        Latest known prices, NaN before the first.
    """

    integral_mw: float = 0.0
    import_mw: float = 0.0
    object_id: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    delivered_mw: np.ndarray = field(default_factory=lambda: np.zeros(0))
    delivered_up_mw: float = 0.0
    delivered_down_mw: float = 0.0
    passive_mw: np.ndarray = field(default_factory=lambda: np.zeros(0))
    delta_mw: np.ndarray = field(default_factory=lambda: np.zeros(HISTORY_CYCLES))
    price_up_eur_per_mwh: float = math.nan
    price_down_eur_per_mwh: float = math.nan
    mid_price_eur_per_mwh: float = math.nan


AT_REST = ControllerState()


@dataclass(frozen=True)
class IspActivation:
    """What happened in one ISP.

    Parameters
    ----------
    activated_up_mw, activated_down_mw : array of float, shape (225,)
        Delivered power per cycle, both positive.
    delta_mw : array of float, shape (225,)
        Balance delta: up minus down.
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

    Returns
    -------
    IspActivation
    """
    one_period = replace(bids, period=np.zeros(len(bids), dtype=np.int64))
    error = np.atleast_2d(np.asarray(area_control_error_mw, dtype=np.float64))
    return activate_periods(one_period, error, controller_state, rules, passive=passive)[0]


@dataclass(frozen=True)
class _Ladder:
    """Bids of one direction in merit order per ISP, with positive powers. ``rows`` points into the bids."""

    rows: np.ndarray
    start: np.ndarray
    power: np.ndarray
    step: np.ndarray
    reach: np.ndarray
    carry: np.ndarray
    price: np.ndarray


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
    return _Ladder(
        rows=rows,
        start=np.searchsorted(period, np.arange(n_periods + 1)),
        power=power,
        step=ramp * CYCLE_S,
        reach=ramp * max(rules.recruiting_horizon_s, CYCLE_S),
        carry=carry,
        price=bids.price_eur_per_mwh[rows],
    )


def _previous_rows(period: np.ndarray, ident: np.ndarray) -> np.ndarray:
    """Row of the same object in the ISP before, -1 for none or for objects without a number."""
    carry = np.full(period.size, -1, dtype=np.int64)
    order = np.lexsort((period, ident))
    before, after = order[:-1], order[1:]
    is_same = (ident[before] == ident[after]) & (ident[after] >= 0) & (period[before] + 1 == period[after])
    carry[after[is_same]] = before[is_same]
    return carry


def _at_start(ladder: _Ladder, bids: EnergyBids, state: ControllerState, *, is_up: bool) -> tuple[np.ndarray, float]:
    """Delivered power of the first ISP's bids at its start, and the total."""
    sign = 1.0 if is_up else -1.0
    delivered = np.zeros(ladder.rows.size)
    end = int(ladder.start[1])
    mine = np.flatnonzero(sign * state.delivered_mw > 0.0)
    carry = np.full(end, -1, dtype=np.int64)
    if mine.size and end:
        known = mine[np.argsort(state.object_id[mine], kind="stable")]
        ident = bids.object_id[ladder.rows[:end]]
        at = np.minimum(np.searchsorted(state.object_id[known], ident), known.size - 1)
        carry = np.where((state.object_id[known[at]] == ident) & (ident >= 0), known[at], -1)
    previous = np.abs(state.delivered_mw)
    total = state.delivered_up_mw if is_up else state.delivered_down_mw
    return delivered, kernel.hand_over(0, end, ladder.power, carry, previous, total, delivered)


def activate_periods(
    bids: EnergyBids,
    area_control_error_mw: np.ndarray,
    controller_state: ControllerState = AT_REST,
    rules: ActivationRules | None = None,
    *,
    passive: PassiveGroups = NO_PASSIVE,
) -> list[IspActivation]:
    """Run the controller through several ISPs in one compiled call.

    Parameters
    ----------
    bids : EnergyBids
        Admitted bids with their ``period`` counted from the first ISP of the call; rows of other periods are never
        activated.
    area_control_error_mw : array of float, shape (n_periods, n_cycles)
        Open-loop area control error, see :func:`activate_isp`.
    controller_state, rules, passive
        As in :func:`activate_isp`.

    Returns
    -------
    list of IspActivation
        One per ISP; ``energy_mwh`` has one value per row of ``bids`` and is zero outside the ISP. The controller
        state is complete only in the last one.
    """
    rules = rules or ActivationRules()
    error = np.nan_to_num(np.asarray(area_control_error_mw, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    n_periods = error.shape[0]
    up, down = (_ladder(bids, n_periods, rules, is_up=side) for side in (True, False))
    up_mw, up_total = _at_start(up, bids, controller_state, is_up=True)
    down_mw, down_total = _at_start(down, bids, controller_state, is_up=False)
    delta = np.concatenate([controller_state.delta_mw, np.zeros(error.size)])
    passive_mw = passive.start_mw(controller_state.passive_mw)
    control = np.array(
        [
            rules.beta,
            CYCLE_S / rules.integration_time_s,
            rules.import_capacity_mw,
            rules.dead_band_mw,
            rules.price_threshold_mw,
            controller_state.integral_mw,
            controller_state.import_mw,
        ]
    )
    paths, rows, energy_up, energy_down, passive_energy, integral = kernel.run(
        np.ascontiguousarray(error),
        *(up.start, up.power, up.step, up.reach, up.carry, up_mw),
        *(down.start, down.power, down.step, down.reach, down.carry, down_mw),
        np.array([up_total, down_total]),
        control,
        passive.terms(CYCLE_S),
        passive_mw,
        delta,
        HISTORY_CYCLES,
        math.ceil(rules.balance_delta_delay_s / CYCLE_S),
        rules.state_sampling_s // CYCLE_S,
    )
    object_id, delivered_mw = _objects_at_end(bids, (up, up_mw), (down, down_mw))
    end_state = replace(
        controller_state,
        integral_mw=float(integral),
        import_mw=float(control[6]),
        delivered_up_mw=float(paths[0, -1, -1]),
        delivered_down_mw=float(paths[1, -1, -1]),
        passive_mw=passive_mw,
        delta_mw=delta[-HISTORY_CYCLES:].copy(),
        object_id=object_id,
        delivered_mw=delivered_mw,
    )
    energies = ((up, energy_up), (down, energy_down))
    return _split(bids, paths, rows, energies, passive_energy * (CYCLE_S / 3600.0), controller_state, end_state)


def _objects_at_end(bids: EnergyBids, *sides: tuple[_Ladder, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Objects of the last ISP with their signed power."""
    first = [int(ladder.start[-2]) for ladder, _ in sides]
    last = [int(ladder.start[-1]) for ladder, _ in sides]
    rows = np.concatenate([ladder.rows[a:b] for (ladder, _), a, b in zip(sides, first, last, strict=True)])
    signs = (1.0, -1.0)
    power = np.concatenate([s * mw[a:b] for s, (_, mw), a, b in zip(signs, sides, first, last, strict=True)])
    is_active = power != 0.0
    return bids.object_id[rows[is_active]], power[is_active]


def _split(
    bids: EnergyBids,
    paths: np.ndarray,
    rows: np.ndarray,
    energies: tuple[tuple[_Ladder, np.ndarray], ...],
    passive_mwh: np.ndarray,
    before: ControllerState,
    end_state: ControllerState,
) -> list[IspActivation]:
    """One result per ISP from the arrays of the whole call."""
    (up, energy_up), (down, energy_down) = energies
    known = [before.price_up_eur_per_mwh, before.price_down_eur_per_mwh, before.mid_price_eur_per_mwh]
    results = []
    for p in range(paths.shape[1]):
        marginal_up, marginal_down = (_prices(side.price, rows[i, p]) for i, side in enumerate((up, down)))
        price_up, price_down = _extreme(marginal_up, np.fmax), _extreme(marginal_down, np.fmin)
        energy = np.zeros(len(bids))
        for side, path, sign in ((up, energy_up, 1.0), (down, energy_down, -1.0)):
            here = slice(int(side.start[p]), int(side.start[p + 1]))
            energy[side.rows[here]] = sign * path[here] * (CYCLE_S / 3600.0) + 0.0  # no negative zero
        mid = _mid(up, down, p)
        new_prices = (price_up, price_down, mid)
        known = [old if math.isnan(new) else new for new, old in zip(new_prices, known, strict=True)]
        results.append(
            IspActivation(
                activated_up_mw=paths[0, p],
                activated_down_mw=paths[1, p],
                delta_mw=paths[0, p] - paths[1, p],
                import_mw=paths[2, p],
                passive_mw=paths[3, p],
                remaining_error_mw=paths[4, p],
                energy_mwh=energy,
                passive_energy_mwh=passive_mwh[p],
                marginal_up_eur_per_mwh=marginal_up,
                marginal_down_eur_per_mwh=marginal_down,
                price_up_eur_per_mwh=price_up,
                price_down_eur_per_mwh=price_down,
                mid_price_eur_per_mwh=known[2],
                controller_state=replace(
                    end_state,
                    price_up_eur_per_mwh=known[0],
                    price_down_eur_per_mwh=known[1],
                    mid_price_eur_per_mwh=known[2],
                ),
            )
        )
    return results


def _prices(price: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Price of each row, NaN for row -1."""
    return np.append(price, math.nan)[rows]


def _extreme(prices: np.ndarray, pick: np.ufunc) -> float:
    return float(pick.reduce(prices))


def _mid(up: _Ladder, down: _Ladder, period: int) -> float:
    """Mid price of one ISP from its ladders, NaN when a side is empty."""
    a, b = int(up.start[period]), int(down.start[period])
    if a == up.start[period + 1] or b == down.start[period + 1]:
        return math.nan
    return float(up.price[a] + down.price[b]) / 2.0
