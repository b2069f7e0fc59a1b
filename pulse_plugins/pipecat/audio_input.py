"""Audio as it comes in frame by frame, whatever its rate and channels."""

from __future__ import annotations

from pipecat.frames.frames import InputAudioRawFrame

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat, AudioFormatError

_CALM = 50  # good frames in a row, mostly a second of them, after which a bad one is news again


class FrameFormats:
    """What each frame says that it holds.

    Attributes:
        error: Why the newest frame holds no audio that can be sent, where that is news: bad
            frames are reported once until good ones came again.
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
        AudioFormatError: Such a rate cannot be.
    """

    def __init__(self, sample_rate: int) -> None:
        self._target = AudioFormat("linear16", sample_rate)
        self._converter = FrameConverter(self._target, self._target)

    def take(self, audio: bytes, source: AudioFormat) -> bytes:
        """Convert what a frame holds; where the format changes, the former one's end comes too.

        Args:
            audio: The frame's bytes.
            source: What they are.
        """
        tail = b""
        if source != self._converter.source:
            tail = self.flush()
            self._converter = FrameConverter(source, self._target)
        return tail + self._converter.convert(audio)

    def flush(self) -> bytes:
        """The few milliseconds that wait for the next frame; none is missing or doubled later."""
        return self._converter.flush()
