"""One STT that is used in several event loops, one after the other or at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pulse_plugins.livekit import STT, SpeechStream
from tests.livekit.driving import Heard, frames, play, push, speech, words
from tests.support.patience import PATIENCE
from tests.support.peer import Peer, peer

DEADLINE = PATIENCE


async def transcribe(stt: STT) -> tuple[SpeechStream, list[str]]:
    """A stream that has ended, and what it heard."""
    stream = stt.stream()
    heard = Heard(stream)
    await play(stream, frames(speech(0, 1)), speed=4.0)
    stream.end_input()
    await heard.ended()
    return stream, heard.text


def test_an_stt_can_be_closed_in_a_later_loop_than_its_first() -> None:
    stt = STT(base_url="ws://127.0.0.1:1")

    async def use(*, leave_open: bool) -> list[SpeechStream]:
        async with peer() as server:
            stt.update_options(base_url=server.url)
            ended, text = await transcribe(stt)
            assert text == words(0, 1)
            if leave_open:
                speaking = stt.stream()
                push(speaking, frames(speech(0, 1)))
                stt.prewarm()
                await server.until(lambda: len(server.links) == 2)
                return [ended, speaking]
            live = stt.stream()
            heard = Heard(live)
            push(live, frames(speech(0, 1)))
            await server.until(lambda: len(server.links) == 2)
            await asyncio.wait_for(stt.aclose(), DEADLINE)
            assert not live.is_live
            await heard.ended()
            return [ended]

    earlier = asyncio.run(use(leave_open=True))
    asyncio.run(use(leave_open=False))
    assert not any(stream.is_live for stream in earlier)


@contextmanager
def loop_elsewhere() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()


@pytest.mark.process  # a loop on another thread works in real time
async def test_a_stream_of_a_loop_on_another_thread_is_ended_there() -> None:
    async def speak(server: Peer) -> SpeechStream:
        stream = stt.stream()
        push(stream, frames(speech(0, 1)))
        return stream

    async def end_of(stream: SpeechStream) -> None:
        async for _ in stream:
            pass

    async with peer() as server:
        stt = STT(base_url=server.url)
        with loop_elsewhere() as loop:
            there = asyncio.run_coroutine_threadsafe(speak(server), loop)
            stream = await asyncio.wrap_future(there)
            await server.until(lambda: bool(server.links and server.links[0].seconds))
            await asyncio.wait_for(stt.aclose(), DEADLINE)
            ending = asyncio.run_coroutine_threadsafe(end_of(stream), loop)
            await asyncio.wait_for(asyncio.wrap_future(ending), DEADLINE)
            await asyncio.wait_for(server.links[0].socket.wait_closed(), DEADLINE)
            assert not stream.is_live
