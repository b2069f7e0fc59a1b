"""The framework's frames into the engine: formats, clock, usage, and what another may go on with.

Audio counts for usage when it is given, once: a replay after a drop is not the caller's speech.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from livekit import rtc
from livekit.agents.stt import RecognitionUsage, SpeechEvent, SpeechEventType

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import StreamClosedError
from pulse_plugins.core.base.events import AudioLost, Event, Final
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.livekit.handover import Kept
from pulse_plugins.livekit.input_clock import InputClock
from pulse_plugins.livekit.preflight import Preflight

_AHEAD = 2.0  # seconds; audio that comes this much faster than it was spoken waits its turn
_GAP = 0.3  # seconds between two frames; more is a pause of the input
_LET_GO = 2.0  # seconds to wait until the sockets are closed


class AudioFeed:
    """One stream's input.

    Args:
        clock: Told of every frame.
        preflight: Given the audio itself.
        begin: Makes the engine for the format of the first frame.
        kept: As the attribute.

    Attributes:
        engine: None before the first audio.
        kept: What is not final yet, for a stream that may replace this one; None when none
            will, or this one mends everything that another could.
        unreported: Seconds of audio that no usage report has counted.
    """

    def __init__(
        self,
        clock: InputClock,
        preflight: Preflight,
        begin: Callable[[AudioFormat], PulseStream],
        kept: Kept | None,
    ) -> None:
        self.engine: PulseStream | None = None
        self.kept = kept
        self.unreported = 0.0
        self._clock = clock
        self._preflight = preflight
        self._begin = begin
        self._rate = self._channels = 0  # the source's
        self._gathered: list[rtc.AudioFrame] = []
        self._gathered_samples = 0  # a channel
        self._wanted_samples = 0  # until a packet is full
        self._newest = 0.0  # wall clock at which the newest of them came
        self._is_live = True  # audio does not come faster than it was spoken

    def begin(self, source: AudioFormat) -> PulseStream:
        """Make the engine, if there is none."""
        if self.engine is None:
            self.engine = self._begin(source)
            self._follow(source)
        return self.engine

    def push_live(self, frame: rtc.AudioFrame) -> bool:
        """Pass on a frame, if it is like the ones before and comes no faster than it was spoken.

        Frames are gathered until they complete a packet: nothing could go out before.

        Raises:
            StreamClosedError: The engine has failed.
        """
        if not self._is_live or (
            frame.sample_rate != self._rate or frame.num_channels != self._channels
        ):
            return False
        now = time.time()
        if now - self._newest > _GAP and self._gathered:
            self.pass_on()  # the input paused after these
        self._newest = now
        self._gathered.append(frame)
        self._gathered_samples += frame.samples_per_channel
        if self._gathered_samples >= self._wanted_samples:
            self.pass_on()
        return True

    def push(self, frame: rtc.AudioFrame, *, waited: bool) -> None:
        """Pass on a frame.

        Args:
            frame: Of any rate and channel count.
            waited: Nothing else was queued when it came.

        Raises:
            StreamClosedError: The engine has failed.
            ConfigurationError: The frame's format cannot be.
        """
        self.pass_on()
        if frame.sample_rate != self._rate or frame.num_channels != self._channels:
            source = AudioFormat("linear16", frame.sample_rate, frame.num_channels)
            self.begin(source).change_source(source)
            self._follow(source)
        self._accept([frame], frame.samples_per_channel, time.time(), waited=waited)

    def pass_on(self) -> None:
        """Pass on what was gathered.

        Raises:
            StreamClosedError: The engine has failed.
        """
        if self._gathered:
            frames, self._gathered = self._gathered, []
            samples, self._gathered_samples = self._gathered_samples, 0
            self._accept(frames, samples, self._newest, waited=True)

    def _accept(
        self, frames: list[rtc.AudioFrame], samples: int, now: float, *, waited: bool
    ) -> None:
        """Take frames that belong together; the last one came at `now`."""
        assert self.engine is not None
        seconds = samples / self._rate
        self._clock.pushed(seconds, now, waited=waited)
        self._is_live = self._clock.ahead(now) <= _AHEAD
        if self.kept is not None:
            began = now - seconds
            for frame in frames:
                self.kept.audio(frame, began)
                began += frame.duration
        data = b"".join([frame.data for frame in frames])
        self._preflight.audio(data, seconds)
        self.unreported += seconds
        self.engine.push(data)
        self._wanted_samples = self.engine.wanted_bytes // (2 * self._channels)

    async def keep_pace(self) -> None:
        """Wait for the engine, where a whole file is pushed at once."""
        if self.engine is not None and self._clock.ahead(time.time()) > _AHEAD:
            await self.engine.drain()
        self._is_live = self._clock.ahead(time.time()) <= _AHEAD

    def flush(self) -> int | None:
        """Ask for the words of all audio so far; None when there was no audio.

        Raises:
            StreamClosedError: The engine has failed.
        """
        if self.engine is None:
            return None
        request_id = 0  # what a failed engine is not asked for, another one is
        try:
            self.pass_on()
            request_id = self.engine.request_finalize()
        finally:
            if self.kept is not None:
                self.kept.flush(request_id)
        self._wanted_samples = self.engine.wanted_bytes // (2 * self._channels)
        return request_id

    def settle(self, final: Final, interim_at: float) -> None:
        """What this final covers needs no other stream.

        Args:
            final: Of the engine.
            interim_at: The stream_time at which the newest interim came.
        """
        if self.kept is None or self.is_void(final):
            return
        if final.promoted and self._gives_up:
            # It is what was heard of a speech whose rest another stream can still hear.
            self.kept.settle(min(final.end, interim_at))
            return
        self.kept.settle(final.end)
        if final.finalize_id is not None:
            self.kept.answer(final.finalize_id)

    def is_void(self, event: Event) -> bool:
        """Whether it only says that a failed engine gives up what another stream can go on with."""
        is_empty = isinstance(event, AudioLost) or (isinstance(event, Final) and not event.text)
        return is_empty and self._gives_up

    @property
    def _gives_up(self) -> bool:
        engine = self.engine
        return self.kept is not None and engine is not None and engine.error is not None

    def usage(self, *, at_least: float, request_id: str) -> SpeechEvent | None:
        """What was not reported yet, once it is `at_least` so many seconds."""
        if self.unreported <= 0.0 or self.unreported < at_least:
            return None
        used, self.unreported = self.unreported, 0.0
        return SpeechEvent(
            SpeechEventType.RECOGNITION_USAGE,
            request_id=request_id,
            recognition_usage=RecognitionUsage(audio_duration=used),
        )

    def _follow(self, source: AudioFormat) -> None:
        self._rate, self._channels = source.sample_rate, source.channels

    async def let_go(self) -> None:
        """End the engine at once, and wait until its socket is closed."""
        if self.engine is None:
            return
        with suppress(StreamClosedError):
            self.pass_on()
        self.engine.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LET_GO):
                await self.engine.wait_closed()
