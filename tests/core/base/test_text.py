"""Which texts say the same."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.text import plain, plain_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, there!", "hello there"),
        ("don't", "Don\u2019t"),
        ("Straße", "STRASSE"),
        ("你好\uff0c世界。", "你好世界"),
        ("की।", "की"),
        ("snake_case", "snake case"),
    ],
)
def test_case_and_punctuation_make_no_other_words(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(("one", "other"), [("की", "का"), ("yes", "yet"), ("é", "e"), ("1", "2")])
def test_letters_signs_and_digits_do(one: str, other: str) -> None:
    assert plain(one) != plain(other)


def test_punctuation_alone_is_no_word() -> None:
    assert plain_words(" ?! … 。") == []
