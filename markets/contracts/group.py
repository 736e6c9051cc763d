"""Group agreement: several connections share one virtual limit, and a stated rule says who may charge.

Source: report 7.4.2; group transport agreement (groeps-TO). A leader answers for the group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from markets.contracts.agreements import FIRM_EUR_PER_KW_YEAR, PENALTY_EUR_PER_MWH, TransportAgreement
from markets.contracts.breaches import Breach, over_limit
from markets.contracts.clock import Clock
from markets.contracts.guarantee import Guarantee


def few_fast(limit_kw: float, want_kw: np.ndarray, least_kw: np.ndarray, order: np.ndarray) -> np.ndarray:
    """First in line gets all it wants, then the next; who cannot get its least gets nothing."""
    want, least = want_kw[order], least_kw[order]
    want = np.where(want >= least - 1e-9, want, 0.0)
    total = np.cumsum(want)
    n_full = int(np.searchsorted(total, limit_kw + 1e-9, side="right"))
    got = np.where(np.arange(want.size) < n_full, want, 0.0)
    left = limit_kw - (total[n_full - 1] if n_full else 0.0)
    least_after = np.minimum.accumulate(np.where(want > 0.0, least, np.inf)[::-1])[::-1]
    for k in range(n_full, want.size):
        if left <= 0.0 or least_after[k] > left + 1e-9:
            break
        power = min(want[k], left)
        if power > 0.0 and power >= least[k] - 1e-9:
            got[k] = power
            left -= power
    share = np.zeros(want_kw.shape)
    share[order] = got
    return share


def many_slow(limit_kw: float, want_kw: np.ndarray, least_kw: np.ndarray, order: np.ndarray) -> np.ndarray:
    """As many as possible in line get their least; what is left tops them up in the same order."""
    served = few_fast(limit_kw, np.minimum(want_kw, least_kw), least_kw, order)
    is_served = (served > 0.0) | ((least_kw <= 0.0) & (want_kw > 0.0))
    more = np.where(is_served, want_kw - served, 0.0)[order]
    left = max(0.0, limit_kw - float(np.sum(served)))
    before = np.concatenate([[0.0], np.cumsum(more)[:-1]])
    served[order] += np.clip(left - before, 0.0, more)
    return served


SHARING_RULES: dict[str, Callable[[float, np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "few_fast": few_fast,
    "many_slow": many_slow,
}


@dataclass(frozen=True)
class Group(TransportAgreement):
    """One virtual limit ``capacity_kw`` for several connections.

    Parameters
    ----------
    member_kw : tuple of float
        Capacity of each member's own connection, which still binds.
    sharing_rule : str
        Key of :data:`SHARING_RULES`.
    guarantee : Guarantee, optional
        Bounds of a non-firm group's virtual limit; a group without is firm.
    """

    member_kw: tuple[float, ...] = ()
    sharing_rule: str = "many_slow"
    guarantee: Guarantee | None = None

    @classmethod
    def scaled(cls, capacity_kw: float) -> Group:
        """A group of one, to which others may be added with :meth:`of_members`."""
        return cls.of_members((capacity_kw,))

    @classmethod
    def of_members(cls, member_kw: tuple[float, ...], share: float = 1.0) -> Group:
        """A group whose limit is a share of its members' capacities, at the firm price per kW."""
        capacity = share * float(np.sum(member_kw))
        fee = FIRM_EUR_PER_KW_YEAR * capacity
        return cls(capacity, fee, PENALTY_EUR_PER_MWH, suspension_after=2, member_kw=member_kw)

    def faults(self, connection_kw: float) -> list[str]:
        """As the base class against the members together; ``connection_kw`` is their sum in the grid's table."""
        found = super().faults(connection_kw)
        if not self.member_kw:
            found.append("a group needs members")
        if self.capacity_kw > float(np.sum(self.member_kw)) * (1 + 1e-9):
            found.append(f"promises {self.capacity_kw:g} kW, its members carry {float(np.sum(self.member_kw)):g} kW")
        if self.sharing_rule not in SHARING_RULES:
            found.append(f"sharing_rule {self.sharing_rule!r} is not one of {', '.join(SHARING_RULES)}")
        return found + ([] if self.guarantee is None else self.guarantee.faults())

    def _broken_promises(self, limit: np.ndarray, clock: Clock, row: int) -> list[Breach]:
        if self.guarantee is None:
            return super()._broken_promises(limit, clock, row)
        return self.guarantee.check(limit, clock, self.penalty_eur_per_mwh, row)

    def share_kw(
        self, limit_kw: float, want_kw: np.ndarray, least_kw: np.ndarray | float, urgency: np.ndarray
    ) -> np.ndarray:
        """Divide a limit among the members by the group's rule.

        Parameters
        ----------
        limit_kw : float
            Virtual limit now (the smaller of it and the agreement's is used).
        want_kw : float64[n_members]
            Power each could use.
        least_kw : float64[n_members]
            Technical minimum, 4.14 kW for three-phase charging; below it a member gets nothing.
        urgency : float64[n_members]
            Higher goes first; equal urgency: the earlier row.

        Returns
        -------
        float64[n_members]
            Power each may draw; the sum is at most the limit.
        """
        want = np.minimum(np.maximum(np.asarray(want_kw, dtype=np.float64), 0.0), self.member_kw)
        least = np.broadcast_to(np.asarray(least_kw, dtype=np.float64), want.shape)
        order = np.argsort(-np.asarray(urgency, dtype=np.float64), kind="stable")
        limit = max(0.0, min(limit_kw, self.capacity_kw))
        return SHARING_RULES[self.sharing_rule](limit, want, least, order)

    def member_breaches(
        self, measured_kw: np.ndarray, clock: Clock, limit_kw: np.ndarray | None = None
    ) -> list[Breach]:
        """Breaches of the group (row -1, the leader owes) and of single connections.

        Parameters
        ----------
        measured_kw : float64[n_periods, n_members]
            Mean power per period.
        clock : Clock
            Local time of the periods.
        limit_kw : float64[n_periods], optional
            Called virtual limits.
        """
        measured = np.asarray(measured_kw, dtype=np.float64)
        found = self.measured_breaches(np.sum(measured, axis=1), clock, limit_kw, row=-1)
        for row, member in enumerate(self.member_kw):
            own = np.full(clock.n_periods, member)
            found += over_limit("member_capacity", measured[:, row], own, clock.period_h, self.penalty_eur_per_mwh, row)
        return found


def allowed_kw(
    limit_kw: np.ndarray,
    want_kw: np.ndarray,
    least_kw: np.ndarray | float,
    urgency: np.ndarray,
    is_clustered: bool,
    sharing_rule: str = "many_slow",
) -> np.ndarray:
    """What each connection may draw under single limits, with clustering on or off (report 7.4.2).

    Parameters
    ----------
    limit_kw : float64[n]
        Limit of each connection; clustered, their sum is one virtual limit.
    want_kw, least_kw, urgency : float64[n]
        As in :meth:`Group.share_kw`.
    is_clustered : bool
        The switch.
    sharing_rule : str
        Key of :data:`SHARING_RULES`.

    Returns
    -------
    float64[n]
        At most ``limit_kw`` each, or at most its sum together. Physical capacities are the caller's ``want_kw``.
    """
    limit, want = np.asarray(limit_kw, dtype=np.float64), np.maximum(np.asarray(want_kw, dtype=np.float64), 0.0)
    least = np.broadcast_to(np.asarray(least_kw, dtype=np.float64), want.shape)
    if not is_clustered:
        power = np.minimum(want, limit)
        return np.where(power >= least - 1e-9, power, 0.0)
    order = np.argsort(-np.asarray(urgency, dtype=np.float64), kind="stable")
    return SHARING_RULES[sharing_rule](float(np.sum(limit)), want, least, order)
