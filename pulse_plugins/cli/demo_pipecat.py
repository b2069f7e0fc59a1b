"""The demo in Pipecat: a pipeline with the Silero VAD and Pipecat's turn strategies."""

from __future__ import annotations

import asyncio

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pulse_plugins.cli.hearing import Hearing
from pulse_plugins.core.base.events import AudioLost, Recovered
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.pipecat import PulseSTTService


class _Ear(FrameProcessor):
    """Shows each transcript that passes through the pipeline."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self._hearing = hearing

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InterimTranscriptionFrame():
                self._hearing.interim(frame.text)
            case TranscriptionFrame():
                self._hearing.final(frame.text)
        await self.push_frame(frame, direction)


async def run(hearing: Hearing, options: PulseOptions) -> None:
    """Play the call into a pipeline until the last turn is complete."""
    rate = hearing.call.rate
    stt = PulseSTTService(options=options, sample_rate=rate)
    pair = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(),
            user_turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()]),
        ),
    )
    user = pair.user()
    worker = PipelineWorker(
        Pipeline([stt, _Ear(hearing), user]),
        params=PipelineParams(audio_in_sample_rate=rate, enable_metrics=True),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    ready = asyncio.Event()

    async def started(*_: object) -> None:
        ready.set()

    async def stopped(_: object, strategy: object, message: UserTurnStoppedMessage) -> None:
        hearing.turn(message.content or "")

    async def recovered(_: object, event: Recovered) -> None:
        hearing.recovery.reconnects += 1
        hearing.recovery.replayed += event.replayed
        hearing.note(f"connected again; {event.replayed:.1f} s sent a second time")

    async def audio_lost(_: object, event: AudioLost) -> None:
        hearing.recovery.lost += event.duration
        hearing.note(f"{event.duration:.1f} s of audio lost")

    worker.add_event_handler("on_pipeline_started", started)
    user.add_event_handler("on_user_turn_stopped", stopped)
    stt.add_event_handler("on_recovered", recovered)
    stt.add_event_handler("on_audio_lost", audio_lost)

    async def play() -> None:
        await ready.wait()
        async for frame in hearing.player.play():
            await worker.queue_frame(InputAudioRawFrame(frame.tobytes(), rate, 1))
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(play())
        tasks.create_task(runner.run())
