"""How much of the audio that was sent the server has surely heard.

A server may hear audio later than the audio was sent. Live audio is heard as fast as it is sent. A
replay is sent faster than real time, into buffers from which a slow server reads for seconds. An
interim does not say how much audio the server had heard (docs/protocol.md, section 4.3). Therefore
this module keeps a lower bound. The server hears audio at `_SLOWEST` times real time at least, and
never more than it was sent. It has heard the words of its finals, and the audio before each request
that it answered.

An interim shows a word some time after the server heard the word. This delay is measured at the
first word of a segment.
"""

from __future__ import annotations

from pulse_plugins.core.audio.energy import FRAME
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer

# Times real time. This is an assumption: no document says how fast the service reads. A server of
# speed s is live again R/(s-1) seconds after a replay of R seconds. With a speed below 2 that takes
# longer than the replay, and such a server would fall behind with each outage. A smaller value
# reports speech as lost that an interim had shown, for longer after each replay. A larger value
# hides speech that a slow server did not hear.
_SLOWEST = 2.0
# Seconds. The service's 99th percentile from the end of speech to a final is 1.6 s and its 95th
# 0.53 s (docs/protocol.md, section 9, point 6); interims are faster, and wait behind finals. If a
# longer delay is measured, the sound that began then was a noise before the word. A smaller value
# hides a word that a late interim does not show. A larger value reports words that it shows.
_LONGEST_DELAY = 1.0


class HeardAudio:
    """Keeps the bound for the connection that is heard.

    Args:
        buffer: The audio.
    """

    def __init__(self, buffer: ReplayBuffer) -> None:
        self._buffer = buffer
        self._until = 0.0  # stream_time
        self._at = 0.0  # on the session's clock
        self._delay = 0.0  # seconds from the beginning of a word to the interim that shows it

    def connection_changed(self, now: float) -> None:
        """Another connection hears the audio from the start of the buffer on."""
        self._until, self._at = self._buffer.seconds(self._buffer.start), now

    def by(self, now: float) -> float:
        """stream_time before which the server has heard everything by now."""
        sent = self._buffer.seconds(self._buffer.next_offset)
        self._until = min(sent, self._until + _SLOWEST * (now - self._at))
        self._at = now
        return self._until

    def hears(self, time: float, now: float) -> float:
        """When the server will have heard all audio before a stream_time, at the latest.

        Args:
            time: stream_time; audio before it was sent.
            now: The session's clock, on which the result is too; not before it.
        """
        return now + max(0.0, time - self.by(now)) / _SLOWEST

    def shows(self, onset: float, now: float) -> None:
        """An interim shows a single word, which began at the stream_time `onset`."""
        self._delay = min(self.by(now) - onset, _LONGEST_DELAY)

    def shown_by(self, now: float) -> float:
        """stream_time before which each word has begun that an interim shows that came now."""
        return self.by(now) - max(0.0, self._delay - FRAME)

    def reaches(self, time: float, now: float) -> None:
        """A final covers the audio before this stream_time, so that the server has heard it."""
        self._until = max(self.by(now), time)
