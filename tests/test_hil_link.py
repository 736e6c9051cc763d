"""The link loop of our own against what peers send: guards, order, duplicates, closing."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from agents.hardware import wire
from agents.hardware.clock import SystemClock
from agents.hardware.link import Link, LinkSettings, Refused
from agents.hardware.schema import Invalid, check


class Pipe:
    """A socket in memory."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.sent: list[list[Any]] = []
        self.is_closed = False

    async def recv(self) -> str | bytes:
        text = await self.inbox.get()
        if text is None:
            self.is_closed = True
            raise ConnectionClosedOK(None, None)
        return text

    async def send(self, message: str) -> None:
        if self.is_closed:
            raise ConnectionClosedOK(None, None)
        self.sent.append(json.loads(message))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.inbox.put_nowait(None)

    def say(self, *parts: Any) -> None:
        self.inbox.put_nowait(json.dumps(parts))


class Host:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.heard.append((action, payload))
        if action == "Authorize":
            raise Refused("NotSupported", "not here")
        if action == "DataTransfer":
            raise ZeroDivisionError("secret-tag")
        return {}


def rig(version: str = "1.6", **other: Any) -> tuple[Pipe, Host, Link]:
    pipe, host = Pipe(), Host()
    return pipe, host, Link(pipe, version, host, SystemClock(), LinkSettings(**({"call_timeout_s": 0.3} | other)))


async def run_out(pipe: Pipe, link: Link) -> None:
    """Handle all that was said, then close."""
    pipe.inbox.put_nowait(None)
    await asyncio.wait_for(link.run(), 5.0)


STOP = {"transactionId": 1, "meterStop": 5, "timestamp": "2025-06-01T12:00:00Z"}


def test_the_last_message_before_a_close_is_handled():
    async def go() -> None:
        pipe, host, link = rig()
        pipe.say(2, "a", "Heartbeat", {})
        pipe.say(2, "b", "StopTransaction", STOP)
        pipe.is_closed = True  # every reply fails, as when the peer has gone
        await run_out(pipe, link)
        assert [action for action, _ in host.heard] == ["Heartbeat", "StopTransaction"]

    asyncio.run(go())


def test_a_pending_call_fails_at_once_when_the_peer_goes():
    async def go() -> float:
        pipe, _, link = rig(call_timeout_s=30.0)
        reader = asyncio.create_task(link.run())
        call = asyncio.create_task(link.call("Reset", {"type": "Soft"}))
        await asyncio.sleep(0.05)
        start = time.monotonic()
        pipe.inbox.put_nowait(None)
        assert (await call).error == "LinkDown"
        assert (await link.call("Reset", {"type": "Soft"})).error == "LinkDown"
        await reader
        return time.monotonic() - start

    assert asyncio.run(go()) < 5.0  # the call itself would wait for 30 s


def test_an_answer_is_taken_before_the_message_that_came_with_it():
    """Both are in the socket at once: who asked goes on first, as the recording tells it."""

    async def go() -> None:
        pipe, host, link = rig()
        reader, order = asyncio.create_task(link.run()), []

        async def ask() -> None:
            await link.call("Reset", {"type": "Soft"})
            order.append(("answered", len(host.heard)))

        call = asyncio.create_task(ask())
        await asyncio.sleep(0.05)
        pipe.say(3, pipe.sent[0][1], {"status": "Accepted"})
        pipe.say(2, "a", "Heartbeat", {})
        await call
        assert order == [("answered", 0)]
        pipe.inbox.put_nowait(None)
        await reader
        assert len(host.heard) == 1

    asyncio.run(go())


def test_a_call_that_is_never_answered_times_out_and_the_next_one_works():
    async def go() -> None:
        pipe, _, link = rig()
        reader = asyncio.create_task(link.run())
        assert (await link.call("Reset", {"type": "Soft"})).error == "Timeout"
        call = asyncio.create_task(link.call("Reset", {"type": "Soft"}))
        await asyncio.sleep(0.05)
        pipe.say(3, pipe.sent[0][1], {"status": "Rejected"})  # the answer to the first comes too late
        pipe.say(3, pipe.sent[1][1], {"status": "Accepted"})
        assert (await call).get("status") == "Accepted"
        assert link.counters.unexpected == 1
        reader.cancel()

    asyncio.run(go())


def test_the_same_call_twice_is_handled_once_and_answered_twice():
    async def go() -> None:
        pipe, host, link = rig()
        for _ in range(3):
            pipe.say(2, "same", "StopTransaction", STOP)
        await run_out(pipe, link)
        assert len(host.heard) == 1
        assert pipe.sent == [[3, "same", {}]] * 3
        assert link.counters.duplicates == 2

    asyncio.run(go())


def test_twenty_thousand_unasked_results_are_dropped():
    async def go() -> None:
        pipe, host, link = rig(messages_per_s=1e9, burst=1e9)
        for i in range(20_000):
            pipe.say(3, f"x{i}", {})
        pipe.say(2, "a", "Heartbeat", {})
        await run_out(pipe, link)
        assert link.counters.unexpected == 20_000
        assert len(host.heard) == 1

    asyncio.run(go())


HOSTILE = [
    "",
    "hello",
    "{}",
    "null",
    "[2]",
    '[2,"a"]',
    '[2,"a",["Heartbeat"],{}]',
    '[2,17,"Heartbeat",{}]',
    '[2,"a","Heartbeat",[]]',
    '[true,"a","Heartbeat",{}]',
    '[9,"a","Heartbeat",{}]',
    '[2,"a","Heartbeat",{"x":NaN}]',
    '[2,"a","Heartbeat",{"x":Infinity}]',
    '[2,"a","Heartbeat",{"x":1e999}]',
    '[2,"a","Heartbeat",{"x":' + "9" * 5000 + "}]",
    '[2,"a","Heartbeat",{"x":0.' + "9" * 5000 + "}]",
    '[2,"a","Heartbeat",{"x":1,"x":2}]',
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    '[2,"a","Heartbeat",' + '{"a":' * 30 + "1" + "}" * 30 + "]",
    '[2,"a","Heartbeat",{"x":"' + "y" * (10 * 1024 * 1024) + '"}]',
    b"\xff\xfe\x00",
    '[2,"' + "i" * 500 + '","Heartbeat",{}]',
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_frames_are_refused_and_the_link_lives(text):
    async def go() -> None:
        pipe, host, link = rig()
        pipe.inbox.put_nowait(text)
        pipe.say(2, "ok", "Heartbeat", {})
        await run_out(pipe, link)
        assert [a for a, _ in host.heard] == ["Heartbeat"]
        assert pipe.sent[-1] == [3, "ok", {}]
        assert link.counters.malformed == 1
        assert all(len(json.dumps(frame)) < 300 for frame in pipe.sent)

    asyncio.run(go())


def test_brackets_in_a_text_are_no_depth():
    frame = wire.parse(json.dumps([2, "a", "DataTransfer", {"vendorId": "x", "data": "[{" * 500}]))
    assert frame.payload["data"].startswith("[{")


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_errors_never_echo_what_was_sent(version):
    async def go() -> None:
        pipe, _, link = rig(version)
        pipe.say(2, "a", "BootNotification", {"secret-tag": "secret-tag"})
        pipe.say(2, "b", "Nonsense", {"idTag": "secret-tag"})
        pipe.say(2, "c", "../etc/passwd", {"idTag": "secret-tag"})
        pipe.say(2, "d", "DataTransfer", {"vendorId": "secret-tag"})
        await run_out(pipe, link)
        assert [frame[0] for frame in pipe.sent] == [4, 4, 4, 4]
        assert "secret" not in json.dumps(pipe.sent)
        assert pipe.sent[1][2] == "NotImplemented"
        assert pipe.sent[3][2] == "InternalError"
        assert link.counters.handler_faults == 1

    asyncio.run(go())


def test_refusals_carry_their_code():
    async def go() -> None:
        pipe, _, link = rig()
        pipe.say(2, "a", "Authorize", {"idTag": "x"})
        await run_out(pipe, link)
        assert pipe.sent == [[4, "a", "NotSupported", "not here", {}]]

    asyncio.run(go())


def test_lenient_links_count_and_go_on():
    async def go() -> None:
        pipe, host, link = rig(is_strict=False)
        pipe.say(2, "a", "BootNotification", {"chargePointVendor": "v" * 60, "chargePointModel": "m", "extra": 1})
        await run_out(pipe, link)
        assert pipe.sent[0][0] == 3
        assert link.counters.schema == 1
        assert len(host.heard) == 1

    asyncio.run(go())


def test_a_flood_is_read_slowly_and_not_closed():
    async def go() -> None:
        pipe, host, link = rig(messages_per_s=200.0, burst=50.0)
        for i in range(150):
            pipe.say(2, f"m{i}", "Heartbeat", {})
        await run_out(pipe, link)
        assert len(host.heard) == 150
        assert link.counters.slowed_s > 0.1

    asyncio.run(go())


def test_the_limit_is_checked_to_a_tenth_as_1_6_demands():
    body = {"startPeriod": 0, "limit": 10.7}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [body]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    check(wire.CALL, "SetChargingProfile", "1.6", {"connectorId": 1, "csChargingProfiles": profile})
    body["limit"] = 7.36
    with pytest.raises(Invalid):
        check(wire.CALL, "SetChargingProfile", "1.6", {"connectorId": 1, "csChargingProfiles": profile})


def test_logs_hold_no_identity_and_no_secret():
    salt = b"s"
    payload = {
        "idTag": "TAG-1",
        "idToken": {"idToken": "TAG-2", "type": "Central"},
        "csr": "-----BEGIN",
        "key": "AuthorizationKey",
        "value": "hunter2hunter2",
        "list": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": "hunter3"}],
        "customData": {"vendorId": "v", "pin": "1234"},
        "meterValue": [{"sampledValue": [{"value": "5", "location": "Outlet"}]}],
    }
    text = json.dumps(wire.redact({k: v for k, v in payload.items() if k not in ("key", "value")}, salt))
    text += json.dumps(wire.redact({"key": "AuthorizationKey", "value": "hunter2hunter2"}, salt))
    for secret in ("TAG-1", "TAG-2", "BEGIN", "hunter", "1234"):
        assert secret not in text
    assert "Outlet" in text
    assert wire.redact({"idTag": "A"}, salt) == wire.redact({"idTag": "A"}, salt)
