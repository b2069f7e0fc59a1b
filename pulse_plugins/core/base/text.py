"""Comparing texts by their words, and showing text of a server safely."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from unicodedata import category

from pulse_plugins.core.base.languages import spaceless

_NOT_SPOKEN = re.compile(r"[\W_]+")
# Comparing two lists can take a number of steps that is the product of their lengths, and a server
# chooses the lengths. A minute of speech in one final has 200 words, or 40,000 pairs. A million
# pairs take about 0.1 s, for which all calls of the process wait; beyond it the words share the
# text evenly.
_MOST_PAIRS = 1_000_000
_MOST_LABEL = 64  # characters; the longest documented language code has 17
_KEPT = "LMN"  # Unicode categories of letters, marks and numbers


def plain_words(text: str) -> list[str]:
    """Split a text into words without case and punctuation.

    Marks are kept, because the vowel signs of Indic scripts are marks. A word with punctuation in
    it gives several parts.
    """
    if text.isascii():
        return _NOT_SPOKEN.sub(" ", text).casefold().split()
    return "".join(c if category(c)[0] in _KEPT else " " for c in text).casefold().split()


def plain(text: str) -> str:
    """Join the words of a text without spaces, for scripts that write none between words."""
    return "".join(plain_words(text))


class TextOfWords:
    """A text cut at its words: see `texts_of_words`."""

    def __init__(self, pieces: list[list[str]], gap: str) -> None:
        self._pieces = pieces
        self._gap = gap

    def join(self, start: int, stop: int) -> str:
        """The text of the words from `start` up to `stop`."""
        return self._gap.join(token for piece in self._pieces[start:stop] for token in piece)


def texts_of_words(text: str, words: Sequence[str], language: str) -> TextOfWords:
    """Find the part of a text that belongs to each of its words.

    The server sends a final's words beside its text. The words may lack the punctuation, the case
    and the placeholders of the text, and numbers may be written otherwise there. A part of the
    final must be cut from its text.

    Args:
        text: The final's text.
        words: The texts of its words, in order; at least one.
        language: The language's code; decides whether words are separated by spaces.
    """
    without_spaces = spaceless(language)
    tokens = list(text) if without_spaces else text.split()
    owners = [
        (plain(token), index)
        for index, word in enumerate(words)
        for token in (list(word) if without_spaces else word.split())
    ]
    pieces: list[list[str]] = [[] for _ in words]
    if len(tokens) == len(words) == len(owners):  # as almost always
        for piece, token in zip(pieces, tokens, strict=True):
            piece.append(token)
        return TextOfWords(pieces, "" if without_spaces else " ")
    for start, stop, first, last in _aligned([plain(t) for t in tokens], [k for k, _ in owners]):
        for number, token in enumerate(tokens[start:stop]):
            # Tokens that differ from their words share these evenly; tokens without any word of
            # their own, such as a lone dash, go with the word before.
            at = first + number * (last - first) // (stop - start) if last > first else first - 1
            pieces[owners[max(at, 0)][1] if owners else 0].append(token)
    return TextOfWords(pieces, "" if without_spaces else " ")


def _aligned(tokens: list[str], keys: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of two lists that belong together, as (start, stop, first, last)."""
    if len(tokens) * len(keys) > _MOST_PAIRS:
        yield 0, len(tokens), 0, len(keys)
        return
    matcher = SequenceMatcher(None, tokens, keys, autojunk=False)
    for _, *stretch in matcher.get_opcodes():
        start, stop, first, last = stretch
        yield start, stop, first, last


def label(name: int | str | None) -> str | None:
    """Make the name that a server gives to a speaker or to a language safe for logs and frames.

    Args:
        name: A number or a text; None stays None.
    """
    return None if name is None else printable(str(name), _MOST_LABEL)


def printable(text: str, limit: int) -> str:
    """Make text of a server safe for logs and error texts.

    Line breaks, escape codes, bidirectional controls and lone surrogates become `?`.

    Args:
        text: Any text.
        limit: The length in characters; the rest is cut.
    """
    if len(text) <= limit and text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in text[:limit])
