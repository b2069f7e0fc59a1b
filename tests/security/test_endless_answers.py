"""Nonsense and messages without end cost a connection at most; other calls do not wait for them.

The work for a message is counted in executed lines of Python, not in seconds: a count is the same
on every machine.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from pulse_plugins import (
    Final,
    Interim,
    PulseOptions,
    Reconnecting,
    Timeouts,
    Utterance,
    Word,
)
from pulse_plugins.core.base.text import texts_of_words
from pulse_plugins.core.client.framing import MAX_MESSAGE_BYTES
from pulse_plugins.core.transcript.finals import _speaker
from pulse_plugins.pipecat.frames import Voice, final_frames
from pulse_plugins.pipecat.participants import Participants
from tests.security.hostile_servers import Server, call, failure, running
from tests.security.steps import lines_of


@pytest.mark.parametrize(
    "message",
    ["[" * 100_000, "{" * 100_000, '{"transcript": ' + "9" * 5_000 + "}", b"\x00" * 1_000, "null"],
    ids=["deep array", "deep object", "long number", "binary", "null"],
)
async def test_nonsense_ends_neither_the_process_nor_the_stream(message: str | bytes) -> None:
    told = json.dumps({"transcript": "hello", "is_final": False})
    async with running(Server((message, told))) as server:
        events = await call(PulseOptions(base_url=server.url))
    assert any(isinstance(event, Interim) and event.text == "hello" for event in events)


async def test_a_message_without_end_is_cut_off() -> None:
    async with running(Server(("x" * (MAX_MESSAGE_BYTES + 1),))) as server:
        events = await call(
            PulseOptions(base_url=server.url), lambda event: isinstance(event, Reconnecting)
        )
    assert isinstance(events[-1], Reconnecting)


async def test_a_handshake_without_end_is_cut_off() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        try:
            while True:
                writer.write(b"X: " + b"y" * 1000)
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        timeouts = Timeouts(connect=2.0, max_outage=4.0)
        error = await failure(PulseOptions(base_url=url, timeouts=timeouts))
    assert error.retryable


class Counted(str):
    """A speaker's label that counts how often it is compared; lines would not show it."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


MANY = 4_000
LINES_A_WORD = 60


def test_the_speaker_of_a_final_is_found_in_one_pass() -> None:
    Counted.compared = 0
    words = tuple(Word("a", n, n + 1, speaker=Counted(n)) for n in range(MANY))
    assert _speaker(words) == "0"
    assert Counted.compared < 10 * MANY


@pytest.mark.parametrize("one", ["a", "a b", "x"])
def test_a_text_is_divided_among_its_words_in_few_steps(one: str) -> None:
    text, words = " ".join("a" * MANY), [one] * (MANY + 1)
    assert lines_of(lambda: texts_of_words(text, words, "en")) < LINES_A_WORD * MANY
    assert texts_of_words(text, words, "en").join(0, MANY + 1) == text


def test_a_final_of_many_speakers_and_sentences_becomes_frames_in_few_steps() -> None:
    words = tuple(Word("a", n, n + 1, speaker=str(n)) for n in range(MANY))
    utterances = tuple(Utterance("a", n, n + 1) for n in range(MANY))
    final = Final(" ".join("a" * MANY), 0, MANY, words=words, utterances=utterances)
    people, voice = Participants(), Voice("en")
    lines = lines_of(lambda: final_frames([final], lambda _: voice, people))
    assert lines < 8 * LINES_A_WORD * MANY


async def test_the_labels_of_a_server_are_short() -> None:
    label = "x" * 10_000
    word = {"word": "hello", "start": 0.1, "end": 0.2, "speaker": label}
    told = {"transcript": "hello", "is_final": True, "language": label, "languages": [label]}
    told |= {"words": [word], "utterances": [{"text": "hello", "speaker": label}]}
    async with running(Server((json.dumps(told),))) as server:
        events = await call(PulseOptions(base_url=server.url, language="multi-eu"))
    (final,) = [event for event in events if isinstance(event, Final) and event.text]
    labels = [final.language, *final.languages, final.speaker, final.utterances[0].speaker]
    assert all(each is not None and len(each) <= 64 for each in labels)
