"""Location-tagged redispatch orders and the door that refuses those which break a rule.

An order stands on an exchange and carries the connection behind it. ``sell`` means the connection injects more or
consumes less, ``buy`` that it consumes more or injects less. Nothing here says whether a connection lies inside or
outside a congested area: that follows from its effectivity on the congested element.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from markets.levers import Regulation

# A row is named by the first rule it breaks.
RULES = (
    "",
    "not_a_number",
    "negative_volume",
    "duplicate_id",
    "no_location",
    "fill_share_outside_0_1",
    "empty_order",
    "gate_closed",
    "resting_time",
    "minimum_order_size",
    "volume_off_step",
    "price_off_tick",
    "price_above_cap",
    "below_participation_threshold",
    "above_participation_threshold",
    "pooling_not_allowed",
    "beyond_connection",
)
CODE = {name: code for code, name in enumerate(RULES)}
_ON_GRID = 1e-6  # distance from a tick or step, in ticks or steps, that is still float noise


class Rejection(NamedTuple):
    """One refused order: its row and the name of the rule it broke."""

    row: int
    rule: str


@dataclass(frozen=True)
class RedispatchRules:
    """What holds for every order and clearing.

    Parameters
    ----------
    min_order_mw : float
        Smallest order, its largest period counts (exchange minimum, GOPACS). It bounds what is placed, not what is
        taken: GOPACS clears orders partially (product conditions 3.0, section 3.1.4) and no minimum of a fill is
        known, so a fill may be smaller. Who cannot deliver less sets ``min_fill_share``.
    volume_step_mw, tick_eur_per_mwh : float
        Steps of volume and price; 0 for none.
    price_cap_eur_per_mwh : float
        Largest price either way: a sell above it or a buy below its negative is refused.
    participation_min_mw, participation_max_mw : float
        Contracted power of a connection that may take part (GOPACS: 0.1 to 60 MW; larger ones use TenneT's
        Reserve-Other-Purposes channel).
    is_pooling_allowed : bool
        Low-voltage connections may offer together as one order (``is_pool``).
    min_resting_min : float
        Minutes an order must have stood in the book.
    node_limit : int
        Search nodes of one optimisation with indivisible orders; the gap reached is reported. A count gives the
        same result on every machine.
    time_limit_s : float
        The same as wall-clock time; off by default, because it makes results depend on the machine.
    """

    min_order_mw: float = 0.1
    volume_step_mw: float = 0.0
    tick_eur_per_mwh: float = 0.01
    price_cap_eur_per_mwh: float = 1500.0
    participation_min_mw: float = 0.1
    participation_max_mw: float = 60.0
    is_pooling_allowed: bool = True
    min_resting_min: float = 0.0
    node_limit: int = 5000
    time_limit_s: float = float("inf")

    @classmethod
    def of(cls, regulation: Regulation) -> RedispatchRules:
        """Rules of a run from its levers."""
        return cls(
            min_order_mw=regulation.redispatch_min_order_mw,
            price_cap_eur_per_mwh=regulation.redispatch_price_cap_eur_per_mwh,
            is_pooling_allowed=regulation.redispatch_low_voltage_pooling,
        )


@dataclass(frozen=True)
class RedispatchOrders:
    """Orders as columns, one row an order; build with :meth:`of`.

    Parameters
    ----------
    connection_row : int64[n_orders]
        Row of the connection in the grid's table; -1 only for pools.
    is_buy : bool[n_orders]
        Side.
    quantity_mw : float64[n_orders, n_periods]
        Largest volume per period, 0 outside the order's window.
    price_eur_per_mwh : float64[n_orders]
        Order price, at which it is also settled.
    is_constant : bool[n_orders]
        The same share is accepted in every period of the window; else each period by itself.
    min_fill_share : float64[n_orders]
        Smallest accepted share, 0 for divisible, 1 for all-or-none (then also constant).
    contracted_mw : float64[n_orders]
        Contracted power of the connection or of the whole pool; NaN where unknown (then not checked).
    is_pool : bool[n_orders]
        The order stands for several connections.
    contract_cap_eur_per_mwh : float64[n_orders]
        Price agreed in a bid-obligation contract; NaN without. A dearer order is settled at the agreed price.
    csp : int64[n_orders]
        Row of the congestion service provider.
    order_id : int64[n_orders]
        Identifier, unique.
    rested_min : float64[n_orders]
        Minutes since it was placed.
    """

    connection_row: np.ndarray
    is_buy: np.ndarray
    quantity_mw: np.ndarray
    price_eur_per_mwh: np.ndarray
    is_constant: np.ndarray
    min_fill_share: np.ndarray
    contracted_mw: np.ndarray
    is_pool: np.ndarray
    contract_cap_eur_per_mwh: np.ndarray
    csp: np.ndarray
    order_id: np.ndarray
    rested_min: np.ndarray

    @classmethod
    def of(
        cls,
        connection_row: Any,
        is_buy: Any,
        quantity_mw: Any,
        price_eur_per_mwh: Any,
        *,
        is_constant: Any = False,
        min_fill_share: Any = 0.0,
        contracted_mw: Any = np.nan,
        is_pool: Any = False,
        contract_cap_eur_per_mwh: Any = np.nan,
        csp: Any = 0,
        order_id: Any = None,
        rested_min: Any = np.inf,
    ) -> RedispatchOrders:
        """Build orders; scalars hold for all rows, a one-dimensional ``quantity_mw`` is one period.

        Raises
        ------
        ValueError
            If the columns do not have one length; every wrong column is named.
        """
        quantity = np.asarray(quantity_mw, dtype=np.float64)
        quantity = quantity.reshape(-1, 1) if quantity.ndim < 2 else quantity
        n = quantity.shape[0]
        identifiers = np.arange(n) if order_id is None else order_id
        columns: dict[str, tuple[Any, type]] = {
            "connection_row": (connection_row, np.int64),
            "is_buy": (is_buy, np.bool_),
            "price_eur_per_mwh": (price_eur_per_mwh, np.float64),
            "is_constant": (is_constant, np.bool_),
            "min_fill_share": (min_fill_share, np.float64),
            "contracted_mw": (contracted_mw, np.float64),
            "is_pool": (is_pool, np.bool_),
            "contract_cap_eur_per_mwh": (contract_cap_eur_per_mwh, np.float64),
            "csp": (csp, np.int64),
            "order_id": (identifiers, np.int64),
            "rested_min": (rested_min, np.float64),
        }
        arrays: dict[str, np.ndarray] = {name: np.asarray(value, dtype=kind) for name, (value, kind) in columns.items()}
        faults = [f"{name} has shape {a.shape}, not ({n},)" for name, a in arrays.items() if a.shape not in ((), (n,))]
        if faults:
            raise ValueError("redispatch orders: " + "; ".join(faults))
        return cls(quantity_mw=quantity, **{name: np.broadcast_to(a, (n,)).copy() for name, a in arrays.items()})

    @property
    def n_orders(self) -> int:
        """Number of rows."""
        return int(self.quantity_mw.shape[0])

    @property
    def n_periods(self) -> int:
        """Number of periods."""
        return int(self.quantity_mw.shape[1])

    @property
    def is_window(self) -> np.ndarray:
        """Whether one share holds for all periods of a row (constant or all-or-none), bool[n_orders]."""
        return self.is_constant | (self.min_fill_share >= 1.0)

    @property
    def settled_price_eur_per_mwh(self) -> np.ndarray:
        """Order price cut to the contract's: a sell to at most the cap, a buy to at least its negative."""
        cap = np.where(np.isnan(self.contract_cap_eur_per_mwh), np.inf, self.contract_cap_eur_per_mwh)
        price = self.price_eur_per_mwh
        return np.where(self.is_buy, np.maximum(price, -cap), np.minimum(price, cap))

    def rows(self, keep: np.ndarray) -> RedispatchOrders:
        """The orders of a row mask or index array, in its order."""
        return replace(self, **{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def _duplicates(order_id: np.ndarray) -> np.ndarray:
    """Every row whose identifier an earlier row already has."""
    _, first = np.unique(order_id, return_index=True)
    is_repeat = np.ones(order_id.shape[0], dtype=np.bool_)
    is_repeat[first] = False
    return is_repeat


def _is_off_grid(value: np.ndarray, step: float) -> np.ndarray:
    if step <= 0.0:
        return np.zeros(value.shape, dtype=np.bool_)
    steps = np.clip(np.nan_to_num(value), -1e12, 1e12) / step
    return np.abs(steps - np.rint(steps)) > _ON_GRID * np.maximum(1.0, np.abs(steps) * 1e-6)


def _beyond_connection(orders: RedispatchOrders, is_valid: np.ndarray) -> np.ndarray:
    """Rows that, with the earlier valid rows of the same connection and side, sell more than it may carry.

    A side's full range is twice the contracted power (from full injection to full consumption).
    """
    beyond = np.zeros(orders.n_orders, dtype=np.bool_)
    range_mw = 2.0 * orders.contracted_mw
    peak = np.max(orders.quantity_mw, axis=1, initial=0.0)
    beyond[is_valid] = peak[is_valid] > range_mw[is_valid] + 1e-9
    single = np.flatnonzero(is_valid & ~beyond & ~orders.is_pool & np.isfinite(range_mw))
    key = orders.connection_row * 2 + orders.is_buy
    keys, counts = np.unique(key[single], return_counts=True)
    for repeated in keys[counts > 1]:
        used = np.zeros(orders.n_periods)
        for row in single[key[single] == repeated]:
            total = used + orders.quantity_mw[row]
            if np.max(total) > range_mw[row] + 1e-9:
                beyond[row] = True
            else:
                used = total
    return beyond


def faults(
    orders: RedispatchOrders, effectivity: np.ndarray, rules: RedispatchRules, first_open_period: int = 0
) -> np.ndarray:
    """Code of the first rule each order breaks, 0 for none.

    Parameters
    ----------
    orders : RedispatchOrders
        Rows to look at.
    effectivity : float64[n_orders, n_elements]
        A row with a NaN has no usable location.
    rules : RedispatchRules
        Limits.
    first_open_period : int
        First period whose gate is still open.

    Returns
    -------
    int64[n_orders]
        Position in :data:`RULES`.
    """
    q, price = orders.quantity_mw, orders.settled_price_eur_per_mwh
    peak = np.max(q, axis=1, initial=0.0)
    is_known = np.isfinite(orders.contracted_mw)
    size = np.where(is_known, orders.contracted_mw, peak)
    broken = {
        "not_a_number": ~(np.isfinite(q).all(axis=1) & np.isfinite(price) & np.isfinite(orders.min_fill_share)),
        "negative_volume": (q < 0.0).any(axis=1),
        "duplicate_id": _duplicates(orders.order_id),
        "no_location": ~np.isfinite(effectivity).all(axis=1) | ((orders.connection_row < 0) & ~orders.is_pool),
        "fill_share_outside_0_1": (orders.min_fill_share < 0.0) | (orders.min_fill_share > 1.0),
        "empty_order": peak <= 0.0,
        "gate_closed": (q[:, : max(0, first_open_period)] > 0.0).any(axis=1),
        "resting_time": orders.rested_min < rules.min_resting_min,
        "minimum_order_size": peak < rules.min_order_mw * (1.0 - 1e-9),
        "volume_off_step": _is_off_grid(q, rules.volume_step_mw).any(axis=1),
        "price_off_tick": _is_off_grid(price, rules.tick_eur_per_mwh),
        "price_above_cap": np.abs(price) > rules.price_cap_eur_per_mwh,
        "below_participation_threshold": is_known & (size < rules.participation_min_mw * (1.0 - 1e-9)),
        "above_participation_threshold": ~orders.is_pool & (size > rules.participation_max_mw),
        "pooling_not_allowed": orders.is_pool & (not rules.is_pooling_allowed),
    }
    codes = np.zeros(orders.n_orders, dtype=np.int64)
    for name, is_broken in broken.items():
        codes[is_broken & (codes == 0)] = CODE[name]
    codes[_beyond_connection(orders, codes == 0)] = CODE["beyond_connection"]
    return codes
