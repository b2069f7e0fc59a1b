"""How fast and how often a stream tries to connect again."""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Delays between tries; `Timeouts.max_outage` bounds how long a stream tries.

    The first try after a lost connection is made at once. The delay before try n+1 is random
    between a half and all of `base * 2**(n-1)`, or of `cap` if that is less.

    Attributes:
        base: Seconds; the longest delay before the second try. The longest delay doubles with
            each further try.
        cap: Seconds; no delay is longer.
        max_attempts: Number of failures in a row, without progress between them, after which the
            stream fails. If it is None, only `Timeouts.max_outage` bounds the failures.

    Raises:
        ConfigurationError: A delay is not a number or negative, or `max_attempts` is below 1.
    """

    # The vendor advises delays from 0.5 s or 1 s on, which double (docs/protocol.md, section 5).
    # They are shorter here because a caller is on the line. The token bucket of
    # `session/reconnect`, one handshake a second, protects the service. Shorter than that: the
    # bucket decides. Longer: the words of a caller wait for longer after a fault.
    base: float = 0.25
    cap: float = 1.0
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self, endless=True)
        if min(self.base, self.cap) < 0:
            raise ConfigurationError("RetryPolicy: base and cap cannot be negative")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ConfigurationError("RetryPolicy: max_attempts must be at least 1, or None")
