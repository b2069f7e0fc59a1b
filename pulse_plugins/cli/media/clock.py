"""When each decoded frame is heard, from the time stamps of the container."""

from __future__ import annotations

# Seconds. A time stamp that differs by less from the samples counted so far is jitter or rounding,
# by more is a hole or a restart. The value is FFmpeg's own: `min_hard_comp` of its resampler.
TOLERANCE = 0.1
# Seconds. A longer jump forward is a broken time stamp (a wrapped counter, a wall clock), not a
# hole: no container of one recording has a day without sound.
LONGEST_HOLE = 86_400.0


class MediaClock:
    """Places frames on a clock that starts with the container and never goes back."""

    def __init__(self) -> None:
        self._origin = 0.0
        self._next = 0.0

    @property
    def now(self) -> float:
        """Seconds at which the last frame ended."""
        return self._next

    def begin(self, origin: float) -> None:
        """Go on with the next container, which follows what was placed so far.

        Args:
            origin: The time stamp at which the container starts, in seconds; audio that begins
                later than the video begins later on this clock.
        """
        self._origin = origin - self._next

    def skip(self, seconds: float) -> None:
        """Leave out audio that was lost, where the time stamps that follow do not count it."""
        self._origin -= seconds

    def place(self, stamp: float | None, length: float) -> float:
        """Take the next frame.

        A hole in the time stamps stays a hole. Time stamps that go back, as those of joined files
        do, continue where the last frame ended.

        Args:
            stamp: The frame's time stamp in seconds, or None if it has none.
            length: The frame's length in seconds.

        Returns:
            Seconds at which the frame starts.
        """
        at = self._next if stamp is None else stamp - self._origin
        jump = at - self._next
        if jump < -TOLERANCE or jump > LONGEST_HOLE:
            self._origin += jump
            at = self._next
        elif jump <= TOLERANCE:
            at = self._next
        self._next = at + length
        return at
