"""The part of a text that belongs to each of its words."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.text import texts_of_words


@pytest.mark.parametrize(
    ("text", "words", "cut", "parts"),
    [
        ("Hello there, friend.", "hello there friend", 2, ("Hello there,", "friend.")),
        ("Hi, I am [FIRSTNAME_1].", "hi i am [firstname_1]", 3, ("Hi, I am", "[FIRSTNAME_1].")),
        ("It costs 25 dollars.", "it costs twenty five dollars", 4, ("It costs 25", "dollars.")),
        ("Yes - no", "yes no", 1, ("Yes -", "no")),
        ("- Yes no", "yes no", 1, ("- Yes", "no")),
        ("one two three", "one three", 1, ("one two", "three")),
        ("one", "one two", 1, ("one", "")),
    ],
)
def test_no_token_of_the_text_is_lost_at_a_cut(
    text: str, words: str, cut: int, parts: tuple[str, str]
) -> None:
    said = words.split()
    texts = texts_of_words(text, said, "en")
    assert (texts.join(0, cut), texts.join(cut, len(said))) == parts


def test_languages_without_spaces_are_cut_between_characters() -> None:
    texts = texts_of_words("你好!世界。", ["你好", "世界"], "zh")
    assert (texts.join(0, 1), texts.join(1, 2)) == ("你好!", "世界。")
