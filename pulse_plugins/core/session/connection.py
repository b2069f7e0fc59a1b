"""One connection as the session sees it: its state, its clock, and how fast it may be fed."""

from __future__ import annotations

from dataclasses import dataclass, field

from pulse_plugins.core.audio.replay_buffer import ConnectionClock
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.backoff import Backoff

_BURST = 0.1  # seconds of saved-up allowance: more would be a flood after a pause


@dataclass(slots=True)
class Link:
    """A connection that was asked for.

    Attributes:
        id: Names it between the session and the driver.
        options: What it is opened with.
        url: The base URL it goes to.
        is_open: It can be sent to.
        sent_bytes: Audio it was sent, inserted silence included: connection_time in bytes.
        understood: The server understood speech on it.
        worked: It did, or the connection lived for a while.
        closing_at: When the closing word went out, or None.
        last_sent_at: When anything went out last.
        last_heard_at: When the server said anything last.
        free_at: When the next packet may go out: never later than now while audio comes in live.
    """

    id: int
    options: PulseOptions
    url: str
    is_open: bool = False
    clock: ConnectionClock = field(default_factory=lambda: ConnectionClock(0.0))
    opened_at: float = 0.0
    sent_bytes: int = 0
    understood: bool = False
    worked: bool = False
    closing_at: float | None = None
    last_sent_at: float = 0.0
    last_heard_at: float = 0.0
    free_at: float = 0.0

    def open(self, now: float) -> None:
        """The handshake is done."""
        self.is_open = True
        self.opened_at = self.last_sent_at = self.last_heard_at = self.free_at = now

    def begin(self, base: float) -> None:
        """Its clock starts: the next byte it is sent is the one at stream_time `base`."""
        self.clock = ConnectionClock(base)
        self.sent_bytes = 0

    def spend(self, now: float, seconds: float) -> None:
        """A packet of this length goes out; at most `replay_speed` times real time."""
        self.last_sent_at = now
        self.free_at = max(self.free_at, now - _BURST) + seconds / self.options.replay_speed


@dataclass(slots=True)
class Switch:
    """A change of options on its way.

    Attributes:
        options: What is to be in force.
        backoff: Of the tries to make its connection.
        link: Its connection, once it was asked for.
        retry_at: When to ask again, after a failure.
        take_over_at: Its connection is open and takes over now, at the latest.
    """

    options: PulseOptions
    backoff: Backoff
    link: Link | None = None
    retry_at: float | None = None
    take_over_at: float | None = None


@dataclass(frozen=True, slots=True)
class OpenLink:
    """To the driver: open a connection with these options to this base URL."""

    link: int
    options: PulseOptions
    url: str


@dataclass(frozen=True, slots=True)
class CloseLink:
    """To the driver: this connection is not wanted any more."""

    link: int
    code: int = 1000
