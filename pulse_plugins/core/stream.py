"""PulseStream: one `Session`, its websockets and one timer; audio in, events out.

Every input ends in `_settle`: events are handed over, connections are opened and closed as the
session wants, the one timer is set to its next deadline. One task a connection writes, so order on
the wire is order in the session; a full socket is its back pressure, and events never wait for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from pulse_plugins.core.audio import AudioFormat, Encoding, FrameConverter
from pulse_plugins.core.errors import (
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    ServerError,
    StreamClosedError,
    from_close,
    from_status,
)
from pulse_plugins.core.events import AudioLost, Event, Interim, Reconnecting, Recovered
from pulse_plugins.core.links import OpenLink
from pulse_plugins.core.metrics import StreamMetrics, Tally
from pulse_plugins.core.options import PulseOptions
from pulse_plugins.core.opus import OpusEncoder
from pulse_plugins.core.session import Session, State

_CLOSE_SECONDS = 1.0  # for the closing handshake of a connection that is not wanted any more
_MOST_RETRY_AFTER = 600.0
_log = logging.getLogger("pulse_plugins.stream")
# The client library writes headers, the key among them, to its logger at debug level.
_wire_log = logging.getLogger("pulse_plugins.wire")
_wire_log.setLevel(logging.INFO)


class PulseStream:
    """Live speech recognition that survives its connections.

        async with PulseStream(options) as stream:
            await stream.send(pcm)
            await stream.finalize()
            async for event in stream: ...

    Args:
        options: What is asked of the service.
        source: The format of what `push` is given; not given: linear16 mono at
            `options.sample_rate`.
        name: For tasks and logs.
    """

    def __init__(
        self, options: PulseOptions, *, source: AudioFormat | None = None, name: str = ""
    ) -> None:
        self.name = name or f"pulse-{id(self):x}"
        self._target = AudioFormat(_kept_encoding(options), options.sample_rate)
        self._source = source or AudioFormat("linear16", options.sample_rate)
        self._converter = FrameConverter(self._source, self._target)
        self._session = Session(options, Random())
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()  # there are events, or the stream is over
        self._sent = asyncio.Event()  # something went out
        self._tally = Tally()
        self._wakes: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pushed = 0.0
        self._input_over = False

    # Inputs.

    def start(self) -> None:
        """Begin to connect, in the background; needs a running loop. Calling again is harmless."""
        self._session.start(self._now())
        self._settle()

    def push(self, data: bytes) -> None:
        """Add audio; never blocks and never raises for trouble on the network.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        self._check_open()
        self._pushed += len(data) / self._source.bytes_per_second
        if self._session.audio(self._converter.convert(data), self._now()):
            self._settle()

    async def send(self, data: bytes) -> None:
        """Add audio, and wait while more than `limits.backlog_seconds` is not yet sent."""
        self.push(data)
        while self.backlog > self.options.limits.backlog_seconds and not self.closed:
            self._sent.clear()
            await self._sent.wait()

    def request_finalize(self) -> int:
        """Ask for the words of all audio so far; returns the id that a `Final` will answer.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        self._check_open()
        self._flush()
        request_id = self._session.finalize(self._now())
        self._settle()
        return request_id

    async def finalize(self) -> int:
        """The same as `request_finalize`."""
        return self.request_finalize()

    def change_source(self, source: AudioFormat) -> None:
        """What `push` is given has this format from now on."""
        if source != self._source:
            self._flush()
            self._source = source
            self._converter = FrameConverter(source, self._target)

    def update(self, options: PulseOptions) -> None:
        """Go on with other options; answered by `OptionsApplied` or `OptionsRefused`.

        Raises:
            ConfigurationError: The bytes on the wire would change.
        """
        if not self.closed:
            self._session.update(options, self._now())
            self._settle()

    def end(self) -> None:
        """No more audio will come: the last words do, and then the iteration ends."""
        if not self._input_over and not self.closed:
            self._flush()
        self._input_over = True
        self._session.end(self._now())
        self._settle()

    def abort(self) -> None:
        """End at once, without the last words."""
        self._input_over = True
        self._session.abort()
        self._settle()

    async def close(self) -> None:
        """`end`, and wait until the stream is over; its events stay readable."""
        self.end()
        while not self.closed:
            self._sent.clear()
            await self._sent.wait()
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until no task and no socket is left; for after `end` or `abort`."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next round

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:
            self.abort()
            await self.wait_closed()

    # Outputs.

    async def __aiter__(self) -> AsyncIterator[Event]:
        """What happens, in order, for one consumer.

        Raises:
            PulseError: The stream failed for good.
        """
        while True:
            while self._events:
                yield self._events.popleft()
            if self.closed:
                break
            self._changed.clear()
            await self._changed.wait()
        if self.error is not None:
            raise self.error

    @property
    def options(self) -> PulseOptions:
        """Those in force."""
        return self._session.options

    @property
    def error(self) -> PulseError | None:
        """Why the stream failed for good, or None."""
        return self._session.error

    @property
    def closed(self) -> bool:
        """Whether nothing more will be heard."""
        return self._session.state is State.CLOSED

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._session.state is State.OPEN

    @property
    def stream_time(self) -> float:
        """Seconds of audio pushed so far."""
        return self._pushed

    @property
    def backlog(self) -> float:
        """Seconds of audio that are not on the wire yet."""
        timeline = self._session.timeline
        return timeline.seconds(timeline.end - timeline.cursor)

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done so far."""
        session = self._session
        seconds = session.timeline.seconds
        return self._tally.snapshot(
            self._pushed, seconds(session.replayed_bytes), seconds(session.silence_bytes)
        )

    # The driver.

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _check_open(self) -> None:
        if self._input_over or self.closed:
            raise StreamClosedError("the stream has ended: open another one")

    def _flush(self) -> None:
        tail = self._converter.flush()
        if tail:
            self._session.audio(tail, self._now())

    def _settle(self) -> None:
        """After every input; never awaits."""
        for command in self._session.take_commands():
            link = command.link
            if isinstance(command, OpenLink):
                self._wakes[link] = asyncio.Event()
                task = asyncio.create_task(self._run(command), name=f"{self.name}.{link}")
                self._tasks[link] = task
                task.add_done_callback(partial(self._forget, link))
            elif link in self._tasks:
                self._tasks[link].cancel()
        self._deliver()
        for wake in self._wakes.values():
            wake.set()

    def _deliver(self) -> None:
        while (event := self._session.next_event()) is not None:
            self._tally.count(event)
            self._log(event)
            if (
                isinstance(event, Interim)
                and self._events
                and isinstance(self._events[-1], Interim)
            ):
                self._events.pop()  # a slow consumer needs only the newest
            self._events.append(event)
        if self._events or self.closed:
            self._changed.set()
        if self.closed:
            self._sent.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._session.next_deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _log(self, event: Event) -> None:
        """One line for what an operator wants to see; no text, no key."""
        match event:
            case Reconnecting(attempt=attempt, reason=reason, delay=delay):
                _log.info("%s: try %d in %.2f s: %s", self.name, attempt, delay, reason)
            case Recovered(outage=outage, replayed=replayed):
                _log.info("%s: back after %.2f s, %.2f s replayed", self.name, outage, replayed)
            case AudioLost(start=start, end=end, reason=reason):
                _log.warning("%s: lost audio %.2f to %.2f s: %s", self.name, start, end, reason)
            case _:
                pass

    def _tick(self) -> None:
        self._session.advance(self._now())
        self._settle()

    def _forget(self, link: int, _task: asyncio.Task[None]) -> None:
        self._tasks.pop(link, None)
        self._wakes.pop(link, None)

    async def _run(self, command: OpenLink) -> None:
        """One connection, from its handshake to its end."""
        error: PulseError | None = ConnectionLostError("the connection could not be made")
        began = self._now()
        try:
            socket = await self._connect(command)
        except asyncio.CancelledError:
            raise
        except Exception as failed:
            error = _handshake_error(failed)
        else:
            try:
                self._session.connected(command.link, self._now(), self._now() - began)
                self._settle()
                error = await self._converse(command.link, socket)
            finally:
                await _hang_up(socket)
        self._session.disconnected(command.link, error, self._now())
        self._settle()

    async def _connect(self, command: OpenLink) -> ClientConnection:
        options, timeouts = command.options, command.options.timeouts
        extra: dict[str, Any] = {} if options.proxy is None else {"proxy": options.proxy}
        return await connect(
            options.websocket_url(command.url),
            additional_headers=options.request_headers(),
            open_timeout=timeouts.connect,
            ping_interval=timeouts.ping_interval,
            ping_timeout=timeouts.ping_timeout,
            close_timeout=_CLOSE_SECONDS,
            max_size=options.limits.message_bytes,
            compression=None,
            logger=_wire_log,
            **extra,
        )

    async def _converse(self, link: int, socket: ClientConnection) -> PulseError | None:
        """Both directions until the connection ends; how it did."""
        writer = asyncio.create_task(self._write(link, socket), name=f"{self.name}.{link}.write")
        try:
            async for message in socket:
                self._session.received(link, message, self._now())
                self._settle()
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return None if socket.close_code == 1000 else from_close(socket.close_code)

    async def _write(self, link: int, socket: ClientConnection) -> None:
        wake = self._wakes[link]
        options = self.options
        codec = _codec(options)
        with suppress(ConnectionClosed):
            while True:
                wake.clear()
                while (message := self._session.next_outgoing(link, self._now())) is not None:
                    if codec is None:
                        await socket.send(message)
                    elif not isinstance(message, str):
                        for packet in codec.encode(bytes(message)):
                            await socket.send(packet)
                    else:
                        if message == options.row.close:
                            for packet in codec.finish():
                                await socket.send(packet)
                        await socket.send(message)
                    self._sent.set()
                self._deliver()  # what was sent has moved the next deadline
                await wake.wait()


def _kept_encoding(options: PulseOptions) -> Encoding:
    """What the stream keeps: the wire's own bytes, and linear16 where those have no fixed rate."""
    match options.encoding:
        case "linear16" | "linear32" | "mulaw" | "alaw" as encoding:
            return encoding
        case _:
            return "linear16"


def _codec(options: PulseOptions) -> OpusEncoder | None:
    """The encoder of one connection: what is kept is encoded as it goes out."""
    match options.encoding:
        case "opus" | "ogg_opus" as container:
            return OpusEncoder(container, options.sample_rate)
        case _:
            return None


async def _hang_up(socket: ClientConnection) -> None:
    """Say goodbye if the other side still listens; never wait for long."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await socket.close()
    except (TimeoutError, OSError):
        socket.transport.abort()
    except asyncio.CancelledError:
        socket.transport.abort()
        raise


def _handshake_error(failed: Exception) -> PulseError:
    """Why there is no connection; what it says holds no URL, header or key."""
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
    raise failed


def _body(body: bytes | bytearray | None) -> tuple[str, str]:
    """The text and the `error_code` of a refusal's body."""
    try:
        fields = json.loads(body or b"{}")
    except ValueError:
        return "", ""
    if not isinstance(fields, dict):
        return "", ""
    detail = fields.get("error") or fields.get("message") or fields.get("errors") or ""
    return str(detail)[:500], str(fields.get("error_code") or "")


def _seconds(header: str | None) -> float | None:
    try:
        value = float(header or "")
    except ValueError:
        return None
    return value if 0 <= value <= _MOST_RETRY_AFTER else None
