"""Comparing texts by their words, and showing a server's text safely."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.text import plain, plain_words, printable


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


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("sess_7d0c-1", "sess_7d0c-1"),
        ("naïve 你好", "naïve 你好"),
        ("a\r\nb", "a??b"),
        ("\x1b[31mred", "?[31mred"),
        ("\u202eabc", "?abc"),
        ("\ud800", "?"),
        ("\u2028", "?"),
        ("12345678901234567890", "1234567890123456"),
    ],
)
def test_text_of_a_server_is_shown_without_controls_and_bounded(given: str, shown: str) -> None:
    assert printable(given, 16) == shown
