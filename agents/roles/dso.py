"""DSO: predicts congestion of its own wires, calls capacity limits, and as a last resort sends absolute signals."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from agents.breaches import CapacityCallMade
from agents.messages import (
    AbsoluteSignal,
    AbsoluteSignalDirect,
    CapacityCall,
    CongestionAnnouncement,
    CongestionOfferToDso,
    RedispatchOrder,
    TransportLimit,
)
from agents.roles.grid_operator import GridOperator
from agents.settings import SignalSettings
from agents.signals import DIRECT, VIA_CSP, Signal, SignalLog

LIMIT_SHARE_OF_SIGNAL = 0.4
"""What charging points may still draw under an absolute signal (net-aware charging in Eindhoven: 8.6 to 4 kW)."""
HOLD_PERIODS = 4
"""Quarters for which the CSP is told at once, so that its pool can plan and its BRP trade; a direct signal is renewed
every quarter."""
RELEASE_SHARE = 0.9
"""An absolute signal ends when the measured loading is below this share."""
SURE = 0.8
"""A capacity call costs money whether or not it was needed: the forecast must be this sure."""


class CalledLimit(NamedTuple):
    """A capacity-limiting contract called for one element and quarter: power expected, withheld, and what is owed."""

    period: int
    branch: int
    expected_mw: float
    withheld_mw: float
    owed_eur: float


class DSO(GridOperator):
    """Distribution system operator.

    Parameters
    ----------
    threshold_share : float
        Measured loading at which the absolute signal is sent.
    path : str
        ``direct``, ``via_csp`` or ``none``.
    is_announced : bool
        A direct signal is told to the CSP too.
    """

    role: ClassVar[str] = "dso"
    offer = CongestionOfferToDso
    announcement = CongestionAnnouncement
    order = RedispatchOrder

    def __init__(self, *args: Any, threshold_share: float, path: str, is_announced: bool) -> None:
        super().__init__(*args)
        self.threshold_share, self.path, self.is_announced = threshold_share, path, is_announced
        self._under_signal: set[int] = set()
        self.equip(SignalSettings(), len(self.node_of_connection), np.random.default_rng(0))
        self.signals: list[tuple[int, int]] = []
        self.signal_log = SignalLog()
        self.calls: list[CapacityCallMade] = []
        self._last_offer: CongestionOfferToDso | None = None

    def hear(self) -> None:
        """Take in prognoses; the newest also says who could be limited."""
        newest = self.knowledge.newest(CongestionOfferToDso)
        if newest is not None:
            self._last_offer = newest
        super().hear()

    def call_capacity(self, periods: np.ndarray, price_eur_per_mwh: float) -> list[CalledLimit]:
        """Call capacity limits for a day where congestion is nearly sure."""
        offer = self._last_offer
        if offer is None:
            return []
        unknown = periods[~self._has_prognosis[periods]]
        self._expect_like_before(unknown)
        needs = self.needs(periods, probability=1.0 - SURE)
        called = []
        factors = self.effectivity()
        for k, branch in enumerate(needs.branches.tolist()):
            inside = np.flatnonzero(factors[self.node_of_connection[offer.connection_row], branch] > 0.0)
            less = np.where(needs.sign[k] > 0, needs.needed_kw[k], 0.0)
            if not len(inside) or not (less > 0.1).any() or not self.linear.arrays.is_lv_branch[branch]:
                continue
            at = (self._quarter[periods] - self._quarter[offer.first_period]) % offer.prognosis_kw.shape[1]
            expected = offer.prognosis_kw[inside][:, at].sum(axis=0)
            room = offer.reducible_kw[inside][:, at].sum(axis=0)
            withheld = np.minimum(less, room)
            limit = np.where(withheld > 0.1, expected - withheld, np.inf)
            if not np.isfinite(limit).any():
                continue
            self.send(CapacityCall(needs.first, offer.connection_row[inside], limit))
            self.calls.append(CapacityCallMade(needs.first, offer.connection_row[inside], limit))
            for i in np.flatnonzero(np.isfinite(limit)).tolist():
                mw = float(withheld[i]) / 1000.0
                expected_mw, owed = float(expected[i]) / 1000.0, 0.25 * mw * price_eur_per_mwh
                called.append(CalledLimit(needs.first + i, branch, expected_mw, mw, owed))
        self._prognosis_kw[unknown] = 0.0
        return called

    def leave_room(self, periods: np.ndarray, rows: np.ndarray, right_kw: np.ndarray) -> np.ndarray:
        """What the operator would like flexible connections to draw at most on a day, float[n_rows, n_periods].

        Where an element is expected to be congested, the rights behind it are cut by the same share until it holds.
        """
        wanted = right_kw.copy()
        needs, factors = self.needs(periods, probability=0.5), self.effectivity()
        for k, branch in enumerate(needs.branches.tolist()):
            behind = factors[self.node_of_connection[rows], branch] > 0.0
            less = np.where(needs.sign[k] > 0, needs.needed_kw[k], 0.0)
            total = right_kw[behind].sum(axis=0)
            share = np.clip(1.0 - less / np.maximum(total, 1e-9), 0.0, 1.0)
            wanted[behind] = np.minimum(wanted[behind], right_kw[behind] * share)
        return wanted

    def tell_limits(self, first: int, rows: np.ndarray, limit_kw: np.ndarray, group: np.ndarray) -> None:
        """Tell the CPO what its agreements leave on a day (MR-DSO)."""
        self.send(TransportLimit(first, rows, limit_kw, group))

    def _expect_like_before(self, periods: np.ndarray) -> None:
        """Before a day's prognoses are in, expect those of the last day that has them, quarter by quarter."""
        known = np.flatnonzero(self._has_prognosis)
        if not len(known) or not len(periods):
            return
        known = known[known < periods[0]]
        newest = known[-min(len(known), 100) :]
        by_quarter = dict(zip(self._quarter[newest].tolist(), newest.tolist(), strict=True))
        for period in periods.tolist():
            source = by_quarter.get(int(self._quarter[period]))
            if source is not None:
                self._prognosis_kw[period] = self._prognosis_kw[source]

    def protect(self, period: int, loading_share: np.ndarray, connections_with_points: np.ndarray) -> None:
        """Send the absolute signal for the next period where the loading crossed the threshold (DSO-2, DSO-3)."""
        if self.path == "none":
            return
        loading = np.nan_to_num(loading_share, nan=0.0)
        over = set(np.flatnonzero(self.is_own & (loading > self.threshold_share)).tolist())
        kept = {b for b in self._under_signal if loading[b] > RELEASE_SHARE}
        self._under_signal = over | kept
        factors = self.effectivity()
        limited: set[int] = set()
        for branch in sorted(self._under_signal):
            rows = connections_with_points[factors[self.node_of_connection[connections_with_points], branch] > 0.0]
            limited.update(rows.tolist())
            self.signals.append((period + 1, branch))
        if limited:
            self._send_signals(period + 1, np.array(sorted(limited)))

    def equip(self, signals: SignalSettings, n_connections: int, rng: np.random.Generator) -> None:
        """Fit connections with the hardware that hears direct signals."""
        self.signal_settings, self._rng = signals, rng
        self.has_hardware = rng.random(n_connections) < signals.direct_share

    def _send_signals(self, first: int, rows: np.ndarray) -> None:
        """Straight to the stations that can hear, past everybody else; to all others through the CSP."""
        chosen, told = self.signal_settings, rows
        if self.path == "direct":
            direct = rows[self.has_hardware[rows]]
            reached = direct[self._rng.random(len(direct)) >= chosen.direct_failure_share]
            late = first + _periods(chosen.direct_delay_min)
            lost = len(direct) - len(reached)
            if len(direct):
                self.signal_log.sent.append(Signal(DIRECT, late, 1, reached, lost, self.is_announced))
            if len(reached):
                self.send(AbsoluteSignalDirect(late, reached, np.full(len(reached), LIMIT_SHARE_OF_SIGNAL)))
            told = rows if self.is_announced else rows[~self.has_hardware[rows]]
        if len(told):
            late = first + _periods(chosen.csp_delay_min)
            if self.path != "direct" or not self.is_announced:
                self.signal_log.sent.append(Signal(VIA_CSP, late, HOLD_PERIODS, told, 0, True))
            self.send(AbsoluteSignal(late, told, np.full(len(told), LIMIT_SHARE_OF_SIGNAL), HOLD_PERIODS))


def _periods(minutes: float) -> int:
    """Whole quarter-hours that a delay costs."""
    return int(-(-minutes // 15.0))
