"""Stations with odd habits over real sockets: right replies, no crash, no set-point above a limit, all energy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.hardware.meter import Sample
from agents.port import Plan, Quality, TicketState
from tests.hil_odd import BOOT, Odd, energy16, now, odd
from tests.hil_rig import central, confirmed, settings, station, until
from tests.test_hil_steering import Bench


def play(tmp_path: Path, scene: Callable[[Any, Odd], Any], version: str = "1.6", **other: Any) -> None:
    """Play a scene between the central system and one bare station that has booted."""
    answers = other.pop("answers", {})

    async def go() -> None:
        async with (
            central(settings(tmp_path, station(**other))) as system,
            odd(system.port, version=version, **answers) as one,
        ):
            assert (await one.boot())["status"] == "Accepted"
            await scene(system, one)
            for _, payload in one.asked:
                _check_limits(payload)
            assert system.counters["S1"].handler_faults == 0

    asyncio.run(go())


def _check_limits(payload: dict[str, Any]) -> None:
    """Nothing above 11.04 kW, which is 16 A on three phases."""
    body = payload.get("csChargingProfiles") or payload.get("chargingProfile")
    if body:
        schedules = body["chargingSchedule"]
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            most = 16.0 if schedule["chargingRateUnit"] == "A" else 11_040.0
            assert all(0.0 <= period["limit"] <= most for period in schedule["chargingSchedulePeriod"])


async def start16(one: Odd, meter: int = 1000, **other: Any) -> int:
    payload = {"connectorId": 1, "idTag": "TAG", "meterStart": meter, "timestamp": now()} | other
    return int((await one.call("StartTransaction", payload))["transactionId"])


async def event(one: Odd, kind: str, seq: int, wh: float | None = None, **other: Any) -> Any:
    payload: dict[str, Any] = {
        "eventType": kind, "timestamp": now(), "triggerReason": "MeterValuePeriodic", "seqNo": seq,
        "transactionInfo": {"transactionId": "T-9", "chargingState": "Charging"}, "evse": {"id": 1},
    }  # fmt: skip
    if wh is not None:
        payload["meterValue"] = [{"timestamp": now(), "sampledValue": [{"value": wh}]}]
    return await one.call("TransactionEvent", payload | other)


# --- starting ------------------------------------------------------------------------------------------------------


def test_it_starts_before_it_asks_and_before_it_boots(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, odd(system.port) as one:
            assert await start16(one) > 0
            assert (await one.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Accepted"
            assert (await one.boot())["status"] == "Accepted"
            await until(lambda: one.limit_a)
            assert system.points["S1"].counts["session_started"] == 1

    asyncio.run(go())


@pytest.mark.parametrize("connector", [0, 1, 2])
def test_any_connector_may_be_the_one(tmp_path: Path, connector: int):
    """Connector 0 is no plug, but some small stations say it of their only one; profiles then go to the first."""

    async def scene(system: Any, one: Odd) -> None:
        await one.call("StatusNotification", {"connectorId": connector, "errorCode": "NoError", "status": "Preparing"})
        await start16(one, connectorId=connector)
        await until(lambda: one.limit_a)
        assert set(one.limit_a) == {connector or 1}

    play(tmp_path, scene)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_who_waits_for_a_remote_start_gets_one(tmp_path: Path, version: str):
    async def scene(system: Any, one: Odd) -> None:
        if version == "1.6":
            payload: dict[str, Any] = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
        else:
            payload = {"timestamp": now(), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}
        await one.call("StatusNotification", payload)
        name = "RemoteStartTransaction" if version == "1.6" else "RequestStartTransaction"
        await until(lambda: name in [action for action, _ in one.asked])
        asked = dict(one.asked)[name]
        if version == "1.6":
            await start16(one, idTag=asked["idTag"])
        else:
            info = {"transactionId": "T-9", "remoteStartId": asked["remoteStartId"], "chargingState": "Charging"}
            told = await event(one, "Started", 0, 1000.0, triggerReason="RemoteStart", transactionInfo=info,
                               idToken=asked["idToken"])  # fmt: skip
            assert told["idTokenInfo"]["status"] == "Accepted"
        await until(lambda: one.limit_a)

    play(tmp_path, scene, version, start_after_s=0.3)


def test_a_reboot_in_mid_session_with_what_was_queued(tmp_path: Path):
    """Power fails for a while: it boots, tells the stop it had queued, starts again; no Wh twice or lost."""

    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            start_s = system.clock.utc_s()
            point = system.points["S1"]
            async with odd(system.port) as one:
                await one.boot()
                first = await start16(one, 1000)
                await asyncio.sleep(0.6)
                await one.call("MeterValues", energy16(1, first, 1001.0))
                one.socket.transport.abort()
            await until(lambda: not point.is_linked)
            await asyncio.sleep(0.5)
            async with odd(system.port) as one:
                await one.boot()
                await one.call("MeterValues", energy16(1, first, 1001.5, at_s=-0.4))
                stop = {"transactionId": first, "meterStop": 1002, "timestamp": now(-0.3), "reason": "PowerLoss"}
                assert await one.call("StopTransaction", stop) == {}
                assert await one.call("StopTransaction", stop, "again") == {}
                second = await start16(one, 1002)
                assert second != first
                await asyncio.sleep(0.6)
                await one.call("StopTransaction", {"transactionId": second, "meterStop": 1003, "timestamp": now()})
            booked = system.settle("S1", start_s, system.clock.utc_s())
            assert booked["energy_kwh"] == pytest.approx(0.003, abs=1e-9)
            assert point.counts["session_started"] == point.counts["session_stopped"] == 2

    asyncio.run(go())


def test_a_session_that_began_and_ended_offline(tmp_path: Path):
    """2.0.1: events with offline = true, gaps in seqNo, oldest last; the energy counts, the session is over."""

    async def scene(system: Any, one: Odd) -> None:
        point, begun = system.points["S1"], now(-2.0)
        old: dict[str, Any] = {"timestamp": begun, "offline": True}
        assert await event(one, "Started", 4, None, **old, meterValue=_values2(begun, 1000.0)) == {}
        ended = now(-0.5)
        info = {"transactionId": "T-9", "stoppedReason": "EVDisconnected"}
        assert await event(one, "Ended", 9, None, timestamp=ended, offline=True, transactionInfo=info,
                           meterValue=_values2(ended, 1004.0)) == {}  # fmt: skip
        late = now(-1.0)
        assert await event(one, "Updated", 7, None, timestamp=late, offline=True,
                           meterValue=_values2(late, 1003.0)) == {}  # fmt: skip
        assert point.transaction is None
        assert point.register.risen_kwh == pytest.approx(0.004)

    play(tmp_path, scene, "2.0.1")


def _values2(stamp: str, wh: float) -> list[dict[str, Any]]:
    return [{"timestamp": stamp, "sampledValue": [{"value": wh}]}]


def test_the_next_session_may_be_at_another_plug(tmp_path: Path):
    """Two plugs, one point: it follows the plug in use; idle values of the other and of the main meter are not its."""

    async def scene(system: Any, one: Odd) -> None:
        point = system.points["S1"]
        for connector in (0, 1, 2):
            status = {"connectorId": connector, "errorCode": "NoError", "status": "Available"}
            await one.call("StatusNotification", status)
        for connector in (1, 2):
            one.limit_a.clear()
            transaction = await start16(one, 1000 * connector, connectorId=connector)
            await until(lambda: one.limit_a)
            assert set(one.limit_a) == {connector}
            await one.call("MeterValues", energy16(0, None, 777_777.0))
            await one.call("MeterValues", energy16(3 - connector, None, 555_555.0))
            await asyncio.sleep(0.4)
            stop = {"transactionId": transaction, "meterStop": 1000 * connector + 1, "timestamp": now()}
            await one.call("StopTransaction", stop)
            await one.call("MeterValues", energy16(3 - connector, None, 555_556.0))
        assert point.counts["session_started"] == 2
        assert point.counts["other_connector"] == 6
        assert point.register.risen_kwh == pytest.approx(0.002)  # not the 999 Wh between the two registers
        assert point.counts["suspect"] == 0

    play(tmp_path, scene)


def test_an_evse_with_two_plugs_is_free_when_both_are(tmp_path: Path):
    async def scene(system: Any, one: Odd) -> None:
        point = system.points["S1"]

        async def status(plug: int, state: str) -> None:
            payload = {"timestamp": now(), "connectorStatus": state, "evseId": 1, "connectorId": plug}
            assert await one.call("StatusNotification", payload) == {}

        await status(1, "Occupied")
        await event(one, "Started", 0, 1000.0, evse={"id": 1, "connectorId": 1})
        await status(2, "Available")
        assert point.transaction == "T-9" and point.counts["session_lost"] == 0
        await event(one, "Ended", 1, 1000.0, evse={"id": 1, "connectorId": 1})
        await status(1, "Available")
        assert point.state == "free"

    play(tmp_path, scene, "2.0.1")


def test_an_evse_that_is_named_later(tmp_path: Path):
    async def scene(system: Any, one: Odd) -> None:
        payload = {"eventType": "Started", "timestamp": now(), "triggerReason": "Authorized", "seqNo": 0,
                   "transactionInfo": {"transactionId": "T-9"}}  # fmt: skip
        await one.call("TransactionEvent", payload)
        await event(one, "Updated", 1, 1000.0, evse={"id": 2})
        one.limit_a.clear()
        system.post({"S1": 6.0}, 60.0)
        await until(lambda: 2 in one.limit_a)
        assert system.points["S1"].register.last_kwh == 1.0

    play(tmp_path, scene, "2.0.1")


# --- metering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantum_wh", [0.1, 1.0, 10.0], ids=["finer", "whole Wh", "kWh to two digits"])
@pytest.mark.parametrize("interval_s", [1, 10, 30])
def test_the_register_alone_confirms_and_makes_no_false_overdraws(quantum_wh: float, interval_s: int):
    """No power is ever told. 11 kW, then 5.5 kW: the mean over the change is no overdraw; later ones confirm."""
    bench = Bench(meter_interval_s=float(interval_s), lease_s=300.0)
    wh = 1000.0
    for limit_kw in (11.04, 5.52, 11.04, 4.14):
        ticket = bench.point.command(Plan(limit_kw, bench.clock.utc + 9000))
        bench.steer()
        for second in range(1, 301):
            bench.clock.advance(1.0)
            wh += limit_kw / 3.6
            if second % interval_s == 0:
                shown = quantum_wh * (wh // quantum_wh)
                bench.point.metered(1, bench.point.transaction, [Sample(bench.clock.utc, import_wh=shown,
                                                                        quantum_wh=quantum_wh)])  # fmt: skip
            bench.steer()
        assert ticket.state == TicketState.CONFIRMED, limit_kw
        assert bench.point.sample().quality == Quality.FRESH
    assert bench.point.counts["overdraw"] == bench.point.counts["violated"] == 0


def test_the_register_alone_finds_who_does_not_follow():
    bench = Bench(meter_interval_s=10.0, lease_s=300.0)
    bench.point.command(Plan(5.52, bench.clock.utc + 9000))
    bench.steer()
    wh = 1000.0
    for _ in range(12):
        bench.clock.advance(10.0)
        wh += 10.0 * 11.04 / 3.6
        bench.point.metered(1, bench.point.transaction, [Sample(bench.clock.utc, import_wh=wh)])
        bench.steer()
    assert [c for c in bench.calls if c[0] == "RemoteStopTransaction"]


def test_without_samples_only_the_registers_at_start_and_stop_count(tmp_path: Path):
    """Begin and end of the transaction are all it tells: nothing is confirmed, all energy is booked."""

    async def scene(system: Any, one: Odd) -> None:
        point, start_s = system.points["S1"], system.clock.utc_s()
        transaction = await start16(one, 5000)
        ticket = system.post({"S1": 11.0}, 60.0)["S1"]
        await until(lambda: ticket.state == TicketState.ACCEPTED)
        await asyncio.sleep(1.2)
        middle_s = system.clock.utc_s()
        assert system.settle("S1", start_s, middle_s)["energy_kwh"] >= 0.0
        data = [{"timestamp": now(), "sampledValue": [{"value": "5003", "context": "Transaction.End"}]}]
        stop = {"transactionId": transaction, "meterStop": 5003, "timestamp": now(), "transactionData": data}
        await one.call("StopTransaction", stop)
        assert ticket.state != TicketState.CONFIRMED
        rest = system.settle("S1", middle_s, system.clock.utc_s() + 1.0)
        assert point.register.risen_kwh == pytest.approx(0.003)
        assert point.register.booked_kwh == pytest.approx(0.003, abs=1e-5)  # stamps are cut to the millisecond
        assert rest["quality"] == Quality.FRESH

    play(tmp_path, scene)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_who_meters_only_when_asked_is_asked(tmp_path: Path, version: str):
    """2.0.1 stations that do not know the trigger TransactionEvent are asked for MeterValues."""
    wh = [1000.0]
    station_of: list[Odd] = []

    def triggered(payload: dict[str, Any]) -> dict[str, str]:
        if payload["requestedMessage"] == "StatusNotification":
            return {"status": "NotImplemented"}
        if payload["requestedMessage"] != "MeterValues":
            return {"status": "NotImplemented"}
        wh[0] += 1.0
        one = station_of[0]
        value: dict[str, Any] = {"value": 3000.0, "measurand": "Power.Active.Import"}
        if version == "1.6":
            sent = energy16(1, None, wh[0])
            sent["meterValue"][0]["sampledValue"].append(value | {"value": "3000"})
        else:
            sent = {"evseId": 1, "meterValue": [{"timestamp": now(), "sampledValue": [{"value": wh[0]}, value]}]}
        asyncio.get_running_loop().create_task(one.call("MeterValues", sent))
        return {"status": "Accepted"}

    async def scene(system: Any, one: Odd) -> None:
        station_of.append(one)
        if version == "1.6":
            await start16(one)
        else:
            await event(one, "Started", 0, 1000.0)
        point = system.points["S1"]
        await until(lambda: point.power_kw == 3.0, 15.0)
        await confirmed(system.post({"S1": 6.0}, 60.0)["S1"])

    play(tmp_path, scene, version, answers={"TriggerMessage": triggered})


@pytest.mark.parametrize(
    ("stamp", "is_believed"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", True),
        ("%Y-%m-%dT%H:%M:%S.%fZ", True),
        ("%Y-%m-%dT%H:%M:%S", True),
        ("%Y-%m-%dT%H:%M:%S+00:00", True),
        ("%Y-%m-%dT%H:%M:%S+0000", True),
        ("%Y-%m-%dt%H:%M:%Sz", True),
        ("%Y-%m-%d %H:%M:%S", True),
        ("%d.%m.%Y %H:%M", False),
    ],
)
def test_time_stamps_in_every_form(stamp: str, is_believed: bool):
    from datetime import UTC, datetime

    from agents.hardware.clock import seconds

    found = seconds(datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC).strftime(stamp))
    if is_believed:
        assert found == pytest.approx(1772368215.0, abs=0.26)
    else:
        assert found != found


def test_a_clock_in_local_time_without_a_zone_loses_no_energy(tmp_path: Path):
    """An hour ahead without saying so: after three samples that agree its offset is taken off."""

    async def scene(system: Any, one: Odd) -> None:
        point, start_s = system.points["S1"], system.clock.utc_s()
        local = {"at_s": 3600.0}
        transaction = await start16(one, 1000, timestamp=now(3600.0).removesuffix("Z"))
        for k in range(1, 6):
            await asyncio.sleep(0.3)
            await one.call("MeterValues", energy16(1, transaction, 1000.0 + 0.5 * k, **local))
        assert point.counts["clock_off"] == 1
        await asyncio.sleep(0.3)
        stop = {"transactionId": transaction, "meterStop": 1003, "timestamp": now(3600.0)}
        await one.call("StopTransaction", stop)
        booked = system.settle("S1", start_s, system.clock.utc_s() + 1.0)
        assert booked["energy_kwh"] == pytest.approx(0.003, abs=1e-6)

    play(tmp_path, scene)


# --- steering ------------------------------------------------------------------------------------------------------


def _only(purpose: str = "", unit: str = "") -> Callable[[dict[str, Any]], dict[str, str]]:
    def answer(payload: dict[str, Any]) -> dict[str, str]:
        body = payload.get("csChargingProfiles") or payload["chargingProfile"]
        schedule = body["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        fits = (not purpose or body["chargingProfilePurpose"] == purpose) and (
            not unit or schedule["chargingRateUnit"] == unit
        )
        return {"status": "Accepted" if fits else "Rejected"}

    return answer


@pytest.mark.parametrize(
    ("purpose", "unit"), [("TxProfile", "A"), ("TxProfile", "W"), ("TxDefaultProfile", "A"), ("TxDefaultProfile", "W")]
)
def test_who_takes_only_one_form_of_profile_is_steered_with_that(tmp_path: Path, purpose: str, unit: str):
    async def scene(system: Any, one: Odd) -> None:
        await start16(one)
        ticket = system.post({"S1": 8.0}, 60.0)["S1"]
        await until(lambda: ticket.state == TicketState.ACCEPTED, 12.0)
        schedule = one.profiles(purpose)[-1]["chargingSchedule"]
        assert schedule["chargingRateUnit"] == unit
        assert schedule["chargingSchedulePeriod"][0]["limit"] == {"A": 11.5, "W": 8000.0}[unit]

    play(tmp_path, scene, answers={"SetChargingProfile": _only(purpose, unit)})


def test_who_refuses_the_station_maximum_is_steered_all_the_same(tmp_path: Path):
    def answer(payload: dict[str, Any]) -> dict[str, str]:
        is_max = payload["csChargingProfiles"]["chargingProfilePurpose"] == "ChargePointMaxProfile"
        return {"status": "NotSupported" if is_max else "Accepted"}

    async def scene(system: Any, one: Odd) -> None:
        await start16(one)
        ticket = system.post({"S1": 8.0}, 60.0)["S1"]
        await until(lambda: ticket.state == TicketState.ACCEPTED and one.limit_a.get(1) == 11.5)
        assert system.points["S1"].counts["station_max_rejected"] == 1

    play(tmp_path, scene, answers={"SetChargingProfile": answer})


@pytest.mark.parametrize("phases", [1, 3])
def test_limits_in_amperes_count_on_the_phases_of_the_scenario(tmp_path: Path, phases: int):
    """6.9 kW is 10 A on three phases and 30 A on one; what is not known is safe with three."""
    from agents.hardware.envelope import Envelope

    async def scene(system: Any, one: Odd) -> None:
        await start16(one)
        system.post({"S1": 6.9}, 60.0)
        await until(lambda: one.limit_a.get(1) == {1: 30.0, 3: 10.0}[phases])

    envelope = Envelope(11.04, 7.36 if phases == 1 else 11.04, phases=phases)

    async def go() -> None:
        async with central(settings(tmp_path, station(envelope=envelope))) as system, odd(system.port) as one:
            await one.boot()
            await scene(system, one)

    asyncio.run(go())


# --- replies by the standard -----------------------------------------------------------------------------------------

ERRORS_16 = [
    (["DoMagic", {}], "NotImplemented"),
    (["StartTransaction", {"connectorId": 1}], "OccurenceConstraintViolation"),
    (["StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "charging"}],
     "PropertyConstraintViolation"),
    (["StatusNotification", {"connectorId": "1", "errorCode": "NoError", "status": "Charging"}],
     "TypeConstraintViolation"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "code"), ERRORS_16)
def test_what_breaks_the_standard_is_refused_with_its_code(tmp_path: Path, call: list[Any], code: str):
    async def scene(system: Any, one: Odd) -> None:
        assert await one.call(*call) == code

    play(tmp_path, scene)


def test_a_lenient_station_may_write_its_enums_in_lower_case(tmp_path: Path):
    async def scene(system: Any, one: Odd) -> None:
        status = {"connectorId": 1, "errorCode": "noError", "status": "preparing"}
        assert await one.call("StatusNotification", status) == {}
        assert system.points["S1"].state == "occupied"
        transaction = await start16(one)
        sent = energy16(1, transaction, 1000.0, measurand="energy.active.import.register", unit="wh", phase="l1")
        assert await one.call("MeterValues", sent) == {}
        assert system.points["S1"].register.last_kwh == 1.0
        assert system.counters["S1"].schema >= 2

    play(tmp_path, scene, is_strict=False)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_fields_beyond_the_schema_are_counted_and_left_aside(tmp_path: Path, version: str):
    """A vendor's own field says nothing wrong: to refuse it would lose the energy beside it."""

    async def scene(system: Any, one: Odd) -> None:
        assert (await one.call("BootNotification", BOOT[version] | {"vendorMood": "sunny"}))["status"] == "Accepted"
        assert system.counters["S1"].schema == 1

    play(tmp_path, scene, version)


EXTRAS: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "1.6": {
        "DataTransfer": ({"vendorId": "com.odd", "messageId": "hello", "data": "{}"}, {"status": "UnknownVendorId"}),
        "SecurityEventNotification": ({"type": "InvalidFirmware", "timestamp": "2026-01-01T00:00:00Z"}, {}),
        "SignCertificate": ({"csr": "-----BEGIN"}, {"status": "Rejected"}),
        "LogStatusNotification": ({"status": "Idle"}, {}),
        "FirmwareStatusNotification": ({"status": "Idle"}, {}),
        "SignedFirmwareStatusNotification": ({"status": "Idle"}, {}),
        "DiagnosticsStatusNotification": ({"status": "Idle"}, {}),
    },
    "2.0.1": {
        "DataTransfer": ({"vendorId": "com.odd"}, {"status": "UnknownVendorId"}),
        "SecurityEventNotification": ({"type": "SettingSystemTime", "timestamp": "2026-01-01T00:00:00Z"}, {}),
        "SignCertificate": ({"csr": "-----BEGIN"}, {"status": "Rejected"}),
        "NotifyReport": ({"requestId": 1, "generatedAt": "2026-01-01T00:00:00Z", "seqNo": 0}, {}),
        "NotifyEvent": ({"generatedAt": "2026-01-01T00:00:00Z", "seqNo": 0, "eventData": [
            {"eventId": 1, "timestamp": "2026-01-01T00:00:00Z", "trigger": "Alerting", "actualValue": "1",
             "eventNotificationType": "HardWiredNotification", "component": {"name": "EVSE"},
             "variable": {"name": "Problem"}}]}, {}),
        "NotifyMonitoringReport": ({"requestId": 1, "seqNo": 0, "generatedAt": "2026-01-01T00:00:00Z"}, {}),
        "ReportChargingProfiles": ({"requestId": 1, "chargingLimitSource": "CSO", "evseId": 1, "chargingProfile": [
            {"id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative",
             "chargingSchedule": [{"id": 1, "chargingRateUnit": "A",
                                   "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}]}]}, {}),
        "NotifyChargingLimit": ({"chargingLimit": {"chargingLimitSource": "EMS"}}, {}),
        "ClearedChargingLimit": ({"chargingLimitSource": "EMS"}, {}),
        "FirmwareStatusNotification": ({"status": "Idle"}, {}),
        "LogStatusNotification": ({"status": "Idle"}, {}),
        "NotifyCustomerInformation": ({"data": "", "seqNo": 0, "generatedAt": "2026-01-01T00:00:00Z",
                                       "requestId": 1}, {}),
        "ReservationStatusUpdate": ({"reservationId": 1, "reservationUpdateStatus": "Expired"}, {}),
        "GetCertificateStatus": ({"ocspRequestData": {"hashAlgorithm": "SHA256", "issuerNameHash": "a",
                                  "issuerKeyHash": "b", "serialNumber": "1", "responderURL": "u"}},
                                 {"status": "Failed"}),
        "MeterValues": ({"evseId": 0, "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [
            {"value": 1.0, "measurand": "Voltage"}]}]}, {}),
    },
}  # fmt: skip


@pytest.mark.parametrize(("version", "action"), [(v, a) for v, of in EXTRAS.items() for a in of])
def test_messages_beside_the_business_get_the_reply_of_the_standard(tmp_path: Path, version: str, action: str):
    async def scene(system: Any, one: Odd) -> None:
        payload, reply = EXTRAS[version][action]
        assert await one.call(action, payload) == reply
        assert system.counters["S1"].schema == 0

    play(tmp_path, scene, version)


def test_a_device_model_that_knows_nothing_of_ours(tmp_path: Path):
    """GetVariables and SetVariables answer each variable by itself; nothing accepted is no reason not to steer."""

    def asked(payload: dict[str, Any]) -> dict[str, Any]:
        rows = [v | {"attributeStatus": "UnknownComponent"} for v in payload["getVariableData"]]
        return {"getVariableResult": rows}

    def told(payload: dict[str, Any]) -> dict[str, Any]:
        rows = [{"component": v["component"], "variable": v["variable"], "attributeStatus": "Rejected"}
                for v in payload["setVariableData"]]  # fmt: skip
        return {"setVariableResult": rows}

    async def scene(system: Any, one: Odd) -> None:
        await event(one, "Started", 0, 1000.0)
        await until(lambda: one.limit_a)
        await until(lambda: system.steering_of("S1").found.get("configure:SetVariables") == "Rejected")

    play(tmp_path, scene, "2.0.1", answers={"GetVariables": asked, "SetVariables": told})


def test_one_message_id_for_everything_is_not_a_repetition(tmp_path: Path):
    """Some stations never change their message id: only the same message again is a repetition."""

    async def scene(system: Any, one: Odd) -> None:
        first = await one.call("Heartbeat", {}, "1")
        assert (await one.call("Authorize", {"idTag": "A"}, "1"))["idTagInfo"]["status"] == "Accepted"
        started = {"connectorId": 1, "idTag": "A", "meterStart": 1000, "timestamp": now()}
        told = await one.call("StartTransaction", started, "1")
        assert await one.call("StartTransaction", started, "1") == told
        assert "currentTime" in first
        assert system.points["S1"].counts["session_started"] == 1

    play(tmp_path, scene)


# --- the way in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [(["ocpp1.6", "ocpp2.0.1"], "2.0.1"), (["ocpp2.0.1", "ocpp1.6"], "2.0.1"), (["soap", "ocpp1.6"], "1.6"),
     (["ocpp1.5", "ocpp1.6", "ocpp2.0", "ocpp2.0.1", "ocpp2.1"], "2.1")],
)  # fmt: skip
def test_of_several_sub_protocols_the_newest_is_spoken(tmp_path: Path, offered: list[str], spoken: str):
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            url = f"ws://127.0.0.1:{system.port}/S1"
            async with connect(url, subprotocols=[Subprotocol(p) for p in offered]) as socket:
                assert socket.subprotocol == f"ocpp{spoken}"
                await until(lambda: system.points["S1"].version == spoken)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("station_id", "path"),
    [("S1", "/S1/"), ("S1", "/a/b/c/S1"), ("NL*TST*1", "/ocpp/NL%2ATST%2A1"), ("NL*TST*1", "/ocpp/NL*TST*1"),
     ("CP 7/a", "/CP%207%2Fa"), ("ÖPP", "/%C3%96PP"), ("S1", "/S1?token=x")],
)  # fmt: skip
def test_identities_in_the_address(tmp_path: Path, station_id: str, path: str):
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    async def go() -> None:
        async with central(settings(tmp_path, station(station_id))) as system:
            url = f"ws://127.0.0.1:{system.port}{path}"
            async with connect(url, subprotocols=[Subprotocol("ocpp1.6")]) as socket:
                await socket.send(json.dumps([2, "1", "Heartbeat", {}]))
                assert json.loads(await socket.recv())[:2] == [3, "1"]

    asyncio.run(go())


def test_a_station_over_ipv6(tmp_path: Path):
    import socket as sockets

    if not sockets.has_ipv6:
        pytest.skip("no IPv6 here")

    async def go() -> None:
        try:
            async with central(settings(tmp_path, host="::1")) as system, odd(system.port, host="[::1]") as one:
                assert (await one.boot())["status"] == "Accepted"
        except OSError:
            pytest.skip("no IPv6 loopback here")

    asyncio.run(go())
