"""When trouble with the connection is news: once an incident.

A handshake that succeeds ends none: a server can accept and close at once, again and again. Nothing
here awaits or reads a clock; `now` is any steady clock, in seconds.
"""

from __future__ import annotations

_PROVEN = 5.0  # seconds; the engine too takes a connection that lived so long for a good one


class Incident:
    """From the first trouble until words came back on a connection, or one has lived."""

    def __init__(self) -> None:
        self._is_on = False
        self._connected_at: float | None = None

    def connected(self, now: float) -> None:
        """A connection is open."""
        self._connected_at = now

    def disconnected(self, now: float) -> None:
        """The connection is gone."""
        self._see_whether_it_lived(now)
        self._connected_at = None

    def heard_words(self) -> None:
        """The server understands what it is sent."""
        self._is_on = False

    def trouble(self, now: float) -> bool:
        """There is trouble; whether anybody has yet to be told."""
        self._see_whether_it_lived(now)
        is_news, self._is_on = not self._is_on, True
        return is_news

    def _see_whether_it_lived(self, now: float) -> None:
        if self._connected_at is not None and now - self._connected_at >= _PROVEN:
            self._is_on = False
