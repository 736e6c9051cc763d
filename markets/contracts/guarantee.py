"""Guaranteed bounds of a non-firm agreement: what an operator may withhold and whether it kept its word.

Source: report 7.4.1 (minimum, maximum, mean per day, mean per four-hour block). The blocks are fixed local ones,
00-04 to 20-24, which is our reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from markets.contracts.breaches import Breach, under_mean
from markets.contracts.clock import Clock, starts_of


@dataclass(frozen=True)
class Guarantee:
    """Bounds of the power that an operator leaves available.

    Parameters
    ----------
    min_kw, max_kw : float
        Power available at any time, and at most.
    day_mean_kw, block_mean_kw : float
        Means available per local day and per block.
    block_h : float
        Length of a block.
    """

    min_kw: float
    max_kw: float
    day_mean_kw: float
    block_mean_kw: float
    block_h: float = 4.0

    def faults(self) -> list[str]:
        """What does not fit together, in words."""
        values = (self.min_kw, self.max_kw, self.day_mean_kw, self.block_mean_kw, self.block_h)
        if not np.isfinite(values).all():
            return ["guarantee: every bound must be a finite number"]
        found = []
        if self.min_kw < 0.0:
            found.append(f"min_kw {self.min_kw:g} is below 0")
        bounds = {n: getattr(self, n) for n in ("min_kw", "day_mean_kw", "block_mean_kw")}
        found += [f"{n} {v:g} is above max_kw {self.max_kw:g}" for n, v in bounds.items() if v > self.max_kw]
        if self.block_h <= 0.0 or self.block_h > 24.0:
            found.append(f"block_h {self.block_h:g} is outside 0 to 24")
        return found

    def withholdable_kwh_per_day(self, day_h: float = 24.0) -> float:
        """Most energy an operator may withhold in a day of ``day_h`` hours: the tightest of the three bounds."""
        largest_floor = max(self.min_kw, self.day_mean_kw, self.block_mean_kw)
        return (self.max_kw - largest_floor) * day_h

    def check(self, limit_kw: np.ndarray, clock: Clock, penalty_eur_per_mwh: float = 0.0, row: int = 0) -> list[Breach]:
        """Every bound that a limit profile breaks.

        Parameters
        ----------
        limit_kw : float64[n_periods]
            Power the operator left available.
        clock : Clock
            Local time of the periods.
        penalty_eur_per_mwh : float
            What the operator owes per MWh short.
        row : int
            Connection, copied into the breaches.

        Returns
        -------
        list of Breach
            Rules ``minimum``, ``maximum``, ``day_mean``, ``block_mean``, in this order.
        """
        limit = np.asarray(limit_kw, dtype=np.float64)
        found = []
        for rule, excess, bound in (
            ("minimum", self.min_kw - limit, self.min_kw),
            ("maximum", limit - self.max_kw, self.max_kw),
        ):
            for p in np.flatnonzero(excess > 1e-6):
                energy = float(excess[p]) * clock.period_h
                owed = energy / 1000 * penalty_eur_per_mwh if rule == "minimum" else 0.0
                found.append(Breach(rule, "operator", row, int(p), 1, bound, float(limit[p]), energy, owed))
        blocks = starts_of(clock.block(self.block_h))
        args = (clock.period_h, penalty_eur_per_mwh, row)
        found += under_mean("day_mean", limit, self.day_mean_kw, clock.day_starts, *args)
        return found + under_mean("block_mean", limit, self.block_mean_kw, blocks, *args)

    def withholdable_left_kwh(self, decided_kw: np.ndarray, clock: Clock) -> np.ndarray:
        """How much an operator may still withhold on each day, after what it has decided.

        Parameters
        ----------
        decided_kw : float64[n_periods] or [n_periods, n_connections]
            Limits given so far; NaN where nothing is decided (the maximum holds there).
        clock : Clock
            Local time of the periods.

        Returns
        -------
        float64[n_days] or [n_days, n_connections]
            Energy in kWh, at least 0.
        """
        decided = np.asarray(decided_kw, dtype=np.float64)
        is_open = np.isnan(decided)
        withheld = np.where(is_open, 0.0, self.max_kw - decided) * clock.period_h
        open_kwh = np.where(is_open, (self.max_kw - self.min_kw) * clock.period_h, 0.0)
        block = clock.block(self.block_h)
        starts = starts_of(block)
        block_h = np.diff(np.append(starts, clock.n_periods)) * clock.period_h
        budget = (self.max_kw - self.block_mean_kw) * block_h.reshape((-1,) + (1,) * (decided.ndim - 1))
        left = np.minimum(budget - np.add.reduceat(withheld, starts, axis=0), np.add.reduceat(open_kwh, starts, axis=0))
        by_blocks = np.add.reduceat(np.maximum(left, 0.0), starts_of(clock.day[starts]), axis=0)
        day_h = np.diff(np.append(clock.day_starts, clock.n_periods)) * clock.period_h
        day_budget = (self.max_kw - self.day_mean_kw) * day_h.reshape((-1,) + (1,) * (decided.ndim - 1))
        by_day = day_budget - np.add.reduceat(withheld, clock.day_starts, axis=0)
        return np.maximum(np.minimum(by_day, by_blocks), 0.0)

    def admissible_kw(self, wanted_kw: np.ndarray, clock: Clock) -> np.ndarray:
        """The limits an operator may give that come closest to what it wants.

        Where a mean is short, every limit of that stretch is eased by the same share of its distance to the maximum.

        Parameters
        ----------
        wanted_kw : float64[n_periods] or [n_periods, n_connections]
            Wanted limits.
        clock : Clock
            Local time of the periods.

        Returns
        -------
        float64, shape of ``wanted_kw``
            Limits that pass :meth:`check`.
        """
        limit = np.clip(np.asarray(wanted_kw, dtype=np.float64), self.min_kw, self.max_kw)
        limit = self._eased(limit, self.block_mean_kw, starts_of(clock.block(self.block_h)))
        return self._eased(limit, self.day_mean_kw, clock.day_starts)

    def _eased(self, limit: np.ndarray, mean_kw: float, starts: np.ndarray) -> np.ndarray:
        length = np.diff(np.append(starts, limit.shape[0]))
        mean = np.add.reduceat(limit, starts, axis=0) / length.reshape((-1,) + (1,) * (limit.ndim - 1))
        room = self.max_kw - mean
        share = np.where(room > 0.0, np.maximum(mean_kw - mean, 0.0) / np.where(room > 0.0, room, 1.0), 0.0)
        return limit + np.repeat(share, length, axis=0) * (self.max_kw - limit)
