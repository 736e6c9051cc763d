"""The day-ahead auction: one uniform price per market time unit, for a whole day at once.

Among the outcomes of highest welfare the rules choose, in this order: the least curtailment at the price limits, its
equal sharing, the largest volume, acceptance in proportion among orders at the price, and the middle of the interval
of prices that still clear (rules: SDAC/EUPHEMIA public description).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from markets.day_ahead import kernels
from markets.day_ahead.admission import (
    AuctionTerms,
    Rejection,
    admit_blocks,
    admit_curves,
    rejections_of,
    round_half_away,
)
from markets.day_ahead.crossing import Book, Interval, accepted_mw, cross, volumes
from markets.day_ahead.families import BlockLimits, BlockSearch, BlockTable
from markets.day_ahead.orders import BlockOrder, CurveOrders
from markets.day_ahead.rounding import on_step


class ParadoxicalRejection(NamedTuple):
    """A rejected block that would have gained at the clearing prices, and how much, in euros."""

    block: int
    missed_surplus_eur: float


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
    paradoxically_rejected : tuple of ParadoxicalRejection
        Blocks that the prices would have paid but whose acceptance would have moved the prices against them or others.
    block_search : BlockSearch or None
        How the blocks were chosen, with the proven gap; None without blocks.
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
    paradoxically_rejected: tuple[ParadoxicalRejection, ...] = ()
    block_search: BlockSearch | None = None

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
    block_time_limit_s: float = 60.0,
    block_gap_eur: float = 0.001,
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
    block_time_limit_s : float
        Time for the choice of blocks; the best choice so far is taken when it runs out, which then depends on the
        machine (``block_search.is_proven`` tells).
    block_gap_eur : float
        Difference in welfare that counts as none in that choice.

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
    book = Book.of(orders, code, start_tick, end_tick, n_mtu)
    table = BlockTable.of(blocks, block_code, n_mtu, mtu_h)
    limits = BlockLimits(block_time_limit_s, block_gap_eur)
    interval, ticks, share, search = _priced(book, table, terms, limits)
    is_point = interval.low_tick == interval.high_tick
    at = np.where(is_point, interval.low_tick, ticks)  # between two ticks, acceptance follows the exact crossing
    traded = volumes(book, table.net_supply_mw(share), at)
    accepted, block_mw, volume = on_step(book, table, share, accepted_mw(book, traded, at), traded.bought_mw, terms)
    price = _shown(ticks, terms)
    outcome = DayAheadClearing(
        price_eur_per_mwh=price,
        price_low_eur_per_mwh=_shown(interval.low_tick, terms),
        price_high_eur_per_mwh=_shown(interval.high_tick, terms),
        volume_mw=volume,
        accepted_mw=_scattered(accepted, book.row, (len(orders),)),
        accepted_block_share=_scattered(share, table.row, (len(blocks),)),
        accepted_block_mw=_scattered(block_mw, table.row, (len(blocks), n_mtu)),
        welfare_eur=0.0,
        curtailment_share=_curtailment(book, accepted, ticks, terms),
        rejections=rejections_of(code) + rejections_of(block_code, is_block=True),
        paradoxically_rejected=_paradoxical(table, share, price),
        block_search=search,
    )
    return replace(outcome, welfare_eur=_welfare_eur(orders, table, outcome))


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


def _priced(
    book: Book, table: BlockTable, terms: AuctionTerms, limits: BlockLimits
) -> tuple[Interval, np.ndarray, np.ndarray, BlockSearch | None]:
    """Price intervals, prices in ticks, accepted block shares, and how these were found."""
    if len(table):
        from markets.day_ahead.selection import select_blocks  # loads the solver

        chosen, search = select_blocks(book, table, terms, limits)
        return chosen.interval, chosen.ticks, chosen.share, search
    interval = cross(book, np.zeros(terms.n_mtu), (terms.tick_min, terms.tick_max))
    return interval, round_half_away(0.5 * (interval.low_tick + interval.high_tick)), np.zeros(0), None


def _scattered(values: np.ndarray, row: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of admitted orders at the rows they were handed in; 0 elsewhere."""
    result = np.zeros(shape)
    result[row] = values
    return result


def _shown(ticks: np.ndarray, terms: AuctionTerms) -> np.ndarray:
    """Ticks as prices, NaN in closed MTUs."""
    return np.where(terms.open_mtu, terms.price_of(ticks), np.nan)


def _paradoxical(table: BlockTable, share: np.ndarray, price: np.ndarray) -> tuple[ParadoxicalRejection, ...]:
    """Rejected blocks that would have gained at the prices."""
    missed = table.missed_surplus_eur(share, table.surplus_eur(np.nan_to_num(price)))
    found = ((int(table.row[k]), round(float(missed[k]), 6)) for k in np.flatnonzero(missed > 1e-6))
    return tuple(ParadoxicalRejection(row, eur) for row, eur in sorted(found))


def _welfare_eur(orders: CurveOrders, table: BlockTable, outcome: DayAheadClearing) -> float:
    """Value to buyers minus cost of sellers of all that is accepted; prices along a linear order are averaged."""
    curves = kernels.worth_all(
        orders.is_buy,
        outcome.accepted_mw,
        orders.quantity_mw,
        orders.price_eur_per_mwh,
        orders.end_price_eur_per_mwh,
    )
    delivered = np.sum(outcome.accepted_block_mw[table.row], axis=1) * np.where(table.is_buy, 1.0, -1.0)
    return float((curves + np.sum(delivered * table.limit_eur_per_mwh)) * table.mtu_h)


def _curtailment(book: Book, accepted: np.ndarray, ticks: np.ndarray, terms: AuctionTerms) -> np.ndarray:
    """Unserved share of the price-taking orders where the price has reached a limit."""
    share = np.zeros(terms.n_mtu)
    for side, limit in ((0, terms.tick_max), (1, terms.tick_min)):
        for m in np.flatnonzero(ticks == limit):
            group_rows = slice(book.start[2 * m + side], book.start[2 * m + side + 1])
            takes = book.start_tick[group_rows] == limit
            offered = float(np.sum(book.quantity_mw[group_rows][takes]))
            if offered > 0.0:
                share[m] = 1.0 - float(np.sum(accepted[group_rows][takes])) / offered
    return share
