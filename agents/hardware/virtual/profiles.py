"""Charging profiles in a station: which limit holds now."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from agents.hardware.clock import seconds

VOLT = 230.0
_PURPOSE = {
    "ChargePointMaxProfile": "max", "ChargingStationMaxProfile": "max", "TxDefaultProfile": "default",
    "TxProfile": "session",
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A profile that the station keeps."""

    profile_id: int
    purpose: str
    stack: int
    start_s: float
    duration_s: float
    unit: str
    steps: tuple[tuple[float, float], ...]
    transaction: str | None

    def limit_w(self, now_s: float, phases: int) -> float:
        """Limit at a moment, W; NaN when the profile says nothing then."""
        passed_s = now_s - self.start_s
        if not 0.0 <= passed_s < self.duration_s:
            return math.nan
        limit = next((value for start, value in reversed(self.steps) if passed_s >= start), math.nan)
        return limit * VOLT * phases if self.unit == "A" else limit


@dataclass
class Store:
    """Profiles of one station with one socket.

    Parameters
    ----------
    phases : int
        Conductors of the socket.
    ignores_duration : bool
        Fault: a profile never ends.
    """

    phases: int = 3
    ignores_duration: bool = False
    kept: list[Kept] = field(default_factory=list)

    def add(self, body: dict[str, Any], transaction_start_s: float, now_s: float) -> None:
        """Keep a profile of 1.6 or 2.x; it replaces one with its id, or with its purpose and stack level."""
        schedule = body["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        purpose = _PURPOSE[body["chargingProfilePurpose"]]
        is_relative = body["chargingProfileKind"] == "Relative"
        start_s = transaction_start_s if is_relative else seconds(schedule.get("startSchedule"))
        profile = Kept(
            int(body.get("chargingProfileId", body.get("id", 0))),
            purpose,
            int(body["stackLevel"]),
            now_s if math.isnan(start_s) else start_s,
            math.inf if self.ignores_duration else float(schedule.get("duration", math.inf)),
            schedule["chargingRateUnit"],
            tuple((float(p["startPeriod"]), _limit(p)) for p in schedule["chargingSchedulePeriod"]),
            str(body["transactionId"]) if "transactionId" in body else None,
        )
        self.kept = [k for k in self.kept if not _replaces(profile, k)] + [profile]

    def clear(self, purpose: str | None, profile_id: int | None) -> int:
        """Remove profiles; how many there were."""
        wanted = _PURPOSE.get(purpose or "")
        gone = [
            k
            for k in self.kept
            if (wanted is None or k.purpose == wanted) and (profile_id is None or k.profile_id == profile_id)
        ]
        self.kept = [k for k in self.kept if k not in gone]
        return len(gone)

    def end_session(self) -> None:
        """A session's profiles end with it."""
        self.kept = [k for k in self.kept if k.purpose != "session"]

    def limit_w(self, now_s: float) -> float:
        """Limit that holds now, W: the station's maximum, and the session's profile or else the default."""
        of = {purpose: self._best(purpose, now_s) for purpose in ("max", "default", "session")}
        session = of["default"] if math.isnan(of["session"]) else of["session"]
        limits = [w for w in (of["max"], session) if not math.isnan(w)]
        return min(limits, default=math.inf)

    def _best(self, purpose: str, now_s: float) -> float:
        """Limit of the highest stack level that says something now."""
        for profile in sorted((k for k in self.kept if k.purpose == purpose), key=lambda k: -k.stack):
            limit_w = profile.limit_w(now_s, self.phases)
            if not math.isnan(limit_w):
                return limit_w
        return math.nan


def _limit(period: dict[str, Any]) -> float:
    return float(period["setpoint"]) if "setpoint" in period else float(period["limit"])


def _replaces(new: Kept, old: Kept) -> bool:
    return new.profile_id == old.profile_id or (new.purpose == old.purpose and new.stack == old.stack)
