"""One memory of the words that were delivered, so that no word is delivered twice.

A delivered word is its key (no case, no punctuation) and the stretch of stream_time in which it
was said. With word times the stretch is the word's own; without them it reaches from the ack
before the final to the audio that was sent when the final came. Incoming words repeat delivered
ones when the keys are equal and the stretches meet. People do say "no, no": equal keys alone
never make a word a repetition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.transcript.coverage import SHORTEST_WORD

# Seconds. Servers round word times to 10 ms (docs/protocol.md, section 4.3), so that two words
# that follow each other may seem to overlap by this much at each end. A larger value drops the
# second of two quick equal words; with 0 a rounded repetition would still be known, but so would
# "no, no" whose times touch.
ROUNDING = 0.01
# Words a second that nobody exceeds; three times as many characters in scripts without spaces.
# It bounds how many words a replay can hold. Fast English is 4 to 5 words a second.
FASTEST = 8.0
# Seconds between the end of the first part of a word that a finalize request cut and the beginning
# of its second part: 0.1 to 0.3 in the vendor's probe (docs/protocol.md, section 10, N1). A smaller
# value delivers the second part as another word; a larger one drops the next equal word.
_REST_BEGINS = 0.3
# Words that are remembered: more than a minute of speech, the longest replay by default.
_REMEMBERED = 512


@dataclass(slots=True)
class DeliveredWord:
    """A word and the stretch of stream_time, in seconds, in which it was said."""

    key: str
    earliest: float
    latest: float

    def is_same(self, other: DeliveredWord) -> bool:
        """Whether the keys are equal and the stretches meet."""
        return (
            self.key == other.key
            and self.earliest <= other.latest
            and other.earliest <= self.latest
        )


def timed_word(text: str, start: float, end: float) -> DeliveredWord:
    """A word with times of its own, narrowed by what rounding may have added.

    A word that has no length then ends at an unknown time, and no word is shorter than
    `SHORTEST_WORD`. The times are whole microseconds, so that equal times are equal after different
    sums.
    """
    middle = (start + end) / 2
    earliest, latest = min(start + ROUNDING, middle), max(end - ROUNDING, middle)
    if latest <= earliest:
        latest = earliest + SHORTEST_WORD
    return DeliveredWord(plain(text), round(earliest, 6), round(latest, 6))


class DeliveredWords:
    """The words of one stream, oldest first.

    Attributes:
        until: stream_time at which the last delivered word ended.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self._words: deque[DeliveredWord] = deque(maxlen=_REMEMBERED)
        self._replayable: list[DeliveredWord] = []  # without times, and this connection hears them
        self._promoted: list[DeliveredWord] = []  # of an interim that was delivered as final
        self._promoted_until = 0.0

    @property
    def may_repeat(self) -> bool:
        """Whether text without times may say again what was delivered."""
        return bool(self._promoted or self._replayable)

    @property
    def last(self) -> DeliveredWord:
        """The last delivered word; there must be one."""
        return self._words[-1]

    def add(self, words: Iterable[DeliveredWord], until: float) -> None:
        """Words were delivered; the last of them ended at `until`."""
        self._words.extend(words)
        self.until = max(self.until, until)

    def add_promoted(self, keys: Sequence[str], start: float, until: float) -> None:
        """An interim was delivered as final; the final itself may still come.

        Args:
            keys: Of its words.
            start: stream_time after which they were said.
            until: stream_time before which they were said.
        """
        words = [DeliveredWord(key, start, until) for key in keys]
        self._words.extend(words)
        self._promoted += words
        self._promoted_until = max(self._promoted_until, until)

    def connection_changed(self, start: float, language: str) -> None:
        """The next connection hears the audio again from this stream_time on."""
        latest = self._words[-1].latest if self._words else 0.0
        rate = FASTEST * (3 if spaceless(language) else 1)
        most = 1 + ceil(rate * (latest - start))
        heard_again = [word for word in self._words if word.latest > start + ROUNDING / 2]
        self._replayable = heard_again[-most:] if most > 0 else []

    def overlap(self, incoming: Sequence[DeliveredWord]) -> int:
        """How many leading words of `incoming`, which have times, were delivered before."""
        said = self._said_by_promoted(incoming)
        if said or not incoming or not self._words:
            return said
        # The newest word usually ends last. An interim that was promoted before it may reach
        # further.
        if incoming[0].earliest > max(word.latest for word in self._newest(2)):
            return 0
        words = list(self._words)
        for start in range(len(words)):
            count = min(len(words) - start, len(incoming))
            if all(words[start + n].is_same(incoming[n]) for n in range(count)):
                return count
        return 0

    def overlap_of_text(self, keys: Sequence[str], start: float) -> tuple[int, int]:
        """The same for text without times.

        Args:
            keys: Of its words.
            start: stream_time before which none of them was said.

        Returns:
            How many leading words of the text were delivered before, and how many words of the
            replay have been heard again with them.
        """
        said = self._said_by_promoted([DeliveredWord(key, start, start) for key in keys])
        known, replayed = self._overlap_of_replay(keys)
        if said <= known:
            return known, replayed
        # The server has revised the interim. Its words are in the replay, too, and come once.
        last = self._promoted[said - 1]
        heard = (number for number, word in enumerate(self._replayable, 1) if word is last)
        return said, next(heard, 0)

    def heard_again(
        self, known: Sequence[DeliveredWord], *, is_all: bool, replayed: int = 0
    ) -> None:
        """A final came, of which these leading words were not delivered again.

        Args:
            known: The words, perhaps none.
            is_all: The final had no other words: the next one may be known too.
            replayed: What `overlap_of_text` returned second.
        """
        self._replayable = self._replayable[replayed:] if is_all else []
        are_promoted = self._said_by_promoted(known) == len(known)
        if are_promoted:  # now it is known where they were said; the last one may be cut
            for number, (said, word) in enumerate(zip(self._promoted, known, strict=False), 1):
                more = _REST_BEGINS if is_all and number == len(known) else 0.0
                said.earliest, said.latest = word.earliest, min(said.latest, word.latest + more)
        if not is_all:
            self._promoted = []
        elif are_promoted:
            self._promoted = self._promoted[len(known) :]
        else:  # a word of them was known from a final: the interim goes on behind the others
            for word in known:
                keys = [said.key for said in self._promoted]
                if word.key in keys:
                    self._promoted = self._promoted[keys.index(word.key) + 1 :]

    def _overlap_of_replay(self, keys: Sequence[str]) -> tuple[int, int]:
        replayed = [word.key for word in self._replayable]
        for at in range(len(replayed)):
            # The replay may begin within a word, of which the server then hears another word.
            for cut in (0, 1):
                same = min(len(replayed) - at, len(keys) - cut)
                if same > cut and list(keys[cut : cut + same]) == replayed[at : at + same]:
                    return cut + same, at + same
        return 0, len(replayed)

    def _newest(self, count: int) -> list[DeliveredWord]:
        return [self._words[-n] for n in range(1, min(count, len(self._words)) + 1)]

    def _said_by_promoted(self, incoming: Sequence[DeliveredWord]) -> int:
        """How many leading words a promoted interim said already.

        The server may have revised some words of the interim; when half of them are equal, it is
        the same speech.
        """
        promoted = self._promoted
        if not promoted or not incoming or incoming[0].earliest >= self._promoted_until:
            return 0
        same = 0
        for said, word in zip(promoted, incoming, strict=False):
            if said.key != word.key:
                break
            same += 1
        return min(len(promoted), len(incoming)) if 2 * same >= len(promoted) else same
