"""The bare client as a Pipecat service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    StartFrame,
    TranscriptionFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.utils.time import time_now_iso8601

from tests.benchmarks.bare import CLOSE, FINALIZE, connect_bare, send, transcripts
from tests.benchmarks.contender import LAST_WORDS_SECONDS


class BareSTTService(STTService):
    """Sends each frame as a packet, and pushes each message on as a frame."""

    def __init__(self, url: str, rate: int) -> None:
        super().__init__(settings=STTSettings(model=None, language=None), ttfs_p99_latency=1.0)
        self._url, self._rate = url, rate

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._socket = await connect_bare(self._url, self._rate)
        self._reading = asyncio.create_task(self._read())

    async def stop(self, frame: EndFrame) -> None:
        await super().stop(frame)
        await send(self._socket, CLOSE)
        await asyncio.wait([self._reading], timeout=LAST_WORDS_SECONDS)
        await self._socket.close()

    async def cancel(self, frame: CancelFrame) -> None:
        await super().cancel(frame)
        self._reading.cancel()
        await self._socket.close()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        await send(self._socket, audio)
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await send(self._socket, FINALIZE)

    async def _read(self) -> None:
        async for kind, text, answers in transcripts(self._socket):
            if text and kind == "interim":
                await self.push_frame(InterimTranscriptionFrame(text, "", time_now_iso8601()))
            elif text:
                final = TranscriptionFrame(text, "", time_now_iso8601())
                final.finalized = answers
                await self.push_frame(final)
