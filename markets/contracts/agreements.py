"""Transport agreements: what a connection may draw, what the operator may take back, what either owes.

Sources: ACM codebesluit alternative transport rights (Stcrt 2024-23594), TenneT TDTR, report 7.4.1 and 7.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.contracts.breaches import Breach, over_limit
from markets.contracts.clock import Clock
from markets.contracts.guarantee import Guarantee

# Both report examples lie on one line: 150 EUR at a day mean of 10 kW, 450 EUR at 35 kW.
NON_FIRM_BASE_EUR_PER_YEAR = 30.0
NON_FIRM_EUR_PER_KW_YEAR = 12.0
FIRM_EUR_PER_KW_YEAR = 3000.0 / 55.0
PENALTY_EUR_PER_MWH = 150.0
"""Owed by either side for a broken promise of a weak agreement, as in a capacity-limiting contract (assumption)."""
_HOME_KW = 17.25  # 3 x 25 A at 230 V: up to here the report's home example is scaled, above it the public one


@dataclass(frozen=True)
class TransportAgreement:
    """What all forms share.

    Parameters
    ----------
    capacity_kw : float
        Largest consumption the agreement grants.
    fee_eur_per_year : float
        Yearly price of the transport right.
    penalty_eur_per_mwh : float
        What either side owes per MWh beyond its promise.
    notice_h : float
        How long before delivery a limit must be announced.
    feed_in_kw : float
        Largest injection; NaN for the same as ``capacity_kw``.
    suspension_after : int
        Breaches after which the operator may suspend the right; 0 for never.
    """

    capacity_kw: float
    fee_eur_per_year: float = 0.0
    penalty_eur_per_mwh: float = 0.0
    notice_h: float = 0.0
    feed_in_kw: float = float("nan")
    suspension_after: int = 0

    @classmethod
    def scaled(cls, capacity_kw: float) -> TransportAgreement:
        """The usual agreement of this form for one connection of ``capacity_kw``."""
        return cls(capacity_kw)

    def faults(self, connection_kw: float) -> list[str]:
        """Why this agreement does not fit a connection of ``connection_kw``, in words; empty when it does."""
        found = []
        if not np.isfinite(self.capacity_kw) or self.capacity_kw < 0.0:
            found.append(f"capacity_kw {self.capacity_kw!r} is not a number from 0")
        elif self.capacity_kw > connection_kw * (1 + 1e-9):
            found.append(f"promises {self.capacity_kw:g} kW, the connection carries {connection_kw:g} kW")
        if self.feed_in_kw > connection_kw * (1 + 1e-9):
            found.append(f"promises {self.feed_in_kw:g} kW of feed-in, the connection carries {connection_kw:g} kW")
        amounts = {n: getattr(self, n) for n in ("fee_eur_per_year", "penalty_eur_per_mwh", "notice_h")}
        wrong = {n: v for n, v in amounts.items() if not np.isfinite(v) or v < 0.0}
        return found + [f"{name} {value!r} is not a number from 0" for name, value in wrong.items()]

    def fee_eur(self, hours: float) -> float:
        """Price of the right for a stretch of the year."""
        return self.fee_eur_per_year * hours / 8760.0

    def right_kw(self, clock: Clock) -> np.ndarray:
        """Consumption granted in each period before any limit is called, float64[n_periods]."""
        return np.full(clock.n_periods, self.capacity_kw)

    def measured_breaches(
        self, measured_kw: np.ndarray, clock: Clock, limit_kw: np.ndarray | None = None, row: int = 0
    ) -> list[Breach]:
        """The customer's breaches, one for each period above the right or the called limit.

        Parameters
        ----------
        measured_kw : float64[n_periods]
            Mean power per period, consumption positive.
        clock : Clock
            Local time of the periods.
        limit_kw : float64[n_periods], optional
            Limits the operator called.
        row : int
            Connection, copied into the breaches.

        Returns
        -------
        list of Breach
            Rules ``transport_right``, ``called_limit``, ``feed_in_right``.
        """
        measured = np.asarray(measured_kw, dtype=np.float64)
        right = self.right_kw(clock)
        found = over_limit("transport_right", measured, right, clock.period_h, self.penalty_eur_per_mwh, row)
        if limit_kw is not None:
            called = np.minimum(np.asarray(limit_kw, dtype=np.float64), right)
            within_right = np.minimum(measured, right)  # what is above the right is already counted
            found += over_limit("called_limit", within_right, called, clock.period_h, self.penalty_eur_per_mwh, row)
        feed_in = self.capacity_kw if np.isnan(self.feed_in_kw) else self.feed_in_kw
        back = np.full(clock.n_periods, feed_in)
        return found + over_limit("feed_in_right", -measured, back, clock.period_h, self.penalty_eur_per_mwh, row)

    def operator_breaches(
        self, limit_kw: np.ndarray, clock: Clock, announced_h: np.ndarray | None = None, row: int = 0
    ) -> list[Breach]:
        """The operator's breaches: limits below what it promised, or announced too late.

        Parameters
        ----------
        limit_kw : float64[n_periods]
            Power left available.
        clock : Clock
            Local time of the periods.
        announced_h : float64[n_periods], optional
            How many hours before delivery each limit was known; not checked when absent.
        row : int
            Connection, copied into the breaches.
        """
        limit = np.asarray(limit_kw, dtype=np.float64)
        return self._broken_promises(limit, clock, row) + self._late(limit, clock, announced_h, row)

    def _broken_promises(self, limit: np.ndarray, clock: Clock, row: int) -> list[Breach]:
        """Firm: any limit below the right."""
        right = self.right_kw(clock)
        return [
            self._short("firm_right", limit, right, int(p), clock, row) for p in np.flatnonzero(right - limit > 1e-6)
        ]

    def _late(self, limit: np.ndarray, clock: Clock, announced_h: np.ndarray | None, row: int) -> list[Breach]:
        if announced_h is None:
            return []
        right = self.right_kw(clock)
        is_late = (right - limit > 1e-6) & (np.asarray(announced_h) < self.notice_h - 1e-9)
        return [self._short("notice", limit, right, int(p), clock, row) for p in np.flatnonzero(is_late)]

    def _short(self, rule: str, limit: np.ndarray, right: np.ndarray, p: int, clock: Clock, row: int) -> Breach:
        energy = float(right[p] - limit[p]) * clock.period_h
        owed = energy / 1000 * self.penalty_eur_per_mwh
        return Breach(rule, "operator", row, p, 1, float(right[p]), float(limit[p]), energy, owed)

    def is_suspendable(self, breaches: list[Breach]) -> bool:
        """Whether the customer broke it often enough to lose the right."""
        n = len([b for b in breaches if b.by == "customer"])
        return 0 < self.suspension_after <= n


@dataclass(frozen=True)
class Firm(TransportAgreement):
    """Fully firm right: the operator may not limit it without buying the flexibility."""

    @classmethod
    def scaled(cls, capacity_kw: float) -> Firm:
        """A firm right at the price per kW of the report's firm 55 kW connection."""
        return cls(capacity_kw, fee_eur_per_year=FIRM_EUR_PER_KW_YEAR * capacity_kw)


@dataclass(frozen=True)
class NonFirm(TransportAgreement):
    """Non-firm right with guaranteed bounds; without ``guarantee`` it may be limited to nothing at any time."""

    guarantee: Guarantee | None = None

    @classmethod
    def scaled(cls, capacity_kw: float) -> NonFirm:
        """The report's example for homes (up to 3 x 25 A) or public charging, scaled to a connection."""
        shares = (4 / 17, 10 / 17, 6 / 17) if capacity_kw <= _HOME_KW else (0.0, 35 / 55, 12 / 55)
        lowest, day, block = (s * capacity_kw for s in shares)
        fee = NON_FIRM_BASE_EUR_PER_YEAR + NON_FIRM_EUR_PER_KW_YEAR * day
        guarantee = Guarantee(lowest, capacity_kw, day, block)
        return cls(capacity_kw, fee, PENALTY_EUR_PER_MWH, suspension_after=2, guarantee=guarantee)

    def faults(self, connection_kw: float) -> list[str]:
        """As the base class, and the guarantee must fit the capacity."""
        found = super().faults(connection_kw)
        if self.guarantee is None:
            return found
        found += self.guarantee.faults()
        if self.guarantee.max_kw > self.capacity_kw * (1 + 1e-9):
            found.append(f"guarantees {self.guarantee.max_kw:g} kW, the agreement grants {self.capacity_kw:g} kW")
        return found

    def _broken_promises(self, limit: np.ndarray, clock: Clock, row: int) -> list[Breach]:
        if self.guarantee is None:
            return []
        return self.guarantee.check(limit, clock, self.penalty_eur_per_mwh, row)


@dataclass(frozen=True)
class TimeBlock(TransportAgreement):
    """Right in fixed daily blocks only (TBTR, "blokstroom").

    Parameters
    ----------
    blocks : tuple of (from hour, to hour)
        Local windows with the full capacity; to < from runs past midnight.
    base_kw : float
        Right outside the blocks.
    """

    blocks: tuple[tuple[float, float], ...] = ((0.0, 6.0), (22.0, 24.0))
    base_kw: float = 0.0

    @classmethod
    def scaled(cls, capacity_kw: float) -> TimeBlock:
        """Nights and midday; half the price of a firm right (assumption)."""
        fee = 0.5 * FIRM_EUR_PER_KW_YEAR * capacity_kw
        blocks = ((22.0, 6.0), (10.0, 16.0))
        return cls(capacity_kw, fee, PENALTY_EUR_PER_MWH, notice_h=24.0, suspension_after=2, blocks=blocks)

    def faults(self, connection_kw: float) -> list[str]:
        """As the base class, and the blocks must be hours of a day."""
        found = super().faults(connection_kw)
        for start, end in self.blocks:
            if not (0.0 <= start < 24.0 and 0.0 <= end <= 24.0 and start != end):
                found.append(f"block {start:g}-{end:g} is not a part of a day of 24 hours")
        if not 0.0 <= self.base_kw <= self.capacity_kw:
            found.append(f"base_kw {self.base_kw:g} is outside 0 to {self.capacity_kw:g}")
        return found

    def right_kw(self, clock: Clock) -> np.ndarray:
        """Capacity inside the blocks, ``base_kw`` outside."""
        return np.where(clock.is_between(self.blocks), self.capacity_kw, self.base_kw)


@dataclass(frozen=True)
class DurationBound(TransportAgreement):
    """Right during a share of the hours of a year (TDTR, ATR85), limits announced a day ahead.

    Parameters
    ----------
    available_share : float
        Share of the year's hours that stays free.
    year_h : float
        Hours of a year.
    """

    notice_h: float = 24.0
    suspension_after: int = 2
    available_share: float = 0.85
    year_h: float = 8760.0

    @classmethod
    def scaled(cls, capacity_kw: float) -> DurationBound:
        """No kW-contract component; what is left is 35 % of a firm bill (TenneT: up to 65 % lower)."""
        return cls(capacity_kw, 0.35 * FIRM_EUR_PER_KW_YEAR * capacity_kw, PENALTY_EUR_PER_MWH)

    def faults(self, connection_kw: float) -> list[str]:
        """As the base class, and the share must be one."""
        found = super().faults(connection_kw)
        if not 0.0 <= self.available_share <= 1.0:
            found.append(f"available_share {self.available_share:g} is outside 0 to 1")
        return found

    def limitable_h(self) -> float:
        """Hours of a year the operator may limit."""
        return (1.0 - self.available_share) * self.year_h

    def limitable_left_h(self, limit_kw: np.ndarray, clock: Clock, used_h: float = 0.0) -> float:
        """Hours the operator may still limit after these limits and ``used_h`` earlier in the year."""
        limited = float(np.sum(self.right_kw(clock) - limit_kw > 1e-6)) * clock.period_h
        return max(0.0, self.limitable_h() - used_h - limited)

    def _broken_promises(self, limit: np.ndarray, clock: Clock, row: int) -> list[Breach]:
        """Every limited period after the year's hours are used up."""
        right = self.right_kw(clock)
        limited = right - limit > 1e-6
        is_beyond = limited & (np.cumsum(limited) * clock.period_h > self.limitable_h() + 1e-9)
        return [self._short("duration_share", limit, right, int(p), clock, row) for p in np.flatnonzero(is_beyond)]
