"""What the stream tests share: frames out of words, pushing them, and checking the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import numpy as np
from livekit import rtc
from livekit.agents.stt import RecognizeStream, SpeechEvent, SpeechEventType
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.scripted import speak, spell

DEADLINE = 30.0
START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
END = SpeechEventType.END_OF_SPEECH
USAGE = SpeechEventType.RECOGNITION_USAGE


def words(first: int, count: int) -> list[str]:
    """The words with the numbers from `first` on."""
    return [spell(number) for number in range(first, first + count)]


def speech(
    first: int, count: int, rate: int = 16_000, *, lead: float = 0.2, tail: float = 0.6
) -> NDArray[np.int16]:
    """Words with small gaps between silences: 0.3 s a word."""
    return speak(
        range(first, first + count),
        rate,
        gap_seconds=0.06,
        lead_seconds=lead,
        tail_seconds=tail,
    )


def frames(
    samples: NDArray[np.int16], rate: int = 16_000, channels: int = 1, seconds: float = 0.02
) -> list[rtc.AudioFrame]:
    """20 ms frames; several channels are copies of the one."""
    size = round(rate * seconds)
    made = []
    for start in range(0, len(samples), size):
        piece = samples[start : start + size]
        data = np.repeat(piece, channels).tobytes()
        made.append(rtc.AudioFrame(data, rate, channels, len(piece)))
    return made


def push(stream: RecognizeStream, given: Iterable[rtc.AudioFrame]) -> None:
    """Push frames at once: a stream that fails in the course of them would refuse the rest."""
    for frame in given:
        stream.push_frame(frame)


async def play(
    stream: RecognizeStream, given: Iterable[rtc.AudioFrame], *, speed: float = 2.0
) -> None:
    """Push frames at this many times real time."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for frame in given:
        stream.push_frame(frame)
        due += frame.duration / speed
        await asyncio.sleep(max(0.0, due - loop.time()))


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """The URL of a server that takes connections and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Heard:
    """Collects a stream's events while it runs."""

    def __init__(self, stream: RecognizeStream) -> None:
        self.events: list[SpeechEvent] = []
        self._stream = stream
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        async for event in self._stream:
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until it is so, failing with what was heard."""
        try:
            async with asyncio.timeout(DEADLINE), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError:
            raise AssertionError(f"never came; heard {self.kinds}") from None

    async def ended(self) -> None:
        """Wait for the end of the events; raises what the stream raised."""
        async with asyncio.timeout(DEADLINE):
            await self._task

    @property
    def kinds(self) -> list[str]:
        return [event.type.value for event in self.events]

    @property
    def finals(self) -> list[SpeechEvent]:
        return [event for event in self.events if event.type is FINAL]

    @property
    def text(self) -> list[str]:
        """The words of all finals."""
        return " ".join(event.alternatives[0].text for event in self.finals).split()

    def count(self, kind: SpeechEventType) -> int:
        return sum(event.type is kind for event in self.events)


def check_grammar(events: Iterable[SpeechEvent]) -> None:
    """START and END in pairs, text only between them, an empty FINAL anywhere."""
    speaking = False
    for event in events:
        match event.type:
            case SpeechEventType.START_OF_SPEECH:
                assert not speaking, "START without END"
                speaking = True
            case SpeechEventType.END_OF_SPEECH:
                assert speaking, "END without START"
                speaking = False
            case SpeechEventType.RECOGNITION_USAGE:
                assert event.recognition_usage is not None
            case kind:
                assert event.alternatives
                said = event.alternatives[0].text
                assert speaking or (kind is FINAL and not said), f"{kind} outside speech"
    assert not speaking, "START without END at the end"
