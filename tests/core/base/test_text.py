"""Comparing texts by their words, and showing a server's text safely."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.base.text import (
    label,
    plain,
    plain_words,
    printable,
    texts_of_words,
)


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


@pytest.mark.parametrize(
    ("text", "words", "language", "parts"),
    [
        ("Hi, I am Tom.", "hi i am tom", "en", ["Hi,", "I", "am", "Tom."]),
        (
            "Hi, I am [FIRSTNAME_1].",
            "hi i am [firstname_1]",
            "en",
            ["Hi,", "I", "am", "[FIRSTNAME_1]."],
        ),
        ("Yes - no", "yes no", "en", ["Yes -", "no"]),
        ("- Yes", "yes", "en", ["- Yes"]),
        ("It is $25 now", "it is 25 now", "en", ["It", "is", "$25", "now"]),
        ("It is 25 now", "it is twenty-five now", "en", ["It", "is", "25", "now"]),
        ("你好\uff0c世界", "你好 世界", "zh", ["你好\uff0c", "世界"]),
    ],
)
def test_each_word_gets_its_part_of_the_text(
    text: str, words: str, language: str, parts: list[str]
) -> None:
    cut = texts_of_words(text, words.split(), language)
    assert [cut.join(at, at + 1) for at in range(len(parts))] == parts


@pytest.mark.parametrize(("count", "second"), [(999, "w1"), (1000, "w2")])
def test_texts_are_compared_up_to_a_million_pairs_and_beyond_it_shared_evenly(
    count: int, second: str
) -> None:
    words = [f"w{number}" for number in range(count)]
    cut = texts_of_words(" ".join([*words, "more"]), words, "en")
    assert cut.join(1, 2) == second


def test_the_name_of_a_speaker_is_bounded() -> None:
    assert label("x" * 100) == "x" * 64


tokens = st.sampled_from(["Hi,", "hi", "there.", "-", "25", "[NAME_1]", "a", "\u0915\u0940"])


@given(st.lists(tokens), st.lists(tokens, min_size=1))
def test_the_parts_of_a_text_are_the_whole_text_in_order(text: list[str], words: list[str]) -> None:
    cut = texts_of_words(" ".join(text), words, "en")
    assert cut.join(0, len(words)) == " ".join(text)
    split = len(words) // 2
    parts = [cut.join(0, split), cut.join(split, len(words))]
    assert " ".join(part for part in parts if part) == " ".join(text)
