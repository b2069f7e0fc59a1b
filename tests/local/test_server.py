"""The local server against a bare websocket client: the protocol page's checklist, row by row."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import struct
import wave
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import aiohttp
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local import recordings
from pulse_plugins.local.encodings import ALAW, ENCODINGS, MULAW
from pulse_plugins.local.parameters import DOCUMENTED
from pulse_plugins.local.pocketsphinx import PocketSphinxRecognizer
from pulse_plugins.local.recognizer import Recognizer
from pulse_plugins.local.records import MAX_CONTROLS
from pulse_plugins.local.scoring import word_errors
from pulse_plugins.local.scripted import ScriptedRecognizer, silence, speak, spell
from pulse_plugins.local.server import PulseServer, serve
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import (
    CLOSE,
    DEADLINE,
    FINALIZE,
    PATHS,
    Client,
    calling,
    finals,
    interims,
    spoken,
    text,
)

HELLO = ScriptedRecognizer("please book a table for four".split())


def server(recognizer: Recognizer | str = HELLO, **options: Any) -> PulseServer:
    return PulseServer(ServerOptions(recognizer=recognizer, **options))


async def refusal(running: PulseServer, dialect: str = "live", **query: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with calling(running, dialect, **query):
            pass
    response = caught.value.response
    return response.status_code, (response.body or b"").decode()


# Paths and dialects


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
    typed = dialect in ("live", "direct")
    assert all(("type" in message) is typed for message in messages)
    assert all(("transcription" in message) is typed for message in messages)
    assert all(("from_finalize" in each) is (dialect != "legacy") for each in finals(messages))


@pytest.mark.parametrize("dialect", ["live", "pulse", "direct"])
async def test_finalize_flushes_and_the_connection_stays(dialect: str) -> None:
    async with server() as running, calling(running, dialect, language="en") as client:
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
    assert messages[-1]["from_finalize"] is False


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


# Keys


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


# Parameters


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
        {"keywords": "Acme:heavy"},
        {"keywords": "Acme:21"},
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


# Regions and concurrency


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


# Segments


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


# Encodings


def linear32(pcm: NDArray[np.int16]) -> bytes:
    return (pcm.astype("<i4") << 16).tobytes()


def companded(table: NDArray[np.int16]) -> Callable[[NDArray[np.int16]], bytes]:
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int64)

    def encode(pcm: NDArray[np.int16]) -> bytes:
        place = np.clip(np.searchsorted(values, pcm), 1, 255)
        below = np.abs(pcm - values[place - 1]) < np.abs(values[place] - pcm)
        return bytes(order[place - below].astype(np.uint8))

    return encode


@pytest.mark.parametrize("packet", [1001, 640])
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("linear32", linear32), ("mulaw", companded(MULAW)), ("alaw", companded(ALAW))],
)
async def test_every_encoding_is_decoded(
    encoding: str, encode: Callable[[NDArray[np.int16]], bytes], packet: int
) -> None:
    async with (
        server() as running,
        calling(running, encoding=encoding, sample_rate=8000) as client,
    ):
        await client.say(encode(speak(range(6), 8000)), packet)
        assert spoken(await client.finish()) == "please book a table for four".split()


def test_the_tables_are_those_of_the_standard() -> None:
    """Values of ITU-T G.711, tables 1 and 2, scaled to 16 bits."""
    assert [MULAW[code] for code in (0x00, 0x7F, 0x80, 0xFF, 0xF0)] == [-32124, 0, 32124, 0, 120]
    assert [ALAW[code] for code in (0x55, 0xD5, 0xAA, 0x2A)] == [-8, 8, 32256, -32256]
    for table in (MULAW, ALAW):
        assert len(set(table.tolist())) == (255 if table is MULAW else 256)


@pytest.mark.parametrize("rate", [22_050, 24_000, 44_100, 48_000])
async def test_every_rate_is_resampled_to_one_the_recognizer_takes(rate: int) -> None:
    class Narrow(ScriptedRecognizer):
        @property
        def sample_rates(self) -> frozenset[int]:
            return frozenset((8000, 16_000))

    async with (
        server(Narrow()) as running,
        calling(running, sample_rate=rate, word_timestamps=True) as client,
    ):
        await client.say(speak([7, 8, 9], rate))
        await client.send(FINALIZE)
        final = await client.until_final()
    assert [word["word"].lower().strip(".") for word in final["words"]] == [
        spell(7),
        spell(8),
        spell(9),
    ]
    assert final["words"][-1]["end"] == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize("encoding", ["opus", "ogg_opus"])
async def test_opus_is_decoded(encoding: Literal["opus", "ogg_opus"]) -> None:
    pytest.importorskip("av")
    from pulse_plugins.core.audio.opus import OpusEncoder

    encoder = OpusEncoder(encoding, 16_000, bit_rate=96_000)
    pcm = speak(range(6), lead_seconds=0.3, tail_seconds=0.5).tobytes()
    async with server() as running, calling(running, encoding=encoding) as client:
        for packet in encoder.encode(pcm) + encoder.finish():
            await client.socket.send(packet)
        assert spoken(await client.finish()) == "please book a table for four".split()


async def test_a_message_with_hours_of_opus_keeps_nobody_else_waiting() -> None:
    pytest.importorskip("av")
    page = b"OggS" + struct.pack("<HqIII", 0, 0, 1, 0, 0) + bytes([255]) + b"\x01" * 255
    page += b"\x08" * 255  # packets of one byte, each of which is some ten milliseconds of audio
    clock = asyncio.get_running_loop().time
    async with (
        server() as running,
        calling(running, encoding="ogg_opus", sample_rate=48_000) as rude,
        calling(running) as polite,
    ):
        began = clock()
        await rude.socket.send(page * (1_000_000 // len(page)))
        await running.wait_for(lambda each: each.connections[0].audio_seconds > 0)
        await polite.say(speak(range(2)))
        assert spoken(await polite.finish()) == ["please", "book"]
        assert clock() - began < 5
        assert not running.connections[0].closed


async def test_what_is_no_opus_ends_with_an_error() -> None:
    pytest.importorskip("av")
    async with server() as running, calling(running, encoding="ogg_opus") as client:
        await client.socket.send(b"nothing like it" * 10)
        (error,) = await client.rest()
        assert error["type"] == "error"
        assert client.close_code == 1003


@pytest.mark.process
@pytest.mark.parametrize(
    ("encoding", "rate", "limit"), [("linear16", 16_000, 0.03), ("mulaw", 8000, 0.05)]
)
async def test_real_speech_in_studio_and_telephone_quality(
    encoding: str, rate: Literal[8000, 16000], limit: float
) -> None:
    call = recordings.load("booking", rate)
    encode = companded(MULAW) if encoding == "mulaw" else np.ndarray.tobytes
    recognizer = PocketSphinxRecognizer(language_model="bookings")
    try:
        async with (
            server(recognizer) as running,
            calling(running, encoding=encoding, sample_rate=rate, word_timestamps=True) as client,
        ):
            await client.say(encode(call.samples), rate // 10)
            messages = await client.finish()
    finally:
        await recognizer.close()
    assert word_errors(call.text, text(messages)).rate < limit
    words = [word for final in finals(messages) for word in final["words"]]
    assert words == sorted(words, key=lambda word: word["start"])
    assert words[0]["start"] == pytest.approx(call.turns[0].start, abs=0.4)
    assert words[-1]["end"] == pytest.approx(call.turns[-1].end, abs=0.4)


# Output


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
    assert (messages[0]["language"], messages[0]["languages"]) == ("en-US", ["en-US"])


async def test_oddities_seen_on_the_wire_can_be_had() -> None:
    quirks = frozenset(
        {"empty_first_interim", "punctuation_final", "full_transcript", "wrong_language", "twice"}
    )
    async with server(quirks=quirks) as running, calling(running) as client:
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


# Connections


async def test_an_idle_connection_is_closed_and_keepalive_holds_it() -> None:
    async with server(idle_timeout=1.0) as running, calling(running) as client:
        for _ in range(4):
            await client.send({"type": "keepalive"})
            await client.next()
        assert await client.rest() == [{"type": "pong"}] * 4
        assert client.close_code == 1000


async def test_records_say_what_came_and_where() -> None:
    async with server() as running:
        async with calling(running, api_key="secret", key=None) as client:
            await client.say(speak([0]))
            await client.send(FINALIZE)
            await client.say(silence(0.1))
            await client.finish()
        await running.wait_for(lambda s: s.connections[0].closed)
        (record,) = running.connections
    assert record.bytes_received == 7680 + 3200
    assert [(each.type, each.at_byte) for each in record.controls] == [
        ("finalize", 7680),
        ("close_stream", 10880),
    ]
    assert (record.words, record.finals, record.close_code) == (1, 2, 1000)
    assert record.audio_seconds == pytest.approx(0.34)
    assert record.count("finalize") == 1
    assert "secret" not in repr(record)


async def test_waiting_for_what_never_comes_ends() -> None:
    async with server() as running:
        with pytest.raises(TimeoutError):
            await running.wait_for(lambda s: bool(s.connections), timeout=0.05)


async def test_a_message_too_long_is_closed_with_1009() -> None:
    async with server(max_message_bytes=4096) as running, calling(running) as client:
        await client.socket.send(bytes(5000))
        await client.rest()
        assert client.close_code == 1009


async def test_a_client_that_does_not_read_harms_itself_only() -> None:
    """It floods and never reads; another has its call meanwhile."""
    async with server(ScriptedRecognizer(), send_timeout=0.5) as running:
        host, port = running.url.removeprefix("ws://").split(":")
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (host, int(port)))
        flood = asyncio.create_task(_flood(raw))
        async with calling(running) as client:
            await client.say(speak(range(5)))
            assert spoken(await client.finish()) == [spell(number) for number in range(5)]
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        raw.close()
        await running.wait_for(lambda s: all(each.closed for each in s.connections), DEADLINE)


async def _flood(raw: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        raw,
        b"GET /waves/v1/stt/live?model=pulse HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer k\r\n\r\n",
    )
    audio = speak(range(2)).tobytes()
    frame = b"\x82\xfe" + len(audio).to_bytes(2, "big") + bytes(4) + audio
    while True:
        await loop.sock_sendall(raw, frame)


async def test_frames_that_break_the_protocol_close_the_connection() -> None:
    async with server() as running, calling(running) as client:
        client.socket.transport.write(b"\xff\xff\xff\xff\xff")
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(DEADLINE):
                await client.socket.recv()
        await running.wait_for(lambda s: s.connections[0].closed)


async def test_the_server_stops_with_open_connections() -> None:
    running = server()
    await running.start()
    async with calling(running) as client:
        await client.say(speak([0]))
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(running.aclose(), client.rest())
        assert client.close_code == 1001
    await running.aclose()
    with pytest.raises(RuntimeError, match="not running"):
        _ = running.port


async def test_a_recognizer_that_fails_ends_its_own_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ScriptedRecognizer):
        calls = 0

        async def open(self, **asked: Any) -> Any:
            Broken.calls += 1
            if Broken.calls == 1:
                raise ValueError("it heard: my secret")
            return await super().open(**asked)

    async with server(Broken()) as running:
        async with calling(running) as client:
            await client.rest()
            assert client.close_code == 1011
        async with calling(running) as client:
            await client.say(speak([0]))
            assert spoken(await client.finish()) == [spell(0)]
    above_debug = [each for each in caplog.records if each.levelno > logging.DEBUG]
    assert "ValueError" in caplog.text
    assert not any("secret" in each.getMessage() or each.exc_info for each in above_debug)


async def test_a_taken_port_is_an_error_and_leaves_nothing_open() -> None:
    async with server() as running:
        other = PulseServer("scripted", port=running.port)
        with pytest.raises(OSError, match="in use"):
            await other.start()
        await other.aclose()


async def test_being_open_to_others_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with PulseServer("scripted", host="0.0.0.0") as running:
        assert running.url.startswith("ws://127.0.0.1:")
    assert "reached by others" in caplog.text


async def test_a_talkative_client_is_not_remembered_for_ever() -> None:
    async with server() as running, calling(running) as client:
        for _ in range(MAX_CONTROLS + 50):
            await client.socket.send("{}")
        await client.finish()
        assert len(running.connections[0].controls) == MAX_CONTROLS
        assert running.connections[0].controls[-1].type == "close_stream"


actions = st.one_of(
    st.binary(max_size=3000),
    st.text(max_size=50),
    st.sampled_from(['{"type":"finalize"}', '{"type":"keepalive"}', '{"type":"close_stream"}']),
    st.builds(lambda n: speak(range(n)).tobytes(), st.integers(1, 3)),
)


@given(
    dialect=st.sampled_from(sorted(PATHS)),
    encoding=st.sampled_from(ENCODINGS),
    sends=st.lists(actions, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_nothing_that_a_client_sends_makes_the_server_fail(
    dialect: str, encoding: str, sends: list[bytes | str]
) -> None:
    async def call() -> int | None:
        async with server() as running, calling(running, dialect, encoding=encoding) as client:
            with suppress(ConnectionClosed):
                for each in sends:
                    await client.socket.send(each)
                await client.send({"type": "end" if dialect == "legacy" else "close_stream"})
            async with asyncio.timeout(DEADLINE):
                await client.rest()
            return client.close_code

    assert asyncio.run(call()) in (1000, 1003)


async def test_it_says_that_it_is_no_service(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with server():
        assert "local stand-in" in caplog.text


async def test_serving_until_cancelled() -> None:
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            ServerOptions(recognizer="scripted"),
            port=0,
            started=lambda running: listening.set_result(running.url),
        )
    )
    assert (await asyncio.wait_for(listening, DEADLINE)).startswith("ws://127.0.0.1:")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Pre-recorded


def wav(pcm: NDArray[np.int16], rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()


async def upload(
    running: PulseServer,
    body: bytes,
    path: str = "/waves/v1/stt/",
    key: str | None = "k",
    content_type: str = "application/octet-stream",
    **query: str,
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": content_type}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(running.http_url + path, data=body, params=query, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_a_file_is_transcribed() -> None:
    pcm = np.concatenate((speak([0, 1], tail_seconds=1.0), speak([2, 3])))
    asked = {"model": "pulse", "language": "en", "word_timestamps": "true"}
    async with server() as running:
        for path in ("/waves/v1/stt/", "/waves/v1/pulse/get_text"):
            status, body = await upload(running, wav(pcm), path, **asked)
            assert (status, body["status"]) == (200, "success")
            assert body["transcription"] == "Please book. A table."
            assert [word["word"] for word in body["words"]] == ["Please", "book.", "A", "table."]
            assert [each["text"] for each in body["utterances"]] == ["Please book.", "A table."]
            assert body["metadata"]["duration"] == pytest.approx(len(pcm) / 16_000, abs=0.001)
        asked["word_timestamps"] = "false"
        _, body = await upload(running, wav(pcm, 16_000), **asked)
        assert (body["words"], body["utterances"]) == ([], [])
        _, body = await upload(running, pcm.tobytes(), encoding="linear16", **asked)
        assert body["transcription"] == "Please book. A table."


@pytest.mark.parametrize(
    ("query", "content_type", "status", "words"),
    [
        ({"language": "en"}, "audio/wav", 400, "model"),
        ({"model": "pulse", "language": "tlh"}, "audio/wav", 400, "language"),
        ({"model": "pulse-pro", "language": "hi"}, "audio/wav", 400, "English"),
        ({"model": "pulse", "webhook_url": "http://x"}, "audio/wav", 400, "webhook"),
        ({"model": "pulse"}, "application/json", 400, "url"),
        ({"model": "pulse"}, "audio/wav", 400, "decoded"),
    ],
)
async def test_uploads_that_cannot_be_served(
    query: dict[str, str], content_type: str, status: int, words: str
) -> None:
    async with server() as running:
        got, body = await upload(running, b"nonsense", content_type=content_type, **query)
        assert got == status
        assert words in str(body)


async def test_uploads_need_a_key_and_have_a_limit() -> None:
    async with server(max_body_bytes=10_000) as running:
        assert (await upload(running, b"x", key=None, model="pulse"))[0] == 401
        assert (await upload(running, bytes(20_000), model="pulse"))[0] == 413
        status, body = await upload(running, b"", model="pulse")
        assert (status, body["error_code"]) == (400, "NoAudio")


def flac(seconds: float) -> bytes:
    """Silence, which takes next to no bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(round(seconds * 16_000), np.int16), 16_000, format="FLAC")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        (flac(2.5), {}, 413, "max_audio_seconds"),
        (bytes(80_000), {"encoding": "linear16"}, 413, "max_audio_seconds"),
        (wav(speak([0]), 2**31 - 1), {}, 400, "sample rate"),
        (wav(speak([0]), 1), {}, 400, "sample rate"),
        (wav(speak([0])), {"encoding": "zzz"}, 400, "encoding"),
        (bytes(300_000), {}, 413, "max_body_bytes"),
    ],
)
async def test_uploads_have_limits_that_their_refusals_name(
    body: bytes, query: dict[str, str], status: int, words: str
) -> None:
    async with server(max_audio_seconds=2.0, max_body_bytes=200_000) as running:
        got, answer = await upload(running, body, model="pulse", **query)
        assert (got, words in str(answer)) == (status, True)


class _Slow(ScriptedRecognizer):
    """Begins to hear when it is let, and counts what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.samples = 0

    async def open(self, **_: Any) -> Any:
        return self

    async def feed(self, pcm: NDArray[np.int16]) -> None:
        self.asked.set()
        await self.let.wait()
        self.samples += len(pcm)

    async def close(self) -> None:
        self.closed.set()


async def test_an_upload_is_given_up_with_its_client() -> None:
    slow = _Slow()
    async with asyncio.timeout(DEADLINE), server(slow) as running:
        asking = asyncio.create_task(upload(running, flac(1800), model="pulse"))
        await slow.asked.wait()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        slow.let.set()
        await slow.closed.wait()
    assert slow.samples < 60 * 16_000


# Options


def test_options_from_strings() -> None:
    made = ServerOptions.from_strings(
        ["recognizer=scripted", "latency-final=0.3", "concurrency=5", "concurrency_refusal=1008",
         "strict=true", "max_words=none", "quirks=twice+full_transcript", "from_finalize=itn"],
        control=True,
    )  # fmt: skip
    assert made == ServerOptions(
        recognizer="scripted",
        latency_final=0.3,
        concurrency=5,
        concurrency_refusal=1008,
        strict=True,
        max_words=None,
        quirks=frozenset({"twice", "full_transcript"}),
        from_finalize="itn",
        control=True,
    )


@pytest.mark.parametrize(
    "setting",
    ["nonsense=1", "strict", "strict=yes", "concurrency=0", "latency_final=soon", "region=mars"],
)
def test_options_that_cannot_be(setting: str) -> None:
    with pytest.raises(ConfigurationError):
        ServerOptions.from_strings([setting])


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


async def test_a_client_that_is_gone_before_its_handshake_is_answered_is_no_fault_of_the_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = (
        b"GET /waves/v1/pulse/get_text HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer x\r\n\r\n"
    )
    async with server() as running:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", running.port)) as raw:
                raw.sendall(request)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await running.wait_for(
            lambda each: [record.closed for record in each.connections] == [True] * 5
        )
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_what_is_no_http_is_refused_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asyncio.timeout(10), server() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.1\r\nAuthorization: Bearer sk_1\r\nA\x00B: c\r\n\r\n")
        answer = await reader.readline()
        writer.close()
    assert b"400" in answer
    assert "sk_1" not in caplog.text
