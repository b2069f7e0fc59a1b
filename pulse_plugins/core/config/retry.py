"""How fast and how often a lost connection is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import check_types


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
