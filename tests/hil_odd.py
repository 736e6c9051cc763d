"""A bare station for tests of odd habits: raw frames over a WebSocket, nothing shared with the code under test."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

BOOT: dict[str, dict[str, Any]] = {"1.6": {"chargePointVendor": "Odd", "chargePointModel": "O1"},
        "2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Odd", "model": "O1"}}}  # fmt: skip
Answer = dict[str, Any] | str | Callable[[dict[str, Any]], Any]
"""Payload of an answer, an error code, or a function of the question that gives one of both."""


def now(offset_s: float = 0.0) -> str:
    stamp = datetime.fromtimestamp(time.time() + offset_s, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Odd:
    """One connection of a bare station."""

    def __init__(self, socket: ClientConnection, version: str, answers: dict[str, Answer]) -> None:
        self.socket, self.version, self.answers = socket, version, answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.limit_a: dict[int, float] = {}
        """Newest limit of a session by connector, A (or W where the profile says so)."""
        self.unit: dict[int, str] = {}
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._ids = (f"odd-{n}" for n in itertools.count())

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = json.loads(await self.socket.recv())
                if frame[0] == 2:
                    await self._answer(frame)
                elif frame[1] in self._waiting:
                    self._waiting.pop(frame[1]).set_result(frame)

    async def _answer(self, frame: list[Any]) -> None:
        _, message_id, action, payload = frame
        self.asked.append((action, payload))
        answer: Any = self.answers.get(action, "NotImplemented")
        if callable(answer):
            answer = answer(payload)
        if action == "SetChargingProfile" and isinstance(answer, dict) and answer.get("status") == "Accepted":
            self._note(payload)
        if answer is None:
            return
        reply = [4, message_id, answer, "", {}] if isinstance(answer, str) else [3, message_id, answer]
        await self.socket.send(json.dumps(reply))

    def _note(self, payload: dict[str, Any]) -> None:
        body = payload.get("csChargingProfiles") or payload["chargingProfile"]
        if body["chargingProfilePurpose"] != "TxProfile":
            return
        schedule = body["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        connector = int(payload["connectorId"] if "connectorId" in payload else payload["evseId"])
        self.limit_a[connector] = schedule["chargingSchedulePeriod"][0]["limit"]
        self.unit[connector] = schedule["chargingRateUnit"]

    async def call(self, action: str, payload: dict[str, Any], message_id: str = "") -> Any:
        """The payload of the answer, or the error code of an error."""
        message_id = message_id or next(self._ids)
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = future
        await self.socket.send(json.dumps([2, message_id, action, payload]))
        frame = await asyncio.wait_for(future, 5.0)
        return frame[2]

    async def boot(self) -> Any:
        return await self.call("BootNotification", BOOT[self.version])

    def profiles(self, purpose: str) -> list[dict[str, Any]]:
        bodies = [p.get("csChargingProfiles") or p.get("chargingProfile") for _, p in self.asked]
        return [b for b in bodies if b and b["chargingProfilePurpose"] == purpose]


ACCEPT: dict[str, Answer] = {
    name: {"status": "Accepted"}
    for name in ("SetChargingProfile", "ChangeConfiguration", "TriggerMessage", "RemoteStopTransaction",
                 "RequestStopTransaction", "RemoteStartTransaction", "RequestStartTransaction")
}  # fmt: skip


@asynccontextmanager
async def odd(
    port: int,
    name: str = "S1",
    version: str = "1.6",
    *,
    path: str = "/ocpp",
    host: str = "127.0.0.1",
    **answers: Answer,
) -> AsyncIterator[Odd]:
    """A bare station that is connected and has not booted yet."""
    url = f"ws://{host}:{port}{path}/{name}"
    async with connect(url, subprotocols=[Subprotocol(f"ocpp{version}")], compression=None) as socket:
        one = Odd(socket, version, {**ACCEPT, **answers})
        task = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def energy16(connector: int, transaction: int | None, wh: float, *, at_s: float = 0.0, **other: Any) -> dict[str, Any]:
    """MeterValues of 1.6 with the register alone, in Wh."""
    value = {"value": f"{wh:.1f}", "unit": "Wh", "measurand": "Energy.Active.Import.Register"} | other
    payload: dict[str, Any] = {"connectorId": connector,
                               "meterValue": [{"timestamp": now(at_s), "sampledValue": [value]}]}  # fmt: skip
    if transaction is not None:
        payload["transactionId"] = transaction
    return payload
