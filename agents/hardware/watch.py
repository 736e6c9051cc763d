"""What the meter of one point says about what it was told: who follows, who draws too much (CP-3), who falls back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.hardware.meter import Sample
from agents.hardware.tickets import Accepted
from agents.hardware.told import MISMATCHES
from agents.port import within_limit

if TYPE_CHECKING:
    from agents.hardware.point import PhysicalPoint

OVERDRAWS_TO_STOP = 2
"""Samples in a row above what was told after which the session is stopped (CP-3)."""


class MeterWatch:
    """Judges every sample of one point.

    Parameters
    ----------
    point : PhysicalPoint
        The point, whose register, power, tickets and proof change with it.
    """

    def __init__(self, point: PhysicalPoint) -> None:
        self._point = point
        self.overdraws = 0

    def take(self, samples: Iterable[Sample]) -> None:
        """Take samples in the order they came."""
        point = self._point
        received_s = point.clock.utc_s()
        for sample in samples:
            point.counts["unreadable_values"] += sample.faults
            before = point.register.faults.copy()
            has_register = not math.isnan(sample.net_wh)
            is_believed = point.register.take(sample, received_s, point.power_kw * 1000.0)
            for fault, n in (point.register.faults - before).items():
                point.note("suspect" if fault not in ("rebased", "clock_off", "no_time") else fault, f"{fault} x{n}")
            self._take_power(sample, received_s, is_believed=is_believed or not has_register)

    def _take_power(self, sample: Sample, received_s: float, *, is_believed: bool) -> None:
        point = self._point
        at_s = sample.station_utc_s + point.register.offset_s
        is_live = not math.isnan(at_s) and (math.isnan(point.heard_utc_s) or at_s >= point.heard_utc_s)
        mismatches = point.belief.mismatches
        power_w = point.belief.take(sample, at_s, is_believed=is_believed)
        if point.belief.mismatches == MISMATCHES and mismatches < MISMATCHES:
            point.note("power_mismatch", "the stated power contradicts the register; the register is believed")
        if not is_live or at_s > received_s + point.register.tolerance_s:
            return
        if math.isnan(power_w):
            if is_believed and not math.isnan(sample.net_wh):
                point.heard_utc_s = at_s  # the register speaks, if not of power
            return
        if abs(power_w) > 1500.0 * point.settings.envelope.physical_kw + 1000.0:
            point.counts["absurd_power"] += 1
            return
        point.add_power(received_s)
        point.heard_utc_s, point.power_kw = at_s, power_w / 1000.0
        if not math.isnan(sample.soc_share):
            point.soc_share = min(max(sample.soc_share, 0.0), 1.0)
        self._judge(point.power_kw - point.belief.slack_w / 1000.0, point.belief.since_s, at_s)

    def _judge(self, power_kw: float, since_s: float, at_s: float) -> None:
        """Compare a power with what was told (CP-3), confirm tickets, go on with the proof.

        A mean from the register speaks for the time from ``since_s`` on: it is held against the highest limit of that
        time, and confirms only what was told before it began.
        """
        point = self._point
        proof = point.proof
        was = proof.state
        proof.saw(power_kw, at_s)
        if proof.state != was:
            point.note(f"proof_{proof.state}", f"after {proof.took_s:.1f} s" if proof.took_s > 0 else "")
        for accepted in point.book.judge(power_kw, since_s):
            self._note_violation(accepted, power_kw, at_s)
        allowed_kw = point.told.highest_kw(since_s - point.settings.reaction_s, at_s)
        if within_limit(power_kw, min(max(allowed_kw, 0.0), point.settings.envelope.max_kw)):
            self.overdraws = 0
            return
        if point.clock.utc_s() - point.begun_utc_s < point.settings.reaction_s:
            return  # it has only just started and may not have looked at its profiles yet
        self.overdraws += 1
        point.note("overdraw", f"{power_kw:.2f} kW, told {allowed_kw:.2f} kW", at_s)
        if self.overdraws >= OVERDRAWS_TO_STOP and not point.proof.forbids_renewal and point.is_linked:
            self._interrupt(power_kw, at_s)

    def _interrupt(self, power_kw: float, at_s: float) -> None:
        """Stop who draws more than told (CP-3)."""
        point = self._point
        for accepted in point.book.overdrawn(power_kw):
            self._note_violation(accepted, power_kw, at_s)
        point.wishes.stop_reason = "draws more than told"
        point.wake()

    def _note_violation(self, accepted: Accepted, power_kw: float, at_s: float) -> None:
        self._point.note("violated", f"{power_kw:.2f} kW, told {accepted.told_kw:.2f} kW", at_s)
