"""One stream's place in a row: what it takes over from one that failed, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterable

from livekit import rtc

from pulse_plugins.livekit.handover import Flush, Kept, claim, park
from pulse_plugins.livekit.opener import present_opener


class Succession:
    """Made where the stream is made: whoever opens it decides whether it has a successor.

    Args:
        owner: The stream's STT.

    Attributes:
        kept: Where to keep what is not final; None: no stream will go on with it.
    """

    def __init__(self, owner: object) -> None:
        self._owner = owner
        self._opener = present_opener()
        self.kept = Kept() if self._opener is not None else None
        self._left: Kept | None = None
        self._input_over = False

    def inherit(self, stream: object) -> Kept | None:
        """What a stream that failed has left for this one to go on with.

        Args:
            stream: This one; its opener has had its turn since it was made.
        """
        opener = self._opener
        if opener is not None and opener.is_trial(stream):  # the one that works goes on
            opener = self._opener = self.kept = None
        return claim(opener, self._owner) if opener is not None else None

    def leave(self, kept: Kept | None, untaken: Iterable[rtc.AudioFrame | Flush]) -> None:
        """The stream failed: what is not final is for the one that is opened next.

        Args:
            kept: None where the stream has mended all that could be.
            untaken: The input that nobody has looked at yet.
        """
        if self._opener is None or kept is None:
            return
        self._left = kept
        for item in untaken:
            self.add_late(item)
        park(self._opener, self._owner, kept)

    @property
    def has_left(self) -> bool:
        """Whether somebody else may answer what was asked of the stream."""
        return self._left is not None

    @property
    def is_awaited(self) -> bool:
        """Whether input that comes now is for the stream that replaces this one.

        A fallback adapter forwards it here until it has opened that one, also while it closes
        this one.
        """
        return self._left is not None and not self._left.taken and not self._input_over

    def add_late(self, item: rtc.AudioFrame | Flush) -> None:
        """Keep what came after the failure."""
        assert self._left is not None
        if isinstance(item, Flush):
            self._left.flush(0)
        else:
            self._left.add_late(item, time.time() - item.duration)

    def input_ended(self) -> None:
        """Nothing comes any more."""
        self._input_over = True
