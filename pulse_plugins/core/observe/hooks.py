"""Whoever follows all streams of the process, such as telemetry: a hook that costs nothing unused.

An observer reads, it never steers: one that raises is dropped, and the call goes on.
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
    """What can be read of a stream, from any thread."""

    name: str

    @property
    def options(self) -> PulseOptions:
        """Those in force; the key is among them."""

    @property
    def error(self) -> PulseError | None:
        """Why it failed for good."""

    @property
    def metrics(self) -> StreamMetrics:
        """What it has done so far."""


class Observer(Protocol):
    """Follows one stream; called in its event loop, so it must not block."""

    def happened(self, event: Event) -> None:
        """The stream tells its owner this."""

    def asked(self, request_id: int) -> None:
        """The owner asked for the pending words."""

    def ended(self) -> None:
        """The stream is over; its last events were told."""


Follow = Callable[[ObservedStream], Observer]
_follows: list[Follow] = []


def follow(each: Follow) -> None:
    """From now on call this for every stream that starts, in the context that starts it."""
    _follows.append(each)


def unfollow(each: Follow) -> None:
    """Take `follow` back; streams that are followed stay so to their end."""
    if each in _follows:
        _follows.remove(each)


class Audience:
    """The observers of one stream."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def gather(self, stream: ObservedStream) -> None:
        """The stream starts."""
        for each in _follows:
            try:
                self._observers.append(each(stream))
            except Exception as failed:
                _report(failed)

    def happened(self, event: Event) -> None:
        """Tell an event."""
        if self._observers:
            self._tell(lambda observer: observer.happened(event))

    def asked(self, request_id: int) -> None:
        """Tell a finalize request."""
        if self._observers:
            self._tell(lambda observer: observer.asked(request_id))

    def ended(self) -> None:
        """Tell the end."""
        self._tell(lambda observer: observer.ended())
        self._observers.clear()

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for each in tuple(self._observers):
            try:
                call(each)
            except Exception as failed:
                self._observers.remove(each)
                _report(failed)


def _report(failed: Exception) -> None:
    """Whoever measures a call must not be able to end it."""
    _log.error("an observer failed and is dropped: %s", type(failed).__name__)
