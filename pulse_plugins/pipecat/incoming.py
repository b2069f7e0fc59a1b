"""What comes in frame by frame, whatever its rate and channels. Nothing here awaits."""

from __future__ import annotations

from pulse_plugins.core.audio import AudioFormat, FrameConverter


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
