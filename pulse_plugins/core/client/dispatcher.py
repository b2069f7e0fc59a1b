"""What a stream tells: counted, written down, shown to observers, handed to its one consumer.

The consumer either iterates, and a slow one finds only the newest of several interims in a row, and
one of several complaints that are equal; or it listens, and is told without a task between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Event, Interim, MessageIgnored
from pulse_plugins.core.observe.event_log import Journal
from pulse_plugins.core.observe.hooks import Audience
from pulse_plugins.core.observe.metrics import Tally


class Listener(Protocol):
    """Told what happens at the moment it does; see `PulseStream.listen`."""

    def happened(self, event: Event) -> None:
        """The next event."""

    def over(self, failure: Exception | None) -> None:
        """There are no more; why the stream failed for good, or None."""


class Outlet:
    """One stream's way out.

    Args:
        name: The stream's, for the log.

    Attributes:
        tally: Counts what is told.
        audience: The observers.
    """

    def __init__(self, name: str) -> None:
        self.tally = Tally()
        self.audience = Audience()
        self._journal = Journal(name)
        self._waiting: deque[Event] = deque()
        self._changed = asyncio.Event()  # somebody waits, or there will be no more
        self._listener: Listener | None = None
        self._telling = False  # it is being told something this moment
        self._closed = False
        self._error: PulseError | None = None

    def deliver(self, events: deque[Event], external_session_id: str | None, now: float) -> None:
        """Hand over all of these, oldest first.

        Args:
            events: Emptied.
            external_session_id: The call's own id, for the log.
            now: Seconds of a steady clock.
        """
        waiting = self._waiting
        while events:
            event = events.popleft()
            self.tally.count(event)
            self.audience.happened(event)
            self._journal.record(event, external_session_id, now)
            if waiting and _replaces(event, waiting[-1]):
                waiting.pop()
            waiting.append(event)
        self._tell()

    def close(self, error: PulseError | None, external_session_id: str | None, now: float) -> None:
        """There will be no more; calling again is harmless.

        Args:
            error: Why the stream failed for good, or None.
            external_session_id: As for `deliver`.
            now: Seconds of a steady clock.
        """
        if self._closed:
            return
        self._closed, self._error = True, error
        self._journal.closed(error, external_session_id, now)
        self.audience.ended()
        self._tell()

    def listen(self, listener: Listener) -> None:
        """Tell one consumer, from the loop's next round on."""
        self._listener = listener
        asyncio.get_running_loop().call_soon(self._tell)

    async def iterate(self) -> AsyncIterator[Event]:
        """What happens, in order, for one consumer.

        Raises:
            PulseError: The stream failed for good.
        """
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    def _tell(self) -> None:
        """Hand the consumer what there is; what that leads to is handed over after it."""
        listener = self._listener
        if listener is None:
            self._changed.set()
            return
        if self._telling:
            return
        self._telling = True
        ending: Exception | None = None
        try:
            while self._waiting:
                listener.happened(self._waiting.popleft())
            ending = self._error
        except Exception as failure:
            self._listener, ending = None, failure
        finally:
            self._telling = False
        if self._closed or self._listener is None:
            self._listener = None
            listener.over(ending)


def _replaces(event: Event, before: Event) -> bool:
    """Whether who has not read the one before needs only this one."""
    if isinstance(event, Interim):
        return isinstance(before, Interim)
    return isinstance(event, MessageIgnored) and event == before
