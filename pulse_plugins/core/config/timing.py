"""How long a stream waits for each thing, and how much audio it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
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

    # The same as `Timeouts.max_outage`: after a longer outage the stream has failed. Less: an
    # outage that the stream survives loses audio. More: memory for audio that no connection will
    # get.
    replay_seconds: float = 60.0
    # Chosen, not measured. Less: a file whose connection is lost waits sooner for the next one.
    # More: memory, and the words of a file are announced as sent long before the service has them.
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
        finalize: Longest wait for the answer to a finalize request, or for more of its words, while
            speech before the request has no words yet. Then the newest interim is delivered as the
            final.
        close: Longest wait for the last words after the end of the input, including reconnecting.
            The time to send audio that is still held is added.
        stall: A connection is replaced if the server was sent speech, or a request that it has to
            answer, and then sent no message about speech for this time.
        max_outage: Longest trouble without progress. Then the stream fails.
        keepalive: After this time without audio, a keepalive message or a little silence is sent.

    Raises:
        ConfigurationError: A time is not a number, or not positive.
    """

    # LiveKit Agents and most HTTP clients wait for 10 s; a handshake takes up to 0.8 s
    # (docs/protocol.md, section 5, item 6). Less: a slow network never connects. More: a server
    # that does not answer is left later.
    connect: float = 10.0
    # More than the service's 99th percentile of 1.6 s (section 9, item 6), so that interims replace
    # few answers that are only late. Less than the 2.0 s after which a LiveKit session takes the
    # newest interim by itself: if both are due at once, the session has the words twice.
    finalize: float = 1.8
    # A client of the vendor takes 5 s without `is_last` for the end (section 10, N6).
    close: float = 5.0
    # About twice the 99th percentile of the service's finals. Less: slow answers cost a connection.
    # More: a caller is unheard for longer when a server goes silent.
    stall: float = 3.0
    # Chosen, not measured: callers seldom wait for longer. Less: a restart of a server ends calls.
    # More: a call that nobody can help goes on, and its audio falls out of the replay buffer.
    max_outage: float = 60.0
    # LiveKit's plugin sends a keepalive every 5 s (section 9, item 11). Less: more messages. More:
    # the service may close the connection, whose limit is not documented.
    keepalive: float = 5.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self, endless=True)
        for name in _names():
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"Timeouts: {name} must be positive")


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Timeouts))
