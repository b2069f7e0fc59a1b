"""The streams of this process, key by key: who may connect now, and who waits for whom.

A plan allows a number of streams at a time. Asking the service for more than that costs handshakes
and gets refusals; here the ones too many stand in line, first come, first served. A stream that
sets no limit is not counted. Threads may each have their own event loop.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True, eq=False)
class Ticket:
    """A stream's place: in line, or among those that may be connected.

    Attributes:
        key: Whose plan it counts against.
        limit: Streams of that key that this one accepts beside itself, itself included.
        ahead: How many stood in line before it when it came.
        admitted: It may connect, and counts until it leaves.
    """

    key: str | None
    limit: int
    loop: AbstractEventLoop
    call: Callable[[], None]
    ahead: int = 0
    admitted: bool = False


class Admission:
    """Counts streams and keeps the lines."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: Counter[str | None] = Counter()
        self._lines: dict[str | None, deque[Ticket]] = {}

    def enter(
        self, key: str | None, limit: int, loop: AbstractEventLoop, call: Callable[[], None]
    ) -> Ticket:
        """Take a place: at once where there is one, and else in line.

        Args:
            key: Whose plan counts.
            limit: Streams at a time, at least 1.
            loop: Where the stream lives.
            call: Called there when a stream that had to wait is admitted.
        """
        ticket = Ticket(key, limit, loop, call)
        with self._lock:
            line = self._lines.get(key)
            if not line and self._open[key] < limit:
                self._admit(ticket)
            else:
                line = self._lines.setdefault(key, deque())
                ticket.ahead = len(line)
                line.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up, whichever it is; whoever is next in line gets it. Once is enough."""
        with self._lock:
            if ticket.admitted:
                ticket.admitted = False
                self._open[ticket.key] -= 1
            elif (line := self._lines.get(ticket.key)) and ticket in line:
                line.remove(ticket)
            called = self._next(ticket.key)
        for each in called:
            try:
                each.loop.call_soon_threadsafe(each.call)
            except RuntimeError:  # its loop was closed while it waited
                self.leave(each)

    def _admit(self, ticket: Ticket) -> None:
        ticket.admitted = True
        self._open[ticket.key] += 1

    def _next(self, key: str | None) -> list[Ticket]:
        """Admit from the head of the line as many as there is room for."""
        line, called = self._lines.get(key), []
        while line and self._open[key] < line[0].limit:
            self._admit(line[0])
            called.append(line.popleft())
        if not line:
            self._lines.pop(key, None)
        if not self._open[key]:
            del self._open[key]
        return called


shared_admission = Admission()
