"""The service's text, token by token, with the time and speaker of each.

The text of a final is formatted; its words often are not: they lack punctuation and capitals, hold
placeholders in small letters, and may be spoken numbers where the text has digits. So captions show
the text, and take only times and speakers from the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from unicodedata import category, east_asian_width

from pulse_plugins.core.base.events import Final, Word
from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import plain

# In Chinese and Japanese each character is a token; a placeholder or a Latin word is one, too.
_SPACELESS_TOKEN = re.compile(
    r"\[[^\]\s]+\]|[A-Za-z0-9]+(?:[.,'\u2019-][A-Za-z0-9]+)*|\s+|.", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text that is never broken.

    Attributes:
        text: The text that is shown.
        start: Seconds.
        end: Seconds.
        speaker: The service's label, or None.
        space: Whether a space stands before it.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    space: bool = True


def width(text: str) -> int:
    """Columns on a screen: a Chinese or Japanese character takes two, a combining mark none."""
    return sum(
        2 if east_asian_width(letter) in "WF" else 0 if category(letter) in ("Mn", "Me") else 1
        for letter in text
    )


def joined(tokens: Sequence[Token]) -> str:
    """The text that these tokens stand for."""
    text = "".join(f" {each.text}" if each.space else each.text for each in tokens)
    return text.removeprefix(" ") if tokens and tokens[0].space else text


def join_texts(finals: Sequence[Final]) -> str:
    """The text of several finals."""
    text = ""
    for final in filter(lambda each: each.text, finals):
        glue = "" if not text or is_spaceless(final) else " "
        text += glue + final.text
    return text


def is_spaceless(final: Final) -> bool:
    """Whether the words of a final are written without spaces between them."""
    alone = len(final.words) > 1 and not any(map(str.isspace, final.text.strip()))
    return alone or spaceless(final.language or "")


def tokens(final: Final) -> list[Token]:
    """The tokens of a final's text, in order."""
    no_spaces = is_spaceless(final)
    pieces = list(_pieces(final.text)) if no_spaces else [(t, True) for t in final.text.split()]
    if not pieces:
        return []
    words = _letters(final.words) if no_spaces else list(final.words)
    whole = Word(final.text, final.start, max(final.end, final.start), speaker=final.speaker)
    found = [
        replace(token, space=space)
        for token, (_, space) in zip(
            _placed([text for text, _ in pieces], words or [whole]), pieces, strict=True
        )
    ]
    return [replace(found[0], space=not no_spaces), *found[1:]]


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Tokens of a text without spaces, each with whether a space stands before it."""
    held, space, gap = "", False, False
    for piece in _SPACELESS_TOKEN.findall(text):
        if piece.isspace():
            gap = True
        elif held and not gap and _closes(piece):
            held += piece  # no line begins with a full stop
        else:
            if held:
                yield held, space
            held, space, gap = piece, gap and bool(held), False
    if held:
        yield held, space


def _closes(piece: str) -> bool:
    return all(category(letter) in ("Po", "Pe", "Pf", "Pd", "Mn", "Mc") for letter in piece)


def _letters(words: Sequence[Word]) -> list[Word]:
    """Words of a text without spaces as the tokens that the text is cut into."""
    found = []
    for word in words:
        parts = [text for text, _ in _pieces(word.text)]
        step = (word.end - word.start) / max(len(parts), 1)
        found += [
            replace(word, text=part, start=word.start + at * step, end=word.start + (at + 1) * step)
            for at, part in enumerate(parts)
        ]
    return found


def _placed(texts: Sequence[str], words: Sequence[Word]) -> list[Token]:
    """Give each text the time of the word that says the same, or a share of its neighbours'."""
    ours, theirs = [plain(text) for text in texts], [plain(word.text) for word in words]
    if ours == theirs:
        return [_timed(text, word) for text, word in zip(texts, words, strict=True)]
    found: list[Token] = []
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(texts[first:last], words[start:end], strict=True)
            found += [_timed(text, word) for text, word in pairs]
        elif first < last:
            found += _shared(texts[first:last], words, start, end)
    return found


def _timed(text: str, word: Word) -> Token:
    return Token(text, word.start, max(word.start, word.end), word.speaker)


def _shared(texts: Sequence[str], words: Sequence[Word], start: int, end: int) -> list[Token]:
    """Spread texts over the words that were said instead, or over the gap between words."""
    if start < end:
        begin, until = words[start].start, words[end - 1].end
    else:
        begin = words[start - 1].end if start else words[0].start
        until = words[start].start if start < len(words) else words[-1].end
    speaker = words[min(start, len(words) - 1)].speaker
    until = max(begin, until)
    weights = [max(width(text), 1) for text in texts]
    step = (until - begin) / sum(weights)
    found = []
    for text, weight in zip(texts, weights, strict=True):
        found.append(Token(text, begin, begin + weight * step, speaker))
        begin += weight * step
    return found
