"""Sections 3, 4.1, 5, 8 and 9 of docs/protocol.md: what the client says, when, and the turns.

The service is a script, so that what it answers, and in which order, is the page's own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from pulse_plugins import (
    Connected,
    Disconnected,
    Final,
    Interim,
    PulseStream,
    Reconnecting,
    Recovered,
    SpeechEnded,
    SpeechStarted,
    Timeouts,
)
from tests.conformance.service import (
    DEADLINE,
    LAST,
    LOUD,
    RATE,
    Close,
    Frame,
    Script,
    attend,
    hear,
    options,
    service,
)
from tests.support.listening import Listener
from tests.support.privacy import API_KEY

DIALECTS = ["live", "pulse", "legacy", "direct"]
PATHS = {
    "live": "/waves/v1/stt/live",
    "pulse": "/waves/v1/pulse/get_text",
    "legacy": "/api/v1/pulse/get_text",
    "direct": "/transcribe",
}
FINALIZE, CLOSE, END = ({"type": kind} for kind in ("finalize", "close_stream", "end"))
FLAG = {"from_finalize": True}


def final(text: str, start: float = 0.0, **fields: Any) -> dict[str, Any]:
    """A final whose words, each of 0.2 s, are said one after another."""
    words = [
        {"word": word, "start": start + 0.2 * place, "end": start + 0.2 * place + 0.2}
        for place, word in enumerate(text.split())
    ]
    return {"session_id": "s1", "transcript": text, "is_final": True, "words": words, **fields}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_5_1_the_upgrade_and_the_audio_that_follows_at_once(dialect: str) -> None:
    async with service() as running:
        await hear(running, dialect=dialect, headers={"X-Source": "livekit"})
        (visit,) = running.visits
    assert visit.path == PATHS[dialect]
    assert visit.headers["Authorization"] == f"Bearer {API_KEY}"
    assert visit.headers["X-Source"] == "livekit"
    assert API_KEY not in str(visit.query)
    assert visit.wire == [LOUD, END if dialect == "legacy" else CLOSE]  # 4.1, each once


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("base", ["", "/waves/v1", "/waves/v1/"], ids=lambda text: f"1 {text!r}")
async def test_1_the_path_may_be_given_in_part(base: str, dialect: str) -> None:
    if dialect in ("live", "pulse"):
        async with service() as running:
            await hear(running, dialect=dialect, base_url=running.url + base)
            assert running.visits[0].path == PATHS[dialect]
    else:
        async with service() as running:
            await hear(running, dialect=dialect, stream_path="/elsewhere")
            assert running.visits[0].path == "/elsewhere"


@pytest.mark.parametrize(
    ("encoding", "rate", "width"),
    [
        pytest.param("linear16", 16000, 2, id="3 linear16"),
        pytest.param("linear32", 16000, 4, id="3 linear32"),
        pytest.param("mulaw", 8000, 1, id="3 mulaw"),
        pytest.param("alaw", 8000, 1, id="3 alaw"),
    ],
)
async def test_3_audio_is_raw_bytes_in_advised_portions(
    encoding: str, rate: int, width: int
) -> None:
    pcm = LOUD[: rate * 2 + 2]  # one second and a sample: the tail goes out too
    async with service() as running:
        await hear(running, pcm=pcm, encoding=encoding, sample_rate=rate)
        (visit,) = running.visits
    assert len(visit.audio) == (rate + 1) * width
    assert all(size % width == 0 and size <= 8192 for size in visit.packets)
    if encoding == "linear16":
        assert visit.audio == pcm
    if encoding == "linear32":  # little-endian integers
        assert (np.frombuffer(visit.audio, "<i4") >> 16 == np.frombuffer(pcm, "<i2")).all()


@pytest.mark.parametrize("dialect", ["live", "pulse", "direct"])
async def test_4_1_finalize_comes_after_all_audio_before_it(dialect: str) -> None:
    pcm = LOUD[:10_000]  # less than four packets
    async with service(Script(finalize=[[final("hello", **FLAG)]])) as running:
        events = await hear(running, pcm=pcm, finalizes=1, dialect=dialect)
        assert running.visits[0].wire == [pcm, FINALIZE, CLOSE]
    assert [(e.text, e.finalize_id) for e in events if isinstance(e, Final)] == [("hello", 1)]


async def test_4_1_finalize_is_never_said_to_the_legacy_endpoint() -> None:
    spoken = final("one two three four five six seven eight nine ten", 0.88)
    async with service(Script(heard=[spoken])) as running:
        events = await hear(running, finalizes=1, dialect="legacy")
        assert running.visits[0].controls == [END]
    assert [e.finalize_id for e in events if isinstance(e, Final)][-1] == 1


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        pytest.param("live", [{"type": "keepalive"}], id="4.1 keepalive on A"),
        pytest.param("pulse", [], id="4.1 silence on B"),
        pytest.param("legacy", [], id="4.1 silence on C"),
        pytest.param("direct", [], id="4.1 no keepalive on D"),
    ],
)
async def test_4_1_an_idle_connection_is_kept(dialect: str, expected: list[Any]) -> None:
    async with service(Script(heard_bytes=3200, heard=[final("hello")])) as running:
        timeouts = Timeouts(keepalive=0.1)
        stream = PulseStream(options(running, dialect=dialect, timeouts=timeouts))
        async with stream:
            listener = Listener(stream)
            await listener.connected()
            (visit,) = running.visits
            async with asyncio.timeout(DEADLINE):
                while not (visit.controls or listener.words):  # of 3200 bytes of silence
                    await running.came()
        await listener.ended()
    assert visit.controls[: len(expected)] == expected
    assert not any(visit.audio)
    assert (len(visit.audio) >= 3200) is (not expected)


async def test_4_1_word_times_do_not_count_inserted_silence() -> None:
    quiet = 3200  # bytes; 0.1 s
    script = Script(heard_bytes=quiet + len(LOUD), heard=[final("hello", 0.6)])
    async with service(script) as running:
        stream = PulseStream(options(running, timeouts=Timeouts(keepalive=0.1)))
        async with stream:
            listener = Listener(stream)
            await listener.connected()
            async with asyncio.timeout(DEADLINE):
                while len(running.visits[0].audio) < quiet:
                    await running.came()
            inserted = stream.metrics.silence_seconds
            stream.push(LOUD)
        await listener.ended()
    (heard,) = [event for event in listener.events if isinstance(event, Final)]
    assert heard.start == pytest.approx(0.6 - inserted, abs=0.01)


TURN: list[Frame] = [
    {"type": "speech_started", "session_id": "s1", "timestamp": 0.31},
    {"type": "transcription", "transcript": "my order", "is_final": False, "is_last": False},
    final("My order number is one two ", 0.3, type="transcription", is_last=False),
    {"type": "speech_ended", "session_id": "s1", "timestamp": 2.6},
]


async def test_5_a_typical_turn() -> None:
    answer = final("three. ", 2.4, type="transcription", is_last=False, **FLAG)
    async with service(Script(heard=TURN, finalize=[[answer]])) as running:
        events = await attend(running, finalizes=1, dialect="live", vad_events=True)
        assert running.visits[0].wire == [LOUD, FINALIZE, CLOSE]
    kinds: list[type] = [Connected, SpeechStarted, Interim, Final, SpeechEnded, Final, Disconnected]
    assert [type(event) for event in events] == kinds
    said = [(e.text, e.finalize_id) for e in events if isinstance(e, Final)]
    assert said == [("My order number is one two", None), ("three.", 1)]


ANSWERS = [
    pytest.param([[final("hello", 2.4, **FLAG)]], ["hello"], id="8 from_finalize set"),
    pytest.param([[final("hello", 2.68)]], ["hello"], id="8 from_finalize not seen"),
    pytest.param([[final("", **FLAG)]], [""], id="5.3 empty answer with the flag"),
    pytest.param([[final(".", **FLAG)]], [""], id="9.3 punctuation with the flag"),
    pytest.param(
        [[final("hello", 2.4), final("", **FLAG)]],
        ["hello", ""],
        id="5.3 the server's own final first",
    ),
    pytest.param(
        [[final("hello", 2.4, **FLAG), final("hello", 2.4)]], ["hello"], id="5.3 duplicate final"
    ),
    pytest.param(
        [[final("hello", 2.4), final("hello", 2.4, **FLAG)]],
        ["hello", ""],
        id="5.3 duplicate final, flag last",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "texts"), ANSWERS)
async def test_8_an_answer_is_known_with_and_without_its_flag(
    answers: list[list[Frame]], texts: list[str]
) -> None:
    async with service(Script(finalize=answers)) as running:
        events = await hear(running, finalizes=1)
    finals = [event for event in events if isinstance(event, Final)]
    assert " ".join(e.text for e in finals).split() == " ".join(texts).split()
    assert sum(e.finalize_id == 1 for e in finals) == 1
    assert not any(e.promoted for e in finals)


async def test_5_3_a_finalize_without_an_answer_is_bounded_and_keeps_the_words() -> None:
    partial = {"transcript": "hello", "is_final": False}
    async with service(Script(heard=[partial])) as running:
        events = await hear(running, finalizes=1, timeouts=Timeouts(finalize=0.2))
    finals = [event for event in events if isinstance(event, Final)]
    assert [(e.text, e.finalize_id, e.promoted) for e in finals] == [("hello", 1, True)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "closing",
    [
        pytest.param([LAST, Close(1000)], id="5.4 is_last then close"),
        pytest.param([LAST], id="5.4 is_last and no close"),
        pytest.param([Close(1000)], id="5.4 close without is_last"),
        pytest.param([], id="5.5 neither"),
        pytest.param([{**LAST, "transcript": "bye"}, Close(1000)], id="5.4 last words"),
    ],
)
async def test_5_4_the_end_is_waited_for_and_bounded(closing: list[Frame], dialect: str) -> None:
    async with service(Script(heard=[final("hi", 2.6)], closing=closing)) as running:
        timeouts = Timeouts(close=0.5)
        events = await hear(running, dialect=dialect, timeouts=timeouts)
        assert len(running.visits) == 1
    texts = [event.text for event in events if isinstance(event, Final)]
    assert texts == (["hi", "bye"] if len(closing) == 2 and closing[0] != LAST else ["hi"])


async def test_5_6_many_turns_share_one_connection() -> None:
    turns = range(1, 6)
    answers = [[final(f"turn{n}", n * len(LOUD) / 2 / RATE - 0.3, **FLAG)] for n in turns]
    async with service(Script(finalize=answers)) as running:
        stream = PulseStream(options(running))
        async with stream:
            listener = Listener(stream)
            for _ in turns:
                stream.push(LOUD)
                await listener.finalized(stream.request_finalize())
        await listener.ended()
        (visit,) = running.visits
    assert visit.wire == [part for _ in turns for part in (LOUD, FINALIZE)] + [CLOSE]
    finals = [event for event in listener.events if isinstance(event, Final)]
    assert [(e.text, e.finalize_id) for e in finals] == [(f"turn{n}", n) for n in turns]


async def test_9_9_times_start_again_on_each_connection_and_the_stream_s_go_on() -> None:
    first = Script(heard=[final("one two", 0.2), Close(1006)])
    second = Script(heard_bytes=1, heard=[final("three", 0.6)], closing=[LAST, Close(1000)])
    async with service(first, second) as running:
        events = await attend(running)
        replayed = len(LOUD) - len(running.visits[1].audio)
    finals = [event for event in events if isinstance(event, Final)]
    settled = replayed / 2 / RATE
    assert [e.text for e in finals] == ["one two", "three"]
    assert settled == pytest.approx(0.6, abs=0.1)  # where the first final ended
    assert finals[1].start == pytest.approx(settled + 0.6, abs=0.01)
    assert sum(isinstance(event, Reconnecting) for event in events) == 1
    assert sum(isinstance(event, Recovered) for event in events) == 1


async def test_9_12_a_close_after_silence_is_clean_and_audio_wakes_the_stream() -> None:
    packets = len(LOUD) // 3200 * 3200  # what goes out while more is expected
    idle = Script(heard_bytes=packets, heard=[final("hello", 2.6), Close(1000)])
    async with service(idle, Script(heard=[final("again", 2.6)])) as running:
        stream = PulseStream(options(running))
        async with stream:
            listener = Listener(stream)
            stream.push(LOUD)
            await listener.until(lambda: any(isinstance(e, Disconnected) for e in listener.events))
            stream.push(LOUD)
            await listener.connected(2)
        await listener.ended()
    assert not any(isinstance(event, Reconnecting) for event in listener.events)
    assert listener.words == ["hello", "again"]
