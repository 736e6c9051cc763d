"""Other people's station programs against the port: ``test-ocpp`` (Python) and ``ocpp-rpc`` (Node)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.hardware.guard import add_secret
from agents.port import TicketState
from tests.hil_rig import central, settings, station, until
from tests.test_hil_security import Authority

HERE = Path(__file__).resolve().parent
TEST_OCPP = shutil.which("test-ocpp", path=str(Path(sys.executable).parent)) or shutil.which("test-ocpp")
needs_test_ocpp = pytest.mark.skipif(TEST_OCPP is None, reason="the program test-ocpp is not installed")


def has_ocpp_rpc() -> bool:
    """Whether node finds ``ocpp-rpc`` (installed somewhere, and NODE_PATH names it)."""
    node = shutil.which("node")
    return node is not None and not subprocess.run([node, "-e", "require('ocpp-rpc')"], capture_output=True).returncode


needs_ocpp_rpc = pytest.mark.skipif(not has_ocpp_rpc(), reason="node with the module ocpp-rpc (NODE_PATH) is not here")


async def program(*command: str) -> tuple[int, str]:
    """Exit code and everything said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60.0)
    return process.returncode or 0, said.decode()


async def knocks(system: Any, *more: str, scheme: str = "ws", host: str = "127.0.0.1") -> tuple[int, str]:
    assert TEST_OCPP is not None
    return await program(TEST_OCPP, f"{scheme}://{host}:{system.port}/ocpp", "S1", "--timeout", "10", *more)


@needs_test_ocpp
@pytest.mark.parametrize("more", [(), ("--trailing-slash",), ("--no-tls",)], ids=["plain", "slash", "no tls"])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_test_ocpp_boots(tmp_path: Path, version: str, more: tuple[str, ...]):
    async def go() -> None:
        async with central(settings(tmp_path)) as system:
            code, said = await knocks(system, "--ocpp", version, *more)
            assert code == 0, said
            assert system.points["S1"].identity == "TestVendor TestModel"
            assert system.points["S1"].version == version
            assert system.counters["S1"].schema == system.counters["S1"].malformed == 0

    asyncio.run(go())


@needs_test_ocpp
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("profile", [1, 2])
def test_test_ocpp_with_a_password(tmp_path: Path, version: str, profile: int):
    """Security profiles 1 and 2: the right password opens, none and a wrong one do not."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("central")
    password = add_secret(tmp_path / "secrets.json", "S1")
    tls = ("--ca", str(authority.file)) if profile == 2 else ()
    where = {"scheme": "wss", "host": "localhost"} if profile == 2 else {}

    async def go() -> None:
        given = settings(
            tmp_path, security_profile=profile, secrets=tmp_path / "secrets.json",
            certificate=certificate if profile == 2 else None, private_key=key if profile == 2 else None,
        )  # fmt: skip
        async with central(given) as system:
            code, said = await knocks(system, "--ocpp", version, f"--password={password}", *tls, **where)
            assert code == 0, said
            for wrong in ((), (f"--password={password[::-1]}",)):
                code, said = await knocks(system, "--ocpp", version, *wrong, *tls, **where)
                assert code != 0 and "401" in said, said
            assert password not in (tmp_path / "rec").joinpath(system._recorder.path.name).read_text()  # type: ignore[union-attr]

    asyncio.run(go())


@needs_test_ocpp
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_test_ocpp_with_certificates_on_both_sides(tmp_path: Path, version: str):
    """Security profile 3: the station's own certificate opens, none, another's and an expired one do not."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "Other CA")
    certificate, key = authority.issue("central")

    async def go() -> None:
        given = settings(
            tmp_path, security_profile=3, certificate=certificate, private_key=key, station_ca=authority.file
        )
        async with central(given) as system:

            async def enters(*pair: Path, trusts: Path = authority.file) -> bool:
                mine = ("--cert", str(pair[0]), "--key", str(pair[1])) if pair else ()
                more = ("--ocpp", version, "--ca", str(trusts), *mine)
                code, _ = await knocks(system, *more, scheme="wss", host="localhost")
                return code == 0

            assert await enters(*authority.issue("S1"))
            assert not await enters()
            assert not await enters(*authority.issue("S2"))
            assert not await enters(*authority.issue("S1", days=-1))
            assert not await enters(*authority.issue("S1"), trusts=stranger.file)  # it checks us, too

    asyncio.run(go())


@needs_ocpp_rpc
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_station_on_ocpp_rpc_follows_and_is_metered(tmp_path: Path, protocol: str):
    """Its strict mode checks every message of ours against the schemas."""

    async def go() -> None:
        async with central(settings(tmp_path, station(unit="A"))) as system:
            point = system.points["S1"]
            command = ["node", str(HERE / "hil_rpc_station.cjs"), f"ws://127.0.0.1:{system.port}/cs", "S1", protocol]
            running = asyncio.create_task(program(*command))
            await until(lambda: point.transaction, 20.0)
            for limit_kw in (6.0, 9.0, 5.0):
                ticket = system.post({"S1": limit_kw}, 60.0)["S1"]
                await until(lambda t=ticket: t.state == TicketState.CONFIRMED)  # type: ignore[misc]
                assert point.power_kw == pytest.approx(limit_kw, rel=0.03)
            system.session("S1", "stop", "test")
            code, said = await running
            assert code == 0, said
            assert point.transaction is None
            assert point.register.risen_kwh == pytest.approx((float(said) - 2000.0) / 1000.0, abs=0.0015)
            counters = system.counters["S1"]
            assert counters.schema == counters.malformed == counters.handler_faults == 0

    asyncio.run(go())


@needs_ocpp_rpc
def test_a_station_on_ocpp_rpc_with_a_password(tmp_path: Path):
    password = add_secret(tmp_path / "secrets.json", "S1")

    async def go() -> None:
        given = settings(tmp_path, station(unit="A"), security_profile=1, secrets=tmp_path / "secrets.json")
        async with central(given) as system:
            url = f"ws://127.0.0.1:{system.port}/cs"
            command = ["node", str(HERE / "hil_rpc_station.cjs"), url, "S1", "ocpp1.6", password]
            running = asyncio.create_task(program(*command))
            await until(lambda: system.points["S1"].transaction, 20.0)
            system.session("S1", "stop", "test")
            assert (await running)[0] == 0

    asyncio.run(go())
