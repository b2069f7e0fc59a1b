"""An agent session without a room: its caller is a recording, and its language model a constant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice import io
from numpy.typing import NDArray

from pulse_plugins.local.recognizers.contract import RecognizedWord
from pulse_plugins.local.recordings import Recording, Turn
from tests.livekit.replies import Model


class Caller(io.AudioInput):
    """Speaks samples in real time, 20 ms a frame, and is silent ever after."""

    def __init__(self, samples: NDArray[np.int16], rate: int) -> None:
        super().__init__(label="caller")
        self._samples = samples
        self._rate = rate
        self._size = rate // 50
        self._sent = 0
        self.began: float | None = None

    async def __anext__(self) -> rtc.AudioFrame:
        if self.began is None:
            self.began = time.time()
        due = self.began + (self._sent + 1) * 0.02
        await asyncio.sleep(max(0.0, due - time.time()))
        piece = self._samples[self._sent * self._size : (self._sent + 1) * self._size]
        self._sent += 1
        data = np.zeros(self._size, np.int16)
        data[: len(piece)] = piece
        return rtc.AudioFrame(data.tobytes(), self._rate, 1, self._size)


@dataclass(slots=True)
class Committed:
    """A turn that the session took as complete."""

    text: str
    at: float  # wall clock


@dataclass(slots=True)
class Rig:
    """A running session and what it did.

    Attributes:
        asked: When the language model was asked, and the caller's newest message then.
    """

    session: AgentSession[None]
    caller: Caller
    asked: list[tuple[float, str]]
    turns: list[Committed] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_turns(self, count: int, deadline: float = 30.0) -> None:
        async with asyncio.timeout(deadline), self.changed:
            await self.changed.wait_for(lambda: len(self.turns) >= count)

    def delay(self, index: int, turn: Turn) -> float:
        """Seconds from the true end of a turn's speech to its commit."""
        assert self.caller.began is not None
        return self.turns[index].at - self.caller.began - turn.end


class _Listener(Agent):
    def __init__(self, rig: Rig) -> None:
        super().__init__(instructions="Be brief.")
        self._rig = rig

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        async with self._rig.changed:
            text = new_message.text_content or ""
            self._rig.turns.append(Committed(text, time.time()))
            self._rig.changed.notify_all()


@asynccontextmanager
async def session(recording: Recording, **arguments: Any) -> AsyncIterator[Rig]:
    """A session that hears this recording; the arguments are `AgentSession`'s."""
    caller = Caller(recording.samples, recording.sample_rate)
    asked: list[tuple[float, str]] = []
    model = Model(lambda said: asked.append((time.time(), said[-1] if said else "")), seconds=0.0)
    made: AgentSession[None] = AgentSession(llm=model, aec_warmup_duration=None, **arguments)
    rig = Rig(made, caller, asked)
    made.on("user_state_changed", lambda event: rig.states.append(event.new_state))
    made.input.audio = caller
    await made.start(_Listener(rig), record=False)
    try:
        yield rig
    finally:
        await made.aclose()


class Reader:
    """Hears a recording's turns, their words spread evenly over each, whatever the samples are."""

    def __init__(self, turns: Sequence[Turn], sample_rate: int) -> None:
        self._rate = sample_rate
        self._heard = 0.0
        self._open: list[RecognizedWord] = []
        self._rest = [word for turn in turns for word in _spread(turn)]

    async def feed(self, pcm: NDArray[np.int16]) -> Sequence[RecognizedWord] | None:
        self._heard += len(pcm) / self._rate
        fresh = [word for word in self._rest if word.end <= self._heard]
        self._rest = self._rest[len(fresh) :]
        self._open += fresh
        return tuple(self._open) if fresh else None

    async def finish_segment(self) -> Sequence[RecognizedWord]:
        words, self._open = tuple(self._open), []
        return words

    async def close(self) -> None:
        self._rest = []


def _spread(turn: Turn) -> list[RecognizedWord]:
    words = turn.text.split()
    step = (turn.end - turn.start) / len(words)
    return [
        RecognizedWord(word, turn.start + index * step, turn.start + (index + 1) * step, 0.9)
        for index, word in enumerate(words)
    ]
