"""The states of a stream; `session` draws how it gets from one to the other."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where the stream is."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    DORMANT = "dormant"
    CLOSED = "closed"
