"""Several connectors of one station: each its own point, one link, one limit for all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.hardware.clock import SetClock
from agents.hardware.crew import Crew
from agents.hardware.envelope import Envelope
from agents.hardware.link import Reply
from agents.hardware.meter import Sample
from agents.hardware.ocpp16 import Dialect16
from agents.hardware.point import PhysicalPoint
from agents.hardware.recorder import read
from agents.hardware.replay import replay
from agents.hardware.wishes import Known
from agents.port import Plan, TicketState
from tests.hil_odd import energy16, now, odd
from tests.hil_rig import central, confirmed, settings, station, until

LIMIT_KW = 14.0
SAFE_KW = 4.14


def connectors(**other: Any) -> list[Any]:
    given: dict[str, Any] = {"envelope": Envelope(11.04, 11.04, safe_kw=SAFE_KW), "station_limit_kw": LIMIT_KW}
    return [station(connector=c, row=c, **(given | other)) for c in (1, 2)]


class CrewBench:
    """Two points of one station, and what the station was told by connector: limit and until when."""

    def __init__(self) -> None:
        self.clock = SetClock(1e9, 0.0)
        self.points = [PhysicalPoint(s, self.clock, Known(True)) for s in connectors(lease_s=30.0)]
        self.crew = Crew(self.points, self.clock.utc)
        self.crew.linked("1.6")
        self.crew.sink.booted("V", "M", "1")
        self.steerings = self.crew.steerings(Dialect16())
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.held = {1: (SAFE_KW, 2e9), 2: (SAFE_KW, 2e9)}
        self.highest_kw = 0.0

    def start(self, connector: int) -> str:
        return self.crew.sink.started(f"k{connector}/{self.clock.utc}", connector, self.clock.utc, [])

    def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            for _ in range(8):
                for steering in self.steerings:
                    work = steering.next()
                    if work is not None:
                        self._told(*work.wire)
                        steering.done(work, Reply({"status": "Accepted"}))
            self.clock.advance(1.0)

    def _told(self, action: str, payload: dict[str, Any]) -> None:
        self.calls.append((action, payload))
        body = payload.get("csChargingProfiles", {})
        if body.get("chargingProfilePurpose") == "TxProfile":
            schedule = body["chargingSchedule"]
            limit_kw = schedule["chargingSchedulePeriod"][0]["limit"] * 0.69
            self.held[payload["connectorId"]] = (limit_kw, self.clock.utc + schedule["duration"])
            now_kw = [kw if self.clock.utc < end else SAFE_KW for kw, end in self.held.values()]
            self.highest_kw = max(self.highest_kw, sum(now_kw))


def test_each_connector_has_a_safe_default_and_the_station_one_maximum():
    bench = CrewBench()
    bench.pass_(3)
    bodies = [(p["connectorId"], p["csChargingProfiles"]) for a, p in bench.calls if a == "SetChargingProfile"]
    defaults = {c: b for c, b in bodies if b["chargingProfilePurpose"] == "TxDefaultProfile"}
    assert sorted(defaults) == [1, 2]
    assert all(b["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 6.0 for b in defaults.values())
    ((connector, most),) = [(c, b) for c, b in bodies if b["chargingProfilePurpose"] == "ChargePointMaxProfile"]
    assert connector == 0
    assert most["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 20.2  # 14 kW
    ids = [b["chargingProfileId"] for _, b in bodies]
    assert len(set(ids)) == len(ids)
    assert [a for a, _ in bench.calls].count("GetConfiguration") == 1


def test_one_car_leaves_the_other_plug_its_safe_limit():
    """14 kW for two plugs: one car alone gets 14 - 4.14 = 9.86 kW, which is 14.2 A."""
    bench = CrewBench()
    bench.start(1)
    bench.points[0].command(Plan(11.04, bench.clock.utc + 900))
    bench.pass_(3)
    assert bench.held[1][0] == pytest.approx(14.2 * 0.69)


def test_two_cars_share_the_station_and_who_is_raised_waits_for_the_other():
    """Both want 11 kW of 14: 7 kW each (10.1 A); when one wants only 5, the other gets 9 kW (13 A)."""
    bench = CrewBench()
    for connector in (1, 2):
        bench.start(connector)
        bench.points[connector - 1].command(Plan(11.04, bench.clock.utc + 900))
    bench.pass_(3)
    assert [bench.held[c][0] for c in (1, 2)] == pytest.approx([10.1 * 0.69] * 2)
    bench.points[0].command(Plan(5.0, bench.clock.utc + 900))
    bench.pass_(3)
    assert [bench.held[c][0] for c in (1, 2)] == pytest.approx([7.2 * 0.69, 13.0 * 0.69])
    assert bench.highest_kw <= LIMIT_KW + 1e-9


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from(["plan", "start", "stop"]), st.floats(-5.0, 30.0)),
        max_size=15,
    )
)
def test_whatever_is_asked_the_station_is_never_told_more_than_its_limit(steps):
    bench = CrewBench()
    for connector, what, limit_kw in steps:
        point = bench.points[connector - 1]
        if what == "plan":
            point.command(Plan(limit_kw, bench.clock.utc + 20.0))
        elif what == "start" and point.transaction is None:
            bench.start(connector)
        elif what == "stop" and point.transaction is not None:
            bench.crew.sink.stopped(point.transaction, bench.clock.utc, [], "Local")
            bench.held[connector] = (SAFE_KW, 2e9)
        bench.pass_(3)
    assert bench.highest_kw <= LIMIT_KW + 1e-9


def test_messages_find_their_connector():
    bench = CrewBench()
    first, second = bench.start(1), bench.start(2)
    assert first != second
    sample = Sample(bench.clock.utc, 5000.0, 1000.0)
    bench.crew.sink.metered(2, None, [sample])
    assert [p.power_kw for p in bench.points] == [0.0, 5.0]
    bench.crew.sink.metered(1, second, [Sample(bench.clock.utc + 1.0, 6000.0, 1001.0)])  # the transaction is believed
    assert [p.power_kw for p in bench.points] == [0.0, 6.0]
    bench.crew.sink.stopped(first, bench.clock.utc, [], "Local")
    assert bench.points[0].transaction is None and bench.points[1].transaction == second
    bench.crew.sink.status(2, "free", bench.clock.utc)
    assert bench.points[1].transaction is None


def test_what_makes_no_sense_is_refused_at_the_door(tmp_path: Path):
    twice = settings(tmp_path, station(row=1), station(row=2))
    assert "each needs a connector of its own" in twice.faults()[0]
    tight = settings(tmp_path, *connectors(station_limit_kw=7.0))
    assert "safe limits add up to 8.28 kW, more than the station's 7 kW" in tight.faults()[0]


def test_two_connectors_over_one_socket_and_their_replay(tmp_path: Path):
    """A station with two cars: both follow, the sum keeps to 14 kW, each register is booked apart."""

    async def go() -> None:
        async with central(settings(tmp_path, *connectors())) as system, odd(system.port) as two:
            points = system.points
            assert list(points) == ["S1/1", "S1/2"]
            start_s = system.clock.utc_s()
            await two.boot()
            wh = {1: 1000.0, 2: 5000.0}
            transaction = {}
            for c in (1, 2):
                start = {"connectorId": c, "idTag": "T", "meterStart": int(wh[c]), "timestamp": now()}
                transaction[c] = (await two.call("StartTransaction", start))["transactionId"]
            charging = asyncio.create_task(_charge(two, wh, transaction))
            tickets = system.post({"S1/1": 11.0, "S1/2": 11.0}, 60.0)
            await until(lambda: all(t.state == TicketState.CONFIRMED for t in tickets.values()))
            await until(lambda: sum(two.limit_a.values()) > 19.0)
            assert sum(two.limit_a.values()) * 0.69 <= LIMIT_KW
            await confirmed(system.post({"S1/1": 5.0}, 60.0)["S1/1"])
            await until(lambda: two.limit_a[2] == 13.0)
            charging.cancel()
            await two.call("StopTransaction", {"transactionId": transaction[2], "meterStop": int(wh[2]) + 1,
                                               "timestamp": now()})  # fmt: skip
            assert points["S1/2"].transaction is None and points["S1/1"].transaction == str(transaction[1])
            booked = [system.settle(name, start_s, system.clock.utc_s())["energy_kwh"] for name in points]
            assert booked == pytest.approx([(wh[1] - 1000.0) / 1000.0, (wh[2] - 5000.0) / 1000.0], abs=0.003)

    asyncio.run(go())
    again = replay(tmp_path / "rec")
    assert again.differences == []
    assert set(again.points) == {"S1/1", "S1/2"}
    assert {row.station for row in read(tmp_path / "rec") if row.direction == "in"} == {"S1"}


async def _charge(two: Any, wh: dict[int, float], transaction: dict[int, int]) -> None:
    """Two cars that follow their limits; a sample each every 0.3 s."""
    while True:
        await asyncio.sleep(0.3)
        for c in (1, 2):
            watts = 690.0 * two.limit_a.get(c, 6.0)
            wh[c] += watts * 0.3 / 3600.0
            payload = energy16(c, transaction[c], wh[c])
            payload["meterValue"][0]["sampledValue"].append(
                {"value": f"{watts:.0f}", "measurand": "Power.Active.Import", "unit": "W"}
            )
            await two.call("MeterValues", payload)
