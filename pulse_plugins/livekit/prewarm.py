"""A connection that is opened before the first audio, for the first stream that can use it.

The prewarmed connection takes one of the streams that the user's plan allows at a time. Therefore
there is at most one. It is closed when the first stream ends. A stream that cannot use it opens its
own connection only after the prewarmed one is closed.
"""

from __future__ import annotations

import asyncio
from itertools import count

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.weak_listener import call_on

_KEPT = 30.0  # seconds; a session uses the connection at its start, and idle ones cost a place
# Seconds of audio in a packet. A room gives 50 ms at a time, and the official plugin sends 50 ms.
_PACKET = 0.05

_numbers = count(1)


def stream_name() -> str:
    """A unique name for the log lines of one stream."""
    return f"livekit-{next(_numbers)}"


def _stream(options: PulseOptions, source: AudioFormat) -> PulseStream:
    return PulseStream(options, source=source, name=stream_name(), shortest_packet=_PACKET)


async def _start_after(waiting: PulseStream, stream: PulseStream) -> None:
    await waiting.wait_closed()
    if not stream.closed:
        stream.start()


class Prewarmed:
    """Holds at most one open stream until it is taken. After 30 seconds the stream is closed."""

    def __init__(self) -> None:
        self._stream: PulseStream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: set[asyncio.Task[None]] = set()  # each starts a stream once a place is free

    def start(self, options: PulseOptions) -> None:
        """Open a connection with these options, unless one waits already. Needs a loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self.forget()
        if self._stream is not None:
            if self._stream.options.same_connection(options) and not self._stream.closed:
                return
            self.discard()
        source = AudioFormat("linear16", options.sample_rate)
        self._stream = _stream(options, source)
        self._stream.start()
        self._loop = loop
        self._timer = loop.call_later(_KEPT, self.discard)

    def take(self, options: PulseOptions, source: AudioFormat) -> tuple[PulseStream, bool]:
        """Take the waiting stream, or make one that starts after the waiting one is closed.

        Args:
            options: The options that the stream needs.
            source: The format of the audio that will be pushed.

        Returns:
            The stream, and whether it is the one that waited.
        """
        if self._loop is not asyncio.get_running_loop():
            self.forget()
        waiting, self._stream = self._stream, None
        if self._timer is not None:
            self._timer.cancel()
        if waiting is not None and self._serves(waiting, options):
            waiting.update(options)  # retries and timeouts may differ
            waiting.change_source(source)
            return waiting, True
        stream = _stream(options, source)
        if waiting is None or waiting.closed:
            stream.start()
        else:
            waiting.abort()
            task = asyncio.create_task(_start_after(waiting, stream))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        return stream, False

    def _serves(self, waiting: PulseStream, options: PulseOptions) -> bool:
        return not waiting.closed and waiting.options.same_connection(options)

    def discard(self) -> None:
        """Close the waiting stream."""
        stream, self._stream = self._stream, None
        if self._timer is not None:
            self._timer.cancel()
        if stream is not None:
            stream.abort()

    def forget(self) -> None:
        """Close the waiting stream in its own event loop; call this from any thread."""
        stream, self._stream = self._stream, None
        if self._loop is not None and stream is not None:
            call_on(self._loop, stream.abort)

    async def aclose(self) -> None:
        """Close the waiting stream, and wait for its socket unless another event loop made it."""
        if self._loop is not asyncio.get_running_loop():
            return self.forget()
        stream = self._stream
        self.discard()
        if stream is not None:
            await stream.wait_closed()
