"""Faults on a real socket, many calls at once: each word once, in order, in its place.

The server is the local one, whose recognition here is a function of the audio that arrived; what
goes wrong, and when, is its schedule of faults.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from pulse_plugins.core.base.errors import AuthenticationError
from pulse_plugins.core.base.events import Final, Recovered
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.scoring import word_errors
from pulse_plugins.local.recognizers.scripted import speak
from pulse_plugins.local.recordings import load
from tests.support.players import StreamLine, play
from tests.support.scenarios import GAP, Call, Finalize, Pause, Say
from tests.support.sphinx import PocketSphinxRecognizer

RATE = 16_000
FRAME = RATE // 50 * 2  # bytes
PHRASE = 8  # words
_ASK = (Pause(0.3), Finalize(), Pause(0.1))
THREE_PHRASES = Call(
    "three phrases", (Say(PHRASE), *_ASK, Say(PHRASE), *_ASK, Say(PHRASE)), lead=0.1, tail=0.3
)


def place(index: int) -> float:
    """Where a word begins, in seconds of the stream."""
    return THREE_PHRASES.spoken[index].start


class _Undetected(StreamLine):
    """No voice detector hears the caller: requests come where the call says so, and at the end."""

    async def voice(self, *, speaks: bool) -> None:
        pass


def check(line: StreamLine) -> None:
    """Each word once, in order, where it was said; each request answered once, in order."""
    line.check(THREE_PHRASES)
    places = {word.text: word.start for word in THREE_PHRASES.spoken}
    for word in (w for final in line.finals for w in final.words):
        assert abs(word.start - places[word.text]) < 0.1


async def call(*faults: str, server: dict[str, Any] | None = None, **options: Any) -> StreamLine:
    """A call whose server has these faults."""
    made = ServerOptions(recognizer="scripted", latency_final=0.12, **(server or {}))
    async with PulseServer(made, faults=faults) as local:
        given = PulseOptions(base_url=local.url, format=False, **options)
        async with PulseStream(given) as stream:
            line = _Undetected(stream)
            reading = asyncio.create_task(line.listen())
            await play(THREE_PHRASES, line)
            await stream.close()
            async with asyncio.timeout(10):
                await reading
    return line


class _Clock:
    def __init__(self) -> None:
        self._next = time.monotonic()

    async def tick(self) -> None:
        self._next += 0.02
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))


IN_WORD, BETWEEN, LATE = place(3) + 0.1, place(4) - GAP / 2, place(12) + 0.1
SCHEDULES = {
    "nothing": (),
    "reset in mid-word": (f"drop@audio={IN_WORD:.2f}",),
    "reset between words": (f"drop@audio={BETWEEN:.2f}",),
    "reset on finalize": ("drop@finalize=1",),
    "reset on every first finalize": ("drop@finalize=1,times=3",),
    "reset on close": ("drop@closing=1",),
    "reset in the replay": (
        f"drop@audio={LATE:.2f}",
        "drop@audio=0.4,connection=2",
        "drop@audio=0.9,connection=3",
    ),
    "three in a row": ("drop@word=3", "drop@word=2,connection=2", "drop@word=2,connection=3"),
    "flapping": ("drop@audio=3.5,times=0",),
    "refused three times": (
        f"drop@audio={IN_WORD:.2f}",
        *(f"refuse=503@connection={number}" for number in (2, 3, 4)),
    ),
    "too many of us": (f"drop@audio={IN_WORD:.2f}", "refuse=429@connection=2"),
    "garbage": ("garbage@word=2", "garbage@word=11"),
    "an error message": (f"error=1011@audio={IN_WORD:.2f}",),
    "a stall": (f"stall=2@audio={IN_WORD:.2f}",),
    "late finals": ("late_final=0.8@finalize=1",),
    **{
        f"close {code}": (f"close={code}@audio={IN_WORD:.2f}",)
        for code in (1000, 1001, 1008, 1009, 1011, 1012, 1013, 4000)
    },
}


async def test_no_fault_costs_or_doubles_a_word() -> None:
    async with asyncio.timeout(100):
        calls = await asyncio.gather(*(call(*faults) for faults in SCHEDULES.values()))
    for name, result in zip(SCHEDULES, calls, strict=True):
        try:
            check(result)
        except AssertionError as error:
            raise AssertionError(name) from error
    recovered = [name for name, c in zip(SCHEDULES, calls, strict=True) if _recovered(c)]
    assert "reset in mid-word" in recovered
    assert "nothing" not in recovered


def _recovered(result: StreamLine) -> bool:
    return any(isinstance(event, Recovered) for event in result.events)


@pytest.mark.parametrize(
    "habits",
    [
        {"word_timestamps": False},
        {"from_finalize": "never"},
        {"max_words": 4},
        {"from_finalize": "never", "max_words": 4},
    ],
    ids=lambda habits: " ".join(habits),
)
async def test_nor_on_a_server_of_other_habits(habits: dict[str, Any]) -> None:
    names = ["reset in mid-word", "reset on finalize", "three in a row", "close 1011"]
    async with asyncio.timeout(60):
        calls = await asyncio.gather(*(call(*SCHEDULES[name], server=habits) for name in names))
    for result in calls:
        check(result)


async def test_a_black_hole_is_left_and_all_of_it_said_again() -> None:
    result = await call(
        f"blackhole@audio={IN_WORD:.2f}", timeouts=Timeouts(stall=1.5, finalize=8.0)
    )
    assert result.words == THREE_PHRASES.words


async def test_a_key_that_is_taken_back_ends_the_stream() -> None:
    faults = ("drop@word=3", "refuse=401@connection=2,times=0")
    async with PulseServer("scripted", faults=faults) as server:
        stream = PulseStream(PulseOptions(base_url=server.url))
        stream.start()
        stream.push(speak(range(PHRASE)).tobytes())
        with pytest.raises(AuthenticationError):
            async with asyncio.timeout(60.0):  # the stream would go on without an end
                await StreamLine(stream).listen()
        await stream.wait_closed()


async def test_what_an_outage_outlasts_is_lost_to_the_packet() -> None:
    result = await call(
        f"drop@audio={IN_WORD:.2f}",
        *(f"refuse=503@connection={number}" for number in range(2, 9)),
        limits=Limits(replay_seconds=1.0),
    )
    said = result.words
    assert said == [word for word in THREE_PHRASES.words if word in said]  # in order, none twice
    for word in THREE_PHRASES.spoken:
        is_lost = any(each.start < word.end and word.start < each.end for each in result.lost)
        assert is_lost or word.text in said
    for before, after in itertools.pairwise(result.lost):
        assert before.end <= after.start


async def test_real_speech_is_understood_as_well_over_a_line_that_drops() -> None:
    recording = load("change")
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=2)

    async def hear(*faults: str) -> str:
        options = ServerOptions(recognizer=recognizer)
        async with (
            PulseServer(options, faults=faults) as server,
            PulseStream(PulseOptions(base_url=server.url)) as stream,
        ):
            clock, pcm = _Clock(), recording.samples.tobytes()
            for at in range(0, len(pcm), FRAME):
                stream.push(pcm[at : at + FRAME])
                await clock.tick()
            stream.end()
            return " ".join([e.text async for e in stream if isinstance(e, Final)])

    first, second = recording.turns
    middles = [first.start + 1.3, second.start + 1.0 - first.start]
    try:
        await recognizer.warm()
        whole, cut = await asyncio.gather(
            hear(),
            hear(f"drop@audio={middles[0]:.2f}", f"drop@audio={middles[1]:.2f},connection=2"),
        )
    finally:
        await recognizer.close()
    unbroken = word_errors(recording.text, whole).errors
    assert unbroken < len(recording.text.split()) / 4
    assert word_errors(recording.text, cut).errors <= unbroken + 2
