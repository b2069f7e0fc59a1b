"""Silent deaths: speech was sent and the server has said nothing for too long.

Speech is what is as loud as the words heard before; as that may be noise, patience doubles each
time, until words come again. Nothing here reads a clock.
"""

from __future__ import annotations

from typing import Final

from pulse_plugins.core.session.connection import Link
from pulse_plugins.core.transcript.assembler import Recognition

_SPEECH: Final = 0.3  # seconds of loud audio that a healthy server says something about
_MOST: Final = 60.0  # seconds


class Watchdog:
    """Looks twice in each stall time.

    Args:
        stall: Seconds of silence from a server that was sent speech.

    Attributes:
        check_at: When to look next, on the session's clock; None: there is nothing to watch.
    """

    def __init__(self, stall: float) -> None:
        self._stall = self._patience = stall
        self._looked = (0, 0)  # the cursor at the last two looks
        self.check_at: float | None = None

    def watch(self, position: int, now: float) -> None:
        """A connection is open and is sent audio from this position on."""
        self._looked = (position, position)
        self.check_at = now + self._patience / 2

    def rest(self) -> None:
        """There is no connection."""
        self.check_at = None

    def change(self, stall: float) -> None:
        """Go by another stall time."""
        self._stall = self._patience = stall

    def heard_words(self) -> None:
        """The server understands what it is sent."""
        self._patience = self._stall

    def is_dead(self, link: Link, cursor: int, recognition: Recognition, now: float) -> bool:
        """Look: whether speech went out before the last look but one and nothing has come back."""
        self.check_at = now + self._patience / 2
        examined, before = self._looked
        self._looked = (before, cursor)
        silent_for = now - max(link.last_heard_at, link.opened_at)
        if silent_for < self._patience:
            return False
        if not recognition.is_loud(examined, before, at_least=_SPEECH):
            return False
        self._patience = min(2 * self._patience, _MOST)
        return True
