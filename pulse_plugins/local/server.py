"""A stand-in for the Pulse service on this machine: all its endpoints on one port.

    async with PulseServer() as server:
        stt = PulseSTTService(base_url=server.url, ...)

The server is faithful in what goes over the wire, not in how well it understands: a local
recognizer gives the words. Speakers, gender, emotions, age and the redaction of names are
simulated by simple rules, and a header of each answer says so. A language that the recognizer does
not know is refused with 400.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from pulse_plugins.core.client.http import is_loopback
from pulse_plugins.local import control
from pulse_plugins.local.connection.records import ConnectionRecord, ServerEvent
from pulse_plugins.local.faults import Fault, Schedule
from pulse_plugins.local.gate import Gate, named_host
from pulse_plugins.local.prerecorded.endpoint import UploadEndpoint
from pulse_plugins.local.recognizers.contract import Recognizer, load
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.streaming import StreamEndpoint
from pulse_plugins.local.wire.handshake import without_credentials
from pulse_plugins.local.wire.messages import BATCH_PATHS, PATHS, DialectName
from pulse_plugins.local.wire.refusals import RefusedError, batch_refusal, stream_refusal

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Answer: TypeAlias = Callable[[DialectName, web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger(__name__)
_http_log = logging.getLogger("pulse_plugins.local.http")


def _is_no_babble(record: logging.LogRecord) -> bool:
    """Leave out records about bytes that are not HTTP: aiohttp quotes them, with a key perhaps."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log.addFilter(_is_no_babble)
_MAX_LINE = 1 << 20  # bytes of a request line; 10,000 keywords need a few hundred thousand
_STOPPING = 3.0  # seconds that open connections may take to end


class PulseServer:
    """A local Pulse server. Start the server with `async with`, or with `start` and `aclose`.

    Attributes:
        options: The options of the server.
        connections: A record of each WebSocket handshake, in order; the last 10,000.
        faults: The faults that are still to happen; more can be added at any time.
    """

    def __init__(
        self,
        options: ServerOptions | Recognizer | str | None = None,
        *,
        faults: Iterable[Fault | str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        watch: Callable[[ServerEvent], None] | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            options: The options of the server; or only its recognizer, which the caller closes; or
                only the name of a recognizer. None: the recognizer `pocketsphinx`.
            faults: The faults, as values or in the compact form.
            host: The address to bind to. The default accepts connections from this machine only.
            port: 0 takes a free one.
            watch: Called with each event of each connection; it must not block.
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
        self._streams: StreamEndpoint | None = None
        self._uploads: UploadEndpoint | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._watch = watch
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not running")
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The base URL for clients, `ws://…`, without the path of an endpoint."""
        return f"ws://{named_host(self._host)}:{self.port}"

    @property
    def http_url(self) -> str:
        """The base URL of the pre-recorded endpoint, `http://…`."""
        return f"http://{named_host(self._host)}:{self.port}"

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
        gate = Gate(self.options, self._host)
        self._streams = StreamEndpoint(
            self.options, self._recognizer, self.faults, gate, self.connections, self._tell
        )
        self._uploads = UploadEndpoint(self.options, self._recognizer)
        runner = web.AppRunner(
            self._application(self._streams, self._uploads, gate),
            access_log=None,
            auto_decompress=False,
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
        if runner.server is not None:
            self._sweeper = asyncio.create_task(gate.close_idle(runner.server))
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
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        if self._streams is not None and self._uploads is not None:
            await self._streams.aclose()
            await self._uploads.aclose()
        await runner.cleanup()
        await self._close_recognizer()

    async def _close_recognizer(self) -> None:
        """Close it if it was made here."""
        if isinstance(self.options.recognizer, str) and self._recognizer is not None:
            await self._recognizer.close()

    async def wait_for(
        self, predicate: Callable[[PulseServer], bool], timeout: float = 10.0
    ) -> None:
        """Wait until `predicate` returns True, for example until a number of connections was made.

        Args:
            predicate: Called after every change of a record.
            timeout: Seconds.

        Raises:
            TimeoutError: It did not come true in time.
        """
        async with asyncio.timeout(timeout):
            while not predicate(self):
                self._changed.clear()
                await self._changed.wait()

    def _application(
        self, streams: StreamEndpoint, uploads: UploadEndpoint, gate: Gate
    ) -> web.Application:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                with gate.passed(request):
                    return await handler(request)
            except RefusedError as error:
                return stream_refusal(error)

        app = web.Application(middlewares=[guard])
        for path, dialect in PATHS.items():
            app.router.add_get(path, _bound(streams.answer, dialect))
        for path, dialect in BATCH_PATHS.items():
            app.router.add_post(path, self._told(_admitted(uploads.answer, dialect, gate)))
        if self.options.control:
            control.add_routes(app.router, self.faults, self.connections, gate)
        return app

    def _told(self, handler: Handler) -> Handler:
        """Tell of each upload once it is answered."""

        async def handle(request: web.Request) -> web.StreamResponse:
            response = await handler(request)
            query = without_credentials(request.query)
            record = ConnectionRecord(number=0, path=request.path, query=query, closed=True)
            self._tell(ServerEvent("upload", record, str(response.status)))
            return response

        return handle

    def _tell(self, event: ServerEvent) -> None:
        """Wake `wait_for`, and pass the event to `watch`."""
        self._changed.set()
        if self._watch is not None and event.kind != "changed":
            self._watch(event)


def _bound(answer: _Answer, dialect: DialectName) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer(dialect, request)

    return handle


def _admitted(answer: _Answer, dialect: DialectName, gate: Gate) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            with gate.admitted(request):
                return await answer(dialect, request)
        except RefusedError as error:
            return batch_refusal(error, str(uuid.uuid4()))

    return handle


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
        options: The options of the server.
        host: The address to bind to.
        port: 0 takes a free port.
        faults: The faults, as values or in the compact form.
        started: Called when the server listens, for example to print its URL.
    """
    async with PulseServer(options, faults=faults, host=host, port=port) as server:
        if started is not None:
            started(server)
        await asyncio.Event().wait()
