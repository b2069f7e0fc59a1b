"""Where a final with word times belongs on the stream: the guarantee of the engine.

A final whose words have times covers the audio up to the end of its last word, exactly. It acks
that audio, and a replay after a lost connection begins there. A word that comes again is known by
its place on the stream's clock. Hence each word is delivered once, whatever happens to
connections. `untimed` holds the best effort for finals without word times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite

import msgspec

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.base.events import Word
from pulse_plugins.core.base.text import label
from pulse_plugins.core.transcript.delivered import (
    ROUNDING,
    DeliveredWords,
    timed_word,
)
from pulse_plugins.core.wire.stream_messages import WireWord

# Seconds. A word that starts this much later than the audio that was sent is not on the clock of
# this connection. Servers that pad their input report times up to one decode step too late; a
# larger value would ack audio that the server has not heard.
_AHEAD = 0.5


class Placed(msgspec.Struct, frozen=True):
    """What a final adds to the stream; times are stream_time in seconds.

    Attributes:
        text: Of the words that are new; "" when all of them were delivered before.
        words: The new words, where they have times.
        start: Where the first of them starts.
        end: Where the last of them ends.
        ack: Audio before this need not be heard again.
        repeated: The final had words, and each of them had been delivered before.
        timed: The words have times, so that `ack` is exact.
    """

    text: str
    words: tuple[Word, ...]
    start: float
    end: float
    ack: float
    repeated: bool = False
    timed: bool = False


class TimedPlacement:
    """Places finals by the times of their words.

    Args:
        delivered: The memory of the stream.
    """

    def __init__(self, delivered: DeliveredWords) -> None:
        self._delivered = delivered
        self._replays_from: float | None = None  # until the first final of a connection
        self._reached = -inf  # stream_time up to which this connection has told words
        self._floor = 0.0  # the start of the last word: times never run backwards

    def connection_changed(self, start: float) -> None:
        """The next connection hears the audio from this stream_time on."""
        self._replays_from = start
        self._reached = -inf

    def words(
        self,
        words: Sequence[WireWord] | None,
        clock: ConnectionClock,
        sent: float,
        *,
        may_repeat: bool = True,
    ) -> list[Word] | None:
        """The words on the stream's clock, or None where their times cannot be used.

        Args:
            words: As the server sent them.
            clock: Of the connection.
            sent: stream_time up to which the connection was sent audio.
            may_repeat: The final came so soon after another one, or is the last one, that it may
                say the same words again. Otherwise times that do not go on belong to another
                clock, which may begin again with each final.
        """
        if not words or max(word.end or 0.0 for word in words) <= 0.0:
            return None  # none, or not filled in
        placed: list[Word] = []
        for word in words:
            if word.start is None or word.end is None or not isfinite(word.start + word.end):
                return None
            start, end = clock.to_stream(word.start), clock.to_stream(word.end)
            if start > sent + _AHEAD:
                return None
            placed.append(_word(word, start, max(start, end if end <= sent + _AHEAD else sent)))
        goes_on = placed[-1].end > self._reached
        self._reached = max(self._reached, placed[-1].end)
        if not (goes_on or may_repeat):
            return None
        if placed[-1].end <= self._delivered.until and not self._overlap(placed):
            return None  # it lies before all that was delivered and repeats nothing: another clock
        return placed

    def place(self, words: list[Word], text: str, gap: str) -> Placed:
        """Place a final.

        Args:
            words: What `words` returned, at least one.
            text: The final's own text.
            gap: What stands between two words in this language.
        """
        known = self._slivers(words)
        known += self._overlap(words[known:])
        again = [timed_word(word.text, word.start, word.end) for word in words[:known]]
        self._delivered.heard_again(again, is_all=known == len(words))
        new = self._forwards(words[known:])
        ack = max(self._delivered.until, words[-1].end)
        self._delivered.add([timed_word(w.text, w.start, w.end) for w in new], ack)
        if not new:
            return Placed("", (), ack, ack, ack, repeated=True, timed=True)
        if known:
            text = _rest(text, words, known, gap)
        return Placed(text, tuple(new), new[0].start, ack, ack, timed=True)

    def _overlap(self, words: list[Word]) -> int:
        return self._delivered.overlap([timed_word(w.text, w.start, w.end) for w in words])

    def _slivers(self, words: list[Word]) -> int:
        """How many leading words are only the end of the last delivered word.

        A replay begins at the end of that word as the server rounded it. What is left of the word
        before that place may be heard as a word of its own, no longer than the rounding.
        """
        if self._replays_from is None:
            return 0
        cut, self._replays_from = self._delivered.until + ROUNDING, None
        return next((n for n, w in enumerate(words) if (w.start + w.end) / 2 > cut), len(words))

    def _forwards(self, words: list[Word]) -> list[Word]:
        forwards: list[Word] = []
        for word in words:
            if word.start < self._floor:
                word = replace(word, start=self._floor, end=max(self._floor, word.end))
            self._floor = word.start
            forwards.append(word)
        return forwards


def _word(word: WireWord, start: float, end: float) -> Word:
    return Word(
        word.word.strip(), start, end, word.confidence, label(word.speaker), word.speaker_confidence
    )


def _rest(text: str, words: list[Word], known: int, gap: str) -> str:
    """The text without its leading words, as the service wrote it where the words can be told."""
    tokens = text.split()
    if gap and len(tokens) == len(words):
        return gap.join(tokens[known:])
    return gap.join(word.text for word in words[known:])
