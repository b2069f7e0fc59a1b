"""The flushes of the framework that no FINAL has answered yet, and the turns that they end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

from pulse_plugins.core.base.events import Final
from pulse_plugins.core.transcript.utterance import joined_final
from pulse_plugins.livekit.framework import TurnMode
from pulse_plugins.livekit.turn_ending import DETECTED

# Seconds after a flush. A caller who speaks again sooner goes on with the same turn: the framework
# waits for about this long (0.5 s by default) before it commits the turn.
SAME_TURN = 0.6
_AT_MARK = 0.1  # seconds by which the reported end of a word may be late
# Seconds of silence after which the session's voice detector has flushed (0.55 s after speech), or
# has not heard the speech before, as after a handoff in mid-speech or from a soft caller.
UNHEARD = 0.55 + SAME_TURN


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

    def turns(
        self, final: Final, segments: Sequence[Final], joiner: str, mode: TurnMode | None
    ) -> list[Final]:
        """Divide an utterance into one FINAL for each turn; see `turns_of`. Call it first."""
        marks = [mark for _, mark in self._open] if mode in DETECTED else []
        return turns_of(final, segments, marks, joiner, UNHEARD if mode == "vad" else inf)

    def answered(self, request_id: int | None) -> bool:
        """The request with this id, and all before it, are answered; whether any was a flush."""
        before = len(self._open)
        while self._open and request_id is not None and self._open[0][0] <= request_id:
            self._open.popleft()
        return len(self._open) < before


def turns_of(
    final: Final,
    segments: Sequence[Final],
    marks: Sequence[float],
    joiner: str,
    gap: float,
) -> list[Final]:
    """Divide an utterance that answers several flushes into one FINAL for each turn.

    After an outage the words of several turns come at once, and a session would commit them as one
    turn. If the caller was silent for `SAME_TURN` seconds after a flush, another turn began there.

    Args:
        final: All words of the utterance.
        segments: The segments that the final joins.
        marks: The stream_times of the flushes that no FINAL has answered.
        joiner: Stands between the texts of two segments.
        gap: Seconds of silence that separate two turns without a flush, too.
    """
    turns: list[list[Final]] = []
    for each in segments:
        if turns and not _begins_turn(turns[-1][-1], each, marks, gap):
            turns[-1].append(each)
        else:
            turns.append([each])
    if len(turns) < 2:
        return [final]
    return [
        turn[0] if len(turn) == 1 else joined_final(turn, joiner.join(each.text for each in turn))
        for turn in turns
    ]


def _begins_turn(before: Final, after: Final, marks: Sequence[float], gap: float) -> bool:
    if not (before.words and after.words):
        return False  # without word times their places are not known
    if after.start - before.end >= gap:
        return True
    return any(before.end <= mark + _AT_MARK and after.start >= mark + SAME_TURN for mark in marks)
