"""What a point is told: envelope, ramp, renewal, forms of profile, commissioning, emergency — without a network."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.hardware.clock import SetClock
from agents.hardware.config import StationSettings
from agents.hardware.dialect import Dialect
from agents.hardware.envelope import Envelope
from agents.hardware.link import Reply
from agents.hardware.meter import Sample
from agents.hardware.ocpp2 import Dialect2
from agents.hardware.ocpp16 import Dialect16
from agents.hardware.point import PhysicalPoint
from agents.hardware.proof import ProofState
from agents.hardware.steering import Steering
from agents.hardware.wishes import Known
from agents.port import Plan, Quality, TicketState, bounded_kw

OK = Reply({"status": "Accepted"})


class Bench:
    """A point with a session and a station that answers as told."""

    def __init__(
        self,
        dialect: Dialect | None = None,
        known: Known | None = None,
        answers: dict[str, Reply] | None = None,
        session: bool = True,
        **other: Any,
    ) -> None:
        self.clock = SetClock(1e9, 0.0)
        given: dict[str, Any] = {"envelope": Envelope(11.04, 11.04), "lease_s": 30.0, "meter_interval_s": 1.0}
        self.point = PhysicalPoint(StationSettings("S", **(given | other)), self.clock, known or Known(True))
        self.dialect = dialect or Dialect16()
        self.point.linked(self.dialect.version)
        self.point.booted("V", "M", "1")
        self.steering = Steering(self.point, self.dialect)
        self.answers = answers or {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.wh = 1000.0
        if session:
            self.start()

    def start(self) -> None:
        self.point.started("a/b", 1, self.clock.utc, [])

    def steer(self, most: int = 50) -> None:
        for _ in range(most):
            work = self.steering.next()
            if work is None:
                return
            self.calls.append(work.wire)
            self.steering.done(work, self.answers.get(work.wire[0], OK))

    def pass_(self, seconds: float, power_kw: float | None = None) -> None:
        """Time goes on second by second; the meter shows a power if one is given."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            if power_kw is not None:
                self.wh += power_kw / 3.6
                sample = Sample(self.clock.utc, power_kw * 1000.0, self.wh, quantum_wh=0.1)
                self.point.metered(1, self.point.transaction, [sample])
            self.steer()

    def profiles(self, purpose: str) -> list[dict[str, Any]]:
        bodies = [p.get("csChargingProfiles") or p.get("chargingProfile") for _, p in self.calls]
        return [b for b in bodies if b and b["chargingProfilePurpose"] == purpose]

    def limits(self, purpose: str = "TxProfile") -> list[float]:
        schedules = [b["chargingSchedule"] for b in self.profiles(purpose)]
        return [(s[0] if isinstance(s, list) else s)["chargingSchedulePeriod"][0]["limit"] for s in schedules]


plans = st.floats(allow_nan=True, allow_infinity=True)


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(plans, min_size=1, max_size=12), st.sampled_from(["1.6", "2.0.1"]), st.sampled_from(["A", "W"]))
def test_no_set_point_above_a_limit_whatever_the_agents_ask(asked, version, unit):
    """Connection 9 kW, station 11 kW, cable 20 A on three phases: nothing above 9 kW ever goes out."""
    envelope = Envelope(9.0, 11.04, 20.0, safe_kw=4.14)
    bench = Bench(Dialect16() if version == "1.6" else Dialect2(), envelope=envelope, unit=unit)
    for limit_kw in asked:
        bench.point.command(Plan(limit_kw, bench.clock.utc + 60))
        bench.pass_(2)
    factor = 690.0 if unit == "A" else 1.0
    told = bench.limits() + bench.limits("TxDefaultProfile")
    told += bench.limits("ChargePointMaxProfile") + bench.limits("ChargingStationMaxProfile")
    assert told
    assert all(0.0 <= limit * factor <= 9000.0 + 1e-6 for limit in told)


@given(plans, st.floats(0.1, 400.0), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_bounded_stays_inside(limit_kw, max_kw, safe_kw, discharge_kw):
    found = bounded_kw(limit_kw, max_kw, safe_kw, discharge_kw)
    assert -discharge_kw <= found <= max_kw


@given(st.floats(0.0, 60.0), st.sampled_from(["A", "W"]), st.sampled_from([1, 3]))
def test_the_wire_limit_is_floored_to_a_tenth_and_never_above(limit_kw, unit, phases):
    envelope = Envelope(60.0, 60.0, 400.0, phases=phases)
    told_kw = envelope.told_kw(limit_kw, unit)
    assert told_kw <= limit_kw + 1e-6
    wire = envelope.wire_limit(limit_kw, unit)
    assert round(wire * 10) == pytest.approx(wire * 10)
    assert told_kw == 0.0 or told_kw >= envelope.min_kw - 0.1


def test_the_safe_default_and_the_maximum_come_before_the_session():
    bench = Bench(session=False)
    bench.steer()
    names = [p["chargingProfilePurpose"] for b in bench.calls for p in [b[1].get("csChargingProfiles")] if p]
    assert names == ["TxDefaultProfile", "ChargePointMaxProfile"]
    assert bench.limits("TxDefaultProfile") == [6.0]
    assert bench.limits("ChargePointMaxProfile") == [16.0]
    assert bench.limits() == []


@pytest.mark.function("CP-5")
@pytest.mark.function("CPO-4")
def test_a_session_profile_has_a_duration_and_is_renewed_at_a_third():
    bench = Bench()
    bench.point.command(Plan(8.0, bench.clock.utc + 900))
    bench.pass_(31, 8.0)
    profiles = bench.profiles("TxProfile")
    assert all(p["chargingSchedule"]["duration"] == 32 for p in profiles)
    assert all(p["stackLevel"] == 1 and p["transactionId"] == int(bench.point.transaction or 0) for p in profiles)
    starts = [p["chargingSchedule"]["startSchedule"] for p in profiles]
    assert len(starts) == 4  # at 1, 11, 21 and 31 s
    assert starts == sorted(set(starts))


def test_the_ramp_holds_rises_back_and_lets_falls_through():
    bench = Bench(envelope=Envelope(11.04, 11.04, ramp_kw_per_s=0.69), unit="A")
    bench.point.command(Plan(11.04, bench.clock.utc + 900))
    bench.pass_(14)
    told = bench.limits()
    steps = [b - a for a, b in pairwise(told)]
    assert told[0] <= 7.0
    assert max(steps) <= 1.1
    assert told[-1] == 16.0
    bench.point.command(Plan(4.2, bench.clock.utc + 900))
    bench.pass_(1)
    assert bench.limits()[-1] == 6.0


def test_forms_of_profile_are_tried_until_one_is_taken():
    class Picky(Bench):
        def steer(self, most: int = 50) -> None:
            for _ in range(most):
                work = self.steering.next()
                if work is None:
                    return
                self.calls.append(work.wire)
                body = work.wire[1].get("csChargingProfiles", {})
                schedule = body.get("chargingSchedule", {})
                fine = body.get("chargingProfilePurpose") == "TxDefaultProfile" and schedule["chargingRateUnit"] == "W"
                answer = OK if fine or not body else Reply({"status": "Rejected"})
                self.steering.done(work, answer)

    bench = Picky()
    ticket = bench.point.command(Plan(8.0, bench.clock.utc + 900))
    bench.pass_(8, 8.0)
    assert ticket.state == TicketState.CONFIRMED
    last = bench.profiles("TxDefaultProfile")[-1]
    assert last["chargingSchedule"]["chargingRateUnit"] == "W"
    assert last["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 8000.0
    assert last["stackLevel"] == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Reply({"status": "Rejected"}), TicketState.REJECTED),
        (Reply({"status": "NotSupported"}), TicketState.UNSUPPORTED),
        (Reply(error="NotImplemented"), TicketState.UNSUPPORTED),
        (Reply(error="Timeout"), TicketState.TIMEOUT),
    ],
)
def test_a_refused_profile_ends_the_ticket_and_is_in_the_log(answer, state):
    bench = Bench(answers={"SetChargingProfile": answer})
    ticket = bench.point.command(Plan(8.0, bench.clock.utc + 900))
    bench.pass_(5)
    assert ticket.state == state
    assert bench.point.counts["profile_rejected"] >= 1


def test_without_link_a_ticket_says_so_and_the_limit_waits():
    bench = Bench()
    bench.point.unlinked("gone")
    ticket = bench.point.command(Plan(8.0, bench.clock.utc + 900))
    assert ticket.state == TicketState.LINK_DOWN
    bench.point.linked("1.6")
    bench.steering = Steering(bench.point, bench.dialect)
    bench.point.booted("V", "M", "1")
    bench.pass_(2)
    assert bench.limits()[-1] == 11.5


def test_a_session_that_starts_twice_is_one():
    bench = Bench()
    first = bench.point.transaction
    assert bench.point.started("a/b", 1, bench.clock.utc, []) == first
    assert bench.point.counts["session_started"] == 1


def test_ids_do_not_come_twice_after_a_restart():
    bench = Bench()
    later = Bench()
    later.clock.advance(1.0)
    assert int(later.point.started("c", 1, later.clock.utc, [])) > int(bench.point.transaction or 0)


def test_an_unknown_session_that_is_metered_is_adopted():
    bench = Bench(session=False)
    bench.point.metered(1, "4711", [])
    assert bench.point.transaction == "4711"
    bench.pass_(2)
    assert bench.profiles("TxProfile")[-1]["transactionId"] == 4711


def test_a_stopped_session_does_not_come_back_with_a_late_sample():
    bench = Bench()
    old = bench.point.transaction or ""
    bench.point.stopped(old, bench.clock.utc, [], "Local")
    bench.point.stopped(old, bench.clock.utc, [], "Local")
    bench.point.metered(1, old, [])
    assert bench.point.transaction is None
    assert bench.point.counts["session_stopped"] == 1


def test_a_forgotten_session_ends_when_the_connector_is_free():
    bench = Bench()
    bench.point.status(1, "free", bench.clock.utc)
    assert bench.point.transaction is None
    assert bench.point.counts["session_lost"] == 1


def test_a_late_sample_does_not_bring_a_lost_session_back_but_a_new_one_does():
    bench = Bench()
    old = bench.point.transaction
    stamp = bench.clock.utc
    bench.clock.advance(1.0)
    bench.point.status(1, "free", bench.clock.utc)
    bench.point.metered(1, old, [Sample(stamp, 5000.0, 1000.0)])
    assert bench.point.transaction is None
    bench.clock.advance(5.0)
    bench.point.metered(1, old, [Sample(bench.clock.utc, 5000.0, 1001.0)])
    assert bench.point.transaction == old


# --- commissioning ---------------------------------------------------------------------------------------


def unproven(**other: Any) -> Bench:
    return Bench(known=Known(), **other)


@pytest.mark.function("CP-5")
def test_a_station_that_falls_back_is_proven_and_then_steered():
    bench = unproven()
    ticket = bench.point.command(Plan(8.0, bench.clock.utc + 9000))
    bench.pass_(5, 7.9)
    assert bench.limits()[-1] == 11.5  # not above what the market allows, either
    assert bench.point.proof.forbids_renewal
    told = len(bench.limits())
    bench.pass_(25, 7.9)
    assert len(bench.limits()) == told  # nothing is renewed while it shall expire
    bench.pass_(2, 4.1)
    assert bench.point.proof.state == ProofState.PROVEN
    bench.pass_(3, 8.0)
    assert ticket.state == TicketState.CONFIRMED
    assert bench.point.known().falls_back is True


def test_the_proof_waits_while_the_market_asks_for_less():
    """A limit below the safe one goes out at once, in the middle of the proof too; the proof is tried again later."""
    bench = unproven()
    bench.point.command(Plan(0.0, bench.clock.utc + 9000))
    bench.pass_(5, 0.0)
    assert set(bench.limits()) == {0.0}
    bench.point.command(Plan(11.0, bench.clock.utc + 9000))
    bench.steer()
    bench.pass_(5, 10.9)
    assert bench.point.proof.forbids_renewal
    bench.point.command(Plan(2.0, bench.clock.utc + 9000))
    bench.steer()
    bench.pass_(3, 0.0)
    assert bench.limits()[-1] == 0.0
    assert bench.point.counts["overdraw"] == 0
    assert bench.point.proof.wants_high
    bench.point.command(Plan(11.0, bench.clock.utc + 9000))
    bench.steer()
    bench.pass_(29, 10.9)
    bench.pass_(3, 4.1)
    assert bench.point.proof.state == ProofState.PROVEN


def test_a_station_that_does_not_fall_back_is_refused():
    bench = unproven()
    bench.pass_(40, 11.0)
    assert bench.point.proof.state == ProofState.FAILED
    assert bench.point.wishes.is_refused
    assert not bench.point.is_steerable
    assert "stop_sent" in bench.point.counts
    assert not bench.point.authorises("TAG")


def test_the_user_may_insist():
    bench = unproven(insist=True)
    bench.point.command(Plan(8.0, bench.clock.utc + 900))
    bench.pass_(3, 8.0)
    assert bench.limits()[-1] == 11.5


def test_until_proven_no_limit_above_the_safe_one_is_steered():
    bench = unproven()
    bench.point.proof.give_up()
    bench.point.command(Plan(11.0, bench.clock.utc + 900))
    bench.pass_(3, 4.0)
    assert bench.limits() == [6.0]


def test_a_car_that_draws_little_leaves_the_proof_open():
    bench = unproven()
    bench.pass_(100, 2.0)
    assert bench.point.proof.state == ProofState.UNDECIDED


def test_a_battery_that_is_full_early_is_no_proof():
    bench = unproven()
    bench.pass_(5, 11.0)
    bench.pass_(2, 0.0)
    assert bench.point.proof.state == ProofState.UNDECIDED


def test_another_device_under_the_same_name_is_proven_again():
    bench = Bench(known=Known(True, "V M 0"), session=False)
    assert bench.point.proof.state == ProofState.WAITING
    assert bench.point.counts["other_device"] == 1


# --- safety ----------------------------------------------------------------------------------------------


@pytest.mark.function("CP-3")
def test_who_draws_more_than_told_is_stopped_and_reported():
    bench = Bench()
    bench.point.command(Plan(5.0, bench.clock.utc + 900))
    bench.pass_(3, 5.0)
    assert bench.point.counts["overdraw"] == 0
    bench.pass_(3, 11.0)
    stops = [c for c in bench.calls if c[0] == "RemoteStopTransaction"]
    assert stops == [("RemoteStopTransaction", {"transactionId": int(bench.point.transaction or 0)})]
    assert bench.point.counts["overdraw"] >= 2


def test_who_does_not_stop_is_taken_out_of_service():
    bench = Bench()
    bench.point.command(Plan(5.0, bench.clock.utc + 900))
    bench.pass_(3, 5.0)
    bench.pass_(20, 11.0)
    assert ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}) in bench.calls
    assert bench.point.wishes.is_refused


def test_one_high_sample_right_after_a_lower_limit_is_no_overdraw():
    bench = Bench()
    bench.point.command(Plan(11.0, bench.clock.utc + 900))
    bench.pass_(5, 11.0)
    bench.point.command(Plan(5.0, bench.clock.utc + 900))
    bench.pass_(2, 11.0)
    bench.pass_(3, 5.0)
    assert bench.point.counts["overdraw"] == 0


def test_an_emergency_stop_ends_all_and_stays():
    bench = Bench()
    bench.point.command(Plan(8.0, bench.clock.utc + 900))
    bench.pass_(2, 8.0)
    bench.point.emergency_stop("button")
    bench.point.command(Plan(11.0, bench.clock.utc + 900))
    bench.pass_(2, 0.0)
    assert bench.limits()[-1] == 0.0
    assert [c for c in bench.calls if c[0] == "RemoteStopTransaction"]
    bench.point.stopped(bench.point.transaction or "", bench.clock.utc, [], "Remote")
    assert not bench.point.authorises("TAG")
    bench.pass_(20)
    assert not [c for c in bench.calls if c[0] == "RemoteStartTransaction"]


def test_a_car_that_waits_is_started_once():
    bench = Bench(session=False, start_after_s=3.0)
    bench.point.status(1, "occupied", bench.clock.utc)
    bench.pass_(2)
    assert not [c for c in bench.calls if c[0] == "RemoteStartTransaction"]
    bench.pass_(3)
    assert [c for c in bench.calls if c[0] == "RemoteStartTransaction"]
    bench.start()
    bench.point.stopped(bench.point.transaction or "", bench.clock.utc, [], "Local")
    bench.point.status(1, "occupied", bench.clock.utc)
    bench.pass_(30)
    assert len([c for c in bench.calls if c[0] == "RemoteStartTransaction"]) == 1


def test_of_two_connectors_the_one_with_the_car_is_started():
    bench = Bench(session=False, start_after_s=3.0)
    bench.point.status(0, "free", bench.clock.utc)
    bench.point.status(2, "occupied", bench.clock.utc)
    bench.point.status(1, "free", bench.clock.utc)
    bench.pass_(5)
    (start,) = [c for c in bench.calls if c[0] == "RemoteStartTransaction"]
    assert start[1]["connectorId"] == 2
    bench.point.started("x", 2, bench.clock.utc, [])
    bench.pass_(2)
    assert [p["connectorId"] for n, p in bench.calls if n == "SetChargingProfile"][-1] == 2
    bench.point.status(1, "free", bench.clock.utc)
    assert bench.point.transaction is not None


def test_a_quiet_meter_is_asked_but_not_for_ever():
    bench = Bench(answers={"TriggerMessage": Reply({"status": "Rejected"})})
    bench.pass_(60)
    asked = [p for a, p in bench.calls if a == "TriggerMessage" and p["requestedMessage"] == "MeterValues"]
    assert [p.get("connectorId") for p in asked] == [1, None, 1]  # some know the message, but not with a connector
    talks = Bench()
    talks.pass_(60, 4.0)
    assert not [c for c in talks.calls if c[0] == "TriggerMessage" and c[1]["requestedMessage"] == "MeterValues"]


def test_one_stack_level_is_enough():
    settings = [{"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "0"}]
    bench = Bench(answers={"GetConfiguration": Reply({"configurationKey": settings})})
    bench.pass_(2)
    assert {p["stackLevel"] for p in bench.profiles("TxProfile")} == {0}


def test_an_unlisted_identity_may_not_charge():
    bench = Bench(session=False, id_tags=("GOOD",))
    assert bench.point.authorises("GOOD")
    assert not bench.point.authorises("BAD")


# --- V2X -------------------------------------------------------------------------------------------------


@pytest.mark.function("EV-9")
def test_discharging_goes_out_as_a_central_setpoint_of_2_1():
    envelope = Envelope(11.04, 11.04, discharge_kw=7.0)
    bench = Bench(Dialect2("2.1"), envelope=envelope, unit="W")
    bench.point.command(Plan(-5.0, bench.clock.utc + 900))
    bench.pass_(2)
    body = bench.profiles("TxProfile")[-1]
    assert body["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {
            "startPeriod": 0,
            "operationMode": "CentralSetpoint",
            "setpoint": -5000.0,
            "limit": 0.0,
            "dischargeLimit": -5000.0,
        }
    ]
    assert body["maxOfflineDuration"] == 32
    bench.point.command(Plan(-50.0, bench.clock.utc + 900))
    bench.pass_(1)
    assert bench.profiles("TxProfile")[-1]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["setpoint"] == -7000.0


@pytest.mark.parametrize(("drawn_kw", "state"), [(-5.0, TicketState.CONFIRMED), (0.0, TicketState.VIOLATED)])
def test_discharging_is_confirmed_by_the_meter_only(drawn_kw, state):
    bench = Bench(Dialect2("2.1"), envelope=Envelope(11.04, 11.04, discharge_kw=7.0))
    ticket = bench.point.command(Plan(-5.0, bench.clock.utc + 900))
    bench.pass_(6, drawn_kw)
    assert ticket.state == state
    assert bench.point.counts["overdraw"] == 0


def test_2_0_1_cannot_discharge_and_says_so():
    envelope = Envelope(11.04, 11.04, discharge_kw=7.0)
    bench = Bench(Dialect2("2.0.1"), envelope=envelope)
    bench.point.command(Plan(-5.0, bench.clock.utc + 900))
    bench.pass_(2)
    assert bench.limits()[-1] == 0.0
    assert bench.point.describe().discharge_kw == 0.0


def test_estimates_are_never_above_what_was_told():
    bench = Bench()
    bench.point.command(Plan(8.0, bench.clock.utc + 20))
    bench.pass_(4, 8.0)
    bench.point.unlinked("gone")
    assert bench.point.sample().power_kw == pytest.approx(7.935)
    assert not bench.point.sample().is_biddable
    bench.clock.advance(60.0)
    assert bench.point.sample().power_kw == pytest.approx(4.14)
    assert math.isnan(PhysicalPoint(bench.point.settings, bench.clock).sample().register_kwh)


# --- quality, and stations that are more than they were said to be -----------------------------------------


def test_a_station_whose_session_ended_is_not_stale():
    """With the plug still in and no session nothing flows: that is known, however long ago the last sample was."""
    bench = Bench()
    bench.pass_(3, 4.0)
    bench.point.stopped(bench.point.transaction or "", bench.clock.utc, [], "Remote")
    bench.point.status(1, "occupied", bench.clock.utc)
    bench.clock.advance(600.0)
    reading = bench.point.sample()
    assert (reading.quality, reading.power_kw, reading.is_occupied) == (Quality.FRESH, 0.0, True)


def test_a_session_without_samples_is_stale():
    bench = Bench()
    bench.pass_(3, 4.0)
    bench.clock.advance(600.0)
    assert bench.point.sample().quality == Quality.STALE


def test_what_a_station_draws_above_its_rating_is_measured_and_not_dismissed():
    """Rated 7.36 kW here, but it has three phases and draws 11 kW: a fault of the station, not of the meter."""
    bench = Bench(envelope=Envelope(17.0, 7.36, phases=1))
    bench.point.command(Plan(7.36, bench.clock.utc + 900))
    bench.pass_(10, 11.04)
    assert bench.point.counts["suspect"] == 0
    assert bench.point.register.risen_kwh == pytest.approx(9 * 11.04 / 3600.0, rel=0.01)
    assert bench.point.counts["overdraw"] >= 2
    assert [c for c in bench.calls if c[0] == "RemoteStopTransaction"]
