"""Personal and card data out of finals, as `[TYPE_N]` placeholders.

Found by checked patterns: card numbers by the Luhn sum, telephone numbers by their count of
digits, e-mail addresses, US social security numbers, card codes and expiry dates by the words
before them. Spoken digits count like written ones. Names and addresses need a model of language
that is not here: they are not found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pulse_plugins.local.recognizers.contract import RecognizedWord

LANGUAGES = frozenset({"en", "hi"})  # elsewhere the service ignores the switch
_SPOKEN = {
    "oh": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_DIGIT_TOKEN = re.compile(r"[+(]?[\d][\d().-]*")
_CODE_WORDS = frozenset({"cvv", "cvc", "cvv2", "security", "verification"})
_BETWEEN = frozenset({"code", "number", "is", "it's", "the", "of"})


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
        pii: Telephone and social security numbers, e-mail addresses.
        pci: Card numbers and card codes.
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
            digits, end = _digits_from(words, place)
            kind = self._kind(words, place, digits)
            if kind is None and self.pii and _EMAIL.search(words[place].text):
                kind, end = "EMAIL", place + 1
            if kind is None:
                # A run of digits that means nothing is passed over as a whole: its tail must not
                # be taken for a telephone number.
                end = max(end, place + 1)
                result += words[place:end]
            else:
                self._counts[kind] = number = self._counts.get(kind, 0) + 1
                label = f"[{kind}_{number}]"
                run = words[place:end]
                confidence = max(word.confidence for word in run)
                tail = run[-1].text[-1:]
                mark = tail if tail in ".?" else ""
                result.append(RecognizedWord(label + mark, run[0].start, run[-1].end, confidence))
                found.append(label)
            place = end
        return result, found

    def _kind(self, words: Sequence[RecognizedWord], place: int, digits: str) -> str | None:
        if not digits:
            return None
        if self.pci and 13 <= len(digits) <= 19 and luhn(digits):
            return "CREDITCARDNUMBER"
        before = _words_before(words, place)
        if self.pci and 3 <= len(digits) <= 4 and before & _CODE_WORDS and "social" not in before:
            return "CREDITCARDCVV"
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
