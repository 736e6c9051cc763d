"""One OCPP-J link: a read loop of our own, one future per message id, guards, flood control.

The package ``ocpp`` brings a loop too; it loses the last message before a close, hangs on pending calls and dies on
malformed frames (measured), so only its schemas are used.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed

from agents.hardware import wire
from agents.hardware.clock import Clock
from agents.hardware.schema import Invalid, check, is_known, spelling

log = logging.getLogger(__name__)

REMEMBERED_IDS = 1024
"""Message ids of calls that are remembered, so that a repeated call gets its old answer and is not handled twice."""

Handler = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Takes action and payload, gives the answer's payload; raises Refused for an error answer."""


class Refused(Exception):
    """The handler refuses a call with this OCPP error code."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text)
        self.code = code


class NoAnswer(Exception):
    """The handler keeps silent (a fault that virtual stations play)."""


class Socket(Protocol):
    """The part of a WebSocket that a link uses."""

    async def send(self, message: str) -> None:
        """Send one text."""
        ...

    async def recv(self) -> str | bytes:
        """Next text."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close."""
        ...


class Observer(Protocol):
    """Sees every message that crosses the link."""

    def saw(self, direction: str, frame: wire.Frame, size: int) -> None:
        """Note one message; ``direction`` is ``in`` or ``out``."""
        ...


@dataclass(frozen=True)
class Reply:
    """What became of a call: ``payload`` when the peer answered, else ``error`` with OCPP's code or our own word.

    Our own words: ``Timeout``, ``LinkDown``.
    """

    payload: dict[str, Any] | None = None
    error: str = ""
    sent_mono_s: float = 0.0
    took_s: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether the peer gave a result."""
        return self.payload is not None

    def get(self, key: str) -> Any:
        """Field of the result; None where there is none."""
        return self.payload.get(key) if self.payload is not None else None


@dataclass
class LinkSettings:
    """How a link behaves.

    Attributes
    ----------
    call_timeout_s : float
        Longest wait for an answer.
    messages_per_s, burst : float
        Messages read a second in the long run, and at once. Whoever sends more is read slower, not closed: stations
        replay their backlog in milliseconds after an outage.
    is_strict : bool
        Whether a payload that breaks its schema is refused; otherwise it is counted and tried. Fields beyond the
        schema are counted and left aside in any case: to refuse them would lose the energy beside them.
    """

    call_timeout_s: float = 10.0
    messages_per_s: float = 50.0
    burst: float = 200.0
    is_strict: bool = True


@dataclass
class Counters:
    """What went wrong or came in surplus."""

    received: int = 0
    malformed: int = 0
    schema: int = 0
    duplicates: int = 0
    unexpected: int = 0
    unknown: int = 0
    refused: int = 0
    handler_faults: int = 0
    slowed_s: float = 0.0
    round_trip_s: list[float] = field(default_factory=list)


class Link:
    """One connection to a peer.

    Parameters
    ----------
    socket : Socket
        Open WebSocket.
    version : str
        OCPP version spoken.
    handler : Handler
        Answers calls; synchronous, so that order is kept and a reply never waits for another call.
    clock : Clock
        Clocks.
    settings : LinkSettings, optional
        How it behaves.
    observer : Observer, optional
        Sees every message.
    name : str
        Start of message ids; must differ between links of one station.
    """

    def __init__(
        self,
        socket: Socket,
        version: str,
        handler: Handler,
        clock: Clock,
        settings: LinkSettings | None = None,
        observer: Observer | None = None,
        name: str = "fp",
    ) -> None:
        self._socket, self.version, self._handler, self._clock = socket, version, handler, clock
        self.settings = settings or LinkSettings()
        self._observer, self._name = observer, name
        self.counters = Counters()
        self.is_open = True
        self._pending: dict[str, asyncio.Future[Reply]] = {}
        self._action_of: dict[str, str] = {}
        self._answered: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._number = 0
        self._one_at_a_time = asyncio.Lock()
        self._tokens = self.settings.burst
        self._filled_s = clock.mono_s()

    async def run(self) -> None:
        """Read until the peer goes; every message that arrived is handled, then every pending call fails at once."""
        try:
            while True:
                text = await self._socket.recv()
                await self._take(text)
                await self._slow_down()
        except ConnectionClosed:
            pass
        finally:
            self._fail_pending()

    async def call(
        self, action: str, payload: dict[str, Any], timeout_s: float | None = None, *, mark: str = ""
    ) -> Reply:
        """Call the peer and wait for its answer; one call at a time, as OCPP asks. Never raises.

        ``mark`` ends the message's id: the connector that a call is for, where a station has several.
        """
        async with self._one_at_a_time:
            if not self.is_open:
                return Reply(error="LinkDown")
            self._number += 1
            message_id = f"{self._name}-{self._number}" + (f".{mark}" if mark else "")
            future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._pending[message_id], self._action_of[message_id] = future, action
            start_s = self._clock.mono_s()
            try:
                await self._send(wire.Frame(wire.CALL, message_id, action, payload))
                async with asyncio.timeout(timeout_s or self.settings.call_timeout_s):
                    reply = await future
            except TimeoutError:
                self._saw("own", wire.Frame(wire.ERROR, message_id, action, error_code="Timeout"), 0)
                reply = Reply(error="Timeout")
            except ConnectionClosed:
                self._fail_pending()
                reply = Reply(error="LinkDown")
            finally:
                self._pending.pop(message_id, None)
                self._action_of.pop(message_id, None)
            took_s = self._clock.mono_s() - start_s
            if reply.is_ok and len(self.counters.round_trip_s) < 100_000:
                self.counters.round_trip_s.append(took_s)
            return Reply(reply.payload, reply.error, start_s, took_s)

    @property
    def last_message_id(self) -> str:
        """Id of the newest call."""
        return f"{self._name}-{self._number}"

    def abandon(self) -> None:
        """Give the connection up without a word; pending calls fail at once."""
        self._fail_pending()

    async def close(self, reason: str) -> None:
        """Close; pending calls fail at once."""
        self._fail_pending()
        await self._socket.close(1000, reason[:100])

    def _fail_pending(self) -> None:
        self.is_open = False
        for future in self._pending.values():
            if not future.done():
                future.set_result(Reply(error="LinkDown"))

    async def _take(self, text: str | bytes) -> None:
        self.counters.received += 1
        try:
            frame = wire.parse(text)
        except wire.Malformed as fault:
            self.counters.malformed += 1
            code = spelling("RpcFrameworkError" if fault.message_id is None else fault.code, self.version)
            await self._answer_error(fault.message_id or "-1", code, str(fault))
            return
        if frame.kind == wire.CALL:
            await self._take_call(frame, text)
        elif frame.kind == wire.SEND:
            self._saw("in", frame, len(text))
            self._handle(frame)
        else:
            self._take_answer(frame, len(text))
            await asyncio.sleep(0)  # whoever asked goes on before the next message is heard: a replay has this order

    async def _take_call(self, frame: wire.Frame, text: str | bytes) -> None:
        """Answer a call; a repetition has the id and the text of one before (some stations never change their id)."""
        key = (frame.message_id, hash(text))
        old = self._answered.get(key)
        if old is not None:
            self.counters.duplicates += 1
            with suppress(ConnectionClosed):
                await self._socket.send(old)
            return
        self._saw("in", frame, len(text))
        try:
            answer = self._handle(frame)
        except NoAnswer:
            return
        self._answered[key] = wire.dump(*_parts(answer))
        if len(self._answered) > REMEMBERED_IDS:
            self._answered.popitem(last=False)
        await self._answer(answer)

    def _handle(self, frame: wire.Frame) -> wire.Frame:
        """Answer of one call; whatever goes wrong becomes an error answer without any of the peer's content."""
        try:
            self._check(frame)
            payload = self._handler(frame.action, frame.payload)
            return wire.Frame(wire.RESULT, frame.message_id, frame.action, payload)
        except Refused as fault:
            self.counters.refused += 1
            return self._error(frame, fault.code, str(fault))
        except Invalid as fault:
            return self._error(frame, fault.code, str(fault))
        except NoAnswer:
            raise
        except Exception as fault:
            self.counters.handler_faults += 1
            log.error("a handler failed with %s", type(fault).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
            return self._error(frame, "InternalError", "")

    def _check(self, frame: wire.Frame) -> None:
        if not is_known(frame.action, self.version):
            self.counters.unknown += 1
            raise Invalid("NotImplemented", "")
        try:
            check(wire.CALL, frame.action, self.version, frame.payload)
        except Invalid as fault:
            self.counters.schema += 1
            if self.settings.is_strict and not fault.is_harmless:
                raise

    def _error(self, frame: wire.Frame, code: str, text: str) -> wire.Frame:
        return wire.Frame(wire.ERROR, frame.message_id, frame.action, text, spelling(code, self.version))

    def _take_answer(self, frame: wire.Frame, size: int) -> None:
        future = self._pending.get(frame.message_id)
        if future is None or future.done():
            self.counters.unexpected += 1
            return
        action = self._action_of[frame.message_id]
        self._saw("in", wire.Frame(frame.kind, frame.message_id, action, frame.payload, frame.error_code), size)
        if frame.kind != wire.RESULT:
            future.set_result(Reply(error=frame.error_code or "GenericError"))
            return
        try:
            check(wire.RESULT, action, self.version, frame.payload)
        except Invalid as fault:
            self.counters.schema += 1
            if self.settings.is_strict and not fault.is_harmless:
                future.set_result(Reply(error="InvalidResult"))
                return
        future.set_result(Reply(frame.payload))

    async def _answer_error(self, message_id: str, code: str, text: str) -> None:
        await self._answer(wire.Frame(wire.ERROR, message_id, "", text, code))

    async def _answer(self, frame: wire.Frame) -> None:
        """Send an answer; a peer that has gone in the meantime must not keep us from reading what it said before."""
        with suppress(ConnectionClosed):
            await self._send(frame)

    async def _send(self, frame: wire.Frame) -> None:
        text = wire.dump(*_parts(frame))
        self._saw("out", frame, len(text))
        await self._socket.send(text)

    def _saw(self, direction: str, frame: wire.Frame, size: int) -> None:
        if self._observer is not None:
            self._observer.saw(direction, frame, size)

    async def _slow_down(self) -> None:
        """Token bucket: who sends faster than allowed is read slower; the socket's own buffer then fills up."""
        now_s = self._clock.mono_s()
        rate = self.settings.messages_per_s
        self._tokens = min(self.settings.burst, self._tokens + (now_s - self._filled_s) * rate) - 1.0
        self._filled_s = now_s
        if self._tokens < 0.0:
            pause_s = -self._tokens / rate
            self.counters.slowed_s += pause_s
            await asyncio.sleep(pause_s)


def _parts(frame: wire.Frame) -> tuple[Any, ...]:
    """Elements of a frame on the wire."""
    if frame.kind in (wire.CALL, wire.SEND):
        return frame.kind, frame.message_id, frame.action, frame.payload
    if frame.kind == wire.RESULT:
        return frame.kind, frame.message_id, frame.payload
    return frame.kind, frame.message_id, frame.error_code, str(frame.payload or ""), {}


async def pause(wake: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than until an event is set.

    Not ``asyncio.wait_for``: up to Python 3.11 it can swallow a cancellation, and the task lives for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
