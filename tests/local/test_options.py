"""The options of a local server, read from text."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.settings import ServerOptions


def test_options_from_strings() -> None:
    made = ServerOptions.from_strings(
        ["recognizer=scripted", "latency-final=0.3", "concurrency=5", "concurrency_refusal=1008",
         "strict=true", "max_words=none", "quirks=twice+wrong_language", "from_finalize=itn"],
        control=True,
    )  # fmt: skip
    assert made == ServerOptions(
        recognizer="scripted",
        latency_final=0.3,
        concurrency=5,
        concurrency_refusal=1008,
        strict=True,
        max_words=None,
        quirks=frozenset({"twice", "wrong_language"}),
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


def test_the_key_is_not_in_the_text_of_the_options() -> None:
    assert "s3cret" not in repr(ServerOptions(api_key="s3cret"))
