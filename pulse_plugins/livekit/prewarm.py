"""A connection that is opened before the first audio, for the first stream that can use it."""

from __future__ import annotations

import asyncio

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit.delivery import call_on

_KEPT = 30.0  # seconds


class Prewarmed:
    """At most one stream that waits for its user; it is let go after 30 seconds."""

    def __init__(self) -> None:
        self._stream: PulseStream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

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
        self._stream = PulseStream(options, source=source, name="prewarmed")
        self._stream.start()
        self._loop = loop
        self._timer = loop.call_later(_KEPT, self.discard)

    def take(self, options: PulseOptions, source: AudioFormat) -> PulseStream | None:
        """The waiting stream, if it serves these options; else it is let go.

        Args:
            options: What the user's stream wants.
            source: What it will push.
        """
        if self._loop is not asyncio.get_running_loop():
            self.forget()
            return None
        stream, self._stream = self._stream, None
        if self._timer is not None:
            self._timer.cancel()
        if stream is None:
            return None
        if stream.closed or not stream.options.same_connection(options):
            stream.abort()
            return None
        stream.update(options)  # the client's own part: retries, timeouts
        stream.change_source(source)
        return stream

    def discard(self) -> None:
        """Let it go."""
        stream, self._stream = self._stream, None
        if self._timer is not None:
            self._timer.cancel()
        if stream is not None:
            stream.abort()

    def forget(self) -> None:
        """Let it go from whatever thread or loop: it belongs to the loop that made it."""
        stream, self._stream = self._stream, None
        if self._loop is not None and stream is not None:
            call_on(self._loop, stream.abort)

    async def aclose(self) -> None:
        """Let it go, and wait until its socket is closed, unless another loop made it."""
        if self._loop is not asyncio.get_running_loop():
            return self.forget()
        stream = self._stream
        self.discard()
        if stream is not None:
            await stream.wait_closed()
