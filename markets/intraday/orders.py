"""What is traded continuously: products, orders, trades and the terms of the order book."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

KINDS = ("limit", "ioc", "fok", "aon", "iceberg")
SELF_TRADE_RULES = ("cancel_resting", "cancel_incoming", "allow")

# Volumes are counted in whole lots; where the terms name no volume step a lot is 1 W.
FINEST_LOT_MW = 1e-6


@dataclass(frozen=True)
class Product:
    """A delivery to trade: whole 15-minute periods.

    Parameters
    ----------
    first_period : int
        First period of delivery, counted from the start of the horizon.
    n_periods : int
        1, 2 or 4 periods: the products of 15, 30 and 60 minutes.
    """

    first_period: int
    n_periods: int = 1

    @property
    def start_min(self) -> float:
        """Start of delivery in minutes from the start of the horizon."""
        return 15.0 * self.first_period

    @property
    def duration_h(self) -> float:
        """Length of delivery in hours."""
        return 0.25 * self.n_periods

    @property
    def periods(self) -> range:
        """The periods of delivery."""
        return range(self.first_period, self.first_period + self.n_periods)

    @property
    def span(self) -> slice:
        """The same as a slice of a series."""
        return slice(self.first_period, self.first_period + self.n_periods)


@dataclass(frozen=True)
class BookTerms:
    """What holds for every order in a book.

    Parameters
    ----------
    price_min_eur_per_mwh, price_max_eur_per_mwh : float
        Price band.
    tick_eur_per_mwh : float
        Price tick.
    volume_step_mw : float
        Volume step; 0 accepts any volume and counts it in watts.
    volume_max_mw : float
        Largest quantity of one order.
    self_trade : str
        What happens where both sides of a trade have one owner: ``"cancel_resting"`` takes the resting order out and
        goes on, ``"cancel_incoming"`` drops what is left of the incoming order, ``"allow"`` trades.
    opens_min, closes_min : float
        Gate opening and closure in minutes from the start of the horizon; an order at the opening is in time, one at
        the closure is late.

    Raises
    ------
    ValueError
        Listing every term that cannot hold.
    """

    price_min_eur_per_mwh: float = -9999.99
    price_max_eur_per_mwh: float = 9999.99
    tick_eur_per_mwh: float = 0.01
    volume_step_mw: float = 0.1
    volume_max_mw: float = 1e6
    self_trade: str = "cancel_resting"
    opens_min: float = -math.inf
    closes_min: float = math.inf

    def __post_init__(self) -> None:
        faults = []
        if not self.tick_eur_per_mwh > 0.0:
            faults.append(f"tick_eur_per_mwh {self.tick_eur_per_mwh}: above 0 is right")
        if not self.price_min_eur_per_mwh < self.price_max_eur_per_mwh:
            faults.append(f"price band {self.price_min_eur_per_mwh} to {self.price_max_eur_per_mwh}: rising is right")
        if not self.volume_step_mw >= 0.0:
            faults.append(f"volume_step_mw {self.volume_step_mw}: 0 or more is right")
        if self.self_trade not in SELF_TRADE_RULES:
            faults.append(f"self_trade {self.self_trade!r}: one of {', '.join(SELF_TRADE_RULES)} is right")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def lot_mw(self) -> float:
        """Power of one lot."""
        return self.volume_step_mw or FINEST_LOT_MW

    def mw(self, lots: int) -> float:
        """Power of a number of lots; for a lot of one part in n, the nearest float of the decimal number."""
        return _times(lots, self.lot_mw)

    def price(self, ticks: int) -> float:
        """Price of a number of ticks."""
        return _times(ticks, self.tick_eur_per_mwh)


def _times(count: int, unit: float) -> float:
    parts = round(1.0 / unit)
    return count / parts if parts > 0 and abs(parts * unit - 1.0) < 1e-12 else count * unit


@dataclass(frozen=True)
class Order:
    """One order of the continuous market.

    Parameters
    ----------
    owner : int
        The trader.
    is_buy : bool
        Buyer or seller.
    quantity_mw : float
        Power, above 0.
    price_eur_per_mwh : float
        Limit.
    kind : str
        ``"limit"`` rests with what does not trade at once; ``"ioc"`` (immediate or cancel) drops it; ``"fok"`` (fill
        or kill) trades all of it at once or nothing; ``"aon"`` (all or none) trades all of it at one moment or waits;
        ``"iceberg"`` is a limit order that shows one peak at a time.
    peak_mw : float
        Visible part of an iceberg, above 0 and at most the quantity.
    order_id : int
        Identifier, 0 or more and not used before in the book; -1 lets the book number it.
    good_till_min : float
        Minute from which the order no longer rests (good till date); infinite for the whole session.
    """

    owner: int
    is_buy: bool
    quantity_mw: float
    price_eur_per_mwh: float
    kind: str = "limit"
    peak_mw: float = 0.0
    order_id: int = -1
    good_till_min: float = math.inf


class Trade(NamedTuple):
    """One trade; ``is_buy_incoming`` says whether the buyer came second, whose counterpart set the price."""

    time_min: float
    buy_order: int
    sell_order: int
    buyer: int
    seller: int
    quantity_mw: float
    price_eur_per_mwh: float
    is_buy_incoming: bool


class Refusal(NamedTuple):
    """An order, cancellation or replacement that was refused, with the rule it broke."""

    time_min: float
    order_id: int
    owner: int
    rule: str


class Level(NamedTuple):
    """One line of a snapshot: price, visible power and number of orders."""

    price_eur_per_mwh: float
    quantity_mw: float
    n_orders: int


class Snapshot(NamedTuple):
    """The visible book, best prices first."""

    time_min: float
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
