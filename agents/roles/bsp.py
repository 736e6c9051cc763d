"""BSP: brings the pool's flexibility to the balancing markets, within what it is prequalified for."""

from __future__ import annotations

from typing import ClassVar

import mesa
import numpy as np

from agents.links import Links
from agents.messages import (
    Activation,
    ActivationNotice,
    BalancingOffer,
    BalancingOfferToTso,
    FlexibilityUsedToBsp,
    FlexibilityUsedToTso,
    ReserveAward,
    ReserveNotice,
    ReserveOffer,
)
from agents.role import Role
from agents.roles.pooling import merged_balancing, merged_reserve, parts
from markets.balancing import CapacityBids, EnergyBids, PoolRules, prequalify

FCR_EUR_PER_MW_H, AFRR_EUR_PER_MW_H = 6.0, 7.0
"""What the pool asks for keeping a megawatt ready: little beyond the drivers' patience (assumption)."""
NEW_POOL_SHARE = {1: 0.5, -1: 0.1}
"""Part of what the pool says it can do, up and down, that is offered before anything was seen of it (assumption): few
cars can take more at a moment, many can take less."""
KEPT_SHARE = {0: 0.25, 1: 0.5, -1: 0.5}
"""Part of the sure power that is sold as FCR, and of what that leaves as aFRR: from day to day the least of a block
differs by half (measured in the default week; penalties then take 4 % of what the contracts bring)."""
FIRST_BIDS = 2
"""Bids are due half an hour ahead: a pool that starts with the run has none for its first two quarters."""
RAMP_SHARE_PER_MIN = 1.0
"""Chargers follow within a minute."""
POOL_OBJECT = 9_000_000
"""Number of the pool as a steered object in balancing bids."""


class BSP(Role):
    """Balancing service provider of one pool.

    Parameters
    ----------
    row : int
        Number of the party as an owner of bids.
    rating_mw : float
        Rated power of the pool, national size.
    rules : PoolRules
        Prequalification.
    step_mw : float
        Smallest bid and its step.
    n_periods : int
        Length of the run.
    """

    role: ClassVar[str] = "bsp"

    def __init__(
        self,
        model: mesa.Model,
        party: str,
        links: Links,
        row: int,
        rating_mw: float,
        rules: PoolRules,
        step_mw: float,
        n_periods: int,
    ) -> None:
        super().__init__(model, party, links)
        self.row, self.step_mw = row, step_mw
        groups = np.minimum(np.full(max(1, int(np.ceil(rating_mw / rules.group_max_mw))), rating_mw), 150.0)
        groups *= rating_mw / max(float(np.sum(groups)), 1e-9)
        self.prequalification = prequalify(groups, rules)
        self.up_mw, self.down_mw = np.zeros(n_periods), np.zeros(n_periods)
        self.up_price, self.down_price = np.zeros(n_periods), np.zeros(n_periods)
        self.fcr_mw = np.zeros(n_periods)
        self.used_mw = np.zeros(n_periods)
        self._known_until = 0
        self._offered: dict[int, dict[str, BalancingOffer]] = {}
        """What each aggregator offered, by period."""
        self.called_mw: dict[str, float] = {}
        """Power that each of them was last asked for."""
        self._fcr_bid_mw = np.zeros(n_periods)
        self.reserve_eur = np.zeros(n_periods)
        """What it got for contracted reserve, less penalties, of the simulated town: by first period of the block."""
        self.reserve_parts: dict[str, np.ndarray] = {}
        """Part of each aggregator in the contracted reserve of every period."""

    @property
    def prequalified_mw(self) -> float:
        """Power it may bid in each direction."""
        return self.prequalification.prequalified_mw

    def hear(self) -> None:
        """Take in what the pool offers and pass it on to the operator (BSP-1, BSP-2)."""
        for offer in self._pooled():
            n = min(len(offer.up_mw), len(self.up_mw) - offer.first_period)
            span = slice(offer.first_period, offer.first_period + n)
            self.up_mw[span], self.down_mw[span] = offer.up_mw[:n], offer.down_mw[:n]
            self._known_until = max(self._known_until, span.stop)
            self.up_price[span], self.down_price[span] = offer.up_eur_per_mwh[:n], offer.down_eur_per_mwh[:n]
            self.send(
                BalancingOfferToTso(offer.first_period, offer.connection_row, offer.up_mw.copy(), offer.down_mw.copy())
            )

    def _pooled(self) -> list[BalancingOffer]:
        """New offers, those of several aggregators for the same periods as one."""
        by_span: dict[tuple[int, int], dict[str, BalancingOffer]] = {}
        for party, offer in self.knowledge.take_from(BalancingOffer):
            by_span.setdefault((offer.first_period, len(offer.up_mw)), {})[party] = offer
        for (first, _), of_party in by_span.items():
            self._offered[first] = of_party
        return [merged_balancing(list(of_party.values())) for of_party in by_span.values()]

    # --- capacity ----------------------------------------------------------------------------------------------------

    def capacity_bids(self, products: tuple[int, ...], blocks: np.ndarray, first: int) -> CapacityBids | None:
        """Offer in each block the least that the pool can hold ready throughout, in whole steps.

        Contracted capacity must be bid and held, so it counts what the pool really had at that time of the last days.

        Parameters
        ----------
        products : tuple of int
            ``(0,)`` for FCR, ``(1, -1)`` for aFRR: that gate is later, and what was bid as FCR is kept out.
        blocks : int array, shape (n_periods of the day,)
            Block of every period.
        first : int
            First period of the day.
        """
        offer = merged_reserve(list(self.knowledge.newest_of(ReserveOffer).values()))
        if offer is None or self.prequalified_mw <= 0.0:
            return None
        rows = []
        day = slice(first, first + len(blocks))
        if products == (0,):
            self._fcr_bid_mw[day] = 0.0
        sure = {way: self._sure_mw(way, told, first) for way, told in ((1, offer.up_mw), (-1, offer.down_mw))}
        for block in np.unique(blocks):
            inside = blocks == block
            low = {way: float((mw - self._fcr_bid_mw[day])[inside].min()) for way, mw in sure.items()}
            low[0] = min(low.values())
            for product in products:
                price = FCR_EUR_PER_MW_H if product == 0 else AFRR_EUR_PER_MW_H
                power = min(KEPT_SHARE[product] * low[product], self.prequalified_mw)
                mw = np.floor(power / self.step_mw + 1e-9) * self.step_mw
                if mw > 0.0:
                    rows.append((int(block), product, round(float(mw), 3), price))
                if product == 0:
                    self._fcr_bid_mw[day][inside] = max(mw, 0.0)
        if not rows:
            return None
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        return CapacityBids(self.row, columns[0], columns[2], np.round(columns[3] * 4.0, 2), columns[1])

    def _sure_mw(self, way: int, told_mw: np.ndarray, first: int) -> np.ndarray:
        """What the pool says it can do, at most what it could do at that time on the last two days that are known."""
        had = self.up_mw if way > 0 else self.down_mw
        periods = np.arange(first, first + len(told_mw))
        newest = np.where(periods - 96 >= self._known_until, periods - 192, periods - 96)
        seen = np.where(newest >= 0, had[np.maximum(newest, 0)], NEW_POOL_SHARE[way] * told_mw)
        before = np.where(newest >= 96, had[np.maximum(newest - 96, 0)], np.inf)
        sure = np.minimum(told_mw, np.minimum(seen, before))
        return np.where(periods < FIRST_BIDS, 0.0, sure)

    def take_awards(self) -> None:
        """Tell the aggregator what it must keep ready."""
        for award in self.knowledge.take(ReserveAward):
            span = slice(award.first_period, award.first_period + len(award.fcr_mw))
            self.fcr_mw[span] = np.maximum(self.fcr_mw[span], award.fcr_mw)
            offers = self.knowledge.newest_of(ReserveOffer)
            for party, part in parts({p: float(np.sum(o.up_mw)) for p, o in offers.items()}).items():
                told = (award.fcr_mw * part, award.up_mw * part, award.down_mw * part)
                self.send(ReserveNotice(award.first_period, *told), party)
                self.reserve_parts.setdefault(party, np.zeros(len(self.fcr_mw)))[span] = part

    # --- energy ------------------------------------------------------------------------------------------------------

    def energy_bids(self, period: int) -> EnergyBids | None:
        """Bid what is left after FCR in whole steps, up and down, within what is prequalified (MR-BSP)."""
        room = np.array([self.up_mw[period], self.down_mw[period]]) - self.fcr_mw[period]
        mw = np.floor(np.clip(room, 0.0, self.prequalified_mw) / self.step_mw + 1e-9) * self.step_mw
        keep = mw > 0.0
        if not keep.any():
            return None
        price = np.array([self.up_price[period], self.down_price[period]])
        signed = np.round(mw, 3) * np.array([1.0, -1.0])
        return EnergyBids(self.row, signed[keep], price[keep], RAMP_SHARE_PER_MIN, POOL_OBJECT)

    def pass_on_activation(self) -> None:
        """Notify the aggregator of activations (BSP-4)."""
        for call in self.knowledge.take(Activation):
            self.called_mw = {}
            for party, part in self._parts_of(call).items():
                self.called_mw[party] = part * call.power_mw
                self.send(ActivationNotice(call.period, part * call.power_mw), party)

    def _parts_of(self, call: Activation) -> dict[str, float]:
        """Each aggregator's part of an activation: as it offered for that period and direction."""
        offers = self._offered.get(call.period, {})
        self._offered = {k: v for k, v in self._offered.items() if k >= call.period}
        way = "up_mw" if call.power_mw > 0.0 else "down_mw"
        at = call.period
        return parts({p: float(getattr(o, way)[at - o.first_period]) for p, o in offers.items()})

    def report(self) -> None:
        """Tell the operator what was really delivered (BSP-3)."""
        told_mw: dict[int, float] = {}
        for used in self.knowledge.take(FlexibilityUsedToBsp):
            told_mw[used.period] = told_mw.get(used.period, 0.0) + used.power_mw
        for period, mw in told_mw.items():
            self.used_mw[period] = mw
            self.send(FlexibilityUsedToTso(period, mw))
