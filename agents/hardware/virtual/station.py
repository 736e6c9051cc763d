"""A virtual charging station: one socket, a car, a meter, OCPP 1.6, 2.0.1 or 2.1 — and faults on demand."""

from __future__ import annotations

import asyncio
import base64
import math
import random
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from agents.hardware.clock import SystemClock
from agents.hardware.link import Link, LinkSettings, NoAnswer, Refused, pause
from agents.hardware.virtual.car import Car, Meter
from agents.hardware.virtual.profiles import Store
from agents.hardware.virtual.words import WORDS, Words
from agents.hardware.wire import dump

FAULTS = {
    "ignore_profile": "accepts every profile and runs at full power",
    "reject_profile": "refuses every profile",
    "no_fallback": "keeps a profile for ever, whatever its duration",
    "wh_as_kwh": "writes Wh and calls it kWh",
    "meter_back": "the register jumps back once",
    "clock_day": "its clock is a day ahead",
    "clock_day_behind": "its clock is a day behind",
    "mute": "never answers a call",
    "zero_power": "reports a power of zero while the register rises",
    "duplicate": "sends every message twice",
    "out_of_order": "keeps samples back and sends four at a time, newest first",
    "forget": "forgets its session when the socket drops",
    "deaf_stop": "accepts a stop and goes on charging",
    "flood": "sends 1,000 heartbeats a second",
}
"""Faults by name."""
TICK_S = 0.05


@dataclass
class StationOptions:
    """How a virtual station behaves.

    Attributes
    ----------
    url : str
        Address of the central system; the identity is appended.
    starts : str
        ``plug``: it starts a session by itself when a car comes; ``remote``: it waits for the central system.
    reconnect_s : float
        Pause after a lost socket.
    """

    url: str
    station_id: str
    version: str = "1.6"
    car: Car = field(default_factory=Car)
    rated_kw: float = 11.04
    meter_interval_s: float = 10.0
    starts: Literal["plug", "remote"] = "plug"
    faults: frozenset[str] = frozenset()
    password: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    reconnect_s: float = 1.0
    seed: int = 1


class VirtualStation:
    """One station.

    Parameters
    ----------
    options : StationOptions
        How it behaves.
    say : callable, optional
        Takes a line for the user.
    """

    def __init__(self, options: StationOptions, say: Callable[[str], None] | None = None) -> None:
        self.options, self.car, self.meter = options, options.car, Meter()
        self.words: Words = WORDS[options.version](options.version)
        self.store = Store(options.car.phases, "no_fallback" in options.faults)
        self.transaction: str | None = None
        self.started_s = 0.0
        self.power_w = 0.0
        self.is_plugged = False
        self.interval_s = options.meter_interval_s
        self.highest_w_over_limit = 0.0
        self.link: Link | None = None
        self.booted = asyncio.Event()
        self.queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._say = say or (lambda line: None)
        self._socket: ClientConnection | None = None
        self._clock = SystemClock()
        self._held: list[tuple[str, dict[str, Any]]] = []
        self._random = random.Random(options.seed)
        self._is_back = False
        self._seq = 0
        self._work = asyncio.Event()
        self._is_available = True

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, serve, connect again, until cancelled; the physics goes on without a link."""
        physics = asyncio.create_task(self._physics())
        try:
            while True:
                await self._once()
                await asyncio.sleep(self.options.reconnect_s * self._random.uniform(0.5, 1.0))
        finally:
            physics.cancel()

    async def _once(self) -> None:
        o = self.options
        headers = {}
        if o.password:
            token = base64.b64encode(f"{o.station_id}:{o.password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        url = f"{o.url.rstrip('/')}/{quote(o.station_id, safe='')}"
        try:
            async with connect(
                url,
                subprotocols=[Subprotocol(f"ocpp{o.version}")],
                additional_headers=headers,
                ssl=self._tls() if url.startswith("wss") else None,
                ping_interval=None,
                compression=None,
                open_timeout=10,
                close_timeout=1,
            ) as socket:
                await self._serve(socket)
        except (OSError, WebSocketException, TimeoutError) as fault:
            self._say(f"no connection: {type(fault).__name__}: {fault}")

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.options.ca) if self.options.ca else None)
        if self.options.certificate and self.options.private_key:
            context.load_cert_chain(str(self.options.certificate), str(self.options.private_key))
        return context

    async def _serve(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.link = Link(
            socket,
            self.options.version,
            self._answer,
            self._clock,
            LinkSettings(5.0, 1e6, 1e6),
            name=f"s{time.time_ns():x}",
        )
        tasks = [asyncio.create_task(self.link.run()), asyncio.create_task(self._talk())]
        if "flood" in self.options.faults:
            tasks.append(asyncio.create_task(self._flood(socket)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.booted.clear()
            self.link = None
            if "forget" in self.options.faults:
                self.transaction, self.power_w = None, 0.0
                self.store.end_session()

    async def drop(self) -> None:
        """Lose the socket without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _talk(self) -> None:
        """Boot until accepted, then send what is queued, oldest first."""
        assert self.link is not None
        while (reply := await self.link.call(*self.words.boot())).get("status") != "Accepted":
            if not reply.is_ok:
                return
            self._say(f"told {reply.get('status')}, asks again in {reply.get('interval')} s")
            await asyncio.sleep(max(int(reply.get("interval")), 1))
        self._say("booted")
        self.booted.set()
        await self.link.call(*self.words.status(self.status, self.stamp_s()))
        while True:
            while self.queue:
                wire = self.queue[0]
                reply = await self.link.call(*wire)
                if reply.error == "LinkDown":
                    return
                self.queue.popleft()
                self._heard(wire, reply.payload or {})
                if "duplicate" in self.options.faults and self._socket is not None:
                    await self._repeat(wire)
            self._work.clear()
            await pause(self._work, 0.5)

    async def _repeat(self, wire: tuple[str, dict[str, Any]]) -> None:
        """The same call once more under the same message id."""
        assert self.link is not None and self._socket is not None
        await self._socket.send(dump(2, self.link.last_message_id, *wire))

    async def _flood(self, socket: ClientConnection) -> None:
        number = 0
        while True:
            for _ in range(50):
                number += 1
                await socket.send(f'[2,"f{number}","Heartbeat",{{}}]')
            await asyncio.sleep(0.05)

    def _heard(self, wire: tuple[str, dict[str, Any]], payload: dict[str, Any]) -> None:
        """The answer to a start of 1.6 brings the session's id."""
        if wire[0] == "StartTransaction":
            number = payload.get("transactionId", 0)
            if payload.get("idTagInfo", {}).get("status") != "Accepted":
                self.transaction = None
                return
            self.transaction = str(number)
            for i, (action, body) in enumerate(self.queue):
                if body.get("transactionId") == 0:
                    self.queue[i] = (action, body | {"transactionId": number})

    # --- car, meter -----------------------------------------------------------------------------------------------

    def plug(self) -> None:
        """A car comes."""
        self.is_plugged = True
        self._send(self.words.status(self.status, self.stamp_s()))
        if self.options.starts == "plug":
            self._start("CAR-TAG-1")

    def unplug(self) -> None:
        """The car goes."""
        self._stop("EVDisconnected")
        self.is_plugged = False
        self._send(self.words.status(self.status, self.stamp_s()))

    @property
    def status(self) -> str:
        """Free, occupied, charging or unavailable."""
        if not self._is_available:
            return "unavailable"
        return "charging" if self.transaction else "occupied" if self.is_plugged else "free"

    def _start(self, tag: str, remote_id: int | None = None) -> None:
        if self.transaction is not None or not self._is_available:
            return
        self.started_s = self._clock.utc_s()
        self.transaction = self.words.new_transaction(self.options.station_id, self.started_s)
        self._send(self.words.start(self, tag, remote_id))
        self._send(self.words.status(self.status, self.stamp_s()))
        self._say("session started")

    def _stop(self, reason: str) -> None:
        if self.transaction is None:
            return
        self._send(self.words.stop(self, reason))
        self.transaction, self.power_w = None, 0.0
        self.store.end_session()
        self._say(f"session stopped: {reason}")

    async def _physics(self) -> None:
        last_s = time.monotonic()
        sampled_s = last_s
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            self._step(now_s - last_s)
            last_s = now_s
            if self.transaction is not None and now_s - sampled_s >= self.interval_s:
                sampled_s = now_s
                self._sample()

    def _step(self, seconds: float) -> None:
        limit_w = self.store.limit_w(self._clock.utc_s())
        if self.transaction is None:
            self.power_w = 0.0
        else:
            ceiling_w = 1000.0 * self.options.rated_kw
            limit_w = ceiling_w if "ignore_profile" in self.options.faults else min(limit_w, ceiling_w)
            self.power_w = self.car.power_w(limit_w)
            self.highest_w_over_limit = max(self.highest_w_over_limit, self.power_w - limit_w)
        self.meter.count(self.power_w, seconds)
        self.car.charge(self.power_w, seconds)

    def _sample(self) -> None:
        if "meter_back" in self.options.faults and not self._is_back and self.meter.import_wh > 12_005.0:
            self._is_back = True
            self.meter.import_wh -= 6_000.0
        wire = self.words.sample(self)
        if "out_of_order" in self.options.faults:
            self._held.append(wire)
            if len(self._held) < 4:
                return
            for held in reversed(self._held):
                self._send(held)
            self._held.clear()
            return
        self._send(wire)

    def _send(self, wire: tuple[str, dict[str, Any]]) -> None:
        self.queue.append(wire)
        self._work.set()

    def stamp_s(self) -> float:
        """Time as the station believes it is."""
        off = {"clock_day": 86_400.0, "clock_day_behind": -86_400.0}
        return self._clock.utc_s() + sum(s for name, s in off.items() if name in self.options.faults)

    def next_seq(self) -> int:
        """Sequence number of a transaction event."""
        self._seq += 1
        return self._seq

    # --- what the central system asks ---------------------------------------------------------------------------------

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if "mute" in self.options.faults:
            raise NoAnswer
        handler = getattr(self, f"_on_{action}", None)
        if handler is None:
            raise Refused("NotImplemented", "")
        return dict(handler(payload))

    def _on_SetChargingProfile(self, payload: dict[str, Any]) -> dict[str, Any]:
        body = payload.get("csChargingProfiles") or payload["chargingProfile"]
        tied = str(body["transactionId"]) if "transactionId" in body else None
        is_session = body["chargingProfilePurpose"] == "TxProfile"
        if "reject_profile" in self.options.faults or (is_session and tied != self.transaction):
            return {"status": "Rejected"}
        self.store.add(body, self.started_s, self._clock.utc_s())
        return {"status": "Accepted"}

    def _on_ClearChargingProfile(self, payload: dict[str, Any]) -> dict[str, Any]:
        criteria = payload.get("chargingProfileCriteria", {})
        purpose = payload.get("chargingProfilePurpose") or criteria.get("chargingProfilePurpose")
        gone = self.store.clear(purpose, payload.get("id", payload.get("chargingProfileId")))
        return {"status": "Accepted" if gone else "Unknown"}

    def _on_GetCompositeSchedule(self, payload: dict[str, Any]) -> dict[str, Any]:
        limit_w = min(self.store.limit_w(self._clock.utc_s()), 1000.0 * self.options.rated_kw)
        return self.words.composite(payload, limit_w, self.store.phases, self.stamp_s())

    def _on_RemoteStartTransaction(self, payload: dict[str, Any]) -> dict[str, Any]:
        if not self.is_plugged or self.transaction is not None:
            return {"status": "Rejected"}
        tag = payload.get("idTag") or payload.get("idToken", {}).get("idToken", "")
        self._start(str(tag), payload.get("remoteStartId"))
        return {"status": "Accepted"}

    _on_RequestStartTransaction = _on_RemoteStartTransaction

    def _on_RemoteStopTransaction(self, payload: dict[str, Any]) -> dict[str, Any]:
        if str(payload.get("transactionId")) != self.transaction:
            return {"status": "Rejected"}
        if "deaf_stop" not in self.options.faults:
            self._stop("Remote")
        return {"status": "Accepted"}

    _on_RequestStopTransaction = _on_RemoteStopTransaction

    def _on_ChangeAvailability(self, payload: dict[str, Any]) -> dict[str, Any]:
        self._is_available = "Operative" in (payload.get("type"), payload.get("operationalStatus"))
        if not self._is_available:
            self._stop("Other")
        return {"status": "Accepted"}

    def _on_Reset(self, payload: dict[str, Any]) -> dict[str, Any]:
        self._stop("SoftReset" if self.options.version == "1.6" else "Reboot")
        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(self.drop()))
        return {"status": "Accepted"}

    def _on_UnlockConnector(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": "Unlocked"}

    def _on_TriggerMessage(self, payload: dict[str, Any]) -> dict[str, Any]:
        what = payload.get("requestedMessage")
        if what == "StatusNotification":
            self._send(self.words.status(self.status, self.stamp_s()))
        elif what in ("MeterValues", "TransactionEvent") and self.transaction:
            self._sample()
        else:
            return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def _on_ChangeConfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("key") == "MeterValueSampleInterval":
            self._set_interval(payload.get("value"))
            return {"status": "Accepted"}
        return {"status": "NotSupported"}

    def _on_SetVariables(self, payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for entry in payload["setVariableData"]:
            is_interval = entry["variable"]["name"] == "TxUpdatedInterval"
            if is_interval:
                self._set_interval(entry["attributeValue"])
            status = "Accepted" if is_interval else "UnknownVariable"
            results.append({"attributeStatus": status, "component": entry["component"], "variable": entry["variable"]})
        return {"setVariableResult": results}

    def _set_interval(self, value: Any) -> None:
        with suppress(TypeError, ValueError):
            self.interval_s = min(max(float(value), 0.2), self.options.meter_interval_s)

    def _on_GetConfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:
        known = {
            "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
            "ChargeProfileMaxStackLevel": "3",
            "MeterValueSampleInterval": str(math.ceil(self.interval_s)),
        }
        return {"configurationKey": [{"key": k, "readonly": False, "value": v} for k, v in known.items()]}

    def _on_GetVariables(self, payload: dict[str, Any]) -> dict[str, Any]:
        known = {"RateUnit": "A,W", "ProfileStackLevel": "3"}
        results = []
        for entry in payload["getVariableData"]:
            name = entry["variable"]["name"]
            result = {"component": entry["component"], "variable": entry["variable"]}
            if name in known:
                result |= {"attributeStatus": "Accepted", "attributeValue": known[name]}
            else:
                result |= {"attributeStatus": "UnknownVariable"}
            results.append(result)
        return {"getVariableResult": results}
