"""Word errors on texts whose distance is known."""

from __future__ import annotations

import pytest

from pulse_plugins.local.recognizers.scoring import WordErrors, normalize, word_errors

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("", "", 0),
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("", "a b", 2),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a b c", "a b b c", 1),
        ("a b c d", "b c d e", 2),
        ("no no", "no", 1),
        ("kitten in there", "there in kitten", 2),
    ],
)
def test_the_fewest_changes_are_counted(reference: str, hypothesis: str, errors: int) -> None:
    expected = WordErrors(errors=errors, words=len(reference.split()))
    assert word_errors(reference, hypothesis) == expected


def test_case_punctuation_and_kinds_of_apostrophe_are_no_errors() -> None:
    said = "Hello, I'd like a table at eight o'clock \N{EM DASH} twenty-two people."
    heard = (
        "hello i\N{RIGHT SINGLE QUOTATION MARK}d like a table at eight o'clock twenty two people"
    )
    assert word_errors(said, heard).errors == 0


def test_quotes_around_a_word_are_not_part_of_it() -> None:
    assert normalize("'Yes', she said.") == ["yes", "she", "said"]


def test_words_of_other_scripts_are_words() -> None:
    assert word_errors("Straße über", "STRASSE ÜBER").errors == 0
    assert len(normalize("नमस्ते दुनिया")) >= 2


def test_rates_add_up_over_their_words_not_over_their_texts() -> None:
    total = WordErrors(errors=1, words=1) + WordErrors(errors=0, words=9)
    assert total.rate == pytest.approx(0.1)
    assert WordErrors(errors=2, words=0).rate == 2.0
