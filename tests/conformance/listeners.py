"""One recording through each of the package's clients, and what the client's user gets of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_plugins import PulseBatch, PulseOptions, PulseStream
from pulse_plugins.core.wire.batch_messages import BatchTranscript
from pulse_plugins.local.server import PulseServer
from tests.support.privacy import API_KEY
from tests.support.programs import running
from tests.support.wav import wav

RATE = 16_000  # Hz
DEADLINE = 40.0


def options(server: PulseServer, **asked: Any) -> PulseOptions:
    return PulseOptions(base_url=server.url, api_key=API_KEY, **asked)


async def engine(server: PulseServer, pcm: NDArray[np.int16], **asked: Any) -> list[Any]:
    """All events of a stream."""
    async with asyncio.timeout(DEADLINE), PulseStream(options(server, **asked)) as stream:
        stream.push(pcm.tobytes())
        stream.request_finalize()
        stream.end()
        return [event async for event in stream]


async def pipecat(server: PulseServer, pcm: NDArray[np.int16], **asked: Any) -> list[Any]:
    """All frames that come out of a pipeline."""
    from pipecat.frames.frames import (
        EndFrame,
        Frame,
        InputAudioRawFrame,
        TranscriptionFrame,
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
    from pipecat.workers.runner import WorkerRunner

    from pulse_plugins.pipecat import PulseSTTService

    frames: list[Frame] = []
    final = asyncio.Event()

    class Collector(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            frames.append(frame)
            if isinstance(frame, TranscriptionFrame):
                final.set()
            await self.push_frame(frame, direction)

    by_server = bool(asked.get("vad_events"))
    service = PulseSTTService(
        options=options(server, **asked), turn_detection="server" if by_server else "vad"
    )
    worker = PipelineWorker(
        Pipeline([service, Collector()]),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        params=PipelineParams(audio_in_sample_rate=RATE),
    )

    async def play() -> None:
        await server.wait_for(lambda each: bool(each.connections))
        if not by_server:
            await worker.queue_frame(VADUserStartedSpeakingFrame())
        for start in range(0, len(pcm), 320):
            piece = pcm[start : start + 320]
            await worker.queue_frame(InputAudioRawFrame(piece.tobytes(), RATE, 1))
            await asyncio.sleep(0.02)
        if not by_server:
            await worker.queue_frame(VADUserStoppedSpeakingFrame())
        await final.wait()
        await asyncio.sleep(1.0)
        await worker.queue_frame(EndFrame())

    async with asyncio.timeout(DEADLINE):
        playing = asyncio.create_task(play())
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
        await playing
    return frames


async def livekit(server: PulseServer, pcm: NDArray[np.int16], **asked: Any) -> list[Any]:
    """All events of a speech stream."""
    from livekit import rtc

    from pulse_plugins.livekit import STT

    async with (
        asyncio.timeout(DEADLINE),
        STT(base_url=server.url, api_key=API_KEY, **asked) as stt,
    ):
        stream = stt.stream()

        async def play() -> None:
            for start in range(0, len(pcm), 320):
                piece = pcm[start : start + 320]
                stream.push_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, len(piece)))
                await asyncio.sleep(0.02)
            stream.flush()
            stream.end_input()

        playing = asyncio.create_task(play())
        events = [event async for event in stream]
        await playing
        await stream.aclose()
    return events


async def batch(server: PulseServer, pcm: NDArray[np.int16], **asked: Any) -> BatchTranscript:
    """The transcript of a request."""
    made = PulseBatch(options(server, **asked))
    async with made:
        return await made.transcribe(wav(pcm, RATE))


async def command_line(server: PulseServer, path: Path, **asked: Any) -> dict[str, Any]:
    """The object that `transcribe --json` prints, from a process of its own."""
    words = ["transcribe", str(path), "--url", server.url, "--json"]
    for name, value in asked.items():
        if name == "language":
            words += ["--language", value]
        else:
            written = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["-s", f"{name}={written}"]
    async with running("-m", "pulse_plugins.cli", *words, environment=os.environ) as process:
        async with asyncio.timeout(DEADLINE):
            out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    found = json.loads(out.decode().splitlines()[0])
    assert isinstance(found, dict)
    return found
