"""Places finals without word times as well as possible, apart from the guarantee.

Such a final does not say which audio it covers. It acks late, so that no word is lost. After a lost
connection delivered words are then recognized again, and `DeliveredWords` removes them by their
text. docs/reliability.md states what can still go wrong.
"""

from __future__ import annotations

from collections import deque
from math import inf

from pulse_plugins.core.base.languages import spaceless
from pulse_plugins.core.base.text import plain
from pulse_plugins.core.transcript.delivered import DeliveredWord, DeliveredWords
from pulse_plugins.core.transcript.placement import Placed

# Seconds from the end of a word to the final that contains it, at most. The service's 95th
# percentile is 0.53 s and its 99th 1.6 s (docs/protocol.md, section 9, point 6). A smaller value
# loses words that were said while a final was on its way, when a drop follows; a larger one only
# replays more.
MAX_LATENCY = 1.0
_LOOK_EVERY = 0.1  # seconds between two notes of how much audio was sent


def keys_of(text: str, language: str) -> list[str]:
    """The keys of a text's words."""
    return [plain(word) for word in tokens(text, language)]


def tokens(text: str, language: str) -> list[str]:
    """The words of a text; its characters in a script without spaces."""
    return list(text) if spaceless(language) else text.split()


class UntimedPlacement:
    """Places finals by the audio that was sent when they came.

    Args:
        delivered: The memory of the stream.
    """

    def __init__(self, delivered: DeliveredWords) -> None:
        self._delivered = delivered
        self._looks: deque[tuple[float, float]] = deque()  # when, and the audio sent by then

    def connection_changed(self) -> None:
        """Another connection was sent nothing yet."""
        self._looks.clear()

    def message_came(self, sent: float, now: float) -> None:
        """Note how much audio was sent by now; a replay sends much more than it takes to say."""
        looks = self._looks
        if not looks or now - looks[-1][0] >= _LOOK_EVERY:
            looks.append((now, sent))
            while len(looks) > 1 and looks[1][0] <= now - MAX_LATENCY:
                looks.popleft()

    def place(
        self, text: str, language: str, ack: float, sent: float, mark: float, now: float
    ) -> Placed:
        """Place a final.

        Args:
            text: The final's own text.
            language: Its code; decides how the text is cut into words.
            ack: stream_time before which nothing need be heard again so far.
            sent: stream_time up to which the connection was sent audio.
            mark: stream_time of the finalize request that it answers; infinite for none.
            now: Seconds of a steady clock.
        """
        words = tokens(text, language)
        keys = [plain(word) for word in words]
        known, replayed = self._delivered.overlap_of_text(keys, ack)
        again = [DeliveredWord(key, ack, sent) for key in keys[:known]]
        self._delivered.heard_again(again, is_all=known == len(words), replayed=replayed)
        start = max(ack, self._delivered.until)
        covered = max(start, min(self._sent_by(now - MAX_LATENCY), mark))
        latest = min(sent, mark)
        new = [DeliveredWord(key, ack, latest) for key in keys[known:]]
        self._delivered.add(new, covered)
        joined = ("" if spaceless(language) else " ").join(words[known:]) if known else text
        return Placed(joined, (), start, covered, covered, repeated=not new)

    def _sent_by(self, time: float) -> float:
        """stream_time up to which audio was sent by then; minus infinity if that is not known."""
        return max((sent for at, sent in self._looks if at <= time), default=-inf)
