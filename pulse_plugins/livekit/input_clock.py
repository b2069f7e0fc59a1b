"""Where a moment of the stream lies on the session's clock and on the wall clock.

stream_time counts the audio that was given. While an input is muted nothing is given, but the
session's clock goes on: every such pause is noted at the place in the audio where it happened.
Reconnects do not appear here at all.
"""

from __future__ import annotations

from bisect import bisect_left

_PAUSE = 0.5  # seconds; less is jitter
_MOST = 256  # pauses that are remembered


class InputClock:
    """Learns from the times at which audio is given. All times are seconds."""

    def __init__(self) -> None:
        self.anchor: float | None = None  # wall clock of stream_time 0.0
        self.until = 0.0  # stream_time of the end of the audio so far
        self._places: list[float] = [0.0]
        self._paused: list[float] = [0.0]  # in all, from the place of the same index on

    def pushed(self, duration: float, now: float, *, waited: bool) -> None:
        """A frame was given.

        Args:
            duration: Its length.
            now: Wall clock.
            waited: It came when nothing else was queued: only then does a late frame mean that
                the input paused, and not that this process was busy.
        """
        if self.anchor is None:
            self.anchor = now - duration  # a frame is given when its last sample was heard
        total = self._paused[-1]
        late = now - (self.anchor + self.until + duration + total)
        if waited and late > _PAUSE:
            self._note(total + late)
        elif late < -_PAUSE and total > 0:
            self._note(max(0.0, total + late))  # it was no pause: the audio came after all
        self.until += duration

    def start_at(self, wall: float) -> None:
        """The audio that comes first was heard from this time on, earlier than it is given."""
        self.anchor = wall

    def ahead(self, now: float) -> float:
        """Seconds by which the audio given so far is ahead of real time: a file, not a voice."""
        if self.anchor is None:
            return 0.0
        return self.anchor + self.until + self._paused[-1] - now

    def session_time(self, stream_time: float) -> float:
        """Seconds since the first sample, pauses included."""
        return stream_time + self._paused[self._index(stream_time)]

    def wall_time(self, stream_time: float, now: float) -> float:
        """The wall clock at a moment of the stream; never later than `now`."""
        if self.anchor is None:
            return now
        return min(now, self.anchor + self.session_time(stream_time))

    def _index(self, stream_time: float) -> int:
        return max(0, bisect_left(self._places, stream_time) - 1)

    def _note(self, total: float) -> None:
        if self._places[-1] == self.until:
            self._paused[-1] = total
            return
        self._places.append(self.until)
        self._paused.append(total)
        if len(self._places) > _MOST:
            del self._places[0], self._paused[0]
