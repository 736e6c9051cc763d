"""Every fault that the port must survive, against real sockets: no limit exceeded, no energy lost, all in the log."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from agents.port import Quality, TicketState
from tests.hil_rig import central, confirmed, proven, settings, station, until, virtual

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


async def raw(port: int, name: str = "S1", protocol: str | None = "ocpp1.6", **other: Any) -> ClientConnection:
    protocols = [Subprotocol(protocol)] if protocol else None
    return await connect(f"ws://127.0.0.1:{port}/x/{name}", subprotocols=protocols, compression=None, **other)


async def ask(socket: ClientConnection, *frame: Any) -> list[Any]:
    """Send a call and give its answer, answering nothing in between."""
    await socket.send(json.dumps(frame))
    while True:
        answer = json.loads(await asyncio.wait_for(socket.recv(), 5.0))
        if answer[0] in (3, 4) and answer[1] == frame[1]:
            return list(answer)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_session_from_boot_to_stop(tmp_path: Path, version: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, version=version) as car:
            point = system.points["S1"]
            await until(lambda: point.transaction)
            ticket = system.post({"S1": 7.6}, 60.0)["S1"]
            await until(lambda: ticket.state == TicketState.CONFIRMED)
            assert car.power_w == pytest.approx(7590.0)
            assert point.sample().quality == Quality.FRESH
            system.session("S1", "stop", "test")
            await until(lambda: point.transaction is None)
            assert point.register.risen_kwh * 1000 == pytest.approx(car.meter.import_wh - 12_000, abs=1.5)
            assert car.highest_w_over_limit <= 0.0

    asyncio.run(go())


@pytest.mark.parametrize("state", ["before boot", "booted", "occupied", "charging", "call pending"])
def test_a_socket_dropped_in_every_state_comes_back(tmp_path: Path, state: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            point = system.points["S1"]
            if state == "before boot":
                socket = await raw(system.port)
                socket.transport.abort()
            faults = {"mute"} if state == "call pending" else set()
            async with virtual(system, plugs=False, starts="remote", faults=faults) as car:
                await until(car.booted.is_set)
                if state in ("occupied", "charging"):
                    car.plug()
                if state == "charging":
                    system.session("S1", "start")
                    await until(lambda: point.transaction)
                since_s = point.linked_since_s
                await car.drop()
                await until(lambda: point.is_linked and point.linked_since_s > since_s)
                await until(car.booted.is_set)
                assert point.counts["disconnected"] >= 1
                if state == "charging":
                    ticket = system.post({"S1": 6.0}, 60.0)["S1"]
                    await until(lambda: ticket.state == TicketState.CONFIRMED)

    asyncio.run(go())


@pytest.mark.function("CP-5")
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_without_us_the_station_falls_back_by_itself(tmp_path: Path, version: str):
    async def go() -> None:
        async with (
            central(settings(tmp_path)) as system,
            virtual(system, version=version, reconnect_s=30.0) as car,
        ):
            await until(lambda: system.points["S1"].transaction)
            system.post({"S1": 11.0}, 60.0)
            await until(lambda: car.power_w > 10_000)
            await car.drop()
            started = time.monotonic()
            await until(lambda: system.points["S1"].sample().quality == Quality.ESTIMATED)
            await until(lambda: car.power_w == pytest.approx(4140.0))
            assert time.monotonic() - started < 3.0 + 1.5  # the lease and a slow machine
            assert not system.points["S1"].sample().is_biddable

    asyncio.run(go())


def test_a_half_open_connection_is_found(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path, keepalive_s=0.3)) as system:
            socket = await raw(system.port)
            await ask(socket, 2, "1", "BootNotification", BOOT)
            socket.transport.pause_reading()  # the peer is there and says nothing any more, not even a pong
            await until(lambda: not system.points["S1"].is_linked)
            socket.transport.abort()

    asyncio.run(go())


def test_the_newest_of_two_sockets_wins_and_the_old_one_tears_nothing_down(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            old, new = await raw(system.port), await raw(system.port)
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(old.recv(), 3.0)
            await asyncio.sleep(0.1)
            assert system.points["S1"].is_linked
            assert (await ask(new, 2, "1", "Heartbeat", {}))[0] == 3
            assert system.points["S1"].counts["replaced"] == 1
            await new.close()

    asyncio.run(go())


def test_a_storm_of_200_stations(tmp_path: Path):
    async def go() -> None:
        names = [f"S{i}" for i in range(200)]
        given = settings(tmp_path, *(station(n, row=i) for i, n in enumerate(names)))
        async with central(given) as system:
            for _ in range(2):
                sockets = await asyncio.gather(*(raw(system.port, n, open_timeout=30) for n in names))
                answers = await asyncio.gather(*(ask(s, 2, "b", "BootNotification", BOOT) for s in sockets))
                assert all(a[2]["status"] == "Accepted" for a in answers)
                assert sum(p.is_linked for p in system.points.values()) == 200
                for socket in sockets:
                    socket.transport.abort()
                await until(lambda: not any(p.is_linked for p in system.points.values()))

    asyncio.run(go())


@pytest.mark.parametrize("fault", ["duplicate", "out_of_order"])
def test_repeated_and_shuffled_messages_count_energy_once(tmp_path: Path, fault: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={fault}, meter_interval_s=0.25) as car:
            point = system.points["S1"]
            await until(lambda: point.register.is_known and point.register.risen_kwh > 0.004)
            car.unplug()
            await until(lambda: point.transaction is None)
            assert point.counts["session_started"] == point.counts["session_stopped"] == 1
            assert point.register.risen_kwh * 1000 == pytest.approx(car.meter.import_wh - 12_000, abs=1.5)
            assert fault != "duplicate" or system.counters["S1"].duplicates > 3

    asyncio.run(go())


@pytest.mark.parametrize(
    "text",
    ["{", '[2,"a","Heartbeat",{"x":NaN}]', "[" * 50_000, '[2,"a","Heartbeat",{"x":' + "9" * 5000 + "}]", "[3,7,{}]"],
    ids=["cut off", "nan", "deep", "long number", "odd id"],
)
def test_malformed_messages_do_not_end_the_connection(tmp_path: Path, text: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            socket = await raw(system.port)
            await socket.send(text)
            assert (await ask(socket, 2, "ok", "Heartbeat", {}))[0] == 3
            await until(lambda: system.points["S1"].counts["malformed"] >= 1)
            await socket.close()

    asyncio.run(go())


def test_a_message_of_10_mb_closes_that_socket_only(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path, station(), station("S2", row=1))) as system:
            big, other = await raw(system.port), await raw(system.port, "S2")
            with suppress(ConnectionClosed):
                await big.send('[2,"a","Heartbeat",{"x":"' + "y" * 10_000_000 + '"}]')
                await asyncio.wait_for(big.recv(), 5.0)
            assert big.close_code == 1009
            assert (await ask(other, 2, "ok", "Heartbeat", {}))[0] == 3
            again = await raw(system.port)
            assert (await ask(again, 2, "ok", "Heartbeat", {}))[0] == 3
            await asyncio.gather(other.close(), again.close())

    asyncio.run(go())


@pytest.mark.parametrize(
    ("name", "protocol", "status"),
    [("NOBODY", "ocpp1.6", 404), ("", "ocpp1.6", 404), ("S1", "ocpp9.9", 400), ("S1", None, 400)],
)
def test_strangers_are_turned_away(tmp_path: Path, name: str, protocol: str | None, status: int):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            with pytest.raises(InvalidStatus) as caught:
                await raw(system.port, name, protocol)
            assert caught.value.response.status_code == status
            assert sum(system.turned_away.values()) == 1

    asyncio.run(go())


@pytest.mark.parametrize("fault", ["clock_day", "clock_day_behind"])
def test_a_clock_off_by_a_day_loses_no_energy(tmp_path: Path, fault: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            start_s = system.clock.utc_s()
            async with virtual(system, faults={fault}) as car:
                point = system.points["S1"]
                await until(lambda: point.counts["clock_off"] == 1)
                await until(lambda: point.register.risen_kwh > 0.003)
                car.unplug()
                await until(lambda: point.transaction is None)
                booked = system.settle("S1", start_s, system.clock.utc_s() + 1.0)
                assert booked["energy_kwh"] == pytest.approx((car.meter.import_wh - 12_000) / 1000, abs=0.002)
                assert point.counts["suspect"] >= 3

    asyncio.run(go())


def test_a_register_that_jumps_back(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={"meter_back"}) as car:
            point = system.points["S1"]
            system.post({"S1": 11.04}, 60.0)
            await until(lambda: point.counts["rebased"] == 1, 12.0)
            await until(lambda: point.register.risen_kwh > 0.010)
            drawn = (car.meter.import_wh + 6000 - 12_000) / 1000
            assert point.register.risen_kwh == pytest.approx(drawn, abs=0.0025)

    asyncio.run(go())


def test_watt_hours_called_kilowatt_hours_are_never_booked(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={"wh_as_kwh"}) as car:
            point = system.points["S1"]
            await until(lambda: point.counts["suspect"] >= 5)
            assert point.sample().quality == Quality.SUSPECT
            assert point.register.risen_kwh < 0.001
            assert point.power_kw * 1000 == pytest.approx(car.power_w)

    asyncio.run(go())


def test_a_profile_that_is_accepted_and_not_followed_is_found_by_the_meter(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={"ignore_profile"}):
            point = system.points["S1"]
            await until(lambda: point.transaction)
            ticket = system.post({"S1": 6.0}, 60.0)["S1"]
            await until(lambda: ticket.state == TicketState.ACCEPTED)
            await until(lambda: ticket.state == TicketState.VIOLATED)
            await until(lambda: point.transaction is None)
            kinds = [e.kind for e in point.events()]
            assert {"violated", "overdraw", "stop_sent", "session_stopped"} <= set(kinds)

    asyncio.run(go())


def test_a_rejected_profile(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={"reject_profile"}):
            ticket = system.post({"S1": 6.0}, 60.0)["S1"]
            ticket = system.post({"S1": 6.0}, 60.0)["S1"] if not ticket.is_open else ticket
            await until(lambda: ticket.state == TicketState.REJECTED)
            assert system.points["S1"].counts["uncontrollable"] == 1

    asyncio.run(go())


def test_calls_that_are_never_answered(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path, call_timeout_s=0.3)) as system, virtual(system, faults={"mute"}):
            point = system.points["S1"]
            await until(lambda: point.transaction)
            ticket = system.post({"S1": 6.0}, 60.0)["S1"]
            await until(lambda: ticket.state == TicketState.TIMEOUT)
            await until(lambda: point.sample().quality == Quality.FRESH)
            assert point.counts["silent"] >= 1

    asyncio.run(go())


def test_a_flood_of_1000_messages_a_second_leaves_the_others_on_time(tmp_path: Path):
    async def go() -> None:
        given = settings(tmp_path, station(), station("S2", row=1))
        async with central(given) as system, virtual(system, faults={"flood"}, plugs=False), virtual(system, "S2"):
            point = system.points["S2"]
            await until(lambda: point.transaction)
            for limit_kw in (6.0, 8.0, 10.0):
                await confirmed(system.post({"S2": limit_kw}, 60.0)["S2"])
            await until(lambda: system.points["S1"].counts["slowed"] >= 1)
            assert system.points["S1"].counts["disconnected"] == 0
            assert system.counters["S1"].received < 1500

    asyncio.run(go())


def test_a_station_that_forgets_its_session(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, faults={"forget"}) as car:
            point = system.points["S1"]
            await until(lambda: point.transaction)
            car.is_plugged = False
            await car.drop()
            await until(lambda: point.counts["session_lost"] == 1)
            assert point.transaction is None

    asyncio.run(go())


def test_samples_of_an_outage_come_late_and_are_booked(tmp_path: Path):
    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system, reconnect_s=1.5) as car:
            point = system.points["S1"]
            await until(lambda: point.register.is_known)
            start_s = system.clock.utc_s()
            await car.drop()
            await until(lambda: not point.is_linked)
            await asyncio.sleep(0.5)
            first = system.settle("S1", start_s, system.clock.utc_s())
            assert first["quality"] == Quality.ESTIMATED
            await until(lambda: point.is_linked)
            await until(lambda: point.sample().quality == Quality.FRESH and not car.queue)
            await asyncio.sleep(0.5)
            second = system.settle("S1", start_s + 100.0, start_s + 101.0)
            (correction,) = second["corrections"]
            assert correction[0] == start_s
            assert abs(correction[1]) < first["energy_kwh"] + 0.001

    asyncio.run(go())


def test_a_flag_of_an_uncertified_station_is_kept_for_the_next_run(tmp_path: Path):
    async def go() -> None:
        given = settings(tmp_path, station(insist=False))
        async with central(given) as system, virtual(system, faults={"no_fallback"}):
            await until(lambda: system.points["S1"].wishes.is_refused, 12.0)
        async with central(given) as system:
            assert system.points["S1"].describe().falls_back is False
            assert not system.points["S1"].is_steerable

    asyncio.run(go())


def test_a_proof_is_kept_for_the_next_run(tmp_path: Path):
    async def go() -> None:
        given = settings(tmp_path, station(insist=False))
        async with central(given) as system, virtual(system) as car:
            await until(lambda: system.points["S1"].is_steerable, 10.0)
            assert car.power_w == pytest.approx(4140.0)
        async with central(given) as system:
            assert system.points["S1"].is_steerable

    asyncio.run(go())


def test_the_watchdog_returns_stations_to_their_safe_limits(tmp_path: Path):
    async def go() -> None:
        given = proven(settings(tmp_path, station(insist=False), watchdog_s=1.0))
        async with central(given) as system, virtual(system) as car:
            await until(lambda: system.points["S1"].transaction)
            system.post({"S1": 11.0}, 60.0)
            await until(lambda: car.power_w > 10_000)
            await until(lambda: car.power_w == pytest.approx(4140.0))
            assert any(e.kind == "released" and "watchdog" in e.text for e in system.points["S1"].events())
            assert system.points["S1"].transaction is not None

    asyncio.run(go())


def test_the_emergency_stop_reaches_every_station(tmp_path: Path):
    async def go() -> None:
        given = settings(tmp_path, station(), station("S2", row=1))
        async with central(given) as system, virtual(system) as one, virtual(system, "S2", version="2.0.1") as two:
            await until(lambda: all(p.transaction for p in system.points.values()))
            system.emergency_stop("button")
            await until(lambda: one.transaction is None and two.transaction is None)

    asyncio.run(go())


def test_the_emergency_stop_can_be_set_from_outside_and_stays_set(tmp_path: Path):
    from typer.testing import CliRunner

    from agents.hardware.guard import GuardError
    from experiments.cli import app

    runner = CliRunner()

    async def go() -> None:
        async with central(settings(tmp_path)) as system, virtual(system) as car:
            await until(lambda: car.power_w > 0.0)
            assert runner.invoke(app, ["hil", "stop", str(tmp_path)]).exit_code == 0
            await until(lambda: car.transaction is None)
            assert system.points["S1"].counts["emergency_stop"] == 1
        with pytest.raises(GuardError, match="emergency stop is set"):
            async with central(settings(tmp_path)):
                pass
        assert runner.invoke(app, ["hil", "stop", str(tmp_path), "--release"]).exit_code == 0
        async with central(settings(tmp_path)):
            pass

    asyncio.run(go())
    assert runner.invoke(app, ["hil", "stop", str(tmp_path / "nowhere")]).exit_code == 2
