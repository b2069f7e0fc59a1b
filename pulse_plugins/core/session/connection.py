"""The facts about one connection. What follows from them is decided elsewhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pulse_plugins.core.audio.clock import ConnectionClock
from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.config.options import PulseOptions

# Times real time at which a backlog is sent. The service accepts files faster than real time
# (docs/protocol.md, section 3, "Pacing"); eight times replays ten seconds in little more than one.
REPLAY_SPEED = 8.0
# Seconds of the pace that may be used at once by a new connection, or after a pause. They allow 2 s
# of audio, which usually hold all words that a lost connection leaves without a final. The vendor's
# quick start sends a whole file at once. Less: the first new words after a lost connection come
# later. More: a server gets a larger part of a long outage in one piece.
_AT_ONCE = 0.25


@dataclass(slots=True)
class Connection:
    """A connection that was asked for.

    Attributes:
        id: The name of the connection between the session and the driver.
        options: The options with which it is opened.
        url: The base URL it goes to.
        is_open: The handshake is done and the connection has not ended.
        clock: Converts the times that the server reports.
        opened_at: When the handshake was done.
        sent_bytes: Bytes of audio that were sent on it, keepalive silence included.
        acked: The ack offset moved while it was the current connection.
        closing_at: When the closing word was sent, or None.
        last_sent_at: When the newest message was sent.
        last_heard_at: When the server sent its newest message; errors do not count.
        free_at: When the next packet may go out.
        reported: The newest in-band error after which no text came, or None.
        speech_at: stream_time of the newest start of speech that the server reported.
    """

    id: int
    options: PulseOptions
    url: str
    is_open: bool = False
    clock: ConnectionClock = field(default_factory=lambda: ConnectionClock(0.0))
    opened_at: float = 0.0
    sent_bytes: int = 0
    acked: bool = False
    closing_at: float | None = None
    last_sent_at: float = 0.0
    last_heard_at: float = 0.0
    free_at: float = 0.0
    reported: PulseError | None = None
    speech_at: float = 0.0
    _asked: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=16), init=False)

    @property
    def quiet_since(self) -> float | None:
        """When the server sent its newest message, or the closing word was sent; None before it."""
        return None if self.closing_at is None else max(self.closing_at, self.last_heard_at)

    @property
    def unanswered(self) -> list[tuple[float, int]]:
        """The finalize requests after which the server sent nothing, oldest first.

        Each is a pair: when the request was sent, and the offset up to which audio had been sent.
        """
        return [each for each in self._asked if each[0] > self.last_heard_at]

    def ask(self, now: float, offset: int) -> None:
        """A finalize goes out; audio before this offset of the stream was sent."""
        self.last_sent_at = now
        self._asked.append((now, offset))

    def open(self, now: float) -> None:
        """The handshake is done."""
        self.is_open = True
        self.opened_at = self.last_sent_at = self.last_heard_at = now
        self.free_at = now - _AT_ONCE

    def begin(self, base: float) -> None:
        """The next audio on this connection begins at stream_time `base`."""
        self.clock = ConnectionClock(base)
        self.sent_bytes = 0

    def stream_time(self, reported: float | None, sent: float) -> float:
        """A time that the server reported, as stream_time, within the audio that was sent.

        Args:
            reported: connection_time in seconds; None: now.
            sent: stream_time up to which audio was sent.
        """
        return sent if reported is None else max(0.0, min(sent, self.clock.to_stream(reported)))

    def spend(self, now: float, size: int, seconds: float) -> None:
        """A packet went out. Behind the first two seconds of audio the pace is `REPLAY_SPEED`."""
        self.sent_bytes += size
        self.last_sent_at = now
        self.free_at = max(self.free_at, now - _AT_ONCE) + seconds / REPLAY_SPEED
