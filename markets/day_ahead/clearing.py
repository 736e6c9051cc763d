"""The day-ahead auction: one uniform price per market time unit, for a whole day at once.

Among the outcomes of highest welfare the rules choose, in this order: the least curtailment at the price limits, its
equal sharing, the largest volume, acceptance in proportion among orders at the price, and the middle of the interval
of prices that still clear (rules: SDAC/EUPHEMIA public description).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from markets.day_ahead.admission import (
    AuctionTerms,
    Rejection,
    admit_blocks,
    admit_curves,
    rejections_of,
    round_half_away,
)
from markets.day_ahead.crossing import Book, Crossing, accept, cross, group
from markets.day_ahead.orders import BlockOrder, CurveOrders
from markets.day_ahead.rounding import round_groups


@dataclass(frozen=True)
class DayAheadClearing:
    """Outcome of one auction.

    Parameters
    ----------
    price_eur_per_mwh : float64[n_mtu]
        Clearing price, on the tick; NaN in MTUs that were not auctioned. Without trade it is the middle of the prices
        at which nobody trades.
    price_low_eur_per_mwh, price_high_eur_per_mwh : float64[n_mtu]
        Ends of the interval of clearing prices for the accepted blocks.
    volume_mw : float64[n_mtu]
        Power bought, which is the power sold, blocks included.
    accepted_mw : float64[n_orders]
        Accepted power of each curve order, 0 or more on both sides.
    accepted_block_share : float64[n_blocks]
        Accepted share of each block.
    accepted_block_mw : float64[n_blocks, n_mtu]
        Accepted power of each block, 0 or more on both sides, on the volume step.
    welfare_eur : float
        Value to buyers minus cost of sellers of what is accepted.
    curtailment_share : float64[n_mtu]
        Share of the price-taking power (bid at the limit that the price has reached) that goes unserved.
    rejections : tuple of Rejection
        Refused orders with the rule each one broke.
    """

    price_eur_per_mwh: np.ndarray
    price_low_eur_per_mwh: np.ndarray
    price_high_eur_per_mwh: np.ndarray
    volume_mw: np.ndarray
    accepted_mw: np.ndarray
    accepted_block_share: np.ndarray
    accepted_block_mw: np.ndarray
    welfare_eur: float
    curtailment_share: np.ndarray
    rejections: tuple[Rejection, ...]

    @property
    def is_traded(self) -> np.ndarray:
        """MTUs with a trade, bool[n_mtu]."""
        traded: np.ndarray = self.volume_mw > 0.0
        return traded


def clear(
    orders: CurveOrders,
    blocks: Sequence[BlockOrder] = (),
    *,
    n_mtu: int,
    price_min_eur_per_mwh: float = -500.0,
    price_max_eur_per_mwh: float = 4000.0,
    tick_eur_per_mwh: float = 0.01,
    volume_step_mw: float = 0.1,
    mtu_h: float = 0.25,
    volume_max_mw: float = 1e6,
    is_open: np.ndarray | None = None,
) -> DayAheadClearing:
    """Clear the auction.

    Parameters
    ----------
    orders : CurveOrders
        Step and linear orders.
    blocks : sequence of BlockOrder
        Block orders.
    n_mtu, price_min_eur_per_mwh, price_max_eur_per_mwh, tick_eur_per_mwh, volume_step_mw, mtu_h, volume_max_mw, is_open
        As in :class:`AuctionTerms`. Closed MTUs refuse every order.

    Returns
    -------
    DayAheadClearing
        Prices, volumes and acceptance. Orders that break a rule are listed with its name and accepted to nothing.

    Raises
    ------
    ValueError
        For terms that cannot hold; never for an order.
    """
    terms = AuctionTerms(
        n_mtu,
        price_min_eur_per_mwh,
        price_max_eur_per_mwh,
        tick_eur_per_mwh,
        volume_step_mw,
        mtu_h,
        volume_max_mw,
        is_open,
    )
    code, start_tick, end_tick = admit_curves(orders, terms)
    block_code = admit_blocks(blocks, terms)
    book = Book(*group(code, orders.mtu, orders.is_buy, start_tick, end_tick, orders.quantity_mw, n_mtu))
    crossing = cross(book, np.zeros(n_mtu), (terms.tick_min, terms.tick_max))
    exact = accept(*book[1:5], crossing.at_tick, crossing.buy_share, crossing.sell_share)
    accepted, volume = _on_step(book, exact, crossing, terms)
    accepted_mw = np.zeros(len(orders))
    accepted_mw[book.row] = accepted
    return DayAheadClearing(
        price_eur_per_mwh=_shown(round_half_away(crossing.at_tick), terms),
        price_low_eur_per_mwh=_shown(crossing.low_tick, terms),
        price_high_eur_per_mwh=_shown(crossing.high_tick, terms),
        volume_mw=volume,
        accepted_mw=accepted_mw,
        accepted_block_share=np.zeros(len(blocks)),
        accepted_block_mw=np.zeros((len(blocks), n_mtu)),
        welfare_eur=curve_welfare_eur(orders, accepted_mw, mtu_h),
        curtailment_share=_curtailment(book, accepted, crossing, terms),
        rejections=rejections_of(code) + rejections_of(block_code, is_block=True),
    )


def hourly_index(price_eur_per_mwh: np.ndarray, *, mtu_h: float = 0.25) -> np.ndarray:
    """Mean price of each hour, as published beside the 15-minute prices.

    Parameters
    ----------
    price_eur_per_mwh : array_like, shape (n_mtu,)
        Prices of whole hours.
    mtu_h : float
        Length of an MTU in hours.

    Returns
    -------
    float64[n_hours]
        Means, €/MWh, rounded to two decimals.

    Raises
    ------
    ValueError
        If the prices do not fill whole hours.
    """
    price = np.asarray(price_eur_per_mwh, dtype=np.float64)
    per_hour = round(1.0 / mtu_h)
    if price.ndim != 1 or len(price) % per_hour:
        raise ValueError(f"prices of shape {price.shape}: a multiple of {per_hour} is right")
    return round_half_away(price.reshape(-1, per_hour).mean(axis=1) * 100.0) / 100.0


def curve_welfare_eur(orders: CurveOrders, accepted_mw: np.ndarray, mtu_h: float) -> float:
    """Value to buyers minus cost of sellers of accepted curve orders, €; prices along a linear order are averaged."""
    taken = accepted_mw > 0.0
    accepted, quantity = accepted_mw[taken], orders.quantity_mw[taken]
    first, last = orders.price_eur_per_mwh[taken], orders.end_price_eur_per_mwh[taken]
    worth = accepted * (first + 0.5 * (last - first) * accepted / quantity)
    return float(np.sum(np.where(orders.is_buy[taken], worth, -worth)) * mtu_h)


def _shown(ticks: np.ndarray, terms: AuctionTerms) -> np.ndarray:
    """Ticks as prices, NaN in closed MTUs."""
    return np.where(terms.open_mtu, terms.price_of(ticks), np.nan)


def _on_step(book: Book, exact: np.ndarray, crossing: Crossing, terms: AuctionTerms) -> tuple[np.ndarray, np.ndarray]:
    """Accepted power of the grouped orders on the volume step, and the traded volume of every MTU."""
    step = terms.volume_step_mw
    if step == 0.0:
        return exact, crossing.bought_mw
    total = np.repeat(round_half_away(crossing.bought_mw / step), 2).astype(np.int64)
    steps = round_groups(exact, book.start, total, step)
    return terms.volume_of(steps), terms.volume_of(total[::2].astype(np.float64))


def _curtailment(book: Book, accepted: np.ndarray, crossing: Crossing, terms: AuctionTerms) -> np.ndarray:
    """Unserved share of the price-taking orders where the price has reached a limit."""
    share = np.zeros(terms.n_mtu)
    for side, limit in ((0, terms.tick_max), (1, terms.tick_min)):
        for m in np.flatnonzero(crossing.at_tick == limit):
            group_rows = slice(book.start[2 * m + side], book.start[2 * m + side + 1])
            takes = book.start_tick[group_rows] == limit
            offered = float(np.sum(book.quantity_mw[group_rows][takes]))
            if offered > 0.0:
                share[m] = 1.0 - float(np.sum(accepted[group_rows][takes])) / offered
    return share
