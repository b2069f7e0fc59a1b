"""One WebSocket of a stream: its handshake, sends that do not wait, its messages and its goodbye.

Nothing here decides anything: `session` says what goes out and what a failure means.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event, State

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
from pulse_plugins.core.config.options import PulseOptions

_CLOSE_SECONDS = 1.0  # for the closing handshake of a connection that is not wanted any more
_MOST_RETRY_AFTER = 600.0
_OPEN, _TEXT, _BINARY = State.OPEN, Opcode.TEXT, Opcode.BINARY  # an enum is slow to ask
# It holds transcripts: on only for who asks for this very logger.
_wire_log = logging.getLogger("pulse_plugins.wire")
if _wire_log.level == logging.NOTSET:
    _wire_log.setLevel(logging.INFO)
# The client library writes headers, the key among them, to its logger at debug level.
_library_log = logging.getLogger("pulse_plugins.websockets")
_library_log.setLevel(logging.INFO)

Message = bytes | memoryview | str


class _Connection(ClientConnection):
    """Reads and writes without a task between.

    A text message is handed over while it is read from the network, and not a task switch later.
    The library has `process_event` for its own subclasses. What is not a whole text message takes
    the library's way, and so does everything after the first fragment: order comes first.

    Attributes:
        receive: Takes each message; None: all of them wait to be iterated over.
    """

    receive: Callable[[str], None] | None = None

    def process_event(self, event: Event) -> None:
        """One response of the handshake or one frame."""
        if self.receive is not None and isinstance(event, Frame):
            if event.opcode is _TEXT and event.fin:
                try:
                    message = str(event.data, "utf-8")
                except UnicodeDecodeError:
                    pass  # the library closes the connection, and says why
                else:
                    self.receive(message)
                    return
            elif event.opcode in DATA_OPCODES:
                self.receive = None
        super().process_event(event)

    def write(self, message: Message) -> None:
        """Send without waiting, or ignore it if the connection has ended.

        The library's `broadcast` does the same for many connections, with twice the work for one.
        There are no extensions, and nothing else is sent in fragments.
        """
        if self.protocol.state is not _OPEN or self.transport.is_closing():
            return
        if isinstance(message, str):
            frame = Frame(_TEXT, message.encode())
        else:
            frame = Frame(_BINARY, message)
        self.transport.write(frame.serialize(mask=True))


class WebSocket:
    """An open connection; made by `open_websocket`."""

    def __init__(self, connection: _Connection, options: PulseOptions, url: str, name: str) -> None:
        self._name = name
        self._connection = connection
        self._closing_word = options.row.close
        self._key = options.key_for(url)
        self._codec = _codec(options)

    def is_free(self) -> bool:
        """Whether the network has taken all that was sent."""
        return self._connection.transport.get_write_buffer_size() == 0

    def send(self, message: Message) -> None:
        """Send without waiting; for while it `is_free`. A connection that has ended ignores it."""
        if _wire_log.isEnabledFor(logging.DEBUG):
            self._show("→", message)
        if self._codec is None:
            self._connection.write(message)
            return
        for packet in self._encoded(self._codec, message):
            self._connection.write(packet)

    async def send_patiently(self, message: Message) -> None:
        """Send, and wait while much of what was sent before is still on its way."""
        if _wire_log.isEnabledFor(logging.DEBUG):
            self._show("→", message)
        with suppress(ConnectionClosed):
            for packet in self._encoded(self._codec, message):
                await self._connection.send(packet)

    async def converse(self, receive: Callable[[str | bytes], None]) -> None:
        """Hand over what the server says, in order, until the connection ends, however it does."""

        def heard(message: str | bytes) -> None:
            if _wire_log.isEnabledFor(logging.DEBUG):
                self._show("←", message)
            receive(message)

        self._connection.receive = heard
        try:
            async for message in self._connection:  # what came before, or in fragments
                heard(message)
        except ConnectionClosed:
            pass
        finally:
            self._connection.receive = None

    @property
    def ending(self) -> PulseError | None:
        """How the connection ended; None after an orderly close with 1000."""
        code = self._connection.close_code
        return None if code == 1000 else from_close(code)

    async def hang_up(self) -> None:
        """Say goodbye if the other side still listens; never wait for long."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._connection.close()
        except (TimeoutError, OSError):
            self._connection.transport.abort()
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise

    def _show(self, direction: str, message: Message) -> None:
        """Write what goes over the wire; audio and the key are elided, a transcript is not."""
        shown = message if isinstance(message, str) else f"{len(message)} bytes"
        if self._key:
            shown = shown.replace(self._key, "…")
        _wire_log.debug("%s %s %s", self._name, direction, shown)

    def _encoded(self, codec: OpusEncoder | None, message: Message) -> Iterable[Message]:
        if codec is None:
            return (message,)
        if not isinstance(message, str):
            return codec.encode(bytes(message))
        if message == self._closing_word:
            return (*codec.finish(), message)
        return (message,)


async def open_websocket(options: PulseOptions, url: str, name: str) -> WebSocket:
    """Make a connection.

    Args:
        options: What is asked of the service, and how long the handshake may take.
        url: The base URL.
        name: What the connection is called in the log.

    Raises:
        PulseError: There is no connection; the text holds no URL, header or key.
    """
    address = options.websocket_url(url)
    extra: dict[str, Any] = {} if options.proxy is None else {"proxy": options.proxy}
    if address.startswith("wss:"):
        extra["ssl"] = await asyncio.to_thread(_tls)
    try:
        connection = await connect(
            address,
            additional_headers=options.request_headers(url),
            open_timeout=options.timeouts.connect,
            ping_interval=options.timeouts.ping_interval,
            ping_timeout=options.timeouts.ping_timeout,
            close_timeout=_CLOSE_SECONDS,
            max_size=options.limits.message_bytes,
            compression=None,
            logger=_library_log,
            create_connection=_Connection,
            **extra,
        )
    except Exception as failed:
        raise _handshake_error(failed) from None
    assert isinstance(connection, _Connection)
    return WebSocket(connection, options, url, name)


@cache
def _tls() -> ssl.SSLContext:
    """Read the certificates once: it takes milliseconds, which a live call does not have."""
    return ssl.create_default_context()


def _codec(options: PulseOptions) -> OpusEncoder | None:
    """The encoder of one connection: what is kept is encoded as it goes out."""
    match options.encoding:
        case "opus" | "ogg_opus" as container:
            return OpusEncoder(container, options.sample_rate)
        case _:
            return None


def _handshake_error(failed: Exception) -> PulseError:
    match failed:
        case InvalidStatus():
            response = failed.response
            detail, error_code = _body(response.body)
            return from_status(
                response.status_code,
                detail=detail,
                error_code=error_code,
                retry_after=_seconds(response.headers.get("Retry-After")),
            )
        case TimeoutError():
            return ConnectTimeoutError("the handshake was not answered in time")
        case InvalidHandshake():
            return ServerError("the server did not complete the handshake", code="handshake")
        case OSError() | EOFError() | ConnectionClosed():
            return ConnectionLostError(f"no connection: {type(failed).__name__}")
        case _:
            return ConfigurationError(
                f"no connection can be tried: {type(failed).__name__}; check base_url, and the "
                "proxy (the option, or that of the environment)"
            )


def _body(body: bytes | bytearray | None) -> tuple[str, str]:
    """The text and the `error_code` of a refusal's body."""
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(fields, dict):
        return "", ""
    detail = fields.get("error") or fields.get("message") or fields.get("errors") or ""
    return str(detail)[:500], str(fields.get("error_code") or fields.get("code") or "")


def _seconds(header: str | None) -> float | None:
    try:
        value = float(header or "")
    except ValueError:
        return None
    return value if 0 <= value <= _MOST_RETRY_AFTER else None
