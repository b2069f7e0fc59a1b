"""Measures how long the caller waits for an answer, and which part of the agent takes that time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    LLMTextFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed

PARTS = ("VAD", "STT", "turn", "policy", "TTS")


@dataclass(slots=True)
class _Moments:
    """Wall clock times of one turn, in seconds."""

    ended: float
    noticed: float
    final: float | None = None
    over: float | None = None
    answered: float | None = None


class Stopwatch(BaseObserver):
    """Takes the times of each turn of a call, from the end of the caller's speech.

    If the caller goes on after a pause, the turn is measured from the end of the later speech.

    Args:
        on_turn: Is called after each answered turn with the seconds of each part.

    Attributes:
        turns: The seconds of each part for each turn, in the order of `PARTS`.
    """

    def __init__(
        self, on_turn: Callable[[tuple[float, ...]], Awaitable[None]] | None = None
    ) -> None:
        super().__init__()
        self.turns: list[tuple[float, ...]] = []
        self._on_turn = on_turn
        self._now: _Moments | None = None

    async def on_push_frame(self, data: FramePushed) -> None:
        """See a frame pass from one processor to the next. The first time counts."""
        frame, now = data.frame, self._now
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            ended = frame.timestamp - frame.stop_secs
            if now is None or now.ended != ended:
                self._now = _Moments(ended, time.time())
        elif now is not None:
            await self._note(now, data)

    async def _note(self, now: _Moments, data: FramePushed) -> None:
        match data.frame:
            case VADUserStartedSpeakingFrame() if now.over is None:
                self._now = None
            case TranscriptionFrame(finalized=True):
                now.final = now.final or time.time()
            case UserStoppedSpeakingFrame():
                now.over = now.over or time.time()
            case LLMTextFrame():
                now.answered = now.answered or time.time()
            case BotStartedSpeakingFrame():
                await self._finish(now)
            case _:
                pass

    async def _finish(self, at: _Moments) -> None:
        if at.over is None or at.answered is None:
            return  # the agent spoke about something else
        final = max(at.noticed, at.final or at.noticed)
        marks = (at.ended, at.noticed, final, at.over, at.answered, time.time())
        self._now = None
        self.turns.append(tuple(after - before for before, after in pairwise(marks)))
        if self._on_turn is not None:
            await self._on_turn(self.turns[-1])
