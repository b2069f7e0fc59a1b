"""The other end of a session's connection: its recognition is a function of the bytes it got.

A word is 200 ms of samples that hold the word's number, so that nothing can be guessed. It speaks
only when told to; no socket, no clock.
"""

from __future__ import annotations

import json
import struct

import numpy as np

RATE = 8000
WORD = 0.2  # seconds
_SAMPLES = int(RATE * WORD)
LOUD = 8000  # of 32767

Heard = tuple[str, float, float]  # a word, its start and end in connection_time


def spoken(number: int, loud: int = LOUD) -> bytes:
    """200 ms that say this number, from 1; number 0 is silence."""
    return struct.pack("<h", loud + number if number else 0) * _SAMPLES


class Hearing:
    """One connection.

    Args:
        timed: Its finals have word times.
        flags: It marks the answers to finalize.
        loud: As words are `spoken`.

    Attributes:
        wire: Everything it was sent that was not taken yet; audio in seconds.
        finalizes: Samples heard when each was asked, not yet answered.
        closing: It was sent the closing word.
    """

    def __init__(self, *, timed: bool = True, flags: bool = True, loud: int = LOUD) -> None:
        self.timed, self.flags, self._loud = timed, flags, loud
        self.wire: list[float | str] = []
        self.finalizes: list[int] = []
        self.closing = False
        self._pending = np.empty(0, "<i2")  # what no final covers
        self._before = 0  # samples before that

    @property
    def samples(self) -> int:
        """How much audio it was sent."""
        return self._before + self._pending.size

    def take(self, message: bytes | memoryview | str) -> None:
        """The session sends this."""
        if isinstance(message, str):
            kind = str(json.loads(message)["type"])
            self.wire.append(kind)
            if kind == "finalize":
                self.finalizes.append(self.samples)
            self.closing = self.closing or kind == "close_stream"
            return
        self._pending = np.concatenate((self._pending, np.frombuffer(message, "<i2")))
        seconds = len(message) / 2 / RATE
        last = self.wire[-1] if self.wire else ""
        if isinstance(last, str):
            self.wire.append(seconds)
        else:
            self.wire[-1] = round(last + seconds, 4)

    def take_wire(self) -> list[float | str]:
        """What came since the last call: seconds of audio and the types of messages."""
        taken, self.wire = self.wire, []
        return taken

    def words(self, until: int | None = None) -> list[Heard]:
        """The words that were heard whole since the last final.

        Args:
            until: Samples of the connection that count; all by default.
        """
        samples = self._pending[: None if until is None else until - self._before]
        borders = np.flatnonzero(np.diff(samples)) + 1
        starts = [0, *borders.tolist()]
        found = []
        for start, end in zip(starts, [*starts[1:], samples.size], strict=True):
            number = int(samples[start]) - self._loud if end > start else 0
            if number > 0 and end - start == _SAMPLES:
                at = self._before + start
                found.append((f"w{number}", at / RATE, (at + _SAMPLES) / RATE))
        return found

    def interim(self) -> str:
        """What it would show of the open segment."""
        return json.dumps({"session_id": "s", "transcript": _text(self.words()), "is_final": False})

    def final(self, words: list[Heard] | None = None, **flags: object) -> str:
        """A final of these words, by default all; they are not heard again.

        Args:
            words: The first of `words()`.
            flags: More fields of the message.
        """
        said = self.words() if words is None else words
        if said:
            covered = round(said[-1][2] * RATE) - self._before
            self._pending = self._pending[covered:]
            self._before += covered
        message = {"session_id": "s", "transcript": _text(said), "is_final": True, **flags}
        if self.timed:
            message["words"] = [{"word": w, "start": a, "end": b} for w, a, b in said]
        return json.dumps(message)

    def answer(self) -> str:
        """The answer to the oldest finalize."""
        words = self.words(self.finalizes.pop(0))
        return self.final(words, **({"from_finalize": True} if self.flags else {}))


def _text(words: list[Heard]) -> str:
    return " ".join(word for word, _, _ in words)
