"""Observers that follow all streams of the process, such as telemetry.

An observer cannot change a stream. An observer that raises is removed, and the stream goes on.
Without observers an event costs one check.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Event
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.metrics import StreamMetrics

_log = logging.getLogger("pulse_plugins.observers")


class ObservedStream(Protocol):
    """What an observer can read of a stream, from any thread.

    An observer may keep this object: it does not keep the stream itself from being collected.
    """

    @property
    def name(self) -> str:
        """The name of the stream."""

    @property
    def options(self) -> PulseOptions:
        """The options in force; they hold the API key."""

    @property
    def error(self) -> PulseError | None:
        """Why the stream failed for good, or None."""

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done so far."""


class Observer(Protocol):
    """Follows one stream. The event loop of the stream calls it, so it must not block."""

    def happened(self, event: Event) -> None:
        """The stream has delivered an event."""

    def asked(self, request_id: int) -> None:
        """A finalize was requested."""

    def ended(self) -> None:
        """The stream has ended, and no call follows.

        All events were delivered before, unless the event loop of the stream was closed first.
        This method is then called by the thread that discards the stream.
        """


ObserverFactory = Callable[[ObservedStream], Observer]
_factories: list[ObserverFactory] = []


def follow(factory: ObserverFactory) -> None:
    """Make an observer of every stream that starts from now on.

    Args:
        factory: Called with the stream, in the context in which it starts.
    """
    _factories.append(factory)


def unfollow(factory: ObserverFactory) -> None:
    """Make no further observers. Streams that have one keep it to their end."""
    if factory in _factories:
        _factories.remove(factory)


class Observers:
    """The observers of one stream."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def gather(self, stream: ObservedStream) -> None:
        """Make the observers; the stream starts."""
        for factory in tuple(_factories):
            try:
                self._observers.append(factory(stream))
            except Exception as failed:
                _report(failed)

    def happened(self, event: Event) -> None:
        """Tell the observers about an event."""
        if self._observers:
            self._call(lambda observer: observer.happened(event))

    def asked(self, request_id: int) -> None:
        """Tell the observers about a finalize request."""
        if self._observers:
            self._call(lambda observer: observer.asked(request_id))

    def ended(self) -> None:
        """Tell the observers that the stream has ended, and release them."""
        self._call(lambda observer: observer.ended())
        self._observers.clear()

    def _call(self, call: Callable[[Observer], None]) -> None:
        for observer in tuple(self._observers):
            try:
                call(observer)
            except Exception as failed:
                self._observers.remove(observer)
                _report(failed)


def _report(failed: Exception) -> None:
    # Only the type: the text of an observer's exception may repeat what it observed.
    _log.error("an observer raised %s and was removed", type(failed).__name__)
