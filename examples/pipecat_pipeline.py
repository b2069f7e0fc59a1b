"""A Pipecat bot that listens with Pulse. It also runs on a file, without a key or a network.

    python examples/pipecat_pipeline.py --file            # the shipped call, recognized offline
    python examples/pipecat_pipeline.py --file call.wav   # your own WAV, FLAC or OGG file
    python examples/pipecat_pipeline.py -t webrtc         # talk to the bot in a browser
    python examples/pipecat_pipeline.py -t twilio -x HOST # or on the telephone

With `--file`, the recording passes through Silero VAD, Pulse and the user turns in real time. The
program prints the transcript as it grows, each turn as it ends, and how long after the end of
speech the turn ended. Pulse is the local server of this package, unless PULSE_URL names another
server (set SMALLEST_API_KEY if that is the cloud).

A bot needs SMALLEST_API_KEY and `pipecat-ai[runner,webrtc]`. This one prints what it hears. Put
your LLM and TTS between the aggregators and `transport.output()` for a bot that answers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transcriptions.language import Language
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pulse_plugins.pipecat import PulseSTTService

FRAME = 0.02  # seconds


def telephone() -> TransportParams:
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    return FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)


transport_params = {
    "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    "twilio": telephone,
    "telnyx": telephone,
}


class Notebook(FrameProcessor):
    """Prints what was said, and when a turn was over."""

    def __init__(self) -> None:
        super().__init__()
        self._speech_ended = time.time()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Print a frame, and pass it on."""
        await super().process_frame(frame, direction)
        match frame:
            case InterimTranscriptionFrame():
                print(f"   {frame.text}", flush=True)
            case TranscriptionFrame():
                print(f"heard: {frame.text}", flush=True)
            case VADUserStoppedSpeakingFrame():
                self._speech_ended = frame.timestamp - frame.stop_secs
            case UserStoppedSpeakingFrame():
                waited = time.time() - self._speech_ended
                print(f"turn over, {waited:.2f} s after the end of speech\n", flush=True)
        await self.push_frame(frame, direction)


def listening(stt: PulseSTTService) -> list[FrameProcessor]:
    """The processors that find turns in audio. With an LLM, the user aggregator ends the turns."""
    stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.4)
    return [
        VADProcessor(vad_analyzer=SileroVADAnalyzer()),
        stt,
        UserTurnProcessor(user_turn_strategies=UserTurnStrategies(stop=[stop])),
        Notebook(),
    ]


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    stt = PulseSTTService(settings=PulseSTTService.Settings(language=Language.EN))
    worker = PipelineWorker(
        Pipeline([transport.input(), *listening(stt), transport.output()]),
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        processor_unusable_policy=ProcessorUnusablePolicy.END,
        idle_timeout_secs=runner_args.pipeline_idle_timeout_secs,
    )
    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)

    async def on_client_disconnected(_: BaseTransport, __: object) -> None:
        await runner.cancel()

    transport.add_event_handler("on_client_disconnected", on_client_disconnected)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Answer one caller; Pipecat's runner calls this function."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


@asynccontextmanager
async def pulse_url() -> AsyncIterator[str]:
    """The URL of the server that PULSE_URL names, or of a local server that runs meanwhile."""
    named = os.environ.get("PULSE_URL")
    if named:
        yield named
        return

    from pulse_plugins.local import PulseServer

    async with PulseServer() as local:
        yield local.url


async def play(path: Path, worker: PipelineWorker) -> None:
    """Put a recording and 2 s of silence into the pipeline in real time, then end the pipeline."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    size = round(rate * FRAME)
    audio = samples.mean(axis=1).astype("<i2").tobytes() + bytes(2 * 2 * rate)
    began = time.monotonic()
    for sent in range(0, len(audio) // 2, size):
        await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
        piece = audio[2 * sent : 2 * (sent + size)]
        await worker.queue_frame(InputAudioRawFrame(piece, rate, 1))
    await worker.queue_frame(EndFrame())


async def listen(path: Path) -> None:
    """Run the pipeline on a recording."""
    import soundfile

    rate = soundfile.info(path).samplerate
    async with pulse_url() as url:
        worker = PipelineWorker(
            Pipeline(listening(PulseSTTService(base_url=url))),
            params=PipelineParams(audio_in_sample_rate=rate if rate in (8000, 16000) else 16000),
        )

        async def on_pipeline_started(_: PipelineWorker, __: Frame) -> None:
            started.set()

        async def play_when_started() -> None:
            await started.wait()
            await play(path, worker)

        started = asyncio.Event()
        worker.add_event_handler("on_pipeline_started", on_pipeline_started)
        runner = WorkerRunner()
        await runner.add_workers(worker)
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(play_when_started())
            await runner.run()  # to the end of the recording, or to Ctrl-C
            playing.cancel()


def main() -> None:
    if "--file" not in sys.argv:
        try:
            from pipecat.runner.run import main as run
        except ModuleNotFoundError as error:
            raise SystemExit(
                f"a bot needs {error.name}: python -m pip install 'pipecat-ai[runner,webrtc]'; "
                "with --file the program plays a recording"
            ) from None

        run()
        return
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    parser = argparse.ArgumentParser(description="Listen to a recording.")
    parser.add_argument("--file", nargs="?", type=Path, help="default: the shipped call")
    path = parser.parse_args().file
    if path is None:
        from pulse_plugins.local import recordings

        path = recordings.load("booking").path
    import soundfile

    try:
        soundfile.info(path)
    except soundfile.LibsndfileError as error:
        parser.error(f"{path} cannot be read: {error.error_string}")
    try:
        asyncio.run(listen(path))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
