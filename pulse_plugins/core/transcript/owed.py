"""The words and answers that a server still has to send, and the audio that is kept until then."""

from __future__ import annotations

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.coverage import SHORTEST_SPEECH, SHORTEST_WORD, Coverage
from pulse_plugins.core.transcript.finalize_requests import FinalizeRequests
from pulse_plugins.core.transcript.open_interim import OpenInterim


class Owed:
    """Answers questions about one stream; nothing here changes anything.

    Args:
        buffer: The audio.
        energy: Its loudness.
        coverage: Which audio has words.
        requests: The finalize requests.
        interim: The newest interim.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        energy: Energy,
        coverage: Coverage,
        requests: FinalizeRequests,
        interim: OpenInterim,
    ) -> None:
        self._buffer = buffer
        self._energy = energy
        self._coverage = coverage
        self._requests = requests
        self._interim = interim

    @property
    def anything(self) -> bool:
        """Whether words are still to come: of an interim, of a request or of held speech."""
        return not self._requests.is_idle or self.words

    @property
    def words(self) -> bool:
        """Whether the words of an interim or of held speech, sent or not, are still to come."""
        left = self._coverage.certain_before(self._buffer.end)
        return bool(self._interim.text) or left >= SHORTEST_WORD

    @property
    def at_end(self) -> bool:
        """Whether audio that is held could bring another word, once the input has ended."""
        buffer = self._buffer
        is_heard = buffer.end <= buffer.high_water and self._requests.is_idle
        return not is_heard or self.may_hold_words(buffer.end)

    def may_hold_words(self, offset: int) -> bool:
        """Whether even a quiet word before this offset may not have been delivered."""
        left = self._coverage.possible_before
        return bool(self._interim.text) or left(offset) >= SHORTEST_SPEECH

    def answer(self, mark: int) -> bool:
        """Whether a working server sends something after a request for the words before a mark."""
        requests = self._requests
        owes = self._coverage.owes_words(mark, answers=requests.server_marks)
        return requests.answers_all or owes

    def releasable(self, quiet: int, noisy: int) -> int:
        """Offset before which audio brought no words and need not be kept.

        Args:
            quiet: Audio before this offset may go if there is no possible speech in it, and if no
                word that was under way is kept in it.
            noisy: Audio before this offset may go if there is no certain speech in it.
        """
        start = found = self._buffer.start
        if self._interim.text or not self._requests.is_idle:
            return start
        if quiet > start and self._coverage.is_silent_before(quiet):
            found = quiet
        elif noisy > start and self._coverage.certain_before(noisy) < SHORTEST_WORD:
            found = noisy
        # A word that begins right before this offset is too short yet to be speech.
        return self._buffer.offset(self._energy.word_start(self._buffer.seconds(found)))

    def words_end(self) -> int:
        """Offset before which no speech is without words, in the audio that any server was sent."""
        return self._coverage.words_end()
