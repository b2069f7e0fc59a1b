"""Finds text without word times that only repeats what was delivered.

Such text has four sources: a stale interim that a final overtook, endpointing that races a finalize
(docs/protocol.md, section 5, item 3), `is_last` that repeats the last final (section 10, N4), and
a replay. People do say the same words twice, so equal words alone are not enough. They are new if
later audio has speech that is long enough for them.
"""

from __future__ import annotations

from collections import deque
from math import inf

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.transcript.coverage import SHORTEST_SPEECH, Coverage
from pulse_plugins.core.transcript.cut_word import CutWord
from pulse_plugins.core.transcript.delivered import FASTEST, DeliveredWords
from pulse_plugins.core.transcript.finalize_requests import FinalizeRequests
from pulse_plugins.core.transcript.finals import FinalBuilder
from pulse_plugins.core.transcript.heard import HeardAudio
from pulse_plugins.core.transcript.placement import Placed
from pulse_plugins.core.transcript.untimed import keys_of, tokens
from pulse_plugins.core.wire.stream_messages import Transcript

# Seconds within which two equal finals are one utterance that the server reported twice: its
# endpointing raced a finalize. The vendor's cookbook removes such duplicates within 0.2 s. Nobody
# says a sentence again in a third of a second.
RACE = 0.35


class Repetitions:
    """Compares text with the newest final of the connection, and with the delivered words.

    Args:
        buffer: The audio.
        energy: Its loudness.
        coverage: Which audio has words.
        requests: Their answers may come twice.
        delivered: The delivered words.
        cut: The word that a finalize request cut.
        heard: Which audio the server has surely heard.
        finals: Knows the language.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        energy: Energy,
        coverage: Coverage,
        requests: FinalizeRequests,
        delivered: DeliveredWords,
        cut: CutWord,
        heard: HeardAudio,
        finals: FinalBuilder,
    ) -> None:
        self._buffer = buffer
        self._energy = energy
        self._coverage = coverage
        self._requests = requests
        self._delivered = delivered
        self._cut = cut
        self._heard = heard
        self._finals = finals
        self._is_fresh = False  # no interim came yet for which the audio has room
        self._is_untold = False  # no interim was told since the newest final
        self._may_be_old = False  # the next interim may be older than a final
        # When finals came in the last `RACE` seconds, and their words.
        self._recent: deque[tuple[float, list[str]]] = deque()
        self._held_back: list[str] = []  # of the newest interim that may have been old
        self._last_keys: list[str] = []  # of the newest final on this connection
        self._last_timed = False
        # When it came, and which audio had been sent and was surely heard by then.
        self._last_at = self._last_sent = self._last_heard = -inf
        self._answered_at = -inf  # on the session's clock
        self._last_answer = ""  # the text of the newest marked final

    # What came.

    def connection_changed(self) -> None:
        """A connection never repeats the finals of another one by itself."""
        self._is_fresh = self._is_untold = self._may_be_old = True
        self._recent.clear()
        self._last_keys = []
        self._last_at = self._last_sent = self._last_heard = -inf

    def final_came(self, text: str, *, timed: bool, now: float) -> None:
        """A final with text came."""
        self._is_fresh = self._is_untold = self._may_be_old = True
        self._last_keys, self._last_timed = self._keys(text), timed
        self._forget(now)
        self._recent.append((now, self._last_keys))
        self._last_at, self._last_sent, self._last_heard = now, self._sent, self._heard.by(now)

    def answered(self, now: float) -> None:
        """A final answered a request."""
        self._answered_at = now

    # Questions.

    def new_in_interim(self, text: str, now: float) -> str:
        """The words of an interim that were not delivered, or "".

        Args:
            text: Of the interim.
            now: The session's clock.
        """
        if self._may_be_old and self._is_old(self._keys(text), now):
            return ""
        if self._delivered.may_repeat or self._cut.may_repeat:
            return self._without_known(text)
        return text

    def may_repeat(self, now: float, within: float) -> bool:
        """Whether a final came on this connection in the last `within` seconds."""
        return now - self._last_at < within

    def is_repeated(self, text: str, now: float, *, last: bool) -> bool:
        """Whether a final without word times repeats the final before it.

        An interim in between shows that the words are new.

        Args:
            text: Of the final.
            now: The session's clock.
            last: The final has `is_last`.
        """
        if not self._is_fresh:
            return False
        keys = self._keys(text)
        if last:
            return self._says_again(keys) and not self._has_room(keys, self.after_last())
        if keys != self._last_keys or now - self._last_at >= RACE:
            return False
        # In a replay a server hears much audio in that time: one word may be said twice in it. It
        # lies in audio that has no words yet: none is left behind the mark of an answered request.
        no_time = self._sent - self._last_heard < RACE
        may_race = self._requests.expects_answer or now - self._answered_at < RACE
        if not may_race:  # a server cuts "no, no" into two finals that come together
            return len(keys) > 1 and no_time
        return len(keys) > 1 or no_time or not self._has_room(keys, self._coverage.start)

    def is_answer_again(self, message: Transcript, placed: Placed) -> bool:
        """Whether a marked final is only the last marked one, sent twice; notes the present one."""
        before, self._last_answer = self._last_answer, message.text
        return placed.repeated and message.text == before

    def after_last(self) -> float:
        """stream_time at which the audio begins that the newest final does not cover."""
        start = self._coverage.start
        return start if self._last_timed else max(start, self._last_sent)

    # Parts.

    @property
    def _sent(self) -> float:
        return self._buffer.seconds(self._buffer.next_offset)

    def _without_known(self, text: str) -> str:
        """A text without its leading words that were delivered before."""
        words = tokens(text, self._finals.language)
        keys = [plain(word) for word in words] if self._delivered.may_repeat else []
        known, _ = self._delivered.overlap_of_text(keys, self._buffer.seconds(self._buffer.start))
        known = known or int(self._cut.begins(words[0]))
        return self._finals.gap.join(words[known:]) if known else text

    def _keys(self, text: str) -> list[str]:
        return keys_of(text, self._finals.language)

    def _says_again(self, keys: list[str]) -> bool:
        """Whether these are the words of the newest final, or its first or last ones."""
        last = self._last_keys
        return bool(keys) and (last[: len(keys)] == keys or last[-len(keys) :] == keys)

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] >= RACE:
            self._recent.popleft()

    def _is_old(self, keys: list[str], now: float) -> bool:
        """Whether an interim soon after finals was made before them, and has no new words.

        While the caller speaks on, the audio has room for the words, so that the text decides. One
        word may be said twice: an interim that shows it again tells that it is new. Any interim
        for which there is room shows that equal words in the next final are new.
        """
        says_again = self._is_untold and self._says_again(keys)
        if says_again and not self._has_room(keys, self.after_last()):
            return True
        self._is_fresh = False
        self._forget(now)
        self._may_be_old = bool(self._recent)
        said: list[str] = []
        for _, final in reversed(self._recent):
            said = final + said  # an interim may show what the server then cut into several finals
            if len(said) > 1 and said[: len(keys)] == keys:
                is_again, self._held_back = keys == self._held_back, keys
                if len(keys) > 1 or not is_again:
                    return True
        self._is_untold = False
        return False

    def _has_room(self, keys: list[str], start: float) -> bool:
        """Whether the certain speech that was sent from `start` on is long enough for the words."""
        rate = FASTEST * (1 if self._finals.gap else 3)
        return self._energy.certain(start, self._sent) >= max(len(keys) / rate, SHORTEST_SPEECH)
