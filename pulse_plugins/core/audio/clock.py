"""The clock of one connection: connection_time to stream_time.

A server counts seconds from the first byte that this connection sent it (docs/protocol.md,
section 9, point 9). The stream counts seconds of the caller's audio. The two differ by where the
connection began and by silence that was sent to keep an idle connection alive.
"""

from __future__ import annotations

# More insertions than this are hours of keepalive silence; no word is that late.
_MAX_INSERTIONS = 512


class ConnectionClock:
    """Converts times that a server reports.

    Args:
        base: stream_time of the first audio byte of the connection, in seconds.
    """

    def __init__(self, base: float) -> None:
        self._base = base
        self._inserted: list[tuple[float, float]] = []  # connection_time, seconds of silence

    def inserted(self, at: float, seconds: float) -> None:
        """Note that `seconds` of silence were sent at this connection_time."""
        if self._inserted:
            last_at, last_seconds = self._inserted[-1]
            if at - (last_at + last_seconds) < 1e-6:
                self._inserted[-1] = (last_at, last_seconds + seconds)
                return
        self._inserted.append((at, seconds))
        if len(self._inserted) > _MAX_INSERTIONS:
            _, oldest = self._inserted.pop(0)
            self._base -= oldest

    def to_stream(self, time: float) -> float:
        """The stream_time of a connection_time; a time within silence is where it was inserted."""
        shift = 0.0
        for at, seconds in self._inserted:
            if time <= at:
                break
            shift += min(seconds, time - at)
        return self._base + time - shift
