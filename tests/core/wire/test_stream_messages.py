"""The wire's messages as types: nothing raises, and one bad field costs no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.base.errors import AuthenticationError, PulseError, RegionError
from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    Pong,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)

FINAL = {
    "type": "transcription",
    "session_id": "sess",
    "transcript": "hello there ",
    "full_transcript": "so hello there",
    "is_final": True,
    "is_last": False,
    "from_finalize": True,
    "language": "en",
    "languages": ["en", "hi"],
    "words": [
        {"word": "hello", "start": 0.1, "end": 0.4, "confidence": 0.98, "speaker": 0},
        {"word": "there", "start": 0.5, "end": 0.8, "confidence": 0.91, "speaker": "speaker_1"},
    ],
    "utterances": [{"text": "hello there", "start": 0.1, "end": 0.8, "speaker": 0}],
    "redacted_entities": ["[FIRSTNAME_1]"],
}


def transcript(message: object) -> Transcript:
    parsed = parse(json.dumps(message))
    assert isinstance(parsed, Transcript)
    return parsed


def test_a_final_in_full() -> None:
    final = transcript(FINAL)
    assert (final.text, final.is_final, final.from_finalize) == ("hello there", True, True)
    assert final.words is not None
    assert [(w.word, w.start, w.speaker) for w in final.words] == [
        ("hello", 0.1, 0),
        ("there", 0.5, "speaker_1"),
    ]
    assert final.utterances is not None
    assert final.utterances[0].text == "hello there"
    assert (final.languages, final.redacted_entities) == (["en", "hi"], ["[FIRSTNAME_1]"])
    assert final.full_transcript == "so hello there"
    assert final.problems == ()


@pytest.mark.parametrize("missing", sorted(FINAL.keys() - {"transcript"}))
def test_any_field_may_be_missing_or_null(missing: str) -> None:
    without = {key: value for key, value in FINAL.items() if key != missing}
    for message in (without, {**FINAL, missing: None}):
        assert transcript(message).text == "hello there"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("words", "no"),
        ("words", [1, None, {"word": "hello", "start": "x", "end": 1}]),
        ("language", 7),
        ("languages", "en"),
        ("utterances", {"a": 1}),
        ("utterances", [{"start": []}]),
        ("redacted_entities", [None]),
        ("session_id", {}),
    ],
)
def test_a_field_of_another_type_is_named_and_the_rest_is_kept(field: str, value: object) -> None:
    message = transcript({**FINAL, field: value})
    assert (message.text, message.is_final) == ("hello there", True)
    assert any(problem.startswith(field) for problem in message.problems)


def test_numbers_and_flags_may_be_written_as_text() -> None:
    message = transcript({**FINAL, "is_final": "true", "words": [{"word": "a", "start": "0.5"}]})
    assert message.is_final
    assert message.words is not None
    assert message.words[0].start == 0.5


@pytest.mark.parametrize("name", ["transcript", "transcription"])
def test_both_names_of_the_text_are_read(name: str) -> None:
    assert transcript({name: " hi ", "is_final": True}).text == "hi"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "speech_started", "timestamp": 1.5}, SpeechMark(True, 1.5)),
        ({"type": "speech_ended"}, SpeechMark(False, None)),
        ({"type": "pong"}, Pong()),
        ({"type": "news"}, Unreadable("unknown_type")),
        ({}, Unreadable("unknown_type")),
        ([1], Unreadable("not_an_object")),
        ("text", Unreadable("not_an_object")),
    ],
)
def test_other_messages(message: object, expected: object) -> None:
    assert parse(json.dumps(message)) == expected


def test_a_number_that_the_server_does_not_know_costs_nothing() -> None:
    words = '[{"word": "hello", "start": 0.5, "end": 0.9, "confidence": NaN}]'
    message = parse(f'{{"transcript": "hello", "is_final": true, "words": {words}}}')
    assert isinstance(message, Transcript)
    assert message.words is not None
    assert (message.words[0].end, message.words[0].confidence) == (0.9, None)


def test_a_message_may_be_binary() -> None:
    data = json.dumps({"transcript": "naïve", "is_final": True}, ensure_ascii=False)
    assert parse(data.encode()) == parse(data)
    unknown = '{"transcript": "hello", "is_final": true, "confidence": NaN}'
    assert parse(unknown.encode()) == parse(unknown)


@pytest.mark.parametrize("data", ["", "{", b"\x00\x01", b"", b"\xff{}", "\ud800", "[" * 100_000])
def test_what_is_no_message_at_all(data: str | bytes) -> None:
    assert isinstance(parse(data), Unreadable)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "message": "Invalid API key"},
        {"status": "error", "message": "Invalid API key"},
        {"error": "Invalid API key"},
        {"type": "error", "errors": ["Invalid API key"]},
        {"type": "error", "error": {"reason": "Invalid API key"}},
    ],
)
def test_errors_in_every_shape(message: dict[str, object]) -> None:
    report = parse(json.dumps(message))
    assert isinstance(report, ErrorReport)
    assert isinstance(report.error, AuthenticationError)
    assert "Invalid" not in str(report.error)


@pytest.mark.parametrize("name", ["error_code", "code"])
def test_the_code_of_an_error_is_read_by_either_name(name: str) -> None:
    message = {"type": "error", "message": "no", name: "LANGUAGE_NOT_ENABLED_IN_REGION"}
    report = parse(json.dumps(message))
    assert isinstance(report, ErrorReport)
    assert isinstance(report.error, RegionError)


def test_an_error_in_the_stream_names_the_refused_parameter() -> None:
    wrong = [{"path": "language", "message": "the words of the caller"}]
    report = parse(json.dumps({"type": "error", "message": "Invalid query", "errors": wrong}))
    assert isinstance(report, ErrorReport)
    assert "the parameter language" in str(report.error)
    assert "caller" not in str(report.error)


def test_a_timeout_that_the_server_reports_is_told_apart() -> None:
    report = parse('{"status": "error", "message": "The request timed out"}')
    assert isinstance(report, ErrorReport)
    assert report.error.code == "error_timeout"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sess_1", "sess_1"),
        ("a\nb", "a?b"),
        ("\x1b[2J", "?[2J"),
        ("\ud800x", "?x"),
        ("a" * 5000, "a" * 128),
        ("", ""),
    ],
)
def test_a_session_id_is_safe_to_show(given: str, kept: str) -> None:
    assert transcript({"session_id": given, "transcript": "hi"}).session_id == kept
    # The same on the slow path, which a field of another type takes.
    assert transcript({"session_id": given, "transcript": "hi", "words": 1}).session_id == kept


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(FINAL)) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(anything)
def test_no_json_raises(message: object) -> None:
    parsed = parse(json.dumps(message))
    assert isinstance(parsed, Transcript | SpeechMark | Pong | ErrorReport | Unreadable)
    if isinstance(parsed, ErrorReport):
        assert isinstance(parsed.error, PulseError)


@given(st.dictionaries(st.sampled_from(sorted(FINAL)), anything, max_size=6))
def test_no_fields_cost_the_text(fields: dict[str, object]) -> None:
    message = {**fields, "transcript": "hello", "is_final": True, "type": "transcription"}
    assert transcript(message).text == "hello"


times = st.floats(0, 1e6, allow_nan=False)
words = st.builds(
    lambda word, start, length: {"word": word, "start": start, "end": start + length},
    st.text(min_size=1, max_size=12),
    times,
    st.floats(0, 5),
)


@given(
    text=st.text(max_size=40),
    entries=st.lists(words, max_size=6),
    flags=st.fixed_dictionaries({"is_final": st.booleans(), "is_last": st.booleans()}),
)
def test_what_is_written_is_what_is_read(
    text: str, entries: list[dict[str, object]], flags: dict[str, bool]
) -> None:
    message = transcript({"transcript": text, "words": entries, **flags})
    assert message.text == text.strip()
    assert (message.is_final, message.is_last) == (flags["is_final"], flags["is_last"])
    read = [{"word": w.word, "start": w.start, "end": w.end} for w in message.words or ()]
    assert read == entries


def test_a_lone_surrogate_in_the_name_of_an_entry_costs_nothing() -> None:
    for key in ("\ud800", "\\ud800"):
        found = parse(f'{{"transcript": "hi", "words": [{{"word": "hi", "{key}": null}}]}}')
        assert isinstance(found, Transcript)
        assert [word.word for word in found.words or ()] == ["hi"]


def test_a_lone_surrogate_in_a_field_that_is_no_text_costs_that_field() -> None:
    found = parse('{"transcript": "hi", "is_final": "\\ud800", "timestamp": "\ud800"}')
    assert isinstance(found, Transcript)
    assert found.text == "hi"
    assert set(found.problems) == {"is_final", "timestamp"}


def test_a_field_of_a_word_that_cannot_be_read_costs_only_itself() -> None:
    word = '{"word": "hi", "start": "\\ud800", "end": 0.5, "speaker": {"a": 1}}'
    found = parse(f'{{"transcript": "hi", "words": [{word}, {{"start": 1}}]}}')
    assert isinstance(found, Transcript)
    assert [(w.word, w.start, w.end, w.speaker) for w in found.words or ()] == [
        ("hi", None, 0.5, None)
    ]
    assert set(found.problems) == {"words.start", "words.speaker", "words"}


def test_an_estimate_that_is_too_deep_to_read_is_no_message() -> None:
    found = parse('{"transcript": "hi", "emotion": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert found == Unreadable("not_json")


@pytest.mark.parametrize("flag", ["is_last", "is_final"])
def test_a_message_with_a_flag_and_no_text_is_a_transcript(flag: str) -> None:
    found = transcript({"session_id": "a\nb", flag: True})
    assert (found.text, getattr(found, flag), found.session_id) == ("", True, "a?b")
