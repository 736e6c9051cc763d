"""The door of the auction: its terms, and the rows that break one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from markets.day_ahead.orders import BlockOrder, CurveOrders

# The names of the rules; a row's code is the position. 0 is admitted; a row is named by the first rule it breaks.
RULES = (
    "",
    "not_a_number",
    "negative_volume",
    "volume_above_maximum",
    "unknown_mtu",
    "closed_mtu",
    "price_outside_limits",
    "price_off_tick",
    "volume_off_step",
    "curve_slopes_wrong_way",
    "duplicate_id",
    "acceptance_share_outside_0_1",
    "empty_block",
    "unknown_parent",
    "parent_cycle",
    "parent_rejected",
)
CODE = {name: code for code, name in enumerate(RULES)}

_ON_GRID = 1e-6  # distance from a tick or volume step, in ticks or steps, that is still float noise


class Rejection(NamedTuple):
    """One refused order: its row among the curve orders (or the blocks) and the rule it broke."""

    row: int
    rule: str
    is_block: bool = False


@dataclass(frozen=True)
class AuctionTerms:
    """What holds for every order of one auction.

    Parameters
    ----------
    n_mtu : int
        Number of market time units.
    price_min_eur_per_mwh, price_max_eur_per_mwh : float
        Harmonised limits, on the tick.
    tick_eur_per_mwh : float
        Price tick.
    volume_step_mw : float
        Volume step; 0 for none.
    mtu_h : float
        Length of an MTU in hours.
    volume_max_mw : float
        Largest quantity of one order.
    is_open : array of bool, shape (n_mtu,), optional
        MTUs that are auctioned; all when left out.

    Raises
    ------
    ValueError
        Listing every term that cannot hold.
    """

    n_mtu: int
    price_min_eur_per_mwh: float = -500.0
    price_max_eur_per_mwh: float = 4000.0
    tick_eur_per_mwh: float = 0.01
    volume_step_mw: float = 0.1
    mtu_h: float = 0.25
    volume_max_mw: float = 1e6
    is_open: np.ndarray | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.n_mtu < 1:
            faults.append(f"n_mtu {self.n_mtu}: at least 1 is right")
        if not self.tick_eur_per_mwh > 0.0:
            faults.append(f"tick_eur_per_mwh {self.tick_eur_per_mwh}: above 0 is right")
        elif not self._are_limits_right():
            limits = f"{self.price_min_eur_per_mwh} and {self.price_max_eur_per_mwh}"
            faults.append(f"price limits {limits}: finite, rising and on the tick is right")
        if not self.volume_step_mw >= 0.0:
            faults.append(f"volume_step_mw {self.volume_step_mw}: 0 or more is right")
        if not self.mtu_h > 0.0:
            faults.append(f"mtu_h {self.mtu_h}: above 0 is right")
        if self.is_open is not None and np.shape(self.is_open) != (self.n_mtu,):
            faults.append(f"is_open has shape {np.shape(self.is_open)}: ({self.n_mtu},) is right")
        if faults:
            raise ValueError("; ".join(faults))

    def _are_limits_right(self) -> bool:
        low, high = self.price_min_eur_per_mwh, self.price_max_eur_per_mwh
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            return False
        scaled = np.array([low, high]) / self.tick_eur_per_mwh
        return bool((np.abs(scaled - np.rint(scaled)) <= _ON_GRID).all())

    @property
    def tick_min(self) -> int:
        """Lower limit in ticks."""
        return round(self.price_min_eur_per_mwh / self.tick_eur_per_mwh)

    @property
    def tick_max(self) -> int:
        """Upper limit in ticks."""
        return round(self.price_max_eur_per_mwh / self.tick_eur_per_mwh)

    @property
    def open_mtu(self) -> np.ndarray:
        """Which MTUs are auctioned, bool[n_mtu]."""
        return np.ones(self.n_mtu, np.bool_) if self.is_open is None else np.asarray(self.is_open, np.bool_)

    def price_of(self, ticks: np.ndarray) -> np.ndarray:
        """Price of a (fractional) number of ticks; whole ticks give the nearest float of the decimal price."""
        return _times(ticks, self.tick_eur_per_mwh)

    def volume_of(self, steps: np.ndarray) -> np.ndarray:
        """Power of a number of volume steps, MW."""
        return _times(steps, self.volume_step_mw)


def _times(counts: np.ndarray, unit: float) -> np.ndarray:
    """Counts times a unit; for a unit of one part in n, the nearest float of the decimal number."""
    parts = round(1.0 / unit)
    return counts / parts if parts > 0 and abs(parts * unit - 1.0) < 1e-12 else counts * unit


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Round to whole numbers, halves away from zero; what float noise puts just below a half counts as a half."""
    rounded: np.ndarray = np.sign(values) * np.floor(np.abs(values) + 0.5 + 1e-9)
    return rounded


@numba.njit(cache=True)
def curve_codes(
    mtu: np.ndarray,
    is_buy: np.ndarray,
    quantity: np.ndarray,
    price: np.ndarray,
    end: np.ndarray,
    is_open: np.ndarray,
    limits: tuple,
    tick: float,
    step: float,
    volume_max: float,
) -> tuple:
    """Find the first rule that each curve order breaks.

    Returns
    -------
    code : uint8[n]
        Position in :data:`RULES`.
    start_tick, end_tick : int32[n]
        Prices in ticks, 0 where rejected.
    """
    n = len(quantity)
    code = np.zeros(n, np.uint8)
    start_tick, end_tick = np.zeros(n, np.int32), np.zeros(n, np.int32)
    low, high = limits
    for i in range(n):
        q, p, e = quantity[i], price[i], end[i]
        if not (np.isfinite(q) and np.isfinite(p) and np.isfinite(e)):
            code[i] = 1
        elif q < 0.0:
            code[i] = 2
        elif q > volume_max:
            code[i] = 3
        elif mtu[i] < 0 or mtu[i] >= len(is_open):
            code[i] = 4
        elif not is_open[mtu[i]]:
            code[i] = 5
        else:
            x, y, lots = p / tick, e / tick, q / step if step > 0.0 else 0.0
            t, u = np.rint(x), np.rint(y)
            if t < low or t > high or u < low or u > high or abs(x) > 2e9:
                code[i] = 6
            elif abs(x - t) > 1e-6 or abs(y - u) > 1e-6:
                code[i] = 7
            elif abs(lots - np.rint(lots)) > 1e-6:
                code[i] = 8
            elif (is_buy[i] and u > t) or (not is_buy[i] and u < t):
                code[i] = 9
            else:
                start_tick[i], end_tick[i] = np.int32(t), np.int32(u)
    return code, start_tick, end_tick


def admit_curves(orders: CurveOrders, terms: AuctionTerms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check every curve order.

    Parameters
    ----------
    orders : CurveOrders
        The book.
    terms : AuctionTerms
        What holds.

    Returns
    -------
    code : uint8[n]
        Position in :data:`RULES`; 0 is admitted.
    start_tick, end_tick : int32[n]
        Prices in ticks.
    """
    code, start_tick, end_tick = curve_codes(
        orders.mtu,
        orders.is_buy,
        orders.quantity_mw,
        orders.price_eur_per_mwh,
        orders.end_price_eur_per_mwh,
        terms.open_mtu,
        (terms.tick_min, terms.tick_max),
        terms.tick_eur_per_mwh,
        terms.volume_step_mw,
        terms.volume_max_mw,
    )
    if orders.order_id is not None:
        code[_repeated(orders.order_id) & (code == 0)] = CODE["duplicate_id"]
    return code, start_tick, end_tick


def _repeated(ids: np.ndarray) -> np.ndarray:
    """Rows whose identifier occurred in an earlier row, bool[n]."""
    if (np.diff(ids) > 0).all():
        return np.zeros(len(ids), np.bool_)
    _, first = np.unique(ids, return_index=True)
    is_repeated = np.ones(len(ids), np.bool_)
    is_repeated[first] = False
    return is_repeated


def rejections_of(code: np.ndarray, *, is_block: bool = False) -> tuple[Rejection, ...]:
    """List the rejected rows with the rule's name."""
    rows = np.flatnonzero(code)
    return tuple(Rejection(int(r), RULES[code[r]], is_block) for r in rows)


def admit_blocks(blocks: Sequence[BlockOrder], terms: AuctionTerms) -> np.ndarray:
    """Check every block; a block under a rejected parent falls with it.

    Returns
    -------
    uint8[n_blocks]
        Position in :data:`RULES`; 0 is admitted.
    """
    names = [_broken_rule(b, terms) for b in blocks]
    row_of: dict[str, int] = {}
    for row, block in enumerate(blocks):
        if block.block_id and row_of.setdefault(block.block_id, row) != row:
            names[row] = names[row] or "duplicate_id"
    lineages = [_lineage(row, blocks, row_of) for row in range(len(blocks))]
    for row, lineage in enumerate(lineages):
        if not names[row] and isinstance(lineage, str):
            names[row] = lineage
    own = list(names)
    for row, lineage in enumerate(lineages):
        if not own[row] and not isinstance(lineage, str) and any(own[ancestor] for ancestor in lineage):
            names[row] = "parent_rejected"
    return np.array([CODE[n] for n in names], dtype=np.uint8)


def _lineage(row: int, blocks: Sequence[BlockOrder], row_of: dict[str, int]) -> list[int] | str:
    """Rows of parent, grandparent and so on; or the rule that the links break."""
    ancestors: list[int] = []
    seen = {row}
    while blocks[row].parent_id:
        if blocks[row].parent_id not in row_of:
            return ancestors or "unknown_parent"
        row = row_of[blocks[row].parent_id]
        if row in seen:
            return "parent_cycle"
        seen.add(row)
        ancestors.append(row)
    return ancestors


def _broken_rule(block: BlockOrder, terms: AuctionTerms) -> str:
    """First rule that a block breaks by itself, or an empty string."""
    quantity = np.asarray(block.quantity_mw, dtype=np.float64)
    ticks = block.price_eur_per_mwh / terms.tick_eur_per_mwh
    last = block.first_mtu + len(quantity)
    within = np.minimum(quantity, terms.volume_max_mw)  # a huge volume must not overflow
    steps = within / terms.volume_step_mw if terms.volume_step_mw > 0.0 else np.zeros_like(quantity)
    if not (np.isfinite(quantity).all() and math.isfinite(ticks) and math.isfinite(block.min_acceptance_share)):
        return "not_a_number"
    is_known = block.first_mtu >= 0 and last <= terms.n_mtu
    checks = (
        ("negative_volume", (quantity < 0.0).any()),
        ("volume_above_maximum", (quantity > terms.volume_max_mw).any()),
        ("unknown_mtu", not is_known),
        ("closed_mtu", is_known and not terms.open_mtu[block.first_mtu : last].all()),
        ("price_outside_limits", not terms.tick_min - 0.5 <= ticks <= terms.tick_max + 0.5),
        ("price_off_tick", abs(ticks - round(ticks)) > _ON_GRID),
        ("volume_off_step", (np.abs(steps - np.rint(steps)) > _ON_GRID).any()),
        ("acceptance_share_outside_0_1", not 0.0 <= block.min_acceptance_share <= 1.0),
        ("empty_block", not quantity.any()),
    )
    return next((name for name, is_broken in checks if is_broken), "")
