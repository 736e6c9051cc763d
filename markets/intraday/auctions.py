"""The intraday auctions IDA1 to IDA3 by the day-ahead engine, and when cross-border trade stops for them.

Live since 13 June 2024 (SIDC): one uniform price per 15-minute unit, limits of 9,999 EUR/MWh on both sides. The
allocation of cross-border capacity in continuous trade is suspended from 20 minutes before to 20 minutes after each
gate, so that it opens in effect after IDA1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from markets.day_ahead import BlockOrder, CurveOrders, DayAheadClearing, clear

PRICE_LIMIT_EUR_PER_MWH = 9999.0
SUSPENSION_MIN = 20.0
CROSS_BORDER_OPENS_HOUR = 15.0  # of the day before delivery


@dataclass(frozen=True)
class IntradayAuction:
    """One intraday auction.

    Parameters
    ----------
    name : str
        ``"ida1"`` to ``"ida3"``.
    day_offset : int
        Day of the gate, counted from the delivery day.
    gate_hour : float
        Local clock hour of the gate.
    hours : float
        Last hours of the delivery day that are auctioned.
    """

    name: str
    day_offset: int
    gate_hour: float
    hours: float | None

    def is_open(self, n_mtu: int, mtu_h: float = 0.25) -> np.ndarray:
        """Market time units of the delivery day that are auctioned, bool[n_mtu].

        The clock changes at night, so the second half of the day has 48 quarters on every day.
        """
        if self.hours is None:
            return np.ones(n_mtu, np.bool_)
        return np.arange(n_mtu) >= n_mtu - round(self.hours / mtu_h)

    @property
    def gate_min(self) -> float:
        """Minutes from midnight of the delivery day to the gate; negative on the day before."""
        return 60.0 * (24.0 * self.day_offset + self.gate_hour)


# Nord Pool "About the SIDC Intraday Auctions"; nemo-committee.eu/ida
AUCTIONS = {
    1: IntradayAuction("ida1", -1, 15.0, None),
    2: IntradayAuction("ida2", -1, 22.0, None),
    3: IntradayAuction("ida3", 0, 10.0, 12.0),
}


def clear_auction(
    number: int,
    orders: CurveOrders,
    blocks: Sequence[BlockOrder] = (),
    *,
    n_mtu: int,
    mtu_h: float = 0.25,
    is_open: np.ndarray | None = None,
    price_limit_eur_per_mwh: float = PRICE_LIMIT_EUR_PER_MWH,
    tick_eur_per_mwh: float = 0.01,
    volume_step_mw: float = 0.1,
    block_time_limit_s: float = 60.0,
) -> DayAheadClearing:
    """Clear one intraday auction of a delivery day.

    Parameters
    ----------
    number : int
        1, 2 or 3.
    orders, blocks, n_mtu, mtu_h, tick_eur_per_mwh, volume_step_mw, block_time_limit_s
        As in :func:`markets.day_ahead.clear`.
    is_open : bool[n_mtu], optional
        Units that can still be traded, such as those after a horizon begins; narrowed to those of the auction.
    price_limit_eur_per_mwh : float
        Largest price on either side of zero.

    Returns
    -------
    DayAheadClearing
        Prices are NaN, and orders refused as ``"closed_mtu"``, in units that the auction does not cover.

    Raises
    ------
    ValueError
        For an unknown auction.
    """
    if number not in AUCTIONS:
        raise ValueError(f"auction {number}: one of {', '.join(map(str, AUCTIONS))} is right")
    covered = AUCTIONS[number].is_open(n_mtu, mtu_h)
    return clear(
        orders,
        blocks,
        n_mtu=n_mtu,
        price_min_eur_per_mwh=-price_limit_eur_per_mwh,
        price_max_eur_per_mwh=price_limit_eur_per_mwh,
        tick_eur_per_mwh=tick_eur_per_mwh,
        volume_step_mw=volume_step_mw,
        mtu_h=mtu_h,
        is_open=covered if is_open is None else covered & np.asarray(is_open, dtype=np.bool_),
        block_time_limit_s=block_time_limit_s,
    )


def is_cross_border_open(time_min: float, delivery_start_min: float, *, gate_min: float = 60.0) -> bool:
    """Whether continuous trade across the border is possible.

    Parameters
    ----------
    time_min, delivery_start_min : float
        Instant of the trade and start of delivery, minutes from midnight of the delivery day.
    gate_min : float
        Minutes between the last cross-border trade and delivery (60, or 30 under Regulation 2024/1747).

    Returns
    -------
    bool
        False before 15:00 of the day before, at and after the gate, and around the auctions that cover the delivery:
        from 20 minutes before each gate until just before 20 minutes after it.
    """
    if not 60.0 * (CROSS_BORDER_OPENS_HOUR - 24.0) <= time_min < delivery_start_min - gate_min:
        return False
    gates = (a.gate_min for a in AUCTIONS.values() if a.hours is None or delivery_start_min >= 60.0 * (24.0 - a.hours))
    return not any(gate - SUSPENSION_MIN <= time_min < gate + SUSPENSION_MIN for gate in gates)
