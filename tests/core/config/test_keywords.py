"""Keywords are read in every documented spelling, and harmful ones are warned about once."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.keywords import checked_keywords
from pulse_plugins.core.config.validation import warn_once


@pytest.fixture(autouse=True)
def _fresh() -> None:
    warn_once.cache_clear()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        ("None", None),  # the default of the legacy example script
        ("", ()),
        ([], ()),
        ("Acme:2, Mary Ann:1.5 ,SKU", (("Acme", 2.0), ("Mary Ann", 1.5), ("SKU", None))),
        ('["acme:5.0", "lee"]', (("acme", 5.0), ("lee", None))),
        ({"Acme": 2, "SKU": None}, (("Acme", 2.0), ("SKU", None))),
        (["Acme:2", ("Lee", 3), "SKU"], (("Acme", 2.0), ("Lee", 3.0), ("SKU", None))),
        (iter(["Acme"]), (("Acme", None),)),
        ({"Acme": np.float32(2)}, (("Acme", 2.0),)),
        ("I:20,smiling:26", (("I", 20.0), ("smiling", 26.0))),
    ],
)
def test_every_documented_spelling_is_read(given: Any, read: object) -> None:
    assert checked_keywords(given) == read


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "a str, a mapping or an iterable"),
        ([5], "a word and its boost"),
        ([("a", 1, 2)], "a word and its boost"),
        ([("a", "3")], "each with a number"),
        ([("a", True)], "each with a number"),
        ({1: 2}, "each with a number"),
        ("a:-1", "at least 0"),
        ({"a": float("nan")}, "at least 0"),
        ({"a": float("inf")}, "at least 0"),
        ("a:b", "must be a number"),
        ({" ": 1}, "must not be empty"),
        ({"a,b": 1}, "which the wire uses"),
        ({"a:b": 1}, "which the wire uses"),
        (["a\ud800"], "surrogate"),
        ("[1]", "must be JSON"),
        ('["a"', "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ([f"w{n}" for n in range(10_001)], "at most 10000"),
    ],
)
def test_what_the_wire_cannot_hold_is_refused(given: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        checked_keywords(given)


@pytest.mark.parametrize(
    ("boost", "says"),
    [(None, ""), (5.0, ""), (5.5, "above 5"), (20.0, "above 5"), (26.0, "above 20")],
)
def test_a_boost_that_harms_the_transcript_is_warned_about_once(
    boost: float | None, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        checked_keywords([("Tamsin", boost), "Acme"])  # type: ignore[list-item]
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(found) == bool(says)
    assert says in "".join(found)
    assert "Tamsin" not in "".join(found)
