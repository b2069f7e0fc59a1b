from __future__ import annotations

import asyncio

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recognizers.scripted import (
    MAX_WORDS,
    ScriptedDecoder,
    ScriptedRecognizer,
    silence,
    speak,
    spell,
    unspell,
)

pytestmark = pytest.mark.unit

RATES = (8000, 16_000, 22_050, 24_000, 44_100, 48_000)


def decode(
    pcm: NDArray[np.int16], rate: int = 16_000, packet: int = 320, word_seconds: float = 0.24
) -> list[RecognizedWord]:
    async def run() -> list[RecognizedWord]:
        decoder = ScriptedDecoder(rate, word_seconds=word_seconds)
        for start in range(0, len(pcm), packet):
            await decoder.feed(pcm[start : start + packet])
        return list(await decoder.finish_segment())

    return asyncio.run(run())


def numbers(words: list[RecognizedWord]) -> list[int]:
    return [unspell(word.text) for word in words]


def companded(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Through mu-law's curve and back, with its eight bits."""
    x = pcm / 32768.0
    y = np.round(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256) * 127) / 127
    back = np.sign(y) * (256 ** np.abs(y) - 1) / 255
    return np.asarray(back * 32767, np.int16)


@pytest.mark.parametrize("rate", RATES)
def test_every_word_is_heard_once_at_its_place(rate: int) -> None:
    said = [3, 3, 3, 70_000, 0, MAX_WORDS - 1, 12]
    pcm = speak(said, rate, lead_seconds=0.1, tail_seconds=0.3)
    words = decode(pcm, rate, packet=rate // 50)
    assert numbers(words) == said
    for index, word in enumerate(words):
        assert word.start == pytest.approx(0.1 + 0.24 * index, abs=0.001)
        assert word.end == pytest.approx(0.1 + 0.24 * (index + 1), abs=0.001)
        assert word.confidence > 0.9


@given(
    said=st.lists(st.integers(0, MAX_WORDS - 1), max_size=6),
    packet=st.integers(1, 9000),
    lead=st.integers(0, 5000),
    gap=st.floats(0, 0.3),
    rate=st.sampled_from((8000, 16_000)),
)
def test_packets_offsets_and_gaps_change_nothing(
    said: list[int], packet: int, lead: int, gap: float, rate: int
) -> None:
    pcm = speak(said, rate, gap_seconds=gap, lead_seconds=lead / rate)
    packet = max(packet, len(pcm) // 200 + 1)
    assert numbers(decode(pcm, rate, packet)) == said


@given(cut=st.integers(0, 4 * 3840))
def test_a_word_cut_by_the_start_is_heard_only_if_nearly_whole(cut: int) -> None:
    words = decode(speak([5, 6, 7, 8])[cut:])
    first_whole = -(-cut // 3840)
    lost = cut % 3840
    expected = [5, 6, 7, 8][first_whole:]
    got = numbers(words)
    if 0 < lost <= 0.04 * 3840:
        expected = [5, 6, 7, 8][first_whole - 1 :]
    elif 0 < lost <= 0.06 * 3840:
        got = got[-len(expected) :] if expected else []
    assert got == expected


@given(kept=st.integers(0, 4 * 3840))
def test_a_word_cut_by_the_end_is_heard_only_if_nearly_whole(kept: int) -> None:
    got = numbers(decode(speak([5, 6, 7, 8])[:kept]))
    whole, rest = divmod(kept, 3840)
    if rest >= 0.96 * 3840:
        assert got == [5, 6, 7, 8][: whole + 1]
    elif rest <= 0.94 * 3840:
        assert got == [5, 6, 7, 8][:whole]


def test_a_hole_in_a_word_takes_that_word_only() -> None:
    pcm = speak([1, 2, 3])
    holed = np.concatenate((pcm[: 3840 + 1500], pcm[3840 + 2100 :]))
    assert numbers(decode(holed)) == [1, 3]
    zeroed = pcm.copy()
    zeroed[3840 + 1500 : 3840 + 2100] = 0
    assert numbers(decode(zeroed)) == [1, 3]


def test_audio_sent_twice_is_heard_twice() -> None:
    pcm = speak([1, 2, 3])
    assert numbers(decode(np.concatenate((pcm[:7680], pcm[3840:])))) == [1, 2, 2, 3]
    # From mid-word back to its beginning: the first, broken part is no word.
    assert numbers(decode(np.concatenate((pcm[:5800], pcm[3840:])))) == [1, 2, 3]


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_mu_law_and_resampling_do_no_harm(rate: int) -> None:
    said = list(range(100, 130))
    assert numbers(decode(companded(speak(said, rate)), rate, rate // 50)) == said
    resampled = soxr.resample(speak(said, 24_000, tail_seconds=0.1), 24_000, rate)
    words = decode(resampled, rate, rate // 50)
    assert numbers(words) == said
    assert words[-1].end == pytest.approx(0.24 * 30, abs=0.002)


def test_faint_speech_in_noise_is_understood() -> None:
    random = np.random.default_rng(7)
    pcm = (speak(range(20)) * 0.2 + random.normal(0, 200, 20 * 3840)).astype(np.int16)
    assert numbers(decode(pcm)) == list(range(20))


def test_noise_and_silence_hold_no_words() -> None:
    random = np.random.default_rng(3)
    assert decode(random.integers(-20_000, 20_000, 160_000).astype(np.int16)) == []
    assert decode(silence(5.0)) == []


async def test_words_come_with_their_last_sample_and_segments_cut_none() -> None:
    pcm = speak([1, 2, 3])
    decoder = ScriptedDecoder(16_000)
    assert await decoder.feed(pcm[:3400]) is None
    interim = await decoder.feed(pcm[3400:3900])
    assert interim is not None
    assert numbers(list(interim)) == [1]
    # The end of the segment lies within the second word.
    assert numbers(list(await decoder.finish_segment())) == [1]
    await decoder.feed(pcm[3900:])
    rest = list(await decoder.finish_segment())
    assert numbers(rest) == [2, 3]
    assert rest[0].start == pytest.approx(0.24, abs=0.001)
    assert await decoder.finish_segment() == ()


async def test_a_word_finished_early_is_not_said_again() -> None:
    pcm = speak([1, 2])
    decoder = ScriptedDecoder(16_000)
    await decoder.feed(pcm[:3760])
    first = await decoder.finish_segment()
    await decoder.feed(pcm[3760:])
    assert numbers(list(first)) == [1]
    assert numbers(list(await decoder.finish_segment())) == [2]


async def test_the_buffer_stays_small() -> None:
    decoder = ScriptedDecoder(16_000)
    for _ in range(50):
        await decoder.feed(silence(1.0))
    assert len(decoder._audio) < 16_000


@given(number=st.integers(0, MAX_WORDS - 1))
def test_spelling_is_reversible(number: int) -> None:
    assert unspell(spell(number)) == number


@pytest.mark.parametrize("word", ["", "ba", "xyz", "babab", "hello", "zuzuzuzuzu"])
def test_other_words_are_not_spellings(word: str) -> None:
    with pytest.raises(ValueError, match="spell"):
        unspell(word)


def test_words_may_be_given_as_text_and_lengthened() -> None:
    said = [spell(4), spell(9)]
    for seconds in (0.12, 0.3, 0.5):
        pcm = speak(said, word_seconds=seconds)
        assert numbers(decode(pcm, word_seconds=seconds)) == [4, 9]


def test_speech_is_loud_and_its_end_is_silent() -> None:
    pcm = speak([1], tail_seconds=0.5)
    assert np.abs(pcm).max() >= 0.3 * 32767
    assert not pcm[3840:].any()


async def test_the_recognizer_names_its_words_and_refuses_what_it_cannot() -> None:
    recognizer = ScriptedRecognizer(["hello", "world"])
    decoder = await recognizer.open(sample_rate=8000, language="en", keywords={})
    await decoder.feed(speak([0, 1, 2], 8000))
    assert [word.text for word in await decoder.finish_segment()] == ["hello", "world", spell(2)]
    await decoder.close()
    with pytest.raises(ConfigurationError, match="11025"):
        await recognizer.open(sample_rate=11_025, language="en", keywords={})
    with pytest.raises(ConfigurationError, match="tlh"):
        await recognizer.open(sample_rate=8000, language="tlh", keywords={})
    await recognizer.close()
