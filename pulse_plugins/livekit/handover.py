"""Audio that a failed stream had not seen final, for the stream that is opened in its place.

A fallback adapter, or an agent session after a failure, opens the next stream from the same task
that opened the failed one, and forwards only the audio that comes from then on. What the failed
stream still held is left here for it, so that a caller's first or last words are not lost between
two streams. Only a stream of this package can take it, and only one that such a loop opened.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

from livekit import rtc

from pulse_plugins.livekit.log import logger
from pulse_plugins.livekit.opener import Opener

_MOST = 30.0  # seconds of audio that are kept, and for how long they are worth anything


@dataclass(frozen=True, slots=True)
class Flush:
    """The framework flushed at this place in the audio.

    Attributes:
        id: Of the engine's request for it, 0 before there is one.
    """

    id: int = 0


class Kept:
    """Audio and flushes in order, from the oldest that is not settled.

    Attributes:
        items: Newest last.
        seconds: Of audio.
        late: Seconds of it that came after the failure: the stream that failed reports no usage
            for them.
        began: Wall clock of the first sample.
        taken: Another stream goes on with it: it is too late to add anything.
    """

    def __init__(self) -> None:
        self.taken = False
        self.items: deque[rtc.AudioFrame | Flush] = deque()
        self.seconds = 0.0
        self.late = 0.0
        self.began = 0.0
        self._start = 0.0  # stream_time of the first sample

    def audio(self, frame: rtc.AudioFrame, wall: float) -> None:
        """Keep a frame whose first sample was heard at `wall`; the oldest beyond 30 s go."""
        if not self.seconds:
            self.began = wall
        self.items.append(frame)
        self.seconds += frame.duration
        while self.seconds > _MOST:
            self._drop()

    def add_late(self, frame: rtc.AudioFrame, wall: float) -> None:
        """Keep a frame that came after the failure."""
        self.audio(frame, wall)
        self.late = min(self.late + frame.duration, self.seconds)

    def flush(self, request_id: int) -> None:
        """Keep a flush until it is answered."""
        self.items.append(Flush(request_id))

    def settle(self, until: float) -> None:
        """Audio before this stream_time needs no other stream."""
        while self.items:
            first = self.items[0]
            if isinstance(first, Flush) or self._start + first.duration > until:
                return
            self._drop()

    def answer(self, request_id: int) -> None:
        """The flushes up to this one are answered, and all audio before them is settled."""
        answered = [
            index
            for index, item in enumerate(self.items)
            if isinstance(item, Flush) and item.id <= request_id
        ]
        for _ in range(answered[-1] + 1 if answered else 0):
            self._drop()

    def _drop(self) -> None:
        item = self.items.popleft()
        if not isinstance(item, Flush):
            self.seconds = max(0.0, self.seconds - item.duration) if self.items else 0.0
            self._start += item.duration
            self.began += item.duration


@dataclass(frozen=True, slots=True)
class _Parked:
    kept: Kept
    owner: ref[object]
    heard: object  # the STT from which the loop had heard last
    at: float


_parked: WeakKeyDictionary[asyncio.Task[object], _Parked] = WeakKeyDictionary()


def park(opener: Opener, owner: object, kept: Kept) -> None:
    """Leave audio for the next stream that this loop opens.

    Args:
        opener: Of the stream that failed.
        owner: The STT of that stream.
        kept: What had not become final.
    """
    _parked[opener.task] = _Parked(kept, ref(owner), opener.heard, time.monotonic())
    if kept.seconds:
        logger.warning(
            "the stream failed; audio that is not final waits for the stream that replaces it",
            extra={"seconds": round(kept.seconds, 2)},
        )


def claim(opener: Opener, owner: object) -> Kept | None:
    """What the stream before left, if anything; it is given once.

    Args:
        opener: Of the stream that goes on.
        owner: The STT of that stream.
    """
    parked = _parked.pop(opener.task, None)
    if parked is None:
        return None
    parked.kept.taken = True
    failed, heard = parked.owner(), opener.heard
    # Another STT may have been heard since: it took what came later, and this is out of place.
    is_next = heard is parked.heard or heard is failed
    is_new = time.monotonic() - parked.at < _MOST
    return parked.kept if is_next and is_new and opener.replaces(failed, owner) else None
