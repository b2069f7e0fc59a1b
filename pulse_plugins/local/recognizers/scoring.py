"""How far a transcript is from what was said: the word error rate."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOT_A_WORD = re.compile(r"[^\w' ]+")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """The fewest changes that make the reference into the hypothesis, and how long it is.

    Attributes:
        errors: Words replaced, left out or put in.
        words: Words in the reference.
    """

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors per reference word: 0.0 is perfect, and more than 1.0 is possible."""
        return self.errors / max(self.words, 1)

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(self.errors + other.errors, self.words + other.words)


def normalize(text: str) -> list[str]:
    """The words of a text without case, punctuation and hyphens; apostrophes stay inside words."""
    plain = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return [word for part in _NOT_A_WORD.sub(" ", plain).split() if (word := part.strip("'_"))]


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Compare two texts word by word, both normalized."""
    said, heard = normalize(reference), normalize(hypothesis)
    distances = list(range(len(heard) + 1))  # from the empty reference to each start of `heard`
    for row, word in enumerate(said, 1):
        diagonal, distances[0] = distances[0], row
        for column, other in enumerate(heard, 1):
            replaced = diagonal + (word != other)
            diagonal = distances[column]
            distances[column] = min(replaced, diagonal + 1, distances[column - 1] + 1)
    return WordErrors(errors=distances[-1], words=len(said))
