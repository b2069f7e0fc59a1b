"""A stream that tells a listener: at once, in order, never within a call of its own, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulse_plugins.core.base.errors import AuthenticationError
from pulse_plugins.core.base.events import Connected, Disconnected, Event, Final, Interim
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scripted import speak, spell
from tests.benchmarks.service import serving


class Ear:
    """Remembers, and does something at each event."""

    def __init__(self, then: Callable[[Event], None] = lambda _: None) -> None:
        self.events: list[Event] = []
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._then = then
        self._busy = False

    def happened(self, event: Event) -> None:
        assert not self._busy, "told while it was being told"
        self._busy = True
        self.events.append(event)
        try:
            self._then(event)
        finally:
            self._busy = False

    def over(self, failure: Exception | None) -> None:
        self.ended.set_result(failure)

    async def end(self) -> Exception | None:
        async with asyncio.timeout(10):
            return await self.ended

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


async def test_it_hears_what_was_before_it_and_may_ask_within_an_event() -> None:
    asked: list[int] = []

    def ask(event: Event) -> None:
        if isinstance(event, Interim) and not asked:
            asked.append(stream.request_finalize())

    async with PulseServer("scripted") as server:
        stream = PulseStream(PulseOptions(base_url=server.url, format=False))
        stream.start()
        async with asyncio.timeout(10):
            await server.wait_for(lambda each: len(each.connections) == 1)
        ear = Ear(ask)
        stream.listen(ear)
        for number in range(6):
            await stream.send(speak([number]).tobytes())
            await asyncio.sleep(0.05)
        stream.push(speak([], tail_seconds=0.3).tobytes())
        stream.end()
        assert await ear.end() is None
        await stream.wait_closed()
    finals = [event for event in ear.events if isinstance(event, Final)]
    assert " ".join(f.text for f in finals).split() == [spell(number) for number in range(6)]
    assert asked
    assert asked[0] in [f.finalize_id for f in finals]
    assert isinstance(ear.events[0], Connected)


async def test_one_that_raises_is_told_of_its_own_failure_once() -> None:
    def fail(_: Event) -> None:
        raise ValueError("mine")

    async with serving() as port:
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
        stream.start()
        ear = Ear(fail)
        stream.listen(ear)
        assert isinstance(await ear.end(), ValueError)
        assert len(ear.events) == 1
        stream.abort()
        await stream.wait_closed()


async def test_events_that_a_listener_causes_follow_the_one_that_it_is_told() -> None:
    async with serving() as port:
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
        ear = Ear(lambda event: stream.abort() if isinstance(event, Connected) else None)
        stream.listen(ear)
        stream.start()
        assert await ear.end() is None
        await stream.wait_closed()
    assert [type(event) for event in ear.events] == [Connected, Disconnected]


async def test_it_is_told_why_the_stream_failed() -> None:
    async with PulseServer(ServerOptions(recognizer="scripted", api_key="right")) as server:
        stream = PulseStream(PulseOptions(api_key="wrong", base_url=server.url))
        ear = Ear()
        stream.listen(ear)
        stream.start()
        assert isinstance(await ear.end(), AuthenticationError)
        await stream.wait_closed()


async def test_fragments_and_whole_messages_keep_their_order() -> None:
    from websockets.asyncio.server import ServerConnection, serve

    def said(text: str, *, final: bool = True) -> str:
        return f'{{"transcript":"{text}","is_final":{str(final).lower()},"is_last":false}}'

    async def speak_in_pieces(socket: ServerConnection) -> None:
        await socket.send(said("one"))
        whole = said("two")
        await socket.send([whole[:9], whole[9:20], whole[20:]])
        await socket.send(said("three"))
        await socket.send(said("four"))
        await socket.wait_closed()

    async with serve(speak_in_pieces, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = PulseStream(PulseOptions(base_url=f"ws://127.0.0.1:{port}"))
        heard = asyncio.Event()
        ear = Ear(lambda _: heard.set() if len(ear.all(Final)) == 4 else None)
        stream.listen(ear)
        stream.start()
        async with asyncio.timeout(10):
            await heard.wait()
        stream.abort()
        await stream.wait_closed()
    texts = [event.text for event in ear.events if isinstance(event, Final)]
    assert texts == ["one", "two", "three", "four"]
