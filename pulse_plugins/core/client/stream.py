"""`PulseStream`, the public face of a stream: audio in, events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from types import TracebackType
from typing import Self
from weakref import finalize

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.audio.packetizer import Packetizer
from pulse_plugins.core.base.errors import PulseError, StreamClosedError
from pulse_plugins.core.base.events import Event
from pulse_plugins.core.client.dispatcher import Dispatcher, Listener
from pulse_plugins.core.client.driver import Driver
from pulse_plugins.core.client.packet_length import packet_seconds
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.metrics import StreamMetrics
from pulse_plugins.core.session.endpoint_health import shared_health
from pulse_plugins.core.session.session import Session
from pulse_plugins.core.session.state import State

_CLOSED = State.CLOSED  # a member of an enum is slow to look up
_OVER = "the stream has ended: open another one"


class _Observed:
    """What observers read of a stream: the parts of a `PulseStream`, but not the object itself.

    An observer that kept the `PulseStream` would keep a stream that the user has dropped from being
    collected.

    Args:
        name: As for `PulseStream`.
        session: Knows the options, the error and what was sent.
        packetizer: Knows how much audio was pushed.
        dispatcher: Counts the events.
    """

    def __init__(
        self, name: str, session: Session, packetizer: Packetizer, dispatcher: Dispatcher
    ) -> None:
        self.name = name
        self._session = session
        self._packetizer = packetizer
        self._dispatcher = dispatcher

    @property
    def options(self) -> PulseOptions:
        """The options in force."""
        return self._session.options

    @property
    def error(self) -> PulseError | None:
        """Why the stream failed for good, or None."""
        return self._session.error

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done so far."""
        outgoing, seconds = self._session.outgoing, self._session.buffer.seconds
        return self._dispatcher.tally.snapshot(
            self._packetizer.stream_time,
            seconds(outgoing.sent_bytes),
            seconds(outgoing.replayed_bytes),
            seconds(outgoing.silence_bytes),
        )


class PulseStream:
    """A stream of live speech recognition. A lost connection is replaced without losing audio.

        async with PulseStream(options) as stream:
            await stream.send(pcm)
            await stream.finalize()
            async for event in stream: ...

    A stream belongs to the event loop in which it was started. If the object is garbage-collected,
    its connection is closed.

    Args:
        options: The options of the stream.
        source: The format of the audio that is pushed; by default linear16 mono at
            `options.sample_rate`.
        name: The name of the stream in tasks and logs.
        shortest_packet: Seconds of audio in a packet while few streams of the process are live, if
            `options.packet_ms` is None.
    """

    def __init__(
        self,
        options: PulseOptions,
        *,
        source: AudioFormat | None = None,
        name: str = "",
        shortest_packet: float = packet_seconds(0),
    ) -> None:
        self.name = name or f"pulse-{id(self):x}"
        self._session = session = Session(options, Random(), shared_health)
        target = AudioFormat(session.encoding, options.sample_rate)  # type: ignore[arg-type]
        source = source or AudioFormat("linear16", options.sample_rate)
        length = shortest_packet if options.packet_ms is None else options.packet_ms / 1000
        self._packetizer = Packetizer(source, target, length)
        self._dispatcher = Dispatcher(self.name)
        self._driver = Driver(session, self._packetizer, self._dispatcher, self.name)
        self._observed = _Observed(self.name, session, self._packetizer, self._dispatcher)
        self._input_over = False
        finalize(self, self._driver.abort_from_anywhere).atexit = False

    # Inputs.

    def start(self) -> None:
        """Begin to connect in the background. Needs a running loop; a second call does nothing."""
        if self._session.state is State.IDLE:
            self._dispatcher.hooks.gather(self._observed)
            self._driver.start()

    def push(self, data: bytes | bytearray | memoryview) -> None:
        """Add audio. Never waits, and raises no error of the network.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        if self._input_over or self._session.state is _CLOSED:
            raise StreamClosedError(_OVER)
        self._driver.push(data if isinstance(data, bytes) else bytes(data))

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Add audio, and wait while more than `limits.backlog_seconds` is not sent yet.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        piece = self._packetizer.source.bytes_per_second  # more could be more than is kept
        for at in range(0, max(len(data), 1), piece):
            self.push(data[at : at + piece])
            await self.drain()
            if self.closed:
                break  # the consumer of the events gets the error

    async def drain(self) -> None:
        """Wait while more than `limits.backlog_seconds` is not sent yet."""
        while self.backlog > self.options.limits.backlog_seconds and not self.closed:
            self._driver.progress.clear()
            await self._driver.progress.wait()

    def request_finalize(self) -> int:
        """Send a finalize request for all audio so far.

        Returns:
            The id of the request. A `Final` with this or a later `finalize_id` answers it.

        Raises:
            StreamClosedError: The stream has ended or failed.
        """
        if self.input_over:
            raise StreamClosedError(_OVER)
        return self._driver.finalize()

    async def finalize(self) -> int:
        """The same as `request_finalize`."""
        return self.request_finalize()

    def change_source(self, source: AudioFormat) -> None:
        """Set the format of the audio that is pushed from now on."""
        if source != self._packetizer.source:
            self._driver.flush()
            self._packetizer.change_source(source)

    def update(self, options: PulseOptions) -> None:
        """Change the options. An `OptionsApplied` or `OptionsRefused` event reports the result.

        Raises:
            ConfigurationError: The encoding or the sample rate would change.
        """
        if not self.closed:
            self._session.update(options, self._driver.now())
            self._driver.step()

    def end(self) -> None:
        """End the input. The last words still arrive, and then the iteration ends."""
        if not self._input_over and not self.closed:
            self._driver.flush()
            if self.stream_time:
                self.start()
        self._input_over = True
        self._driver.end()

    def abort(self) -> None:
        """End at once, without the last words."""
        if not self.input_over:
            self._driver.flush()  # so that this audio is counted
        self._input_over = True
        self._driver.abort()

    async def close(self) -> None:
        """Call `end`, and wait for the end of the stream. Unread events can still be read.

        A stream that was started in another event loop is ended at once, without waiting.
        """
        loop = self._driver.loop
        if loop is not None and loop is not asyncio.get_running_loop():
            self._input_over = True
            self._driver.abort_from_anywhere()
            return
        self.end()
        try:
            while not self.closed:
                self._driver.progress.clear()
                await self._driver.progress.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Wait until no task and no socket is left; call it after `end` or `abort`."""
        await self._driver.wait_closed()

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
        """The events in order, for one consumer.

        Raises:
            PulseError: The stream failed for good.
        """
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Event]:
        async for event in self._dispatcher.iterate():  # the generator holds this object
            yield event

    def listen(self, listener: Listener) -> None:
        """Call one listener with each event, instead of iterating.

        The calls happen in the event loop of the stream, one at a time, from the next round of the
        loop on. The listener may call any method of the stream. If `happened` raises, `over` is
        called with the exception, and no further event follows.
        """
        self._dispatcher.listen(listener)

    @property
    def options(self) -> PulseOptions:
        """The options in force."""
        return self._session.options

    @property
    def error(self) -> PulseError | None:
        """Why the stream failed for good, or None."""
        return self._session.error

    @property
    def closed(self) -> bool:
        """Whether the stream has ended or failed."""
        return self._session.state is _CLOSED

    @property
    def input_over(self) -> bool:
        """Whether no more audio and no more requests are taken; words may still come."""
        return self._input_over or self.closed

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._session.state is State.OPEN

    @property
    def in_outage(self) -> bool:
        """Whether an outage has begun and audio that was held meanwhile is not sent yet."""
        return self._session.in_outage

    @property
    def stream_time(self) -> float:
        """Seconds of audio pushed so far."""
        return self._packetizer.stream_time

    @property
    def packet_seconds(self) -> float:
        """Seconds of audio in a packet. Less audio than this waits for more before it is sent."""
        return self._packetizer.packet_seconds

    @property
    def missing_seconds(self) -> float:
        """Seconds of audio that complete the next packet; at most a packet, more than none."""
        return self._packetizer.missing_seconds

    @property
    def close_seconds(self) -> float:
        """Seconds that the stream may take to end after `end`; more while much is not sent."""
        return self._session.closing.seconds

    @property
    def backlog(self) -> float:
        """Seconds of audio that are not sent yet."""
        buffer = self._session.buffer
        unsent = buffer.seconds(buffer.end - buffer.next_offset)
        return unsent + self._packetizer.held_seconds

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done so far."""
        return self._observed.metrics
