"""Which final completes the user's turn: the one rule that the turn's end hangs on.

The framework ends a turn at once on a transcript marked finalized, and otherwise waits for the
published worst case. The server's own finals (word count, silence) never complete a turn; the
answer to our finalize does, even when it is empty because everything had been said before. So the
newest ordinary final is held back while it may still become the completing one.

Nothing here awaits, reads a clock or knows a frame; `now` is any steady clock, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.base.events import Final

# After the end of speech: past this the framework's own wait is nearly over, and holding on
# would make a missing answer slower than no rule at all.
HOLD_AFTER_SPEECH = 1.0
# While the user speaks, no turn can end; the text is still owed to whoever shows it.
HOLD_IN_SPEECH = 5.0


@dataclass(frozen=True, slots=True)
class Release:
    """What may go out now, in this order.

    Attributes:
        finals: Segments with text.
        completes: The turn has its words: the last of `finals` is finalized. Without any, the
            answer was empty and nothing was held: the turn has no words.
    """

    finals: tuple[Final, ...] = ()
    completes: bool = False


class TurnGate:
    """Holds the newest ordinary final until it is known whether it completes the turn."""

    def __init__(self) -> None:
        self._speaking = False
        self._awaited: int | None = None  # the newest finalize, until its answer or new speech
        self._until = 0.0  # while awaited: how long to hold
        self._held: Final | None = None
        self._held_until = 0.0

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking, as far as was said."""
        return self._speaking

    @property
    def awaiting(self) -> bool:
        """Whether the words of a turn were asked for and their answer is due."""
        return self._awaited is not None

    @property
    def held(self) -> Final | None:
        """The final that waits, if any."""
        return self._held

    @property
    def deadline(self) -> float | None:
        """When the held final is to be released by `expire`; None while nothing is held."""
        return None if self._held is None else self._held_until

    def speech_started(self, now: float) -> None:
        """The user speaks, perhaps again: an answer still on its way completes nothing."""
        self._speaking = True
        self._awaited = None
        if self._held is not None:
            self._held_until = now + HOLD_IN_SPEECH

    def speech_stopped(self, finalize_id: int, now: float) -> None:
        """The user paused and the words before were asked for with this id."""
        self._speaking = False
        self._awaited = finalize_id
        self._until = now + HOLD_AFTER_SPEECH
        if self._held is not None:
            self._held_until = self._until

    def final(self, final: Final, now: float) -> Release:
        """A segment came; what may go out."""
        awaited = self._awaited
        if awaited is not None and final.finalize_id is not None and final.finalize_id >= awaited:
            self._awaited = None
            # An interim in place of a final that never came: its own words may yet follow.
            complete = not (final.promoted and final.text)
            finals = (*self._take(), *((final,) if final.text else ()))
            return Release(finals, completes=complete)
        if not final.text:
            return Release()  # the answer to a finalize that speech has overtaken
        before = self._take()
        hold_until = self._hold_until(now)
        if hold_until <= now:
            return Release((*before, final))
        self._held, self._held_until = final, hold_until
        return Release(before)

    def expire(self, now: float) -> Release:
        """The deadline has passed: the held final goes out as an ordinary one."""
        if self._held is None or now < self._held_until:
            return Release()
        return Release(self._take())

    def flush(self) -> Release:
        """Nothing more will come: whatever is held goes out."""
        self._speaking = False
        self._awaited = None
        return Release(self._take())

    def _hold_until(self, now: float) -> float:
        if self._speaking:
            return now + HOLD_IN_SPEECH
        return self._until if self._awaited is not None else now

    def _take(self) -> tuple[Final, ...]:
        held, self._held = self._held, None
        return () if held is None else (held,)
