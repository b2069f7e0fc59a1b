"""Passes the framework's frames to the engine, follows the session's clock, and counts usage.

Audio is counted once, when it is pushed. Audio that is sent again after a lost connection is not
counted.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from math import ceil

from livekit import rtc
from livekit.agents.stt import RecognitionUsage, SpeechEvent, SpeechEventType

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import StreamClosedError
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.livekit.silence_gate import SilenceGate

_AHEAD = 2.0  # seconds; audio that is this far ahead of real time comes from a file, and waits
_GAP = 0.3  # seconds between two frames; if there are more, the input has paused
_CLOSES = 2.0  # seconds to wait until the sockets are closed
_PAUSE = 0.5  # seconds; a frame that is late by less was delayed on its way
_MOST_PAUSES = 256  # pauses that are remembered; bounds the memory
# Seconds by which the reported start of a word may be early. Speech after a pause may then seem to
# begin before the pause.
_ONSET = 0.1
_ROUNDING = 0.02  # seconds by which the reported end of a word may lie behind a pause


class _Gaps:
    """Gaps in the audio: how long they are in all before a moment of the stream, in seconds."""

    def __init__(self) -> None:
        self.total = 0.0
        self._places: list[float] = [0.0]
        self._totals: list[float] = [0.0]  # from the place of the same index on

    def note(self, place: float, total: float) -> None:
        """Note that audio from this place on has gaps of `total` seconds before it."""
        self.total = total
        if self._places[-1] == place:
            self._totals[-1] = total
            return
        self._places.append(place)
        self._totals.append(total)
        if len(self._places) > _MOST_PAUSES:
            del self._places[0], self._totals[0]

    def before(self, start: float, end: float | None) -> float:
        """Seconds of gaps before a stretch of speech.

        Args:
            start: stream_time at which the speech begins.
            end: stream_time at which the speech ends. Speech that ends before a gap also began
                before it. Of other speech the first moments may seem to lie before the gap.
        """
        if len(self._places) == 1:
            return self._totals[0]
        at = start + _ONSET if end is None else min(start + _ONSET, max(start, end - _ROUNDING))
        return self._totals[max(0, bisect_left(self._places, at) - 1)]


class InputClock:
    """Converts stream_time to the session's clock and to the wall clock.

    stream_time counts the audio that the engine was given. While an input is muted, no audio is
    given, but the session's clock goes on. This class notes each such pause at its place in the
    audio. It also notes silence that was left out, apart from the pauses, because the owner did
    push it. Reconnects change none of these clocks. All times are seconds.

    Attributes:
        anchor: Wall clock of stream_time 0.0, or None before the first audio.
        until: stream_time of the end of the audio so far.
    """

    def __init__(self) -> None:
        self.anchor: float | None = None
        self.until = 0.0
        self._pauses = _Gaps()
        self._silence = _Gaps()

    def pushed(self, duration: float, now: float, *, waited: bool) -> float:
        """Count a frame that was given; returns what `ahead` would return.

        Args:
            duration: Its length.
            now: Wall clock.
            waited: The frame came when no other was queued. Only then does a late frame mean that
                the input paused; otherwise this process may have been busy.
        """
        if self.anchor is None:
            self.anchor = now - duration  # a frame is given when its last sample was heard
        total = self._pauses.total
        late = now - (self.anchor + self.until + duration + total + self._silence.total)
        if waited and late > _PAUSE:
            self._pauses.note(self.until, total + late)
        elif late < -_PAUSE and total > 0:  # it was no pause: the audio came after all
            self._pauses.note(self.until, max(0.0, total + late))
        self.until += duration
        return self._pauses.total - total - late

    def left_out(self, seconds: float) -> None:
        """Note that this much silence came and was not given to the engine."""
        self._silence.note(self.until, self._silence.total + seconds)

    def ahead(self, now: float) -> float:
        """Seconds by which the audio so far is ahead of real time, as the audio of a file is."""
        if self.anchor is None:
            return 0.0
        return self.anchor + self.until + self._pauses.total + self._silence.total - now

    def missing(self, start: float, end: float | None = None, *, pauses: bool = True) -> float:
        """Seconds before a stretch of speech that stream_time does not count.

        Args:
            start: stream_time at which the speech begins.
            end: At which it ends; None: not known.
            pauses: Pauses of the input are wanted, and not only silence that was left out.
        """
        silence = self._silence.before(start, end)
        return silence + self._pauses.before(start, end) if pauses else silence

    def session_time(self, stream_time: float) -> float:
        """Seconds since the first sample at the end of a stretch of speech, pauses included."""
        return stream_time + self.missing(stream_time, stream_time)

    def wall_time(self, stream_time: float, now: float, *, starts: bool = False) -> float:
        """The wall clock at a moment of the stream; never later than `now`.

        Args:
            stream_time: The moment.
            now: Wall clock.
            starts: Speech begins there; otherwise it ends there.
        """
        if self.anchor is None:
            return now
        missing = self.missing(stream_time, None if starts else stream_time)
        return min(now, self.anchor + stream_time + missing)


class AudioInput:
    """One stream's input.

    Args:
        clock: Is told of every frame.
        eager: Gets the audio itself.
        begin: Makes the engine for the format of the first frame.
        silence_level: The level of the silence gate; None: there is none.

    Attributes:
        engine: None before the first audio.
        unreported: Seconds of audio that no usage report has counted.
        newest: Wall clock at which the newest frame came.
        gate: Holds silence back.
    """

    def __init__(
        self,
        clock: InputClock,
        eager: EagerText,
        begin: Callable[[AudioFormat], PulseStream],
        silence_level: float | None,
    ) -> None:
        self.engine: PulseStream | None = None
        self.unreported = 0.0
        self.newest = 0.0
        self.gate = SilenceGate(silence_level)
        self._clock = clock
        self._eager = eager
        self._begin = begin
        self._rate = self._channels = 0  # the source's
        self._gathered: list[memoryview] = []
        self._gathered_samples = 0  # of all channels
        self._wanted_samples = 0  # until a packet is full
        self._is_live = True  # audio does not come faster than it was spoken

    def begin(self, source: AudioFormat) -> PulseStream:
        """Make the engine, if there is none."""
        if self.engine is None:
            self.engine = self._begin(source)
            self._follow(source)
        return self.engine

    def push_live(self, frame: rtc.AudioFrame) -> bool:
        """Pass on a frame, if it has the format of the frames before and audio is live.

        Frames are gathered until they complete a packet, because less cannot be sent.

        Raises:
            StreamClosedError: The engine has failed.
        """
        if not self._is_live or (
            frame.sample_rate != self._rate or frame.num_channels != self._channels
        ):
            return False
        now = time.time()
        if now - self.newest > _GAP and self._gathered:
            self.pass_on()  # the input paused after these
        self.newest = now
        data = frame.data
        self._gathered.append(data)
        self._gathered_samples += len(data)
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
            ConfigurationError: There is no such audio format.
        """
        self.pass_on()
        if frame.sample_rate != self._rate or frame.num_channels != self._channels:
            source = AudioFormat("linear16", frame.sample_rate, frame.num_channels)
            self.gate.drop_held()
            self.begin(source).change_source(source)
            self._follow(source)
        self.newest = time.time()
        data = frame.data
        self._accept([data], len(data), self.newest, waited=waited)

    def pass_on(self) -> None:
        """Pass on what was gathered.

        Raises:
            StreamClosedError: The engine has failed.
        """
        if self._gathered:
            data, self._gathered = self._gathered, []
            samples, self._gathered_samples = self._gathered_samples, 0
            self._accept(data, samples, self.newest, waited=True)
            self._plan_packet()

    def _accept(self, pieces: list[memoryview], samples: int, now: float, *, waited: bool) -> None:
        """Take samples of all channels, whose last frame came at `now`."""
        assert self.engine is not None
        seconds = samples / self._channels / self._rate
        data, seconds, left_out = self.gate.take(b"".join(pieces), seconds)
        if not data:
            return
        if left_out:
            self._clock.left_out(left_out)
        self._is_live = self._clock.pushed(seconds, now, waited=waited) <= _AHEAD
        self._eager.audio(data, seconds)
        self.unreported += seconds
        self.engine.push(data)

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
        self.pass_on()
        request_id = self.engine.request_finalize()
        return request_id

    def usage(self, *, at_least: float, request_id: str) -> SpeechEvent | None:
        """A usage event for audio that was not reported yet; None if it is less than `at_least`."""
        if self.unreported <= 0.0 or self.unreported < at_least:
            return None
        used, self.unreported = self.unreported, 0.0
        return SpeechEvent(
            SpeechEventType.RECOGNITION_USAGE,
            request_id=request_id,
            recognition_usage=RecognitionUsage(audio_duration=used),
        )

    async def close(self) -> None:
        """End the engine at once, and wait until its socket is closed."""
        if self.engine is None:
            return
        with suppress(StreamClosedError):
            self.pass_on()
        self.engine.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSES):
                await self.engine.wait_closed()

    def _follow(self, source: AudioFormat) -> None:
        self._rate, self._channels = source.sample_rate, source.channels
        self._plan_packet()

    def _plan_packet(self) -> None:
        """Compute how much audio completes the next packet, of which the engine may hold a part."""
        assert self.engine is not None
        wanted = ceil(self.engine.missing_seconds * self._rate - 1e-6)
        self._wanted_samples = wanted * self._channels
