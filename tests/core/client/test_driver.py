"""Whatever goes wrong around the sockets of a stream is told to its owner."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.asyncio.server import ServerConnection

from pulse_plugins.core.audio.opus import OpusEncoder
from pulse_plugins.core.base.errors import (
    ConfigurationError,
    InternalError,
    PulseError,
    StreamClosedError,
)
from pulse_plugins.core.base.events import Connected, Event, Final, Reconnecting
from pulse_plugins.core.client import driver as module
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.client.websocket import WebSocket
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.observe.hooks import ObservedStream, follow, unfollow
from pulse_plugins.core.session.session import Session
from pulse_plugins.local import PulseServer
from pulse_plugins.local.recognizers.scripted import speak, spell
from tests.support.sockets import serving


async def read(stream: PulseStream) -> list[Event]:
    return [event async for event in stream]


class _Connected:
    """Listens until a connection is open; it holds no stream."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def happened(self, event: Event) -> None:
        if isinstance(event, Connected):
            self.event.set()

    def over(self, failure: Exception | None) -> None:
        self.event.set()


async def connected(stream: PulseStream) -> None:
    listener = _Connected()
    stream.listen(listener)
    async with asyncio.timeout(10):
        await listener.event.wait()


def tasks_of(stream: PulseStream) -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(stream.name)]


async def test_an_unexpected_exception_in_the_handshake_is_told_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "open_websocket", broken)
    timeouts = Timeouts(max_outage=3.0)
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1", timeouts=timeouts))
    stream.start()
    with pytest.raises(InternalError, match="RuntimeError"):
        await read(stream)
    assert stream.metrics.retries["internal"] > 1
    await stream.wait_closed()


async def test_an_unexpected_exception_at_a_message_costs_the_connection_and_no_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received, failures = Session.received, [ZeroDivisionError]

    def once_broken(self: Session, connection: int, data: str | bytes, now: float) -> None:
        if failures and '"is_final":true' in str(data).replace(" ", ""):
            raise failures.pop()
        received(self, connection, data, now)

    monkeypatch.setattr(Session, "received", once_broken)
    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url, format=False))
        stream.start()
        stream.push(speak(range(4), 16_000, tail_seconds=0.3).tobytes())
        stream.end()
        events = await read(stream)
        await stream.wait_closed()
    [failed] = [event for event in events if isinstance(event, Reconnecting)]
    assert isinstance(failed.error, InternalError)
    words = [word for event in events if isinstance(event, Final) for word in event.text.split()]
    assert words == [spell(number) for number in range(4)]


@pytest.mark.parametrize(
    ("is_full", "is_live"), [(False, False), (False, True), (True, False), (True, True)]
)
@pytest.mark.parametrize("packets_before", [0, 3])
async def test_an_unexpected_exception_while_audio_is_written_costs_the_connection_and_no_word(
    monkeypatch: pytest.MonkeyPatch, is_full: bool, is_live: bool, packets_before: int
) -> None:
    encode, countdown = OpusEncoder.encode, [packets_before]

    def once_broken(self: OpusEncoder, pcm: bytes) -> list[bytes]:
        countdown[0] -= 1
        if countdown[0] == -1:
            raise ZeroDivisionError
        return encode(self, pcm)

    monkeypatch.setattr(OpusEncoder, "encode", once_broken)
    if is_full:  # so that a task writes
        monkeypatch.setattr(WebSocket, "is_free", lambda _: False)
    async with PulseServer("scripted") as server:
        options = PulseOptions(base_url=server.url, format=False, encoding="opus")
        stream = PulseStream(options)
        stream.start()
        if is_live:  # audio that comes before the connection is not
            assert isinstance(await anext(aiter(stream)), Connected)
            assert stream.connected
        audio = speak(range(4), 16_000, tail_seconds=0.3).tobytes()
        for at in range(0, len(audio), 640):
            stream.push(audio[at : at + 640])
            await asyncio.sleep(0.001)
        stream.end()
        async with asyncio.timeout(20):
            events = await read(stream)
        await stream.wait_closed()
    [failed] = [event for event in events if isinstance(event, Reconnecting)]
    assert isinstance(failed.error, InternalError)
    words = [word for event in events if isinstance(event, Final) for word in event.text.split()]
    assert words == [spell(number) for number in range(4)]


@pytest.mark.parametrize(
    ("code", "reason"), [(1008, "close_1008"), (1011, "close_1011"), (1012, "close_1012")]
)
async def test_the_close_code_of_a_connection_is_why_another_one_is_tried(
    code: int, reason: str
) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.close(code)

    async with serving(leave) as url:
        stream = PulseStream(PulseOptions(base_url=url))
        stream.start()
        async with asyncio.timeout(10):
            async for event in stream:
                if isinstance(event, Reconnecting):
                    break
        stream.abort()
        await stream.wait_closed()
    assert isinstance(event, Reconnecting)
    assert event.error is not None
    assert event.error.code == reason


async def test_a_connection_that_is_cancelled_from_outside_ends_the_stream_with_an_error() -> None:
    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url))
        stream.start()
        await connected(stream)
        tasks = tasks_of(stream)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await stream.wait_closed()
    assert isinstance(stream.error, PulseError)
    assert stream.error.code == "cancelled"
    assert tasks_of(stream) == []


async def test_a_connection_that_is_cancelled_before_it_began_ends_the_stream_too() -> None:
    stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
    stream.start()
    [task] = tasks_of(stream)
    task.cancel()
    with pytest.raises(PulseError) as failed:
        await read(stream)
    assert failed.value.code == "cancelled"
    await stream.wait_closed()
    assert tasks_of(stream) == []


@pytest.mark.parametrize("option", ["language", "external_session_id"])
def test_an_option_that_no_url_can_hold_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError):
        PulseOptions(base_url="ws://127.0.0.1:1", **{option: "\ud800"})  # type: ignore[arg-type]


async def forget_a_connected_stream() -> None:
    """Drop the only reference to a stream, and check that it and its tasks are gone."""
    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url))
        stream.start()
        await connected(stream)
        tasks, gone = tasks_of(stream), weakref.ref(stream)
        del stream
        gc.collect()
        assert gone() is None
        _, running = await asyncio.wait(tasks, timeout=10)
        assert not running


async def test_a_forgotten_stream_is_collected_and_its_connection_closed() -> None:
    await forget_a_connected_stream()


class Keeper:
    """An observer that keeps what it is given, as telemetry does."""

    def __init__(self) -> None:
        self.kept: list[object] = []
        self.ends = 0

    def __call__(self, stream: ObservedStream) -> Keeper:
        self.kept.append(stream)
        return self

    def happened(self, event: Event) -> None:
        self.kept.append(event)

    def asked(self, request_id: int) -> None:
        self.kept.append(request_id)

    def ended(self) -> None:
        self.ends += 1


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper()
    follow(made)
    yield made
    unfollow(made)


async def test_an_observer_keeps_no_forgotten_stream(keeper: Keeper) -> None:
    await forget_a_connected_stream()
    assert keeper.ends == 1


def test_an_observer_hears_of_the_end_of_a_stream_whose_event_loop_was_closed(
    keeper: Keeper,
) -> None:
    async def begin() -> tuple[PulseStream, asyncio.Task[object]]:
        stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
        stream.start()
        [task] = tasks_of(stream)
        return stream, task

    loop = asyncio.new_event_loop()
    stream, task = loop.run_until_complete(begin())
    loop.close()
    coroutine = task.get_coro()
    assert coroutine is not None
    coroutine.close()  # or Python warns of a task that nobody awaited
    del task
    assert keeper.ends == 0
    del stream
    gc.collect()
    assert keeper.ends == 1


async def test_a_stream_is_kept_while_its_events_are_read() -> None:
    async def events(url: str) -> AsyncIterator[Event]:
        stream = PulseStream(PulseOptions(base_url=url, format=False))
        stream.start()
        stream.push(speak(range(2), 16_000, tail_seconds=0.3).tobytes())
        stream.end()
        return aiter(stream)

    async with PulseServer("scripted") as server:
        iterator = await events(server.url)
        gc.collect()
        finals = [event.text async for event in iterator if isinstance(event, Final)]
    assert " ".join(finals).split() == [spell(0), spell(1)]


def test_a_stream_of_a_closed_event_loop_can_be_closed_in_another() -> None:
    async def begin() -> PulseStream:
        stream = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1"))
        stream.push(bytes(640))
        return stream

    async def end(stream: PulseStream) -> None:
        async with asyncio.timeout(5):
            await stream.close()

    stream = asyncio.run(begin())
    asyncio.run(end(stream))
    assert stream.closed
    with pytest.raises(StreamClosedError):
        stream.push(bytes(640))
