"""From the seconds that were sent to the seconds of the recording: long holes are not sent."""

from __future__ import annotations

from bisect import bisect_right

# Seconds. A hole is sent as silence up to this length: long enough for the service to end a
# segment in it (its documented silence timers are 0.6 and 0.8 s), and cheap where a hole is long.
LONGEST_SILENCE = 2.0


class Timeline:
    """Maps the clock of what was sent to the clock of the recording."""

    def __init__(self) -> None:
        self._sent = 0.0
        self._sent_at: list[float] = []
        self._recorded_at: list[float] = []
        self._end = 0.0

    @property
    def sent(self) -> float:
        """Seconds of audio that were sent so far."""
        return self._sent

    def add(self, time: float, length: float) -> float:
        """Take the next piece of a recording.

        Args:
            time: Where the piece starts in the recording, in seconds.
            length: Its length in seconds.

        Returns:
            Seconds of silence to be sent before the piece.
        """
        silence = 0.0
        if not self._sent_at:
            self._map(0.0, time)
        elif time > self._end:
            hole = time - self._end
            silence = min(hole, LONGEST_SILENCE)
            # The middle of the silence is where the two sides meet, so that a word whose time is
            # a little off stays on its own side.
            if hole > silence:
                self._map(self._sent + silence / 2, time - silence / 2)
        elif time < self._end:
            self._map(self._sent, time)
        self._sent += silence + length
        self._end = time + length
        return silence

    def recorded(self, sent: float) -> float:
        """The place in the recording, in seconds, of what was sent at this second."""
        at = max(bisect_right(self._sent_at, sent) - 1, 0)
        if not self._sent_at:
            return sent
        return max(self._recorded_at[at] + sent - self._sent_at[at], 0.0)

    def _map(self, sent: float, recorded: float) -> None:
        self._sent_at.append(sent)
        self._recorded_at.append(recorded)
