"""Remembers which user gave which audio, and notices when the audio of two users alternates."""

from __future__ import annotations

from collections import Counter, deque

_MAX_SPANS = 20_000  # changes of speaker that are remembered: minutes of alternating frames
# Changes of speaker within a second that mean that two people talk into one stream. Speakers who
# take turns change more rarely, while frames of 20 ms of two people alternate 50 times a second.
_CHANGES = 5


class Participants:
    """Spans of audio on the stream's clock, each with the user who gave it."""

    def __init__(self) -> None:
        self._spans: deque[tuple[float, str]] = deque([(0.0, "")], maxlen=_MAX_SPANS)
        self.newest = ""  # whose audio was given last

    @property
    def interleaves(self) -> bool:
        """Whether frames of several people alternate, so that no speech can be recognized."""
        if len(self._spans) <= _CHANGES:
            return False
        newest, before = self._spans[-1][0], self._spans[-1 - _CHANGES][0]
        return newest - before < 1.0

    def heard(self, user_id: str, start: float) -> None:
        """Note that audio from `start` on, in seconds of stream_time, is this user's."""
        if self.newest != user_id:
            self.newest = user_id
            self._spans.append((start, user_id))

    def between(self, start: float, end: float) -> str:
        """Return the user who gave most of this stretch of audio."""
        if len(self._spans) == 1:
            return self._spans[0][1]
        shares: Counter[str] = Counter()
        later = max(end, start + 1e-3)  # a stretch without length still lies somewhere
        for began, user_id in reversed(self._spans):
            if began < later:
                # Whole microseconds, so that equal shares are equal and the first one wins.
                shares[user_id] += max(0, round((later - max(began, start)) * 1e6))
                later = max(began, start)
            if began <= start:
                break
        return max(shares, key=lambda user: shares[user], default="")

    def forget_before(self, time: float) -> None:
        """Forget spans that end before `time`: no text comes for them any more."""
        while len(self._spans) > 1 and self._spans[1][0] <= time:
            self._spans.popleft()
