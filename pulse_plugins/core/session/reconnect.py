"""The retry budget: when to try again, how long trouble may last, and how many handshakes.

Two rules hold whatever a server answers. Trouble without progress lasts at most
`Timeouts.max_outage`. Handshakes follow a token bucket: `_BURST` at once, then one a second; a
`Retry-After` of the server can only make them slower.
"""

from __future__ import annotations

from random import Random

from pulse_plugins.core.config.in_force import OptionsInForce

# Handshakes at once. A drop, a second try and a change of options in the same moment are normal;
# more is a storm.
_BURST = 4.0
_REFILL = 1.0  # handshakes a second
# Seconds. The service asks to begin at 0.5 s and to double after a 429 (docs/protocol.md, section
# 5). A caller is on the line, so that the delay stays within what `max_outage` leaves.
_SLOW_BASE = 1.0
_SLOW_CAP = 5.0
_RETRY_AFTER_CAP = 30.0
_HURRY = 0.25  # seconds between two tries while only the last words are waited for


class RetryBudget:
    """Counts failures without progress.

    Args:
        in_force: The options.
        random: For the jitter of delays.

    Attributes:
        failures: Failures in a row since the last progress.
        since: When trouble without progress began, on the session's clock; None: there is none.
    """

    def __init__(self, in_force: OptionsInForce, random: Random) -> None:
        self._in_force = in_force
        self._random = random
        self.failures = 0
        self.since: float | None = None
        self._tokens = _BURST
        self._tokens_at: float | None = None
        self._limited = False  # the server said that there are too many connections

    def progress(self) -> None:
        """A connection was good: trouble is over."""
        self.failures, self.since = 0, None

    def failed(self, now: float) -> None:
        """A connection was lost or could not be made, without progress."""
        self.failures += 1
        if self.since is None:
            self.since = now

    @property
    def ends_at(self) -> float | None:
        """When trouble without progress has lasted too long."""
        if self.since is None:
            return None
        return self.since + self._in_force.options.timeouts.max_outage

    def is_spent(self, now: float) -> bool:
        """Whether no further try is allowed."""
        most = self._in_force.options.retry.max_attempts
        if most is not None and self.failures >= most:
            return True
        return self.ends_at is not None and now >= self.ends_at

    def delay(self, *, slow: bool, retry_after: float | None) -> float:
        """Seconds until the next try.

        Args:
            slow: The server says that there are too many connections.
            retry_after: Seconds that the server asked to wait, or None.
        """
        policy = self._in_force.options.retry
        self._limited = slow
        if slow:
            span = min(_SLOW_BASE * 2.0 ** min(self.failures - 1, 30), _SLOW_CAP)
            delay = span * self._random.uniform(0.5, 1.0)
        elif self.failures <= 1:
            delay = 0.0  # most drops are single: the first retry costs the caller nothing
        else:
            span = min(policy.base * 2.0 ** min(self.failures - 2, 30), policy.cap)
            delay = span * self._random.random()
        return max(delay, min(retry_after or 0.0, _RETRY_AFTER_CAP))

    def hurried(self, delay: float) -> float:
        """The delay while only the last words are waited for."""
        return delay if self._limited else min(delay, _HURRY)

    def wait_for_token(self, now: float) -> float:
        """Seconds until a handshake is allowed; 0 takes a token."""
        passed = 0.0 if self._tokens_at is None else now - self._tokens_at
        self._tokens = min(_BURST, self._tokens + passed * _REFILL)
        self._tokens_at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / _REFILL
