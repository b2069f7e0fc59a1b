"""Answers of the pre-recorded endpoint: one bad field costs no other, and refusals are typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    PulseError,
    RegionError,
    RequestRejectedError,
    ServerError,
)
from pulse_plugins.core.base.events import Utterance, Word
from pulse_plugins.core.wire.batch_messages import BatchTranscript, read

ANSWER: dict[str, Any] = {
    "status": "success",
    "transcription": " Good morning. ",
    "audio_length": 3.0,
    "words": [{"start": 0.1, "end": 0.4, "word": "Good", "confidence": 0.9, "speaker": 0}],
    "utterances": [{"start": 0.1, "end": 1.2, "text": "Good morning.", "speaker": "speaker_1"}],
    "language": "en",
    "gender": "female",
    "age": "adult",
    "emotions": {"happiness": 0.6, "anger": "0.1", "fear": None},
    "metadata": {"duration": 2.9, "fileSize": 92844},
    "request_id": "r-1",
    "totalBytes": 5,
}


def answer(fields: object, status: int = 200, **given: Any) -> BatchTranscript:
    return read(status, json.dumps(fields).encode(), **given)


def test_an_answer_in_full() -> None:
    found = answer(ANSWER, request_id="header")
    assert found == BatchTranscript(
        text="Good morning.",
        words=(Word("Good", 0.1, 0.4, 0.9, "0"),),
        utterances=(Utterance("Good morning.", 0.1, 1.2, "speaker_1"),),
        language="en",
        gender="female",
        age="adult",
        emotions={"happiness": 0.6, "anger": 0.1},
        duration=2.9,
        metadata={"duration": 2.9, "fileSize": 92844},
        request_id="r-1",
        extra={"totalBytes": 5},
    )


@pytest.mark.parametrize("name", ["transcription", "transcript"])
def test_the_text_is_read_by_either_name(name: str) -> None:
    assert answer({name: "hi"}).text == "hi"


def test_the_duration_falls_back_to_the_older_field() -> None:
    assert answer({"transcription": "", "audio_length": "2.5"}).duration == 2.5


@pytest.mark.parametrize("bad", [True, None, "x", [], {}, 10**400, float("inf")])
def test_a_number_that_is_none_is_left_out(bad: object) -> None:
    found = answer({"transcription": "hi", "audio_length": bad, "emotions": {"joy": bad}})
    assert (found.duration, found.emotions) == (None, {})


def test_a_speaker_is_a_label_whatever_its_type() -> None:
    speakers = [0, "speaker_0", True, None, {}]
    words = [{"word": "a", "speaker": each} for each in speakers]
    found = answer({"transcription": "a", "words": words})
    assert [word.speaker for word in found.words] == ["0", "speaker_0", None, None, None]


def test_the_id_of_the_request_is_safe_to_show() -> None:
    assert answer({"transcription": ""}, request_id="a\nb").request_id == "a?b"
    assert answer({"transcription": ""}).request_id is None


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"status": "error", "message": "invalid audio"}, RequestRejectedError),
        ({"error": "unauthorized"}, AuthenticationError),
        ({"hello": 1}, ServerError),
        ([1], ServerError),
        ({"error": "x", "code": "LANGUAGE_NOT_ENABLED_IN_REGION"}, RegionError),
    ],
)
def test_an_answer_with_200_can_be_a_refusal(fields: object, kind: type[PulseError]) -> None:
    with pytest.raises(PulseError) as refused:
        answer(fields, request_id="r-9", language="multi")
    assert type(refused.value) is kind
    assert refused.value.__notes__ == ["request id, for the service's support: r-9"]
    assert (kind is RegionError) == ("multi-eu" in str(refused.value))


def test_a_refusal_names_the_parameter_and_keeps_the_rest_apart() -> None:
    wrong = [{"path": "language", "message": "expected 'en', received 'the words of the caller'"}]
    with pytest.raises(RequestRejectedError) as refused:
        answer({"message": "Invalid query parameters", "errors": wrong}, 400)
    assert "the parameter language" in str(refused.value)
    assert "caller" in refused.value.detail
    assert "caller" not in str(refused.value)
    assert not hasattr(refused.value, "__notes__")


def test_a_refused_language_gets_advice() -> None:
    with pytest.raises(RegionError, match="multi-eu"):
        answer({"error_code": "LANGUAGE_NOT_ENABLED_IN_REGION"}, 400, language="multi")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_failure_of_the_server(body: bytes) -> None:
    with pytest.raises(ServerError):
        read(200, body)


def test_a_webhook_s_answer_has_no_text_yet() -> None:
    found = answer({"status": "processing", "request_id": "r-2"})
    assert (found.text, found.status, found.request_id) == ("", "processing", "r-2")


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(ANSWER)) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(sorted(ANSWER)), anything, max_size=6))
def test_no_field_costs_the_text(fields: dict[str, object]) -> None:
    message = {**fields, "transcription": "hello", "status": "success"}
    assert answer(message).text == "hello"
