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
    """Converts a stream of audio frame by frame; however it is cut, the bytes are the same.

    Several channels are averaged into one. Where the formats are equal nothing is held back and
    `bytes` pass uncopied; at equal rates nothing is held back but half a sample's bytes.

    Args:
        source: What `convert` takes.
        target: What it returns: one channel, or the source's own format.

    Attributes:
        is_identity: The formats are equal.

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
        # A sample of few bits has few values: what becomes of each is looked up.
        self._codes = _code_type(source.encoding)
        self._table = (
            _table(source.encoding, target.encoding)
            if self._resampler is None and source.channels == 1 and self._codes is not None
            else None
        )
        # Samples finer than the resampler's grid of 1/256 are put on it.
        self._off_grid = source.encoding in ("linear32", "float32") or (
            source.channels & (source.channels - 1) != 0
        )

    @property
    def delay(self) -> float:
        """Seconds of audio held back at most, until the next frame or `flush`."""
        return self._resampler.delay if self._resampler else 0.0

    def convert(self, data: Bytes) -> bytes:
        """Convert what has come; bytes of a last, partial sample wait for the next call.

        Returns:
            Whole samples in the target's format, perhaps none.
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
        """Return all that is held back, as though silence followed; call it before a finalize.

        The position in the stream stays: audio that comes later is converted as if nothing had
        been flushed, and no sample is missing or doubled. What an unflushed stream would have
        said differently is only the returned tail, shorter than `delay`. The bytes of a partial
        sample are no audio yet and wait on.
        """
        if self._resampler is None:
            return b""
        return encode(self._resampler.flush(), self.target.encoding)


def _code_type(encoding: str) -> str | None:
    """The type of a sample's bits, where there are at most 65536 of them."""
    return {"linear16": "<u2", "mulaw": "u1", "alaw": "u1"}.get(encoding)


@cache
def _table(source: str, target: str) -> NDArray[np.unsignedinteger[Any]]:
    """What every sample of one encoding is in another, by its bits."""
    codes = _code_type(source)
    every = np.arange(1 << 8 * np.dtype(codes).itemsize).astype(codes)
    size = SAMPLE_BYTES[target]
    return np.frombuffer(encode(decode(every.tobytes(), source), target), f"<u{size}")
