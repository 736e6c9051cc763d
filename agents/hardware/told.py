"""What a point was told when, and what its meter says about it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from agents.hardware.meter import Sample


@dataclass(frozen=True)
class _Told:
    start_s: float
    end_s: float
    limit_kw: float


@dataclass
class ToldLimits:
    """Limits that a point accepted, each with its end; between them the safe limit holds.

    >>> told = ToldLimits(4.0)
    >>> told.add(100.0, 160.0, 11.0); told.add(130.0, 190.0, 6.0)
    >>> told.highest_kw(120.0, 125.0), told.highest_kw(125.0, 135.0), told.highest_kw(191.0, 200.0)
    (11.0, 11.0, 4.0)
    """

    safe_kw: float
    _told: deque[_Told] = field(default_factory=lambda: deque(maxlen=4096))

    def add(self, start_s: float, end_s: float, limit_kw: float) -> None:
        """Note a limit that was accepted; it replaces the one before."""
        self._told.append(_Told(start_s, end_s, limit_kw))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever told."""
        return not self._told

    def highest_kw(self, start_s: float, end_s: float) -> float:
        """Highest limit in force at any moment between the two."""
        highest, next_s, covered_to = -math.inf, math.inf, end_s
        for told in reversed(self._told):
            until = min(told.end_s, next_s)
            if until < covered_to and told.start_s <= covered_to:
                highest = max(highest, self.safe_kw)
            if told.start_s <= end_s and until >= start_s:
                highest = max(highest, told.limit_kw)
            next_s, covered_to = told.start_s, min(covered_to, told.start_s)
            if told.start_s <= start_s:
                break
        return max(highest, self.safe_kw) if covered_to > start_s else highest


MISMATCHES = 3
"""Means of the register in a row that contradict the stated power before the register is believed."""


@dataclass
class PowerBelief:
    """Power from what the station says and from its register; whoever contradicts the register loses.

    Some stations report a power of zero, or another unit than they name, while the register rises.
    """

    quanta: float = 10.0
    mismatches: int = 0
    since_s: float = math.nan
    """Start of the time that the newest power speaks for: the sample's own moment, or the base of a mean."""
    slack_w: float = 0.0
    """By how much the newest power may be too high, because a register was written in whole steps."""
    _base: tuple[float, float] = (math.nan, math.nan)
    _derived_w: float = math.nan
    _derived_since_s: float = math.nan
    _derived_slack_w: float = 0.0
    _said: tuple[float, float] = (math.inf, -math.inf)

    def take(self, sample: Sample, at_s: float, *, is_believed: bool) -> float:
        """Power to believe after this sample, W; NaN when nothing new is known.

        A mean from the register is told once: it speaks for the time since its base, and says nothing of later.
        """
        said_w, was_wrong = sample.power_w, self._is_wrong
        self._note_said(said_w)
        is_new = is_believed and self._derive(sample, at_s)
        if is_new:
            self._compare()
            self._said = (math.inf, -math.inf)
            self._note_said(said_w)
        if not math.isnan(said_w) and not self._is_wrong:
            self.since_s, self.slack_w = at_s, 0.0
            return said_w
        self.since_s, self.slack_w = self._derived_since_s, self._derived_slack_w
        is_new |= self._is_wrong and not was_wrong
        return self._derived_w if is_new and not (sample.is_end and math.isnan(said_w)) else math.nan

    @property
    def _is_wrong(self) -> bool:
        return self.mismatches >= MISMATCHES

    def _note_said(self, said_w: float) -> None:
        if not math.isnan(said_w):
            self._said = (min(self._said[0], said_w), max(self._said[1], said_w))

    def _compare(self) -> None:
        """Hold a mean of the register against all that was said in its time: the truth lies between those."""
        low_w, high_w = self._said
        if low_w > high_w:
            return
        margin_w = max(0.5 * abs(self._derived_w), 500.0)
        is_off = not low_w - margin_w <= self._derived_w <= high_w + margin_w
        self.mismatches = self.mismatches + 1 if is_off else 0

    def reset(self) -> None:
        """Forget the register (a new transaction may bring a new one)."""
        self._base, self._derived_w, self.mismatches = (math.nan, math.nan), math.nan, 0
        self._said = (math.inf, -math.inf)

    def _patience_s(self, enough_wh: float) -> float:
        """Longest wait for enough Wh: twice what the power so far needs for them, at most a minute."""
        if not abs(self._derived_w) > 0.0:
            return 60.0
        return min(60.0, 2.0 * enough_wh * 3600.0 / abs(self._derived_w))

    def _derive(self, sample: Sample, at_s: float) -> bool:
        """Mean power since a sample so long ago that the register's rounding does not matter; whether it is new."""
        if math.isnan(self._base[0]) or at_s < self._base[0]:
            self._base = (at_s, sample.net_wh)
            return False
        passed_s, risen_wh = at_s - self._base[0], sample.net_wh - self._base[1]
        enough_wh = self.quanta * sample.quantum_wh
        if passed_s > 0 and (abs(risen_wh) >= enough_wh or passed_s >= self._patience_s(enough_wh)):
            self._derived_w, self._derived_since_s = risen_wh * 3600.0 / passed_s, self._base[0]
            self._derived_slack_w = sample.quantum_wh * 3600.0 / passed_s
            self._base = (at_s, sample.net_wh)
            return True
        return False
