"""How long a stream waits for each thing, and how much audio it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a stream keeps.

    Attributes:
        replay_seconds: Seconds of audio that are kept for a replay after a lost connection. If
            more audio waits, the oldest is discarded and reported with `AudioLost`.
        backlog_seconds: `PulseStream.send` waits while more seconds of audio are unsent.

    Raises:
        ConfigurationError: A bound is not a number, or is out of range.
    """

    replay_seconds: float = 60.0
    backlog_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self, endless=True)
        if not 1.0 <= self.replay_seconds < inf:
            raise ConfigurationError("Limits: replay_seconds must be at least 1 and finite")
        if self.backlog_seconds <= 0:
            raise ConfigurationError("Limits: backlog_seconds must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a stream waits, in seconds.

    Attributes:
        connect: Longest wait for the handshake of a connection.
        finalize: Longest wait for the answer to a finalize request while speech before the request
            has no words yet. Then the newest interim is delivered as the final.
        close: Longest wait for the last words after the end of the input, including reconnecting.
            The time to send audio that is still held is added.
        stall: A connection that received speech, or was asked for the last words, and told nothing
            of what it hears for this time is replaced.
        max_outage: Longest trouble without progress. Then the stream fails.
        keepalive: After this time without audio, a keepalive message or a little silence is sent.

    Raises:
        ConfigurationError: A time is not a number, or not positive.
    """

    connect: float = 10.0
    # More than the service's 99th percentile of 1.6 s (docs/protocol.md, section 9, point 6). Less
    # than the 2.0 s after which a LiveKit session takes the newest interim by itself: if both are
    # due at the same moment, the session has the words twice.
    finalize: float = 1.8
    close: float = 5.0
    stall: float = 3.0
    max_outage: float = 60.0
    keepalive: float = 5.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self, endless=True)
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise ConfigurationError(f"Timeouts: {each.name} must be positive")
