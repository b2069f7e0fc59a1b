"""A weak reference from an engine to the stream that uses it.

The event loop holds a running engine, and the engine would keep alive what it refers to. It reaches
its stream only through this module, so that a stream that its owner has dropped can be collected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar
from weakref import ref

from pulse_plugins.core.base.events import Event


class Listener(Protocol):
    """The methods of a stream that its engine calls."""

    def _on_event(self, event: Event) -> None: ...

    def _on_over(self, failure: Exception | None) -> None: ...

    def _on_time(self) -> None: ...


_Listener = TypeVar("_Listener", bound=Listener)


class WeakListener:
    """Passes events and the end to a listener that still exists."""

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
    """One timer of a listener. The event loop holds the timer, but not the listener.

    The deadline moves with each interim while somebody speaks. A timer for an earlier moment is
    then kept, and looks at the deadline again when it is due.
    """

    def __init__(self, listener: ref[_Listener]) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None

    def set(self, deadline: float | None) -> None:
        """Set the deadline, in seconds of the loop's clock; None: there is none."""
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
    """Call a function in a loop, from any thread. A loop that has closed does not call it."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(do)
