"""Whose stream goes on where one failed: the framework's own loops have one, nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, ModelSettings
from livekit.agents.stt import FallbackAdapter, SpeechEvent
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.audio_recognition import _STTPipeline

from pulse_plugins.livekit import STT, SpeechStream
from pulse_plugins.livekit.opener import ADAPTER, PIPELINE, Opener, present_opener
from pulse_plugins.local.recordings import Recording, Turn
from tests.livekit.driving import FINAL, Heard, frames, play, push, silence, speech, words
from tests.livekit.rig import session
from tests.support.peer import Link, peer

NO_RETRY = APIConnectOptions(max_retry=0)


async def test_the_framework_still_has_the_names_by_which_its_loops_are_known() -> None:
    assert PIPELINE is not None
    assert ADAPTER is not None
    member = STT(base_url="ws://127.0.0.1:9")
    adapter = FallbackAdapter([member])
    stream = adapter.stream()
    assert isinstance(stream, ADAPTER)
    assert list(stream._recovering_streams) == []
    assert stream._fallback_adapter is adapter
    assert adapter._active_instance is member
    await stream.aclose()
    await adapter.aclose()


async def test_a_sessions_pump_is_an_opener_and_a_task_that_it_starts_is_not() -> None:
    seen: list[Opener | None] = []

    async def look() -> None:
        seen.append(present_opener())

    async def node(
        audio: AsyncIterable[rtc.AudioFrame], settings: ModelSettings
    ) -> AsyncIterator[SpeechEvent]:
        await look()
        await asyncio.create_task(look())
        nothing: tuple[SpeechEvent, ...] = ()
        for event in nothing:
            yield event

    pipeline = _STTPipeline(node)
    await pipeline._pump_task
    assert seen == [Opener(pipeline._pump_task), None]
    await pipeline.aclose()


async def test_a_task_of_anybody_elses_is_no_opener() -> None:
    assert present_opener() is None


@pytest.mark.parametrize("ends", [True, False])
async def test_a_users_second_stream_hears_nothing_of_the_one_that_failed(ends: bool) -> None:
    async with peer(refusals=[503]) as bad, peer() as good:
        first, second = STT(base_url=bad.url), STT(base_url=good.url)
        for again in (first, second):  # the same STT, and another one
            bad.habits.refusals = [503]
            failing = first.stream(conn_options=NO_RETRY)
            heard = Heard(failing)
            push(failing, frames(speech(0, 3)))
            if ends:
                failing.end_input()
            with pytest.raises(APIError):
                await heard.ended()
            await failing.aclose()
            stream = again.stream(conn_options=NO_RETRY)
            heard = Heard(stream)
            await play(stream, frames(speech(20, 3)), speed=4.0)
            stream.end_input()
            await heard.ended()
            assert heard.text == words(20, 3)
            await stream.aclose()
        await first.aclose()
        await second.aclose()


async def test_a_session_that_opens_its_stt_again_loses_no_word() -> None:
    said = words(0, 8)
    samples = np.concatenate([speech(0, 8, tail=2.0), np.zeros(16_000 * 2, np.int16)])
    turn = Turn(0.2, 2.6, " ".join(said))
    call = Recording("call", Path("call.wav"), 16_000, samples, (turn,))
    async with peer() as server, STT(base_url=server.url) as stt:

        def fault(link: Link, kind: str) -> bool:
            """Cut the first connection once it has heard 1.2 s, and leave its speech open."""
            if link.number == 1 and link.seconds >= 1.2:
                link.cut()
            return False

        server.fault = fault
        async with session(
            call,
            stt=stt,
            vad=None,
            turn_handling={"turn_detection": "stt"},
            conn_options=SessionConnectOptions(stt_conn_options=NO_RETRY),
        ) as rig:
            await rig.until_turns(1)
            assert rig.turns[0].text.split() == said


async def test_input_after_the_failure_goes_to_the_stream_that_replaces_the_one_that_failed() -> (
    None
):
    async with peer(refusals=[503], window=None, vad=False) as server:
        stt = STT(base_url=server.url)
        made: list[SpeechStream] = []

        async def node(
            audio: AsyncIterable[rtc.AudioFrame], settings: ModelSettings
        ) -> AsyncIterator[SpeechEvent]:
            stream = stt.stream(conn_options=NO_RETRY)
            made.append(stream)
            async with stream:
                try:
                    if len(made) == 1:
                        push(stream, frames(speech(0, 2)))
                    async for event in stream:
                        yield event
                finally:
                    if len(made) == 1:
                        push(stream, frames(speech(2, 2)))
                        stream.flush()

        pipeline = _STTPipeline(node)
        said: list[str] = []
        async with asyncio.timeout(20):
            async for event in pipeline.event_ch:
                if event.type is FINAL:
                    said += event.alternatives[0].text.split()
                    break
        assert said == words(0, 4)
        with pytest.raises(RuntimeError):
            made[0].flush()
        await pipeline.aclose()
        await stt.aclose()


async def test_an_adapters_trial_of_what_failed_does_not_take_its_audio() -> None:
    """It is opened before the stream of the next STT is, and allowed as few failures."""
    async with silence() as url, peer(window=None, vad=False) as server:
        first, second = STT(base_url=url), STT(base_url=server.url)
        async with FallbackAdapter(
            [first, second], max_retry_per_stt=0, attempt_timeout=0.7
        ) as adapter:
            stream = adapter.stream()
            heard = Heard(stream)
            await play(stream, frames(speech(0, 6, lead=0.0)), speed=1.0)
            stream.flush()
            await heard.until(lambda: len(heard.text) == 6)
            assert heard.text == words(0, 6)
            await stream.aclose()
        await first.aclose()
        await second.aclose()
