"""The official clients, unchanged, take the local server for the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_plugins.local import recordings
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from pulse_plugins.local.recognizers.scoring import word_errors
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak, spell
from pulse_plugins.local.server import PulseServer
from tests.support.patience import PATIENCE

DEADLINE = PATIENCE
Play = Callable[[PulseServer, NDArray[np.int16], float], Awaitable[list[str]]]
SAID = [spell(number) for number in range(30)]


def two_turns() -> NDArray[np.int16]:
    first, second = speak(range(18), tail_seconds=1.2), speak(range(18, 30), tail_seconds=0.3)
    return np.concatenate((first, second))


def plain(texts: list[str]) -> list[str]:
    return " ".join(texts).lower().replace(".", "").replace("?", "").split()


async def through_pipecat(server: PulseServer, pcm: NDArray[np.int16], paced: float) -> list[str]:
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
    from pipecat.services.smallest.stt import SmallestSTTService
    from pipecat.workers.runner import WorkerRunner

    texts: list[str] = []

    class Collector(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, TranscriptionFrame):
                texts.append(frame.text)
            await self.push_frame(frame, direction)

    stt = SmallestSTTService(api_key="k", base_url=server.url)
    worker = PipelineWorker(
        Pipeline([stt, Collector()]),
        enable_rtvi=False,
        params=PipelineParams(audio_in_sample_rate=16_000),
    )

    async def play() -> None:
        await server.wait_for(lambda s: bool(s.connections), DEADLINE)
        began = time.monotonic()
        await worker.queue_frame(VADUserStartedSpeakingFrame())
        for start in range(0, len(pcm), 320):
            await worker.queue_frame(
                InputAudioRawFrame(pcm[start : start + 320].tobytes(), 16_000, 1)
            )
            await asyncio.sleep(max(0.0, paced * start / 16_000 - (time.monotonic() - began)))
        await server.wait_for(lambda s: s.connections[0].bytes_received == 2 * len(pcm), DEADLINE)
        await worker.queue_frame(VADUserStoppedSpeakingFrame())
        await server.wait_for(lambda s: s.connections[0].count("finalize") == 1, DEADLINE)
        answered = server.connections[0].finals
        await server.wait_for(lambda s: s.connections[0].finals > answered, DEADLINE)
        await worker.queue_frame(EndFrame())

    async with asyncio.timeout(DEADLINE):
        playing = asyncio.create_task(play())
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
        await playing
    return texts


async def through_livekit(server: PulseServer, pcm: NDArray[np.int16], paced: float) -> list[str]:
    from livekit import rtc
    from livekit.agents import stt as agents_stt
    from livekit.plugins import smallestai

    texts: list[str] = []
    async with aiohttp.ClientSession() as session, asyncio.timeout(DEADLINE):
        official = smallestai.STT(
            api_key="k", base_url=server.http_url + "/waves/v1", http_session=session
        )
        stream = official.stream()

        async def play() -> None:
            began = time.monotonic()
            for start in range(0, len(pcm), 320):
                piece = pcm[start : start + 320]
                stream.push_frame(rtc.AudioFrame(piece.tobytes(), 16_000, 1, len(piece)))
                await asyncio.sleep(max(0.0, paced * start / 16_000 - (time.monotonic() - began)))
            stream.end_input()

        playing = asyncio.create_task(play())
        async for event in stream:
            if event.type is agents_stt.SpeechEventType.FINAL_TRANSCRIPT:
                texts.append(event.alternatives[0].text)
        await playing
        await stream.aclose()
    return texts


async def test_the_official_pipecat_service_hears_every_word() -> None:
    async with PulseServer(ScriptedRecognizer()) as server:
        assert plain(await through_pipecat(server, two_turns(), paced=0.0)) == SAID
        record = server.connections[0]
        assert record.headers["x-source"] == "pipecat"


async def test_the_official_livekit_stream_hears_every_word() -> None:
    async with PulseServer(ScriptedRecognizer()) as server:
        assert plain(await through_livekit(server, two_turns(), paced=0.0)) == SAID
        assert server.connections[0].headers["x-source"] == "livekit"


async def test_the_official_livekit_upload_hears_every_word() -> None:
    from livekit import rtc
    from livekit.plugins import smallestai

    pcm = two_turns()
    async with PulseServer(ScriptedRecognizer()) as server, aiohttp.ClientSession() as session:
        official = smallestai.STT(
            api_key="k", base_url=server.http_url + "/waves/v1", http_session=session
        )
        event = await official.recognize(rtc.AudioFrame(pcm.tobytes(), 16_000, 1, len(pcm)))
    assert plain([event.alternatives[0].text]) == SAID


@pytest.mark.process
@pytest.mark.parametrize("client", [through_pipecat, through_livekit], ids=["pipecat", "livekit"])
async def test_the_official_clients_hear_real_speech(client: Play) -> None:
    call = recordings.load("booking")
    recognizer = PocketSphinxRecognizer(language_model="bookings")
    try:
        async with PulseServer(recognizer) as server:
            texts = await client(server, call.samples, 0.25)
    finally:
        await recognizer.close()
    assert word_errors(call.text, " ".join(texts)).rate < 0.05
