"""The endpoints of the local server: paths, keys, parameters and limits of a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.wire.parameters import DOCUMENTED
from tests.local.client import (
    CLOSE,
    DEADLINE,
    FINALIZE,
    PATHS,
    calling,
    finals,
    interims,
    refusal,
    server,
    spoken,
)


@pytest.mark.parametrize("dialect", PATHS)
async def test_a_call_from_first_word_to_the_last_message(dialect: str) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
        await client.say(speak(range(6), lead_seconds=0.2))
        messages = await client.finish("end" if dialect == "legacy" else "close_stream")
        assert client.close_code == 1000
    last = messages[-1]
    assert spoken(messages) == "please book a table for four".split()
    assert (last["is_final"], last["is_last"]) == (True, True)
    assert interims(messages)[0]["transcript"] == "please"
    assert len({message["session_id"] for message in messages}) == 1
    typed = dialect != "legacy"
    assert all(("type" in message) is typed for message in messages)
    assert all(("transcription" in message) is typed for message in messages)
    flagged = dialect in ("live", "direct")  # on `pulse` with ITN only
    assert all(("from_finalize" in each) is flagged for each in finals(messages))


@pytest.mark.parametrize("dialect", ["live", "pulse", "direct"])
async def test_finalize_flushes_and_the_connection_stays(dialect: str) -> None:
    asked: dict[str, Any] = {"language": "en", "itn_normalize": True}
    async with server() as running, calling(running, dialect, **asked) as client:
        await client.say(speak([0, 1]))
        await client.send(FINALIZE)
        first = await client.until_final()
        await client.send(FINALIZE)
        empty = await client.until_final()
        await client.say(speak([2, 3]))
        messages = await client.finish()
    assert first["transcript"].strip() == "Please book."
    assert (first["from_finalize"], first["is_last"]) == (True, False)
    assert (empty["transcript"], empty["from_finalize"]) == ("", True)
    assert messages[-1]["transcript"].strip() == "A table."
    assert not messages[-1].get("from_finalize")


async def test_the_legacy_dialect_knows_end_only() -> None:
    async with server() as running, calling(running, "legacy", language="en") as client:
        await client.say(speak([0]))
        await client.send(FINALIZE)
        await client.send(CLOSE)
        await client.say(speak([1]))
        messages = await client.finish("end")
    assert [each["transcript"].strip() for each in finals(messages)] == ["Please book."]


async def test_keepalive_is_answered_on_live_and_an_error_on_direct() -> None:
    async with server() as running:
        async with calling(running, "live") as client:
            await client.send({"type": "keepalive"})
            assert await client.next() == {"type": "pong"}
        async with calling(running, "direct") as client:
            await client.send({"type": "keepalive"})
            assert set(await client.next()) == {"error"}
            await client.say(speak([0]))
            assert spoken(await client.finish()) == ["please"]


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", "null", "7", '{"type":7}', '{"type":"finalise"}', "[" * 5000]
)
async def test_messages_that_mean_nothing_are_passed_over(junk: str) -> None:
    async with server() as running, calling(running) as client:
        await client.socket.send(junk)
        await client.say(speak([0]))
        assert spoken(await client.finish()) == ["please"]


async def test_a_missing_and_a_wrong_key_have_their_bodies() -> None:
    async with server(api_key="right") as running:
        assert await refusal(running, key=None) == (
            401,
            '{"message": "Unauthorized: No tokens provided"}',
        )
        assert await refusal(running, key="wrong") == (401, '{"error": "unauthorized"}')
        async with calling(running, key="right") as client:
            assert finals(await client.finish())
        async with calling(running, key=None, token="right") as client:
            assert finals(await client.finish())
        assert [record.refused for record in running.connections] == [401, 401, None, None]
        assert [record.has_key for record in running.connections] == [False, True, True, True]
        assert "right" not in repr(running.connections)


@pytest.mark.parametrize("request_line", ["GET /waves/v1/stt/live", "POST /waves/v1/stt/"])
@pytest.mark.parametrize("wanted", [None, "right"])
async def test_a_key_that_is_no_utf8_is_unauthorized(request_line: str, wanted: str | None) -> None:
    head = f"{request_line}?model=pulse&language=en HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
    async with asyncio.timeout(DEADLINE), server(api_key=wanted) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(head.encode() + b"Authorization: Bearer \xff\xfe\r\n\r\n")
        assert b" 401 " in await reader.readline()
        writer.close()


async def test_any_key_will_do_unless_one_is_demanded() -> None:
    async with server() as running:
        assert (await refusal(running, key=None))[0] == 401
        async with calling(running, key="whatever") as client:
            await client.finish()


@pytest.mark.parametrize(
    "query",
    [
        {"model": ""},
        {"model": "whisper"},
        {"model": "pulse-pro"},
        {"encoding": "flac"},
        {"sample_rate": "11025"},
        {"sample_rate": "x"},
        {"eou_timeout_ms": "0"},
        {"eou_timeout_ms": "10001"},
        {"max_words": "0"},
        {"language": "tlh"},
        {"keywords": ",".join(["word"] * 10_001)},
    ],
)
async def test_what_cannot_be_is_refused_with_400(query: dict[str, str]) -> None:
    async with server() as running:
        status, body = await refusal(running, **query)
        assert status == 400
        assert "error" in body


async def test_a_true_boolean_is_true_in_lower_case_only() -> None:
    for value, has_words in (("true", True), ("True", False), ("1", False), ("false", False)):
        async with server() as running:
            async with calling(running, word_timestamps=value) as client:
                await client.socket.ping()
                await client.say(speak([0]))
                (final,) = finals(await client.finish())
            assert ("words" in final) is has_words


async def test_words_are_there_unasked_on_the_older_dialects_and_never_where_it_is_said() -> None:
    async with server() as running:
        for dialect, expected in (("live", False), ("pulse", True), ("legacy", True)):
            async with calling(running, dialect, language="en") as client:
                await client.say(speak([0]))
                messages = await client.finish("end" if dialect == "legacy" else "close_stream")
                assert ("words" in messages[-1]) is expected
    async with (
        server(word_timestamps=False) as running,
        calling(running, word_timestamps=True) as client,
    ):
        await client.say(speak([0]))
        assert "words" not in (await client.finish())[-1]


async def test_a_strict_server_takes_what_the_dialect_documents() -> None:
    async with server(strict=True) as running:
        for dialect, names in DOCUMENTED.items():
            status, body = await refusal(running, dialect, language="en", shiny="new")
            assert (status, "shiny" in body) == (400, True)
            if "endpointing" not in names:
                assert (await refusal(running, dialect, language="en", endpointing=True))[0] == 400
        async with calling(running, "live", endpointing=True) as client:
            await client.finish()


async def test_keywords_reach_the_recognizer_in_both_forms() -> None:
    seen: list[dict[str, float]] = []

    class Listening(ScriptedRecognizer):
        async def open(self, **asked: Any) -> Any:
            seen.append(dict(asked["keywords"]))
            return await super().open(**asked)

    async with server(Listening()) as running:
        async with calling(running, keywords="Acme:2,Mary Ann:1.5,SKU") as client:
            await client.finish()
        async with calling(running, "legacy", keywords='["acme:5.0","lee"]') as client:
            await client.finish("end")
    assert seen == [{"Acme": 2.0, "Mary Ann": 1.5, "SKU": 1.0}, {"acme": 5.0, "lee": 1.0}]


async def test_regions_refuse_each_others_languages_as_the_service_does() -> None:
    many = ScriptedRecognizer(languages=("en", "zh", "ta"))
    async with server(many, region="us") as running, calling(running, language="ta") as client:
        (error,) = await client.rest()
        assert error["error_code"] == "LANGUAGE_NOT_ENABLED_IN_REGION"
    async with server(many, region="india") as running, calling(running, language="zh") as client:
        assert await client.rest() == []
    async with server(many) as running, calling(running, model="pulse-2", language="zh") as client:
        assert await client.rest() == []


async def test_one_connection_too_many_is_refused_in_either_way() -> None:
    async with server(concurrency=1) as running, calling(running):
        await running.wait_for(lambda s: len(s.connections) == 1)
        with pytest.raises(InvalidStatus) as caught:
            async with calling(running):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
        async with calling(running, key="another") as theirs:  # the limit is that of a key
            assert finals(await theirs.finish())
    async with (
        server(concurrency=1, concurrency_refusal=1008) as running,
        calling(running),
        calling(running) as second,
    ):
        assert await second.rest() == []
        assert second.close_code == 1008
    async with server(max_connections=1) as running, calling(running):
        assert (await refusal(running))[0] == 503
