"""The codecs of G.711 by the tables of the recommendation, and sizes and loudness of audio."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.core.audio.formats import (
    SAMPLE_BYTES,
    AudioFormat,
    AudioFormatError,
    Encoding,
    encode,
    frame_loudness,
    loudness,
    silence,
)
from pulse_plugins.core.base.errors import ConfigurationError
from tests.support.audio import ENCODINGS, convert, pcm

LAWS: list[Encoding] = ["mulaw", "alaw"]
ALL_CODES = bytes(range(256))
EVERY_INT16 = np.arange(-32768, 32768, dtype="<i2")


# G.711, written from the recommendation's tables of decision values: each segment is a number of
# equal intervals, an output lies in the middle of its interval, and the code counts them.


def itu_levels(law: Encoding) -> tuple[list[float], list[float]]:
    """Lower edges and outputs of the positive intervals, in units of int16."""
    if law == "mulaw":  # tables 2a and 2b: 14 bits
        steps = [1.0] + [2.0] * 15 + [4.0 * 2**segment for segment in range(7) for _ in range(16)]
        unit = 4
    else:  # tables 1a and 1b: 13 bits
        steps = [2.0] * 32 + [4.0 * 2**segment for segment in range(6) for _ in range(16)]
        unit = 8
    edges = [0.0]
    for step in steps:
        edges.append(edges[-1] + step)
    outputs = [(low + high) / 2 for low, high in pairwise(edges)]
    if law == "mulaw":
        outputs[0] = 0.0  # the first interval straddles zero
    return [edge * unit for edge in edges[:-1]], [output * unit for output in outputs]


def itu_code(law: Encoding, interval: int, negative: bool) -> int:
    if law == "mulaw":
        return (0x7F if negative else 0xFF) - interval
    return ((0x00 if negative else 0x80) | interval) ^ 0x55


@pytest.mark.parametrize("law", LAWS)
def test_all_codes_decode_as_in_the_itu_tables(law: Encoding) -> None:
    decoded = convert(ALL_CODES, AudioFormat(law, 8000), AudioFormat("linear16", 8000))
    samples = np.frombuffer(decoded, "<i2")
    _, outputs = itu_levels(law)
    assert len(outputs) == 128
    for interval, output in enumerate(outputs):
        assert samples[itu_code(law, interval, negative=False)] == output
        assert samples[itu_code(law, interval, negative=True)] == -output


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_encodes_into_its_interval_of_the_itu_tables(law: Encoding) -> None:
    encoded = convert(EVERY_INT16.tobytes(), AudioFormat("linear16", 8000), AudioFormat(law, 8000))
    edges, _ = itu_levels(law)
    levels = np.abs(EVERY_INT16.astype(np.int32))
    # On a decision value either neighbour is right: the recommendation leaves it open.
    inside = np.maximum(np.searchsorted(edges, levels, side="right") - 1, 0).tolist()
    below = np.maximum(np.searchsorted(edges, levels, side="left") - 1, 0).tolist()
    for sample, code, *intervals in zip(EVERY_INT16.tolist(), encoded, inside, below, strict=True):
        assert code in {itu_code(law, each, sample < 0) for each in intervals}, sample


@pytest.mark.parametrize("law", LAWS)
def test_decoding_and_encoding_again_gives_the_same_codes(law: Encoding) -> None:
    linear = convert(ALL_CODES, AudioFormat(law, 8000), AudioFormat("linear16", 8000))
    again = convert(linear, AudioFormat("linear16", 8000), AudioFormat(law, 8000))
    expected = ALL_CODES.replace(b"\x7f", b"\xff") if law == "mulaw" else ALL_CODES  # minus zero
    assert again == expected


def test_widths_scale_round_and_clip() -> None:
    floats = np.array([0, 0.5, -1, 1, 7, -7, np.nan, np.inf, 1.6 / 32768], "<f4").tobytes()
    got = convert(floats, AudioFormat("float32", 16000), AudioFormat("linear16", 16000))
    assert got == pcm(0, 16384, -32768, 32767, 32767, -32768, 0, 32767, 2)
    wide = np.array([0, 65536, -(2**31), 2**31 - 1, 100_000], "<i4").tobytes()
    got = convert(wide, AudioFormat("linear32", 16000), AudioFormat("linear16", 16000))
    assert got == pcm(0, 1, -32768, 32767, 2)
    got = convert(pcm(0, 1, -32768), AudioFormat("linear16", 16000), AudioFormat("linear32", 16000))
    assert got == np.array([0, 65536, -(2**31)], "<i4").tobytes()
    got = convert(
        pcm(0, 16384, -32768), AudioFormat("linear16", 16000), AudioFormat("float32", 16000)
    )
    assert got == np.array([0, 0.5, -1], "<f4").tobytes()


@pytest.mark.parametrize(
    ("encoding", "quiet"), [("linear16", b"\0\0"), ("mulaw", b"\xff"), ("alaw", b"\xd5")]
)
def test_silence_is_the_quietest_code(encoding: Encoding, quiet: bytes) -> None:
    assert silence(encoding, 8000, 0.01) == quiet * 80
    assert loudness(silence(encoding, 8000, 0.01), encoding) < 0.0003
    assert silence("linear32", 16000, 0.001) == bytes(64)


def tone(encoding: Encoding, amplitude: float) -> bytes:
    samples = amplitude * np.sin(2 * np.pi * np.arange(800) / 80)
    return convert(
        samples.astype("<f4").tobytes(), AudioFormat("float32", 8000), AudioFormat(encoding, 8000)
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_loudness_is_the_root_mean_square_in_every_encoding(encoding: Encoding) -> None:
    for amplitude in (1.0, 0.1):
        heard = loudness(tone(encoding, amplitude), encoding)
        assert heard == pytest.approx(amplitude / math.sqrt(2), rel=0.02)
    width = SAMPLE_BYTES[encoding]
    both = silence(encoding, 8000, 0.1) + tone(encoding, 0.5) + b"\0" * (width * 799)
    frames: NDArray[np.float32] = frame_loudness(memoryview(both), encoding, 800 * width)
    assert frames.dtype == np.float32
    assert frames.tolist() == pytest.approx([0, 0.5 / math.sqrt(2)], abs=0.01)


def test_loudness_of_nothing_is_nothing() -> None:
    assert loudness(b"", "linear16") == 0
    assert loudness(b"\x01", "linear16") == 0
    assert frame_loudness(bytes(10), "linear16", 0).size == 0
    assert frame_loudness(bytes(9), "linear16", 10).size == 0


def test_formats_count_their_bytes() -> None:
    stereo = AudioFormat("linear16", 48000, 2)
    assert (stereo.bytes_per_frame, stereo.bytes_per_second) == (4, 192_000)
    assert AudioFormat("mulaw", 8000).bytes_per_second == 8000
    assert AudioFormat("linear16", 384_000, 64).bytes_per_frame == 128


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "words"),
    [
        ("opus", 16000, 1, "encoding='opus'"),
        ("linear16", 0, 1, "sample_rate=0"),
        ("linear16", 16000.0, 1, "sample_rate=16000.0"),
        ("linear16", 16000, 0, "channels=0"),
        ("linear16", 384_001, 1, "sample_rate=384001"),
        ("linear16", 16000, 65, "channels=65"),
    ],
)
def test_impossible_formats_are_refused(
    encoding: Encoding, rate: int, channels: int, words: str
) -> None:
    with pytest.raises(AudioFormatError, match=words) as caught:
        AudioFormat(encoding, rate, channels)
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.code == "audio_format"


def test_an_encoding_that_is_not_pcm_is_refused_by_name() -> None:
    with pytest.raises(AudioFormatError, match="opus"):
        silence("opus", 8000, 1)
    with pytest.raises(AudioFormatError, match="opus"):
        loudness(b"ab", "opus")
    with pytest.raises(AudioFormatError, match="opus"):
        frame_loudness(b"ab", "opus", 2)
    with pytest.raises(AudioFormatError, match="opus"):
        encode(np.zeros(1), "opus")
