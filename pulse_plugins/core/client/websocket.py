"""One WebSocket connection of a stream: handshake, messages in both directions, and its end.

This module makes no decision: the session says what is sent, and what an error means.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
)
from websockets.http11 import Response

from pulse_plugins.core.audio.opus import OpusEncoder
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    ServerError,
    from_close,
    from_status,
)
from pulse_plugins.core.base.text import printable
from pulse_plugins.core.client.framing import MAX_MESSAGE_BYTES, FramedConnection, Message
from pulse_plugins.core.client.http import proxy_for, redirect_error, retry_after
from pulse_plugins.core.client.trust import certificate_error, tls_context
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.urls import advise_on_region
from pulse_plugins.core.wire.error_fields import read_error_body

# Pings find a dead connection while no audio is sent. The official LiveKit plugin pings every 30 s
# (docs/protocol.md, section 4.1), which leaves a caller unheard for a minute.
_PING_INTERVAL = 5.0  # seconds
_PING_TIMEOUT = 8.0  # seconds; mobile networks pause for several seconds
_MOST_SHOWN = 10_000  # characters of a message in the wire log; a final has a few hundred
_CLOSE_SECONDS = 1.0  # for the closing handshake, when nothing is expected from the connection

# This logger shows transcripts. It writes only if its own level is set to DEBUG when a connection
# is opened; the level of a parent is not enough.
_wire_log = logging.getLogger("pulse_plugins.wire")
if _wire_log.level == logging.NOTSET:  # pragma: no branch - else set before the first import
    _wire_log.setLevel(logging.INFO)
# At level DEBUG the library logs headers, the API key among them.
_library_log = logging.getLogger("pulse_plugins.websockets")
_library_log.setLevel(logging.INFO)


class WebSocket:
    """An open connection; `open_websocket` makes it.

    Attributes:
        send: Sends a message without waiting; call it while `is_free`. A connection that has ended
            ignores it.
    """

    send: Callable[[Message], None]

    def __init__(
        self,
        connection: FramedConnection,
        options: PulseOptions,
        url: str,
        name: str,
        codec: OpusEncoder | None,
    ) -> None:
        self._connection = connection
        self._options = options
        self._url = url
        self._name = name
        self._codec = codec
        self._shows = _wire_log.isEnabledFor(logging.DEBUG)
        plain = self._codec is None and not self._shows
        self.send = connection.write if plain else self._send

    def is_free(self) -> bool:
        """Whether the network has taken everything that was sent."""
        return self._connection.transport.get_write_buffer_size() == 0

    async def send_patiently(self, message: Message) -> None:
        """Send a message, and wait while much of what was sent before is still buffered."""
        if self._shows:
            self._show("→", message)
        with suppress(ConnectionClosed):
            for packet in self._encoded(message):
                await self._connection.send(packet)

    async def converse(self, receive: Callable[[str | bytes], None]) -> None:
        """Hand over the messages of the server, in order, until the connection ends.

        Args:
            receive: Called while the message is read from the network. What it raises ends the
                connection, and is raised here.
        """
        take = self._showing(receive) if self._shows else receive
        self._connection.deliver_to(take)
        try:
            async for message in self._connection:  # messages that the connection has queued
                take(message)
        except ConnectionClosed:
            pass
        finally:
            self._connection.deliver_to(None)
        if self._connection.failure is not None:
            raise self._connection.failure

    @property
    def ending(self) -> PulseError | None:
        """How the connection ended; None after a normal close with code 1000."""
        code = self._connection.close_code
        return None if code == 1000 else from_close(code, self._connection.close_reason or "")

    async def hang_up(self) -> None:
        """Close the connection, and wait for the other side no longer than a second."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close()
        except (TimeoutError, OSError):
            self._connection.transport.abort()
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise

    def _send(self, message: Message) -> None:
        if self._shows:
            self._show("→", message)
        for packet in self._encoded(message):
            self._connection.write(packet)

    def _encoded(self, message: Message) -> Iterable[Message]:
        if self._codec is None:
            return (message,)
        if not isinstance(message, str):
            return self._codec.encode(bytes(message))
        if message == self._options.row.close:
            return (*self._codec.finish(), message)
        return (message,)

    def _showing(self, receive: Callable[[str | bytes], None]) -> Callable[[str | bytes], None]:
        def shown(message: str | bytes) -> None:
            self._show("←", message)
            receive(message)

        return shown

    def _show(self, direction: str, message: Message) -> None:
        """Log a message on one line. Audio is shown by its length, and an API key is masked."""
        shown = message if isinstance(message, str) else f"{len(message)} bytes"
        secret = self._options.key_for(self._url)
        if secret:
            shown = shown.replace(secret, "…")
        name, shown = printable(self._name, _MOST_SHOWN), printable(shown, _MOST_SHOWN)
        _wire_log.debug("%s %s %s", name, direction, shown)


async def open_websocket(options: PulseOptions, url: str, name: str) -> WebSocket:
    """Open a connection.

    Args:
        options: What the connection asks for, and how long the handshake may take.
        url: The base URL, one of `options.urls`.
        name: The connection's name in the log.

    Raises:
        PulseError: There is no connection. The text holds no key and no URL with a query.
    """
    advise_on_region(options.language, url)
    try:
        codec = _codec(options)  # if this fails, no connection must be closed
        async with asyncio.timeout(options.timeouts.connect):
            connection = await _connect(options, url)
    except Exception as failed:
        error = _handshake_error(failed, url, options.language)
    else:
        return WebSocket(connection, options, url, name, codec)
    raise error  # outside the handler, so that no frame of the library is attached to it


class _Connect(connect):
    """Follows no redirect: the API key and the audio belong to the host of the base URL."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take a redirect for what it is, an answer that is no WebSocket."""
        return exc


class _Headers:
    """The headers of a handshake, made when they are written, so that no variable holds them."""

    def __init__(self, options: PulseOptions, url: str) -> None:
        self._options = options
        self._url = url

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._options.request_headers(self._url).items())


async def _connect(options: PulseOptions, url: str) -> FramedConnection:
    address = options.websocket_url(url)
    secure: dict[str, Any] = {}
    if address.startswith("wss:"):
        secure["ssl"] = await tls_context()
    connection = await _Connect(
        address,
        additional_headers=_Headers(options, url),
        proxy=proxy_for(address, options.proxy),
        open_timeout=None,  # the caller bounds all of this
        ping_interval=_PING_INTERVAL,
        ping_timeout=_PING_TIMEOUT,
        close_timeout=_CLOSE_SECONDS,
        max_size=MAX_MESSAGE_BYTES,
        compression=None,
        logger=_library_log,
        create_connection=FramedConnection,
        **secure,
    )
    assert isinstance(connection, FramedConnection)
    return connection


def _codec(options: PulseOptions) -> OpusEncoder | None:
    """The encoder of one connection. Buffered audio is encoded when it is sent."""
    match options.encoding:
        case "opus" | "ogg_opus" as container:
            return OpusEncoder(container, options.sample_rate)
        case _:
            return None


def _handshake_error(failed: Exception, url: str, language: str) -> PulseError:
    match failed:
        case PulseError():
            return failed
        case InvalidStatus():
            return _refusal(failed, url, language)
        case ssl.SSLCertVerificationError():
            return certificate_error(url, failed)
        case TimeoutError():
            return ConnectTimeoutError("the handshake was not answered in time")
        case ProxyError():
            return _proxy_error(failed)
        case InvalidHandshake():
            return ServerError("the server did not complete the handshake", code="handshake")
        case OSError() | EOFError() | ConnectionClosed():
            return ConnectionLostError(f"no connection: {type(failed).__name__}")
        case RuntimeError():  # the resolver of host names runs in a thread
            return ConnectionLostError("no connection: no thread can be started", code="resources")
        case _:
            return ConfigurationError(
                f"no connection can be tried: {type(failed).__name__}; check base_url, and the "
                "proxy (the option, or that of the environment)"
            )


def _refusal(failed: InvalidStatus, url: str, language: str) -> PulseError:
    response = failed.response
    if 300 <= response.status_code < 400:
        return redirect_error(response.status_code, url, _header(response, "Location") or "")
    found = read_error_body(response.body)
    return from_status(
        response.status_code,
        detail=found.detail,
        error_code=found.code,
        parameter=found.parameter,
        language=language,
        retry_after=retry_after(_header(response, "Retry-After")),
    )


def _header(response: Response, name: str) -> str | None:
    """The first header of this name; the library refuses to choose among several."""
    return next(iter(response.headers.get_all(name)), None)


def _proxy_error(failed: ProxyError) -> PulseError:
    status = failed.response.status_code if isinstance(failed, InvalidProxyStatus) else None
    answer = f": it answered with HTTP {status}" if status else ""
    return ConnectionLostError(
        f"the proxy did not connect to the server{answer}", code="proxy", status=status
    )
