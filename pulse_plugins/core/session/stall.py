"""Stall detection: speech was sent and the server has sent nothing for too long.

Speech is certain speech, as loud as recognized words. Before the first words it may be noise, so
that the patience doubles with each stall until words come.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.config.in_force import OptionsInForce

# Seconds of certain speech about which a working server sends something. An interim comes about
# 0.1 s after each word; 0.3 s is one syllable or more. Shorter: a slammed door is taken for speech.
_SPEECH = 0.3
LOOK_EVERY = 0.5  # seconds; what a stall may be noticed late
_LONGEST_PATIENCE = 60.0  # seconds


class StallDetector:
    """Watches the connection that is heard.

    Args:
        in_force: The options; `Timeouts.stall` is the patience.
        energy: The loudness of the audio.
    """

    def __init__(self, in_force: OptionsInForce, energy: Energy) -> None:
        self._in_force = in_force
        self._energy = energy
        self._doublings = 0
        self._looked_at = 0.0  # stream_time up to which audio was looked at
        self._speech = 0.0  # seconds of it since the server sent anything
        self._since: float | None = None  # when enough of it had been sent

    def connection_changed(self, sent: float) -> None:
        """Another connection is heard; it is sent audio from this stream_time on."""
        self._looked_at = sent
        self._speech, self._since = 0.0, None

    def words_came(self) -> None:
        """The server recognizes speech on this stream."""
        self._doublings = 0

    def is_stalled(self, sent: float, heard_at: float, now: float) -> bool:
        """Look again; call it every `LOOK_EVERY` seconds.

        Args:
            sent: stream_time up to which the connection was sent audio.
            heard_at: When the server sent anything last, on the session's clock.
            now: The session's clock.
        """
        if now - heard_at < LOOK_EVERY:
            self._speech, self._since = 0.0, None
        else:
            self._speech += self._energy.certain(self._looked_at, sent)
        self._looked_at = max(self._looked_at, sent)
        if self._since is None and self._speech >= _SPEECH:
            self._since = now
        patience = self._in_force.options.timeouts.stall * 2.0**self._doublings
        if self._since is None or now - self._since < min(patience, _LONGEST_PATIENCE):
            return False
        self._doublings = min(self._doublings + 1, 10)
        return True


class SentHistory:
    """Remembers how much audio had been sent at each look, to tell what was sent long ago."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def note(self, now: float, next_offset: int, keep: float) -> None:
        """Audio up to `next_offset` is sent by now; looks older than `keep` seconds go."""
        self._looks.append((now, next_offset))
        while len(self._looks) > 1 and self._looks[1][0] <= now - keep:
            self._looks.popleft()

    def sent_before(self, time: float) -> int:
        """Offset before which all audio was sent at this time; 0 where no look is so old."""
        return max((offset for at, offset in self._looks if at <= time), default=0)

    def clear(self) -> None:
        """Another connection was sent nothing yet."""
        self._looks.clear()
