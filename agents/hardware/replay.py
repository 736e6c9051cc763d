"""A recorded session once more, without hardware: the same messages at the same clock give the same decisions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.hardware import wire
from agents.hardware.central import corrections, dialect_of, settle
from agents.hardware.clock import SetClock
from agents.hardware.config import StationSettings
from agents.hardware.crew import Crew
from agents.hardware.dialect import Dialect
from agents.hardware.envelope import Envelope
from agents.hardware.link import Refused, Reply
from agents.hardware.point import PhysicalPoint
from agents.hardware.recorder import Row, read
from agents.hardware.register import Mark
from agents.hardware.steering import Steering, Work
from agents.hardware.wishes import Known
from agents.port import Plan

BESIDE = frozenset({"GetCompositeSchedule", "ClearChargingProfile", "Reset", "UnlockConnector"})
"""Calls that a check makes beside the steering."""


@dataclass
class Replayed:
    """What a replay found.

    Attributes
    ----------
    points : dict
        Points by station, in their final state.
    settled : list
        Booked periods: station, start, and what :func:`agents.hardware.central.settle` gives.
    corrections : list
        Station, start of a period, and energy (kWh) that was found for it at the end.
    calls : int
        Calls that the recorded run made.
    differences : list of str
        Calls that the replay would have made otherwise, one line each.
    """

    points: dict[str, PhysicalPoint] = field(default_factory=dict)
    settled: list[dict[str, Any]] = field(default_factory=list)
    corrections: list[list[Any]] = field(default_factory=list)
    calls: int = 0
    differences: list[str] = field(default_factory=list)

    def outcome(self) -> dict[str, Any]:
        """Plain numbers for comparison and for a table; the same recording gives the same text."""
        points = {
            name: {
                "sessions": p.counts["session_started"] + p.counts["session_adopted"],
                "believed_kwh": round(p.register.risen_kwh, 6),
                "booked_kwh": round(p.register.booked_kwh, 6),
                "suspect": sum(p.register.faults.values()),
                "overdraws": p.counts["overdraw"],
                "falls_back": p.known().falls_back,
                "events": [[round(e.utc_s, 3), e.kind, e.text] for e in p.events()],
            }
            for name, p in self.points.items()
        }
        booked = {"settled": self.settled, "corrections": self.corrections}
        return {"points": points, **booked, "calls": self.calls, "differences": len(self.differences)}


class _Station:
    """One station in a replay, with the points of its connectors."""

    def __init__(self) -> None:
        self.points: list[PhysicalPoint] = []
        self.since_utc_s = 0.0
        self.crew: Crew | None = None
        self.dialect: Dialect | None = None
        self.steerings: tuple[Steering, ...] = ()
        self.pending: dict[str, tuple[Steering, Work]] = {}

    def link(self, version: str) -> None:
        """A socket opens."""
        self.crew = self.crew or Crew(self.points, self.since_utc_s)
        self.dialect = dialect_of(version)
        self.crew.linked(version)
        self.steerings = self.crew.steerings(self.dialect)

    def steering_of(self, message_id: str) -> Steering:
        """Steering that made a call: its connector ends the message's id where there are several."""
        mark = message_id.rpartition(".")[2]
        of = {str(s.point.settings.connector): s for s in self.steerings}
        return of.get(mark, self.steerings[0])


class Replay:
    """Feeds recorded rows to fresh points.

    Parameters
    ----------
    rows : sequence of Row
        Recording of one run, in order.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._clock = SetClock()
        self._stations: dict[str, _Station] = {}
        self.found = Replayed()

    def run(self) -> Replayed:
        """Replay everything."""
        for row in self._rows:
            self._clock.utc, self._clock.mono = row.utc_s, row.mono_s
            if row.direction == "own" and row.action == "watch":
                self._watch(row)
            elif row.direction == "own" and row.kind == 0 and row.action not in ("linked", "unlinked"):
                if row.station in self.found.points:
                    self._own(self.found.points[row.station], row)
            elif row.station in self._stations:
                self._feed(self._stations[row.station], row)
        return self.found

    def _watch(self, row: Row) -> None:
        body = row.body
        point = PhysicalPoint(_settings(body["settings"]), self._clock, _known(body["known"]))
        self.found.points[row.station] = point
        station = self._stations.setdefault(point.settings.station_id, _Station())
        station.points.append(point)
        station.since_utc_s = body["since_utc_s"]

    def _feed(self, station: _Station, row: Row) -> None:
        if row.direction == "own" and row.action == "linked" and row.kind == 0:
            station.link(row.body["version"])
        elif row.direction == "own" and row.kind == 0:
            if station.crew is not None:
                station.crew.unlinked(row.body["reason"])
        elif row.direction == "own":
            self._answered(station, row, Reply(error=row.error))
        elif row.direction == "out":
            self._called(station, row)
        elif row.kind in (wire.CALL, wire.SEND):
            self._heard(station, row)
        else:
            reply = Reply(row.body) if row.kind == wire.RESULT else Reply(error=row.error or "GenericError")
            self._answered(station, row, reply)

    def _own(self, point: PhysicalPoint, row: Row) -> None:
        body = row.body
        if row.action == "command":
            point.command(Plan(float(body["limit_kw"]), body["valid_until"]))
        elif row.action == "begin":
            point.mean_kw()
        elif row.action == "session":
            point.session(body["wish"], body["reason"])
        elif row.action == "release":
            point.release(body["reason"])
        elif row.action == "emergency":
            point.emergency_stop(body["reason"])
        elif row.action == "correct":
            self.found.corrections += [[row.station, *one] for one in corrections(point)]
        elif row.action == "settle":
            booked = {"station": row.station, "start_utc_s": body["start"]}
            self.found.settled.append(booked | settle(point, body["start"], body["end"]))

    def _heard(self, station: _Station, row: Row) -> None:
        if station.dialect is None or station.crew is None:
            return
        try:
            station.crew.answer(station.dialect, row.action, row.body)
        except Refused:
            return
        except Exception as fault:
            self.found.differences.append(f"{row.seq}: {row.action} failed with {type(fault).__name__}")

    def _called(self, station: _Station, row: Row) -> None:
        """The recorded run called here: the replay must want the same."""
        if row.kind != wire.CALL or not station.steerings or row.action in BESIDE:
            return
        self.found.calls += 1
        steering = station.steering_of(row.message_id)
        work = steering.next()
        if work is None or _essence(work.wire[0], work.wire[1]) != _essence(row.action, row.body):
            wanted = work.wire[0] if work else "nothing"
            self.found.differences.append(f"{row.seq}: {row.action} recorded, {wanted} wanted")
            work = work if work and work.wire[0] == row.action else None
        if work is not None:
            station.pending[row.message_id] = (steering, work)

    def _answered(self, station: _Station, row: Row, reply: Reply) -> None:
        steering, work = station.pending.pop(row.message_id, (None, None))
        if steering is not None and work is not None:
            steering.done(work, reply)


def replay(path: Path) -> Replayed:
    """Replay a recording (a Parquet file, or the folder of one run)."""
    return Replay(read(path)).run()


def _settings(raw: dict[str, Any]) -> StationSettings:
    """Settings from the recording; infinities were written as text."""
    values: dict[str, Any] = dict(raw)
    envelope: dict[str, Any] = {k: float(v) if isinstance(v, str) else v for k, v in raw["envelope"].items()}
    values |= {"envelope": Envelope(**envelope), "id_tags": (), "station_limit_kw": float(raw["station_limit_kw"])}
    return StationSettings(**values)


def _known(raw: dict[str, Any]) -> Known:
    mark = raw.get("mark")
    return Known(raw.get("falls_back"), raw.get("identity", ""), Mark(**mark) if mark else None)


def _essence(action: str, payload: dict[str, Any]) -> tuple[str, str]:
    """A call without what the clock writes into it."""
    text = json.dumps(payload, sort_keys=True)
    return action, _without_stamps(json.loads(text)) if action == "SetChargingProfile" else ""


def _without_stamps(value: Any) -> str:
    def strip(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: strip(v) for k, v in part.items() if k not in ("startSchedule", "validFrom", "validTo")}
        if isinstance(part, list):
            return [strip(v) for v in part]
        return math.floor(part) if isinstance(part, float) else part

    return json.dumps(strip(value), sort_keys=True)
