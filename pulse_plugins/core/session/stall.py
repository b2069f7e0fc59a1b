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
# Seconds after which sent audio without words need not be kept for a replay: audio without possible
# speech, and twice as late audio without certain speech. Ten times the slowest final that was
# measured (docs/protocol.md, section 9). Shorter: a replay may miss a late word. Longer: a replay
# of a quiet line keeps the caller's next words waiting.
_RELEASE_AFTER = 15.0


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
        self._last_look = 0.0  # on the session's clock
        self._speech = 0.0  # seconds of it since the server sent anything
        self._since: float | None = None  # when enough of it had been sent

    def connection_changed(self, sent: float, now: float) -> None:
        """Another connection is heard; it is sent audio from this stream_time on."""
        self._looked_at, self._last_look = sent, now
        self._speech, self._since = 0.0, None

    def words_came(self) -> None:
        """The server recognizes speech on this stream."""
        self._doublings = 0

    def is_stalled(
        self, sent: float, heard_at: float, owed_since: float | None, now: float
    ) -> bool:
        """Look again; call it every `LOOK_EVERY` seconds.

        Args:
            sent: stream_time up to which the connection was sent audio.
            heard_at: When the server told last what it hears, on the session's clock.
            owed_since: Since when the server is silent after the closing word although it owes
                words; None: it owes none, or was not asked for the last words.
            now: The session's clock.
        """
        if owed_since is not None and now - owed_since >= self._in_force.options.timeouts.stall:
            return True
        if heard_at > self._last_look:
            self._speech, self._since = 0.0, None
        else:
            self._speech += self._energy.certain(self._looked_at, sent)
        self._looked_at, self._last_look = max(self._looked_at, sent), now
        if self._since is None and self._speech >= _SPEECH:
            self._since = now
        patience = self._in_force.options.timeouts.stall * 2.0**self._doublings
        if self._since is None or now - self._since < min(patience, _LONGEST_PATIENCE):
            return False
        self._doublings = min(self._doublings + 1, 10)
        return True


class SentHistory:
    """Tells how much audio had been sent some time ago."""

    def __init__(self) -> None:
        self.clear()

    def look(self, now: float, sent: int) -> tuple[int, int]:
        """Note that audio before the offset `sent` is sent by now.

        Returns:
            The offset before which audio was sent `_RELEASE_AFTER` seconds ago, and the one before
            which it was sent twice as long ago; 0 while no look is so old.
        """
        return self._release.after(now, sent), self._twice.after(now, sent)

    def clear(self) -> None:
        """Another connection was sent nothing yet."""
        self._release, self._twice = _Delay(_RELEASE_AFTER), _Delay(2 * _RELEASE_AFTER)


class _Delay:
    """A value as it was a fixed time ago.

    Args:
        seconds: That time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._newer: deque[tuple[float, int]] = deque()
        self._value = 0

    def after(self, now: float, value: int) -> int:
        """Note the present value; returns the one of that time ago, or 0."""
        self._newer.append((now, value))
        while self._newer[0][0] <= now - self._seconds:
            self._value = self._newer.popleft()[1]
        return self._value
