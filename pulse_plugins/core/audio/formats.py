"""Audio formats: their sizes, their samples as numbers, and their loudness.

Sources: ITU-T G.711 for mu-law and A-law; docs/protocol.md, section 3, for the encodings of the
service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.core.audio.resampler import Samples
from pulse_plugins.core.base.errors import ConfigurationError

Encoding = Literal["linear16", "linear32", "float32", "mulaw", "alaw"]
Bytes = bytes | bytearray | memoryview

SAMPLE_BYTES: dict[str, int] = {"linear16": 2, "linear32": 4, "float32": 4, "mulaw": 1, "alaw": 1}
_MAX_RATE = 384_000
_MAX_CHANNELS = 64
_PIECE = 50  # frames whose loudness is computed at once


class AudioFormatError(ConfigurationError):
    """The audio format does not exist, or cannot be converted."""

    default_code = "audio_format"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of audio without a container.

    Attributes:
        encoding: Little-endian `linear16` and `linear32` (signed integers), `float32` (-1 to 1), or
            `mulaw` and `alaw` of G.711.
        sample_rate: Hz, 1000 to 384,000.
        channels: The number of channels, 1 to 64; their samples are interleaved.

    Raises:
        AudioFormatError: One of the three is out of range.
    """

    encoding: Encoding
    sample_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        """Check all three."""
        if self.encoding not in SAMPLE_BYTES:
            raise AudioFormatError(
                f"encoding={self.encoding!r} is no PCM encoding: use one of "
                f"{', '.join(get_args(Encoding))}"
            )
        if not isinstance(self.sample_rate, int) or not 1000 <= self.sample_rate <= _MAX_RATE:
            raise AudioFormatError(f"sample_rate={self.sample_rate!r}: 1000 to {_MAX_RATE} Hz")
        if not isinstance(self.channels, int) or not 1 <= self.channels <= _MAX_CHANNELS:
            raise AudioFormatError(f"channels={self.channels!r}: 1 to {_MAX_CHANNELS}")

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES[self.encoding] * self.channels

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of every channel."""
        return self.bytes_per_frame * self.sample_rate


def decode(data: Bytes, encoding: str) -> Samples:
    """Read whole samples as float64 in the range of int16: +-32768 is full scale.

    All samples are multiples of 1/65536, so sums of them are exact. Float samples beyond +-1 are
    clipped, and a sample that is not a number becomes silence.

    Raises:
        AudioFormatError: The encoding is unknown.
    """
    match encoding:
        case "linear16":
            return np.frombuffer(data, "<i2").astype(np.float64)
        case "linear32":
            return np.frombuffer(data, "<i4") * (1 / 65536)
        case "float32":
            samples = np.clip(np.frombuffer(data, "<f4"), -1, 1).astype(np.float64)
            samples[np.isnan(samples)] = 0
            grid: Samples = np.rint(samples * 2**31)
            return grid * (1 / 65536)
        case "mulaw":
            return _MULAW_SAMPLES[np.frombuffer(data, np.uint8)]
        case "alaw":
            return _ALAW_SAMPLES[np.frombuffer(data, np.uint8)]
        case _:
            raise AudioFormatError(f"encoding={encoding!r} is no PCM encoding")


def encode(samples: Samples, encoding: str) -> bytes:
    """Write samples in the range of int16, rounded to the nearest value and clipped.

    Raises:
        AudioFormatError: The encoding is unknown.
    """
    match encoding:
        case "linear32":
            scaled = np.rint(samples * 65536)
            return np.clip(scaled, -(2**31), 2**31 - 1).astype("<i4").tobytes()
        case "float32":
            return np.clip(samples * (1 / 32768), -1, 1).astype("<f4").tobytes()
    rounded = np.rint(samples)
    np.minimum(rounded, 32767, out=rounded)
    np.maximum(rounded, -32768, out=rounded)
    integers = rounded.astype("<i2")
    match encoding:
        case "linear16":
            return integers.tobytes()
        case "mulaw":
            return _MULAW_CODES[integers.view(np.uint16)].tobytes()
        case "alaw":
            return _ALAW_CODES[integers.view(np.uint16)].tobytes()
        case _:
            raise AudioFormatError(f"encoding={encoding!r} is no PCM encoding")


def loudness(data: Bytes, encoding: str) -> float:
    """The root mean square of samples, 0 (silence, or no audio) to 1 (full scale).

    Args:
        data: Mono audio; a partial last sample is ignored.
        encoding: One of `AudioFormat`'s.
    """
    size = SAMPLE_BYTES.get(encoding, 1)
    samples = _rough(data[: len(data) - len(data) % size], encoding)
    if not samples.size:
        return 0.0
    return math.sqrt(float(samples.dot(samples)) / samples.size) / 32768


def frame_loudness(data: Bytes, encoding: str, frame_bytes: int) -> NDArray[np.float32]:
    """The root mean square, 0 to 1, of each consecutive frame of mono audio.

    Args:
        data: Samples; a partial last frame is ignored.
        encoding: One of `AudioFormat`'s.
        frame_bytes: Bytes of a frame, which is whole samples.

    Raises:
        AudioFormatError: The encoding is unknown.
    """
    if encoding not in SAMPLE_BYTES:
        raise AudioFormatError(f"encoding={encoding!r} is no PCM encoding")
    count = len(data) // frame_bytes if frame_bytes else 0
    means = np.empty(count, np.float32)
    # In pieces: a minute of audio as float32 would need megabytes of new memory at once.
    for first in range(0, count, _PIECE):
        behind = min(first + _PIECE, count)
        piece = _rough(data[first * frame_bytes : behind * frame_bytes], encoding)
        samples = piece.reshape(behind - first, -1)
        means[first:behind] = np.einsum("ij,ij->i", samples, samples)
    scale = np.float32(SAMPLE_BYTES[encoding] / frame_bytes / 32768**2) if count else 1.0
    found: NDArray[np.float32] = np.sqrt(means * scale)
    return found


def _rough(data: Bytes, encoding: str) -> NDArray[np.float32]:
    """The samples of `decode` in single precision, which is enough for their loudness."""
    if encoding == "linear16":
        return np.frombuffer(data, "<i2").astype(np.float32)
    return decode(data, encoding).astype(np.float32)


def silence(encoding: str, sample_rate: int, seconds: float) -> bytes:
    """Digital silence in a PCM encoding, in whole samples.

    Args:
        encoding: One of `AudioFormat`'s; mono.
        sample_rate: Hz.
        seconds: The length.

    Raises:
        AudioFormatError: The encoding is unknown.
    """
    if encoding not in SAMPLE_BYTES:
        raise AudioFormatError(f"encoding={encoding!r} is no PCM encoding: it has no silence")
    octet = {"mulaw": b"\xff", "alaw": b"\xd5"}.get(encoding, b"\x00")
    return octet * (round(sample_rate * seconds) * SAMPLE_BYTES[encoding])


def _mulaw_samples() -> Samples:
    """The sample of every mu-law code (G.711, table 2), scaled from 14 to 16 bits.

    An inverted code consists of a sign, a segment and a step.
    """
    code = ~np.arange(256, dtype=np.uint8) & 0xFF
    segment, step = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = (((2 * step + 33) << segment) - 33) * 4
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float64)


def _mulaw_codes() -> NDArray[np.uint8]:
    """The mu-law code of every int16, indexed by its bits as uint16."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = sample < 0
    magnitude = np.minimum((np.where(negative, ~sample, sample) >> 2) + 33, 0x1FFF)
    segment = _bit_length(magnitude) - 6
    step = (magnitude >> (segment + 1)) & 15
    codes: NDArray[np.int32] = ~(np.where(negative, 0x80, 0) | segment << 4 | step) & 0xFF
    return codes.astype(np.uint8)


def _alaw_samples() -> Samples:
    """The sample of every A-law code (G.711, table 1), scaled from 13 to 16 bits.

    Every other bit of a code is inverted.
    """
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (code >> 4) & 7, (code & 15).astype(np.int32)
    linear = (2 * step + 1) * 8
    magnitude = np.where(segment == 0, linear, (linear + 256) << np.maximum(segment, 1) - 1)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float64)


def _alaw_codes() -> NDArray[np.uint8]:
    """The A-law code of every int16, indexed by its bits as uint16."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = sample < 0
    magnitude = np.where(negative, ~sample, sample) >> 4
    segment = np.maximum(_bit_length(magnitude) - 4, 0)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 15
    codes: NDArray[np.int32] = (np.where(negative, 0, 0x80) | segment << 4 | step) ^ 0x55
    return codes.astype(np.uint8)


def _bit_length(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.frexp(values)[1].astype(np.int32)


_MULAW_SAMPLES = _mulaw_samples()
_MULAW_CODES = _mulaw_codes()
_ALAW_SAMPLES = _alaw_samples()
_ALAW_CODES = _alaw_codes()
