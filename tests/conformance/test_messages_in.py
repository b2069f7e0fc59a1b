"""Sections 4.2 to 4.5 of docs/protocol.md: what the client makes of each message, over a socket.

Every shape is written by hand as a document or an observer shows it.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pytest

from pulse_plugins import Final, Interim, MessageIgnored, SpeechEnded, SpeechStarted, Utterance
from pulse_plugins.core.base.events import Event
from tests.conformance.service import Frame, Script, hear, seen, service

Expected: TypeAlias = list[tuple[type[Event], dict[str, object]]]


def word(text: str, start: float, end: float, **more: object) -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, "confidence": 0.9, **more}


PARTIAL_A = {
    "type": "transcription",
    "status": "success",
    "session_id": "7d0c1f8e",
    "transcript": "book a table",
    "transcription": "book a table",
    "is_final": False,
    "is_last": False,
}
FINAL_A = {
    **PARTIAL_A,
    "transcript": "Book a table for 4. ",
    "transcription": "Book a table for 4. ",
    "is_final": True,
    "from_finalize": False,
    "language": "en",
    "languages": ["en"],
    "words": [
        word("Book", 0.32, 0.56, speaker=0, speaker_confidence=0.88),
        word("a", 0.56, 0.64, speaker=0, speaker_confidence=0.9),
        word("table", 0.64, 1.04, speaker=0, speaker_confidence=0.91),
        word("for", 1.04, 1.2, speaker=0, speaker_confidence=0.91),
        word("4.", 1.2, 1.52, speaker=0, speaker_confidence=0.89),
    ],
    "utterances": [{"text": "Book a table for 4.", "start": 0.32, "end": 1.52, "speaker": 0}],
}
FINAL_B = {
    "session_id": "sess_a81",
    "transcript": "My card is [CREDITCARDCVV_1]",
    "is_final": True,
    "is_last": False,
    "language": "en",
    "languages": ["en"],
    "redacted_entities": ["[CREDITCARDCVV_1]"],
    "words": [word("[creditcardcvv_1]", 1.1, 1.9)],
}


def final(text: str = "hello there", **fields: Any) -> dict[str, Any]:
    return {"session_id": "s1", "transcript": text, "is_final": True, "is_last": False, **fields}


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


def spoken_by(speaker: object) -> dict[str, Any]:
    return final("hello", words=[word("hello", 0.1, 0.4, speaker=speaker)])


def case(name: str, frames: list[Frame], *expected: tuple[type[Event], dict[str, object]]) -> Any:
    return pytest.param(frames, list(expected), id=name)


def says(text: str, **more: object) -> tuple[type[Event], dict[str, object]]:
    return Final, {"text": text, "finalize_id": None, **more}


HELLO = says("hello there")
BAD_FIELD: tuple[type[Event], dict[str, object]] = (MessageIgnored, {"reason": "field words"})

MESSAGES = [
    case(
        "4.2 A partial",
        [PARTIAL_A],
        (Interim, {"text": "book a table", "start": 0.0}),
        says("book a table", promoted=True),  # the server closes, and no final came
    ),
    case(
        "4.2 A final",
        [FINAL_A],
        says(
            "Book a table for 4.",
            start=0.32,
            end=1.52,
            language="en",
            languages=("en",),
            speaker="0",
            session_id="7d0c1f8e",
            utterances=(Utterance("Book a table for 4.", 0.32, 1.52, "0"),),
        ),
    ),
    case(
        "4.2 B minimal",
        [FINAL_B],
        says("My card is [CREDITCARDCVV_1]", redacted_entities=("[CREDITCARDCVV_1]",), start=1.1),
    ),
    case("4.2 C only transcript and flags", [final()], HELLO),
    case("4.2 D-GT without is_last", [without(final(), "is_last")], HELLO),
    case("4.3 type transcription", [final(type="transcription")], HELLO),
    case("4.3 type missing", [final()], HELLO),
    case("4.3 status text", [final(status="success")], HELLO),
    case("4.5 status a number", [final(status=200, status_code=200)], HELLO),
    case("4.3 session_id missing", [without(final(), "session_id")], says("hello there")),
    case("4.3 session_id null", [final(session_id=None)], says("hello there", session_id="")),
    case("4.3 transcript empty, final", [final("")]),
    case("4.3 transcript empty, partial", [final("", is_final=False)]),
    case("4.3 transcript null", [final(None, transcription="hello there")], HELLO),  # type: ignore[arg-type]
    case("4.3 transcript with trailing space", [final("hello there ")], HELLO),
    case("4.3 transcript with leading space", [final(" hello there")], HELLO),
    case(
        "4.3 transcription alone",
        [without(final(transcription="hello there"), "transcript")],
        HELLO,
    ),
    case("4.3 full_transcript unasked", [final(full_transcript="before hello there")], HELLO),
    case("4.3 is_last without is_final", [final(is_final=False, is_last=True)], HELLO),
    case("4.3 from_finalize unasked", [final(from_finalize=True)], HELLO),
    case(
        "4.3 speech_final", [final(speech_final=True)], says("hello there", speech_final=True)
    ),
    case("4.3 language of a pinned session", [final(language="da")], says("hello there")),
    case(
        "4.3 language of another detection", [final(language="fr")],
        says("hello there", language="en"),
    ),
    case("4.3 language null", [final(language=None)], says("hello there", language="en")),
    case("4.3 languages null", [final(languages=None)], says("hello there", languages=())),
    case(
        "4.3 languages several",
        [final(languages=["en", "hi"])],
        says("hello there", languages=("en", "hi")),
    ),
    case("4.3 words absent", [final()], says("hello there", words=())),
    case("4.3 words empty", [final(words=[])], says("hello there", words=())),
    case("4.3 words of another type", [final(words=7)], BAD_FIELD, HELLO),
    case(
        "4.3 words without confidence",
        [final("hello", words=[without(word("hello", 0.1, 0.4), "confidence")])],
        says("hello", confidence=None, start=0.1, end=0.4),
    ),
    case("4.3 speaker int", [spoken_by(1)], says("hello", speaker="1")),
    case("4.3 speaker string", [spoken_by("1")], says("hello", speaker="1")),
    case("4.3 speaker speaker_0", [spoken_by("speaker_0")], says("hello", speaker="speaker_0")),
    case("4.3 speaker null", [spoken_by(None)], says("hello", speaker=None)),
    case(
        "4.3 utterances text",
        [final("hi", words=[word("hi", 0.1, 0.4)],
               utterances=[{"text": "hi", "start": 0.1, "end": 0.4}])],
        says("hi", utterances=(Utterance("hi", 0.1, 0.4),)),
    ),
    case(
        "4.3 utterances transcript",
        [final("hi", words=[word("hi", 0.1, 0.4)],
               utterances=[{"transcript": "hi", "start": 0.1, "end": 0.4, "speaker": 2}])],
        says("hi", utterances=(Utterance("hi", 0.1, 0.4, "2"),)),
    ),
    case(
        "4.3 redacted_entities",
        [final("[FIRSTNAME_1]", redacted_entities=["[FIRSTNAME_1]"])],
        says("[FIRSTNAME_1]", redacted_entities=("[FIRSTNAME_1]",)),
    ),
    case(
        "4.3 emotion and gender",
        [final(emotion={"joy": 0.5, "inner": {"x": 1}}, gender="female")],
        says("hello there", emotion={"joy": 0.5, "inner": {"x": 1}}, gender="female"),
    ),
    case("4.3 unknown fields", [final(brand_new={"deep": [1]}, vendor=None)], HELLO),
    case(
        "4.3 empty partial at the start",
        [final("", is_final=False), {**PARTIAL_A}],
        (Interim, {"text": "book a table"}),
        says("book a table", promoted=True),
    ),
    case(
        "4.3 a final closes the partial",
        [PARTIAL_A, FINAL_A, {**PARTIAL_A, "transcript": "and"}],
        (Interim, {"text": "book a table", "start": 0.0}),
        says("Book a table for 4."),
        (Interim, {"text": "and", "start": 1.52}),
        says("and", promoted=True),
    ),
    case(
        "4.4 speech_started",
        [{"type": "speech_started", "session_id": "7d0c1f8e", "timestamp": 0.28}],
        (SpeechStarted, {"time": 0.28}),
    ),
    case(
        "4.4 speech_ended after the final",
        [final(), {"type": "speech_ended", "session_id": "7d0c1f8e", "timestamp": 2.41}],
        HELLO,
        (SpeechEnded, {"time": 2.41}),
    ),
    case(
        "4.4 without a timestamp",
        [{"type": "speech_started"}, {"type": "speech_ended"}],
        (SpeechStarted, {"time": 2.88}),
        (SpeechEnded, {"time": 2.88}),
    ),
    case("4.5 pong", [{"type": "pong"}]),
    case(
        "4.5 unknown type",
        [{"type": "metadata", "session_id": "s1"}, final()],
        (MessageIgnored, {"reason": "unknown_type"}),
        HELLO,
    ),
    case("4.5 unknown type with a transcript", [final(type="brand_new")], HELLO),
    case(
        "4.5 not JSON", ["<html>", final()], (MessageIgnored, {"reason": "not_json"}), HELLO
    ),
    case(
        "4.5 not an object", ["[1]", final()], (MessageIgnored, {"reason": "not_an_object"}), HELLO
    ),
    case(
        "4.5 binary", [b"\x00\x01", final()], (MessageIgnored, {"reason": "binary"}), HELLO
    ),
    case("4.5 JSON in a binary message", [json.dumps(final()).encode()], HELLO),
    case("4.5 error beside a transcript is none", [final(error="late")], HELLO),
    case("9.3 a final of one full stop", [final("."), final()], HELLO),
    case("9.3 a final of one danda", [final("।"), final()], HELLO),
    case("9.4 an empty final unasked", [final(""), final()], HELLO),
]  # fmt: skip


@pytest.mark.parametrize(("frames", "expected"), MESSAGES)
@pytest.mark.parametrize("dialect", ["live", "pulse", "legacy", "direct"])
async def test_a_message_becomes_its_events(
    frames: list[Frame], expected: Expected, dialect: str
) -> None:
    async with service(Script(heard=frames)) as running:
        events = await hear(running, dialect=dialect)
    told = [
        (type(event), seen(event, **attributes))
        for event, (_, attributes) in zip(events, expected, strict=False)
    ]
    assert [type(event) for event in events] == [kind for kind, _ in expected]
    assert told == expected


@pytest.mark.parametrize("asked", ["multi-eu", "multi"])
async def test_4_3_the_language_that_a_group_detects_is_told(asked: str) -> None:
    frames = [final(language="fr", languages=["fr", "en"])]
    async with service(Script(heard=frames)) as running:
        (event,) = await hear(running, language=asked)
    assert isinstance(event, Final)
    assert (event.language, event.languages) == ("fr", ("fr", "en"))


async def test_words_are_placed_and_weighed() -> None:
    async with service(Script(heard=[FINAL_A])) as running:
        (event,) = await hear(running)
    assert isinstance(event, Final)
    assert [(w.text, w.start, w.end, w.speaker, w.speaker_confidence) for w in event.words] == [
        ("Book", 0.32, 0.56, "0", 0.88),
        ("a", 0.56, 0.64, "0", 0.9),
        ("table", 0.64, 1.04, "0", 0.91),
        ("for", 1.04, 1.2, "0", 0.91),
        ("4.", 1.2, 1.52, "0", 0.89),
    ]
    assert event.confidence == pytest.approx(0.9)


async def test_section_9_confidence_is_the_geometric_mean_and_the_speaker_the_majority() -> None:
    words = [
        word("one", 0.1, 0.4, speaker=0) | {"confidence": 0.25},
        word("two", 0.5, 0.8, speaker=1) | {"confidence": 1.0},
        word("three", 0.9, 1.2, speaker=1) | {"confidence": 0.25},
    ]
    async with service(Script(heard=[final("one two three", words=words)])) as running:
        (event,) = await hear(running)
    assert isinstance(event, Final)
    assert event.confidence == pytest.approx((0.25 * 0.25) ** (1 / 3))
    assert event.speaker == "1"


async def test_section_9_timestamps_go_on_over_the_segments_of_a_connection() -> None:
    frames = [
        final("one", words=[word("one", 0.1, 0.4)]),
        final("two", words=[word("two", 1.5, 1.8)]),
    ]
    async with service(Script(heard=frames)) as running:
        events = await hear(running)
    assert [(e.text, e.start, e.end) for e in events if isinstance(e, Final)] == [
        ("one", 0.1, 0.4),
        ("two", 1.5, 1.8),
    ]
