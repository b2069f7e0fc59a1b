"""Where the local server ends a segment."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
from pulse_plugins.local.server import PulseServer
from tests.local.client import (
    FINALIZE,
    Client,
    calling,
    finals,
    interims,
    server,
    spoken,
    text,
)


async def test_silence_ends_a_segment_and_its_events_say_where() -> None:
    query: dict[str, Any] = {
        "vad_events": True,
        "word_timestamps": True,
        "endpointing_timeout": 300,
    }
    async with server() as running, calling(running, **query) as client:
        await client.say(speak([0, 1], lead_seconds=0.5, tail_seconds=1.0))
        final = await client.until_final()
        await client.say(speak([2, 3], tail_seconds=1.0))
        messages = await client.finish()
    assert final["transcript"].strip() == "Please book."
    first, second = final["words"]
    assert (first["start"], second["end"]) == pytest.approx((0.5, 0.98), abs=0.002)
    assert first["confidence"] > 0.9
    edges = [(each["type"], each["timestamp"]) for each in messages if "timestamp" in each]
    assert [kind for kind, _ in edges] == ["speech_started", "speech_ended"] * 2
    assert [time for _, time in edges] == pytest.approx([0.5, 0.98, 1.98, 2.46], abs=0.05)
    # Times go on over the whole connection.
    assert finals(messages)[1]["words"][0]["start"] == pytest.approx(1.98, abs=0.002)


@pytest.mark.parametrize(
    ("query", "pause", "count"),
    [
        ({}, 0.5, 1),
        ({}, 0.7, 2),
        ({"endpointing_timeout": 200}, 0.3, 2),
        ({"endpointing": False}, 0.7, 1),
        ({"endpointing": False}, 0.9, 2),
        ({"endpointing": False, "eou_timeout_ms": 300}, 0.4, 2),
        ({"eou_timeout_ms": 300}, 0.4, 2),
    ],
)
async def test_the_windows_of_silence(query: dict[str, Any], pause: float, count: int) -> None:
    async with server() as running, calling(running, **query) as client:
        await client.say(np.concatenate((speak([0, 1], tail_seconds=pause), speak([2]))))
        assert len(finals(await client.finish())) == count


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ({}, [10, 10, 5]),
        ({"max_words": 4}, [4, 4, 4, 4, 4, 4, 1]),
        ({"finalize_on_words": False}, [25]),
        ({"finalize_on_words": False, "max_words": 20}, [20, 5]),
    ],
)
async def test_many_words_are_cut_into_finals(query: dict[str, Any], sizes: list[int]) -> None:
    async with server(ScriptedRecognizer()) as running, calling(running, **query) as client:
        await client.say(speak(range(25)))
        messages = await client.finish()
    assert [len(each["transcript"].split()) for each in finals(messages)] == sizes
    assert spoken(messages) == [spell(number) for number in range(25)]


async def test_a_cut_by_words_may_wait_for_a_pause() -> None:
    pcm = np.concatenate((speak(range(12), tail_seconds=0.1), speak(range(12, 16))))
    async with (
        server(ScriptedRecognizer(), rollover_at_pause=True) as running,
        calling(running) as client,
    ):
        await client.say(pcm)
        messages = await client.finish()
    assert [len(each["transcript"].split()) for each in finals(messages)] == [12, 4]


async def test_a_word_across_a_finalize_is_said_once() -> None:
    pcm = speak([0, 1, 2])
    async with server() as running, calling(running) as client:
        await client.say(pcm[:5800])
        await client.send(FINALIZE)
        assert (await client.until_final())["transcript"].strip() == "Please."
        await client.say(pcm[5800:])
        assert spoken(await client.finish()) == ["please", "book", "a"]


async def test_audio_faster_than_real_time_and_in_one_message() -> None:
    async with server(ScriptedRecognizer()) as running, calling(running) as client:
        pcm = speak(range(100), gap_seconds=0.05)
        await client.socket.send(pcm.tobytes())
        assert spoken(await client.finish()) == [spell(number) for number in range(100)]


async def test_the_recognizer_may_be_fed_in_chunks_of_a_second() -> None:
    async with server(chunk_seconds=1.1) as running, calling(running) as client:
        await client.say(speak(range(6)))
        messages = await client.finish()
    assert spoken(messages) == "please book a table for four".split()
    assert [each["transcript"] for each in interims(messages)] == [
        "please book a table",
        "please book a table for four",
    ]


async def test_text_is_joined_in_the_order_it_was_said() -> None:
    async with server(ScriptedRecognizer()) as running, asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(_one_call(running, number))


async def _one_call(running: PulseServer, number: int) -> None:
    said = range(number * 30, number * 30 + 30)
    async with calling(running, format=False) as client:
        await client.say(speak(said, gap_seconds=0.02 * number))
        assert text(await client.finish()).split() == [spell(each) for each in said]
    assert isinstance(client, Client)
