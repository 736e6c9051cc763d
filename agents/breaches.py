"""Who broke a transport agreement or a called capacity limit in a run, by how much, and what it costs.

Measured are the meters of the connections. A group answers together; what its leader owes stands on its first member.
Limits that a connection has always had (its own capacity) are checked beside those of a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agents.transport import TransportRights
from markets.contracts import Breach, CapacityLimiting, exceedances

DAY_AHEAD_H = 24.0
"""A limit told on the day before counts as a day's notice, whatever the hour of delivery."""
CALL_PENALTY_EUR_PER_MWH = CapacityLimiting(0.0, 0.0).penalty_eur_per_mwh
NO_GROUP = -1
METER_KW = 1e-3


class CapacityCallMade(NamedTuple):
    """A called limit on the charging of some connections together; infinite where nothing was called."""

    first: int
    rows: np.ndarray
    limit_kw: np.ndarray


@dataclass(frozen=True)
class Broken:
    """One rule that one side broke at one connection or group, summed over the run; a row of table ``breaches``."""

    agreement: str
    rule: str
    by: str
    connection_row: int
    group: int
    first_period: int
    quarters: int
    energy_kwh: float
    penalty_eur: float


def broken_agreements(
    rights: TransportRights, calls: Sequence[CapacityCallMade], connection_kw: np.ndarray, ev_kw: np.ndarray
) -> list[Broken]:
    """Find every breach of a run.

    Parameters
    ----------
    rights : TransportRights
        Agreements and the limits of every day.
    calls : sequence of CapacityCallMade
        Capacity limits that the operator called.
    connection_kw, ev_kw : float arrays, shape (n_connections, n_periods)
        Metered consumption, and the charging in it.

    Returns
    -------
    list of Broken
        Ordered by agreement, connection and rule.
    """
    found = [*_alone(rights, connection_kw), *_operators(rights), *_called(calls, ev_kw)]
    if rights.is_pooled:
        found = [*_pooled(rights, connection_kw), *_operators(rights), *_called(calls, ev_kw)]
    return sorted(found, key=lambda b: (b.agreement, b.connection_row, b.by, b.rule))


def table_of(found: Sequence[Broken]) -> dict[str, Any]:
    """Columns of table ``breaches``."""
    return {name: [getattr(b, name) for b in found] for name in Broken.__dataclass_fields__}


def _alone(rights: TransportRights, connection_kw: np.ndarray) -> Iterator[Broken]:
    """Every connection by its own agreement; only those that went above a limit are looked at closely."""
    measured = connection_kw[rights.rows].astype(np.float64)
    feed_in = np.array([a.capacity_kw if np.isnan(a.feed_in_kw) else a.feed_in_kw for a in rights.agreements])
    over = (measured > rights.limit_kw + METER_KW).any(axis=1) | (-measured > feed_in[:, None] + METER_KW).any(axis=1)
    for k in np.flatnonzero(over).tolist():
        agreement = rights.agreements[k]
        limit = rights.limit_kw[k] + METER_KW
        breaches = agreement.measured_breaches(measured[k] - METER_KW, rights.clock, limit - METER_KW)
        yield from _summed(breaches, rights.kinds[k], int(rights.rows[k]), int(rights.group[k]))


def _pooled(rights: TransportRights, connection_kw: np.ndarray) -> Iterator[Broken]:
    """Groups by their common limit, members by the capacity of their own connection."""
    measured = connection_kw[rights.rows].astype(np.float64)
    for g in np.unique(rights.group).tolist():
        mine = np.flatnonzero(rights.group == g)
        penalty = rights.agreements[mine[0]].penalty_eur_per_mwh
        limit = rights.limit_kw[mine].sum(axis=0)
        yield from _over(
            measured[mine].sum(axis=0), limit, (rights.kinds[mine[0]], "group_limit"), rights.rows[mine[0]], g, penalty
        )
        for k in mine.tolist():
            own = np.full(measured.shape[1], rights.capacity_kw[k])
            yield from _over(measured[k], own, (rights.kinds[k], "member_capacity"), rights.rows[k], g, penalty)


def _operators(rights: TransportRights) -> Iterator[Broken]:
    """Limits below what the operator promised, or told too late. Inside a group nobody may be limited singly."""
    told_h = np.full(rights.clock.n_periods, DAY_AHEAD_H)
    for k in np.flatnonzero((rights.right_kw - rights.limit_kw > 1e-6).any(axis=1)).tolist():
        agreement = rights.agreements[k]
        breaches = agreement.operator_breaches(rights.limit_kw[k], rights.clock, told_h)
        yield from _summed(breaches, rights.kinds[k], int(rights.rows[k]), int(rights.group[k]))


def _called(calls: Sequence[CapacityCallMade], ev_kw: np.ndarray) -> Iterator[Broken]:
    """Charging above a called capacity limit; the CSP answers for it."""
    for call in calls:
        span = slice(call.first, call.first + len(call.limit_kw))
        charged = ev_kw[call.rows, span].astype(np.float64).sum(axis=0)
        limit = np.where(np.isfinite(call.limit_kw), np.maximum(call.limit_kw, 0.0), np.inf)
        rule = ("capacity_limiting", "called_limit")
        for b in _over(charged, limit, rule, call.rows[0], NO_GROUP, CALL_PENALTY_EUR_PER_MWH):
            yield Broken(**{**b.__dict__, "first_period": call.first + b.first_period})


def _over(
    measured_kw: np.ndarray, limit_kw: np.ndarray, rule: tuple[str, str], row: int, group: int, penalty: float
) -> Iterator[Broken]:
    over = exceedances(measured_kw[:, None], limit_kw[:, None] + METER_KW, 0.25)
    if len(over.period):
        kwh = float(over.energy_kwh.sum())
        first = int(over.period[0])
        yield Broken(*rule, "customer", int(row), group, first, len(over.period), kwh, kwh / 1000.0 * penalty)


def _summed(breaches: Sequence[Breach], agreement: str, row: int, group: int) -> Iterator[Broken]:
    by_rule: dict[tuple[str, str], list[Breach]] = defaultdict(list)
    for breach in breaches:
        by_rule[breach.rule, breach.by].append(breach)
    for (rule, by), found in by_rule.items():
        quarters = sum(b.n_periods for b in found)
        kwh, eur = (float(sum(v)) for v in ([b.energy_kwh for b in found], [b.penalty_eur for b in found]))
        yield Broken(agreement, rule, by, row, group, min(b.period for b in found), quarters, kwh, eur)
