"""A SunSpec device on pymodbus's own server: models 1, 701 and 704, with a car that follows the set-point."""

from __future__ import annotations

import asyncio
import time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

BASE = 40000
M701 = BASE + 2 + 68
M704 = M701 + 155
WHOLE = M704 + 67 + 2 - BASE


def _signed32(words: list[int]) -> int:
    value = words[0] << 16 | words[1]
    return value - (1 << 32) if value >= 1 << 31 else value


class Device:
    """Charger that absorbs what ``WSet`` asks, up to 11 kW; the reversion timer works if told to."""

    def __init__(self, falls_back: bool = True) -> None:
        self.falls_back = falls_back
        self.power_w = 0.0
        self.absorbed_wh = 5000.0
        self.is_connected = True
        self._set_at_s = time.monotonic()
        self.words = [0] * WHOLE
        self._put(BASE, [0x5375, 0x6E53, 1, 66])
        self._put(M701, [701, 153])
        self._put(M704, [704, 65])
        self._put(M704 + 67, [0xFFFF, 0])
        self._put(M701 + 116, [0, 0, 0, 0, 0xFFFF])  # W_SF 0, TotWh_SF -1
        self._put(M704 + 55, [1])  # WSet_SF 1: steps of 10 W
        self._last_set: list[int] = []

    def _put(self, address: int, words: list[int]) -> None:
        self.words[address - BASE : address - BASE + len(words)] = words

    def _get(self, address: int, count: int) -> list[int]:
        return self.words[address - BASE : address - BASE + count]

    async def _action(
        self, code: int, start: int, address: int, count: int, registers: list[int], values: list | None
    ) -> None:
        """pymodbus calls this before it answers: what is written goes to us, what is read comes from us."""
        if values is not None:
            self._put(address, [int(v) for v in values])
        registers[BASE - start : BASE - start + WHOLE] = self.words

    async def serve(self) -> tuple[ModbusTcpServer, int]:
        """Listen; the server and its port."""
        data = [SimData(BASE, values=list(self.words), datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=data, action=self._action)
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.listen()
        return server, server.transport.sockets[0].getsockname()[1]

    async def live(self) -> None:
        """Physics, ten times a second."""
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(0.1)
            now_s = time.monotonic()
            self._step(now_s, now_s - last_s)
            last_s = now_s

    def _step(self, now_s: float, seconds: float) -> None:
        control = self._get(M704 + 22, 13)
        if control != self._last_set:
            self._last_set, self._set_at_s = control, now_s
        wanted_w = 11000.0
        if control[0] == 1:
            wanted_w = -10.0 * _signed32(control[2:4])
            timer_s = control[9] << 16 | control[10]
            if self.falls_back and control[8] == 1 and timer_s and now_s - self._set_at_s > timer_s:
                wanted_w = -10.0 * _signed32(control[4:6])
        self.power_w = min(max(wanted_w, -5000.0), 11000.0) if self.is_connected else 0.0
        self.absorbed_wh += max(self.power_w, 0.0) * seconds / 3600.0
        whole = int(self.absorbed_wh * 10.0)
        self._put(M701 + 5, [2 if self.is_connected else 1])
        self._put(M701 + 10, [-int(self.power_w) & 0xFFFF])
        self._put(M701 + 23, [whole >> 48 & 0xFFFF, whole >> 32 & 0xFFFF, whole >> 16 & 0xFFFF, whole & 0xFFFF])
