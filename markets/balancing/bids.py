"""aFRR energy bids of one or more imbalance settlement periods (ISP), and the door they must pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

_ON_GRID = 1e-6  # distance from a step, in steps, that is still float noise


class Rejection(NamedTuple):
    """One refused bid: its row and the name of the rule it broke."""

    row: int
    rule: str


def column(values: Any, n: int, kind: type) -> np.ndarray:
    """One column of length n; a scalar is repeated. For ``int``, what is not a whole number becomes -1."""
    array: np.ndarray = np.asarray(values)
    if kind is int and array.dtype.kind == "f":
        is_whole = np.isfinite(array) & (np.abs(array) < 2.0**62) & (np.floor(array) == array)
        array = np.where(is_whole, array, -1.0)
    wanted = np.dtype(np.int64 if kind is int else kind)
    return np.full(n, array, dtype=wanted) if array.ndim == 0 else array.astype(wanted, copy=False)


@dataclass(frozen=True)
class EnergyBids:
    """Bids for balancing energy, one row each, as columns of one length; scalars are repeated.

    Parameters
    ----------
    owner : array_like of int, shape (n,)
        The balancing service provider (BSP).
    power_mw : array_like of float, shape (n,)
        Positive for upward bids, negative for downward bids.
    price_eur_per_mwh : array_like of float, shape (n,)
        Upward: what the BSP wants to be paid; downward: what it pays (negative: wants to be paid).
    ramp_share_per_min : array_like of float, shape (n,)
        Ramp as a share of the bid's power per minute; 0.2 is 20 %/min, full activation in five minutes.
    object_id : array_like of int, shape (n,)
        What is steered. An object may have one bid per direction and ISP; its activation carries over to its bid in
        the next ISP. -1 (default) is an object of its own.
    message_id : array_like of int, shape (n,), optional
        Bid message the row came in; left out, every owner sends one message per ISP.
    period : array_like of int, shape (n,)
        ISP of delivery, counted from 0.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    owner: Any
    power_mw: Any
    price_eur_per_mwh: Any
    ramp_share_per_min: Any = 0.2
    object_id: Any = -1
    message_id: Any = None
    period: Any = 0

    def __post_init__(self) -> None:
        n = np.atleast_1d(np.asarray(self.power_mw)).size
        if self.message_id is None:
            object.__setattr__(self, "message_id", self.owner)
        for declared in fields(self):
            kind = float if declared.name in ("power_mw", "price_eur_per_mwh", "ramp_share_per_min") else int
            object.__setattr__(self, declared.name, column(getattr(self, declared.name), n, kind))
        lengths = {f.name: getattr(self, f.name).shape for f in fields(self)}
        if set(lengths.values()) != {(n,)}:
            raise ValueError(f"balancing bids: columns differ in length: {lengths}")

    def __len__(self) -> int:
        return int(self.power_mw.size)

    def rows(self, keep: np.ndarray) -> EnergyBids:
        """The bids of a mask or of row indices, in that order."""
        return EnergyBids._of({name: values[keep] for name, values in vars(self).items()})

    @classmethod
    def concatenate(cls, parts: Sequence[EnergyBids]) -> EnergyBids:
        """Bids of several books, one after the other."""
        columns = [vars(part) for part in parts] or [vars(NO_BIDS)]
        return cls._of({name: np.concatenate([c[name] for c in columns]) for name in columns[0]})

    @classmethod
    def _of(cls, columns: Mapping[str, np.ndarray]) -> EnergyBids:
        """Bids from columns that passed the checks before."""
        made = object.__new__(cls)
        for name, values in columns.items():
            object.__setattr__(made, name, values)
        return made


NO_BIDS = EnergyBids(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class BidRules:
    """What a balancing energy bid must satisfy (TenneT, manual bidding BTP v5.2, section 2).

    Parameters
    ----------
    min_bid_mw : float
        Smallest bid; below 1 MW it is also the step, otherwise the step is 1 MW.
    max_bid_mw : float
        Largest bid.
    ramp_min_share_per_min, ramp_max_share_per_min : float
        Allowed ramps, inclusive.
    price_limit_eur_per_mwh : float
        Prices lie between minus and plus this limit, inclusive.
    tick_eur_per_mwh : float
        Price tick.
    small_bid_mw : float
        Bids below this power are small.
    small_bids_max : int
        Small bids allowed in one message; a message with more is refused as a whole.
    gate_periods : int
        ISPs between the last change of a bid and its delivery.
    """

    min_bid_mw: float = 1.0
    max_bid_mw: float = 999.0
    ramp_min_share_per_min: float = 0.2
    ramp_max_share_per_min: float = 2.0
    price_limit_eur_per_mwh: float = 100_000.0
    tick_eur_per_mwh: float = 0.01
    small_bid_mw: float = 4.0
    small_bids_max: int = 3
    gate_periods: int = 2

    @property
    def step_mw(self) -> float:
        """Granularity of the power of a bid."""
        return min(self.min_bid_mw, 1.0)


# In the order in which they are checked; a row carries the first rule it breaks.
RULES = (
    "not_a_number",
    "gate_closed",
    "below_minimum",
    "above_maximum",
    "off_volume_step",
    "ramp_outside_limits",
    "price_outside_limits",
    "price_off_tick",
    "second_bid_of_object",
    "too_many_small_bids",
    "beyond_prequalification",
)


def admit_energy_bids(
    bids: EnergyBids,
    rules: BidRules | None = None,
    *,
    now_period: int | None = None,
    prequalified_mw: Mapping[int, float] | None = None,
) -> tuple[np.ndarray, tuple[Rejection, ...]]:
    """Check every bid against the rules.

    Parameters
    ----------
    bids : EnergyBids
        As submitted.
    rules : BidRules, optional
        The limits; the defaults when left out.
    now_period : int, optional
        ISP in which the bids arrive. Bids for ISPs closer than the gate are refused; left out, no gate is checked.
    prequalified_mw : mapping of int to float, optional
        Prequalified power of each owner per direction. A bid that lifts the sum of an owner's admitted bids of one
        ISP and direction above it is refused, in row order; an owner that is missing has nothing prequalified.

    Returns
    -------
    is_admitted : array of bool, shape (n,)
        Rows that may be activated.
    rejections : tuple of Rejection
        The other rows with the rule, in row order.
    """
    rules = rules or BidRules()
    broken = np.full(len(bids), len(RULES), dtype=np.int64)
    for code, is_broken in enumerate(_field_checks(bids, rules, now_period)):
        broken = np.where((broken == len(RULES)) & is_broken, code, broken)
    _refuse_repeats(bids, broken)
    _refuse_small_bids(bids, rules, broken)
    if prequalified_mw is not None:
        _refuse_beyond(bids, prequalified_mw, broken)
    rows = np.flatnonzero(broken < len(RULES))
    return broken == len(RULES), tuple(Rejection(int(r), RULES[broken[r]]) for r in rows)


def _field_checks(bids: EnergyBids, rules: BidRules, now_period: int | None) -> list[np.ndarray]:
    """Masks of broken rows, in the order of :data:`RULES` up to ``price_off_tick``."""
    power, price, ramp = bids.power_mw, bids.price_eur_per_mwh, bids.ramp_share_per_min
    is_number = np.isfinite(power) & np.isfinite(price) & np.isfinite(ramp)
    size = np.abs(np.where(is_number, power, 0.0))
    price = np.where(is_number, price, 0.0)
    slack = 1e-9
    is_late = np.zeros(len(bids), dtype=bool) if now_period is None else bids.period < now_period + rules.gate_periods
    return [
        ~is_number,
        is_late,
        size < rules.min_bid_mw - slack,
        size > rules.max_bid_mw + slack,
        is_off_grid(size, rules.step_mw),
        (ramp < rules.ramp_min_share_per_min - slack) | (ramp > rules.ramp_max_share_per_min + slack),
        np.abs(price) > rules.price_limit_eur_per_mwh + slack,
        is_off_grid(price, rules.tick_eur_per_mwh),
    ]


def is_off_grid(values: np.ndarray, step: float) -> np.ndarray:
    """Values that are no whole number of steps; what is larger than any limit (1e9) is not looked at."""
    scaled = np.clip(values, -1e9, 1e9) / step
    return np.abs(scaled - np.rint(scaled)) > _ON_GRID


def _refuse_repeats(bids: EnergyBids, broken: np.ndarray) -> None:
    """Refuse a second bid line of the same object, direction and ISP."""
    rows = np.flatnonzero((broken == len(RULES)) & (bids.object_id >= 0))
    keys = np.stack([bids.object_id[rows], bids.power_mw[rows] > 0, bids.period[rows]])
    order = np.lexsort(keys)
    is_same = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
    broken[rows[order[1:][is_same]]] = RULES.index("second_bid_of_object")


def _refuse_small_bids(bids: EnergyBids, rules: BidRules, broken: np.ndarray) -> None:
    """Refuse the messages that hold too many small bids; refused bids no longer count."""
    is_valid = broken == len(RULES)
    is_small = is_valid & (np.abs(bids.power_mw) < rules.small_bid_mw)
    if np.count_nonzero(is_small) <= rules.small_bids_max:
        return
    keys = np.stack([bids.message_id, bids.period], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    n_small = np.bincount(group, weights=is_small)
    broken[is_valid & (n_small[group] > rules.small_bids_max)] = RULES.index("too_many_small_bids")


def _refuse_beyond(bids: EnergyBids, prequalified_mw: Mapping[int, float], broken: np.ndarray) -> None:
    """Refuse bids above the owner's prequalified power, first come first served."""
    used: dict[tuple[int, int, bool], float] = {}
    most = np.array([prequalified_mw.get(owner, 0.0) for owner in bids.owner.tolist()])
    for row in np.flatnonzero((broken == len(RULES)) & (most < np.inf)):
        owner, power = int(bids.owner[row]), float(bids.power_mw[row])
        key = (owner, int(bids.period[row]), power > 0)
        total = used.get(key, 0.0) + abs(power)
        if total > most[row] + 1e-9:
            broken[row] = RULES.index("beyond_prequalification")
        else:
            used[key] = total


def missing_obligation_mw(
    bids: EnergyBids, contracted_mw: Mapping[int, float], *, period: int, is_up: bool
) -> dict[int, float]:
    """How much of their contracted capacity the owners did not bid in one ISP and direction.

    Parameters
    ----------
    bids : EnergyBids
        Admitted bids.
    contracted_mw : mapping of int to float
        Awarded reserve capacity per owner; a contract is an obligation to bid (TenneT, ancillary services).
    period : int
        The ISP.
    is_up : bool
        Direction.

    Returns
    -------
    dict of int to float
        Owners with a shortfall and its size in MW.
    """
    here = (bids.period == period) & ((bids.power_mw > 0) == is_up)
    missing = {
        owner: mw - float(np.sum(np.abs(bids.power_mw[here & (bids.owner == owner)])))
        for owner, mw in contracted_mw.items()
    }
    return {owner: mw for owner, mw in missing.items() if mw > 1e-9}
