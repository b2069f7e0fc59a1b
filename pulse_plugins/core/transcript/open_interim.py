"""The newest interim that no final has confirmed yet."""

from __future__ import annotations

from collections.abc import Callable

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.coverage import SHORTEST_WORD
from pulse_plugins.core.transcript.heard import HeardAudio

# Seconds by which an interim may show more than is known: audio comes in packets of up to 0.1 s, so
# that the delay of an interim is measured too long by as much. Smaller: the answer to a request is
# waited for longer although the interim has all words. Larger: a short last word that the interim
# lacks goes unnoticed.
_PACKET = 0.1


class OpenInterim:
    """Keeps the text of the interim, and what it tells about the audio.

    Args:
        buffer: The audio.
        energy: Its loudness.
        heard: Which audio the server has surely heard.

    Attributes:
        text: Words that no final has confirmed, or "".
        promoted_until: stream_time up to which promoted interims tell what was said.
    """

    def __init__(self, buffer: ReplayBuffer, energy: Energy, heard: HeardAudio) -> None:
        self.text = ""
        self.promoted_until = 0.0
        self._is_replayed = False  # another connection was told the text, and none yet as much
        self._sent = 0.0  # stream_time up to which audio was sent when the interim came
        self._shown = 0.0  # stream_time before which the words began that it shows
        self._buffer = buffer
        self._energy = energy
        self._heard = heard

    def connection_changed(self) -> None:
        """Another connection hears the words again."""
        self._is_replayed = True

    def is_again(self, text: str) -> bool:
        """Whether an interim of a replay shows no more than the first words of the open text."""
        is_again = text != self.text and self.text.startswith(text)
        self._is_replayed = self._is_replayed and is_again
        return self._is_replayed

    def came(self, text: str, after: Callable[[], float], now: float) -> None:
        """An interim came.

        Args:
            text: Its new words; there is one at least.
            after: Returns the stream_time at which the audio begins that the newest final does not
                cover.
            now: The session's clock.
        """
        self._sent = sent = self._buffer.seconds(self._buffer.next_offset)
        if not self.text and " " not in text.strip():
            # The first interim of a segment shows a single word: find out when that word began.
            onset = self._energy.certain_from(after(), sent)
            if onset is not None:
                self._heard.shows(onset, now)
        self.text = text
        self._shown = self._heard.shown_by(now)

    def lacks_words(self, end: float) -> bool:
        """Whether the caller spoke on after the words of the text, before this stream_time."""
        shown = self._energy.word_end(self._shown + _PACKET)
        return bool(self.text) and self._energy.certain(shown, end) >= SHORTEST_WORD

    def promote(self, end: float) -> tuple[str, float]:
        """Take the text for the words before the stream_time `end`, as no final tells them.

        Returns:
            The text, and the stream_time before which its words were said.
        """
        text, self.text = self.text, ""
        # An answer covers speech before its mark only, even if the interim came much later.
        told = self._energy.word_end(min(self._shown, end))
        self.promoted_until = max(self.promoted_until, told)
        return text, max(end, self._sent)
