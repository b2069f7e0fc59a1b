"""Checks the key, the origin and the number of requests before the server serves them."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from aiohttp import web

from pulse_plugins.core.client.http import is_loopback
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.handshake import key_of
from pulse_plugins.local.wire.refusals import RefusedError

_LOOK = 0.5  # seconds between two looks at idle sockets


def named_host(host: str) -> str:
    """The host of a base URL for clients of a server that is bound to this address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


class Gate:
    """Checks requests before they are served and counts those that are."""

    def __init__(self, options: ServerOptions, host: str) -> None:
        """Make a gate.

        Args:
            options: The server's.
            host: The address that the server is bound to.
        """
        self._options = options
        self._only_loopback = is_loopback(host)
        self._busy = 0
        self._active: set[object] = set()  # the HTTP connections that a request is served on

    @contextmanager
    def passed(self, request: web.Request) -> Iterator[None]:
        """Let a request in for the time of its answer.

        Raises:
            RefusedError: A web page of another origin sent it (403).
        """
        self._check_origin(request)
        self._active.add(request.protocol)
        try:
            yield
        finally:
            self._active.discard(request.protocol)

    @contextmanager
    def admitted(self, request: web.Request) -> Iterator[None]:
        """Let a stream or an upload in for the time that it takes.

        Raises:
            RefusedError: The key is missing or wrong (401), or too many are in (503).
        """
        self.check_key(request)
        if self._busy >= self._options.max_connections:
            raise RefusedError(503, "Service unavailable: too many connections")
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def check_key(self, request: web.Request, *, any_key: bool = True) -> None:
        """Check the key.

        Args:
            request: Whose key is checked.
            any_key: Where the server demands none in particular, there must still be one.

        Raises:
            RefusedError: The key is missing or wrong.
        """
        key, wanted = key_of(request), self._options.api_key
        if not key and (any_key or wanted is not None):
            raise RefusedError(401, "")
        if wanted is not None and not hmac.compare_digest(key.encode(), wanted.encode()):
            raise RefusedError(401, "unauthorized")

    def _check_origin(self, request: web.Request) -> None:
        """Refuse what a browser sends for a page of another origin.

        Any page can open a WebSocket to this machine, and the browser says from which page in
        `Origin`. Programs send no `Origin`, or that of the server. A page whose host name leads to
        this machine (DNS rebinding) has an `Origin` that agrees with `Host`; so a server on
        loopback takes loopback names alone.
        """
        origin = request.headers.get("Origin")
        if origin is None or origin in self._options.allowed_origins:
            return
        try:
            parts, own = urlsplit(origin), urlsplit(f"//{request.host}")
            same = parts.netloc == own.netloc and parts.scheme in ("http", "https", "ws", "wss")
            host = parts.hostname or ""
        except ValueError:
            same, host = False, ""
        if not same or (self._only_loopback and not is_loopback(host)):
            raise RefusedError(403, "this Origin is not allowed; see allowed_origins")

    async def close_idle(self, server: web.Server) -> None:
        """Close sockets that send no complete request for `http_timeout`; runs until cancelled."""
        clock = asyncio.get_running_loop().time
        since: dict[object, float] = {}
        while True:
            now = clock()
            waiting = [each for each in server.connections if each not in self._active]
            since = {each: since.get(each, now) for each in waiting}
            for handler in waiting:
                if now - since[handler] >= self._options.http_timeout:
                    with suppress(RuntimeError):
                        handler.force_close()
            await asyncio.sleep(min(_LOOK, self._options.http_timeout))
