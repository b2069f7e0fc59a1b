"""Section 10 of the protocol page: the local server behaves as the service was seen to behave.

Each habit is tested in both directions: with the default, and with the habit switched.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import (
    FINALIZE,
    PATHS,
    Client,
    calling,
    finals,
    interims,
    spoken,
    text,
)

BOOK = ScriptedRecognizer("book a table for four".split())


def server(*faults: str, **options: Any) -> PulseServer:
    return PulseServer(ServerOptions(**{"recognizer": BOOK, **options}), faults=faults)


@pytest.mark.parametrize(
    ("dialect", "query", "language"),
    [
        pytest.param("live", {"language": "multi-eu"}, "en", id="N11 multi-eu on A"),
        pytest.param("pulse", {"language": "multi"}, "en", id="N11 multi on B"),
        pytest.param("pulse", {}, "en", id="N11 no language on B"),
        pytest.param("live", {"language": "en-GB"}, "en", id="4.3 a code with a region"),
        pytest.param("live", {"language": "hi"}, "hi", id="4.3 a pinned language"),
    ],
)
async def test_n11_finals_name_the_language_that_was_heard(
    dialect: str, query: dict[str, str], language: str
) -> None:
    async with server() as running, calling(running, dialect, **query) as client:
        await client.say(speak([0]))
        final = finals(await client.finish())[0]
    assert (final["language"], final["languages"]) == (language, [language])


async def test_n11_a_recognizer_may_name_the_language_of_each_word() -> None:
    mixed = ScriptedRecognizer(("book", "karo"), languages_of={1: "hi"})
    async with server(recognizer=mixed) as running, calling(running, language="hi") as client:
        await client.say(speak([1, 0]))
        final = finals(await client.finish())[0]
    assert (final["language"], final["languages"]) == ("hi", ["hi"])
    mixed = ScriptedRecognizer(("book", "karo"), languages_of={0: "en", 1: "hi"})
    async with server(recognizer=mixed) as running, calling(running, language="multi-eu") as client:
        await client.say(speak([0, 1]))
        final = finals(await client.finish())[0]
    assert (final["language"], final["languages"]) == ("en", ["en", "hi"])


MARKS: list[Any] = [
    pytest.param("live", "observed", False, True, id="A"),
    pytest.param("live", "observed", True, True, id="A with ITN"),
    pytest.param("direct", "observed", False, True, id="D"),
    pytest.param("pulse", "observed", False, None, id="N1 N12 B without ITN"),
    pytest.param("pulse", "observed", True, True, id="D-GT B with ITN"),
    pytest.param("pulse", "always", False, True, id="always"),
    pytest.param("pulse", "itn", False, False, id="itn, off"),
    pytest.param("pulse", "itn", True, True, id="itn, on"),
    pytest.param("live", "never", True, False, id="never"),
]


@pytest.mark.parametrize(("dialect", "habit", "itn", "flag"), MARKS)
async def test_n12_the_mark_of_an_answer_is_as_observed_on_each_endpoint(
    dialect: str, habit: str, itn: bool, flag: bool | None
) -> None:
    asked: dict[str, Any] = {"language": "en", "itn_normalize": itn}
    async with server(from_finalize=habit) as running, calling(running, dialect, **asked) as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        answer = await client.until_final()
        last = (await client.finish())[-1]
    assert answer.get("from_finalize") is flag
    assert not last.get("from_finalize")


CUMULATIVE: list[Any] = [
    pytest.param("pulse", "observed", {"language": "en", "full_transcript": True}, False, id="N12"),
    pytest.param("pulse", "observed", {"language": "multi-eu"}, True, id="N12 unasked"),
    pytest.param("pulse", "asked", {"language": "en", "full_transcript": True}, True, id="asked"),
    pytest.param("pulse", "never", {"language": "multi-eu"}, False, id="never"),
    pytest.param("legacy", "observed", {"full_transcript": True}, True, id="S-OLD asked"),
    pytest.param("legacy", "observed", {}, False, id="S-OLD not asked"),
    pytest.param("live", "observed", {"full_transcript": True}, True, id="D-LIVE asked"),
    pytest.param("live", "always", {}, True, id="always"),
]


@pytest.mark.parametrize(("dialect", "habit", "query", "there"), CUMULATIVE)
async def test_n12_the_full_transcript_is_as_observed_on_each_endpoint(
    dialect: str, habit: str, query: dict[str, Any], there: bool
) -> None:
    running = server(full_transcript=habit)
    async with running, calling(running, dialect, **query) as client:
        await client.say(speak([0]))
        messages = await client.finish("end" if dialect == "legacy" else "close_stream")
    assert ("full_transcript" in messages[-1]) is there
    assert not any("full_transcript" in each for each in interims(messages))


async def test_n3_the_pulse_endpoint_sends_type_status_and_transcription() -> None:
    async with server() as running, calling(running, "pulse", language="en") as client:
        await client.say(speak([0]))
        for message in await client.finish():
            assert (message["type"], message["status"]) == ("transcription", "success")
            assert message["transcription"] == message["transcript"]
    quirks = frozenset({"bare_messages"})
    async with server(quirks=quirks) as running, calling(running, "pulse", language="en") as client:
        await client.say(speak([0]))
        assert not any("type" in message for message in await client.finish())


KEYWORDS: list[Any] = [
    pytest.param("pulse", "I:20,smiling:26", {"I": 20.0, "smiling": 26.0}, id="N13 weights"),
    pytest.param("pulse", '["acme:5.0","lee"]', {"acme": 5.0, "lee": 1.0}, id="N13 JSON on B"),
    pytest.param("legacy", '["acme:5.0","lee"]', {"acme": 5.0, "lee": 1.0}, id="S-OLD JSON"),
    pytest.param("legacy", "['acme:5.0', 'lee']", {"acme": 5.0, "lee": 1.0}, id="Python's list"),
    pytest.param("legacy", "acme:5.0,lee", {"acme": 5.0, "lee": 1.0}, id="a string on C"),
    pytest.param("legacy", "None", {}, id="N13 None"),
    pytest.param("legacy", "auto", {}, id="S-OLD auto"),
    pytest.param("live", "", {}, id="empty"),
    pytest.param("live", "Mary Ann Lee:1.5", {"Mary Ann Lee": 1.5}, id="a phrase"),
]


@pytest.mark.parametrize(("dialect", "value", "expected"), KEYWORDS)
async def test_n13_keywords_are_taken_in_every_form(
    dialect: str, value: str, expected: dict[str, float]
) -> None:
    seen: list[dict[str, float]] = []

    class Listening(ScriptedRecognizer):
        async def open(self, **asked: Any) -> Any:
            seen.append(dict(asked["keywords"]))
            return await super().open(**asked)

    asked = {"language": "en", "keywords": value}
    running = server(recognizer=Listening())
    async with running, calling(running, dialect, **asked) as client:
        await client.finish("end" if dialect == "legacy" else "close_stream")
    assert seen == [expected]


async def test_n13_keywords_given_one_by_one_are_all_taken() -> None:
    query = [("language", "en"), ("keywords", "acme:5.0"), ("keywords", "lee")]
    async with server() as running:
        url = f"{running.url}{PATHS['legacy']}?{urlencode(query)}"
        async with connect(
            url, additional_headers={"Authorization": "Bearer k"}, proxy=None
        ) as socket:
            assert (await Client(socket).finish("end"))[-1]["is_last"]
        (note,) = running.connections[0].notes
    assert "JSON list" in note


async def test_n13_doubtful_keywords_spoil_the_transcript_where_that_is_switched_on() -> None:
    for quirks, keywords, expected in (
        (frozenset(), "I:26", "Book."),
        (frozenset({"spoiled_by_keywords"}), "I:6", "Book."),
        (frozenset({"spoiled_by_keywords"}), "I:26", '\u2047 "I'),
    ):
        async with server(quirks=quirks) as running:
            async with calling(running, "pulse", language="en", keywords=keywords) as client:
                await client.say(speak([0]))
                assert text(await client.finish()) == expected
            assert bool(running.connections[0].notes) is (keywords == "I:26")


async def two_finals(**habits: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer to a finalize in mid-speech, and the final of the rest."""
    async with server(**habits) as running, calling(running, word_timestamps=True) as client:
        await client.say(speak([0, 1, 2])[:9600])  # in the middle of the third word
        await client.send(FINALIZE)
        first = await client.until_final()
        await client.say(speak([0, 1, 2])[9600:])
        return first, (await client.finish())[-1]


async def test_n1_the_word_under_way_at_a_finalize_may_be_in_both_finals() -> None:
    first, second = await two_finals()
    assert (spoken([first]), spoken([second])) == (["book", "a"], ["table"])
    first, second = await two_finals(repeat_cut_word=0.1)
    assert (spoken([first]), spoken([second])) == (["book", "a"], ["a", "table"])
    start, again = first["words"][-1]["start"], second["words"][0]["start"]
    assert again - start == pytest.approx(0.1, abs=0.001)


async def test_n1_a_word_before_a_pause_is_in_one_final() -> None:
    async with server(repeat_cut_word=0.1) as running, calling(running) as client:
        await client.say(speak([0, 1], tail_seconds=0.3))
        await client.send(FINALIZE)
        assert spoken([await client.until_final()]) == ["book", "a"]
        await client.say(speak([2]))
        assert spoken([(await client.finish())[-1]]) == ["table"]


@pytest.mark.parametrize("dialect", PATHS)
async def test_n2_a_time_out_inside_the_stream_is_survived(dialect: str) -> None:
    running = server("timed_out@word=1")
    async with running, calling(running, dialect, language="en") as client:
        await client.say(speak(range(3)))
        messages = await client.finish("end" if dialect == "legacy" else "close_stream")
    (problem,) = [each for each in messages if each.get("status") == "error"]
    assert set(problem) == {"status", "message"}
    assert "timed out" in problem["message"]
    assert spoken(messages) == ["book", "a", "table"]


@pytest.mark.parametrize(
    ("habit", "texts", "with_words"),
    [
        pytest.param("with_words", ["Book. "], True, id="4.1"),
        pytest.param("empty", ["Book. ", ""], True, id="N4 later version"),
        pytest.param("repeats", ["Book. ", "Book. "], False, id="N4"),
    ],
)
async def test_n4_the_last_message_is_empty_or_repeats(
    habit: str, texts: list[str], with_words: bool
) -> None:
    running = server(last_message=habit)
    async with running, calling(running, word_timestamps=True) as client:
        await client.say(speak([0]))
        messages = finals(await client.finish())
    assert [each["transcript"] for each in messages] == texts
    assert [each["is_last"] for each in messages] == [False] * (len(texts) - 1) + [True]
    assert ("words" in messages[-1]) is with_words


@pytest.mark.parametrize("dialect", PATHS)
async def test_n5_closing_over_silence_gives_an_empty_final(dialect: str) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
        await client.say(silence(0.5))
        (last,) = await client.finish("end" if dialect == "legacy" else "close_stream")
    assert (last["transcript"], last["is_final"], last["is_last"]) == ("", True, True)


async def test_n6_errors_may_have_the_fields_error_and_code() -> None:
    quirks = frozenset({"error_with_code"})
    async with server("error@word=1", quirks=quirks) as running, calling(running) as client:
        await client.say(speak([0]))
        messages = await client.rest()
    assert set(messages[-1]) == {"error", "code"}


@pytest.mark.parametrize(("region", "refused"), [("us", True), ("india", True), ("any", False)])
async def test_n8_multi_is_refused_in_every_real_region(region: str, refused: bool) -> None:
    async with server(region=region) as running, calling(running, language="multi") as client:
        messages = await (client.rest() if refused else client.finish())
    codes = [each.get("error_code") for each in messages]
    assert ("LANGUAGE_NOT_ENABLED_IN_REGION" in codes) is refused
    async with server(region=region) as running, calling(running, language="multi-eu") as client:
        assert (await client.finish())[-1]["is_last"]


async def test_n9_the_key_may_stand_in_the_query_and_frames_of_32_kib_come_unpaced() -> None:
    pcm = speak(range(5), gap_seconds=0.3, tail_seconds=0.5).tobytes()
    asked: dict[str, Any] = {"api_key": "k", "finalize_on_words": False}
    async with server() as running, calling(running, key=None, **asked) as client:
        for start in range(0, len(pcm), 32_768):
            await client.socket.send(pcm[start : start + 32_768])
        await client.send({"type": "close_stream"})
        assert spoken(await client.rest()) == "book a table for four".split()
        assert running.connections[0].has_key
