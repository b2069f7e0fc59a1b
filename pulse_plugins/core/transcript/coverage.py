"""Which audio has words already: the speech that is left before an offset.

Decisions that would cost words when they are wrong look at possible speech; decisions that would
cost a connection look at certain speech (see `audio.energy`).
"""

from __future__ import annotations

from typing import Final

from pulse_plugins.core.audio.energy import FRAME, Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer

# Seconds. Word times are this coarse (one to three steps of a decoder's 20 ms): sound right after
# the end of a word belongs to that word. Smaller: the end of a word counts as speech without words
# and delays the turn. Larger: a short word right after it goes unnoticed.
WORD_END: Final = 0.06
# Seconds. Speech that is shorter is a click or the rounding of a word's end.
SHORTEST_SPEECH: Final = 0.06
# Seconds. No word is shorter ("a" in fast speech is about 0.1), so that less speech than this may
# be the rest of a word whose end the server reported early.
SHORTEST_WORD: Final = 0.12
# Seconds. A word of one syllable, unlike a click or a breath. Smaller: a noise before a commit
# replaces the connection to a server that says nothing to a request without words. Larger: such a
# server that is dead is not noticed by the "yes" of a soft caller.
SYLLABLE: Final = 0.3
# Seconds by which decoders may report the end of a word before its sound ends: a frame of 20 ms
# and the fall of the voice, up to 0.3 s on telephone lines. Smaller: each turn on a server that
# marks no answers waits for a word that was said. Larger: a short word after a pause is overlooked.
EARLY_END: Final = 0.35


class Coverage:
    """How far the words of one stream reach.

    Args:
        buffer: The audio.
        energy: Its loudness.

    Attributes:
        until: stream_time before which all words were delivered or answered for.
        is_exact: Word times tell it; False after a final that had none.
        said_before: stream_time before which the words of the newest final were said, if the
            final had no word times; 0 otherwise.
    """

    def __init__(self, buffer: ReplayBuffer, energy: Energy) -> None:
        self.until = 0.0
        self.is_exact = True
        self.said_before = 0.0
        self._buffer = buffer
        self._energy = energy

    @property
    def start(self) -> float:
        """stream_time from which on speech counts as being without words."""
        held = self._buffer.seconds(self._buffer.start)
        return max(self.until + WORD_END if self.until else 0.0, held)

    @property
    def _after_last_word(self) -> float:
        """stream_time from which on sound cannot be the end of the last word, if there is one."""
        return max(self.until + EARLY_END if self.until else 0.0, self.start)

    def reaches(self, time: float) -> None:
        """All words before this stream_time were delivered."""
        self.until = max(self.until, time)

    def final_came(self, *, timed: bool, sent: float) -> None:
        """A final with text came.

        Args:
            timed: Its words have times.
            sent: stream_time up to which audio had been sent.
        """
        self.is_exact = timed
        self.said_before = 0.0 if timed else sent

    def possible_before(self, offset: int) -> float:
        """Seconds of possible speech without words before an offset."""
        return self._energy.possible(self.start, self._buffer.seconds(offset))

    def is_silent_before(self, offset: int) -> bool:
        """Whether the held audio before an offset holds no word that anybody could still need.

        Where held audio begins before `until`, a word that was under way was kept with it.
        """
        keeps_word = self._buffer.seconds(self._buffer.start) < self.until - FRAME
        return not keeps_word and self.possible_before(offset) < SHORTEST_SPEECH

    def certain_before(self, offset: int) -> float:
        """Seconds of certain speech without words before an offset."""
        return self._energy.certain(self.start, self._buffer.seconds(offset))

    def ends_early(self, mark: int) -> bool:
        """Whether all possible speech before a mark may be the end of the last word."""
        left = self._energy.possible(self._after_last_word, self._buffer.seconds(mark))
        return left < SHORTEST_SPEECH

    def lacks_words(self, mark: int, *, has_interim: bool) -> bool:
        """Whether words are to be expected before a mark, as far as word times can tell.

        Args:
            mark: Offset of a finalize request.
            has_interim: An interim is open, so that sound after the last word is another word.
        """
        if has_interim:
            return self.is_exact and self.possible_before(mark) >= SHORTEST_SPEECH
        return self.is_exact and not self.ends_early(mark)

    def owes_words(self, mark: int, *, answers: bool) -> bool:
        """Whether a working server has words for speech before a mark that no final covers.

        Args:
            mark: Offset of a finalize request.
            answers: The server is known to answer requests, so that possible speech counts too.
        """
        start, at = max(self._after_last_word, self.said_before), self._buffer.seconds(mark)
        owes = self._energy.certain(start, at) >= SHORTEST_WORD
        if answers and not owes:
            owes = self._energy.possible(start, at) >= SYLLABLE
        return owes

    def leaves_words_out(self, end: float, until: float) -> bool:
        """Whether there are words between the end of a word and another stream_time."""
        return self._energy.certain(end + EARLY_END, until) >= SHORTEST_WORD

    def words_end(self) -> int:
        """Offset before which no speech is without words, in the audio that any server was sent."""
        buffer = self._buffer
        start, sent = self.start, buffer.seconds(buffer.high_water)
        if self._energy.certain(start, sent) >= SHORTEST_WORD:
            onset = self._energy.certain_from(start, sent)
            assert onset is not None
            return buffer.offset(onset)
        return max(buffer.next_offset, buffer.offset(start))

    def left_before(self, mark: int, *, has_interim: bool) -> float:
        """Seconds of possible speech before a mark that no final covers.

        Args:
            mark: Offset of a finalize request.
            has_interim: An interim is open. Its words were said before the mark, unless speech
                after the mark may be what the interim tells.
        """
        left = self.possible_before(mark)
        if has_interim and left < SHORTEST_SPEECH:
            at, sent = self._buffer.seconds(mark), self._buffer.seconds(self._buffer.next_offset)
            after = self._energy.possible(at, sent)
            return SHORTEST_WORD if after < SHORTEST_SPEECH else left
        return left
