"""Answers to a BootNotification over sockets: accepted, pending, rejected, and what each lets through."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.hardware.keep import write_known
from agents.hardware.replay import replay
from agents.hardware.standing import Standing, contradictions, standing_of_all
from agents.hardware.wishes import Known
from agents.port import TicketState
from tests.hil_odd import BOOT, Odd, now, odd
from tests.hil_rig import central, settings, station, until, virtual

BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
QUIET_S = 1.8
"""Longer than a silent station is left alone."""


def boot_of(version: str, **other: str) -> dict[str, Any]:
    """A boot with other words about the device; keys are those of 2.x."""
    if version == "1.6":
        names = {"model": "chargePointModel", "serialNumber": "chargePointSerialNumber"}
        names |= {"vendorName": "chargePointVendor"}
        return BOOT[version] | {names.get(key, key): value for key, value in other.items()}
    return BOOT[version] | {"chargingStation": BOOT[version]["chargingStation"] | other}


async def start(one: Odd) -> Any:
    """Tell a start; what is answered."""
    if one.version == "1.6":
        return await one.call(
            "StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": now()}
        )
    return await event(one, "Started")


async def event(one: Odd, kind: str, seq: int = 0) -> Any:
    return await one.call(
        "TransactionEvent",
        {
            "eventType": kind, "timestamp": now(), "triggerReason": "CablePluggedIn", "seqNo": seq,
            "transactionInfo": {"transactionId": "T-1"}, "evse": {"id": 1},
        },
    )  # fmt: skip


async def stop(one: Odd, started: Any) -> Any:
    if one.version == "1.6":
        body = {"transactionId": started["transactionId"], "meterStop": 10, "timestamp": now()}
        return await one.call("StopTransaction", body)
    return await event(one, "Ended", 1)


@BOTH
def test_another_device_than_the_scenarios_is_pending_until_the_right_one_boots(tmp_path: Path, version: str):
    async def go() -> None:
        mine = station(model="o1", serial_number="7", insist=True)
        async with central(settings(tmp_path, mine)) as system, odd(system.port, version=version) as one:
            point = system.points["S1"]
            answer = await one.call("BootNotification", boot_of(version, serialNumber="8"))
            assert answer["status"] == "Pending" and answer["interval"] == 30
            assert await start(one) == "SecurityError"
            assert await one.call("Heartbeat", {}) == "SecurityError"
            assert point.transaction is None and not point.is_steerable
            assert system.session("S1", "start").state == TicketState.REJECTED
            assert system.post({"S1": 11.0}, 60.0)["S1"].state == TicketState.REJECTED
            await until(lambda: one.profiles("TxDefaultProfile"))
            await asyncio.sleep(0.5)
            told = {action for action, _ in one.asked}
            assert told <= {"SetChargingProfile", "GetConfiguration", "GetVariables"}
            assert not one.profiles("TxProfile")
            assert [e.text for e in point.events() if e.kind == "pending"] == ["serial_number 8 instead of 7"]
            answer = await one.call("BootNotification", boot_of(version, serialNumber="7"))
            assert answer["status"] == "Accepted" and answer["interval"] == 60
            assert isinstance(await start(one), dict)
            await until(lambda: point.transaction is not None)
            await until(lambda: one.profiles("TxProfile"))

    asyncio.run(go())
    assert replay(tmp_path / "rec").differences == []


@BOTH
def test_who_was_seen_not_to_fall_back_is_rejected_until_another_device_comes(tmp_path: Path, version: str):
    async def go() -> None:
        given = settings(tmp_path, station(insist=False))
        write_known(given.state_folder, "S1", Known(False, "Odd O1"))
        async with central(given) as system, odd(system.port, version=version) as one:
            answer = await one.boot()
            assert answer["status"] == "Rejected" and answer["interval"] == 30
            assert await start(one) == "SecurityError"
            await asyncio.sleep(QUIET_S)
            assert one.asked == [] and system.points["S1"].transaction is None
            answer = await one.call("BootNotification", boot_of(version, firmwareVersion="2"))
            assert answer["status"] == "Accepted"
            assert isinstance(await start(one), dict)
            await until(lambda: one.profiles("TxDefaultProfile"))

    asyncio.run(go())


@BOTH
def test_a_refused_station_is_heard_to_the_end_of_its_session(tmp_path: Path, version: str):
    async def go() -> None:
        async with central(settings(tmp_path, station())) as system, odd(system.port, version=version) as one:
            point = system.points["S1"]
            await one.boot()
            started = await start(one)
            point.wishes.is_refused = True
            assert (await one.boot())["status"] == "Accepted"
            assert isinstance(await stop(one, started), dict)
            assert point.transaction is None
            assert (await one.boot())["status"] == "Rejected"

    asyncio.run(go())


@BOTH
def test_our_own_station_waits_while_pending(tmp_path: Path, version: str):
    async def go() -> None:
        given = settings(tmp_path, station(vendor="Another"))
        async with central(given) as system, virtual(system, version=version, plugs=False) as one:
            point = system.points["S1"]
            await until(lambda: point.standing is Standing.PENDING)
            one.plug()
            await asyncio.sleep(0.5)
            assert not one.booted.is_set() and point.transaction is None
            assert point.counts["before_acceptance"] == 0

    asyncio.run(go())


def test_silence_contradicts_nothing_and_the_case_of_letters_does_not_count():
    asked = station(vendor="Odd", model="O1", serial_number="7")
    assert contradictions(asked, "ODD", "o1", "") == []
    assert contradictions(station(), "V", "M", "8") == []
    assert contradictions(asked, "Even", "O2", "8") == [
        "vendor Even instead of Odd", "model O2 instead of O1", "serial_number 8 instead of 7"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("of_connectors", "expected"),
    [
        (["Accepted", "Rejected"], "Accepted"),
        (["Rejected", "Rejected"], "Rejected"),
        (["Accepted", "Pending"], "Pending"),
    ],
)
def test_one_refused_connector_does_not_keep_the_others_out(of_connectors: list[str], expected: str):
    assert standing_of_all(Standing(s) for s in of_connectors) == expected
