"""A stream against a server: words, order, flushes, draining, times; faults are elsewhere."""

from __future__ import annotations

import asyncio
import gc
import weakref
from functools import partial

import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIStatusError, metrics
from livekit.agents.stt import SpeechEvent
from livekit.agents.types import TimedString

from pulse_plugins.livekit import STT, SpeechStream
from tests.livekit.driving import (
    END,
    FINAL,
    INTERIM,
    START,
    Heard,
    check_grammar,
    frames,
    play,
    push,
    speech,
    words,
)
from tests.support.peer import peer


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("flag", [True, False])
async def test_what_the_framework_asks_of_every_vendor(vad: bool, flag: bool) -> None:
    """24 kHz in 10 ms frames at twice real time: the order, the language and every word."""
    async with peer(vad=vad, flag=flag) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 5, 24_000), 24_000, seconds=0.01))
        await play(stream, frames(speech(5, 5, 24_000), 24_000, seconds=0.01))
        stream.end_input()
        await heard.ended()
        check_grammar(heard.events)
        assert heard.text == words(0, 10)
        assert heard.count(START) == (2 if vad else 1)  # else a longer silence is needed
        assert all(event.alternatives[0].language == "en" for event in heard.finals)
        assert server.links[0].rate == 24_000  # as it came: nothing was resampled
        await stream.aclose()


@pytest.mark.parametrize("pause", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("latency", [0.05, 0.4, 0.9, 1.6])
async def test_the_first_final_after_the_end_of_input_is_the_last(
    latency: float, pause: float
) -> None:
    """The framework's own test of every vendor stops reading there (`test_stt.py`)."""
    async with peer(latency=latency, max_words=3) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        for first, count, tail in ((0, 6, 0.8), (6, 9, pause), (15, 3, 0.3)):
            await play(stream, frames(speech(first, count, tail=tail)))
        stream.end_input()
        before = heard.count(FINAL)
        await heard.until(lambda: heard.count(FINAL) > before)
        assert heard.text == words(0, 18)
        await stream.aclose()


async def test_a_flush_brings_the_words_before_the_server_would() -> None:
    async with peer(window=None, vad=False) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3)))
        stream.flush()
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.text == words(0, 3)
        assert server.finalizes == 1
        await stream.aclose()


@pytest.mark.parametrize("answers_empty", [True, False])
async def test_a_flush_with_nothing_pending_is_answered_with_an_empty_final(
    answers_empty: bool,
) -> None:
    habits = {"vad": False, "flag": answers_empty, "answers_empty": answers_empty}
    async with peer(**habits) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        stream.flush()  # before any audio
        await heard.until(lambda: heard.count(FINAL) == 1)
        await play(stream, frames(speech(0, 2)))
        await heard.until(lambda: heard.count(END) == 1)
        stream.flush()
        await heard.until(lambda: heard.count(FINAL) == 3)
        assert [event.alternatives[0].text for event in heard.finals][::2] == ["", ""]
        assert heard.finals[-1].alternatives[0].language == "en"
        await stream.aclose()


async def test_finals_cut_by_word_count_do_not_end_speech() -> None:
    async with peer(max_words=3) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 8)))
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.count(FINAL) == 1
        assert heard.count(START) == 1
        assert heard.text == words(0, 8)
        check_grammar(heard.events)
        await stream.aclose()


async def test_end_of_input_drains_what_was_just_said() -> None:
    async with peer(window=None, vad=False) as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 4, tail=0.0)))
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 4)
        check_grammar(heard.events)
        assert server.links[0].controls[-1] == "close_stream"
        await stream.aclose()


async def test_a_whole_file_may_be_pushed_at_once() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        for start in range(0, 30, 10):
            for frame in frames(speech(start, 10)):
                stream.push_frame(frame)
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 30)
        assert heard.finals[-1].alternatives[0].end_time < 3 * 3.9
        await stream.aclose()


async def test_words_are_timed_on_the_sessions_clock() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        stream.start_time_offset = 7.0
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3, lead=0.5)))
        await heard.until(lambda: heard.count(END) == 1)
        (final,) = heard.finals
        assert final.request_id == "s1"
        said = final.alternatives[0].words
        assert said is not None
        assert [str(word) for word in said] == words(0, 3)
        for index, word in enumerate(said):
            assert isinstance(word, TimedString)
            assert word.start_time == pytest.approx(7.5 + index * 0.3, abs=0.05)
            assert word.start_time_offset == pytest.approx(7.0, abs=0.01)
            assert isinstance(word.confidence, float)
        await stream.aclose()


async def test_stereo_and_odd_rates_are_converted_and_may_change() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3), channels=2))
        await play(stream, frames(speech(3, 3, 32_000), 32_000))
        await play(stream, frames(speech(6, 3, 48_000), 48_000))
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 9)
        assert server.links[0].rate == 16_000
        assert len(server.links) == 1
        await stream.aclose()


async def test_a_named_rate_is_the_wires_rate() -> None:
    async with peer() as server, STT(base_url=server.url, sample_rate=8000) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3, 24_000), 24_000))
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 3)
        assert server.links[0].rate == 8000
        await stream.aclose()


async def test_usage_is_every_second_pushed_once() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        seen: list[metrics.STTMetrics] = []
        stt.on("metrics_collected", seen.append)
        stream = stt.stream()
        heard = Heard(stream)
        pushed = speech(0, 20)
        await play(stream, frames(pushed), speed=6.0)
        stream.end_input()
        await heard.ended()
        assert sum(m.audio_duration for m in seen) == pytest.approx(len(pushed) / 16_000)
        acquired = [m for m in seen if m.acquire_time]
        assert len(acquired) == 1
        assert acquired[0].audio_duration == 0.0
        await stream.aclose()


async def test_a_stream_that_is_closed_in_mid_speech_ends_it_and_reports_all_usage() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        seen: list[metrics.STTMetrics] = []
        stt.on("metrics_collected", seen.append)
        stream = stt.stream()
        heard = Heard(stream)
        pushed = speech(0, 20, tail=0.0)
        await play(stream, frames(pushed), speed=6.0)
        await heard.until(lambda: heard.count(START) == 1)
        await stream.aclose()
        await heard.ended()
        check_grammar(heard.events)
        given = len(pushed) / 16_000
        reported = [event.recognition_usage for event in heard.events if event.recognition_usage]
        assert sum(usage.audio_duration for usage in reported) == pytest.approx(given)
        assert sum(m.audio_duration for m in seen) == pytest.approx(given)


def refusals(stream: SpeechStream) -> list[str]:
    """What each way to give a stream input raises."""
    raised = []
    frame = rtc.AudioFrame.create(16_000, 1, 320)
    for give in (partial(stream.push_frame, frame), stream.flush, stream.end_input):
        with pytest.raises(RuntimeError) as caught:
            give()
        raised.append(str(caught.value).rpartition("SpeechStream ")[2])
    return raised


async def test_a_stream_that_is_being_closed_refuses_input() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 1)), speed=4.0)
        await heard.until(lambda: heard.count(START) == 1)
        closing = asyncio.create_task(stream.aclose())
        while not closing.done():
            await asyncio.sleep(0)
            assert refusals(stream) == ["input ended"] * 3
        assert refusals(stream) == ["input ended"] * 3


async def test_a_stream_whose_input_has_ended_refuses_more() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 1)), speed=4.0)
        stream.end_input()
        assert refusals(stream) == ["input ended"] * 3
        await heard.ended()
        assert refusals(stream) == ["input ended"] * 3
        await stream.aclose()


@pytest.mark.parametrize("retries", [0, 3])
async def test_a_stream_that_failed_refuses_input(retries: int) -> None:
    async with peer(refusals=[401]) as server, STT(base_url=server.url) as stt:
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=retries))
        heard = Heard(stream)
        push(stream, frames(speech(0, 1)))
        with pytest.raises(APIStatusError):
            await heard.ended()
        assert refusals(stream) == ["is closed"] * 3
        await stream.aclose()
        assert refusals(stream) == ["input ended"] * 3


async def test_an_event_that_was_read_is_not_kept() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        playing = asyncio.create_task(play(stream, frames(speech(0, 6))))
        read: list[weakref.ref[SpeechEvent]] = []
        async with asyncio.timeout(20):
            async for event in stream:
                read.append(weakref.ref(event))
                if event.type is FINAL:
                    break
        await playing
        del event
        gc.collect()
        assert len(read) > 3
        assert [each() for each in read[:-1]] == [None] * (len(read) - 1)  # one is at hand
        await stream.aclose()


async def test_a_read_that_was_given_up_loses_nothing() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reading.cancel()
        push(stream, frames(speech(0, 2)))
        async with asyncio.timeout(20):
            assert (await anext(stream)).type is START
        stream.end_input()
        heard = Heard(stream)
        await heard.ended()
        assert heard.text == words(0, 2)
        await stream.aclose()


async def test_each_speakers_words_are_an_event_of_their_own() -> None:
    async with (
        peer(speakers=True, window=0.6) as server,
        STT(base_url=server.url, diarize=True) as stt,
    ):
        assert stt.capabilities.diarization
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 9, tail=1.0)))
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.text == words(0, 9)
        assert [event.alternatives[0].speaker_id for event in heard.finals] == ["S0", "S1"]
        check_grammar(heard.events)
        await stream.aclose()


async def test_redaction_holds_interims_back() -> None:
    async with peer() as server, STT(base_url=server.url, redact_pii=True) as stt:
        assert not stt.capabilities.interim_results
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 4)))
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.count(INTERIM) == 0
        assert heard.text == words(0, 4)
        await stream.aclose()


async def test_aclose_of_the_stt_closes_every_stream() -> None:
    async with peer() as server:
        stt = STT(base_url=server.url)
        streams = [stt.stream() for _ in range(3)]
        collected = [Heard(stream) for stream in streams]
        for stream in streams:
            await play(stream, frames(speech(0, 1)), speed=10.0)
        await server.until(lambda: len(server.links) == 3)
        await stt.aclose()
        for heard in collected:
            await heard.ended()
        for stream in streams:
            with pytest.raises(RuntimeError):
                stream.push_frame(rtc.AudioFrame.create(16_000, 1, 160))
        for link in server.links:
            await asyncio.wait_for(link.socket.wait_closed(), 10)


async def test_the_owner_sets_the_streams_clock() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        assert stream.start_time_offset == 0.0
        for name in ("start_time_offset", "start_time"):
            with pytest.raises(ValueError, match="non-negative"):
                setattr(stream, name, -1.0)
            setattr(stream, name, 3.5)
            assert getattr(stream, name) == 3.5
        await stream.aclose()


async def test_without_an_owners_clock_times_are_those_of_the_audio() -> None:
    """A `MultiSpeakerAdapter` looks words up in the audio that it has pushed."""
    async with peer() as server, STT(base_url=server.url) as stt:
        plain, owned = stt.stream(), stt.stream()
        owned.start_time_offset = 0.0
        heard = [Heard(plain), Heard(owned)]
        for stream in (plain, owned):
            push(stream, frames(speech(0, 1, lead=0.0, tail=0.1)))
        await asyncio.sleep(5.0)  # both inputs are muted
        await asyncio.gather(*(play(s, frames(speech(1, 1)), speed=1.0) for s in (plain, owned)))
        for stream, each in zip((plain, owned), heard, strict=True):
            stream.end_input()
            await each.ended()
        finals = [[f.alternatives[0] for f in each.finals] for each in heard]
        starts = [next(f.start_time for f in each if words(1, 1)[0] in f.text) for each in finals]
        assert starts[0] < 1.0
        assert starts[1] == pytest.approx(starts[0] + 5.0, abs=0.4)
