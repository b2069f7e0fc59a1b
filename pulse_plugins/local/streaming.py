"""The streaming endpoint: the handshake, and a driver for each connection."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
import uuid
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.connection.driver import ConnectionDriver
from pulse_plugins.local.connection.records import ConnectionRecord, ServerEvent, hash_key
from pulse_plugins.local.faults import Schedule
from pulse_plugins.local.gate import Gate
from pulse_plugins.local.output import formatting
from pulse_plugins.local.recognizers.contract import Recognizer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire import messages, parameters
from pulse_plugins.local.wire.handshake import key_of, remembered_headers, without_credentials
from pulse_plugins.local.wire.messages import DialectName
from pulse_plugins.local.wire.parameters import Parameters
from pulse_plugins.local.wire.refusals import RefusedError, stream_refusal

_LOG = logging.getLogger(__name__)
_REMEMBERED = 10_000  # handshakes


class StreamEndpoint:
    """Serves the WebSockets of all paths.

    Attributes:
        connections: A record of each handshake, in order; the last 10,000.
    """

    def __init__(
        self,
        options: ServerOptions,
        recognizer: Recognizer,
        faults: Schedule,
        gate: Gate,
        connections: list[ConnectionRecord],
        tell: Callable[[ServerEvent], None],
    ) -> None:
        """Make an endpoint.

        Args:
            options: The server's.
            recognizer: Opens a decoder for each connection.
            faults: The faults that are still to happen.
            gate: Checks keys and limits.
            connections: Where records are added.
            tell: Called with each event.
        """
        self.connections = connections
        self._options = options
        self._recognizer = recognizer
        self._faults = faults
        self._gate = gate
        self._tell = tell
        self._drivers: dict[ConnectionDriver, str] = {}  # with the hash of the key of each
        self._handshakes = 0

    async def answer(self, dialect: DialectName, request: web.Request) -> web.StreamResponse:
        """Answer one handshake and serve its connection to the end."""
        record = self._new_record(request)
        try:
            self._refuse_on_purpose(record)
            with self._gate.admitted(request):
                asked = self._read(dialect, request, record)
                return await self._serve(request, record, asked)
        except RefusedError as error:
            record.refused, record.closed = error.status, True
            return stream_refusal(error)
        finally:
            self._tell(ServerEvent("refused" if record.refused else "closed", record))

    async def aclose(self) -> None:
        """Close every connection with 1001."""
        await asyncio.gather(*(driver.shut() for driver in self._drivers))

    def _new_record(self, request: web.Request) -> ConnectionRecord:
        self._handshakes += 1
        record = ConnectionRecord(
            number=self._handshakes,
            path=request.path,
            query=without_credentials(request.query),
            headers=remembered_headers(request.headers),
            key_hash=hash_key(key_of(request)),
            # The service's own ids are bare UUIDs; this one says in any log that it is not.
            session_id=f"local-{uuid.uuid4()}",
        )
        self.connections.append(record)
        del self.connections[:-_REMEMBERED]
        return record

    def _refuse_on_purpose(self, record: ConnectionRecord) -> None:
        fault = self._faults.refusal(record.number)
        if fault is not None:
            record.faults.append(str(fault))
            raise RefusedError(int(fault.number), "refused on purpose")

    def _read(
        self, dialect: DialectName, request: web.Request, record: ConnectionRecord
    ) -> Parameters:
        """Read and check what the handshake asks for.

        Raises:
            RefusedError: The handshake is refused.
        """
        if self._options.concurrency_refusal == 429 and self._is_full(record):
            raise RefusedError(429, "Too many concurrent connections")
        asked = parameters.read(
            dialect,
            request.query,
            languages=self._recognizer.languages,
            region=self._options.region,
            strict=self._options.strict,
        )
        record.notes = asked.notes
        try:
            formatting.check(asked)
        except ConfigurationError as error:
            raise RefusedError(400, str(error)) from error
        try:
            is_websocket = bool(web.WebSocketResponse().can_prepare(request))
        except UnicodeError:  # aiohttp cannot write a refusal that quotes a header outside UTF-8
            is_websocket = False
        if not is_websocket:
            raise RefusedError(400, "this endpoint takes WebSocket connections only")
        return asked

    async def _serve(
        self, request: web.Request, record: ConnectionRecord, asked: Parameters
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            timeout=2.0,
            autoping=False,
            compress=False,
            max_msg_size=self._options.max_message_bytes,
        )
        socket.headers["x-pulse-local"] = _simulated(asked)
        try:
            driver = ConnectionDriver(
                request=request,
                socket=socket,
                parameters=asked,
                options=self._options,
                recognizer=self._recognizer,
                schedule=self._faults,
                record=record,
                tell=self._tell,
            )
        except ConfigurationError as error:
            raise RefusedError(400, str(error)) from error
        try:
            await socket.prepare(request)
        except ConnectionError:  # the client left before its handshake was answered
            record.closed = True
            return web.Response(status=400)  # the client is gone
        if (raw := request.get_extra_info("socket")) is not None:
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        if await self._closed_at_once(asked, record, socket):
            return socket
        self._drivers[driver] = record.key_hash
        self._tell(ServerEvent("connected", record))
        try:
            await driver.run()
        finally:
            del self._drivers[driver]
        return socket

    def _is_full(self, record: ConnectionRecord) -> bool:
        """Whether the key of this handshake has all the connections that it may have."""
        limit = self._options.concurrency
        return limit is not None and list(self._drivers.values()).count(record.key_hash) >= limit

    async def _closed_at_once(
        self, asked: Parameters, record: ConnectionRecord, socket: web.WebSocketResponse
    ) -> bool:
        """Close a connection that the service accepts only to close it."""
        if self._is_full(record) or asked.language_error:
            code = 1008
        elif asked.silent_close:
            code = 1000
        else:
            return False
        if asked.language_error:
            error_code = "LANGUAGE_NOT_ENABLED_IN_REGION"
            await socket.send_str(messages.error(asked.dialect, asked.language_error, error_code))
        record.close_code, record.closed = code, True
        with suppress(ConnectionError):
            await socket.close(code=code)
        return True


def _simulated(asked: Parameters) -> str:
    """The value of the header that names what the answers make up."""
    names = {
        "speakers": asked.diarize,
        "gender": asked.gender and asked.model == "pulse-2",
        "emotion": asked.emotion and asked.model == "pulse-2",
        "redaction": asked.redact_pii or asked.redact_pci,
    }
    made_up = ",".join(name for name, there in names.items() if there)
    return f"simulated={made_up}" if made_up else "not-the-service"
