"""A stand-in for the Pulse service on this machine: all its endpoints on one port.

    async with PulseServer() as server:
        stt = PulseSTTService(base_url=server.url, ...)

It is faithful in what goes over the wire, not in how well it understands: the words come from a
local recognizer. It binds to loopback unless told otherwise.

What it cannot do honestly: speakers, emotion and gender are never in its answers, as when the
service found none; a language that the recognizer does not know is refused with 400; URL bodies
and webhooks of the pre-recorded endpoint are refused with 400.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket as sockets
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local import control
from pulse_plugins.local.connection.driver import ConnectionDriver
from pulse_plugins.local.connection.records import ConnectionRecord, hash_key
from pulse_plugins.local.faults import Fault, Schedule
from pulse_plugins.local.output import formatting
from pulse_plugins.local.prerecorded import recognition as batch
from pulse_plugins.local.recognizers.contract import Recognizer, load
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire import messages, parameters
from pulse_plugins.local.wire.handshake import is_loopback, key_of, without_credentials
from pulse_plugins.local.wire.messages import BATCH_PATHS, PATHS, DialectName
from pulse_plugins.local.wire.parameters import Parameters
from pulse_plugins.local.wire.refusals import RefusedError, batch_refusal, stream_refusal

_LOG = logging.getLogger(__name__)
_http_log = logging.getLogger("pulse_plugins.local.http")


def _is_no_babble(record: logging.LogRecord) -> bool:
    """Whether it is not about bytes that are no HTTP: aiohttp logs them, and a key may be there."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log.addFilter(_is_no_babble)
_REMEMBERED = 10_000  # handshakes
_MAX_LINE = 1 << 20  # bytes of a request line; 10,000 keywords need a few hundred thousand
_STOPPING = 3.0  # seconds that open connections may take to end


class PulseServer:
    """The server; start it with `async with`, or with `start` and `aclose`.

    Attributes:
        options: How it behaves.
        connections: What became of the handshakes of WebSockets, in order; the last 10000.
        faults: What is still to go wrong; more can be added at any time.
    """

    def __init__(
        self,
        options: ServerOptions | Recognizer | str | None = None,
        *,
        faults: Iterable[Fault | str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Prepare a server.

        Args:
            options: How it behaves, or only whom it asks for words: a recognizer, which stays
                its owner's to close, or the name of one. None: real recognition.
            faults: What goes wrong and when, as values or in the compact form.
            host: The address to bind to; one that others can reach needs a good reason.
            port: 0 takes a free one.
        """
        if options is None:
            options = ServerOptions()
        elif not isinstance(options, ServerOptions):
            options = ServerOptions(recognizer=options)
        self.options = options
        self.faults = Schedule(faults)
        self.connections: list[ConnectionRecord] = []
        self._host = host
        self._port = port
        self._recognizer: Recognizer | None = None
        self._runner: web.AppRunner | None = None
        self._drivers: dict[ConnectionDriver, str | None] = {}  # with the hash of the key of each
        self._busy = 0
        self._handshakes = 0
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not running")
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The base URL for clients, `ws://…`; the dialect's path is theirs to add."""
        return f"ws://{self._named_host}:{self.port}"

    @property
    def http_url(self) -> str:
        """The base URL of the pre-recorded endpoint, `http://…`."""
        return f"http://{self._named_host}:{self.port}"

    @property
    def _named_host(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"[{host}]" if ":" in host else host

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
            ConfigurationError: The recognizer cannot be made.
        """
        if self._runner is not None:
            raise RuntimeError("the server is running")
        wanted = self.options.recognizer
        self._recognizer = load(wanted) if isinstance(wanted, str) else wanted
        if self.options.rollover_at_pause is None:
            waits = not isinstance(self._recognizer, ScriptedRecognizer)
            self.options = replace(self.options, rollover_at_pause=waits)
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            max_line_size=_MAX_LINE,
            logger=_http_log,
            shutdown_timeout=_STOPPING,
            handle_signals=False,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            await self._close_recognizer()
            raise
        self._runner = runner
        if not is_loopback(self._host):
            _LOG.warning("the local Pulse server can be reached by others, on %s", self._host)
        _LOG.info(
            "local stand-in for Smallest AI Pulse, NOT the service, on %s: words come from %s",
            self.url,
            type(self._recognizer).__name__,
        )

    async def aclose(self) -> None:
        """Close every connection with 1001 and stop. Safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        await asyncio.gather(*(driver.shut() for driver in self._drivers))
        await runner.cleanup()
        await self._close_recognizer()

    async def _close_recognizer(self) -> None:
        """Close it if it was made here."""
        if isinstance(self.options.recognizer, str) and self._recognizer is not None:
            await self._recognizer.close()

    async def wait_for(
        self, predicate: Callable[[PulseServer], bool], timeout: float = 10.0
    ) -> None:
        """Wait until something is true of the server, such as how many connections there were.

        Args:
            predicate: Asked again after every change of a record.
            timeout: Seconds.

        Raises:
            TimeoutError: It did not come true in time.
        """
        async with asyncio.timeout(timeout):
            while not predicate(self):
                self._changed.clear()
                await self._changed.wait()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=self.options.max_body_bytes)
        for path, dialect in PATHS.items():
            app.router.add_get(path, self._streaming(dialect))
        for path, dialect in BATCH_PATHS.items():
            app.router.add_post(path, self._uploading(dialect))
        if self.options.control:
            control.add_routes(app.router, self.faults, self.connections)
        return app

    def _streaming(
        self, dialect: DialectName
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._handshakes += 1
            record = ConnectionRecord(
                number=self._handshakes,
                path=request.path,
                query=without_credentials(request.query),
                headers={
                    name.lower(): value
                    for name, value in request.headers.items()
                    if name.lower() not in ("authorization", "cookie")
                },
                key_hash=hash_key(key_of(request)),
                session_id=str(uuid.uuid4()),
            )
            self.connections.append(record)
            del self.connections[:-_REMEMBERED]
            self._busy += 1
            try:
                asked = self._check_handshake(dialect, request, record)
                record.notes = asked.notes
                return await self._serve(request, record, asked)
            except RefusedError as error:
                record.refused, record.closed = error.status, True
                return stream_refusal(error)
            finally:
                self._busy -= 1
                self._changed.set()

        return handle

    def _check_handshake(
        self, dialect: DialectName, request: web.Request, record: ConnectionRecord
    ) -> Parameters:
        """What is asked for.

        Raises:
            RefusedError: It is not given.
        """
        fault = self.faults.refusal(record.number)
        if fault is not None:
            record.faults.append(str(fault))
            raise RefusedError(int(fault.number), "refused on purpose")
        self._check_key(request)
        self._check_room()
        if self.options.concurrency_refusal == 429 and self._is_full(record):
            raise RefusedError(429, "Too many concurrent connections")
        asked = parameters.read(
            dialect,
            request.query,
            languages=self._running.languages,
            region=self.options.region,
            strict=self.options.strict,
        )
        try:
            formatting.check(asked)
        except ConfigurationError as error:
            raise RefusedError(400, str(error)) from error
        try:
            is_websocket = bool(web.WebSocketResponse().can_prepare(request))
        except UnicodeError:  # aiohttp cannot word its refusal of a header that is no UTF-8
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
            max_msg_size=self.options.max_message_bytes,
        )
        try:
            driver = ConnectionDriver(
                request=request,
                socket=socket,
                parameters=asked,
                options=self.options,
                recognizer=self._running,
                schedule=self.faults,
                record=record,
                changed=self._changed.set,
            )
        except ConfigurationError as error:
            raise RefusedError(400, str(error)) from error
        try:
            await socket.prepare(request)
        except ConnectionError:  # the client went away before its handshake was answered
            record.closed = True
            return web.Response(status=400)  # nobody is there to read it
        if (raw := request.get_extra_info("socket")) is not None:
            raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        code = self._close_at_once(asked, record)
        if code is not None:
            if asked.language_error:
                text = messages.error(
                    asked.dialect, asked.language_error, "LANGUAGE_NOT_ENABLED_IN_REGION"
                )
                await socket.send_str(text)
            record.close_code, record.closed = code, True
            with suppress(ConnectionError):
                await socket.close(code=code)
            return socket
        self._drivers[driver] = record.key_hash
        self._changed.set()
        try:
            await driver.run()
        finally:
            del self._drivers[driver]
        return socket

    def _is_full(self, record: ConnectionRecord) -> bool:
        """Whether the key of this handshake has all the connections that it may have."""
        limit = self.options.concurrency
        return limit is not None and list(self._drivers.values()).count(record.key_hash) >= limit

    def _close_at_once(self, asked: Parameters, record: ConnectionRecord) -> int | None:
        """The close code for a connection that the service accepts only to close it."""
        if self._is_full(record):
            return 1008
        if asked.language_error:
            return 1008
        return 1000 if asked.silent_close else None

    def _uploading(
        self, dialect: DialectName
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._busy += 1
            request_id = str(uuid.uuid4())
            try:
                self._check_key(request)
                self._check_room()
                asked = batch.parameters(dialect, request.query, self._running, self.options)
                formatting.check(asked)
                if request.content_type == "application/json":
                    raise RefusedError(400, "url bodies are not served by this local server")
                body = await request.read()
                answer = await batch.transcribe(
                    body,
                    asked,
                    self._running,
                    self.options,
                    raw="encoding" in request.query,
                    wanted=lambda: _is_connected(request),
                )
                return web.json_response(answer, headers={"x-request-id": request_id})
            except RefusedError as error:
                return batch_refusal(error, request_id)
            except ConfigurationError as error:
                return batch_refusal(RefusedError(400, str(error)), request_id)
            except web.HTTPRequestEntityTooLarge:
                limit = self.options.max_body_bytes
                text = f"Audio data too large: more than {limit} bytes (max_body_bytes)"
                return batch_refusal(RefusedError(413, text), request_id)
            except batch.AbandonedError:
                return web.Response(status=499)  # nobody is there to read it
            finally:
                self._busy -= 1

        return handle

    @property
    def _running(self) -> Recognizer:
        if self._recognizer is None:
            raise RuntimeError("the server is not running")
        return self._recognizer

    def _check_key(self, request: web.Request) -> None:
        key = key_of(request)
        if not key:
            raise RefusedError(401, "")
        wanted = self.options.api_key
        if wanted is not None and not hmac.compare_digest(key.encode(), wanted.encode()):
            raise RefusedError(401, "unauthorized")

    def _check_room(self) -> None:
        if self._busy > self.options.max_connections:
            raise RefusedError(503, "Service unavailable: too many connections")


def _is_connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def serve(
    options: ServerOptions | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    faults: Iterable[Fault | str] = (),
    started: Callable[[PulseServer], None] | None = None,
) -> None:
    """Run a server until cancelled.

    Args:
        options: How it behaves.
        host: The address to bind to.
        port: 0 takes a free one.
        faults: What goes wrong and when.
        started: Called once it listens, to print its URL for instance.
    """
    async with PulseServer(options, faults=faults, host=host, port=port) as server:
        if started is not None:
            started(server)
        await asyncio.Event().wait()
