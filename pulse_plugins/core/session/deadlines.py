"""The one place where future moments of a session are kept.

`TIMERS` says what each timer is for; docs/architecture.md prints it.
"""

from __future__ import annotations

import enum


class Timer(enum.IntEnum):
    """The kinds of timers, in the order in which timers that are due together are handled."""

    RETRY = enum.auto()
    HANDSHAKE = enum.auto()
    OUTAGE = enum.auto()
    ANSWER = enum.auto()
    SWITCH_RETRY = enum.auto()
    TAKE_OVER = enum.auto()
    CLOSE = enum.auto()
    STALL = enum.auto()
    KEEPALIVE = enum.auto()
    PACE = enum.auto()


TIMERS: dict[Timer, tuple[str, str]] = {
    Timer.RETRY: ("a connection is wanted and none is open", "open the next one"),
    Timer.HANDSHAKE: ("a handshake is under way, and the input has ended", "try another one"),
    Timer.OUTAGE: ("trouble without progress began", "fail with the newest error"),
    Timer.ANSWER: ("a finalize request was sent", "answer it with the newest interim, or empty"),
    Timer.SWITCH_RETRY: ("a connection with changed options was refused", "try it again"),
    Timer.TAKE_OVER: ("changed options wait for the last words", "take the new options over"),
    Timer.CLOSE: ("the input ended", "stop waiting for the last words"),
    Timer.STALL: ("a connection is open", "look whether speech was sent without any answer"),
    Timer.KEEPALIVE: ("a connection is open", "send a keepalive or a little silence"),
    Timer.PACE: ("audio waits and the connection was fed faster than its pace", "send the next"),
}


class Deadlines:
    """When each timer is due, on the session's clock."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}
        self._next: float | None = None

    def set(self, timer: Timer, at: float | None) -> None:
        """Let a timer be due at a moment; None clears it."""
        before = self._at.get(timer)
        if before == at:
            return
        if at is None:
            del self._at[timer]
        else:
            self._at[timer] = at
        self._next = min(self._at.values(), default=None)

    def clear(self, *timers: Timer) -> None:
        """Clear these timers; without arguments, all of them."""
        for timer in timers or Timer:
            self._at.pop(timer, None)
        self._next = min(self._at.values(), default=None)

    def at(self, timer: Timer) -> float | None:
        """When this timer is due, or None."""
        return self._at.get(timer)

    def next(self) -> float | None:
        """The earliest moment, or None."""
        return self._next

    def take_due(self, now: float) -> list[Timer]:
        """The timers that are due by now, in the order of `Timer`; they are cleared."""
        if self._next is None or self._next > now:
            return []
        due = sorted(timer for timer, at in self._at.items() if at <= now)
        for timer in due:
            del self._at[timer]
        self._next = min(self._at.values(), default=None)
        return due
