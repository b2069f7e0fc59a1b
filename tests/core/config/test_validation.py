"""An option that can surprise its user is warned about once, without private data."""

from __future__ import annotations

import logging

import pytest

from pulse_plugins import PulseOptions
from pulse_plugins.core.config.validation import warn_once

URL = "ws://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    warn_once.cache_clear()


@pytest.mark.parametrize(("language", "warned"), [("en", 0), ("hi", 0), ("de", 1), ("multi", 1)])
def test_redaction_that_has_no_effect(
    language: str, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        PulseOptions(base_url=URL, language=language, redact_pii=True)
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(found) == warned
    assert all("redact" in text for text in found)
