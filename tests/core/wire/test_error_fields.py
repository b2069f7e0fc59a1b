"""Refusals are read in every shape that the service uses for them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.wire.error_fields import ErrorFields, read_error, read_error_body

BAD_LANGUAGE = {
    "message": "Invalid query parameters",
    "errors": [
        {"path": "language", "message": "expected 'en' or 'hi'"},
        {"path": ["query", "sample_rate"], "message": "expected a number"},
    ],
}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"error": "bad model", "request_id": "r1"}, ErrorFields("bad model")),
        ({"error": "a", "message": "b"}, ErrorFields("a")),
        ({"message": "b", "errors": "c"}, ErrorFields("b")),
        ({"errors": "c"}, ErrorFields("c")),
        ({"errors": [{"path": "model"}]}, ErrorFields("[{'path': 'model'}]", "", "model")),
        ({"error": {"reason": "x"}}, ErrorFields("{'reason': 'x'}")),
        ({"error_code": "NoAudio", "code": 7}, ErrorFields("", "NoAudio")),
        ({"code": "NoAudio"}, ErrorFields("", "NoAudio")),
        ({"code": 402}, ErrorFields("", "402")),
        ({"status_code": 503}, ErrorFields("", "503")),
        ({"error_code": True, "code": {}}, ErrorFields()),
        ({}, ErrorFields()),
    ],
)
def test_the_text_and_the_code_of_a_refusal(fields: dict[str, object], found: ErrorFields) -> None:
    assert read_error(fields) == found
    assert read_error_body(json.dumps(fields).encode()) == found


def test_a_generic_message_is_completed_by_the_parameters() -> None:
    found = read_error(BAD_LANGUAGE)
    assert found.parameter == "language, query.sample_rate"
    assert found.detail == (
        "Invalid query parameters; language: expected 'en' or 'hi'; "
        "query.sample_rate: expected a number"
    )
    named = {"message": "bad", "errors": [{"path": "model", "message": "model is missing"}]}
    assert read_error(named).detail == "bad; model is missing"


@pytest.mark.parametrize(
    "errors",
    [
        "language",
        ["language"],
        [{"path": None}],
        [{"path": {}}],
        [{"path": [1, 2]}],
        [{"path": "the words of the caller"}],
        [{"path": "a" * 65}],
        [{"path": "x\n"}],
    ],
)
def test_a_path_that_is_no_name_is_not_shown(errors: object) -> None:
    assert read_error({"errors": errors}).parameter == ""


def test_a_refusal_is_bounded() -> None:
    many = [{"path": f"p{number}", "message": "m" * 900} for number in range(1000)]
    found = read_error({"message": "bad", "errors": many, "code": "c" * 900})
    assert len(found.detail) == 500
    assert len(found.code) == 100
    assert found.parameter == "p0, p1, p2, p3, p4"


@pytest.mark.parametrize("body", [None, b"", b"<html>", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_refusal_says_nothing(body: bytes | None) -> None:
    assert read_error_body(body) == ErrorFields()


NAMES = ["error", "message", "errors", "error_code", "code", "status_code", "path"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        ),
        max_leaves=15,
    )
)
def test_no_body_raises(value: object) -> None:
    assert isinstance(read_error_body(json.dumps(value).encode()), ErrorFields)
