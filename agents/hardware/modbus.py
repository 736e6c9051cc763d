"""Driver of SunSpec devices over Modbus TCP: polls model 701, writes model 704, keeps the same books as OCPP does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from agents.hardware import wire
from agents.hardware.link import Reply, pause
from agents.hardware.point import PhysicalPoint
from agents.hardware.steering import Steering
from agents.hardware.sunspec import (
    BASES,
    CONTROL,
    END,
    MARK,
    MEASURE,
    WATTS,
    WSET,
    WSET_ENA,
    WSET_MOD,
    WSET_RVRT,
    WSET_RVRT_ENA,
    WSET_RVRT_TMS,
    WSET_SF,
    SunSpecDialect,
    signed,
    split,
)

MOST_WORDS = 120
MOST_MODELS = 100
RETRY_S = 1.0

See = Callable[[str, wire.Frame, int], None]
"""Takes direction, frame and size, for the recording."""


class Gone(Exception):
    """The device does not answer, or not as SunSpec."""


def address(url: str) -> tuple[str, int, int]:
    """Host, port and unit of ``modbus://host:502?unit=1``.

    >>> address("modbus://10.0.0.5?unit=3")
    ('10.0.0.5', 502, 3)
    """
    parts = urlsplit(url)
    unit = int(parse_qs(parts.query).get("unit", ["1"])[0])
    return parts.hostname or "", parts.port or 502, unit


class SunSpecDriver:
    """Connects one device with its point.

    Parameters
    ----------
    point : PhysicalPoint
        The point.
    url : str
        ``modbus://host:port?unit=n``.
    see : callable
        Notes every exchange.
    timeout_s : float
        Longest wait for an answer.
    """

    def __init__(self, point: PhysicalPoint, url: str, see: See, timeout_s: float = 3.0) -> None:
        self.point, self._see = point, see
        self._host, self._port, self._unit = address(url)
        self._timeout_s = timeout_s
        self._dialect = SunSpecDialect()
        self._start: dict[int, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._number = 0
        self.steering: Steering | None = None

    async def run(self, linked: Callable[[], None], unlinked: Callable[[str], None]) -> None:
        """Connect, serve, connect again, until cancelled."""
        while True:
            client = AsyncModbusTcpClient(
                self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0
            )
            is_linked = False
            try:
                await self._discover(client)
                linked()
                is_linked = True
                await self._serve(client)
            except (Gone, ModbusException, OSError, TimeoutError) as fault:
                if is_linked:
                    unlinked(type(fault).__name__)
            finally:
                client.close()
            await asyncio.sleep(RETRY_S)

    async def _serve(self, client: AsyncModbusTcpClient) -> None:
        self._dialect = SunSpecDialect()
        self.steering = Steering(self.point, self._dialect)
        self.point.wake = self._wake.set
        poll_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= poll_at:
                poll_at = loop.time() + self.point.settings.meter_interval_s
                await self._poll(client)
            self._wake.clear()
            work = self.steering.next()
            if work is not None:
                self.steering.done(work, await self._perform(client, *work.wire))
                continue
            await pause(self._wake, max(min(self.steering.due_s(), poll_at - loop.time()), 0.0))

    async def _poll(self, client: AsyncModbusTcpClient) -> None:
        start, length = self._start[MEASURE]
        model = await self._read(client, start, length)
        frame = wire.Frame(wire.CALL, self._next_id(), "Measure", {"model": model})
        self._see("in", frame, 2 * len(model))
        self._dialect.answer(self.point, frame.action, frame.payload)

    async def _perform(self, client: AsyncModbusTcpClient, action: str, payload: dict[str, Any]) -> Reply:
        """Write what the steering wants; the answer has the form of an OCPP answer."""
        message_id = self._next_id()
        self._see("out", wire.Frame(wire.CALL, message_id, action, payload), 0)
        if action == "Unsupported":
            reply = Reply(error="NotSupported")
        else:
            await self._write_action(client, action, payload)
            reply = Reply({"status": "Accepted"})
        kind = wire.RESULT if reply.is_ok else wire.ERROR
        self._see("in", wire.Frame(kind, message_id, action, reply.payload, reply.error), 0)
        return reply

    async def _write_action(self, client: AsyncModbusTcpClient, action: str, payload: dict[str, Any]) -> None:
        if action == "SetReversion":
            await self._write(client, WSET_RVRT, self._watts(payload["limit_w"]))
            await self._write(client, WSET_RVRT_ENA, [1])
        elif action == "SetPoint":
            await self._write(client, WSET_RVRT_TMS, split(payload["seconds"], 2))
            await self._write(client, WSET_MOD, [WATTS])
            await self._write(client, WSET, self._watts(payload["limit_w"]))
            await self._write(client, WSET_ENA, [1])
        elif action == "Stop":
            await self._write(client, WSET_RVRT, [0, 0])
            await self._write(client, WSET, [0, 0])
            await self._write(client, WSET_ENA, [1])
        elif action == "Disable":
            await self._write(client, WSET_ENA, [0])

    def _watts(self, limit_w: float) -> list[int]:
        """Registers of a set-point: SunSpec counts injection positive; rounded towards zero."""
        return split(-int(limit_w / 10.0**self._scale), 2)

    async def _discover(self, client: AsyncModbusTcpClient) -> None:
        """Find the models behind the mark.

        Raises
        ------
        Gone
            No device, no mark, or a model missing.
        """
        if not await client.connect():
            raise Gone("no connection")
        at = await self._base(client)
        self._start = {}
        for _ in range(MOST_MODELS):
            model, length = await self._read(client, at, 2)
            if model == END:
                break
            self._start.setdefault(model, (at, length + 2))
            at += length + 2
        missing = [m for m in (MEASURE, CONTROL) if m not in self._start]
        if missing:
            raise Gone(f"model {missing[0]} is missing")
        self._scale = signed((await self._read(client, self._start[CONTROL][0] + WSET_SF, 1))[0], 16)

    async def _base(self, client: AsyncModbusTcpClient) -> int:
        for base in BASES:
            answer = await client.read_holding_registers(base, count=2, device_id=self._unit)
            if not answer.isError() and tuple(answer.registers) == MARK:
                return base + 2
        raise Gone("no SunSpec device")

    async def _read(self, client: AsyncModbusTcpClient, start: int, count: int) -> list[int]:
        words: list[int] = []
        while len(words) < count:
            part = min(count - len(words), MOST_WORDS)
            answer = await client.read_holding_registers(start + len(words), count=part, device_id=self._unit)
            if answer.isError() or len(answer.registers) != part:
                raise Gone("a read failed")
            words.extend(answer.registers)
        return words

    async def _write(self, client: AsyncModbusTcpClient, offset: int, words: list[int]) -> None:
        answer = await client.write_registers(self._start[CONTROL][0] + offset, words, device_id=self._unit)
        if answer.isError():
            raise Gone("a write failed")

    def _next_id(self) -> str:
        self._number += 1
        return f"m{int(self.point.clock.utc_s() * 1000) & 0xFFFFFFFF:x}-{self._number}"
