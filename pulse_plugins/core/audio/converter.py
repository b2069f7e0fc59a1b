"""Converts a stream of audio frames to one encoding, sampling rate and channel, without seams."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.audio.formats import (
    SAMPLE_BYTES,
    AudioFormat,
    AudioFormatError,
    Bytes,
    decode,
    encode,
)
from pulse_plugins.core.audio.resampler import Resampler


class FrameConverter:
    """Converts a stream of audio frame by frame. The result does not depend on how it is cut.

    Several channels are averaged into one. If the formats are equal, `bytes` are returned without a
    copy. If the sampling rates are equal, only the bytes of a partial sample are held back.

    Args:
        source: The format of the input.
        target: The format of the output: one channel, or the format of the input.

    Attributes:
        is_identity: Whether the formats are equal.

    Raises:
        AudioFormatError: The target has several channels and is not the source's format.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        if target.channels != 1 and target != source:
            raise AudioFormatError(
                f"cannot convert {source.channels} channels to {target.channels}: the target is "
                "mono"
            )
        self.source = source
        self.target = target
        self._frame_bytes = source.bytes_per_frame
        self._partial = b""
        self.is_identity = source == target
        self._resampler = (
            None
            if source.sample_rate == target.sample_rate
            else Resampler(source.sample_rate, target.sample_rate)
        )
        # A sample of at most 16 bits has at most 65,536 values, so its conversion is a table.
        self._codes = _code_type(source.encoding)
        self._table = (
            _table(source.encoding, target.encoding)
            if self._resampler is None and source.channels == 1 and self._codes is not None
            else None
        )
        # The resampler needs multiples of 1/256, and these samples can be finer.
        self._off_grid = source.encoding in ("linear32", "float32") or (
            source.channels & (source.channels - 1) != 0
        )

    @property
    def delay(self) -> float:
        """Seconds of audio that are held back at most, until the next frame or `flush`."""
        return self._resampler.delay if self._resampler else 0.0

    def convert(self, data: Bytes) -> bytes:
        """Convert a frame. The bytes of a partial last sample wait for the next call.

        Returns:
            Whole samples in the target format, possibly none.
        """
        size = self._frame_bytes
        if self._partial or len(data) % size or not isinstance(data, bytes):
            data = self._partial + bytes(data)
            whole = len(data) - len(data) % size
            self._partial = data[whole:]
            data = data[:whole]
        if self.is_identity or not data:
            return data
        if self._table is not None:
            found: NDArray[np.unsignedinteger[Any]] = self._table[np.frombuffer(data, self._codes)]
            return found.tobytes()
        samples = decode(data, self.source.encoding)
        if self.source.channels > 1:
            channels = self.source.channels
            samples = (samples.reshape(-1, channels) @ np.ones(channels)) * (1 / channels)
        if self._resampler is None:
            return encode(samples, self.target.encoding)
        if self._off_grid:
            samples = np.rint(samples * 256) / 256
        return encode(self._resampler.convert(samples), self.target.encoding)

    def flush(self) -> bytes:
        """Return the audio that is held back, as if silence followed. Call it before a finalize.

        Later audio is converted as if nothing had been flushed: no sample is missing or doubled.
        Only the returned tail, which is shorter than `delay`, differs from what it would have been
        without the flush. The bytes of a partial sample keep waiting.
        """
        if self._resampler is None:
            return b""
        return encode(self._resampler.flush(), self.target.encoding)


def _code_type(encoding: str) -> str | None:
    """The NumPy type of the bits of a sample, if it has at most 16 bits."""
    return {"linear16": "<u2", "mulaw": "u1", "alaw": "u1"}.get(encoding)


@cache
def _table(source: str, target: str) -> NDArray[np.unsignedinteger[Any]]:
    """Every sample of one encoding in another encoding, indexed by its bits."""
    codes = _code_type(source)
    every = np.arange(1 << 8 * np.dtype(codes).itemsize).astype(codes)
    size = SAMPLE_BYTES[target]
    return np.frombuffer(encode(decode(every.tobytes(), source), target), f"<u{size}")
