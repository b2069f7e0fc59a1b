"""The states of a stream, and the steps from one state to the next."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """The state of a stream."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    DORMANT = "dormant"
    CLOSED = "closed"


# docs/architecture.md draws this table, and the random calls of the tests make no other step.
TRANSITIONS: dict[tuple[State, State], str] = {
    (State.IDLE, State.CONNECTING): "start",
    (State.CONNECTING, State.OPEN): "the handshake is done",
    (State.CONNECTING, State.WAITING): "no connection could be made",
    (State.OPEN, State.WAITING): "the connection is lost and words are owed or audio comes",
    (State.OPEN, State.DORMANT): "closed with 1000, and nothing is owed",
    (State.OPEN, State.CONNECTING): "changed options are tried alone",
    (State.WAITING, State.CONNECTING): "the timer RETRY is due",
    (State.WAITING, State.OPEN): "changed options take over, and their connection is open",
    (State.DORMANT, State.CONNECTING): "audio or a finalize request comes",
    (State.DORMANT, State.WAITING): "the same, and no handshake is allowed yet",
    (State.IDLE, State.CLOSED): "end without audio, or abort",
    (State.CONNECTING, State.CLOSED): "an error that no retry fixes, or the end",
    (State.OPEN, State.CLOSED): "all words have arrived, or abort",
    (State.WAITING, State.CLOSED): "an error that no retry fixes, or the end",
    (State.DORMANT, State.CLOSED): "end or abort",
}
