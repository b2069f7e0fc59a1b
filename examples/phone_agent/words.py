"""Splits a caller's text into words and numbers, in a number of steps linear in its length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

MOST_LETTERS = 600  # about 45 s of speech; a turn that books a table has fewer than 200
_LONGEST_NUMBER = 4  # digits that are read as one number; longer ones can only be a phone number

_UNITS = dict(
    zip("zero one two three four five six seven eight nine".split(), range(10), strict=True)
)
NUMBERS = {
    **_UNITS,
    **dict(zip("ten eleven twelve thirteen fourteen fifteen".split(), range(10, 16), strict=True)),
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
}
DIGITS = {**{word: str(n) for word, n in _UNITS.items()}, "oh": "0", "o": "0"}


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and numbers.

    "7:30 p.m." becomes "7", "30", "pm", and "5th" becomes "5". The groups of "555-123-4567" become
    one number. Of a text with more than `MOST_LETTERS` letters, the last ones count.
    """
    tokens = list(_tokens(text))
    words: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in ("a", "p") and (end := _end_of_meridiem(tokens, at)):
            words.append(f"{token}m")
            at = end
        elif is_number(token):
            at = _add_digits(tokens, at, words)
        elif token[0].isalpha():
            words.append(token)
    return words


def _tokens(text: str) -> Iterator[str]:
    """Runs of letters, runs of the digits 0 to 9, and other characters one by one."""
    tail = text[-MOST_LETTERS:].lower().replace("'", "").replace("\u2019", "")
    for kind, run in groupby(tail, _kind):
        if kind == "other":
            yield from run
        elif kind != "space":
            yield "".join(run)


def is_number(word: str) -> bool:
    """Whether a word of `split_words` is a number; `str.isdigit` would accept "²" as well."""
    return word[0] in "0123456789"


def _kind(letter: str) -> str:
    if letter in "0123456789":
        return "digit"
    if letter.isspace():
        return "space"
    return "letter" if letter.isalpha() else "other"


def _end_of_meridiem(tokens: list[str], at: int) -> int | None:
    """Where "m", ".m" or ".m." ends after an "a" or a "p", or None."""
    if tokens[at : at + 1] == ["."]:
        at += 1
    if tokens[at : at + 1] != ["m"]:
        return None
    return at + 2 if tokens[at + 1 : at + 2] == ["."] else at + 1


def _add_digits(tokens: list[str], at: int, words: list[str]) -> int:
    """Add the number before `at` and what belongs to it; returns where the next token begins."""
    words.append(tokens[at - 1])
    if tokens[at : at + 1] and tokens[at] in ("st", "nd", "rd", "th"):
        return at + 1
    if len(words[-1]) <= 2 and tokens[at : at + 1] and tokens[at] in (":", "."):
        if at + 1 < len(tokens) and is_number(tokens[at + 1]) and len(tokens[at + 1]) == 2:
            words.append(tokens[at + 1])
            return at + 2
        return at
    groups = [words[-1]]
    following = at
    while following < len(tokens):
        token = tokens[following]
        if is_number(token) and len(token) >= 3:
            groups.append(token)
            at = following + 1
        elif token not in ("-", "(", ")"):
            break
        following += 1
    words[-1] = "".join(groups)
    return at


def number_at(words: list[str], at: int) -> tuple[int, int] | None:
    """The number that begins at a word, and how many words it takes."""
    if at >= len(words):
        return None
    word = words[at]
    if is_number(word):
        return (int(word), 1) if len(word) <= _LONGEST_NUMBER else None
    if word not in NUMBERS:
        return None
    value = NUMBERS[word]
    following = NUMBERS.get(words[at + 1], 0) if at + 1 < len(words) else 0
    if value >= 20 and 1 <= following <= 9:
        return value + following, 2
    return value, 1


def digit_runs(words: list[str]) -> list[tuple[int, int, str]]:
    """Runs of digits as (start, end, digits); "double five" and "five oh" count as digits."""
    runs, at = [], 0
    while at < len(words):
        start, digits = at, ""
        while at < len(words):
            word = words[at]
            after = words[at + 1] if at + 1 < len(words) else ""
            if word in ("double", "triple") and after in DIGITS:
                digits += DIGITS[after] * (2 if word == "double" else 3)
                at += 2
            elif word in DIGITS or is_number(word):
                digits += DIGITS.get(word, word)
                at += 1
            else:
                break
        if digits:
            runs.append((start, at, digits))
        at = max(at, start + 1)
    return runs
