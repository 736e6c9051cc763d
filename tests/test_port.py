"""One contract over every kind of charging port: simulated, OCPP 1.6, 2.0.1, 2.1, SunSpec."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pytest

from agents.hardware.clock import SetClock
from agents.hardware.config import StationSettings
from agents.hardware.dialect import Dialect
from agents.hardware.envelope import Envelope
from agents.hardware.link import Reply
from agents.hardware.ocpp2 import Dialect2
from agents.hardware.ocpp16 import Dialect16
from agents.hardware.point import PhysicalPoint
from agents.hardware.steering import Steering
from agents.hardware.sunspec import SunSpecDialect, split
from agents.hardware.virtual.car import Car, Meter
from agents.hardware.virtual.profiles import Store
from agents.hardware.virtual.words import WORDS
from agents.hardware.wishes import Known
from agents.port import ChargingPort, Plan, Quality, SimulatedPort, TicketState

SAFE_KW, MAX_KW = 4.14, 11.04


class Rig(Protocol):
    """A port with something behind it; ``pass_`` lets time pass and the physics work."""

    port: ChargingPort

    def pass_(self, seconds: float) -> None: ...

    def now(self) -> float: ...


@dataclass
class Points:
    set_kw: np.ndarray = field(default_factory=lambda: np.array([SAFE_KW]))
    fallback_kw: np.ndarray = field(default_factory=lambda: np.array([SAFE_KW]))
    measured_kw: np.ndarray = field(default_factory=lambda: np.zeros(1))
    is_busy: np.ndarray = field(default_factory=lambda: np.ones(1, dtype=bool))


class SimulatedRig:
    def __init__(self) -> None:
        self.points = Points()
        self.port = SimulatedPort(self.points, 0, MAX_KW, now_utc_s=1e9)
        self.car = Car()
        self.ignores = False

    def now(self) -> float:
        return self.port.now_utc_s

    def pass_(self, seconds: float) -> None:
        for _ in range(max(int(seconds), 1)):
            limit = MAX_KW if self.ignores else float(self.points.set_kw[0])
            self.points.measured_kw[0] = self.car.power_w(limit * 1000.0) / 1000.0
            self.port.advance(1.0 / 3600.0)


class WireRig:
    """A physical point, its steering and a station's profiles and meter, without a network."""

    def __init__(self, dialect: Dialect, **other: Any) -> None:
        self.clock = SetClock(1e9, 0.0)
        envelope = Envelope(MAX_KW, MAX_KW, safe_kw=SAFE_KW, discharge_kw=5.0 if dialect.version == "2.1" else 0.0)
        settings = StationSettings("S", envelope=envelope, lease_s=30.0, meter_interval_s=1.0, **other)
        self.port = PhysicalPoint(settings, self.clock, Known(True))
        self.dialect = dialect
        self.steering = Steering(self.port, dialect)
        self.store, self.car, self.meter = Store(), Car(discharge_kw=5.0), Meter()
        self.ignores = False
        self.power_w, self.transaction = 0.0, "7"
        self.options = StationSettings  # only ``faults`` is asked for
        self.port.linked(dialect.version)
        self.start()

    faults: frozenset[str] = frozenset()

    def now(self) -> float:
        return self.clock.utc

    def start(self) -> None:
        speaker = Speaker(self)
        words = WORDS[self.dialect.version](self.dialect.version)
        self.hear(words.boot())
        answer = self.hear(words.start(speaker, "TAG", None))
        self.transaction = str(answer.get("transactionId", self.transaction))

    def hear(self, call: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        return self.dialect.answer(self.port, *call)

    def answer(self, action: str, payload: dict[str, Any]) -> Reply:
        if action == "SetChargingProfile":
            self.store.add(
                payload.get("csChargingProfiles") or payload["chargingProfile"], self.clock.utc, self.clock.utc
            )
        if action in ("RemoteStopTransaction", "RequestStopTransaction"):
            self.hear(WORDS[self.dialect.version](self.dialect.version).stop(Speaker(self), "Remote"))
        return Reply({"status": "Accepted"})

    def steer(self) -> None:
        for _ in range(20):
            work = self.steering.next()
            if work is None:
                return
            self.steering.done(work, self.answer(*work.wire))

    def limit_now_w(self) -> float:
        return self.store.limit_w(self.clock.utc)

    def measure(self) -> None:
        self.hear(WORDS[self.dialect.version](self.dialect.version).sample(Speaker(self)))

    def pass_(self, seconds: float) -> None:
        for _ in range(max(int(seconds), 1)):
            self.steer()
            self.clock.advance(1.0)
            limit_w = MAX_KW * 1000.0 if self.ignores else min(self.limit_now_w(), MAX_KW * 1000.0)
            self.power_w = self.car.power_w(limit_w) if self.port.transaction else 0.0
            self.meter.count(self.power_w, 1.0)
            if self.port.transaction:
                self.measure()
            self.steer()


class Speaker:
    """What the words of a virtual station ask for."""

    def __init__(self, rig: WireRig) -> None:
        self.car, self.meter, self.power_w = rig.car, rig.meter, rig.power_w
        self.transaction: str | None = rig.transaction
        self.options: Any = rig
        self._rig = rig

    def stamp_s(self) -> float:
        return self._rig.clock.utc

    def next_seq(self) -> int:
        return 1


class SunSpecRig(WireRig):
    """The same with registers in the place of messages."""

    def __init__(self) -> None:
        super().__init__(SunSpecDialect())

    def start(self) -> None:
        self.limit_w, self.until = MAX_KW * 1000.0, math.inf
        self.measure()

    def answer(self, action: str, payload: dict[str, Any]) -> Reply:
        if action == "SetPoint":
            self.limit_w, self.until = payload["limit_w"], self.clock.utc + payload["seconds"]
        if action == "Stop":
            self.limit_w, self.until = 0.0, math.inf
        return Reply({"status": "Accepted"})

    def limit_now_w(self) -> float:
        return self.limit_w if self.clock.utc < self.until else SAFE_KW * 1000.0

    def measure(self) -> None:
        model = [0] * 155
        model[5], model[116], model[120] = 2, 0, 0xFFFF
        model[10] = -int(self.power_w) & 0xFFFF
        model[23:27] = split(int(self.meter.import_wh * 10), 4)
        self.hear(("Measure", {"model": model}))


RIGS = {
    "simulated": SimulatedRig,
    "ocpp1.6": lambda: WireRig(Dialect16()),
    "ocpp2.0.1": lambda: WireRig(Dialect2("2.0.1")),
    "ocpp2.1": lambda: WireRig(Dialect2("2.1")),
    "sunspec": SunSpecRig,
}


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Any:
    return RIGS[request.param]()


def test_it_is_a_charging_port(rig):
    assert isinstance(rig.port, ChargingPort)


def test_it_describes_itself(rig):
    known = rig.port.describe()
    assert known.max_kw == pytest.approx(MAX_KW)
    assert known.safe_kw == SAFE_KW
    assert known.falls_back is True


@pytest.mark.function("CP-1")
@pytest.mark.function("CP-2")
@pytest.mark.function("CPO-3")
def test_a_limit_is_followed_and_confirmed_by_the_meter(rig):
    ticket = rig.port.command(Plan(7.0, rig.now() + 900))
    assert ticket.is_open
    rig.pass_(5)
    assert ticket.state == TicketState.CONFIRMED
    reading = rig.port.sample()
    assert reading.quality == Quality.FRESH
    assert reading.power_kw == pytest.approx(7.0, abs=0.1)
    rig.port.command(Plan(5.0, rig.now() + 900))
    rig.pass_(5)
    assert rig.port.sample().power_kw == pytest.approx(5.0, abs=0.1)


@pytest.mark.function("CP-4")
def test_the_register_counts_what_flows(rig):
    rig.port.command(Plan(7.0, rig.now() + 9000))
    rig.pass_(4)
    before = rig.port.sample().register_kwh
    rig.pass_(60)
    risen = rig.port.sample().register_kwh - before
    assert risen == pytest.approx(rig.port.sample().power_kw / 60.0, rel=0.02)


@pytest.mark.parametrize("asked", [math.inf, 1e6, MAX_KW + 0.01])
def test_no_limit_above_the_envelope(rig, asked):
    rig.port.command(Plan(asked, rig.now() + 900))
    rig.pass_(5)
    assert rig.port.sample().power_kw <= MAX_KW * 1.001


def test_not_a_number_means_the_safe_limit(rig):
    rig.port.command(Plan(math.nan, rig.now() + 900))
    rig.pass_(5)
    assert rig.port.sample().power_kw == pytest.approx(SAFE_KW, abs=0.05)


def test_a_negative_limit_is_a_pause_where_nothing_can_discharge(rig):
    rig.port.command(Plan(-5.0, rig.now() + 900))
    rig.pass_(5)
    expected = -5.0 if rig.port.describe().discharge_kw else 0.0
    assert rig.port.sample().power_kw == pytest.approx(expected, abs=0.01)


@pytest.mark.function("CPO-4")
def test_after_its_plan_it_is_back_at_the_safe_limit(rig):
    rig.port.command(Plan(MAX_KW, rig.now() + 20))
    rig.pass_(10)
    assert rig.port.sample().power_kw == pytest.approx(MAX_KW, abs=0.1)
    rig.pass_(20)
    assert rig.port.sample().power_kw == pytest.approx(SAFE_KW, abs=0.05)


def test_released_it_is_back_at_the_safe_limit(rig):
    rig.port.command(Plan(MAX_KW, rig.now() + 9000))
    rig.pass_(5)
    rig.port.release("the test is over")
    rig.pass_(5)
    assert rig.port.sample().power_kw == pytest.approx(SAFE_KW, abs=0.05)
    assert "released" in [e.kind for e in rig.port.events()]


def test_who_ignores_a_limit_is_found_by_the_meter(rig):
    rig.port.command(Plan(MAX_KW, rig.now() + 9000))
    rig.pass_(5)
    rig.ignores = True
    ticket = rig.port.command(Plan(5.0, rig.now() + 9000))
    rig.pass_(6)
    assert ticket.state == TicketState.VIOLATED


def test_a_newer_command_replaces_an_older_one(rig):
    first = rig.port.command(Plan(7.0, rig.now() + 900))
    second = rig.port.command(Plan(6.0, rig.now() + 900))
    rig.pass_(5)
    assert first.state == TicketState.REPLACED
    assert second.state == TicketState.CONFIRMED
    assert second.number > first.number


def test_a_stop_ends_the_flow(rig):
    rig.port.command(Plan(7.0, rig.now() + 900))
    rig.pass_(4)
    rig.port.session("stop", "test")
    rig.pass_(4)
    assert rig.port.sample().power_kw == pytest.approx(0.0)


def test_events_are_the_same_when_asked_again(rig):
    rig.port.release("a")
    rig.port.release("b")
    first = rig.port.events()
    assert first == rig.port.events()
    assert [e.cursor for e in rig.port.events(first[-1].cursor)] == []
    assert len(rig.port.events(first[-2].cursor)) == 1
