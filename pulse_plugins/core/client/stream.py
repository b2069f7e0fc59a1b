"""PulseStream: one `Session`, its websockets and one timer; audio in, events out.

Every input ends in `_settle`: connections are opened and closed as the session wants, what is due
goes out, events are handed over, the one timer is set to the next deadline. While the network
takes what it is given, a packet is on its way before `push` returns; once it does not, one task a
connection writes at its pace. Order on the wire is order in the session either way, and events
never wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from random import Random
from types import TracebackType
from typing import Self

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat, Encoding
from pulse_plugins.core.base.errors import PulseError, StreamClosedError
from pulse_plugins.core.base.events import Event
from pulse_plugins.core.client.admission import Ticket, shared_admission
from pulse_plugins.core.client.dispatcher import Listener, Outlet
from pulse_plugins.core.client.websocket import WebSocket, open_websocket
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.metrics import StreamMetrics
from pulse_plugins.core.session.connection import CloseLink, OpenLink
from pulse_plugins.core.session.endpoint_health import shared_endpoints
from pulse_plugins.core.session.session import Session, State

_CLOSED = State.CLOSED  # an enum is slow to ask for its members
_OVER = "the stream has ended: open another one"


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
        self._per_second = self._source.bytes_per_second
        self._converter = FrameConverter(self._source, self._target)
        self._session = Session(options, Random(), shared_endpoints)
        self._outlet = Outlet(self.name)
        self._sent = asyncio.Event()  # something went out
        self._sockets: dict[int, _Socket] = {}  # the open ones
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._time: Callable[[], float] | None = None  # the loop's clock
        self._taken = 0.0  # seconds
        self._gathered: list[bytes] = []  # what came since
        self._gathered_bytes = 0
        self._enough = self._for_a_packet()
        self._input_over = False
        self._ticket: Ticket | None = None

    # Inputs.

    def start(self) -> None:
        """Begin to connect, in the background; needs a running loop. Calling again is harmless."""
        limit = self.options.limits.max_streams
        if self._session.state is not State.IDLE:
            return
        self._outlet.audience.gather(self)
        if limit is not None:
            loop, key = asyncio.get_running_loop(), self.options.api_key
            self._ticket = shared_admission.enter(key, limit, loop, self._admitted)
        if self._ticket is None or self._ticket.admitted:
            self._session.start(self._now())
        else:
            self._session.queue(self._ticket.ahead, self._now())
        self._settle()

    def push(self, data: bytes | bytearray | memoryview) -> None:
        """Add audio; never blocks and never raises for trouble on the network.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        if self._input_over or self._session.state is _CLOSED:
            raise StreamClosedError(_OVER)
        piece = data if isinstance(data, bytes) else bytes(data)  # whose length is in bytes
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= self._enough:
            now = self._now()
            if self._take_in(now):
                self._forward(now)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Add audio, and wait while more than `limits.backlog_seconds` is not yet sent."""
        piece = self._source.bytes_per_second  # more at once could be more than is kept
        for at in range(0, max(len(data), 1), piece):
            self.push(data[at : at + piece])
            await self.drain()
            if self.closed:
                break  # who iterates is told why

    async def drain(self) -> None:
        """Wait while more than `limits.backlog_seconds` is not yet sent."""
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
        self._enough = self._for_a_packet()  # the open packet was cut here
        self._outlet.audience.asked(request_id)
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
            self._per_second = source.bytes_per_second
            self._converter = FrameConverter(source, self._target)
            self._enough = self._for_a_packet()

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
            if self.stream_time:
                self.start()  # if nobody did
        self._input_over = True
        self._session.end(self._now())
        self._settle()

    def abort(self) -> None:
        """End at once, without the last words."""
        if not self._input_over and not self.closed:
            self._take_in(self._now())  # so that it is counted
        self._input_over = True
        self._session.abort()
        self._settle()

    async def close(self) -> None:
        """`end`, and wait until the stream is over; its events stay readable."""
        self.end()
        try:
            while not self.closed:
                self._sent.clear()
                await self._sent.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
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

    def __aiter__(self) -> AsyncIterator[Event]:
        """What happens, in order, for one consumer.

        Raises:
            PulseError: The stream failed for good.
        """
        return self._outlet.iterate()

    def listen(self, listener: Listener) -> None:
        """Tell one consumer what happens without a task between, instead of iterating.

        It is called in the event loop, never while it is being called, and first in the loop's
        next round; it may ask anything of the stream. One that raises is told of its own failure
        as the stream's end.
        """
        self._outlet.listen(listener)

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
        return self._session.state is _CLOSED

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._session.state is State.OPEN

    @property
    def stream_time(self) -> float:
        """Seconds of audio pushed so far."""
        return self._taken + self._gathered_bytes / self._per_second

    @property
    def close_seconds(self) -> float:
        """Seconds after `end` within which the stream is over: longer while much is unsent."""
        return self._session.close_seconds

    @property
    def backlog(self) -> float:
        """Seconds of audio that are not on the wire yet."""
        timeline = self._session.timeline
        unsent = timeline.seconds(timeline.end - timeline.cursor)
        return unsent + self._gathered_bytes / self._per_second

    @property
    def wanted_bytes(self) -> int:
        """Bytes of the source that complete a packet: `push` does little before it has them."""
        return self._enough - self._gathered_bytes

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done so far."""
        session = self._session
        seconds = session.timeline.seconds
        return self._outlet.tally.snapshot(
            self.stream_time,
            seconds(session.sent_bytes),
            seconds(session.replayed_bytes),
            seconds(session.silence_bytes),
        )

    # The driver.

    def _now(self) -> float:
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        return self._time()

    def _check_open(self) -> None:
        if self._input_over or self.closed:
            raise StreamClosedError(_OVER)

    def _for_a_packet(self) -> int:
        """Bytes of the source that complete a packet: until then nobody need look at them."""
        missing = self._session.timeline.missing_bytes
        if self._converter.is_identity:
            return missing
        seconds = missing / self._target.bytes_per_second
        frames = max(1, ceil(seconds * self._source.sample_rate - 1e-6))
        return frames * self._source.bytes_per_frame

    def _take_in(self, now: float) -> bool:
        """Convert what was gathered and add it to the timeline; whether a packet is ready."""
        gathered, self._gathered = self._gathered, []
        self._taken += self._gathered_bytes / self._per_second
        self._gathered_bytes = 0
        data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        ready = self._session.audio(self._converter.convert(data), now)
        self._enough = self._for_a_packet()
        return ready

    def _flush(self) -> None:
        now = self._now()
        self._take_in(now)
        tail = self._converter.flush()
        if tail:
            self._session.audio(tail, now)
            self._enough = self._for_a_packet()

    def _forward(self, now: float) -> None:
        """After live audio: a packet that goes out at once only puts deadlines off."""
        session = self._session
        for link, socket in self._sockets.items():
            self._send_next(link, socket, now)
        if session.timeline.unsent or session.commands or session.events:
            self._settle()

    def _settle(self) -> None:
        """After every other input; never awaits."""
        session = self._session
        if session.commands:
            self._obey(session.take_commands())
        if self._sockets:
            now = self._now()
            for link, socket in self._sockets.items():
                while self._send_next(link, socket, now):
                    pass
        if session.events or session.state is _CLOSED:
            self._deliver()
        self._arm()
        if session.state is _CLOSED:
            self._leave()

    def _obey(self, commands: list[OpenLink | CloseLink]) -> None:
        for command in commands:
            link = command.link
            if isinstance(command, OpenLink):
                task = asyncio.create_task(self._run(command), name=f"{self.name}.{link}")
                self._tasks[link] = task
                task.add_done_callback(partial(self._forget, link))
            elif link in self._tasks:
                self._tasks[link].cancel()

    def _send_next(self, link: int, socket: _Socket, now: float) -> bool:
        """What is due next goes out now, if anything is; whether it did.

        To a socket that is full, its writer sends it when it can.
        """
        if socket.writer is not None and not socket.writer.done():
            return False
        web = socket.web
        if not web.is_free():
            name = f"{self.name}.{link}.write"
            socket.writer = asyncio.create_task(self._write(link, web), name=name)
            return False
        message = self._session.next_outgoing(link, now)
        if message is None:
            return False
        web.send(message)
        self._sent.set()
        return True

    async def _write(self, link: int, web: WebSocket) -> None:
        while (message := self._session.next_outgoing(link, self._now())) is not None:
            await web.send_patiently(message)
            self._sent.set()
            self._deliver()
            self._arm()  # what was sent has moved the next deadline
        self._arm()  # until when an answer is waited for was decided after the question was sent

    def _deliver(self) -> None:
        session = self._session
        now, external = self._now(), session.options.external_session_id
        if session.events:
            self._outlet.deliver(session.events, external, now)
        if session.state is _CLOSED:
            self._sent.set()
            self._outlet.close(session.error, external, now)

    def _arm(self) -> None:
        """See that the timer goes off at the session's deadline; earlier does no harm."""
        deadline = self._session.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._session.advance(self._now())
        self._settle()

    def _forget(self, link: int, _task: asyncio.Task[None]) -> None:
        self._tasks.pop(link, None)
        if self.closed:
            self._leave()

    def _admitted(self) -> None:
        """Another stream gave its place up to this one."""
        if self._session.state is State.QUEUED:
            self._session.start(self._now())
            self._settle()

    def _leave(self) -> None:
        """Give the place up once the last connection is gone: until then the service counts it."""
        if self._ticket is not None and not self._tasks:
            shared_admission.leave(self._ticket)
            self._ticket = None

    async def _run(self, command: OpenLink) -> None:
        """One connection, from its handshake to its end."""
        began = self._now()
        error: PulseError | None
        try:
            name = f"{self.name}.{command.link}"
            web = await open_websocket(command.options, command.url, name)
        except PulseError as refused:
            error = refused
        else:
            try:
                error = await self._converse(command.link, web, self._now() - began)
            finally:
                await web.hang_up()
        self._session.disconnected(command.link, error, self._now())
        self._settle()

    def _received(self, link: int, message: str | bytes) -> None:
        session = self._session
        session.received(link, message, self._now())
        if not session.is_calm:
            self._settle()
        elif session.events:
            self._deliver()

    async def _converse(self, link: int, web: WebSocket, seconds: float) -> PulseError | None:
        """Both directions until the connection ends; how it did.

        Args:
            link: The connection's name.
            web: The connection.
            seconds: How long its handshake took.
        """
        socket = self._sockets[link] = _Socket(web)
        try:
            self._session.connected(link, self._now(), seconds)
            self._settle()
            await web.converse(partial(self._received, link))
        finally:
            del self._sockets[link]
            if socket.writer is not None:
                socket.writer.cancel()
                await asyncio.gather(socket.writer, return_exceptions=True)
        return web.ending


@dataclass(slots=True)
class _Socket:
    """An open connection, and the task that writes to it while it is full."""

    web: WebSocket
    writer: asyncio.Task[None] | None = None


def _kept_encoding(options: PulseOptions) -> Encoding:
    """What the stream keeps: the wire's own bytes, and linear16 where those have no fixed rate."""
    match options.encoding:
        case "linear16" | "linear32" | "mulaw" | "alaw" as encoding:
            return encoding
        case _:
            return "linear16"
