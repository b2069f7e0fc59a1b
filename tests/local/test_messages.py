from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.local.wire.messages import (
    Control,
    DialectName,
    Transcript,
    Utterance,
    WireWord,
    error,
    read_control,
    speech_edge,
)

pytestmark = pytest.mark.unit

FINAL = Transcript(
    session_id="s1",
    text="Book [NAME_1]. ",
    is_final=True,
    is_last=True,
    from_finalize=True,
    language="en",
    words=[WireWord("Book", 0.3204, 0.56, 0.9712)],
    utterances=[Utterance("Book [NAME_1].", 0.32, 1.52)],
    full_transcript="Book [NAME_1].",
    redacted_entities=["[NAME_1]"],
)


def test_a_final_in_the_typed_dialects_as_documented() -> None:
    dialects: tuple[DialectName, ...] = ("live", "pulse", "direct")
    for dialect in dialects:
        assert json.loads(FINAL.encode(dialect)) == {
            "type": "transcription",
            "status": "success",
            "session_id": "s1",
            "transcript": "Book [NAME_1]. ",
            "transcription": "Book [NAME_1]. ",
            "is_final": True,
            "is_last": True,
            "from_finalize": True,
            "full_transcript": "Book [NAME_1].",
            "language": "en",
            "languages": ["en"],
            "words": [{"word": "Book", "start": 0.32, "end": 0.56, "confidence": 0.971}],
            "utterances": [{"text": "Book [NAME_1].", "start": 0.32, "end": 1.52}],
            "redacted_entities": ["[NAME_1]"],
        }


def test_the_legacy_dialect_leaves_fields_out() -> None:
    typed = {"type", "status", "transcription"}
    assert typed <= set(json.loads(FINAL.encode("pulse")))
    assert not {"from_finalize", *typed} & set(json.loads(FINAL.encode("legacy")))
    bare = json.loads(replace(FINAL, typed=False).encode("pulse"))
    assert not typed & set(bare)
    assert bare["from_finalize"] is True


def test_an_interim_has_no_more_than_its_text() -> None:
    interim = json.loads(Transcript(session_id="s", text="book a").encode("legacy"))
    assert interim == {
        "session_id": "s",
        "transcript": "book a",
        "is_final": False,
        "is_last": False,
    }


def test_text_keeps_its_script() -> None:
    assert "नमस्ते" in Transcript(session_id="s", text="नमस्ते").encode("live")


def test_speech_edges_and_errors() -> None:
    assert json.loads(speech_edge("speech_started", "s", 0.28004)) == {
        "type": "speech_started",
        "session_id": "s",
        "timestamp": 0.28,
    }
    assert json.loads(error("live", "no", "CODE")) == {
        "type": "error",
        "status": "error",
        "message": "no",
        "error_code": "CODE",
    }
    assert json.loads(error("direct", "no", "CODE")) == {"error": "no"}


@pytest.mark.parametrize(
    ("kind", "dialect", "control"),
    [
        ("finalize", "live", Control.FINALIZE),
        ("finalize", "pulse", Control.FINALIZE),
        ("finalize", "legacy", Control.UNKNOWN),
        ("finalize", "direct", Control.FINALIZE),
        ("close_stream", "live", Control.CLOSE),
        ("close_stream", "pulse", Control.CLOSE),
        ("close_stream", "legacy", Control.UNKNOWN),
        ("close_stream", "direct", Control.CLOSE),
        ("end", "legacy", Control.CLOSE),
        ("end", "live", Control.UNKNOWN),
        ("keepalive", "live", Control.KEEPALIVE),
        ("keepalive", "pulse", Control.UNKNOWN),
        ("keepalive", "direct", Control.UNKNOWN),
    ],
)
def test_what_each_dialect_understands(kind: str, dialect: DialectName, control: Control) -> None:
    assert read_control(json.dumps({"type": kind}), dialect) is control


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("type"), inner),
    max_leaves=8,
)


@given(text=st.text() | json_values.map(json.dumps))
def test_no_message_of_a_client_raises(text: str) -> None:
    for dialect in ("live", "pulse", "legacy", "direct"):
        assert read_control(text, dialect) in Control


def test_deep_nesting_is_no_message() -> None:
    assert read_control("[" * 100_000, "live") is Control.UNKNOWN
