"""The flushes of the framework that no FINAL has answered yet, and the turns that they end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pulse_plugins.core.base.events import Final
from pulse_plugins.core.transcript.utterance import joined_final

SAME_TURN = 0.6  # seconds after a flush; a caller who speaks only later begins another turn
_AT_MARK = 0.1  # seconds by which the reported end of a word may be late


class OpenFlushes:
    """The flushes, oldest first, each with the stream_time at which it came."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, float]] = deque()

    @property
    def newest(self) -> int | None:
        """The engine's id of the newest one."""
        return self._open[-1][0] if self._open else None

    def add(self, request_id: int, mark: float) -> None:
        """The framework flushed at this stream_time."""
        self._open.append((request_id, mark))

    @property
    def marks(self) -> list[float]:
        """Their stream_times."""
        return [mark for _, mark in self._open]

    def answered(self, request_id: int | None) -> bool:
        """The request with this id, and all before it, are answered; whether any was a flush."""
        before = len(self._open)
        while self._open and request_id is not None and self._open[0][0] <= request_id:
            self._open.popleft()
        return len(self._open) < before


def turns_of(
    final: Final, segments: Sequence[Final], marks: Sequence[float], joiner: str
) -> list[Final]:
    """An utterance that answers several flushes as one FINAL a turn.

    The words of several turns come at once after an outage. A session would commit them as one
    turn. Where the caller was silent for `SAME_TURN` seconds after a flush, another turn began.

    Args:
        final: All words of the utterance.
        segments: What it joins.
        marks: The stream_times of the flushes that no FINAL has answered.
        joiner: Stands between the texts of two segments.
    """
    turns: list[list[Final]] = []
    for each in segments:
        if turns and not _begins_turn(turns[-1][-1], each, marks):
            turns[-1].append(each)
        else:
            turns.append([each])
    if len(turns) < 2:
        return [final]
    return [
        turn[0] if len(turn) == 1 else joined_final(turn, joiner.join(each.text for each in turn))
        for turn in turns
    ]


def _begins_turn(before: Final, after: Final, marks: Sequence[float]) -> bool:
    if not (before.words and after.words):
        return False  # without word times their places are not known
    return any(before.end <= mark + _AT_MARK and after.start >= mark + SAME_TURN for mark in marks)
