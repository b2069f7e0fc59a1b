"""A call over a bad line: late, thin, one-way, refused, or its far end restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from pulse_plugins.core.base.events import AudioLost, Event, Final
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.local import PulseServer
from pulse_plugins.local.recognizers.scripted import speak, spell
from tests.support.proxy import Line, bad_line

WORDS = 24
FRAME = 640  # bytes: 20 ms at 16 kHz
PATIENT = Timeouts(stall=2.0, finalize=10.0, close=15.0)


async def late(line: Line) -> None:
    line.delay = 0.4


async def thin(line: Line) -> None:
    line.bytes_per_second = 30_000  # a little less than live audio needs
    await asyncio.sleep(4)
    line.bytes_per_second = None


async def stalled(line: Line) -> None:
    await asyncio.sleep(1.5)
    line.up = line.down = False
    await asyncio.sleep(6)
    line.up = line.down = True


async def one_way(line: Line) -> None:
    await asyncio.sleep(1.5)
    line.down = False
    await asyncio.sleep(5)
    line.down = True


async def restarted(line: Line) -> None:
    await asyncio.sleep(1.5)
    await line.close()
    await asyncio.sleep(2)
    await line.open()


async def flapping(line: Line) -> None:
    for _ in range(4):
        await asyncio.sleep(2.2)
        await line.close()
        await line.open()


async def call(trouble: Callable[[Line], Awaitable[None]]) -> tuple[list[Event], Line]:
    """A call in real time, with a request for the words in the middle and at the end."""
    async with PulseServer("scripted") as server, bad_line(server.port) as line:
        options = PulseOptions(base_url=line.url, format=False, timeouts=PATIENT)
        async with PulseStream(options) as stream:
            events: list[Event] = []
            reading = asyncio.create_task(_read(stream, events))
            troubling = asyncio.ensure_future(trouble(line))
            async for frame in _live(speak(range(WORDS), gap_seconds=0.1).tobytes()):
                stream.push(frame)
            stream.request_finalize()
            await troubling
            await stream.close()
            await reading
        return events, line


async def _live(pcm: bytes) -> AsyncIterator[bytes]:
    began = time.monotonic()
    for number, at in enumerate(range(0, len(pcm), FRAME), 1):
        yield pcm[at : at + FRAME]
        await asyncio.sleep(max(0.0, began + number * 0.02 - time.monotonic()))


async def _read(stream: PulseStream, events: list[Event]) -> None:
    async for event in stream:
        events.append(event)


async def test_every_word_comes_once_over_any_line() -> None:
    troubles = [late, thin, stalled, one_way, restarted, flapping]
    async with asyncio.timeout(80):
        results = await asyncio.gather(*(call(trouble) for trouble in troubles))
    for trouble, (events, line) in zip(troubles, results, strict=True):
        said = [w for e in events if isinstance(e, Final) for w in e.text.split()]
        assert said == [spell(number) for number in range(WORDS)], trouble.__name__
        assert not any(isinstance(event, AudioLost) for event in events), trouble.__name__
        again = trouble not in (late, thin)
        assert (line.connections > 1) is again, trouble.__name__
