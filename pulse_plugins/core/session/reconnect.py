"""The time without a connection: since when, when to try again, when to give up, and its end.

Two spans are kept. A server that refuses us is given up when none has *worked* (said anything) for
`max_outage`. What the owner is told ends later, when all that was held has been sent again. Nothing
here reads a clock.
"""

from __future__ import annotations

from random import Random

from pulse_plugins.core.base.errors import PulseError, RateLimitError
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.session.backoff import Backoff

_HURRY = 0.25  # seconds between two tries while the last words wait


class Outage:
    """A stream's failures in a row, and what is being sent again after them.

    Args:
        retry: How fast and how often to try again.
        random: For the jitter.

    Attributes:
        retry_at: When to try again, on the session's clock.
    """

    def __init__(self, retry: RetryPolicy, random: Random) -> None:
        self._backoff = Backoff(retry, random)
        self._since: float | None = None  # until a connection works again
        self._down_since: float | None = None  # until everything held was sent again
        self._replay = (0, 0)  # what is sent again, from and to a position
        self._unwanted = False  # the server says that there are too many of us
        self.retry_at = 0.0

    @property
    def attempt(self) -> int:
        """The number of the present try, from 1."""
        return self._backoff.failures + 1

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._backoff.failures

    @property
    def is_on(self) -> bool:
        """Whether something of it remains: no connection, or a replay that is not through."""
        return self._down_since is not None

    def change(self, retry: RetryPolicy) -> None:
        """Go on by another policy; the failures so far count."""
        self._backoff.change(retry)

    def began(self, now: float) -> None:
        """There is no connection, though one is wanted."""
        self._since = now if self._since is None else self._since
        self._down_since = now if self._down_since is None else self._down_since

    def slept(self) -> None:
        """The server closed an idle connection: that is no failure."""
        self._since = self._down_since = None

    def worked(self) -> None:
        """The server understands speech."""
        self._backoff.worked()
        self._since = None

    def was_steady(self) -> None:
        """A connection worked and lasted: the next failure is a first one again."""
        self._backoff.reset()

    def next_try(
        self, error: PulseError, now: float, *, refused: bool, max_outage: float
    ) -> float | None:
        """Count a failure; seconds until the next try, or None: give up.

        Args:
            error: What went wrong.
            now: The session's clock.
            refused: The server was there and did not want us.
            max_outage: Seconds for which a refusing server is tried.
        """
        outage = now - (now if self._since is None else self._since)
        if not error.retryable or (refused and outage >= max_outage):
            return None
        self._unwanted = isinstance(error, RateLimitError)
        delay = self._backoff.next(
            slow=self._unwanted, retry_after=error.retry_after, elapsed=outage
        )
        if delay is not None:
            self.retry_at = now + delay
        return delay

    def hurry(self, now: float) -> None:
        """The stream ends soon: try again very soon, unless the server asked us to wait."""
        if not self._unwanted:
            self.retry_at = min(self.retry_at, now + _HURRY)

    def replays(self, start: int, end: int) -> None:
        """A connection is there, and is sent again what lies between two positions."""
        self._replay = (start, end)

    def recovered(self, cursor: int, now: float) -> tuple[float, int] | None:
        """The outage's length in seconds and the bytes sent again, once, when all of them are out.

        Args:
            cursor: The first position that this connection was not sent.
            now: The session's clock.
        """
        start, end = self._replay
        if self._down_since is None or cursor < end:
            return None
        length, self._down_since = now - self._down_since, None
        return length, max(0, end - start)
