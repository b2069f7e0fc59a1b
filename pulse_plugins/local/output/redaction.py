"""Replaces personal and card data in finals with `[TYPE_N]` placeholders.

Numbers are found by checked patterns: card numbers by the Luhn sum, telephone numbers by their
number of digits, card codes, account and zip numbers and US social security numbers by the words
before them. Spoken digits count like written ones. Names and addresses are found with the small
lists of `names`, so unusual names without an introduction are missed. This server is for trying a
program, and does not protect data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pulse_plugins.local.output.names import (
    AMBIGUOUS,
    GIVEN_NAMES,
    INTRODUCTIONS,
    NUMBERS,
    STREETS,
    SURNAMES,
)
from pulse_plugins.local.recognizers.contract import RecognizedWord

LANGUAGES = frozenset({"en", "hi"})  # elsewhere the service ignores the switch
_SPOKEN = {
    "oh": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_EMAIL = re.compile(r"(?<=[\w.+-])@[\w-]+\.[\w-]")  # linear: a match begins at the sign alone
_DIGIT_TOKEN = re.compile(r"[+(]?[\d][\d().-]*")
_CODE_WORDS = frozenset({"cvv", "cvc", "cvv2", "security", "verification"})
_BETWEEN = frozenset({"code", "number", "is", "it's", "the", "of", "account", "zip", "postcode"})


def luhn(digits: str) -> bool:
    """Whether the last digit is the right check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@dataclass(slots=True)
class Redactor:
    """Replaces what it finds in one connection's finals; numbers go on over the connection.

    Attributes:
        pii: Names, addresses, telephone and social security numbers, e-mail addresses.
        pci: Card numbers, card codes, account and zip numbers.
    """

    pii: bool
    pci: bool
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether anything is to be replaced."""
        return self.pii or self.pci

    def redact(self, words: Sequence[RecognizedWord]) -> tuple[list[RecognizedWord], list[str]]:
        """The words with placeholders, and the placeholders in order."""
        result: list[RecognizedWord] = []
        found: list[str] = []
        place = 0
        while place < len(words):
            kind, end = self._find(words, place)
            run = words[place:end]
            if kind is None:
                result += run
            else:
                self._counts[kind] = number = self._counts.get(kind, 0) + 1
                label = f"[{kind}_{number}]"
                confidence = max(word.confidence for word in run)
                mark = run[-1].text[-1:] if run[-1].text[-1:] in (".", "?") else ""
                result.append(
                    replace(run[0], text=label + mark, end=run[-1].end, confidence=confidence)
                )
                found.append(label)
            place = end
        return result, found

    def _find(self, words: Sequence[RecognizedWord], place: int) -> tuple[str | None, int]:
        """What begins at a word, and where it ends; None for words that stay."""
        if self.pii:
            end = _address_end(words, place)
            if end is not None:
                return "ADDRESS", end
            name = _name_kind(words, place)
            if name is not None:
                return name, place + 1
            if _EMAIL.search(words[place].text):
                return "EMAIL", place + 1
        digits, end = _digits_from(words, place)
        # A run of digits that means nothing is passed over as a whole: its tail must not be taken
        # for a telephone number.
        return self._kind(words, place, digits), max(end, place + 1)

    def _kind(self, words: Sequence[RecognizedWord], place: int, digits: str) -> str | None:
        if not digits:
            return None
        if self.pci and 13 <= len(digits) <= 19 and luhn(digits):
            return "CREDITCARDNUMBER"
        before = _words_before(words, place)
        if self.pci and 3 <= len(digits) <= 4 and before & _CODE_WORDS and "social" not in before:
            return "CREDITCARDCVV"
        if self.pci and "account" in before and len(digits) >= 4:
            return "ACCOUNTNUMBER"
        if self.pci and before & {"zip", "postcode", "pin"} and 4 <= len(digits) <= 6:
            return "ZIPCODE"
        if self.pii and len(digits) == 9 and "social" in before:
            return "SSN"
        if self.pii and 7 <= len(digits) <= 15:
            return "PHONENUMBER"
        return None


def _digits_from(words: Sequence[RecognizedWord], place: int) -> tuple[str, int]:
    """The digits of the run of number words that begins here, and where it ends."""
    digits = ""
    while place < len(words):
        text = words[place].text.lower().rstrip(".,?")
        spoken = _SPOKEN.get(text)
        if spoken is None and not _DIGIT_TOKEN.fullmatch(text):
            break
        digits += spoken or re.sub(r"\D", "", text)
        place += 1
    return digits, place


def _words_before(words: Sequence[RecognizedWord], place: int) -> set[str]:
    """The nearest few words before, back to one that does not lead to a number."""
    near: set[str] = set()
    for word in reversed(words[max(0, place - 5) : place]):
        text = word.text.lower().rstrip(".,?")
        near.add(text)
        if text not in _BETWEEN and text not in _CODE_WORDS:
            break
    return near


def _plain(word: RecognizedWord) -> str:
    return word.text.lower().rstrip(".,?!")


def _name_kind(words: Sequence[RecognizedWord], place: int) -> str | None:
    """`FIRSTNAME` or `LASTNAME` where the word is taken for a name."""
    text = _plain(words[place])
    before = tuple(_plain(word) for word in words[max(0, place - 3) : place])
    introduced = any(before[-len(phrase) :] == phrase for phrase in INTRODUCTIONS)
    after_name = bool(before) and before[-1] in GIVEN_NAMES
    if introduced and text.isalpha():
        return "LASTNAME" if text in SURNAMES - GIVEN_NAMES else "FIRSTNAME"
    if text in SURNAMES and after_name:
        return "LASTNAME"
    after = _plain(words[place + 1]) if place + 1 < len(words) else ""
    if text in GIVEN_NAMES and (text not in AMBIGUOUS or after in SURNAMES):
        return "FIRSTNAME"
    if text in SURNAMES - AMBIGUOUS:
        return "LASTNAME"
    introduced_before = any(before[-len(phrase) - 1 : -1] == phrase for phrase in INTRODUCTIONS)
    return "LASTNAME" if introduced_before and text in SURNAMES else None


def _is_number(word: RecognizedWord) -> bool:
    text = _plain(word)
    return text in NUMBERS or text.isdigit()


def _address_end(words: Sequence[RecognizedWord], place: int) -> int | None:
    """Where an address ends that begins here with a number: "twelve high street"."""
    if place and _is_number(words[place - 1]):
        return None  # within a run of numbers, which was looked at from its first word
    end = place
    while end < len(words) and _is_number(words[end]):
        end += 1
    if end == place:
        return None
    for last in range(end + 1, min(end + 4, len(words))):
        if _plain(words[last]) in STREETS:
            return last + 1
    return None
