"""Reserve capacity auctions: FCR (symmetric, six blocks of four hours) and aFRR (up and down apart)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from markets.balancing.bids import Rejection, column, is_off_grid
from markets.balancing.selection import CostCurve, cheapest_split, cost_curve

BLOCKS_PER_DAY = 6
SYMMETRIC, UP, DOWN = 0, 1, -1


@dataclass(frozen=True)
class CapacityBids:
    """Capacity bids of one day, one row each, as columns of one length; scalars are repeated.

    Parameters
    ----------
    owner : array_like of int, shape (n,)
        The balancing service provider.
    block : array_like of int, shape (n,)
        Product period, counted from 0 (six blocks of four hours).
    quantity_mw : array_like of float, shape (n,)
        Offered power.
    price_eur_per_mw : array_like of float, shape (n,)
        For the whole block, not per hour.
    direction : array_like of int, shape (n,)
        0 symmetric (FCR), 1 up, -1 down (aFRR).
    is_indivisible : array_like of bool, shape (n,)
        Awarded completely or not at all.
    time_stamp : array_like of float, shape (n,), optional
        Entry time, older first among equals; by row when left out.
    is_domestic : array_like of bool, shape (n,)
        False for bids from other areas of a common auction.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    owner: Any
    block: Any
    quantity_mw: Any
    price_eur_per_mw: Any
    direction: Any = SYMMETRIC
    is_indivisible: Any = False
    time_stamp: Any = None
    is_domestic: Any = True

    def __post_init__(self) -> None:
        n = np.atleast_1d(np.asarray(self.quantity_mw)).size
        if self.time_stamp is None:
            object.__setattr__(self, "time_stamp", np.arange(n))
        kinds: dict[str, type] = dict.fromkeys(("quantity_mw", "price_eur_per_mw", "time_stamp"), float)
        kinds |= dict.fromkeys(("is_indivisible", "is_domestic"), bool)
        for declared in fields(self):
            values = column(getattr(self, declared.name), n, kinds.get(declared.name, int))
            object.__setattr__(self, declared.name, values)
        lengths = {f.name: getattr(self, f.name).shape for f in fields(self)}
        if set(lengths.values()) != {(n,)}:
            raise ValueError(f"capacity bids: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return int(self.quantity_mw.size)


@dataclass(frozen=True)
class CapacityRules:
    """What a capacity bid must satisfy and how it is paid.

    Parameters
    ----------
    min_bid_mw : float
        Smallest bid; below 1 MW it is also the step, otherwise the step is 1 MW.
    max_bid_mw : float
        Largest bid (the field is four digits wide; assumption).
    indivisible_max_mw : float
        Largest indivisible bid.
    price_max_eur_per_mw : float
        Highest price; the lowest is 0.
    tick_eur_per_mw : float
        Price tick.
    n_blocks : int
        Product periods of the day.
    is_pay_as_bid : bool
        Every award is paid its own price instead of the marginal one.
    """

    min_bid_mw: float = 1.0
    max_bid_mw: float = 9999.0
    indivisible_max_mw: float = 25.0
    price_max_eur_per_mw: float = 99_999.0
    tick_eur_per_mw: float = 0.01
    n_blocks: int = BLOCKS_PER_DAY
    is_pay_as_bid: bool = False

    @property
    def step_mw(self) -> float:
        """Granularity of offers and awards."""
        return min(self.min_bid_mw, 1.0)


RULES = (
    "not_a_number",
    "unknown_block",
    "wrong_direction",
    "below_minimum",
    "above_maximum",
    "off_volume_step",
    "indivisible_too_large",
    "price_outside_limits",
    "price_off_tick",
    "beyond_prequalification",
)


@dataclass(frozen=True)
class CapacityAward:
    """Result of a capacity auction. Products are (direction, block) pairs.

    Parameters
    ----------
    awarded_mw : array of float, shape (n_bids,)
        Contracted power of every bid.
    payment_eur : array of float, shape (n_bids,)
        What the operator pays for it.
    price_eur_per_mw : array of float, shape (n_directions, n_blocks)
        Price paid for domestic power; NaN without award. With pay-as-bid the highest awarded bid.
    cross_border_price_eur_per_mw : array of float, shape (n_directions, n_blocks)
        Marginal price of the common auction (equal to the domestic one without foreign bids).
    shortfall_mw : array of float, shape (n_directions, n_blocks)
        Demand that could not be covered with whole bids.
    domestic_shortfall_mw : array of float, shape (n_directions, n_blocks)
        What domestic bids lack of the core share.
    directions : tuple of int
        First axis of the arrays.
    rejections : tuple of Rejection
        Refused bids and the rules they broke.
    """

    awarded_mw: np.ndarray
    payment_eur: np.ndarray
    price_eur_per_mw: np.ndarray
    cross_border_price_eur_per_mw: np.ndarray
    shortfall_mw: np.ndarray
    domestic_shortfall_mw: np.ndarray
    directions: tuple[int, ...]
    rejections: tuple[Rejection, ...]


def fcr_auction(
    bids: CapacityBids,
    demand_mw: Any,
    rules: CapacityRules | None = None,
    *,
    total_demand_mw: Any = None,
    core_share: float = 0.3,
    export_limit_share: float = 0.3,
    export_limit_mw: float = 100.0,
    prequalified_mw: Mapping[int, float] | None = None,
) -> CapacityAward:
    """Clear the daily FCR auction (TenneT, FCR handbook v3.10, chapter 7).

    The cost of the whole demand is minimal; equal costs go to the oldest time stamp. An indivisible bid may be
    rejected although it is cheaper than the marginal one. Domestic bids are paid the marginal price of the common
    auction or, when higher, the highest awarded domestic bid.

    Parameters
    ----------
    bids : CapacityBids
        Symmetric bids, domestic and foreign.
    demand_mw : array_like of float, shape () or (n_blocks,)
        Domestic demand.
    rules : CapacityRules, optional
        The defaults when left out.
    total_demand_mw : array_like of float, optional
        Demand of all areas together; the domestic one when left out.
    core_share : float
        Share of the domestic demand that domestic bids must cover.
    export_limit_share, export_limit_mw : float
        Domestic awards stay below demand plus the larger of both.
    prequalified_mw : mapping of int to float, optional
        Largest sum per owner and block; an owner that is missing has none.

    Returns
    -------
    CapacityAward
        With one direction, 0.
    """
    rules = rules or CapacityRules()
    demand = np.broadcast_to(np.asarray(demand_mw, dtype=np.float64), (rules.n_blocks,))
    total = demand if total_demand_mw is None else np.broadcast_to(total_demand_mw, (rules.n_blocks,))
    high = demand + np.maximum(export_limit_share * demand, export_limit_mw)
    # a whole number of steps, as the sizing is published (30 % of 123 MW is 37 MW)
    core = np.rint(core_share * demand / rules.step_mw) * rules.step_mw
    limits = np.stack([core, high])[:, None]
    return _auction(bids, (SYMMETRIC,), total[None], limits, rules, prequalified_mw)


def afrr_capacity_auction(
    bids: CapacityBids,
    *,
    demand_up_mw: Any,
    demand_down_mw: Any,
    rules: CapacityRules | None = None,
    prequalified_mw: Mapping[int, float] | None = None,
) -> CapacityAward:
    """Clear the daily aFRR capacity auction, upward and downward apart.

    Parameters
    ----------
    bids : CapacityBids
        With direction 1 or -1.
    demand_up_mw, demand_down_mw : array_like of float, shape () or (n_blocks,)
        Demand of each direction.
    rules : CapacityRules, optional
        Left out: indivisible bids up to any size, marginal price (assumption, see ``is_pay_as_bid``).
    prequalified_mw : mapping of int to float, optional
        Largest sum per owner, direction and block.

    Returns
    -------
    CapacityAward
        First axis: up, down.
    """
    rules = rules or CapacityRules(indivisible_max_mw=math.inf)
    demand = np.stack([np.broadcast_to(d, (rules.n_blocks,)) for d in (demand_up_mw, demand_down_mw)]).astype(float)
    limits = np.stack([np.zeros_like(demand), demand])
    return _auction(bids, (UP, DOWN), demand, limits, rules, prequalified_mw)


def admit_capacity_bids(
    bids: CapacityBids,
    rules: CapacityRules,
    *,
    directions: tuple[int, ...],
    prequalified_mw: Mapping[int, float] | None = None,
) -> tuple[np.ndarray, tuple[Rejection, ...]]:
    """Check every capacity bid; see :data:`RULES`.

    Returns
    -------
    is_admitted : array of bool, shape (n,)
        Rows that take part.
    rejections : tuple of Rejection
        The other rows with the first rule they broke.
    """
    broken = np.full(len(bids), len(RULES), dtype=np.int64)
    for code, is_broken in enumerate(_checks(bids, rules, directions)):
        broken = np.where((broken == len(RULES)) & is_broken, code, broken)
    if prequalified_mw is not None:
        _refuse_beyond(bids, prequalified_mw, broken)
    rows = np.flatnonzero(broken < len(RULES))
    return broken == len(RULES), tuple(Rejection(int(r), RULES[broken[r]]) for r in rows)


def _checks(bids: CapacityBids, rules: CapacityRules, directions: tuple[int, ...]) -> list[np.ndarray]:
    quantity, price = bids.quantity_mw, bids.price_eur_per_mw
    is_number = np.isfinite(quantity) & np.isfinite(price) & np.isfinite(bids.time_stamp)
    quantity, price = np.where(is_number, quantity, 0.0), np.where(is_number, price, 0.0)
    return [
        ~is_number,
        (bids.block < 0) | (bids.block >= rules.n_blocks),
        ~np.isin(bids.direction, directions),
        quantity < rules.min_bid_mw - 1e-9,
        quantity > rules.max_bid_mw + 1e-9,
        is_off_grid(quantity, rules.step_mw),
        bids.is_indivisible & (quantity > rules.indivisible_max_mw + 1e-9),
        (price < 0.0) | (price > rules.price_max_eur_per_mw),
        is_off_grid(price, rules.tick_eur_per_mw),
    ]


def _refuse_beyond(bids: CapacityBids, prequalified_mw: Mapping[int, float], broken: np.ndarray) -> None:
    """Refuse bids that lift an owner above its prequalified power, in order of their time stamps."""
    used: dict[tuple[int, int, int], float] = {}
    for row in np.argsort(bids.time_stamp, kind="stable"):
        if broken[row] < len(RULES):
            continue
        key = (int(bids.owner[row]), int(bids.direction[row]), int(bids.block[row]))
        total = used.get(key, 0.0) + float(bids.quantity_mw[row])
        if total > prequalified_mw.get(key[0], 0.0) + 1e-9:
            broken[row] = RULES.index("beyond_prequalification")
        else:
            used[key] = total


def _auction(
    bids: CapacityBids,
    directions: tuple[int, ...],
    demand: np.ndarray,
    limits: np.ndarray,
    rules: CapacityRules,
    prequalified_mw: Mapping[int, float] | None,
) -> CapacityAward:
    """Clear every product on its own. ``limits`` is float[2, n_directions, n_blocks]: least and most from home."""
    is_admitted, rejections = admit_capacity_bids(bids, rules, directions=directions, prequalified_mw=prequalified_mw)
    awarded, paid = np.zeros(len(bids)), np.zeros(len(bids))
    price, common = np.full(demand.shape, math.nan), np.full(demand.shape, math.nan)
    shortfall, core_shortfall = np.zeros(demand.shape), np.zeros(demand.shape)
    for (i, b), wanted in np.ndenumerate(demand):
        rows = np.flatnonzero(is_admitted & (bids.direction == directions[i]) & (bids.block == b))
        mw, price[i, b], common[i, b] = _clear_product(bids, rows, wanted, limits[:, i, b], rules)
        awarded[rows] = mw
        domestic = bids.is_domestic[rows]
        shortfall[i, b] = max(0.0, wanted - float(np.sum(mw)))
        core_shortfall[i, b] = max(0.0, limits[0, i, b] - float(np.sum(mw[domestic])))
        own = bids.price_eur_per_mw[rows]
        uniform = np.where(domestic, price[i, b], common[i, b])
        paid[rows] = np.where(mw > 0.0, mw * (own if rules.is_pay_as_bid else uniform), 0.0)
    return CapacityAward(awarded, paid, price, common, shortfall, core_shortfall, directions, rejections)


def _clear_product(
    bids: CapacityBids, rows: np.ndarray, wanted: float, limits: np.ndarray, rules: CapacityRules
) -> tuple[np.ndarray, float, float]:
    """Award one product. Returns awarded MW per row, domestic price and common price."""
    step = rules.step_mw
    most = max(0, math.floor(wanted / step + 1e-9))
    low, high = math.ceil(limits[0] / step - 1e-9), math.floor(limits[1] / step + 1e-9)
    is_home = bids.is_domestic[rows]
    age = np.argsort(np.argsort(bids.time_stamp[rows], kind="stable")) / max(rows.size, 1)
    sides = [_curve(bids, rows[mask], age[mask], most, rules) for mask in (is_home, ~is_home)]
    from_home, from_abroad = cheapest_split(sides[0].cost, sides[1].cost, most, min(low, most), high)
    units = np.zeros(rows.size, dtype=np.int64)
    units[is_home], units[~is_home] = sides[0].award(from_home), sides[1].award(from_abroad)
    price = bids.price_eur_per_mw[rows]
    at_home = _highest(price[is_home & (units > 0)])
    anywhere = _highest(price[units > 0])
    free_home, _ = cheapest_split(sides[0].cost, sides[1].cost, most, 0, high)
    is_forced = from_home > free_home and from_abroad > 0
    common = _highest(price[~is_home & (units > 0)]) if is_forced else anywhere
    return units * step, float(np.fmax(common, at_home)) if from_home else math.nan, common


def _curve(bids: CapacityBids, rows: np.ndarray, age: np.ndarray, most: int, rules: CapacityRules) -> CostCurve:
    units = np.rint(bids.quantity_mw[rows] / rules.step_mw).astype(np.int64)
    price = bids.price_eur_per_mw[rows] * rules.step_mw
    return cost_curve(units, price, age, bids.is_indivisible[rows], most)


def _highest(prices: np.ndarray) -> float:
    return float(prices.max()) if prices.size else math.nan
