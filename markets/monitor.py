"""The market monitor: concentration, pivotal suppliers, spread, liquidity, welfare, and trades that broke a rule."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np


def hhi(volume: Any, party: Any | None = None) -> float:
    """Herfindahl-Hirschman index of concentration.

    Parameters
    ----------
    volume : array_like of float, shape (n,)
        Volumes, none negative.
    party : array_like of int, shape (n,), optional
        Who holds each volume; every row its own party when left out.

    Returns
    -------
    float
        Sum of squared market shares in percent: 10,000 for a monopoly, NaN without volume.
    """
    held = _per_party(volume, party)
    total = float(np.sum(held))
    if total <= 0.0:
        return math.nan
    shares = 100.0 * held / total
    return float(np.sum(shares * shares))


def _per_party(volume: Any, party: Any | None) -> np.ndarray:
    amounts = np.asarray(volume, dtype=np.float64)
    if party is None:
        return amounts
    _, index = np.unique(np.asarray(party), return_inverse=True)
    return np.bincount(index.reshape(-1), weights=amounts)


def residual_supply_index(offered_mw: Any, demand_mw: Any) -> np.ndarray:
    """Supply of all others over demand, for every supplier and period.

    Parameters
    ----------
    offered_mw : array_like of float, shape (n_parties, n_periods)
        Offered power.
    demand_mw : array_like of float, shape (n_periods,)
        Demand.

    Returns
    -------
    array of float, shape (n_parties, n_periods)
        Below 1 the supplier is pivotal; infinite without demand.
    """
    offered = np.asarray(offered_mw, dtype=np.float64)
    demand = np.broadcast_to(np.asarray(demand_mw, dtype=np.float64), offered.shape)
    others = offered.sum(axis=0) - offered
    return np.where(demand > 0.0, others / np.where(demand > 0.0, demand, 1.0), np.inf)


def pivotal_share(offered_mw: Any, demand_mw: Any) -> np.ndarray:
    """Share of the periods in which demand cannot be met without a supplier, float64[n_parties].

    Parameters are those of :func:`residual_supply_index`.
    """
    # a supplier without an offer cannot be missed
    offered = np.asarray(offered_mw, dtype=np.float64)
    is_pivotal = (residual_supply_index(offered, demand_mw) < 1.0 - 1e-12) & (offered > 0.0)
    return is_pivotal.mean(axis=1)


def spread_eur_per_mwh(best_bid_eur_per_mwh: Any, best_ask_eur_per_mwh: Any) -> np.ndarray:
    """Ask minus bid of book snapshots; NaN where a side is empty."""
    return np.asarray(best_ask_eur_per_mwh, dtype=np.float64) - np.asarray(best_bid_eur_per_mwh, dtype=np.float64)


class Liquidity(NamedTuple):
    """Liquidity of one market: energy traded, churn (traded over delivered), number of trades, mean trade size."""

    traded_mwh: float
    churn: float
    n_trades: int
    mean_trade_mwh: float


def liquidity(traded_mwh: Any, delivered_mwh: float) -> Liquidity:
    """Measure liquidity.

    Parameters
    ----------
    traded_mwh : array_like of float, shape (n_trades,)
        Energy of every trade, positive.
    delivered_mwh : float
        Physical consumption over the same periods.

    Returns
    -------
    Liquidity
        Churn is NaN without delivery, the mean size NaN without trades.
    """
    trades = np.asarray(traded_mwh, dtype=np.float64)
    total = float(np.sum(trades))
    churn = total / delivered_mwh if delivered_mwh > 0.0 else math.nan
    return Liquidity(total, churn, int(trades.size), total / trades.size if trades.size else math.nan)


def depth_mw(
    price_eur_per_mwh: Any, quantity_mw: Any, is_buy: Any, *, within_eur_per_mwh: float
) -> tuple[float, float]:
    """Power on both sides of a book within a distance of the mid price.

    Parameters
    ----------
    price_eur_per_mwh, quantity_mw : array_like of float, shape (n,)
        Open orders.
    is_buy : array_like of bool, shape (n,)
        Their side.
    within_eur_per_mwh : float
        Largest distance from the mid of best bid and best ask.

    Returns
    -------
    bid_mw, ask_mw : float
        Zero on both sides when one is empty.
    """
    price, quantity = np.asarray(price_eur_per_mwh, dtype=np.float64), np.asarray(quantity_mw, dtype=np.float64)
    buy = np.asarray(is_buy, dtype=bool)
    if not buy.any() or buy.all():
        return 0.0, 0.0
    mid = (price[buy].max() + price[~buy].min()) / 2.0
    is_near = np.abs(price - mid) <= within_eur_per_mwh
    return float(np.sum(quantity[buy & is_near])), float(np.sum(quantity[~buy & is_near]))


class Welfare(NamedTuple):
    """Surplus of buyers and sellers at the clearing price, and the sum of both, €."""

    buyers_eur: float
    sellers_eur: float
    total_eur: float


def welfare(accepted_mwh: Any, limit_eur_per_mwh: Any, is_buy: Any, clearing_eur_per_mwh: Any) -> Welfare:
    """Welfare of accepted orders.

    Parameters
    ----------
    accepted_mwh : array_like of float, shape (n,)
        Accepted energy, positive on both sides.
    limit_eur_per_mwh : array_like of float, shape (n,)
        Limit (or mean accepted) price of each order.
    is_buy : array_like of bool, shape (n,)
        Their side.
    clearing_eur_per_mwh : array_like of float, shape () or (n,)
        Price paid.

    Returns
    -------
    Welfare
        The total counts prices only through the limits when both sides have the same volume and price.
    """
    energy, buy = np.asarray(accepted_mwh, dtype=np.float64), np.asarray(is_buy, dtype=bool)
    margin = (np.asarray(limit_eur_per_mwh, dtype=np.float64) - np.asarray(clearing_eur_per_mwh)) * energy
    buyers, sellers = float(np.sum(margin[buy])), -float(np.sum(margin[~buy]))
    return Welfare(buyers, sellers, buyers + sellers)


class Breach(NamedTuple):
    """A trade that broke a rule: its row, the rule, and by how much (seconds late or MW too much)."""

    row: int
    rule: str
    excess: float


def trades_after_gate(traded_at_s: Any, delivery_start_s: Any, gate_s: Any) -> tuple[Breach, ...]:
    """Find trades after their gate closed.

    Parameters
    ----------
    traded_at_s, delivery_start_s : array_like of float, shape (n,)
        Instants of the trade and of its delivery on one clock.
    gate_s : array_like of float, shape () or (n,)
        Time between the last allowed trade and delivery.

    Returns
    -------
    tuple of Breach
        ``"after_gate"``; a trade at the very instant of closure is in time. A trade without a time is a breach too.
    """
    traded = np.asarray(traded_at_s, dtype=np.float64)
    late = traded - (np.asarray(delivery_start_s, dtype=np.float64) - np.asarray(gate_s, dtype=np.float64))
    rows = np.flatnonzero((late > 0.0) | np.isnan(late))
    return tuple(Breach(int(r), "after_gate", float(late[r])) for r in rows)


def trades_beyond_prequalification(
    party: Any, product: Any, power_mw: Any, prequalified_mw: dict[int, float]
) -> tuple[Breach, ...]:
    """Find trades that lift a party's sold reserve of one product above its prequalified power.

    Parameters
    ----------
    party, product : array_like of int, shape (n,)
        Seller, and product period (with direction, if any) of each trade in order of time.
    power_mw : array_like of float, shape (n,)
        Sold power, positive; negative for power bought back or transferred.
    prequalified_mw : dict of int to float
        Per party; one that is missing has none.

    Returns
    -------
    tuple of Breach
        ``"beyond_prequalification"`` for every trade after which the running sum is too large and that raised it.
    """
    sellers, products = np.asarray(party), np.asarray(product)
    power = np.asarray(power_mw, dtype=np.float64)
    _, group = np.unique(np.stack([sellers, products], axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(power[order])
    starts = np.flatnonzero(np.diff(group[order], prepend=-1) != 0)
    before = np.concatenate([[0.0], sums])[starts]
    running = np.empty(power.size)
    running[order] = sums - np.repeat(before, np.diff(np.append(starts, power.size)))
    limit = np.array([prequalified_mw.get(int(s), 0.0) for s in sellers], dtype=np.float64)
    excess = running - limit
    rows = np.flatnonzero((excess > 1e-9) & (power > 0.0))
    return tuple(Breach(int(r), "beyond_prequalification", float(excess[r])) for r in rows)
