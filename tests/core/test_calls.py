"""Every call of the catalogue through a `PulseStream`: each word once, in order, all answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from tests.support import calls
from tests.support.peer import peer
from tests.support.players import StreamLine, play
from tests.support.profiles import is_few, pairs
from tests.support.scenarios import Call

LATENCIES: dict[str, Any] = {
    "0.05 s": {"latency": 0.05},
    "0.4 s": {"latency": 0.4},
    "0.9 s": {"latency": 0.9},
    "0.05 to 0.9 s": {"latency": (0.05, 0.9)},
}
HABITS: dict[str, dict[str, Any]] = {
    "marks its answers": {},
    "marks no answer": {"flag": False},
    "rolls over": {"max_words": 4},
    "rolls over and marks no answer": {"max_words": 4, "flag": False},
    "answers no empty finalize": {"answers_empty": False},
    "answers no empty finalize and marks none": {"answers_empty": False, "flag": False},
    "no endpointing": {"window": None},
    "no word times": {"word_times": False},
    "rounded word times": {"word_times": "rounded"},
    "repeats every second final": {"repeats_finals": 2},
    "doubles a word at once": {"doubles_word": 0.0},
    "doubles a word late": {"doubles_word": 0.3},
    "finals overtake interims": {"overtakes": True},
    "is_last is empty": {"last": "empty"},
    "is_last repeats": {"last": "repeat"},
    "reports errors and goes on": {"error_every": 3},
    "few interims": {"interim_every": 3},
    "no interims": {"interim_every": 0},
}


#: Every habit meets every call in the profiles that run in continuous integration and at night.
OF_EVERY_KIND = [call for call in calls.ALL if not is_few() or call.name in calls.OF_EVERY_KIND]


async def play_to_stream(call: Call, **habits: Any) -> StreamLine:
    """The call through a stream; the result is what came out of it."""
    async with peer(seed=1, **habits) as server:
        stream = PulseStream(PulseOptions(base_url=server.url, language="en", format=False))
        line = StreamLine(stream)
        stream.start()
        listening = asyncio.create_task(line.listen())
        await play(call, line, server)
        stream.end()
        async with asyncio.timeout(30):
            await listening
        await stream.close()
    return line


def named(chosen: list[tuple[Call, str]]) -> list[Any]:
    return [pytest.param(call, name, id=f"{call.name}-{name}") for call, name in chosen]


@pytest.mark.parametrize(("call", "latency"), named(pairs(calls.ALL, list(LATENCIES), 3)))
async def test_every_call_at_every_latency(call: Call, latency: str) -> None:
    line = await play_to_stream(call, **LATENCIES[latency])
    line.check(call)


@pytest.mark.parametrize(("call", "habits"), named(pairs(OF_EVERY_KIND, list(HABITS), 3)))
async def test_every_call_on_a_server_of_every_habit(call: Call, habits: str) -> None:
    line = await play_to_stream(call, latency=0.3, **HABITS[habits])
    line.check(call)
