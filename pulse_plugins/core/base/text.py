"""Comparing texts by their words, and showing text of a server safely."""

from __future__ import annotations

import re
from unicodedata import category

_NOT_SPOKEN = re.compile(r"[\W_]+")
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
