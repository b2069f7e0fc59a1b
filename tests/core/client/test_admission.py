"""Streams of one key wait for each other where the plan's number is given, and only there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from pulse_plugins.core.base.errors import ConfigurationError, QueueTimeoutError
from pulse_plugins.core.base.events import (
    Admitted,
    AudioLost,
    Connected,
    Disconnected,
    Event,
    Queued,
)
from pulse_plugins.core.client.admission import Admission, Ticket
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Limits
from pulse_plugins.local import PulseServer, ServerOptions, scripted
from tests.support.listening import Listener

RATE = 16_000


class Line:
    """An `Admission` whose callers are names."""

    def __init__(self) -> None:
        self.admission = Admission()
        self.called: list[str] = []
        self.tickets: dict[str, Ticket] = {}

    def enter(self, name: str, limit: int, key: str = "k") -> bool:
        loop = asyncio.get_running_loop()
        call: Callable[[], None] = lambda: self.called.append(name)  # noqa: E731
        self.tickets[name] = self.admission.enter(key, limit, loop, call)
        return self.tickets[name].admitted

    async def leave(self, name: str) -> list[str]:
        """Who is called for it."""
        self.called.clear()
        self.admission.leave(self.tickets[name])
        await asyncio.sleep(0)
        return self.called


@pytest.fixture
def line() -> Line:
    return Line()


async def test_the_first_ones_are_admitted_and_the_rest_in_their_order(line: Line) -> None:
    assert [line.enter(name, 2) for name in "abcde"] == [True, True, False, False, False]
    assert [line.tickets[name].ahead for name in "cde"] == [0, 1, 2]
    assert await line.leave("b") == ["c"]
    assert await line.leave("a") == ["d"]
    assert await line.leave("c") == ["e"]
    assert await line.leave("d") == []
    assert await line.leave("e") == []
    assert line.enter("f", 1)


async def test_who_gives_up_in_line_frees_no_place_and_holds_nobody_up(line: Line) -> None:
    assert [line.enter(name, 1) for name in "abc"] == [True, False, False]
    assert await line.leave("b") == []
    assert await line.leave("a") == ["c"]


async def test_leaving_twice_is_leaving_once(line: Line) -> None:
    assert [line.enter(name, 1) for name in "abc"] == [True, False, False]
    assert await line.leave("a") == ["b"]
    assert await line.leave("a") == []


async def test_nobody_overtakes_the_head_of_the_line(line: Line) -> None:
    assert line.enter("a", 1)
    assert not line.enter("modest", 1)
    assert not line.enter("greedy", 5)
    assert await line.leave("a") == ["modest", "greedy"]


async def test_keys_do_not_wait_for_each_other(line: Line) -> None:
    assert line.enter("a", 1, key="one")
    assert line.enter("b", 1, key="another")


async def test_one_whose_loop_is_gone_passes_its_place_on(line: Line) -> None:
    assert line.enter("a", 1)
    dead = asyncio.new_event_loop()
    line.admission.enter("k", 1, dead, lambda: None)
    dead.close()
    assert not line.enter("c", 1)
    assert await line.leave("a") == ["c"]


def test_two_threads_with_a_loop_each_share_the_limit() -> None:
    """Each of many rounds holds the one place alone, whoever's loop it is on."""
    admission = Admission()
    inside: list[int] = []
    most: list[int] = []

    async def rounds(number: int) -> None:
        for _ in range(200):
            turn = asyncio.Event()
            ticket = admission.enter("k", 1, asyncio.get_running_loop(), turn.set)
            if not ticket.admitted:
                await asyncio.wait_for(turn.wait(), 10)
            inside.append(number)
            await asyncio.sleep(0)
            most.append(len(inside))
            inside.remove(number)
            admission.leave(ticket)

    threads = [
        threading.Thread(target=asyncio.run, args=(rounds(number),), daemon=True)
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 600
    assert set(most) == {1}


@pytest.mark.parametrize("wrong", [{"max_streams": 0}, {"queue_seconds": 0.0}])
def test_a_limit_that_lets_nobody_in_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="max_streams"):
        Limits(**wrong)  # type: ignore[arg-type]


def options(server: PulseServer, key: str, **limits: float) -> PulseOptions:
    made = Limits(**limits)  # type: ignore[arg-type]
    return PulseOptions(base_url=server.url, api_key=key, format=False, limits=made)


def kinds(listener: Listener, *wanted: type[Event]) -> list[str]:
    return [type(event).__name__ for event in listener.events if isinstance(event, wanted)]


async def test_a_stream_waits_for_its_place_and_then_says_every_word() -> None:
    """The server itself would refuse a second one; it is never asked."""
    async with PulseServer(ServerOptions(recognizer="scripted", concurrency=1)) as server:
        allowed = options(server, "waits", max_streams=1)
        first, second = PulseStream(allowed), PulseStream(allowed)
        first.start()
        one = Listener(first)
        await one.connected()
        second.start()
        second.start()  # does not jump the line
        two = Listener(second)
        second.push(scripted.speak(range(5), RATE).tobytes())
        request = second.request_finalize()
        await two.until(lambda: bool(two.events))
        assert two.events == [Queued(ahead=0)]
        assert len(server.connections) == 1
        await first.close()
        await two.finalized(request)
        await second.close()
        await one.ended()
        await two.ended()
        assert two.words == [scripted.spell(number) for number in range(5)]
        order = kinds(two, Queued, Admitted, Connected, Disconnected)
        assert order == ["Queued", "Admitted", "Connected", "Disconnected"]
        assert second.metrics.queue_seconds > 0
        assert second.metrics.retries == {}
        assert len(server.connections) == 2


async def test_no_place_in_time_is_an_error_of_its_own_and_no_handshake() -> None:
    async with PulseServer("scripted") as server:
        allowed = options(server, "too late", max_streams=1, queue_seconds=0.2)
        async with PulseStream(allowed) as first:
            one = Listener(first)
            await one.connected()
            late = PulseStream(allowed)
            late.start()
            late.push(bytes(RATE))
            two = Listener(late)
            with pytest.raises(QueueTimeoutError, match=r"limits\.max_streams allows"):
                await two.ended()
            assert len(server.connections) == 1
            assert kinds(two, AudioLost) == ["AudioLost"]  # what it was given is accounted for
        await one.ended()
        async with PulseStream(allowed) as third:  # its place in line was given up
            three = Listener(third)
            await three.connected()
        await three.ended()


async def test_one_that_gives_up_lets_the_next_in() -> None:
    async with PulseServer("scripted") as server:
        allowed = options(server, "gives up", max_streams=1)
        streams = [PulseStream(allowed) for _ in range(3)]
        for stream in streams:
            stream.start()
        streams[1].abort()
        streams[0].abort()
        listener = Listener(streams[2])
        await listener.connected()
        streams[2].abort()
        for stream in streams:
            await stream.wait_closed()
        await listener.ended()


async def test_without_a_limit_nobody_waits() -> None:
    async with PulseServer("scripted") as server:
        streams = [PulseStream(options(server, "free")) for _ in range(3)]
        for stream in streams:
            stream.start()
        listeners = [Listener(stream) for stream in streams]
        for listener in listeners:
            await listener.connected()
            assert not kinds(listener, Queued, Admitted)
        for stream, listener in zip(streams, listeners, strict=True):
            await stream.close()
            await listener.ended()
