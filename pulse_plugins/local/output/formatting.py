"""Formats recognized words: numbers as digits, capitals, full stops.

The library `text2num` finds the numbers. Signs of money and percent and the digits of telephone
numbers are joined here. There is no model of punctuation: a sentence begins with a capital and ends
at a pause, with a question mark after a question word and with a full stop otherwise. Commas are
never added.
Only English and Hindi-as-English are formatted; words of another language pass unchanged.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol, cast

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.wire.parameters import Parameters

LANGUAGES = frozenset({"en"})
_ALWAYS_CAPITAL = {"i": "I", "i'm": "I'm", "i'll": "I'll", "i've": "I've", "i'd": "I'd"}
_QUESTIONS = frozenset(
    "what when where who whom whose why how which is are am was were do does did can could would "
    "will should may shall have has".split()
)
_CURRENCIES = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€", "pounds": "£"}


class _Found(Protocol):
    """A number that `text2num` found, from token `start` up to `end`."""

    start: int
    end: int
    text: str


class _Token:
    """A word as `text2num` wants it."""

    def __init__(self, word: RecognizedWord) -> None:
        self._text = word.text

    def text(self) -> str:
        return self._text

    def text_lowercase(self) -> str:
        return self._text.lower()

    def nt_separated(self, previous: _Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


@cache
def _finder() -> Callable[[Sequence[_Token], str], Sequence[_Found]]:
    try:
        module = importlib.import_module("text_to_num")
    except ImportError as error:
        raise ConfigurationError(
            "itn_normalize needs text2num: install pulse-plugins[local]"
        ) from error
    return cast("Callable[[Sequence[_Token], str], Sequence[_Found]]", module.find_numbers)


def check(parameters: Parameters) -> None:
    """Find out at the handshake whether what was asked for can be done.

    Raises:
        ConfigurationError: Numbers are to be written as digits and `text2num` is missing.
    """
    if parameters.itn or parameters.numerals:
        _finder()


def write_numbers(words: Sequence[RecognizedWord]) -> list[RecognizedWord]:
    """Spoken to written numbers: "twenty five dollars" becomes "$25".

    A merged word spans its source words' time and has the highest of their confidences.
    """
    written: list[RecognizedWord] = []
    place = 0
    for found in _finder()([_Token(word) for word in words], "en"):
        written += words[place : found.start]
        written.append(_merged(words[found.start : found.end], found.text))
        place = found.end
    written += words[place:]
    return _join_digits(_add_signs(written))


def numbers_at_end(words: Sequence[RecognizedWord]) -> int:
    """How many words at the end belong to a number that may go on in the next segment."""
    found = _finder()([_Token(word) for word in words], "en")
    count = 0
    for each in reversed(found):
        if each.end != len(words) - count:
            break
        count = len(words) - each.start
    return count


def _merged(words: Sequence[RecognizedWord], text: str) -> RecognizedWord:
    confidence = max(word.confidence for word in words)
    return replace(words[0], text=text, end=words[-1].end, confidence=confidence)


def _add_signs(words: Sequence[RecognizedWord]) -> list[RecognizedWord]:
    result: list[RecognizedWord] = []
    for word in words:
        number = result[-1] if result and result[-1].text[:1].isdigit() else None
        sign = _CURRENCIES.get(word.text.lower())
        if number is not None and sign:
            result[-1] = _merged((number, word), sign + number.text)
        elif number is not None and word.text.lower() == "percent":
            result[-1] = _merged((number, word), number.text + "%")
        else:
            result.append(word)
    return result


def _join_digits(words: Sequence[RecognizedWord]) -> list[RecognizedWord]:
    """Digits dictated one by one are one number: "5 5 5" becomes "555", and "oh" among them 0."""
    result: list[RecognizedWord] = []
    run: list[RecognizedWord] = []

    def flush() -> None:
        if len(run) >= 3:
            text = "".join("0" if word.text.lower() == "oh" else word.text for word in run)
            result.append(_merged(run, text))
        else:
            result.extend(run)
        run.clear()

    for word in words:
        single = word.text.isdigit() and (len(word.text) == 1 or word.text.startswith("0"))
        if single or (word.text.lower() == "oh" and run):
            run.append(word)
        else:
            flush()
            result.append(word)
    flush()
    return result


class Formatter:
    """Formats one connection's finals; remembers whether a sentence is still open."""

    def __init__(self, parameters: Parameters) -> None:
        self._numbers = parameters.itn or parameters.numerals
        self._capitalize = parameters.format and parameters.capitalize
        self._punctuate = parameters.format and parameters.punctuate
        self._active = parameters.recognized_as in LANGUAGES
        self._first = ""  # the open sentence's first word

    def format(self, words: Sequence[RecognizedWord], *, pause: bool) -> list[RecognizedWord]:
        """Write the words of one final.

        Args:
            words: As recognized.
            pause: The segment ended because the speaker did, not in mid-sentence.
        """
        written = list(words)
        if not (written and self._active):
            return written
        if self._numbers:
            written = write_numbers(written)
        opening = not self._first
        self._first = self._first or written[0].text.lower()
        if self._capitalize:
            for index, word in enumerate(written):
                text = _ALWAYS_CAPITAL.get(word.text, word.text)
                if opening and index == 0:
                    text = text[:1].upper() + text[1:]
                written[index] = replace(word, text=text)
        if pause:
            if self._punctuate and written[-1].text[-1:].isalnum():
                mark = "?" if self._first in _QUESTIONS else "."
                written[-1] = replace(written[-1], text=written[-1].text + mark)
            self._first = ""
        return written
