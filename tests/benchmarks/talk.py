"""What a benchmark says into a contender, in real time, and how well it came back.

The words are tones that the scripted recognizer turns back into words, so each word that comes
back was really heard by the server, and each that does not was not.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pulse_plugins.local.recognizers.scripted import silence, speak, unspell
from tests.benchmarks.contender import FRAME_SECONDS, Contender

GAP = 0.06  # seconds between two words
VAD_DELAY = 0.2  # seconds after which both frameworks' VADs say that speech began or ended


@dataclass(frozen=True, slots=True)
class Talk:
    """Turns of numbered words, as frames of 20 ms.

    Attributes:
        turns: The numbers of each turn.
        frames: 16-bit mono.
        starts: Index of the frame before which a VAD says that a turn's speech began.
        ends: The same for its end; missing where the talk ends in mid-speech.
    """

    turns: tuple[range, ...]
    frames: tuple[bytes, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def words(self) -> range:
        """All numbers."""
        return range(self.turns[0].start, self.turns[-1].stop)


def talk(
    words: int,
    *,
    first: int = 0,
    per_turn: int = 12,
    pause: float = 0.9,
    tail: float = 1.5,
    rate: int = 16_000,
) -> Talk:
    """Words in turns.

    Args:
        words: How many.
        first: The number of the first; the others follow.
        per_turn: Words a turn, 0.3 s each.
        pause: Seconds between two turns.
        tail: Seconds after the last word; 0 ends in mid-speech, before any VAD can notice.
        rate: Hz.
    """
    end = first + words
    turns = tuple(range(at, min(at + per_turn, end)) for at in range(first, end, per_turn))
    pieces = [silence(0.3, rate)]
    starts: list[int] = []
    ends: list[int] = []
    size = round(rate * FRAME_SECONDS)
    samples = len(pieces[0])
    for turn in turns:
        after = tail if turn is turns[-1] else pause
        starts.append((samples + round(VAD_DELAY * rate)) // size)
        spoken = speak(turn, rate, gap_seconds=GAP)
        samples += len(spoken)
        if after >= VAD_DELAY:
            ends.append((samples + round(VAD_DELAY * rate)) // size)
        rest = silence(after, rate)
        samples += len(rest)
        pieces += [spoken, rest]
    whole = b"".join(piece.tobytes() for piece in pieces)
    step = 2 * size
    frames = tuple(whole[at : at + step] for at in range(0, len(whole), step))
    return Talk(turns, frames, tuple(starts), tuple(ends))


@dataclass(frozen=True, slots=True)
class Spoken:
    """When things were said: `time.perf_counter`."""

    began: float
    ends: tuple[float, ...]  # when the VAD said so, turn by turn
    finished: float


async def play(said: Talk, contender: Contender) -> Spoken:
    """Say it all in real time, with what a framework's VAD adds, and finish."""
    began = time.perf_counter()
    ends: list[float] = []
    for index, frame in enumerate(said.frames):
        if index in said.starts:
            await contender.start_of_speech()
        if index in said.ends:
            ends.append(time.perf_counter())
            await contender.end_of_speech()
        await contender.push(frame)
        due = began + (index + 1) * FRAME_SECONDS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    finished = time.perf_counter()
    await contender.finish()
    return Spoken(began, tuple(ends), finished)


def numbers(text: str) -> list[int]:
    """The numbers that a transcript's words stand for; -1 for what was never said."""
    found = []
    for word in text.lower().split():
        if bare := word.strip(".,?!"):
            try:
                found.append(unspell(bare))
            except ValueError:
                found.append(-1)
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the words."""

    lost: int
    doubled: int
    out_of_order: int
    invented: int


def score(said: Sequence[int], heard: Sequence[int]) -> Score:
    """Compare what was said, each number once, with the numbers of the finals."""
    counts = Counter(heard)
    wanted = set(said)
    lost = sum(number not in counts for number in said)
    doubled = sum(counts[number] - 1 for number in wanted if counts[number] > 1)
    known = [number for number in heard if number in wanted]
    firsts = list(dict.fromkeys(known))
    out_of_order = sum(later < earlier for earlier, later in pairwise(firsts))
    return Score(lost, doubled, out_of_order, len(heard) - len(known))
