"""Other people's programs against the port: stations on the `ocpp` package, a SunSpec device on pymodbus's server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from agents.hardware.central import CentralSystem
from agents.hardware.compliance import Check, Patience
from agents.hardware.envelope import Envelope
from tests.hil_rig import central, confirmed, settings, station, until
from tests.hil_sunspec_device import Device


def now() -> str:
    return datetime.now(UTC).isoformat()


class Peer16(ChargePoint16):
    """A station that follows TxProfiles in amperes and knows nothing else."""

    limit_a = 16.0
    wh = 100.0
    stopped = False

    @on("SetChargingProfile")
    def profile(self, connector_id: int, cs_charging_profiles: dict, **_: Any) -> Any:
        schedule = cs_charging_profiles["charging_schedule"]
        if schedule["charging_rate_unit"] == "W":
            return result16.SetChargingProfile(status="Rejected")
        if cs_charging_profiles["charging_profile_purpose"] == "TxProfile":
            self.limit_a = float(schedule["charging_schedule_period"][0]["limit"])
        return result16.SetChargingProfile(status="Accepted")

    @on("RemoteStopTransaction")
    def stop(self, transaction_id: int) -> Any:
        self.stopped = True
        return result16.RemoteStopTransaction(status="Accepted")

    async def charge(self) -> None:
        await self.call(call16.BootNotification("Model", "Vendor"))
        await self.call(call16.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"))
        assert (await self.call(call16.Authorize("TAG"))).id_tag_info["status"] == "Accepted"
        started = await self.call(call16.StartTransaction(1, "TAG", int(self.wh), now()))
        transaction = started.transaction_id
        while not self.stopped:
            await asyncio.sleep(0.3)
            watts = self.limit_a * 690.0
            self.wh += watts * 0.3 / 3600.0
            values = [
                {"value": f"{self.wh / 1000.0:.5f}", "unit": "kWh"},
                *(
                    {"value": f"{self.limit_a:.1f}", "measurand": "Current.Import", "phase": p}
                    for p in ("L1", "L2", "L3")
                ),
            ]
            entry = {"timestamp": now(), "sampledValue": values}
            await self.call(call16.MeterValues(1, [entry], transaction))
        await self.call(call16.StopTransaction(int(self.wh), now(), transaction))


class Peer201(ChargePoint201):
    """The same in 2.0.1, with power per phase."""

    limit_a = 16.0
    wh = 100.0
    stopped = False
    seq = 0

    @on("SetChargingProfile")
    def profile(self, evse_id: int, charging_profile: dict, **_: Any) -> Any:
        if charging_profile["charging_profile_purpose"] == "TxProfile":
            assert charging_profile["transaction_id"] == "T-1"
            schedule = charging_profile["charging_schedule"][0]
            assert schedule["charging_rate_unit"] == "A"
            self.limit_a = schedule["charging_schedule_period"][0]["limit"]
        return result201.SetChargingProfile(status="Accepted")

    @on("RequestStopTransaction")
    def stop(self, transaction_id: str, **_: Any) -> Any:
        self.stopped = True
        return result201.RequestStopTransaction(status="Accepted")

    async def event(self, kind: str, reason: str) -> None:
        self.seq += 1
        watts = self.limit_a * 230.0
        values: list[dict[str, Any]] = [
            {"value": self.wh, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}}
        ]
        values += [{"value": watts, "measurand": "Power.Active.Import", "phase": p} for p in ("L1-N", "L2-N", "L3-N")]
        await self.call(
            call201.TransactionEvent(
                event_type=kind, timestamp=now(), trigger_reason=reason, seq_no=self.seq,
                transaction_info={"transactionId": "T-1", "chargingState": "Charging"}, evse={"id": 2},
                meter_value=[{"timestamp": now(), "sampledValue": values}],
                id_token={"idToken": "TAG", "type": "ISO14443"} if kind == "Started" else None,
            )
        )  # fmt: skip

    async def charge(self) -> None:
        await self.call(call201.BootNotification({"model": "M", "vendorName": "V"}, "PowerUp"))
        await self.call(call201.StatusNotification(now(), "Occupied", 2, 1))
        await self.event("Started", "CablePluggedIn")
        while not self.stopped:
            await asyncio.sleep(0.3)
            self.wh += self.limit_a * 690.0 * 0.3 / 3600.0
            await self.event("Updated", "MeterValuePeriodic")
        await self.event("Ended", "RemoteStop")


@pytest.mark.parametrize(("peer", "protocol"), [(Peer16, "ocpp1.6"), (Peer201, "ocpp2.0.1")])
def test_a_station_on_the_ocpp_package(tmp_path: Path, peer: Any, protocol: str):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            url = f"ws://127.0.0.1:{system.port}/CP/S1"
            async with connect(url, subprotocols=[Subprotocol(protocol)]) as socket:
                one = peer("S1", socket)
                loop = asyncio.create_task(one.start())
                charging = asyncio.create_task(one.charge())
                await follows(system)
                system.session("S1", "stop", "test")
                await charging
                await until(lambda: system.points["S1"].transaction is None)
                assert system.points["S1"].register.risen_kwh == pytest.approx((one.wh - 100.0) / 1000.0, abs=0.0015)
                assert system.counters["S1"].schema == 0
                loop.cancel()
                with suppress(asyncio.CancelledError):
                    await loop

    asyncio.run(go())


async def follows(system: CentralSystem) -> None:
    """Three set-points, each confirmed by the meter."""
    point = system.points["S1"]
    await until(lambda: point.transaction)
    for limit_kw in (6.0, 9.0, 5.0):
        await confirmed(system.post({"S1": limit_kw}, 60.0)["S1"])
        assert point.power_kw == pytest.approx(limit_kw, rel=0.03)


def test_a_sunspec_device_behind_the_same_port(tmp_path: Path):
    async def go() -> None:
        device = Device()
        server, port = await device.serve()
        physics = asyncio.create_task(device.live())
        one = station(
            insist=False, address=f"modbus://127.0.0.1:{port}?unit=1", envelope=Envelope(11.04, 11.04, discharge_kw=5.0)
        )
        async with central(settings(tmp_path, one)) as system:
            point = system.points["S1"]
            start_s, start_wh = system.clock.utc_s(), device.absorbed_wh
            await until(lambda: point.is_steerable, 15.0)  # its reversion timer works
            for limit_kw in (7.0, -3.0):
                await confirmed(system.post({"S1": limit_kw}, 60.0)["S1"])
                assert device.power_w == pytest.approx(1000.0 * limit_kw)
            booked = system.settle("S1", start_s, system.clock.utc_s())
            assert booked["energy_kwh"] == pytest.approx((device.absorbed_wh - start_wh) / 1000.0, abs=0.006)
            await server.shutdown()
            await until(lambda: not point.is_linked)
            assert not point.sample().is_biddable
        physics.cancel()

    asyncio.run(go())


def test_a_sunspec_timer_that_is_only_for_show_is_found(tmp_path: Path):
    async def go() -> None:
        device = Device(falls_back=False)
        server, port = await device.serve()
        physics = asyncio.create_task(device.live())
        one = station(insist=False, address=f"modbus://127.0.0.1:{port}?unit=1")
        async with central(settings(tmp_path, one)) as system:
            await until(lambda: system.points["S1"].wishes.is_refused, 15.0)
            assert system.points["S1"].describe().falls_back is False
        physics.cancel()
        await server.shutdown()

    asyncio.run(go())


def test_a_device_that_is_no_sunspec_is_left_alone(tmp_path: Path):
    async def go() -> None:
        device = Device()
        device.words[0] = 0
        server, port = await device.serve()
        one = station(address=f"modbus://127.0.0.1:{port}")
        async with central(settings(tmp_path, one)) as system:
            await asyncio.sleep(0.5)
            assert not system.points["S1"].is_linked
        await server.shutdown()

    asyncio.run(go())


def test_the_check_tells_a_good_station_from_a_bad_one(tmp_path: Path):
    from agents.hardware.virtual.station import StationOptions, VirtualStation

    async def check(name: str, faults: set[str]) -> dict[str, str]:
        given = settings(tmp_path / name, station("*", insist=False, start_after_s=1.0), port=0)
        one = Check(given, Patience(5.0, 5.0, 5.0), with_reset=True)
        task = asyncio.create_task(one.run())
        await until(lambda: hasattr(one, "_central") and one._central.port)
        options = StationOptions(
            f"ws://127.0.0.1:{one._central.port}", name, "2.0.1", meter_interval_s=0.25, reconnect_s=0.2,
            faults=frozenset(faults),
        )  # fmt: skip
        virtual = VirtualStation(options)
        running = asyncio.create_task(virtual.run())
        await virtual.booted.wait()
        virtual.plug()
        found: dict[str, str] = {f.name: f.outcome for f in await asyncio.wait_for(task, 40.0)}
        running.cancel()
        return found

    async def go() -> None:
        good, bad = await asyncio.gather(check("GOOD", set()), check("BAD", {"no_fallback"}))
        assert "fail" not in good.values(), good
        assert good["falls back by itself"] == good["pauses at zero"] == good["stops when asked"] == "pass"
        assert good["unlocks the plug"] == good["restarts when asked and boots again"] == "pass"
        assert bad["falls back by itself"] == "fail"
        assert bad["follows set-points"] == "skip"

    asyncio.run(go())
