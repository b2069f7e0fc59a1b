from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.local.output.redaction import Redactor, luhn
from pulse_plugins.local.recognizers.contract import RecognizedWord

pytestmark = pytest.mark.unit


def words(text: str) -> list[RecognizedWord]:
    return [
        RecognizedWord(word, float(place), place + 0.9, 0.9)
        for place, word in enumerate(text.split())
    ]


def redacted(text: str, *, pii: bool = True, pci: bool = True) -> str:
    found, _ = Redactor(pii=pii, pci=pci).redact(words(text))
    return " ".join(word.text for word in found)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("my card is 4111 1111 1111 1111 thanks", "my card is [CREDITCARDNUMBER_1] thanks"),
        (
            "four one one one one one one one one one one one one one one one",
            "[CREDITCARDNUMBER_1]",
        ),
        ("It is 4111-1111-1111-1111.", "It is [CREDITCARDNUMBER_1]."),
        ("the security code is one two three", "the security code is [CREDITCARDCVV_1]"),
        ("my cvv is 1234", "my cvv is [CREDITCARDCVV_1]"),
        ("call 555-867-5309 now", "call [PHONENUMBER_1] now"),
        ("call five five five oh one two three", "call [PHONENUMBER_1]"),
        ("+1 (415) 555-0100", "[PHONENUMBER_1]"),
        ("my social is 123-45-6789", "my social is [SSN_1]"),
        ("write to ann.lee@example.com please", "write to [EMAIL_1] please"),
        ("i have two dogs and 300 cats", "i have two dogs and 300 cats"),
        ("in 2026 it is one two three", "in 2026 it is one two three"),
        ("the code is one two three", "the code is one two three"),
        ("order 5550123 or 5550124", "order [PHONENUMBER_1] or [PHONENUMBER_2]"),
    ],
)
def test_what_is_found_and_what_is_left(said: str, left: str) -> None:
    assert redacted(said) == left


def test_each_switch_finds_its_own() -> None:
    said = "card 4111111111111111 phone 5558675309"
    assert redacted(said, pii=False) == "card [CREDITCARDNUMBER_1] phone 5558675309"
    assert redacted("phone 5558675309", pci=False) == "phone [PHONENUMBER_1]"
    assert redacted(said, pii=False, pci=False) == said


def test_the_placeholders_are_listed_and_counted_over_the_connection() -> None:
    redactor = Redactor(pii=True, pci=True)
    assert redactor.redact(words("call 5558675309"))[1] == ["[PHONENUMBER_1]"]
    found, entities = redactor.redact(words("or 5558675310 instead"))
    assert entities == ["[PHONENUMBER_2]"]
    assert (found[1].start, found[1].end) == (1.0, 1.9)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("378282246310005", True),
        ("0", True),
    ],
)
def test_the_luhn_sum(digits: str, valid: bool) -> None:
    assert luhn(digits) is valid


@given(body=st.text("0123456789", min_size=12, max_size=18))
def test_every_valid_card_is_found_and_its_neighbours_are_not_cards(body: str) -> None:
    check = next(digit for digit in "0123456789" if luhn(body + digit))
    assert redacted(body + check) == "[CREDITCARDNUMBER_1]"
    wrong = str((int(check) + 1) % 10)
    assert redacted(body + wrong, pii=False) == body + wrong


@given(text=st.text())
def test_no_text_raises_and_no_word_is_invented(text: str) -> None:
    found, entities = Redactor(pii=True, pci=True).redact(words(text))
    assert len(found) <= len(text.split())
    assert all(any(entity in word.text for word in found) for entity in entities)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("my name is Hans Miller.", "my name is [FIRSTNAME_1] [LASTNAME_1]."),
        ("my name is Zaphod", "my name is [FIRSTNAME_1]"),
        ("mary and john smith", "[FIRSTNAME_1] and [FIRSTNAME_2] [LASTNAME_1]"),
        ("i live at twelve high street", "i live at [ADDRESS_1]"),
        ("221 baker street please", "[ADDRESS_1] please"),
        # Names that are everyday words too, and numbers without a street, stay.
        ("a long way up the hill", "a long way up the hill"),
        ("will you mark the white rose", "will you mark the white rose"),
        ("a table for four at seven", "a table for four at seven"),
        ("the name of the restaurant", "the name of the restaurant"),
    ],
)  # fmt: skip
def test_names_and_addresses_of_the_lists_are_found(said: str, expected: str) -> None:
    assert redacted(said, pci=False) == expected
    assert redacted(said, pii=False, pci=False) == said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("account number 12345678", "account number [ACCOUNTNUMBER_1]"),
        ("my zip code is 94105", "my zip code is [ZIPCODE_1]"),
        ("room 94105", "room 94105"),
        ("order number 12345678", "order number 12345678"),
    ],
)
def test_account_and_zip_numbers_are_known_by_the_words_before_them(
    said: str, expected: str
) -> None:
    assert redacted(said, pii=False) == expected
