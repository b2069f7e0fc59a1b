"""What goes wrong on the way: what is mended without a word lost, and what is told and how."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import weakref
from collections.abc import Awaitable, Callable

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError
from livekit.agents.stt import FallbackAdapter, MultiSpeakerAdapter, STTError

from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.livekit import STT, SpeechStream
from tests.livekit.driving import (
    END,
    FINAL,
    START,
    Heard,
    check_grammar,
    frames,
    play,
    push,
    speech,
    words,
)
from tests.support.peer import Link, Peer, peer


def once(what: str, after: float = 0.0) -> object:
    """A fault that cuts the first connection at a message of this kind, once."""
    done: list[Link] = []

    def fault(link: Link, kind: str) -> bool:
        if not done and kind == what and link.seconds >= after:
            done.append(link)
            link.cut()
            return True
        return False

    return fault


def dead_url() -> str:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"ws://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize(("what", "after"), [("audio", 1.4), ("finalize", 0.0)])
async def test_a_cut_loses_no_word_and_keeps_the_order(vad: bool, what: str, after: float) -> None:
    window = None if what == "finalize" else 0.3  # else no words wait for the flush
    async with peer(vad=vad, window=window) as server, STT(base_url=server.url) as stt:
        server.fault = once(what, after)  # type: ignore[assignment]
        errors: list[STTError] = []
        stt.on("error", errors.append)
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 8)))
        stream.flush()
        await play(stream, frames(speech(8, 3)))
        stream.end_input()
        await heard.ended()
        check_grammar(heard.events)
        assert heard.text == words(0, 11)
        assert len(server.links) == 2
        assert [error.recoverable for error in errors] == [True]
        await stream.aclose()


async def test_word_times_are_true_after_reconnects() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        cuts = iter((0.9, 1.1))
        at = [next(cuts)]

        def fault(link: Link, kind: str) -> bool:
            if at and link.seconds >= at[0]:
                at[:] = [each for each in (next(cuts, None),) if each is not None]
                link.cut()
                return True
            return False

        server.fault = fault
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 12, lead=0.2)))
        stream.end_input()
        await heard.ended()
        said = [word for event in heard.finals for word in event.alternatives[0].words or ()]
        assert [str(word) for word in said] == words(0, 12)
        for index, word in enumerate(said):
            assert word.start_time == pytest.approx(0.2 + 0.3 * index, abs=0.1)
        assert len(server.links) == 3
        await stream.aclose()


async def test_a_server_that_refuses_for_a_while_is_waited_for() -> None:
    async with peer(refusals=[503, 503, 503]) as server, STT(base_url=server.url) as stt:
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=3, retry_interval=0.1))
        heard = Heard(stream)
        await play(stream, frames(speech(0, 4)))
        stream.end_input()
        await heard.ended()
        assert heard.text == words(0, 4)
        assert server.handshakes == 4
        await stream.aclose()


@pytest.mark.parametrize(("retries", "least", "most"), [(0, 1, 1), (1, 2, 2), (3, 4, 400)])
async def test_a_server_that_never_works_is_given_up(retries: int, least: int, most: int) -> None:
    """With one retry or none at once, and in an agent session after `max_outage`."""
    patience = Timeouts(max_outage=5.0)
    async with (
        peer(refusals=[503] * 999) as server,
        STT(base_url=server.url, timeouts=patience) as stt,
    ):
        errors: list[STTError] = []
        stt.on("error", errors.append)
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=retries, retry_interval=0.1))
        heard = Heard(stream)
        push(stream, frames(speech(0, 1)))
        with pytest.raises(APIStatusError) as caught:
            await heard.ended()
        assert (caught.value.status_code, caught.value.retryable) == (503, True)
        assert caught.value.__cause__ is None
        assert least <= server.handshakes <= most
        *tries_failed, last = errors
        assert all(error.recoverable for error in tries_failed)
        assert len(tries_failed) < 30  # what repeats is told rarely
        assert any("s of audio were lost" in str(each.error) for each in tries_failed)
        assert not last.recoverable
        await stream.aclose()


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
async def test_a_refusal_ends_after_one_handshake(status: int, api_key: str) -> None:
    async with (
        peer(refusals=[status] * 5) as server,
        STT(base_url=server.url, api_key=api_key) as stt,
    ):
        stream = stt.stream()
        heard = Heard(stream)
        push(stream, frames(speech(0, 1)))
        with pytest.raises(APIStatusError) as caught:
            await heard.ended()
        assert (caught.value.status_code, caught.value.retryable) == (status, False)
        assert api_key not in f"{caught.value!r} {caught.value}"
        assert server.handshakes == 1
        await stream.aclose()


async def test_nobody_there_is_a_connection_error() -> None:
    async with STT(base_url=dead_url()) as stt:
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=0))
        heard = Heard(stream)
        push(stream, frames(speech(0, 1)))
        with pytest.raises(APIConnectionError) as caught:
            await heard.ended()
        assert caught.value.retryable
        await stream.aclose()


@pytest.mark.parametrize("retries", [0, 1])
async def test_under_a_fallback_a_lost_server_is_given_up_fast(retries: int) -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream(conn_options=APIConnectOptions(max_retry=retries, retry_interval=0.1))
        heard = Heard(stream)
        await play(stream, frames(speech(0, 3)))
        await heard.until(lambda: heard.count(END) == 1)
        server.habits.refusals = [503] * 10
        server.links[0].cut()
        push(stream, frames(speech(3, 1)))
        with pytest.raises(APIError):
            await heard.ended()
        assert server.handshakes == 1 + retries
        await stream.aclose()


async def test_garbage_is_stepped_over() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        for garbage in ("{", "[]", '{"transcript": 7, "is_final": "x"}', '{"type":"new"}'):
            await server.links[0].socket.send(garbage)
        await play(stream, frames(speech(2, 2)))
        stream.end_input()
        await heard.ended()
        check_grammar(heard.events)
        assert heard.text == words(0, 4)
        await stream.aclose()


async def test_an_idle_close_is_no_failure() -> None:
    async with peer() as server, STT(base_url=server.url) as stt:
        errors: list[STTError] = []
        stt.on("error", errors.append)
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 2)))
        await heard.until(lambda: heard.count(END) == 1)
        await server.links[0].socket.close(1000)
        await play(stream, frames(speech(2, 2)))
        await heard.until(lambda: heard.count(END) == 2)
        assert heard.text == words(0, 4)
        assert errors == []
        await stream.aclose()


async def test_a_fallback_adapter_goes_on_with_the_next_stt() -> None:
    async with peer() as server:
        dead, live = STT(base_url=dead_url()), STT(base_url=server.url)
        async with FallbackAdapter([dead, live], retry_interval=0.1) as adapter:
            assert adapter.capabilities.manual_flush
            assert adapter.capabilities.aligned_transcript == "word"
            stream = adapter.stream()
            heard = Heard(stream)
            await play(stream, frames(speech(0, 3, tail=3.0)), speed=1.0)
            await play(stream, frames(speech(3, 4)), speed=1.0)
            stream.flush()
            await heard.until(lambda: heard.text[-4:] == words(3, 4))
            check_grammar(heard.events)
            await stream.aclose()
        await dead.aclose()
        await live.aclose()


async def test_the_multi_speaker_adapter_takes_our_speakers() -> None:
    async with peer(speakers=True, window=0.6) as server:
        stt = STT(base_url=server.url, diarize=True)
        adapter = MultiSpeakerAdapter(
            stt=stt, primary_format="{speaker_id}:{text}", background_format="{speaker_id}:{text}"
        )
        stream = adapter.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(0, 9, tail=1.0)), speed=1.0)
        await heard.until(lambda: heard.count(END) == 1)
        texts = [event.alternatives[0].text for event in heard.finals]
        assert texts[0].startswith("S0:")
        assert texts[1].startswith("S1:")
        await stream.aclose()
        await stt.aclose()


async def test_a_forgotten_stream_is_collected_and_its_socket_closed() -> None:
    async with peer() as server:
        stt = STT(base_url=server.url)
        stream = stt.stream()
        for frame in frames(speech(0, 2)):
            stream.push_frame(frame)
        await server.until(lambda: bool(server.links and server.links[0].seconds > 0.5))
        gone = weakref.ref(stream)
        del stream, frame
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        await asyncio.wait_for(server.links[0].socket.wait_closed(), 10)
        assert gone() is None
        await stt.aclose()


async def never_used(server: Peer, stream: SpeechStream) -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def connecting(server: Peer, stream: SpeechStream) -> None:
    push(stream, frames(speech(0, 1)))
    await asyncio.sleep(0)


async def speaking(server: Peer, stream: SpeechStream) -> None:
    push(stream, frames(speech(0, 1)))
    await server.until(lambda: bool(server.links and server.links[0].words))


async def half_read(server: Peer, stream: SpeechStream) -> None:
    push(stream, frames(speech(0, 1)))
    async for _ in stream:
        return


@pytest.mark.parametrize("use", [never_used, connecting, speaking, half_read])
async def test_a_forgotten_stream_is_no_error(
    use: Callable[[Peer, SpeechStream], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async with peer() as server:
        stt = STT(base_url=server.url)
        stream = stt.stream()
        await use(server, stream)
        gone = weakref.ref(stream)
        del stream
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)
        assert gone() is None
        await stt.aclose()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_a_hundred_streams_in_one_process_leave_nothing_behind() -> None:
    async def call(stt: STT, number: int) -> None:
        stream = stt.stream()
        heard = Heard(stream)
        await play(stream, frames(speech(10 * number, 4, 8000), 8000, seconds=0.1), speed=1.0)
        stream.end_input()
        await heard.ended()
        check_grammar(heard.events)
        assert heard.text == words(10 * number, 4)
        assert heard.count(START) >= 1
        assert heard.count(FINAL) >= 1
        await stream.aclose()

    async with peer() as server:
        stt = STT(base_url=server.url)
        await call(stt, 0)
        gc.collect()
        tasks = len(asyncio.all_tasks())
        handles = len(os.listdir("/proc/self/fd"))
        threads = threading.active_count()
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(call(stt, number))
        await server.until(lambda: True)
        gc.collect()
        assert len(asyncio.all_tasks()) <= tasks
        assert len(os.listdir("/proc/self/fd")) <= handles + 2
        assert threading.active_count() <= threads
        await stt.aclose()
