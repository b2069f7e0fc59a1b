"""The real recognizer on real audio, as the server feeds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import pytest_asyncio

from pulse_plugins.core.base.errors import ConfigurationError, ServerError
from pulse_plugins.local import recordings
from pulse_plugins.local.recognizers.contract import Decoder, RecognizedWord, Recognizer
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from pulse_plugins.local.recognizers.scoring import WordErrors, word_errors
from pulse_plugins.local.recognizers.vad import SpeechDetector
from pulse_plugins.local.recordings import Recording
from tests.support.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

GRAMMAR = """#JSGF V1.0;
grammar start;
public <call> = hello i would like to book a table for (two | four) people on friday evening;
"""


@dataclass
class Heard:
    segments: list[list[RecognizedWord]] = field(default_factory=list)
    interims: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[RecognizedWord]:
        return [word for segment in self.segments for word in segment]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


async def play(decoder: Decoder, call: Recording) -> Heard:
    """Feed a call in chunks of 100 ms, with a segment for each stretch of speech."""
    heard, detector = Heard(), SpeechDetector(call.sample_rate)
    step = call.sample_rate // 10
    for at in range(0, len(call.samples), step):
        chunk = call.samples[at : at + step]
        interim = await decoder.feed(chunk)
        if interim is not None:
            heard.interims.append(" ".join(word.text for word in interim))
        if any(edge.kind == "speech_ended" for edge in detector.feed(chunk)):
            heard.segments.append(list(await decoder.finish_segment()))
    heard.segments.append(list(await decoder.finish_segment()))
    return heard


async def hear(recognizer: Recognizer, call: Recording, **keywords: float) -> Heard:
    decoder = await recognizer.open(sample_rate=call.sample_rate, language="en", keywords=keywords)
    try:
        return await play(decoder, call)
    finally:
        await decoder.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bookings() -> AsyncIterator[PocketSphinxRecognizer]:
    """One for all tests that do not close it: each decoder loads its model once."""
    recognizer = PocketSphinxRecognizer("bookings", decoders=2)
    yield recognizer
    await recognizer.close()


@pytest.mark.parametrize(
    ("model", "rate", "limit"),
    [(None, 16_000, 0.10), ("bookings", 16_000, 0.03), ("bookings", 8_000, 0.05)],
)
async def test_the_shipped_calls_are_understood(
    model: str | None, rate: Literal[8000, 16000], limit: float
) -> None:
    recognizer = PocketSphinxRecognizer(model)
    try:
        total = WordErrors(errors=0, words=0)
        for name in recordings.names():
            call = recordings.load(name, rate)
            heard = await hear(recognizer, call)
            total += word_errors(call.text, heard.text)
        assert total.words > 60
        assert total.rate < limit
    finally:
        await recognizer.close()


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_words_lie_in_their_turns_in_order(
    bookings: PocketSphinxRecognizer, rate: Literal[8000, 16000]
) -> None:
    call = recordings.load("booking", rate)
    heard = await hear(bookings, call)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times)
    first, second = call.turns
    said_first = [word for word in heard.words if word.end < second.start]
    assert said_first[0].start == pytest.approx(first.start, abs=0.15)
    assert said_first[-1].end == pytest.approx(first.end, abs=0.25)
    assert heard.words[-1].end == pytest.approx(second.end, abs=0.25)
    assert all(0.0 <= word.confidence <= 1.0 for word in heard.words)
    assert np.median([word.confidence for word in heard.words]) > 0.8
    assert not any(set("<>[]()") & set(word.text) for word in heard.words)


async def test_interims_grow_while_speech_arrives(bookings: PocketSphinxRecognizer) -> None:
    heard = await hear(bookings, recordings.load("booking"))
    assert len(heard.interims) > 10
    assert any(interim.startswith("hello i would like") for interim in heard.interims)


async def test_silence_says_nothing(bookings: PocketSphinxRecognizer) -> None:
    decoder = await bookings.open(sample_rate=16_000, language="en")
    assert await decoder.feed(np.zeros(5 * 16_000, np.int16)) is None
    assert await decoder.finish_segment() == ()
    assert await decoder.finish_segment() == ()
    await decoder.close()


async def test_a_used_decoder_is_as_new_for_the_next_call(
    bookings: PocketSphinxRecognizer,
) -> None:
    call = recordings.load("change")
    first = await hear(bookings, call)
    unfinished = await bookings.open(sample_rate=16_000, language="en")
    await unfinished.feed(call.samples[:40_000])
    await unfinished.close()
    second = await hear(bookings, call)
    assert second.text == first.text
    starts = [word.start for word in first.words]
    assert [word.start for word in second.words] == pytest.approx(starts, abs=0.03)


async def test_who_waits_for_a_decoder_is_refused_when_the_recognizer_closes() -> None:
    recognizer = PocketSphinxRecognizer("bookings", decoders=1)
    held = await recognizer.open(sample_rate=16_000, language="en")
    waiting = [
        asyncio.ensure_future(recognizer.open(sample_rate=16_000, language="en")) for _ in range(2)
    ]
    await asyncio.sleep(0)  # both wait
    await recognizer.close()
    for each in waiting:
        with pytest.raises(ConfigurationError, match="closed"):
            await asyncio.wait_for(each, PATIENCE)
    await held.close()


async def test_calls_at_once_do_not_mix_and_one_too_many_waits(
    bookings: PocketSphinxRecognizer,
) -> None:
    calls = [recordings.load(name) for name in recordings.names()]
    heard = await asyncio.wait_for(
        asyncio.gather(*(hear(bookings, call) for call in calls)), PATIENCE
    )
    for call, result in zip(calls, heard, strict=True):
        assert word_errors(call.text, result.text).rate < 0.05

    held = [await bookings.open(sample_rate=16_000, language="en") for _ in range(2)]
    waiting = asyncio.create_task(bookings.open(sample_rate=16_000, language="en"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await held[0].close()
    await held[0].close()  # a second time frees nothing more
    third = await asyncio.wait_for(waiting, PATIENCE)
    await third.close()
    await held[1].close()


async def test_a_cancelled_request_does_not_spoil_the_next_connection(
    bookings: PocketSphinxRecognizer,
) -> None:
    call = recordings.load("booking")
    decoder = await bookings.open(sample_rate=16_000, language="en")
    request = asyncio.create_task(decoder.feed(np.tile(call.samples, 4)))
    await asyncio.sleep(0)  # the request is on its way, its answer far off
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    with pytest.raises(ServerError):
        await decoder.finish_segment()
    await decoder.close()
    assert word_errors(call.text, (await hear(bookings, call)).text).rate < 0.05


async def test_the_event_loop_goes_on_while_a_model_loads_and_decodes() -> None:
    recognizer = PocketSphinxRecognizer("bookings")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    counter = asyncio.create_task(count())
    try:
        decoder = await recognizer.open(sample_rate=16_000, language="en")
        loading, turns = turns, 0
        await decoder.feed(recordings.load("booking").samples)  # far more than 100 ms of work
        assert loading > 20
        assert turns > 20
        await decoder.close()
    finally:
        counter.cancel()
        await recognizer.close()


async def test_keywords_are_heard_though_the_model_does_not_know_them(
    bookings: PocketSphinxRecognizer,
) -> None:
    call = recordings.load("booking")
    decoder = await bookings.open(
        sample_rate=16_000,
        language="en",
        keywords={"Robert Millar": 5.0, "Friday": 5.0, "Xyzzyq": 5.0},  # the last has no sounds
    )
    heard = await play(decoder, call)
    await decoder.close()
    assert heard.text.endswith("my name is Robert Millar")
    assert "people on Friday evening" in heard.text
    starts = [word.start for word in heard.words]
    assert starts == sorted(set(starts))  # the words of a phrase share its time

    plain = await hear(bookings, call)  # the next connection is not affected
    assert plain.text.endswith("my name is robert miller")


async def test_a_grammar_hears_what_it_describes(tmp_path: Path) -> None:
    path = tmp_path / "call.jsgf"
    path.write_text(GRAMMAR)
    recognizer = PocketSphinxRecognizer(grammar=path)
    try:
        heard = await hear(recognizer, recordings.load("booking"))
    finally:
        await recognizer.close()
    said = " ".join(word.text for word in heard.segments[0])
    assert said == "hello i would like to book a table for four people on friday evening"


async def test_a_closed_recognizer_ends_its_decoders() -> None:
    recognizer = PocketSphinxRecognizer("bookings", decoders=2)
    decoder = await recognizer.open(sample_rate=16_000, language="en")
    await recognizer.close()
    with pytest.raises(ServerError):
        await decoder.finish_segment()
    await decoder.close()
    with pytest.raises(ConfigurationError):
        await recognizer.open(sample_rate=16_000, language="en")


async def test_what_it_cannot_do_is_refused(bookings: PocketSphinxRecognizer) -> None:
    with pytest.raises(ConfigurationError, match="sample_rate=44100"):
        await bookings.open(sample_rate=44_100, language="en")
    with pytest.raises(ConfigurationError, match="language='hi'"):
        await bookings.open(sample_rate=16_000, language="hi")
    with pytest.raises(ConfigurationError, match=r"no-such-model.*bookings"):
        PocketSphinxRecognizer("no-such-model")
    with pytest.raises(ConfigurationError, match="not both"):
        PocketSphinxRecognizer("bookings", grammar="call.jsgf")
    with pytest.raises(ConfigurationError, match="decoders=0"):
        PocketSphinxRecognizer(decoders=0)
