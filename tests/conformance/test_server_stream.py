"""The local server's streams against sections 2 to 5 and 9 of the protocol page, heard barely."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import PATHS, Client, calling, finals, interims, spoken, text

FINALIZED = ["live", "pulse", "direct"]
CLOSING = {
    "live": "close_stream",
    "pulse": "close_stream",
    "legacy": "end",
    "direct": "close_stream",
}
TYPED = {"type", "status", "transcription"}
BASE = {"session_id", "transcript", "is_final", "is_last"}
OWING = ScriptedRecognizer("i owe twenty five dollars please call five five five".split())
CARD = ScriptedRecognizer(
    "card four one one one one one one one one one one one one one one one".split()
)


def server(*faults: str, **options: Any) -> PulseServer:
    recognizer = ScriptedRecognizer("book a table".split())
    return PulseServer(ServerOptions(**{"recognizer": recognizer, **options}), faults=faults)


async def close(client: Client, dialect: str = "live") -> list[dict[str, Any]]:
    return await client.finish(CLOSING[dialect])


# What the client may say: 4.1.


@pytest.mark.parametrize("dialect", FINALIZED)
async def test_4_1_finalize_is_answered_and_the_connection_stays(dialect: str) -> None:
    asked: dict[str, Any] = {"language": "en", "itn_normalize": True}
    async with server() as running, calling(running, dialect, **asked) as client:
        await client.say(speak(range(2)))
        await client.send({"type": "finalize"})
        full = await client.until_final()
        await client.send({"type": "finalize"})
        empty = await client.next()
        await client.say(speak([2]))
        rest = await close(client, dialect)
    assert spoken([full]) == ["book", "a"]
    assert (full["is_last"], full["from_finalize"]) == (False, True)
    assert (empty["transcript"], empty["is_final"], empty["is_last"]) == ("", True, False)
    assert spoken([rest[-1]]) == ["table"]


@pytest.mark.parametrize("dialect", PATHS)
async def test_4_1_the_closing_word_flushes_says_is_last_and_closes(dialect: str) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
        await client.say(speak(range(3)))
        messages = await close(client, dialect)
        assert client.close_code == 1000
    assert [each["is_last"] for each in messages] == [False] * (len(messages) - 1) + [True]
    assert messages[-1]["is_final"] is True
    assert spoken(messages) == ["book", "a", "table"]


WORDS = ["finalize", "close_stream", "end", "keepalive", "brand_new"]
UNDERSTOOD = {
    "live": {"finalize", "close_stream", "keepalive"},
    "pulse": {"finalize", "close_stream"},
    "legacy": {"end"},
    "direct": {"finalize", "close_stream"},
}


@pytest.mark.parametrize(
    ("dialect", "control"),
    [
        pytest.param(dialect, word, id=f"4.1 {word} on {dialect}")
        for dialect in PATHS
        for word in WORDS
        if word not in UNDERSTOOD[dialect]
    ],
)
async def test_4_1_other_words_are_ignored_but_for_the_direct_endpoint(
    dialect: str, control: str
) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
        await client.send({"type": control})
        if dialect == "direct":
            assert set(await client.next()) == {"error"}
        await client.say(speak([0]))
        assert spoken(await close(client, dialect)) == ["book"]
        assert len(finals(client.messages)) == 1


async def test_4_1_keepalive_is_answered_and_resets_the_timer() -> None:
    async with server(idle_timeout=1.0) as running, calling(running) as client:
        for _ in range(3):
            await client.send({"type": "keepalive"})
            assert await client.next() == {"type": "pong"}
        assert len(await client.rest()) == 3
        assert client.close_code == 1000


@pytest.mark.parametrize("dialect", PATHS)
async def test_4_1_pings_are_answered_and_silence_is_audio(dialect: str) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
        await (await client.socket.ping())
        await client.say(silence(0.5))
        messages = await close(client, dialect)
        assert [each["transcript"] for each in messages] == [""]
        assert running.connections[0].bytes_received == 16_000


# What it says: 4.2 and 4.3.


@pytest.mark.parametrize("dialect", PATHS)
async def test_4_2_a_message_has_the_fields_of_its_endpoint(dialect: str) -> None:
    asked: dict[str, Any] = {"language": "en", "word_timestamps": True, "sentence_timestamps": True}
    async with server() as running, calling(running, dialect, **asked) as client:
        await client.say(speak(range(3), lead_seconds=0.2))
        messages = await close(client, dialect)
        session_id = running.connections[0].session_id
    typed = set() if dialect == "legacy" else TYPED
    flag = {"from_finalize"} if dialect in ("live", "direct") else set()
    more = {"language", "languages", "words", "utterances"} | flag
    partial, final = interims(messages)[0], finals(messages)[0]
    assert set(partial) == BASE | typed
    assert set(final) == BASE | typed | more
    assert {each["session_id"] for each in messages} == {session_id}
    assert (final["language"], final["languages"]) == ("en", ["en"])
    assert final.get("transcription", final["transcript"]) == final["transcript"]
    assert final.get("type", "transcription") == "transcription"
    assert [set(word) for word in final["words"]] == [{"word", "start", "end", "confidence"}] * 3
    assert [word["start"] for word in final["words"]] == pytest.approx([0.2, 0.44, 0.68], abs=0.01)
    (sentence,) = final["utterances"]
    assert sentence == {
        "text": "Book a table.",
        "start": final["words"][0]["start"],
        "end": final["words"][-1]["end"],
    }


OUTPUT: list[Any] = [
    pytest.param({}, "Book a table. ", set(), id="2.3 defaults"),
    pytest.param({"format": "false"}, "book a table ", set(), id="2.3 format false"),
    pytest.param({"punctuate": "false"}, "Book a table ", set(), id="2.3 punctuate false"),
    pytest.param({"capitalize": "false"}, "book a table. ", set(), id="2.3 capitalize false"),
    pytest.param({"punctuation": "false"}, "Book a table. ", set(), id="2.3 unknown spelling"),
    pytest.param({"format": "True"}, "book a table ", set(), id="2 True is false"),
    pytest.param({"format": "1"}, "book a table ", set(), id="2 1 is false"),
    pytest.param({"word_timestamps": "true"}, None, {"words"}, id="2.3 word_timestamps"),
    pytest.param({"word_timestamps": "TRUE"}, None, set(), id="2 TRUE is false"),
    pytest.param({"diarize": "true"}, None, {"words"}, id="4.3 words with diarize"),
    pytest.param({"sentence_timestamps": "true"}, None, {"utterances"}, id="2.3 sentences"),
    pytest.param({"full_transcript": "true"}, None, {"full_transcript"}, id="2.3 full_transcript"),
    pytest.param({"itn_normalize": "true"}, "Book a table.", set(), id="9.2 no space with ITN"),
    pytest.param({"redact_pii": "true"}, "Book a table. ", set(), id="2.3 nothing to redact"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "transcript", "more"), OUTPUT)
async def test_2_3_the_output_is_what_was_asked_for(
    query: dict[str, str], transcript: str | None, more: set[str]
) -> None:
    async with server() as running, calling(running, **query) as client:
        await client.say(speak(range(3)))
        final = finals(await close(client))[0]
    extra = set(final) - BASE - TYPED - {"from_finalize", "language", "languages"}
    assert extra == more
    assert transcript is None or final["transcript"] == transcript


NUMBERS = [
    pytest.param({}, "i owe twenty five dollars", id="2.3 ITN is off"),
    pytest.param({"itn_normalize": "true"}, "i owe $25", id="2.3 itn_normalize"),
    pytest.param({"numerals": "true"}, "i owe $25", id="2.3 numerals"),
    pytest.param({"format": "false", "itn_normalize": "true"}, "i owe $25", id="8 format and ITN"),
]


@pytest.mark.parametrize(("query", "written"), NUMBERS)
async def test_2_3_numbers_are_written_on_finals_only(query: dict[str, str], written: str) -> None:
    asked: dict[str, Any] = {"word_timestamps": True, **query}
    async with server(recognizer=OWING) as running, calling(running, **asked) as client:
        await client.say(speak(range(5)))
        messages = await close(client)
    assert interims(messages)[-1]["transcript"] == "i owe twenty five dollars"
    assert text(messages).lower().rstrip(".") == written
    assert messages[-1]["words"][-1]["end"] == pytest.approx(1.2, abs=0.01)  # spans its sources


@pytest.mark.parametrize(
    ("language", "redacted"),
    [pytest.param("en", True, id="2.3 en"), pytest.param("de", False, id="2.3 ignored for de")],
)
async def test_2_3_redaction_has_placeholders_and_a_list(language: str, redacted: bool) -> None:
    asked: dict[str, Any] = {"language": language, "redact_pci": True, "word_timestamps": True}
    asked["finalize_on_words"] = False  # one final holds the whole number
    async with server(recognizer=CARD) as running, calling(running, **asked) as client:
        await client.say(speak([0, 1, *([2] * 15)]))
        final = finals(await close(client))[0]
    label = "[CREDITCARDNUMBER_1]"
    assert (label in final["transcript"]) is redacted
    assert final.get("redacted_entities") == ([label] if redacted else None)
    assert any(label.lower() in word["word"] for word in final["words"]) is redacted
    assert any("four" in each["transcript"] for each in interims(client.messages))


# When it says it: 2.2, 4.4, 5 and 9.


@pytest.mark.parametrize("dialect", PATHS)
async def test_4_4_speech_events_are_told_where_they_are_documented(dialect: str) -> None:
    asked: dict[str, Any] = {"language": "en", "vad_events": True}
    async with server() as running, calling(running, dialect, **asked) as client:
        await client.say(speak(range(3), lead_seconds=0.3, tail_seconds=1.0))
        messages = await close(client, dialect)
    edges = [each for each in messages if "timestamp" in each]
    expected = [] if dialect == "legacy" else ["speech_started", "speech_ended"]
    assert [each["type"] for each in edges] == expected
    assert all(set(each) == {"type", "session_id", "timestamp"} for each in edges)
    if edges:
        assert [each["timestamp"] for each in edges] == pytest.approx([0.3, 1.02], abs=0.05)


@pytest.mark.parametrize(
    ("query", "started", "ended"),
    [
        pytest.param({}, 0, 0, id="2.2 vad_events is off"),
        pytest.param({"vad": "true"}, 1, 1, id="2.2 vad is an alias"),
        pytest.param({"vad": "true", "vad_events": "false"}, 0, 0, id="2.2 vad_events wins"),
        pytest.param({"vad_events": "True"}, 0, 0, id="2 True is false"),
    ],
)
async def test_2_2_vad_events(query: dict[str, str], started: int, ended: int) -> None:
    async with server() as running, calling(running, **query) as client:
        await client.say(speak([0], tail_seconds=1.0))
        kinds = [each["type"] for each in await close(client)]
    assert (kinds.count("speech_started"), kinds.count("speech_ended")) == (started, ended)


async def test_4_4_speech_that_is_cut_off_has_no_end() -> None:
    async with server() as running, calling(running, vad_events=True) as client:
        await client.say(speak([0]))
        kinds = [each["type"] for each in await close(client)]
    assert "speech_started" in kinds
    assert "speech_ended" not in kinds


CUTS = [
    pytest.param({}, 0.5, 1, id="2.2 endpointing window 600"),
    pytest.param({}, 0.7, 2, id="2.2 endpointing"),
    pytest.param({"endpointing_timeout": 300}, 0.4, 2, id="2.2 endpointing_timeout"),
    pytest.param({"endpointing": "false"}, 0.7, 1, id="2.2 endpointing false"),
    pytest.param({"endpointing": "false"}, 0.9, 2, id="2.2 eou default 800"),
    pytest.param({"eou_timeout_ms": 300}, 0.4, 2, id="2.2 eou_timeout_ms"),
]


@pytest.mark.parametrize(("query", "pause", "count"), CUTS)
async def test_2_2_silence_cuts_finals(query: dict[str, Any], pause: float, count: int) -> None:
    async with server() as running, calling(running, **query) as client:
        await client.say(np.concatenate((speak([0], tail_seconds=pause), speak([1, 2]))))
        messages = await close(client)
    assert len(finals(messages)) == count
    assert spoken(messages) == ["book", "a", "table"]


ROLLOVER = [
    pytest.param({}, [10, 10, 4], id="2.2 about ten words"),
    pytest.param({"max_words": 20}, [20, 4], id="2.2 max_words"),
    pytest.param({"finalize_on_words": "false"}, [24], id="2.2 finalize_on_words false"),
    pytest.param({"finalize_on_words": "false", "max_words": 9}, [9, 9, 6], id="2.2 safety cap"),
]


@pytest.mark.parametrize(("query", "sizes"), ROLLOVER)
async def test_9_1_many_words_are_cut_in_mid_speech(
    query: dict[str, Any], sizes: list[int]
) -> None:
    async with server(recognizer="scripted") as running, calling(running, **query) as client:
        await client.say(speak(range(24)))
        messages = finals(await close(client))
    assert [len(each["transcript"].split()) for each in messages] == sizes
    assert [each["from_finalize"] for each in messages] == [False] * len(sizes)
