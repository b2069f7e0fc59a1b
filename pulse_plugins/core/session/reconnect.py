"""The retry budget: when to try again, how long trouble may last, and how many handshakes.

Two rules hold whatever a server answers. Trouble without progress lasts at most
`Timeouts.max_outage`. Handshakes follow a token bucket: `_BURST` at once, then one a second; a
`Retry-After` of the server can only make them slower.
"""

from __future__ import annotations

from random import Random

from pulse_plugins.core.config.in_force import OptionsInForce

# Handshakes at once. A drop, its retry, and a change of options with its retry may fall together.
# Fewer: one of them waits for a second. More: a server with a fault is called more often than that.
_BURST = 4.0
# Handshakes a second after the burst. Fewer: a retry waits for longer. More: a server whose faults
# are short gets more handshakes from each stream.
_REFILL = 1.0
# Seconds by which a handshake that waits for a token waits longer, at most; the wait is random. A
# token bucket alone would let all streams that a server has dropped at once try again at the same
# moments for as long as the outage lasts. Shorter: more of them try at once. Longer: the words of a
# caller wait for longer. The tokens of this time are not lost, so that the rate stays the same.
_SPREAD = 0.5
# Seconds: the longest delay before the second try after a 429, and before any later one. The
# service asks to begin at 0.5 s and to double (docs/protocol.md, section 5); half of the delay is
# random, so that it begins at 0.5 s. Its longest delay, 30 s, would leave a caller waiting: 5 s
# still allows twelve tries within `max_outage`. Shorter: more refused handshakes. Longer: a free
# place is noticed later.
_SLOW_BASE = 1.0
_SLOW_CAP = 5.0
# Seconds of a `Retry-After` that are honoured: half of `max_outage`, so that a second try is left.
_RETRY_AFTER_CAP = 30.0
# Seconds between two tries when only the last words are awaited: `Timeouts.close` is 5 s, and a
# handshake takes up to 0.8 s. Longer: fewer tries. Shorter: the token bucket allows no more of
# them.
_HURRY = 0.25


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
            delay = self._jittered(span)
        elif self.failures <= 1:
            delay = 0.0  # most drops are single, and a delay would come on top of the handshake
        else:
            span = min(policy.base * 2.0 ** min(self.failures - 2, 30), policy.cap)
            delay = self._jittered(span)
        return max(delay, min(retry_after or 0.0, _RETRY_AFTER_CAP))

    def _jittered(self, span: float) -> float:
        """A delay of half of the span at least: shorter ones would spend the tokens in a moment."""
        return span * self._random.uniform(0.5, 1.0)

    def hurried(self, delay: float) -> float:
        """The delay after the end of the input, when only the last words are awaited."""
        return delay if self._limited else min(delay, _HURRY)

    def wait_for_token(self, now: float) -> float:
        """Seconds until a handshake is allowed; 0 takes a token."""
        passed = 0.0 if self._tokens_at is None else now - self._tokens_at
        self._tokens = min(_BURST, self._tokens + passed * _REFILL)
        self._tokens_at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / _REFILL + self._random.uniform(0.0, _SPREAD)
