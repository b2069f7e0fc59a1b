"""What two texts that say the same have in common: no case, no punctuation.

The vowel signs of Indic scripts are marks, no letters, and yet they make another word.
"""

from __future__ import annotations

import re
from unicodedata import category

_NOT_SPOKEN = re.compile(r"[\W_]+")


def plain_words(text: str) -> list[str]:
    """The words of a text, and parts of words between which there is punctuation."""
    if text.isascii():
        return _NOT_SPOKEN.sub(" ", text).casefold().split()
    return "".join(c if category(c)[0] in "LMN" else " " for c in text).casefold().split()


def plain(text: str) -> str:
    """All of them in one: the same in languages with spaces and without."""
    return "".join(plain_words(text))
