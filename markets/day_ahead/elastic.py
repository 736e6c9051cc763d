"""Curves turned into orders: a portfolio's price–quantity points and the price response of neighbouring zones."""

from __future__ import annotations

import numpy as np

from markets.day_ahead.orders import CurveOrders


def portfolio_orders(
    owner: int,
    price_eur_per_mwh: np.ndarray,
    net_buy_mw: np.ndarray,
    *,
    first_mtu: int = 0,
    is_linear: bool = True,
    tick_eur_per_mwh: float = 0.01,
) -> CurveOrders:
    """Turn the net purchase of a portfolio as a function of price into orders.

    Parameters
    ----------
    owner : int
        The bidder.
    price_eur_per_mwh : array_like, shape (k,)
        Rising prices of the points, on the tick.
    net_buy_mw : array_like, shape (n_mtu, k) or (k,)
        Net purchase at each price, falling or level along the prices; negative is a sale.
    first_mtu : int
        MTU of the first row.
    is_linear : bool
        Straight lines between the points; or steps, where a point's quantity holds up to the next point's price.
    tick_eur_per_mwh : float
        Price tick; the price at which a straight line turns from buying to selling is rounded to it.

    Returns
    -------
    CurveOrders
        What is bought even at the highest price is a step order there, what is sold even at the lowest one a step
        order at that price: beyond the points, the first and last quantities hold up to these prices.

    Raises
    ------
    ValueError
        If the prices do not rise, a net purchase rises with the price or a value is not finite.
    """
    price = np.asarray(price_eur_per_mwh, dtype=np.float64)
    net = np.atleast_2d(np.asarray(net_buy_mw, dtype=np.float64))
    _check_points(price, net)
    ends = [
        _rows(owner, True, net[:, -1:], price[-1:], price[-1:]),
        _rows(owner, False, -net[:, :1], price[:1], price[:1]),
    ]
    low, high = np.broadcast_to(price[:-1], net[:, :-1].shape), np.broadcast_to(price[1:], net[:, :-1].shape)
    turn = _turning_price(low, high, net, tick_eur_per_mwh)
    bought = np.maximum(net[:, :-1], 0.0) - np.maximum(net[:, 1:], 0.0)
    sold = np.maximum(-net[:, 1:], 0.0) - np.maximum(-net[:, :-1], 0.0)
    if is_linear:
        between = [
            _rows(owner, True, bought, np.minimum(turn, high), low),
            _rows(owner, False, sold, np.maximum(turn, low), high),
        ]
    else:
        between = [_rows(owner, True, bought, high, high), _rows(owner, False, sold, high, high)]
    book = CurveOrders.concatenate([*ends, *between])
    return CurveOrders(
        book.owner,
        book.is_buy,
        book.mtu + first_mtu,
        book.quantity_mw,
        book.price_eur_per_mwh,
        book.price_end_eur_per_mwh if is_linear else None,
    )


def neighbour_orders(
    owner: int,
    price_eur_per_mwh: np.ndarray,
    net_import_mw: np.ndarray,
    *,
    first_mtu: int = 0,
    is_linear: bool = True,
    tick_eur_per_mwh: float = 0.01,
) -> CurveOrders:
    """Turn the price-elastic net import from neighbouring zones into orders.

    Parameters
    ----------
    owner : int
        The account of the border.
    price_eur_per_mwh : array_like, shape (k,)
        Rising prices in this zone.
    net_import_mw : array_like, shape (n_mtu, k) or (k,)
        What the neighbours deliver at each price, rising or level along the prices; negative is export.
    first_mtu, is_linear, tick_eur_per_mwh
        As in :func:`portfolio_orders`.

    Returns
    -------
    CurveOrders
        Sales for import, purchases for export.
    """
    net_buy = -np.asarray(net_import_mw, dtype=np.float64)
    return portfolio_orders(
        owner,
        price_eur_per_mwh,
        net_buy,
        first_mtu=first_mtu,
        is_linear=is_linear,
        tick_eur_per_mwh=tick_eur_per_mwh,
    )


def _check_points(price: np.ndarray, net: np.ndarray) -> None:
    if price.ndim != 1 or len(price) == 0 or net.shape[1] != len(price):
        raise ValueError(f"{net.shape[1]} quantities per MTU for prices of shape {price.shape}: one each is right")
    if not (np.isfinite(price).all() and np.isfinite(net).all()):
        raise ValueError("prices and quantities must be finite")
    if (np.diff(price) <= 0).any():
        raise ValueError(f"point {int(np.argmax(np.diff(price) <= 0)) + 1}: prices must rise")
    rising = np.argwhere(np.diff(net, axis=1) > 0)
    if len(rising):
        raise ValueError(
            f"MTU row {rising[0][0]}, point {rising[0][1] + 1}: the net purchase must not rise with the price"
        )


def _turning_price(low: np.ndarray, high: np.ndarray, net: np.ndarray, tick: float) -> np.ndarray:
    """Price in each stretch where buying turns to selling; its far end where it does not."""
    first, last = net[:, :-1], net[:, 1:]
    is_turn = (first > 0.0) & (last < 0.0)
    fall = np.where(is_turn, first - last, 1.0)
    at = np.round((low + (high - low) * first / fall) / tick) * tick
    return np.where(is_turn, np.clip(at, low, high), np.where(first > 0.0, high, low))


def _rows(owner: int, is_buy: bool, quantity: np.ndarray, start: np.ndarray, end: np.ndarray) -> CurveOrders:
    """Orders of one side for the positive entries of quantity[n_mtu, k]."""
    keep = quantity > 0.0
    mtu = np.nonzero(keep)[0]
    start, end = (np.broadcast_to(a, quantity.shape)[keep] for a in (start, end))
    n = len(mtu)
    return CurveOrders(np.full(n, owner), np.full(n, is_buy), mtu, quantity[keep], start, end)
