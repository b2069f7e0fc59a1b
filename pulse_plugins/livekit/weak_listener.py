"""The weak link from an engine to the stream that uses it.

A running engine is held by the event loop. Whatever it holds lives as long as it does, so it
reaches its stream only through here, and a stream that nobody holds any more can be collected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar
from weakref import ref

from pulse_plugins.core.base.events import Event


class Listener(Protocol):
    """A stream, as its engine sees it."""

    def _on_event(self, event: Event) -> None: ...

    def _on_over(self, failure: Exception | None) -> None: ...

    def _on_time(self) -> None: ...


_Listener = TypeVar("_Listener", bound=Listener)


class WeakListener:
    """Brings every event, and then how it ended, to the listener for as long as there is one."""

    def __init__(self, listener: ref[_Listener]) -> None:
        self._listener = listener

    def happened(self, event: Event) -> None:
        """The next event."""
        found = self._listener()
        if found is not None:
            found._on_event(event)

    def over(self, failure: Exception | None) -> None:
        """There are no more."""
        found = self._listener()
        if found is not None:
            found._on_over(failure)


class Alarm:
    """One timer of a listener's; the loop that keeps it does not keep the listener.

    The deadline is put off with each interim while somebody speaks. A timer that is set for an
    earlier moment then stays: it looks again when it goes off.
    """

    def __init__(self, listener: ref[_Listener]) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None

    def set(self, deadline: float | None) -> None:
        """Go off then, on the loop's clock; None: not at all."""
        self._deadline = deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is not None and self._loop.time() < self._deadline:
            self.set(self._deadline)
            return
        found = self._listener()
        if found is not None:
            found._on_time()


def call_on(loop: asyncio.AbstractEventLoop, do: Callable[[], object]) -> None:
    """Do something in a loop, from whatever thread; not at all if the loop has closed by then."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(do)
