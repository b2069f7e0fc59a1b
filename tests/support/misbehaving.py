"""A server that misbehaves as real ones were seen to do, and still hears every word."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.support.hearing import RATE, Heard, Hearing

_RECOGNIZED = 0.06  # seconds of a word that are enough to recognize it


@dataclass(frozen=True, slots=True)
class Habits:
    """How a server differs from a well-behaved one.

    Attributes:
        marks: It sets `from_finalize` on its answers.
        answers_empty: It answers a finalize when nothing is pending.
        rounds: Word times are rounded to 10 ms.
        doubles: A finalize in mid-word is answered with that word too, which the next final
            repeats with a start so many seconds later; None: the word is only in the next final.
        repeats: It sends each final with words twice.
    """

    marks: bool = True
    answers_empty: bool = True
    rounds: bool = False
    doubles: float | None = None
    repeats: bool = False


class Misbehaving(Hearing):
    """One connection of such a server; its finals have word times."""

    def __init__(self, habits: Habits, loud: int) -> None:
        super().__init__(flags=habits.marks, loud=loud)
        self.habits = habits
        self._cut: tuple[str, float] | None = None  # a word that an answer has cut, and its start

    def answers(self) -> list[str]:
        """The answer to the oldest finalize, as often as it is sent; nothing if it is not."""
        until = self.finalizes.pop(0)
        words = self.words(until)
        under_way = self._under_way(until)
        if not (words or under_way or self.habits.answers_empty):
            return []
        return self._sent(words, under_way, {"from_finalize": True} if self.flags else {})

    def cuts(self, most: int) -> list[str]:
        """A final that it cuts of its own accord, after at most so many words."""
        return self._sent(self.words()[:most], None, {})

    def _sent(self, words: list[Heard], cut: Heard | None, flags: dict[str, object]) -> list[str]:
        shown = [self._shown(word) for word in words]
        message = json.loads(self.final(words, **flags))
        if cut is not None:
            shown.append(cut)
            self._cut = cut[:2]
        message["words"] = [
            {"word": w, "start": a, "end": b} for w, a, b in map(self._times, shown)
        ]
        message["transcript"] = " ".join(word for word, _, _ in shown)
        text = json.dumps(message)
        return [text, text] if self.habits.repeats and shown else [text]

    def _shown(self, word: Heard) -> Heard:
        if self._cut is not None and self._cut == word[:2]:
            self._cut = None
            start = min(word[1] + (self.habits.doubles or 0.0), word[2] - 0.02)
            return word[0], start, word[2]
        return word

    def _times(self, word: Heard) -> Heard:
        digits = 2 if self.habits.rounds else 6
        return word[0], round(word[1], digits), round(word[2], digits)

    def _under_way(self, until: int) -> Heard | None:
        """The word that is being said at this sample, if the server repeats such words."""
        if self.habits.doubles is None:
            return None
        samples = self._pending[: until - self._before]
        if not samples.size or not samples[-1]:
            return None
        number = int(samples[-1]) - self._loud
        length = 0
        while length < samples.size and samples[samples.size - 1 - length] == samples[-1]:
            length += 1
        if number <= 0 or not _RECOGNIZED * RATE <= length < 0.2 * RATE:
            return None
        return f"w{number}", (until - length) / RATE, until / RATE
