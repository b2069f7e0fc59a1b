"""What the messages of the local server hold."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.local.recognizers.scripted import speak
from tests.local.client import (
    FINALIZE,
    calling,
    finals,
    server,
)


async def test_utterances_full_transcript_and_language() -> None:
    query: dict[str, Any] = {
        "sentence_timestamps": True,
        "full_transcript": True,
        "language": "en-US",
    }
    async with server() as running, calling(running, **query) as client:
        await client.say(speak([0, 1], tail_seconds=0.8))
        await client.say(speak([2, 3]))
        messages = finals(await client.finish())
    assert [each["full_transcript"] for each in messages] == [
        "Please book.",
        "Please book. A table.",
    ]
    assert messages[1]["utterances"][0]["text"] == "A table."
    assert messages[1]["utterances"][0]["start"] == pytest.approx(1.28, abs=0.002)
    assert (messages[0]["language"], messages[0]["languages"]) == ("en", ["en"])


async def test_oddities_seen_on_the_wire_can_be_had() -> None:
    quirks = frozenset({"empty_first_interim", "punctuation_final", "wrong_language", "twice"})
    async with (
        server(quirks=quirks, full_transcript="always") as running,
        calling(running) as client,
    ):
        await client.say(speak([0]))
        await client.send(FINALIZE)
        messages = await client.finish()
    assert messages[0]["transcript"] == ""
    texts = [each["transcript"] for each in finals(messages)]
    assert texts == ["Please. ", "Please. ", ".", ""]
    assert finals(messages)[0]["language"] == "da"
    assert finals(messages)[0]["full_transcript"] == "Please."


@pytest.mark.parametrize(
    ("mode", "itn", "flag"),
    [("always", False, True), ("itn", False, False), ("itn", True, True), ("never", True, False)],
)
async def test_the_mark_of_an_answer_can_be_had_in_every_way(
    mode: str, itn: bool, flag: bool
) -> None:
    async with server(from_finalize=mode) as running, calling(running, itn_normalize=itn) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        assert (await client.until_final())["from_finalize"] is flag


async def test_a_server_may_leave_an_empty_finalize_and_a_close_unanswered() -> None:
    async with server(answer_empty=False, is_last="after_speech", idle_timeout=1.0) as running:
        async with calling(running) as client:
            await client.send(FINALIZE)
            assert await client.finish() == []
            assert client.close_code == 1000
        async with calling(running) as client:
            await client.say(speak([0]))
            assert (await client.finish())[-1]["is_last"] is True


async def test_latency_keeps_the_order() -> None:
    async with server(latency_final=0.2) as running, calling(running) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        await client.say(speak([1]))
        messages = await client.finish()
    assert [(each["is_final"], each["transcript"].strip()) for each in messages] == [
        (False, "please"),
        (True, "Please."),
        (False, "book"),
        (True, "Book."),
    ]
