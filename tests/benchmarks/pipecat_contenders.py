"""The services that the benchmarks compare in a Pipecat pipeline.

The official service is told of the server by arguments of its own constructor alone. The framework
is imported when a contender is entered.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Self

from tests.benchmarks.contender import KEY, LAST_WORDS_SECONDS, Contender

if TYPE_CHECKING:
    from pipecat.services.stt_service import STTService


class PipecatContender(Contender):
    """A pipeline of the service and an ear."""

    @abstractmethod
    def service(self) -> STTService: ...

    async def __aenter__(self) -> Self:
        from pipecat.frames.frames import (
            ErrorFrame,
            Frame,
            InputAudioRawFrame,
            InterimTranscriptionFrame,
            TranscriptionFrame,
        )
        from pipecat.pipeline.pipeline import Pipeline
        from pipecat.pipeline.worker import PipelineParams, PipelineWorker
        from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
        from pipecat.workers.runner import WorkerRunner

        contender = self

        class Ear(FrameProcessor):
            async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
                await super().process_frame(frame, direction)
                match frame:
                    case InterimTranscriptionFrame():
                        contender.hear("interim", frame.text)
                    case TranscriptionFrame():
                        contender.hear("final", frame.text)
                        if frame.finalized:
                            contender.confirm()
                await self.push_frame(frame, direction)

        self._frame_type = InputAudioRawFrame
        self._stt = self.service()
        self._worker = PipelineWorker(
            Pipeline([self._stt, Ear(enable_direct_mode=True)]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            params=PipelineParams(audio_in_sample_rate=self.rate),
        )
        started = asyncio.Event()

        async def on_started(*_: object) -> None:
            started.set()

        async def on_error(_: object, frame: ErrorFrame) -> None:
            if not self._stt.is_usable:
                self.failure = self.failure or frame.error

        self._worker.add_event_handler("on_pipeline_started", on_started)
        self._worker.add_event_handler("on_pipeline_error", on_error)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self._running = asyncio.create_task(runner.run())
        await started.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._running.done():
            await self._worker.cancel()
        await self._running

    async def push(self, frame: bytes) -> None:
        await self._worker.queue_frame(self._frame_type(frame, self.rate, 1))

    async def start_of_speech(self) -> None:
        from pipecat.frames.frames import VADUserStartedSpeakingFrame

        await self._worker.queue_frame(VADUserStartedSpeakingFrame(0.2, time.time()))

    async def end_of_speech(self) -> None:
        from pipecat.frames.frames import VADUserStoppedSpeakingFrame

        await self._worker.queue_frame(VADUserStoppedSpeakingFrame(0.2, time.time()))

    async def finish(self) -> None:
        from pipecat.frames.frames import EndFrame

        await self._worker.queue_frame(EndFrame())
        await asyncio.wait([self._running], timeout=LAST_WORDS_SECONDS)


class PipecatOurs(PipecatContender):
    """`pulse_plugins.pipecat.PulseSTTService`."""

    name = "pipecat ours"
    is_ours = True

    def service(self) -> STTService:
        from pulse_plugins.pipecat import PulseSTTService

        return PulseSTTService(api_key=KEY, base_url=self.url)


class PipecatOfficial(PipecatContender):
    """`pipecat.services.smallest.stt.SmallestSTTService`."""

    name = "pipecat official"

    def service(self) -> STTService:
        from pipecat.services.smallest.stt import SmallestSTTService

        return SmallestSTTService(api_key=KEY, base_url=self.url)


class PipecatNull(PipecatContender):
    """The framework's own share: a service that drops what it is given."""

    name = "pipecat null"

    def service(self) -> STTService:
        from collections.abc import AsyncGenerator

        from pipecat.frames.frames import Frame
        from pipecat.services.settings import STTSettings
        from pipecat.services.stt_service import STTService

        class NullSTTService(STTService):
            async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
                yield None

        settings = STTSettings(model=None, language=None)
        return NullSTTService(settings=settings, ttfs_p99_latency=1.0)


class PipecatBare(PipecatContender):
    """The bare client as a service: the least that any service can cost."""

    name = "pipecat bare"

    def service(self) -> STTService:
        from tests.benchmarks.pipecat_bare import BareSTTService

        return BareSTTService(self.url, self.rate)
