"""The listening side that the recorder and the replay server share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from pulse_plugins.local.gate import Gate, named_host
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.refusals import RefusedError, stream_refusal

_MAX_UPLOAD = 250 << 20  # bytes; the service's own limit
_STOPPING = 1.0  # seconds for requests that are under way at the end


class Listener(ABC):
    """Takes streams and uploads at every path of one address; start it with `async with`.

    Args:
        host: The address to bind to.
        port: 0 takes a free one.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._gate = Gate(ServerOptions(recognizer="scripted"), host)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL for clients, `ws://…`."""
        return f"ws://{self._address}"

    @property
    def http_url(self) -> str:
        """The base URL of the pre-recorded endpoint, `http://…`."""
        return f"http://{self._address}"

    @property
    def _address(self) -> str:
        if self._runner is None:
            raise RuntimeError("the server is not running")
        return f"{named_host(self._host)}:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_UPLOAD)
        app.router.add_get("/{path:.*}", self._answering(self._stream))
        app.router.add_post("/{path:.*}", self._answering(self._upload))
        runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, shutdown_timeout=_STOPPING
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _answering(
        self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def checked(request: web.Request) -> web.StreamResponse:
            try:
                with self._gate.passed(request):
                    return await answer(request)
            except RefusedError as error:
                return stream_refusal(error)

        return checked

    @abstractmethod
    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a stream."""

    @abstractmethod
    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """Answer an upload."""
