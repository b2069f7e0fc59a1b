"""When to try again: the first time at once, then full-jitter exponential delays.

Nothing here reads a clock or decides whether a failure may be retried: `errors` says whether.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pulse_plugins.core.errors import ConfigurationError
from pulse_plugins.core.values import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How fast and how often a lost connection is tried again.

    Attributes:
        base: Seconds; the delay before try n+1 is random between 0 and `base * 2**n`.
        cap: Seconds; no delay is longer: a caller is on the line.
        slow_base: The same as `base` where the server says that there are too many of us (429,
            close 1008); such a delay is never below half of its range.
        slow_cap: The same as `cap` there, except for a delay that the server asks for.
        retry_after_cap: Seconds; a longer `Retry-After` is cut to this.
        max_attempts: Failures in a row after which the stream fails, or None: go on.
        max_first_attempts: The same, as long as no connection has worked yet.
        first_seconds: Seconds since the first failure, before which that does not count: a server
            that is being restarted is away for longer than a few quick tries take.
    """

    base: float = 0.25
    cap: float = 1.0
    slow_base: float = 1.0
    slow_cap: float = 5.0
    retry_after_cap: float = 30.0
    max_attempts: int | None = None
    max_first_attempts: int | None = None
    first_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: A delay is no number or negative, or `max_attempts` below 1.
        """
        check_types(self, endless=True)
        slow = (self.slow_base, self.slow_cap, self.retry_after_cap)
        if min(self.base, self.cap, *slow, self.first_seconds) < 0:
            raise ConfigurationError("RetryPolicy: delays cannot be negative")
        for most in (self.max_attempts, self.max_first_attempts):
            if most is not None and most < 1:
                raise ConfigurationError("RetryPolicy: attempts must be at least 1, or None")


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
