"""The closed loop of reserve and passive balancing, and how to tell that it oscillates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.balancing.activation import IspActivation, activate_periods
from markets.balancing.bids import EnergyBids
from markets.balancing.controller import AT_REST, CYCLE_S, ActivationRules
from markets.balancing.imbalance import price_isp
from markets.balancing.passive import NO_PASSIVE, PassiveGroups


@dataclass(frozen=True)
class LoopFigures:
    """How a closed loop behaved.

    Parameters
    ----------
    error_std_mw : float
        Standard deviation of the remaining area control error.
    delta_std_mw : float
        Standard deviation of the balance delta.
    reversals_per_h : float
        Changes of direction of regulation, counting deltas beyond the dead zone only.
    activated_mwh : float
        Balancing energy in both directions.
    state_two_share : float
        Share of ISPs in regulation state 2.
    """

    error_std_mw: float
    delta_std_mw: float
    reversals_per_h: float
    activated_mwh: float
    state_two_share: float


def loop_figures(
    activations: list[IspActivation], *, dead_zone_mw: float = 5.0, state_sampling_s: int = 12
) -> LoopFigures:
    """Measure a closed loop over consecutive ISPs."""
    delta = np.concatenate([a.delta_mw for a in activations])
    error = np.concatenate([a.remaining_error_mw for a in activations])
    moved = np.concatenate([a.activated_up_mw + a.activated_down_mw for a in activations])
    signs = np.sign(delta[np.abs(delta) > dead_zone_mw])
    hours = delta.size * CYCLE_S / 3600.0
    states = np.array([price_isp(a, state_sampling_s=state_sampling_s).state for a in activations])
    return LoopFigures(
        error_std_mw=float(error.std()),
        delta_std_mw=float(delta.std()),
        reversals_per_h=float(np.count_nonzero(np.diff(signs)) / hours),
        activated_mwh=float(moved.sum() * CYCLE_S / 3600.0),
        state_two_share=float(np.mean(states == 2)),
    )


def passive_balancing_study(
    ladder: EnergyBids,
    open_loop_mw: np.ndarray,
    *,
    passive_mw: tuple[float, ...] = (0.0, 50.0, 400.0),
    ramps_share_per_min: tuple[float, ...] = (np.inf, 0.2, 0.05),
    threshold_mw: float = 10.0,
    rules: ActivationRules | None = None,
) -> dict[tuple[float, float], LoopFigures]:
    """Run the same disturbance with more and more power reacting to the published delta, at several ramp limits.

    Parameters
    ----------
    ladder : EnergyBids
        Bids of one ISP, offered again in every ISP.
    open_loop_mw : array of float, shape (n_periods, 225)
        Area control error without aFRR and passive balancing.
    passive_mw : tuple of float
        Power that reacts, both ways.
    ramps_share_per_min : tuple of float
        Ramp limits, share of that power per minute; ``inf`` for none.
    threshold_mw : float
        Published delta beyond which parties react.
    rules : ActivationRules, optional
        Controller, sampling and delay.

    Returns
    -------
    dict of (passive_mw, ramp) to LoopFigures
    """
    n, n_periods = len(ladder), len(open_loop_mw)
    bids = ladder.rows(np.tile(np.arange(n), n_periods))
    bids = EnergyBids(
        owner=bids.owner,
        power_mw=bids.power_mw,
        price_eur_per_mwh=bids.price_eur_per_mwh,
        ramp_share_per_min=bids.ramp_share_per_min,
        object_id=bids.object_id,
        period=np.repeat(np.arange(n_periods), n),
    )
    rules = rules or ActivationRules()
    figures = {}
    for power in passive_mw:
        for ramp in ramps_share_per_min:
            groups = PassiveGroups(power, power, threshold_mw, ramp) if power > 0.0 else NO_PASSIVE
            run = activate_periods(bids, open_loop_mw, AT_REST, rules, passive=groups)
            figures[power, ramp] = loop_figures(run, state_sampling_s=rules.state_sampling_s)
    return figures
