"""Capacity-limiting contract: the operator calls a lower limit day-ahead and pays for it; nobody trades it back.

Source: GOPACS capacity limitation contract; Netcode. With or without a CSP, compulsory above 60 MW. Supplier and
BRP are not corrected, which is why the call comes before the day-ahead auction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.contracts.breaches import Breach, over_limit
from markets.contracts.clock import Clock

_CSP_COMPULSORY_KW = 60_000.0


@dataclass(frozen=True)
class CapacityLimiting:
    """Contract beside a transport agreement.

    Parameters
    ----------
    right_kw : float
        Transport right that is limited.
    limit_kw : float
        Lowest limit that may be called.
    price_eur_per_mwh : float
        Compensation per MWh of right not available.
    standby_eur_per_year : float
        Fixed compensation.
    windows : tuple of (from hour, to hour)
        Local hours in which it may be called; the whole day by default.
    notice_h : float
        Hours between the call and the start of delivery.
    penalty_eur_per_mwh : float
        What the customer owes per MWh above a called limit.
    is_via_csp : bool
        The call goes to a CSP, who answers for it.
    max_calls : int
        Calls a year; 0 for no bound.
    """

    right_kw: float
    limit_kw: float
    price_eur_per_mwh: float = 75.0
    standby_eur_per_year: float = 0.0
    windows: tuple[tuple[float, float], ...] = ((0.0, 24.0),)
    notice_h: float = 15.0
    penalty_eur_per_mwh: float = 150.0
    is_via_csp: bool = False
    max_calls: int = 0

    def faults(self, connection_kw: float) -> list[str]:
        """Why the contract does not fit the connection, in words."""
        found = []
        if not np.isfinite([self.right_kw, self.limit_kw, self.price_eur_per_mwh]).all():
            found.append("right_kw, limit_kw and price_eur_per_mwh must be finite numbers")
        if self.right_kw > connection_kw * (1 + 1e-9):
            found.append(f"limits a right of {self.right_kw:g} kW, the connection carries {connection_kw:g} kW")
        if not 0.0 <= self.limit_kw <= self.right_kw:
            found.append(f"limit_kw {self.limit_kw:g} is outside 0 to {self.right_kw:g}")
        if self.right_kw > _CSP_COMPULSORY_KW and not self.is_via_csp:
            found.append(f"{self.right_kw:g} kW is above 60 MW, where a CSP is compulsory")
        return found

    def called_limit_kw(self, is_called: np.ndarray, clock: Clock, limit_kw: float | None = None) -> np.ndarray:
        """Limit per period after a call, never below the contract's and only inside its windows.

        Parameters
        ----------
        is_called : bool[n_periods]
            Periods the operator called.
        clock : Clock
            Local time of the periods.
        limit_kw : float, optional
            Limit called; the contract's when absent.
        """
        level = self.limit_kw if limit_kw is None else min(max(limit_kw, self.limit_kw), self.right_kw)
        return np.where(np.asarray(is_called) & clock.is_between(self.windows), level, self.right_kw)

    def compensation_eur(self, limit_kw: np.ndarray, period_h: float) -> np.ndarray:
        """What the operator owes for the right withheld, float64[n_periods]."""
        return np.maximum(self.right_kw - np.asarray(limit_kw, dtype=np.float64), 0.0) * (
            period_h / 1000 * self.price_eur_per_mwh
        )

    def measured_breaches(
        self, measured_kw: np.ndarray, limit_kw: np.ndarray, clock: Clock, row: int = 0
    ) -> list[Breach]:
        """Periods whose measured mean is above the called limit."""
        measured, limit = np.asarray(measured_kw, dtype=np.float64), np.asarray(limit_kw, dtype=np.float64)
        return over_limit("called_limit", measured, limit, clock.period_h, self.penalty_eur_per_mwh, row)

    def call_breaches(
        self, limit_kw: np.ndarray, announced_h: np.ndarray, clock: Clock, row: int = 0, earlier_calls: int = 0
    ) -> list[Breach]:
        """The operator's breaches: called too low, outside the windows, too late or too often.

        Parameters
        ----------
        limit_kw : float64[n_periods]
            Called limits; the right where nothing is called.
        announced_h : float64[n_periods]
            Hours before delivery at which each was called.
        clock : Clock
            Local time of the periods.
        row : int
            Connection, copied into the breaches.
        earlier_calls : int
            Calls made before in the year.
        """
        limit = np.asarray(limit_kw, dtype=np.float64)
        is_called = self.right_kw - limit > 1e-6
        is_first = is_called & ~np.r_[False, is_called[:-1]]
        n_calls = earlier_calls + np.cumsum(is_first)
        broken = {
            "below_contract": limit < self.limit_kw - 1e-6,
            "outside_window": is_called & ~clock.is_between(self.windows),
            "notice": is_called & (np.asarray(announced_h) < self.notice_h - 1e-9),
            "too_many_calls": is_called & (n_calls > self.max_calls) & (self.max_calls > 0),
        }
        found = []
        for rule, mask in broken.items():
            for p in np.flatnonzero(mask):
                short = float(self.right_kw - limit[p]) * clock.period_h
                found.append(Breach(rule, "operator", row, int(p), 1, self.limit_kw, float(limit[p]), short, 0.0))
        return found
