"""Reads the format of each audio frame, and converts frames to mono at one rate."""

from __future__ import annotations

from pipecat.frames.frames import InputAudioRawFrame

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat, AudioFormatError

# Good frames since the last bad one after which a bad frame is reported again: one second of 20 ms
# frames. With fewer, a source that alternates between both kinds is reported many times a second.
_CALM = 50


class FrameFormats:
    """Reads the audio format of each frame.

    Attributes:
        error: Why the newest frame cannot be used, or None if the reason was reported before.
            Bad frames are reported once, and again after `_CALM` good frames.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._last: AudioFormat | None = None
        self._good = _CALM

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
                self.error = None if self._good < _CALM else f"audio frames are left out: {error}"
                self._good = 0
                return None
        self._good += 1
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
