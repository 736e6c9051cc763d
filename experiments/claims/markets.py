"""Experiments on markets: redispatch keeps the balance, and passive balancing pays."""

from __future__ import annotations

import numpy as np

from agents.world.disturbance import NETTING_MW, intra_isp_noise
from experiments.claims.claim import Evidence, over
from markets.balancing import (
    AT_REST,
    ActivationRules,
    EnergyBids,
    IspActivation,
    PassiveGroups,
    activate_periods,
    price_isp,
)
from markets.redispatch import RedispatchOrders, clear

CROWD = (10.0, 100.0, 400.0)
"""Power that reacts on its own, MW."""


def redispatch_balance(draws: int, size: int) -> Evidence:
    """Random redispatch problems: is what is sold also bought, in every quarter-hour?

    ``size`` is the number of orders. A capacity limit without counter-trade would leave the whole relief as imbalance.
    """
    worst, alone, relieved = [], [], []
    for seed in range(draws):
        orders, need, effect, room = _problem(size, seed)
        found = clear(orders, needed_relief_mw=need, effectivity=effect, headroom_mw=room)
        sells = found.accepted_mw[~found.is_buy].sum(axis=0)
        buys = found.accepted_mw[found.is_buy].sum(axis=0)
        worst.append(float(np.max(np.abs(sells - buys))))
        alone.append(float(np.max(sells)))
        total = need.sum()
        relieved.append(float(1.0 - found.unresolved_mw.sum() / total))
    return Evidence(
        (
            over("largest difference between what is bought and sold in a quarter-hour", worst, "MW", below=1e-6),
            over("relief found of what was needed", relieved, "share", above=0.0),
            over("imbalance if only the congested side acted, worst quarter-hour", alone, "MW"),
        ),
        "The balance holds by construction of the auction; the experiment confirms the rule, not a behaviour.",
    )


def _problem(size: int, seed: int) -> tuple[RedispatchOrders, np.ndarray, np.ndarray, np.ndarray]:
    """Orders inside and outside a congested area on an evening of 16 quarter-hours."""
    rng = np.random.default_rng([13, seed])
    is_buy = rng.random(size) < 0.5
    quantity = np.round(rng.uniform(0.1, 2.0, size), 1)[:, None] * np.ones(16)
    price = np.round(np.where(is_buy, rng.normal(60, 20, size), rng.normal(200, 50, size)), 2)
    orders = RedispatchOrders.of(np.arange(size), is_buy, quantity, price)
    effect = np.where(~is_buy & (rng.random(size) < 0.6), rng.uniform(0.3, 1.0, size), 0.0)[:, None]
    need = np.zeros((1, 16))
    need[0, 4:12] = rng.uniform(0.5, 4.0, 8)
    return orders, need, effect, np.full((1, 16), 5.0)


def passive_balancing(draws: int, size: int) -> Evidence:
    """A charge point operator on a pass-through contract follows the published balance delta.

    ``size`` is the number of quarter-hours; the imbalance of the country is the calibrated one. The operator earns
    the imbalance price on what it moves, against the mid price at which it would have bought; energy is made good
    later (the mid price stands for that). The crowd is how much power in the country does the same.
    """
    rules = ActivationRules(import_capacity_mw=NETTING_MW)
    earned: dict[float, list[float]] = {power: [] for power in CROWD}
    for seed in range(draws):
        rng = np.random.default_rng([17, seed])
        error = intra_isp_noise(rng, size)
        bids = _ladder(size, rng)
        for power in CROWD:
            groups = PassiveGroups(power, power, 10.0, 0.2)
            run = activate_periods(bids, error, AT_REST, rules, passive=groups)
            earned[power].append(_earned(run) / (power * size * 0.25))
    alone = over("gain per MW and hour when 10 MW react", earned[10.0], "EUR/MW/h", above=0.0)
    more = [over(f"gain per MW and hour when {p:.0f} MW react", earned[p], "EUR/MW/h") for p in CROWD[1:]]
    falls = np.mean(earned[CROWD[-1]]) < np.mean(earned[CROWD[0]])
    remark = "The gain shrinks as more do the same." if falls else "The gain does not shrink with the crowd here."
    return Evidence((alone, *more), remark)


def _earned(run: list[IspActivation]) -> float:
    """Imbalance settlement of the passive energy against the mid price, EUR."""
    total = 0.0
    for isp in run:
        price = price_isp(isp)
        energy = float(np.sum(isp.passive_energy_mwh))
        settled = price.surplus_eur_per_mwh if energy > 0 else price.shortage_eur_per_mwh
        if np.isfinite(settled) and np.isfinite(price.mid_price_eur_per_mwh):
            total += energy * (settled - price.mid_price_eur_per_mwh)
    return total


def _ladder(n: int, rng: np.random.Generator, n_bids: int = 60) -> EnergyBids:
    half = n_bids // 2
    size = np.r_[rng.integers(5, 30, half), -rng.integers(5, 30, half)].astype(np.float64)
    price = np.round(np.r_[rng.uniform(60, 400, half), rng.uniform(-200, 60, half)], 2)
    return EnergyBids(
        owner=np.tile(np.arange(n_bids), n),
        power_mw=np.tile(size, n),
        price_eur_per_mwh=np.tile(price, n),
        object_id=np.tile(np.arange(n_bids), n),
        period=np.repeat(np.arange(n), n_bids),
    )
