"""A real pipeline around the service, fed by numbers that the server turns back into words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pulse_plugins.local.recognizers.scripted import speak, spell
from pulse_plugins.pipecat import PulseSTTSettings

DEADLINE = 10.0
UP = FrameDirection.UPSTREAM
F = TypeVar("F", bound=Frame)

EVENTS = (  # of the service
    "on_connected",
    "on_disconnected",
    "on_connection_error",
    "on_recovered",
    "on_audio_lost",
    "on_usable_changed",
)


def update(**settings: object) -> STTUpdateSettingsFrame:
    """A change of settings during a call."""
    return STTUpdateSettingsFrame(delta=PulseSTTSettings(**settings))  # type: ignore[arg-type]


def words(first: int, count: int) -> str:
    """The text of the numbers from `first` on."""
    return " ".join(spell(number) for number in range(first, first + count))


def speech(
    first: int, count: int, rate: int = 16_000, *, lead: float = 0.1, tail: float = 0.1
) -> NDArray[np.int16]:
    """Their audio: 0.3 s a word."""
    numbers = range(first, first + count)
    return speak(numbers, rate, gap_seconds=0.06, lead_seconds=lead, tail_seconds=tail)


class Ear(FrameProcessor):
    """Remembers what passes in one direction."""

    def __init__(self, direction: FrameDirection) -> None:
        super().__init__(enable_direct_mode=True)
        self._direction = direction
        self.frames: list[Frame] = []
        self.changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is self._direction and not isinstance(frame, InputAudioRawFrame):
            async with self.changed:
                self.frames.append(frame)
                self.changed.notify_all()
        await self.push_frame(frame, direction)


class Call:
    """A running pipeline: what to say into it, and what came out."""

    def __init__(self, worker: PipelineWorker, up: Ear, down: Ear, rate: int) -> None:
        self.worker = worker
        self._up = up
        self._down = down
        self.rate = rate

    async def give(
        self,
        samples: NDArray[np.int16],
        *,
        user: str | None = None,
        rate: int | None = None,
        channels: int = 1,
    ) -> None:
        """Audio in frames of 20 ms, as fast as the pipeline takes them, on every channel."""
        rate = rate or self.rate
        size = rate // 50
        for start in range(0, len(samples), size):
            data = samples[start : start + size].repeat(channels).tobytes()
            if user is None:
                frame = InputAudioRawFrame(data, rate, channels)
            else:
                frame = UserAudioRawFrame(data, rate, channels, user_id=user)
            await self.worker.queue_frame(frame)

    async def say(self, first: int, count: int, *, user: str | None = None) -> None:
        await self.give(speech(first, count, self.rate), user=user)

    async def start_speaking(self) -> None:
        await self.worker.queue_frame(VADUserStartedSpeakingFrame(0.2, time.time()))

    async def stop_speaking(self) -> None:
        await self.worker.queue_frame(VADUserStoppedSpeakingFrame(0.2, time.time()))

    async def turn(self, first: int, count: int) -> None:
        """Speech between a start and a stop of the VAD."""
        await self.start_speaking()
        await self.say(first, count)
        await self.stop_speaking()

    async def put(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        await self.worker.queue_frame(frame, direction)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until this holds after some frame came downstream."""
        async with asyncio.timeout(DEADLINE), self._down.changed:
            await self._down.changed.wait_for(true)

    async def until_completed(self, count: int) -> None:
        await self.until(lambda: self.completed >= count)

    async def until_text(self, text: str) -> None:
        await self.until(lambda: self.text == text)

    async def until_came(self, kind: type[Frame], count: int) -> None:
        await self.until(lambda: len(self.came(kind)) >= count)

    async def until_error(self, count: int = 1) -> None:
        async with asyncio.timeout(DEADLINE), self._up.changed:
            await self._up.changed.wait_for(lambda: len(self.errors) >= count)

    def came(self, kind: type[F]) -> list[F]:
        return [frame for frame in self._down.frames if isinstance(frame, kind)]

    @property
    def frames(self) -> list[Frame]:
        return self._down.frames

    @property
    def errors(self) -> list[ErrorFrame]:
        return [frame for frame in self._up.frames if isinstance(frame, ErrorFrame)]

    @property
    def finals(self) -> list[tuple[str, bool]]:
        return [(f.text, f.finalized) for f in self.came(TranscriptionFrame)]

    @property
    def interims(self) -> list[str]:
        return [f.text for f in self.came(InterimTranscriptionFrame)]

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.finals)

    @property
    def completed(self) -> int:
        return sum(finalized for _, finalized in self.finals)

    async def hang_up(self) -> None:
        """End the call and wait for everything that was still to come."""
        await self.worker.queue_frame(EndFrame())
        await self.until(lambda: self.came(EndFrame))


@asynccontextmanager
async def calling(*processors: FrameProcessor, rate: int = 16_000) -> AsyncIterator[Call]:
    """Run a pipeline of these for the block; it is cancelled if the block did not end it."""
    up, down = Ear(UP), Ear(FrameDirection.DOWNSTREAM)
    worker = PipelineWorker(
        Pipeline([up, *processors, down]),
        enable_rtvi=False,
        enable_turn_tracking=False,  # each observer sees every frame, which nobody asks for here
        idle_timeout_secs=None,
        params=PipelineParams(
            audio_in_sample_rate=rate, enable_metrics=True, enable_usage_metrics=True
        ),
    )
    started = asyncio.Event()

    async def on_pipeline_started(_: PipelineWorker, __: Frame) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_pipeline_started)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await started.wait()
        yield Call(worker, up, down, rate)
    finally:
        async with asyncio.timeout(DEADLINE):
            if not any(isinstance(frame, EndFrame) for frame in down.frames):
                await worker.cancel()
            await running


class Handlers:
    """Counts the calls of a service's event handlers."""

    def __init__(self, service: FrameProcessor, names: Iterable[str]) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.changed = asyncio.Condition()
        for name in names:
            service.add_event_handler(name, self._handler(name))

    def _handler(self, name: str) -> Callable[..., object]:
        async def handle(_: object, *args: object) -> None:
            async with self.changed:
                self.calls.append((name, args))
                self.changed.notify_all()

        return handle

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)

    async def until(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(DEADLINE), self.changed:
            await self.changed.wait_for(lambda: self.count(name) >= count)
