"""The four rows, held against what a connection asks for."""

from __future__ import annotations

import json

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.dialects import DIALECTS, dialect


@pytest.mark.parametrize(
    ("name", "path", "finalize", "close", "keepalive"),
    [
        ("live", "/waves/v1/stt/live", "finalize", "close_stream", "keepalive"),
        ("pulse", "/waves/v1/pulse/get_text", "finalize", "close_stream", None),
        ("legacy", "/api/v1/pulse/get_text", None, "end", None),
        ("direct", "/transcribe", "finalize", "close_stream", None),
    ],
)
def test_a_dialect_says_what_its_endpoint_understands(
    name: str, path: str, finalize: str | None, close: str, keepalive: str | None
) -> None:
    row = dialect(name)
    said = [row.finalize, row.close, row.keepalive]
    assert row.path == path
    assert [each and json.loads(each) for each in said] == [
        each and {"type": each} for each in (finalize, close, keepalive)
    ]


def test_every_endpoint_takes_what_is_always_sent() -> None:
    for row in DIALECTS.values():
        assert {"language", "encoding", "sample_rate", "word_timestamps"} <= row.parameters


def test_an_unknown_dialect_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(ConfigurationError, match="direct, legacy, live, pulse"):
        dialect("wave")
