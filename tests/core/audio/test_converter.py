"""Converting a stream: the same bytes however it is cut, and nothing lost at a flush."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import SAMPLE_BYTES, AudioFormat, AudioFormatError, Encoding
from tests.support.audio import ENCODINGS, convert, noise, pcm

RATES = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]


def test_several_channels_need_the_format_of_the_source() -> None:
    with pytest.raises(AudioFormatError, match="2 channels to 3"):
        FrameConverter(AudioFormat("linear16", 8000, 2), AudioFormat("linear16", 8000, 3))


def test_channels_are_averaged() -> None:
    stereo = pcm(100, 200, -32768, -32768, 32767, 32767, 3, -3)
    got = convert(stereo, AudioFormat("linear16", 16000, 2), AudioFormat("linear16", 16000))
    assert got == pcm(150, -32768, 32767, 0)
    three = pcm(1, 2, 6, -9, 0, 0)
    got = convert(three, AudioFormat("linear16", 16000, 3), AudioFormat("linear16", 16000))
    assert got == pcm(3, -3)


def test_half_a_sample_waits_for_its_other_half_in_a_table_too() -> None:
    converter = FrameConverter(AudioFormat("linear16", 8000), AudioFormat("mulaw", 8000))
    whole = pcm(100, -200, 3000)
    assert converter.convert(whole[:3]) + converter.convert(whole[3:]) == convert(
        whole, AudioFormat("linear16", 8000), AudioFormat("mulaw", 8000)
    )
    assert len(converter.convert(whole)) == 3


@pytest.mark.parametrize("frames", [1, 7, 50, 333, 1999])
def test_the_mean_of_three_channels_gives_the_same_bits_however_it_is_cut(frames: int) -> None:
    """Thirds are finer than the samples of which a resampler adds up many without rounding."""
    source, target = AudioFormat("linear16", 8000, 3), AudioFormat("linear32", 16_000)
    audio = noise(source, 3000)
    converter = FrameConverter(source, target)
    cut = frames * source.bytes_per_frame
    pieces = [converter.convert(audio[at : at + cut]) for at in range(0, len(audio), cut)]
    assert b"".join(pieces) + converter.flush() == convert(audio, source, target)


def test_equal_formats_pass_the_same_object() -> None:
    for channels in (1, 2):
        same = AudioFormat("linear16", 16000, channels)
        converter = FrameConverter(same, same)
        frame = bytes(640)
        assert converter.convert(frame) is frame
        assert converter.flush() == b""
        assert converter.delay == 0


@given(source=st.sampled_from(ENCODINGS), target=st.sampled_from(ENCODINGS))
def test_equal_rates_hold_nothing_back(source: Encoding, target: Encoding) -> None:
    converter = FrameConverter(AudioFormat(source, 8000), AudioFormat(target, 8000))
    got = converter.convert(noise(converter.source, 160))
    assert len(got) == 160 * SAMPLE_BYTES[target]
    assert converter.delay == 0


@pytest.mark.parametrize("rate", RATES)
def test_the_delay_is_at_most_ten_milliseconds_and_is_what_is_held_back(rate: int) -> None:
    for other in {8000, 16000, 24000, 48000} - {rate}:
        converter = FrameConverter(AudioFormat("linear16", rate), AudioFormat("linear16", other))
        assert converter.delay <= 0.010
        given_seconds = got_seconds = 0.0
        for _ in range(50):
            got = converter.convert(bytes(rate // 50 * 2))
            given_seconds += rate // 50 / rate
            got_seconds += len(got) / 2 / other
            assert -1 / other < given_seconds - got_seconds <= converter.delay + 1 / other


formats = st.builds(
    AudioFormat, st.sampled_from(ENCODINGS), st.sampled_from(RATES), st.sampled_from([1, 2, 3])
)


@given(
    source=formats,
    encoding=st.sampled_from(ENCODINGS),
    rate=st.sampled_from(RATES),
    frames=st.integers(0, 3000),
    data=st.data(),
)
def test_any_chunking_gives_the_same_bits_and_no_tail_is_dropped(
    source: AudioFormat, encoding: Encoding, rate: int, frames: int, data: st.DataObject
) -> None:
    target = AudioFormat(encoding, rate)
    audio = noise(source, frames)
    whole = convert(audio, source, target)
    assert len(whole) == math.ceil(frames * rate / source.sample_rate) * target.bytes_per_frame
    cuts = data.draw(st.lists(st.integers(0, len(audio)), max_size=20))
    kinds = st.sampled_from([bytes, bytearray, memoryview])
    converter = FrameConverter(source, target)
    got = b"".join(
        converter.convert(data.draw(kinds)(audio[start:end]))
        for start, end in pairwise([0, *sorted(cuts), len(audio)])
    )
    assert got + converter.flush() == whole


@given(
    source=st.sampled_from(RATES),
    target=st.sampled_from(RATES),
    flushes=st.lists(st.integers(1, 2000), min_size=1, max_size=6),
)
def test_a_flush_loses_nothing_and_leaves_no_mark_on_what_follows(
    source: int, target: int, flushes: list[int]
) -> None:
    """Only the flushed tails, shorter than the delay, may differ from the unflushed stream."""
    source_format, target_format = AudioFormat("linear16", source), AudioFormat("linear16", target)
    audio = noise(source_format, 2500)
    whole = np.frombuffer(convert(audio, source_format, target_format), "<i2")
    converter = FrameConverter(source_format, target_format)
    got = b""
    for start, end in pairwise([0, *sorted(flushes), 2500]):
        got += converter.convert(audio[2 * start : 2 * end])
        assert len(got) // 2 <= math.ceil(end * target / source)
        tail = np.frombuffer(converter.flush(), "<i2")
        assert len(tail) <= math.ceil(converter.delay * target) + 1
        at = len(got) // 2
        before = np.frombuffer(got, "<i2")
        unflushed = [0, *sorted(flushes)]
        held = [math.ceil((each / source - converter.delay) * target) - 2 for each in unflushed]
        done = [math.ceil(each * target / source) for each in unflushed]
        touched = np.zeros(at, bool)
        for low, high in zip(held[1:], done[1:], strict=True):
            touched[max(low, 0) : max(high, 0)] = True
        np.testing.assert_array_equal(before[~touched], whole[:at][~touched])
        got += tail.tobytes()
        assert len(got) // 2 == math.ceil(end * target / source)
        assert converter.flush() == b""


def test_half_a_sample_waits_across_a_flush() -> None:
    converter = FrameConverter(AudioFormat("linear16", 8000), AudioFormat("mulaw", 8000))
    first = converter.convert(b"\x00\x00\x34") + converter.flush()
    assert (first, converter.convert(b"\x12")) == (
        b"\xff",
        convert(b"\x34\x12", AudioFormat("linear16", 8000), AudioFormat("mulaw", 8000)),
    )
