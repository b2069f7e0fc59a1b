"""Holds the answer to a commit while the framework's voice detector is about to report a start.

In the mode `manual` the framework ends a turn soon after the FINAL that answers a commit. If the
caller has begun to speak by then, the framework waits for 0.5 s first. A start of speech that its
voice detector reports within this time cancels the end of the turn: the turn stays open, and the
framework ignores all later FINALs. A FINAL that comes after that report does no harm. The detector
reports the start 0.05 s or more after the beginning of the sound. An answer that comes in between
therefore waits until the report has come.
"""

from __future__ import annotations

from pulse_plugins.core.base.events import Event, Final
from pulse_plugins.core.transcript.eager import EagerText
from pulse_plugins.livekit.turn_ending import TurnEnding

# Seconds for which an answer waits. The detector needs 0.05 s of speech, and looks at windows of
# 0.032 s. Shorter: the report comes after the FINAL. Longer: some replies come later.
HOLD = 0.15
_NEW = 0.1  # seconds of the newest audio, in which speech has just begun
_BEFORE = 0.2  # seconds before it, which are quiet


class CommitGuard:
    """Keeps events that wait, in their order.

    Args:
        eager: Judges how loud the audio is.
        turns: Knows the mode.
    """

    def __init__(self, eager: EagerText, turns: TurnEnding) -> None:
        self._eager = eager
        self._turns = turns
        self._waiting: list[Event] = []

    def begins_to_hold(self, event: Event) -> bool:
        """Whether this event has to wait, and none waits before it."""
        return (
            not self._waiting
            and isinstance(event, Final)
            and event.finalized
            and self._turns.mode == "manual"
            and not self._eager.is_quiet(_NEW)
            and self._eager.is_quiet(_BEFORE, before=_NEW)
        )

    def holds(self, event: Event, *, begins: bool) -> bool:
        """Keep an event if it begins to wait or another one waits; returns whether it was kept."""
        if begins or self._waiting:
            self._waiting.append(event)
            return True
        return False

    def take(self) -> list[Event]:
        """The events that waited, once."""
        taken, self._waiting = self._waiting, []
        return taken
