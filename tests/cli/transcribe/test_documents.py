"""Text and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pulse_plugins.cli.transcribe.documents import SCHEMA, render, text
from pulse_plugins.cli.transcribe.transcript import Segment, Transcript
from pulse_plugins.core.base.events import Final, Utterance, Word
from tests.cli.transcribe.test_captions import dialogue, final

PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"


def made(*finals: Final, channel: str | None = None) -> Transcript:
    return Transcript(tuple(Segment(each, channel) for each in finals), 3.25, 3.0, "en")


def test_text_is_a_line_for_each_segment() -> None:
    assert text(made(final("one two"), final("three"))) == "one two\nthree\n"


def test_text_with_times_begins_each_line_with_its_time() -> None:
    shown = text(made(final("one two"), final("three", start=3661.25)), times=True)
    assert shown == "[00:00:01.000] one two\n[01:01:01.250] three\n"


def test_text_names_the_speakers_in_the_order_of_their_first_words() -> None:
    heard = dialogue(("7", "Good morning.", 0.0), ("3", "Hello.", 2.0), ("7", "Bye.", 3.0))
    assert text(made(heard)) == "Speaker 1: Good morning.\nSpeaker 2: Hello.\nSpeaker 1: Bye.\n"


def test_text_names_the_channels_and_the_speakers_on_each() -> None:
    agent = made(final("Hello."), channel="Agent").segments
    guests = made(dialogue(("0", "Hi.", 2.0), ("1", "Good evening.", 3.0)), channel="Table")
    whole = Transcript((*agent, *guests.segments), 5.0)
    assert text(whole) == (
        "Agent: Hello.\nTable, speaker 1: Hi.\nTable, speaker 2: Good evening.\n"
    )


def test_text_without_spaces_stays_without_spaces() -> None:
    assert text(made(Final("你好。再见。", 0.0, 2.0, language="zh"))) == "你好。再见。\n"


def test_json_holds_everything_that_the_service_said() -> None:
    heard = Final(
        "Pay [NAME_1].",
        1.0,
        2.0,
        (Word("pay", 1.0, 1.33333, 0.9, "0", 0.8), Word("[name_1]", 1.5, 2.0)),
        language="en",
        languages=("en", "hi"),
        speaker="0",
        utterances=(Utterance("Pay [NAME_1].", 1.0, 2.0, "0"),),
        redacted_entities=("[NAME_1]",),
        emotion={"joy": 0.5},
        gender="female",
        session_id="s1",
    )
    whole = Transcript((Segment(heard, "Agent"),), 3.25, 3.0, "en", {"request_id": "r1"}, ("x",))
    read = json.loads(render(whole, "json", source="a.wav"))
    (segment,) = read.pop("segments")
    assert read == {
        "schema": SCHEMA,
        "source": "a.wav",
        "seconds": 3.25,
        "sent_seconds": 3.0,
        "language": "en",
        "text": "Pay [NAME_1].",
        "service": {"request_id": "r1"},
        "notes": ["x"],
    }
    assert segment == {
        "start": 1.0,
        "end": 2.0,
        "text": "Pay [NAME_1].",
        "channel": "Agent",
        "speaker": "0",
        "language": "en",
        "languages": ["en", "hi"],
        "confidence": 0.9,
        "words": [
            {
                "text": "pay",
                "start": 1.0,
                "end": 1.333,
                "confidence": 0.9,
                "speaker": "0",
                "speaker_confidence": 0.8,
            },
            {
                "text": "[name_1]",
                "start": 1.5,
                "end": 2.0,
                "confidence": None,
                "speaker": None,
                "speaker_confidence": None,
            },
        ],
        "utterances": [{"text": "Pay [NAME_1].", "start": 1.0, "end": 2.0, "speaker": "0"}],
        "redacted_entities": ["[NAME_1]"],
        "emotion": {"joy": 0.5},
        "gender": "female",
        "promoted": False,
        "session_id": "s1",
    }


def test_the_page_of_the_command_line_names_every_field() -> None:
    whole = json.loads(render(made(final("one two")), "json", source="a.wav"))
    text = PAGE.read_text(encoding="utf-8").partition("### JSON")[2].partition("\n## ")[0]
    named = [set(re.findall(r"`(\w+)`", row.split("|")[0])) for row in text.split("\n| ")[1:]]
    assert set(whole) | set(whole["segments"][0]) == set().union(*named)
    columns = next(row for row in text.split("\n| ") if row.startswith("`words`"))
    assert set(whole["segments"][0]["words"][0]) <= set(re.findall(r"`(\w+)`", columns))
