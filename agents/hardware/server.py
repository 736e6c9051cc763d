"""The WebSocket door: who may enter, with which sub-protocol, how often; a socket per station, the newest wins."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from agents.hardware import wire
from agents.hardware.config import HardwareSettings
from agents.hardware.guard import Passwords, Rate, common_name, read_secrets, tls
from agents.hardware.schema import SUBPROTOCOLS

log = logging.getLogger(__name__)
logging.getLogger("websockets").setLevel(logging.WARNING)

ANY = "*"
"""Station that stands for whoever calls (checks of one unknown station)."""
HANDSHAKES, HANDSHAKES_S = 20, 10.0
FAILURES, FAILURES_S = 5, 60.0

Enter = Callable[[str, str, ServerConnection], Awaitable[None]]
"""Takes station, OCPP version and socket; returns when the connection is over."""


class Door:
    """Listens for stations.

    Parameters
    ----------
    settings : HardwareSettings
        Address, security profile, known stations.
    enter : Enter
        Takes over an open socket.
    """

    def __init__(self, settings: HardwareSettings, enter: Enter) -> None:
        self._settings, self._enter = settings, enter
        self._known = {s.station_id for s in settings.stations}
        profile = settings.security_profile
        self._passwords = Passwords(read_secrets(settings.secrets)) if profile in (1, 2) and settings.secrets else None
        self._tls = tls(settings)
        self._handshakes = Rate(HANDSHAKES, HANDSHAKES_S)
        self._failures = Rate(FAILURES, FAILURES_S)
        self._station_of: dict[int, str] = {}
        self.turned_away: Counter[str] = Counter()
        self._server: Server | None = None

    async def open(self) -> int:
        """Start to listen; the port."""
        self._server = await serve(
            self._serve,
            self._settings.host,
            self._settings.port,
            process_request=self._check,
            select_subprotocol=self._choose,
            ssl=self._tls,
            max_size=wire.MAX_BYTES,
            max_queue=16,
            ping_interval=None,
            compression=None,
            open_timeout=15,
            close_timeout=2,
            server_header=None,
            backlog=512,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close every socket."""
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._server.wait_closed()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Turn away with a status and nothing else, or note the station's name."""
        station = station_in(request.path)
        if ANY in self._known and station not in self._known:
            station = ANY
        now_s = asyncio.get_running_loop().time()
        if station not in self._known:
            return self._away(HTTPStatus.NOT_FOUND, "unknown_station")
        if not self._handshakes.allows(station, now_s):
            return self._away(HTTPStatus.TOO_MANY_REQUESTS, "too_often")
        fault = self._identity_fault(station, connection, request.headers, now_s)
        if fault is not None:
            return fault
        self._station_of[id(connection)] = station
        return None

    def _identity_fault(
        self, station: str, connection: ServerConnection, headers: Headers, now_s: float
    ) -> Response | None:
        if self._settings.security_profile == 3:
            peer = connection.transport.get_extra_info("ssl_object")
            if common_name(peer.getpeercert() if peer else None) != station:
                return self._away(HTTPStatus.FORBIDDEN, "certificate_of_another")
        if self._passwords is not None and not self._passwords.is_right(station, headers.get("Authorization")):
            if not self._failures.allows(station, now_s):
                return self._away(HTTPStatus.TOO_MANY_REQUESTS, "too_many_failures")
            answer = self._away(HTTPStatus.UNAUTHORIZED, "wrong_password")
            answer.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
            return answer
        return None

    def _away(self, status: HTTPStatus, reason: str) -> Response:
        self.turned_away[reason] += 1
        return Response(int(status), status.phrase, Headers([("Content-Length", "0"), ("Connection", "close")]), b"")

    def _choose(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol:
        """The newest version that both speak, in our order (iterating the peer's set gave random choices)."""
        for name in SUBPROTOCOLS:
            if name in offered:
                return Subprotocol(name)
        self.turned_away["no_subprotocol"] += 1
        self._station_of.pop(id(connection), None)
        raise NegotiationError("no common sub-protocol")

    async def _serve(self, connection: ServerConnection) -> None:
        station = self._station_of.pop(id(connection))
        version = SUBPROTOCOLS[str(connection.subprotocol)]
        with suppress(ConnectionClosed):
            await self._enter(station, version, connection)


def station_in(path: str) -> str:
    """Identity in a request's path: the last part, whatever stands before it.

    >>> station_in("/ocpp/v16/NL%2ATST%2A1/?x=1")
    'NL*TST*1'
    """
    return unquote(urlsplit(path).path.rstrip("/").rpartition("/")[2])
