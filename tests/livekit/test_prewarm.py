"""A connection that waits for its stream is taken by it, or takes no place that others need."""

from __future__ import annotations

import asyncio
import gc

import pytest
from livekit.agents import AgentSession, APIConnectionError, APIConnectOptions, metrics
from livekit.agents.stt import FallbackAdapter

from pulse_plugins.livekit import STT
from tests.livekit.caller import Caller, EnergyVAD
from tests.livekit.driving import END, Heard, frames, play, speech, words
from tests.livekit.replies import Listener, Model, Voice
from tests.support.peer import Link, peer
from tests.support.scenarios import Call, Pause


async def test_a_plan_of_one_connection_is_enough() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stt.prewarm()  # at the rate of a room
        await server.until(lambda: len(server.links) == 1)
        open_at_second: list[bool] = []

        def watch(link: Link, what: str) -> bool:
            if link.number == 2:
                open_at_second.append(server.links[0] in server.open_links)
            return False

        server.fault = watch
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))  # at another rate
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.text == words(0, 2)
        assert [link.rate for link in server.links] == [24_000, 16_000]
        assert open_at_second
        assert not any(open_at_second)
        await stream.aclose()


async def test_it_ends_with_the_session_that_it_was_for() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stt.prewarm()
        await server.until(lambda: len(server.links) == 1)
        stream = stt.stream()
        await asyncio.sleep(0)
        await stream.aclose()  # the caller hung up before a word
        await asyncio.wait_for(server.links[0].socket.wait_closed(), 5)


async def test_a_live_stream_needs_none() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 1)))
        stt.prewarm()
        await heard.until(lambda: heard.count(END) == 1)
        assert server.handshakes == 1
        await stream.aclose()


async def test_a_fallback_adapter_prewarms_its_first_stt() -> None:
    async with peer() as first, peer() as second:
        members = STT(base_url=first.url), STT(base_url=second.url)
        async with FallbackAdapter(list(members)) as adapter:
            adapter.prewarm()
            await first.until(lambda: len(first.links) == 1)
            assert second.handshakes == 0
        for each in members:
            await each.aclose()


@pytest.mark.parametrize("seconds", [0.0, 0.5])
@pytest.mark.parametrize("has_audio", [True, False])
async def test_a_session_that_closes_leaves_no_connection(has_audio: bool, seconds: float) -> None:
    call = Call("silence", (Pause(1.0),))
    async with peer() as server, STT(base_url=server.url) as stt:
        session: AgentSession[None] = AgentSession(
            stt=stt, vad=EnergyVAD(), llm=Model(lambda _: None), tts=Voice(0.5)
        )
        if has_audio:
            session.input.audio = Caller(call, lambda cue: None)
        await session.start(Listener(), record=False)
        await asyncio.sleep(seconds)
        assert len(server.open_links) <= 1
        await session.aclose()
        await asyncio.sleep(0.1)
        assert server.handshakes >= 1
        assert server.open_links == []


async def test_prewarm_connects_before_the_first_audio() -> None:
    async with peer() as server, STT(base_url=server.url, sample_rate=16_000) as stt:
        stt.prewarm()
        stt.prewarm()
        await server.until(lambda: len(server.links) == 1)
        seen: list[metrics.STTMetrics] = []
        stt.on("metrics_collected", seen.append)
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        await heard.until(lambda: heard.count(END) == 1)
        assert heard.text == words(0, 2)
        assert server.handshakes == 1
        assert [m.connection_reused for m in seen if m.acquire_time] == [True]
        await stream.aclose()


async def test_a_prewarmed_connection_of_another_rate_is_let_go() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stt.prewarm()
        await server.until(lambda: len(server.links) == 1)
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        await heard.until(lambda: heard.count(END) == 1)
        assert [link.rate for link in server.links] == [24_000, 16_000]
        await asyncio.wait_for(server.links[0].socket.wait_closed(), 10)
        await stream.aclose()


async def test_a_prewarmed_connection_has_the_patience_of_the_stream_that_takes_it() -> None:
    async with peer() as server, STT(base_url=server.url, sample_rate=16_000) as stt:
        stt.prewarm()
        await server.until(lambda: len(server.links) == 1)
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=0))
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        await heard.until(lambda: heard.count(END) == 1)
        server.links[0].cut()
        with pytest.raises(APIConnectionError):
            await heard.ended()
        assert server.handshakes == 1
        await stream.aclose()


async def test_a_prewarmed_connection_goes_with_the_stt() -> None:
    async with peer() as server:
        stt = STT(base_url=server.url)
        stt.prewarm()
        await server.until(lambda: len(server.links) == 1)
        del stt
        gc.collect()
        await asyncio.wait_for(server.links[0].socket.wait_closed(), 10)


def test_prewarm_in_a_job_process_without_a_loop_does_nothing() -> None:
    STT(base_url="ws://127.0.0.1:1").prewarm()
