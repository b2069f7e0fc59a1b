"""Finds out who ends turns, and how long closed segments are held for that.

In an agent session the mode is read from the session. Outside a session, or with a future framework
that hides the mode, it is learned:

1. A flush means that flushes end turns.
2. An utterance that was sent because no text followed, and no flush for `_PATIENCE` seconds, means
   that END_OF_SPEECH ends turns. If flushes ended turns before, this must happen `_MISSES` times in
   a row, because a voice detector may miss a quiet caller.

The times were chosen with `tests/livekit/test_context.py`. With `HOLD` below 0.35 s a pause of
0.45 s within a sentence splits the turn at 0.3 and 0.6 s of latency. Above 0.6 s only the replies
to callers whom the session's detector does not hear come later.
"""

from __future__ import annotations

from typing import Protocol

from pulse_plugins.livekit.framework import HeldInterim, TurnMode

# Modes in which a voice detector flushes at the end of a turn.
DETECTED = ("vad", "detector", "text_detector")
HOLD = 0.45  # seconds after the end of speech that the server reports
# A turn detector that expects the caller to go on flushes after half of the framework's longest
# endpointing delay, which is 3.0 s.
DETECTOR_HOLD = 1.8
QUIET = 0.8  # seconds without new text, where the server reports no end of speech
# The same where a flush may still come: at 0.9 s of latency the last word is shown that late.
QUIET_HOLD = 1.4
# Seconds of quiet audio by which the server has reported the end of speech, or never will: its
# window of 0.3 to 0.6 s, and 0.9 s of latency.
REPORTED = 1.5
_PATIENCE = 1.5  # seconds
_MISSES = 3


class ModeReader(Protocol):
    """Reads who ends turns; `framework.TurnModeReader` does."""

    may_flush: bool

    def read(self) -> TurnMode | None:
        """The mode now; None: unknown."""

    def held_interim(self) -> HeldInterim | None:
        """The interim that the session holds; None: unknown."""


class TurnEnding:
    """Knows or learns who ends the turns of one stream.

    Args:
        reader: Reads the session's mode.

    Attributes:
        mode: The mode that was read last.
        has_flushes: Whether flushes end turns, or may end them as far as is known.
    """

    def __init__(self, reader: ModeReader) -> None:
        self._reader = reader
        self.mode: TurnMode | None = None
        self.has_flushes = reader.may_flush
        self._flushes = 0
        self._misses = 0
        self._waits_since: float | None = None  # for the flush of an utterance that left

    @property
    def is_known(self) -> bool:
        """Whether it was read or learned who ends turns."""
        return self.mode is not None or self._flushes > 0 or not self.has_flushes

    def hold(self, *, server_ends: bool) -> float:
        """Seconds for which closed words wait after something was last heard of the speech.

        Args:
            server_ends: The server has reported the end of the speech.
        """
        if not self.has_flushes or self.mode == "text_detector":
            # A detector that reads expects the caller to go on as long as it lacks the last words.
            return 0.0 if server_ends else QUIET
        if self.mode == "detector":
            return DETECTOR_HOLD
        return HOLD if server_ends else QUIET_HOLD

    def begins_replies(self, open_flush: int | None) -> bool:
        """Whether a reply may begin once all words of an open speech are final.

        A voice detector has to tell a pause from the end of the turn first. Its flush comes 0.2 s
        after the fastest report of the service, at the service's median latency before the report.
        A reply that began earlier would be a wasted request in each pause of 0.4 s.

        Args:
            open_flush: The flush that waits for its answer; None: there is none.
        """
        return open_flush is not None or self.mode not in DETECTED

    def quiet(self, *, server_hears: bool) -> float:
        """Seconds of quiet audio after which nobody else will end the speech.

        A flush comes 0.55 s after speech, which is when the framework's voice detector reports
        its end.

        Args:
            server_hears: The server's voice detector hears that the speech goes on.
        """
        if server_hears:
            return REPORTED
        return QUIET if self.has_flushes else QUIET / 2

    def look(self) -> None:
        """Read the mode again: an agent may have been replaced."""
        self.mode = self._reader.read()
        if self.mode is not None:
            self.has_flushes = self.mode != "stt"

    def flushed(self) -> None:
        """The framework flushed."""
        self.has_flushes = True
        self._flushes += 1
        self._misses = 0
        self._waits_since = None
        self.look()

    def released(self, now: float) -> None:
        """An utterance left although no flush asked for it."""
        if self._waits_since is None and self.mode is None:
            self._waits_since = now

    def advance(self, now: float) -> None:
        """Time has passed."""
        if self._waits_since is None or now < self._waits_since + _PATIENCE:
            return
        self._waits_since = None
        self._misses += 1
        if self._flushes == 0 or self._misses >= _MISSES:
            self.has_flushes = False

    @property
    def deadline(self) -> float | None:
        """When to `advance`."""
        return None if self._waits_since is None else self._waits_since + _PATIENCE
