"""Dispatches each event to metrics, the event log, hooks and the one consumer of a stream.

The consumer either iterates or listens. One that iterates slowly finds only the newest of several
interims in a row, and at most `MAX_UNREAD` events. One that listens is called at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Event, Interim, MessageIgnored
from pulse_plugins.core.observe.event_log import EventLog
from pulse_plugins.core.observe.hooks import Observers
from pulse_plugins.core.observe.metrics import Counters

# Events that wait for a consumer. A call has one or two events a second, so that this is more than
# an hour; beyond it the oldest is discarded and counted in `StreamMetrics.unread`.
MAX_UNREAD = 10_000


class Listener(Protocol):
    """Is called with each event at the moment it happens; see `PulseStream.listen`."""

    def happened(self, event: Event) -> None:
        """The next event."""

    def over(self, failure: Exception | None) -> None:
        """There are no more events; `failure` is why the stream failed for good, or None."""


class Dispatcher:
    """The outputs of one stream.

    Args:
        name: The name of the stream, for the log.

    Attributes:
        tally: Counts the events.
        hooks: Observers that were registered for all streams.
    """

    def __init__(self, name: str) -> None:
        self.tally = Counters()
        self.hooks = Observers()
        self._log = EventLog(name)
        self._unread: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._listener: Listener | None = None
        self._is_calling = False
        self._closed = False
        self._error: PulseError | None = None

    def dispatch(self, events: deque[Event], external_session_id: str | None, now: float) -> None:
        """Dispatch all events, oldest first, and empty the deque.

        Args:
            events: What has happened.
            external_session_id: The call's own id, for the log.
            now: Seconds of a steady clock.
        """
        unread = self._unread
        while events:
            event = events.popleft()
            self.tally.count(event)
            self.hooks.happened(event)
            self._log.record(event, external_session_id, now)
            if unread and _replaces(event, unread[-1]):
                unread.pop()
            unread.append(event)
        while len(unread) > MAX_UNREAD and self._listener is None:
            unread.popleft()
            self.tally.discarded()
        self._hand_over()

    def close(self, error: PulseError | None, external_session_id: str | None, now: float) -> None:
        """There will be no more events; calling again is harmless.

        Args:
            error: Why the stream failed for good, or None.
            external_session_id: As for `dispatch`.
            now: Seconds of a steady clock.
        """
        if self._closed:
            return
        self._closed, self._error = True, error
        self._log.closed(error, external_session_id, now)
        self.hooks.ended()
        self._hand_over()

    def listen(self, listener: Listener) -> None:
        """Call this consumer, from the next round of the event loop on."""
        self._listener = listener
        asyncio.get_running_loop().call_soon(self._hand_over)

    async def iterate(self) -> AsyncIterator[Event]:
        """Yield the events in order, for one consumer.

        Raises:
            PulseError: The stream failed for good.
        """
        while True:
            while self._unread:
                yield self._unread.popleft()
            if self._closed:
                break
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    def _hand_over(self) -> None:
        """Call the listener with unread events, and then with events that its calls have caused."""
        listener = self._listener
        if listener is None:
            self._changed.set()
            return
        if self._is_calling:
            return
        self._is_calling = True
        ending: Exception | None = None
        try:
            while self._unread:
                listener.happened(self._unread.popleft())
            ending = self._error
        except Exception as failure:
            self._listener, ending = None, failure
        finally:
            self._is_calling = False
        if self._closed or self._listener is None:
            self._listener = None
            listener.over(ending)


def _replaces(event: Event, before: Event) -> bool:
    """Whether a consumer that has not read `before` needs only `event`."""
    if isinstance(event, Interim):
        return isinstance(before, Interim)
    return isinstance(event, MessageIgnored) and event == before
