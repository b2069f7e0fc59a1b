"""The demo in LiveKit: an agent session with the bundled VAD and without a room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import numpy as np
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    CloseEvent,
    StopResponse,
    UserInputTranscribedEvent,
    inference,
    llm,
)
from livekit.agents.voice import io
from numpy.typing import NDArray

from pulse_plugins.cli.hearing import Hearing
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit import STT
from pulse_plugins.livekit.options import logger


class _Caller(io.AudioInput):
    """An audio input that plays the call."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__(label=hearing.call.name)
        self._frames: AsyncIterator[NDArray[np.int16]] = hearing.player.play()
        self._rate = hearing.call.rate
        self.ended = asyncio.Event()

    async def __anext__(self) -> rtc.AudioFrame:
        try:
            frame = await anext(self._frames)
        except StopAsyncIteration:
            self.ended.set()
            raise
        return rtc.AudioFrame(frame.tobytes(), self._rate, 1, len(frame))


class _Listener(Agent):
    """An agent that shows each turn of the caller and does not answer."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__(instructions="Listen.")
        self._hearing = hearing

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        self._hearing.turn(new_message.text_content or "")
        raise StopResponse


class _Recoveries(logging.Handler):
    """Counts recoveries and lost audio, which the LiveKit adapter reports in its log only."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self._hearing = hearing

    def emit(self, record: logging.LogRecord) -> None:
        recovery = self._hearing.recovery
        match vars(record):
            case {"msg": "connection recovered", "replayed": float(replayed)}:
                recovery.reconnects += 1
                recovery.replayed += replayed
                self._hearing.note(f"connected again; {replayed:.1f} s sent a second time")
            case {"msg": "audio lost", "seconds": float(seconds)}:
                recovery.lost += seconds
                self._hearing.note(f"{seconds:.1f} s of audio lost")


@contextmanager
def _counting(hearing: Hearing) -> Iterator[None]:
    handler = _Recoveries(hearing)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the screen shows it already
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


async def run(hearing: Hearing, options: PulseOptions) -> None:
    """Play the call into an agent session until the last turn is complete."""
    stt = STT(
        base_url=options.base_url,
        api_key=options.api_key,
        encoding=options.encoding,
        sample_rate=options.sample_rate,
        language=options.language,
    )
    session: AgentSession[None] = AgentSession(stt=stt, vad=inference.VAD())

    @session.on("user_input_transcribed")
    def transcribed(event: UserInputTranscribedEvent) -> None:
        if event.is_final:
            hearing.final(event.transcript)
        else:
            hearing.interim(event.transcript)

    caller = _Caller(hearing)
    session.input.audio = caller

    @session.on("close")
    def closed(_: CloseEvent) -> None:
        caller.ended.set()  # after an error of the STT the session reads no more audio

    with _counting(hearing):
        try:
            await session.start(_Listener(hearing), record=False)
            await caller.ended.wait()
        finally:
            await session.aclose()  # before the STT, which it still feeds
            await stt.aclose()
