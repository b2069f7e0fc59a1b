"""The time without a connection although one is wanted, and the events that report it."""

from __future__ import annotations

from collections import deque

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Event, Reconnecting, Recovered


class Outage:
    """The present outage of one stream; it ends when all audio that was held is sent.

    Args:
        buffer: The audio.
        events: Where `Reconnecting` and `Recovered` are written.
    """

    def __init__(self, buffer: ReplayBuffer, events: deque[Event]) -> None:
        self._buffer = buffer
        self._events = events
        self._since: float | None = None
        self._replay = (0, 0)

    @property
    def is_on(self) -> bool:
        """Whether audio that was held through an outage is not sent yet."""
        return self._since is not None

    def began(self, now: float) -> None:
        """There is no connection although one is wanted."""
        if self._since is None:
            self._since = now

    def goes_on(self, attempt: int, error: PulseError, delay: float, now: float) -> None:
        """The next attempt to connect is made after `delay` seconds."""
        self.began(now)
        self._events.append(Reconnecting(attempt, error.code, delay, error))

    def forget(self) -> None:
        """No connection is wanted."""
        self._since = None

    def connected(self, now: float) -> None:
        """A connection is open, and is sent again what the buffer holds."""
        self._replay = (self._buffer.start, self._buffer.high_water)
        self.audio_sent(now)

    def audio_sent(self, now: float) -> None:
        """Audio was sent. If it was the last that was held, the outage is over."""
        start, end = self._replay
        if self._since is None or self._buffer.next_offset < end:
            return
        length, self._since = now - self._since, None
        self._events.append(Recovered(length, self._buffer.seconds(max(0, end - start))))
