"""How long a stream waits for each thing, and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.validation import check_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what a stream keeps, and on how many of them there are.

    Attributes:
        replay_seconds: Audio kept for a replay; beyond it the oldest is given up and reported.
        release_seconds: Quiet audio that a server heard this long ago is not kept any longer.
        backlog_seconds: `PulseStream.send` waits while more than this is not yet on the wire.
        message_bytes: A longer message from the server ends the connection.
        max_streams: A stream waits in line while this process has so many for its key; None: no
            limit. Set it to what the plan allows, divided by the number of processes.
        queue_seconds: The longest wait in line; then the stream fails with `QueueTimeoutError`.
    """

    replay_seconds: float = 60.0
    release_seconds: float = 15.0
    backlog_seconds: float = 10.0
    message_bytes: int = 4 * 1024 * 1024
    max_streams: int | None = None
    queue_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: A bound is no number, or too small to work with.
        """
        check_types(self, endless=True)
        if not 1.0 <= self.replay_seconds < inf:
            raise ConfigurationError("Limits: replay_seconds must be at least 1, and bounded")
        if min(self.release_seconds, self.backlog_seconds) <= 0 or self.message_bytes < 1024:
            raise ConfigurationError("Limits: every bound must be positive")
        if self.queue_seconds <= 0 or (self.max_streams is not None and self.max_streams < 1):
            raise ConfigurationError("Limits: max_streams and queue_seconds must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for what, in seconds.

    Attributes:
        connect: For a handshake.
        finalize: For the answer to a finalize; then the newest interim is promoted.
        finalize_grace: The same, when all speech before the finalize is already in finals.
        close: For the last words after the end of the input, reconnecting included; the time to
            send what is unsent by then comes on top.
        close_grace: The same, when nothing seems left to hear and the server says nothing more.
        stall: Speech was sent and nothing has come back for this long: the connection is dead.
        max_outage: Without a working connection for this long, a server that refuses us is
            given up; an unreachable one is tried on.
        ping_interval: Between two WebSocket pings.
        ping_timeout: For the answer to a ping.
        keepalive: Without audio for this long, a keepalive or a little silence goes out.
        switch: For the open words when options change, before the new connection takes over.
    """

    connect: float = 10.0
    finalize: float = 2.0
    finalize_grace: float = 0.3
    close: float = 5.0
    close_grace: float = 2.0
    stall: float = 6.0
    max_outage: float = 60.0
    ping_interval: float = 5.0
    ping_timeout: float = 8.0
    keepalive: float = 5.0
    switch: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigurationError: A time is no number, or not positive.
        """
        check_types(self, endless=True)
        for each in fields(self):
            if getattr(self, each.name) <= 0:
                raise ConfigurationError(f"Timeouts: {each.name} must be positive")
