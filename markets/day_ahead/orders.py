"""What can be bid into the day-ahead auction: points on a curve, and blocks over several market time units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

SIDES = {"buy": True, "sell": False}


def _whole_numbers(values: Any) -> np.ndarray:
    """Indices as int64; what is not a whole number becomes -1, which no market time unit has."""
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind != "f":
        return array.astype(np.int64)
    is_whole = np.isfinite(array) & (np.abs(array) < 2.0**62) & (np.floor(array) == array)
    return np.where(is_whole, array, -1.0).astype(np.int64)


@dataclass(frozen=True)
class CurveOrders:
    """Curve orders of all market time units (MTU), one row each, as columns of one length.

    A **step** order is accepted as a whole where the price is better than its limit, not at all where it is worse,
    and to any degree at its limit. A **linear** order is accepted from nothing at ``price_eur_per_mwh`` to its whole
    quantity at ``price_end_eur_per_mwh`` (lower for a buyer, higher for a seller) in proportion.
    A portfolio's curve is the sum of its rows.

    Parameters
    ----------
    owner : array_like of int, shape (n,)
        The bidder.
    is_buy : array_like of bool, shape (n,)
        Buyer or seller.
    mtu : array_like of int, shape (n,)
        Market time unit of delivery, counted from 0.
    quantity_mw : array_like of float, shape (n,)
        Offered or asked power, 0 or more on both sides.
    price_eur_per_mwh : array_like of float, shape (n,)
        Limit price.
    price_end_eur_per_mwh : array_like of float, shape (n,), optional
        Price at which a linear order is fully accepted; equal to the limit, or left out, for steps.
    order_id : array_like of int, shape (n,), optional
        Identifiers; a repeated one is rejected at admission.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    owner: np.ndarray
    is_buy: np.ndarray
    mtu: np.ndarray
    quantity_mw: np.ndarray
    price_eur_per_mwh: np.ndarray
    price_end_eur_per_mwh: np.ndarray | None = None
    order_id: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("owner", "mtu"):
            object.__setattr__(self, name, _whole_numbers(getattr(self, name)))
        object.__setattr__(self, "is_buy", np.atleast_1d(np.asarray(self.is_buy, dtype=np.bool_)))
        for name in ("quantity_mw", "price_eur_per_mwh", "price_end_eur_per_mwh"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64)))
        if self.order_id is not None:
            object.__setattr__(self, "order_id", np.atleast_1d(np.asarray(self.order_id, dtype=np.int64)))
        self._check_lengths()

    def _check_lengths(self) -> None:
        columns = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        wrong = [f"{name} has shape {c.shape}" for name, c in columns.items() if c.shape != self.quantity_mw.shape]
        if wrong or self.quantity_mw.ndim != 1:
            expected = f"quantity_mw has shape {self.quantity_mw.shape}, all columns need one length"
            raise ValueError("; ".join([*wrong, expected]))

    def __len__(self) -> int:
        return len(self.quantity_mw)

    @property
    def end_price_eur_per_mwh(self) -> np.ndarray:
        """Price of full acceptance of every row, float64[n]."""
        return self.price_eur_per_mwh if self.price_end_eur_per_mwh is None else self.price_end_eur_per_mwh

    @classmethod
    def from_rows(cls, rows: Iterable[Sequence[Any]]) -> CurveOrders:
        """Build orders from readable rows.

        Parameters
        ----------
        rows : iterable of (owner, side, mtu, quantity_mw, price_eur_per_mwh[, price_end_eur_per_mwh])
            ``side`` is ``"buy"`` or ``"sell"``.

        Returns
        -------
        CurveOrders
            One row each, in the given order.

        Raises
        ------
        ValueError
            Naming every row with an unknown side or the wrong number of entries.
        """
        listed = [tuple(r) for r in rows]
        faults = [
            f"row {i}: {r!r} is not (owner, buy|sell, mtu, quantity, price[, end price])"
            for i, r in enumerate(listed)
            if len(r) not in (5, 6) or r[1] not in SIDES
        ]
        if faults:
            raise ValueError("; ".join(faults))
        if not listed:
            return cls.empty()
        owner, side, mtu, quantity, price, end = zip(*((*r, r[4])[:6] for r in listed), strict=True)
        is_buy = np.array([SIDES[s] for s in side])
        return cls(np.array(owner), is_buy, np.array(mtu), np.array(quantity), np.array(price), np.array(end))

    @classmethod
    def empty(cls) -> CurveOrders:
        """No orders."""
        none = np.zeros(0)
        return cls(none, none, none, none, none)

    @classmethod
    def concatenate(cls, parts: Sequence[CurveOrders]) -> CurveOrders:
        """Join books in order; end prices are kept, identifiers only when every part has them."""
        if not parts:
            return cls.empty()
        names = ("owner", "is_buy", "mtu", "quantity_mw", "price_eur_per_mwh")
        owner, is_buy, mtu, quantity, price = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
        are_steps = all(p.price_end_eur_per_mwh is None for p in parts)
        end = None if are_steps else np.concatenate([p.end_price_eur_per_mwh for p in parts])
        ids = [p.order_id for p in parts if p.order_id is not None]
        order_id = np.concatenate(ids) if len(ids) == len(parts) else None
        return cls(owner, is_buy, mtu, quantity, price, end, order_id)


@dataclass(frozen=True)
class BlockOrder:
    """One order over several MTUs that is accepted by one share everywhere.

    Parameters
    ----------
    owner : int
        The bidder.
    is_buy : bool
        Buyer or seller.
    price_eur_per_mwh : float
        Limit on the volume-weighted mean price.
    quantity_mw : tuple of float
        Power in each of its MTUs (a profile block has different ones), 0 or more.
    first_mtu : int
        MTU of the first entry.
    min_acceptance_share : float
        Smallest accepted share other than nothing; 1 is fill-or-kill.
    block_id : str
        Name that links and results refer to; empty for none.
    parent_id : str
        Block that must be accepted at least to this one's share; empty for none.
    exclusive_group : str
        Accepted shares of one group add up to at most 1; empty for none.
    """

    owner: int
    is_buy: bool
    price_eur_per_mwh: float
    quantity_mw: tuple[float, ...]
    first_mtu: int
    min_acceptance_share: float = 1.0
    block_id: str = ""
    parent_id: str = ""
    exclusive_group: str = ""

    @classmethod
    def flat(
        cls,
        owner: int,
        side: str,
        quantity_mw: float,
        price_eur_per_mwh: float,
        first_mtu: int,
        n_mtu: int,
        **rest: Any,
    ) -> BlockOrder:
        """Build a block of constant power; ``side`` is ``"buy"`` or ``"sell"``, ``rest`` as in the class."""
        if side not in SIDES:
            raise ValueError(f"side {side!r} is not 'buy' or 'sell'")
        return cls(owner, SIDES[side], price_eur_per_mwh, (quantity_mw,) * n_mtu, first_mtu, **rest)

    @classmethod
    def hourly(
        cls,
        owner: int,
        side: str,
        quantity_mw: float,
        price_eur_per_mwh: float,
        hour: int,
        *,
        mtu_h: float = 0.25,
        **rest: Any,
    ) -> BlockOrder:
        """Build the 60-minute product of hour ``hour`` (counted from the first MTU) on MTUs of ``mtu_h`` hours."""
        per_hour = round(1.0 / mtu_h)
        return cls.flat(owner, side, quantity_mw, price_eur_per_mwh, hour * per_hour, per_hour, **rest)
