"""The register of one point: which samples are believed, and how much energy falls into which period.

Energy is settled on register differences at station time. Believed samples make a line of (time, Wh) that never
jumps: a replaced or reset meter continues the line where it stood. The sum of all booked periods and corrections
equals the rise of that line, so that nothing is counted twice or lost.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import pairwise

from agents.hardware.meter import Sample

REBASE_AFTER = 3
"""Unbelievable samples in a row that agree among each other before the meter or the clock is believed to be new."""
LONGEST_BRIDGE_S = 600.0
STEADY_S = 2.0
"""Most by which a wrong clock's offset may vary between samples to be called steady, s."""


@dataclass(frozen=True)
class Correction:
    """Energy found later for a period that was already settled."""

    start_utc_s: float
    end_utc_s: float
    energy_kwh: float


@dataclass(frozen=True)
class Mark:
    """How far a run has booked: time, value of the line there, what turns a raw register into the line, clock offset.

    ``estimated_wh`` was booked beyond the line, for a time in which nothing was heard. Kept on disk between runs.
    """

    utc_s: float
    line_wh: float
    shift_wh: float = 0.0
    offset_s: float = 0.0
    estimated_wh: float = 0.0


@dataclass
class _Booked:
    start_s: float
    end_s: float
    estimate_w: float
    wh: float = 0.0


@dataclass
class Register:
    """Line of believed register values of one point.

    Parameters
    ----------
    max_w : float
        Most the point can draw (and, where it discharges, give back), W; a rise above 1.1 times this is not believed.
    started_utc_s : float
        Since when the point is watched.
    tolerance_s : float
        How far ahead of ours a station's clock may be.
    can_discharge : bool
        Whether the net register may fall.
    """

    max_w: float
    started_utc_s: float
    tolerance_s: float = 10.0
    can_discharge: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    offset_s: float = 0.0
    """Added to a clock that was found steadily wrong."""
    is_suspect: bool = False
    """Whether the newest sample was not believed."""
    _at_s: list[float] = field(default_factory=list)
    _wh: list[float] = field(default_factory=list)
    _shift_wh: float = 0.0
    _anchor: tuple[float, float] = (math.nan, math.nan)
    _doubtful: deque[tuple[float, float, Sample]] = field(default_factory=lambda: deque(maxlen=REBASE_AFTER))
    _booked: list[_Booked] = field(default_factory=list)
    _dirty: set[int] = field(default_factory=set)
    _resumed_wh: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether any sample was believed."""
        return bool(self._at_s)

    @property
    def last_utc_s(self) -> float:
        """Time of the newest believed sample."""
        return self._at_s[-1] if self._at_s else math.nan

    @property
    def last_kwh(self) -> float:
        """Newest value of the line, kWh."""
        return self._wh[-1] / 1000.0 if self._wh else math.nan

    @property
    def risen_kwh(self) -> float:
        """Rise of the line since the first believed sample, kWh."""
        return (self._wh[-1] - self._wh[0]) / 1000.0 if self._wh else 0.0

    @property
    def is_behind(self) -> bool:
        """Whether the line has not reached the end of what was settled."""
        return bool(self._booked) and not self._has_passed(len(self._booked) - 1)

    def resume(self, mark: Mark) -> None:
        """Continue where an earlier run stopped booking, so that the energy since then is neither lost nor doubled."""
        self._insert(0, mark.utc_s, mark.line_wh)
        self._anchor = (mark.utc_s, mark.line_wh)
        self._shift_wh, self.offset_s = mark.shift_wh, mark.offset_s
        self._resumed_wh = mark.line_wh + mark.estimated_wh

    def mark(self) -> Mark | None:
        """Where booking has come to; None before anything was settled on a known register."""
        if not self._booked or not self._at_s:
            return None
        end_s = min(self._booked[-1].end_s, self._at_s[-1])
        estimated_wh = sum(self._estimate_wh(self._booked[i]) for i in self._dirty)
        return Mark(end_s, self.value_wh(end_s), self._shift_wh, self.offset_s, estimated_wh)

    def begin_session(self, sample: Sample, *, is_other_meter: bool) -> bool:
        """A session starts with this register: a jump against the line is another meter's, not energy; whether so.

        Parameters
        ----------
        sample : Sample
            First sample of the session.
        is_other_meter : bool
            Whether it is at another plug than the session before, whose register has nothing to do with the line.
        """
        at_s, net_wh = sample.station_utc_s + self.offset_s, sample.net_wh
        if math.isnan(net_wh) or math.isnan(at_s) or not self._at_s or at_s <= self._at_s[-1]:
            return False
        if not is_other_meter and not self._value_fault(at_s, net_wh + self._shift_wh, sample):
            return False
        self._shift_wh = self._wh[-1] - net_wh
        self._anchor = (at_s, self._wh[-1])
        self._doubtful.clear()
        self.faults["rebased"] += 1
        return True

    def take(self, sample: Sample, received_s: float, power_w: float = math.nan) -> bool:
        """Judge one sample; True when it was believed.

        Parameters
        ----------
        sample : Sample
            The sample; one without register is not judged.
        received_s : float
            Our time of arrival.
        power_w : float
            Power before the sample, to bridge a replaced meter.
        """
        net_wh = sample.net_wh
        if math.isnan(net_wh):
            return False
        at_s = sample.station_utc_s + self.offset_s
        if math.isnan(at_s):
            self.faults["no_time"] += 1
            at_s = received_s
        fault = self._time_fault(at_s, received_s) or self._value_fault(at_s, net_wh + self._shift_wh, sample)
        if fault:
            self.faults[fault] += 1
            self.is_suspect = True
            self._doubtful.append((at_s, received_s, sample))
            return self._reconsider(power_w)
        self.is_suspect = False
        self._doubtful.clear()
        self._place(at_s, net_wh + self._shift_wh)
        return True

    def _time_fault(self, at_s: float, received_s: float) -> str:
        if at_s > received_s + self.tolerance_s:
            return "future"
        if not self._at_s and at_s < min(self.started_utc_s, received_s) - 900.0:
            return "too_old"
        return ""

    def _value_fault(self, at_s: float, wh: float, sample: Sample) -> str:
        """Backwards or faster than the point can, against both neighbours in time and the start of the line."""
        if not self._at_s:
            return ""
        place = bisect_right(self._at_s, at_s)
        if place:
            fault = self._pair_fault(self._at_s[place - 1], self._wh[place - 1], at_s, wh, sample.quantum_wh)
            if fault:
                return "old_stamp" if fault == "backwards" and at_s < self._at_s[-1] else fault
        if place < len(self._at_s):
            if self._pair_fault(at_s, wh, self._at_s[place], self._wh[place], sample.quantum_wh):
                return "old_stamp"
        elif self._pair_fault(*self._anchor, at_s, wh, sample.quantum_wh):
            return "too_fast"
        return "old_stamp" if place == 0 and at_s < self._at_s[0] - 900.0 else ""

    def _pair_fault(self, t0: float, wh0: float, t1: float, wh1: float, quantum_wh: float) -> str:
        room_wh = 1.1 * self.max_w * max(t1 - t0, 0.0) / 3600.0 + quantum_wh + 0.5
        if wh1 < wh0 - (room_wh if self.can_discharge else 0.5):
            return "backwards"
        return "too_fast" if wh1 - wh0 > room_wh else ""

    def _reconsider(self, power_w: float) -> bool:
        """Believe a run of doubtful samples that agree: a clock that is steadily wrong, or a meter that is new."""
        if len(self._doubtful) < REBASE_AFTER:
            return False
        if self._is_clock_steadily_wrong():
            return self._believe_clock()
        return self._believe_meter(power_w)

    def _is_clock_steadily_wrong(self) -> bool:
        offsets = [received - at for at, received, _ in self._doubtful]
        arrivals = [received for _, received, _ in self._doubtful]
        is_live = all(b - a > 0.2 for a, b in pairwise(arrivals))
        is_off = all(o < -self.tolerance_s or o > 60.0 for o in offsets)
        return is_live and is_off and max(offsets) - min(offsets) < STEADY_S

    def _believe_clock(self) -> bool:
        at_s, received_s, _ = self._doubtful[-1]
        held = list(self._doubtful)
        self.offset_s += received_s - at_s
        self.faults["clock_off"] += 1
        self._doubtful.clear()
        believed = False
        for _, received, sample in held:
            believed = self.take(sample, received)
        return believed

    def _believe_meter(self, power_w: float) -> bool:
        first, last = self._doubtful[0], self._doubtful[-1]
        agree = all(
            b[0] > a[0] and not self._pair_fault(a[0], a[2].net_wh, b[0], b[2].net_wh, b[2].quantum_wh)
            for a, b in pairwise(self._doubtful)
        )
        if not agree or not self._at_s or self._time_fault(last[0], last[1]) or first[0] <= self._at_s[-1]:
            return False
        self._shift_wh = self._wh[-1] + self._bridge_wh(first[0], power_w) - first[2].net_wh
        self.faults["rebased"] += 1
        for at_s, _, sample in self._doubtful:
            self._place(at_s, sample.net_wh + self._shift_wh)
        self._anchor = (first[0], first[2].net_wh + self._shift_wh)
        self._doubtful.clear()
        self.is_suspect = False
        return True

    def _bridge_wh(self, at_s: float, power_w: float) -> float:
        """Energy between the last sample of the old meter and the first of the new one, from the power drawn.

        Nothing for a gap of more than ten minutes or one between two runs: there the power is not known.
        """
        gap_s = at_s - self._at_s[-1]
        is_between_runs = self._resumed_wh is not None and len(self._at_s) == 1
        if math.isnan(power_w) or is_between_runs or gap_s > LONGEST_BRIDGE_S:
            return 0.0
        return min(max(power_w, 0.0), 1.1 * self.max_w) * gap_s / 3600.0

    def _place(self, at_s: float, wh: float) -> None:
        place = bisect_right(self._at_s, at_s)
        if place and self._at_s[place - 1] == at_s:
            self._wh[place - 1] = max(self._wh[place - 1], wh)
        else:
            self._insert(place, at_s, wh)
        if math.isnan(self._anchor[0]):
            self._anchor = (at_s, wh)
        self._mark_dirty(at_s)

    def _insert(self, place: int, at_s: float, wh: float) -> None:
        self._at_s.insert(place, at_s)
        self._wh.insert(place, wh)

    def _mark_dirty(self, at_s: float) -> None:
        """Settled periods around a new point must be looked at again."""
        place = bisect_right(self._at_s, at_s)
        before = self._at_s[place - 2] if place > 1 else -math.inf
        after = self._at_s[place] if place < len(self._at_s) else math.inf
        for index in range(len(self._booked) - 1, -1, -1):
            period = self._booked[index]
            if period.end_s <= before:
                break
            if period.start_s < after:
                self._dirty.add(index)

    def value_wh(self, at_s: float) -> float:
        """The line at a moment, Wh: straight between samples, level before the first and after the last."""
        if not self._at_s:
            return 0.0
        place = bisect_left(self._at_s, at_s)
        if place == 0:
            return self._wh[0]
        if place == len(self._at_s):
            return self._wh[-1]
        t0, t1 = self._at_s[place - 1], self._at_s[place]
        share = (at_s - t0) / (t1 - t0) if t1 > t0 else 1.0
        return self._wh[place - 1] + share * (self._wh[place] - self._wh[place - 1])

    def settle(self, start_s: float, end_s: float, estimate_w: float = 0.0) -> float:
        """Book a period with what is known now, kWh; what arrives later becomes a correction.

        ``estimate_w`` stands for the time after the last believed sample (link down).
        """
        index = len(self._booked)
        self._booked.append(_Booked(start_s, end_s, estimate_w))
        self._booked[index].wh = self._now_wh(index)
        if not self._has_passed(index):
            self._dirty.add(index)
        return self._booked[index].wh / 1000.0

    def _has_passed(self, index: int) -> bool:
        return bool(self._at_s) and self._at_s[-1] >= self._booked[index].end_s

    def _estimate_wh(self, period: _Booked) -> float:
        """Estimate for the part of a period that the line has not reached."""
        reached_s = max(period.start_s, self._at_s[-1]) if self._at_s else period.start_s
        return period.estimate_w * max(period.end_s - reached_s, 0.0) / 3600.0

    def _now_wh(self, index: int) -> float:
        """Energy of a settled period as it is known now; the first one after a restart takes what lies in between."""
        period = self._booked[index]
        if index == 0 and self._resumed_wh is not None:
            known_wh = self.value_wh(period.end_s) - self._resumed_wh
        else:
            known_wh = self.value_wh(period.end_s) - self.value_wh(period.start_s)
        return known_wh + self._estimate_wh(period)

    def corrections(self) -> list[Correction]:
        """Differences found since, each told once."""
        found = []
        for index in sorted(self._dirty):
            period, wh = self._booked[index], self._now_wh(index)
            if abs(wh - period.wh) > 1e-6:
                found.append(Correction(period.start_s, period.end_s, (wh - period.wh) / 1000.0))
                period.wh = wh
            if self._has_passed(index):
                self._dirty.discard(index)
        return found

    @property
    def booked_kwh(self) -> float:
        """Everything settled so far with its corrections, kWh."""
        return sum(period.wh for period in self._booked) / 1000.0
