"""Keeps long silence from the service, which bills the audio that it is sent.

Silence is audio below a level that the user chooses. After `HANG_OVER` seconds of silence no audio
is passed on until louder audio comes. The last `PRE_ROLL` seconds before the louder audio are
passed on first, so that a word keeps its soft beginning.
"""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.formats import loudness

# Seconds. The server ends a segment after 0.3 to 0.6 s of silence, and its decoder works in chunks
# of about 1.1 s. With less silence the server would not end the segment of the last words.
HANG_OVER = 2.0
# Seconds. The beginning of a word, such as an "f" or an "h", is up to 0.2 s long and up to 20 dB
# softer than the word.
PRE_ROLL = 0.5


class SilenceGate:
    """The gate of one stream.

    Args:
        level: Audio whose root mean square is below it is silence, 0 to 1 of full scale; None:
            everything is given on.
    """

    def __init__(self, level: float | None) -> None:
        self.level = level
        self._quiet = 0.0  # seconds of silence so far
        self._held: deque[tuple[bytes, float]] = deque()  # the newest audio of a closed gate
        self._held_seconds = 0.0
        self._left_out = 0.0  # seconds since the gate closed

    def take(self, data: bytes, seconds: float) -> tuple[bytes, float, float]:
        """Take audio; returns what is to be given on.

        Args:
            data: linear16, a few hundredths of a second.
            seconds: Its length.

        Returns:
            The audio, perhaps none, its length, and the seconds that were left out before it.
        """
        if self.level is None and not self._held:
            return data, seconds, 0.0
        if self.level is None or loudness(data, "linear16") >= self.level:
            self._quiet = 0.0
            return self._open(data, seconds)
        self._quiet += seconds
        if self._quiet <= HANG_OVER:
            return data, seconds, 0.0
        self._held.append((data, seconds))
        self._held_seconds += seconds
        while self._held_seconds - self._held[0][1] >= PRE_ROLL:
            dropped = self._held.popleft()[1]
            self._held_seconds -= dropped
            self._left_out += dropped
        return b"", 0.0, 0.0

    def drop_held(self) -> None:
        """Leave out what is held too: audio of another format follows."""
        self._left_out += self._held_seconds
        self._held.clear()
        self._held_seconds = 0.0

    def _open(self, data: bytes, seconds: float) -> tuple[bytes, float, float]:
        held = b"".join(each for each, _ in self._held)
        length, left_out = self._held_seconds + seconds, self._left_out
        self._held.clear()
        self._held_seconds = self._left_out = 0.0
        return held + data, length, left_out
