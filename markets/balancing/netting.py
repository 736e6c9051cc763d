"""One optimisation step of cross-border aFRR (PICASSO) between the Netherlands and one neighbour.

Opposite demands are netted first; what remains is met by the cheapest bids on either side, as far as the border
allows. The Dutch balancing and imbalance prices do not take the cross-border price (IPS v6.1, section 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

UNSERVED_EUR_PER_MWH = 1e6  # makes leaving demand open dearer than any bid


@dataclass(frozen=True)
class Ladders:
    """The bids of one area.

    Parameters
    ----------
    up, down : array_like of float, shape (n, 2)
        MW (positive) and price of each bid, in any order.
    """

    up: Any = ()
    down: Any = ()

    def sorted_side(self, *, is_up: bool) -> np.ndarray:
        """One side in merit order, float64[n, 2]."""
        side = np.asarray(self.up if is_up else self.down, dtype=np.float64).reshape(-1, 2)
        return side[np.argsort(side[:, 1] if is_up else -side[:, 1], kind="stable")]

    def activation_cost_eur(self, mw: float) -> float:
        """Cost per hour of activating a signed power: upward bids are paid, downward bids pay."""
        side = self.sorted_side(is_up=mw > 0.0)
        size = abs(mw)
        used = np.clip(size - (np.cumsum(side[:, 0]) - side[:, 0]), 0.0, side[:, 0])
        unserved = max(0.0, size - float(np.sum(side[:, 0])))
        return math.copysign(1.0, mw) * float(used @ side[:, 1]) + unserved * UNSERVED_EUR_PER_MWH

    def price_at(self, mw: float) -> float:
        """Price of the dearest bid that a signed activation uses, NaN for none."""
        side = self.sorted_side(is_up=mw > 0.0)
        if abs(mw) < 1e-9 or not len(side):
            return math.nan
        row = int(np.searchsorted(np.cumsum(side[:, 0]), abs(mw) - 1e-9))
        return float(side[min(row, len(side) - 1), 1])

    @property
    def mid_price_eur_per_mwh(self) -> float:
        """Mean of the first bids of both sides, of one where the other is empty, NaN without bids."""
        firsts = [s[0, 1] for s in (self.sorted_side(is_up=True), self.sorted_side(is_up=False)) if len(s)]
        return float(np.mean(firsts)) if firsts else math.nan

    def kinks_mw(self) -> np.ndarray:
        """Signed activations at which the price changes."""
        up, down = self.sorted_side(is_up=True), self.sorted_side(is_up=False)
        return np.concatenate([[0.0], np.cumsum(up[:, 0]), -np.cumsum(down[:, 0])])


@dataclass(frozen=True)
class Exchange:
    """Result of one step.

    Parameters
    ----------
    flow_mw : float
        Import of the home area.
    netted_mw : float
        Part of the flow that only nets opposite demands.
    activated_mw : tuple of float
        Signed activation at home and abroad, positive = up.
    price_eur_per_mwh : tuple of float
        Cross-border marginal price at home and abroad; the same where the border is not full.
    unserved_mw : tuple of float
        Demand left open at home and abroad, signed.
    """

    flow_mw: float
    netted_mw: float
    activated_mw: tuple[float, float]
    price_eur_per_mwh: tuple[float, float]
    unserved_mw: tuple[float, float]


def exchange(
    demand_mw: tuple[float, float],
    home: Ladders,
    abroad: Ladders,
    *,
    import_capacity_mw: float,
    export_capacity_mw: float,
) -> Exchange:
    """Net and exchange balancing energy for one four-second step.

    Parameters
    ----------
    demand_mw : tuple of float
        aFRR demand at home and abroad, positive = up.
    home, abroad : Ladders
        Bids.
    import_capacity_mw, export_capacity_mw : float
        What the border can carry towards home and away from it.

    Returns
    -------
    Exchange
        With the least activation cost; among equals the smallest flow beyond netting.
    """
    mine, theirs = demand_mw
    netted = _netted(mine, theirs, import_capacity_mw, export_capacity_mw)
    low = max(netted, 0.0) if netted > 0.0 else -export_capacity_mw
    high = min(netted, 0.0) if netted < 0.0 else import_capacity_mw
    kinks = np.concatenate([mine - home.kinks_mw(), abroad.kinks_mw() - theirs, [netted, low, high]])
    flows = np.unique(np.clip(kinks, low, high))
    flows = flows[np.argsort(np.abs(flows - netted), kind="stable")]
    costs = [home.activation_cost_eur(mine - f) + abroad.activation_cost_eur(theirs + f) for f in flows]
    # equal costs may differ in the last bit: keep the first, that is the smallest flow
    flow = float(flows[int(np.argmax(np.asarray(costs) <= min(costs) + 1e-6))])
    served = [_served(area, need) for area, need in ((home, mine - flow), (abroad, theirs + flow))]
    is_free = -export_capacity_mw + 1e-9 < flow < import_capacity_mw - 1e-9
    return Exchange(
        flow_mw=flow,
        netted_mw=netted,
        activated_mw=(served[0], served[1]),
        price_eur_per_mwh=_border_prices((home, abroad), served, is_free=is_free),
        unserved_mw=(mine - flow - served[0], theirs + flow - served[1]),
    )


def _netted(mine: float, theirs: float, import_capacity_mw: float, export_capacity_mw: float) -> float:
    """Flow that lets opposite demands cancel."""
    if mine * theirs >= 0.0:
        return 0.0
    common = min(abs(mine), abs(theirs))
    return min(common, import_capacity_mw) if mine > 0.0 else -min(common, export_capacity_mw)


def _served(area: Ladders, need_mw: float) -> float:
    offered = float(np.sum(area.sorted_side(is_up=need_mw > 0.0)[:, 0]))
    return math.copysign(min(abs(need_mw), offered), need_mw) + 0.0


def _border_prices(areas: tuple[Ladders, Ladders], served: list[float], *, is_free: bool) -> tuple[float, float]:
    """Price on each side: its own marginal bid, shared over a border with room, mid price without activation."""
    own = [area.price_at(mw) for area, mw in zip(areas, served, strict=True)]
    known = [p for p in own if not math.isnan(p)]
    if is_free and known:
        shared = max(known) if max(served) > 1e-9 else min(known)
        return shared, shared
    prices = [area.mid_price_eur_per_mwh if math.isnan(p) else p for area, p in zip(areas, own, strict=True)]
    return prices[0], prices[1]
