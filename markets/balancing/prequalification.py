"""Which pools may offer reserve, and how much (TenneT, FCR handbook v3.10, section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from markets.balancing.bids import Rejection
from markets.balancing.reservoir import ReservoirRules, reservoir_faults


@dataclass(frozen=True)
class PoolRules:
    """What a pool must satisfy.

    Parameters
    ----------
    pool_min_mw : float
        Smallest prequalified power of a provider.
    group_min_mw, group_step_mw, group_max_mw : float
        Size of one reserve providing group.
    aggregated_unit_max_mw : float
        Units below this size may be measured with one aggregated signal; larger ones need their own.
    """

    pool_min_mw: float = 1.0
    group_min_mw: float = 0.1
    group_step_mw: float = 0.1
    group_max_mw: float = 150.0
    aggregated_unit_max_mw: float = 1.5


@dataclass(frozen=True)
class Prequalification:
    """Outcome for one provider.

    Parameters
    ----------
    prequalified_mw : float
        Power it may bid; 0 when refused.
    rule : str
        Name of the rule that refused the whole pool, ``""`` for none.
    group_mw : array of float, shape (n_groups,)
        Recognised power of every group.
    rejections : tuple of Rejection
        Refused groups and the rules they broke.
    """

    prequalified_mw: float
    rule: str
    group_mw: np.ndarray
    rejections: tuple[Rejection, ...]


def prequalify(
    group_mw: Any,
    rules: PoolRules | None = None,
    *,
    largest_unit_mw: Any = 0.0,
    has_own_signals: Any = False,
    dso_limit_mw: Any = math.inf,
) -> Prequalification:
    """Judge the groups of one provider.

    Parameters
    ----------
    group_mw : array_like of float, shape (n_groups,)
        Power that each group can deliver.
    rules : PoolRules, optional
        The defaults when left out.
    largest_unit_mw : array_like of float
        Largest installation of each group.
    has_own_signals : array_like of bool
        Whether every unit of the group is measured on its own.
    dso_limit_mw : array_like of float
        Limit set by the distribution operator for its grid; 0 excludes the group.

    Returns
    -------
    Prequalification
        Each group rounded down to the step; refused as a whole with ``"pool_below_minimum"`` when the recognised
        groups are together too small.
    """
    rules = rules or PoolRules()
    offered = np.atleast_1d(np.asarray(group_mw, dtype=np.float64))
    limit = np.broadcast_to(np.asarray(dso_limit_mw, dtype=np.float64), offered.shape)
    unit = np.broadcast_to(np.asarray(largest_unit_mw, dtype=np.float64), offered.shape)
    is_own = np.broadcast_to(np.asarray(has_own_signals, dtype=bool), offered.shape)
    is_number = np.isfinite(offered)
    power = np.minimum(np.where(is_number, offered, 0.0), limit)
    power = np.floor(power / rules.group_step_mw + 1e-9) * rules.group_step_mw
    checks = {
        "not_a_number": ~is_number,
        "excluded_by_grid_operator": limit <= 0.0,
        "group_below_minimum": power < rules.group_min_mw - 1e-9,
        "group_above_maximum": power > rules.group_max_mw + 1e-9,
        "unit_needs_own_signal": (unit >= rules.aggregated_unit_max_mw) & ~is_own,
    }
    names, masks = list(checks), np.stack(list(checks.values()))
    is_refused = masks.any(axis=0)
    first = masks.argmax(axis=0)
    rejections = tuple(Rejection(int(r), names[first[r]]) for r in np.flatnonzero(is_refused))
    power = np.where(is_refused, 0.0, power)
    total = float(np.sum(power))
    if total < rules.pool_min_mw - 1e-9:
        return Prequalification(0.0, "pool_below_minimum", power, rejections)
    return Prequalification(total, "", power, rejections)


def bid_fault(
    quantity_mw: float,
    prequalified_mw: float,
    *,
    min_bid_mw: float = 1.0,
    energy_mwh: float | None = None,
    rated_mw: float = math.inf,
    reservoir: ReservoirRules | None = None,
) -> str:
    """Name of the rule that forbids a pool to bid a reserve power, ``""`` when it may.

    Parameters
    ----------
    quantity_mw : float
        Power it wants to bid.
    prequalified_mw : float
        Its prequalified power, 0 for a pool that is not prequalified.
    min_bid_mw : float
        Smallest bid (a lever).
    energy_mwh : float, optional
        Usable energy of a limited reservoir that must carry the bid as FCR; left out, it is not limited.
    rated_mw : float
        Rated power of that reservoir.
    reservoir : ReservoirRules, optional
        Its duties.

    Returns
    -------
    str
        ``"not_a_number"``, ``"not_prequalified"``, ``"below_minimum"``, ``"beyond_prequalification"``,
        ``"reservoir_too_small"`` or ``"rated_power_too_small"``.
    """
    if not math.isfinite(quantity_mw):
        return "not_a_number"
    if prequalified_mw <= 0.0:
        return "not_prequalified"
    if quantity_mw < min_bid_mw - 1e-9:
        return "below_minimum"
    if quantity_mw > prequalified_mw + 1e-9:
        return "beyond_prequalification"
    faults = () if energy_mwh is None else reservoir_faults(quantity_mw, energy_mwh, rated_mw, reservoir)
    return faults[0] if faults else ""


def may_transfer(quantity_mw: float, *, step_mw: float = 0.1) -> bool:
    """Whether an awarded FCR power may be transferred to another provider: whole steps of 0.1 MW."""
    steps = quantity_mw / step_mw
    return quantity_mw >= step_mw - 1e-9 and abs(steps - round(steps)) < 1e-6
