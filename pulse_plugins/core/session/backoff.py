"""When to try again: the first time at once, then full-jitter exponential delays.

Nothing here reads a clock or decides whether a failure may be retried: `errors` says whether.
"""

from __future__ import annotations

from random import Random

from pulse_plugins.core.config.retry import RetryPolicy


class Backoff:
    """Counts the failures in a row and gives the delay before the next try."""

    def __init__(self, policy: RetryPolicy, random: Random) -> None:
        self._policy = policy
        self._random = random
        self.failures = 0
        self._worked = False

    def next(
        self, *, slow: bool = False, retry_after: float | None = None, elapsed: float = 0.0
    ) -> float | None:
        """Count one more failure.

        Args:
            slow: The server is overloaded by us: spread the tries out.
            retry_after: Seconds the server asked to wait.
            elapsed: Seconds since the first failure of this row.

        Returns:
            Seconds to wait before the next try, or None: give up.
        """
        policy = self._policy
        self.failures += 1
        limits = [policy.max_attempts]
        if not self._worked and elapsed >= policy.first_seconds:
            limits.append(policy.max_first_attempts)
        if any(most is not None and self.failures >= most for most in limits):
            return None
        if retry_after is not None:
            return min(max(retry_after, 0.0), policy.retry_after_cap)
        if slow:
            span = min(policy.slow_base * 2.0 ** min(self.failures - 1, 30), policy.slow_cap)
            return span * self._random.uniform(0.5, 1.0)
        if self.failures == 1:
            return 0.0  # most drops are a blip: the first retry costs the caller nothing
        span = min(policy.base * 2.0 ** min(self.failures - 2, 30), policy.cap)
        return span * self._random.random()

    def change(self, policy: RetryPolicy) -> None:
        """Go on by another policy; the failures so far count."""
        self._policy = policy

    def worked(self) -> None:
        """A connection worked: the limits of those that never did are over."""
        self._worked = True

    def reset(self) -> None:
        """The next failure is a first one again."""
        self.failures = 0
