"""The word that was under way when a finalize was asked.

Vendor's probe (docs/protocol.md, section 10, N1): such a word is in the answer and again in the
next final, the second time with a start 0 to 0.3 s later. Two cases differ:

- The answer has the word up to the mark. The two are one word while its sound goes on without a
  break. The audio of that word is kept from its beginning, so that a connection that is to
  transcribe its rest hears it whole.
- The answer has the whole word, which ends behind the mark. Word times tell that the next final
  repeats it. The interims before that final have no times, so that their first word is compared.
"""

from __future__ import annotations

from math import inf

from pulse_plugins.core.audio.energy import FRAME, Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.transcript.coverage import WORD_END
from pulse_plugins.core.transcript.delivered import DeliveredWord, DeliveredWords
from pulse_plugins.core.transcript.finalize_requests import FinalizeRequests


class CutWord:
    """Remembers the last word of a final while a finalize has cut it.

    Args:
        buffer: The audio.
        energy: Its loudness.
        requests: Their marks are where words may be cut.
        delivered: The memory that holds the word.

    Attributes:
        mark: stream_time of the request that cut the last word of a final, or None.
        whole: The last word of a final, if a request fell into it and the final has it whole.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        energy: Energy,
        requests: FinalizeRequests,
        delivered: DeliveredWords,
    ) -> None:
        self.mark: float | None = None
        self.whole: DeliveredWord | None = None
        self._word = DeliveredWord("", 0.0, 0.0)  # an interim may be promoted behind it
        self._start = 0.0  # stream_time at which that word began
        self._buffer = buffer
        self._energy = energy
        self._requests = requests
        self._delivered = delivered

    def keep_from(self, end: float, *, new: bool) -> float:
        """A final came: look whether a request cut its last word.

        Args:
            end: stream_time at which that word ended.
            new: The final had new words. Otherwise the server repeated a final, perhaps that with
                the first part of the word, and the rest is still to come.

        Returns:
            Where the cut word began, from which stream_time on audio is kept; infinite: none is.
        """
        if new:
            self._look(end)
        return inf if self.mark is None or end > self.mark + WORD_END else self._start

    def _look(self, end: float) -> None:
        self.mark, self.whole, last = None, None, self._delivered.last
        for offset in self._requests.sent_marks:
            mark = self._buffer.seconds(offset)
            if abs(end - mark) <= WORD_END and self._goes_on(end, mark):
                self.mark, self._word = mark, last
                self._start = self._energy.word_start(mark)
                return
            if last.earliest < mark < end - WORD_END and self._energy.word_start(mark) < mark:
                self.whole = last

    def _goes_on(self, end: float, mark: float) -> bool:
        """Whether the word that ended by then is under way at the mark, without a break before."""
        if self._energy.word_start(mark) >= mark:
            return False
        return self._energy.word_end(end) > mark - FRAME

    def stretch(self) -> None:
        """Note how far the sound of the word went, before the next final is placed."""
        if self.mark is None:
            return
        until = self._energy.word_end(self.mark)
        if until >= self.mark + FRAME:  # less is where the frames lie
            # The rest lasts a frame at least, and word times may be late by WORD_END.
            until += WORD_END - FRAME
        self._word.latest = max(self._word.latest, until)

    @property
    def may_repeat(self) -> bool:
        """Whether a text without times may begin with the word again."""
        return self.mark is not None or self.whole is not None

    def begins(self, first_word: str) -> bool:
        """Whether this first word of a text without times is the rest of the word, or the word."""
        if self.whole is not None and plain(first_word) == self.whole.key:
            return True
        if self.mark is None or plain(first_word) != self._word.key:
            return False
        return self._energy.word_end(self.mark) > self.mark
