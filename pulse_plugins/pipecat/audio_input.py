"""Reads the format of each audio frame, and converts frames to mono at one rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipecat.frames.frames import InputAudioRawFrame

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat, AudioFormatError
from pulse_plugins.core.observe.throttle import Throttle

_INTERVAL = 30.0  # seconds between two reports of the same fault, as in the log of a stream


class FrameFormats:
    """Reads the audio format of each frame.

    Args:
        clock: A steady clock, in seconds.

    Attributes:
        error: Why the newest frame cannot be used, or None if the reason was reported before.
            Each reason is reported once in `_INTERVAL`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.error: str | None = None
        self._clock = clock
        self._last: AudioFormat | None = None
        self._throttle = Throttle(1, _INTERVAL)

    def read(self, frame: InputAudioRawFrame) -> AudioFormat | None:
        """Return the format of a frame, 16-bit; None if there is no such format."""
        last = self._last
        if (
            last is None
            or frame.sample_rate != last.sample_rate
            or frame.num_channels != last.channels
        ):
            try:
                last = self._last = AudioFormat("linear16", frame.sample_rate, frame.num_channels)
            except AudioFormatError as error:
                is_due = self._throttle.allow(str(error), self._clock()) is not None
                self.error = f"audio frames are left out: {error}" if is_due else None
                return None
        return last


class MonoAudio:
    """Audio of changing formats as 16-bit mono at one rate.

    Args:
        sample_rate: Hz of what comes out.

    Raises:
        AudioFormatError: The rate is not supported.
    """

    def __init__(self, sample_rate: int) -> None:
        self._target = AudioFormat("linear16", sample_rate)
        self._converter = FrameConverter(self._target, self._target)

    def take(self, audio: bytes, source: AudioFormat) -> bytes:
        """Convert the audio of a frame.

        If the format has changed, the result begins with the audio that the former converter
        still held.

        Args:
            audio: The bytes of the frame.
            source: The format of these bytes.
        """
        tail = b""
        if source != self._converter.source:
            tail = self.flush()
            self._converter = FrameConverter(source, self._target)
        return tail + self._converter.convert(audio)

    def flush(self) -> bytes:
        """Return the few milliseconds that the converter holds for the next frame."""
        return self._converter.flush()
