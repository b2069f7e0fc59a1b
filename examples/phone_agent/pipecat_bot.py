"""The phone agent on Pipecat. `bot(runner_args)` is what the framework's own runner calls.

python -m examples.phone_agent                                  # see `__main__.py`
python -m examples.phone_agent.pipecat_bot -t telnyx -x HOST    # the framework's runner
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.services.stt_service import STTService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from examples.phone_agent.bookings import default_store
from examples.phone_agent.dialogue import Dialogue
from examples.phone_agent.pipecat_services import greeting, make_llm, make_stt, make_tts

TELEPHONE_RATE = 8000  # Hz
MOST_SECONDS = 600.0  # a booking takes about one minute
_PAUSE = 0.5  # seconds of silence that end speech: callers pause between groups of digits
_TURN = 0.2  # seconds more until the caller's turn is over
_GOODBYE = 15.0  # seconds for the last words of a call that was too long


async def run_bot(
    transport: BaseTransport,
    *,
    dialogue: Dialogue,
    rate: int | None = None,
    pulse_url: str | None = None,
    idle_seconds: float | None = 120.0,
    most_seconds: float = MOST_SECONDS,
    observers: list[BaseObserver] | None = None,
    page: RTVIProcessor | None = None,
    on_ready: Callable[[PipelineWorker, STTService], None] | None = None,
) -> None:
    """Answer one call. Returns when the call is over.

    Args:
        transport: The call's audio.
        dialogue: Decides what the agent says.
        rate: The sample rate of both directions in Hz. None: the framework's default.
        pulse_url: The URL of a local Pulse server, as in `make_stt`.
        idle_seconds: The call ends after so much silence from both sides.
        most_seconds: The call ends after this time in any case.
        observers: See every frame, to show or measure the call.
        page: Receives the messages of a page. The agent then greets when the page says that it is
            ready, so that the page can show the greeting. None: the agent greets at once.
        on_ready: Is given the pipeline's worker and its speech-to-text before the call begins.
    """
    context = LLMContext()
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=_PAUSE)),
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=_TURN)]
            ),
        ),
    )
    stt = make_stt(pulse_url)
    llm = make_llm(dialogue, context)
    worker = PipelineWorker(
        Pipeline([transport.input(), stt, user, llm, make_tts(), transport.output(), assistant]),
        params=_params(rate),
        observers=observers or [],
        enable_rtvi=rate != TELEPHONE_RATE,  # messages for a page, which a telephone has not
        enable_turn_tracking=False,
        rtvi_processor=page,
        idle_timeout_secs=idle_seconds,
    )
    runner = WorkerRunner(handle_sigint=False)

    greeted = False

    async def greet(*_: object) -> None:
        nonlocal greeted
        if not greeted:  # a page repeats "client-ready" until it is answered
            greeted = True
            await worker.queue_frames([greeting(dialogue)])

    async def hang_up(*_: object) -> None:
        await worker.cancel()

    if page is None:
        transport.add_event_handler("on_client_connected", greet)
    else:
        page.add_event_handler("on_client_ready", greet)
    transport.add_event_handler("on_client_disconnected", hang_up)
    if on_ready is not None:
        on_ready(worker, stt)
    await runner.add_workers(worker)
    limit = asyncio.create_task(_end_after(worker, most_seconds))
    try:
        await runner.run()
    finally:
        limit.cancel()
    logger.info(f"call over, {'booked' if dialogue.booked else 'nothing booked'}")


async def _end_after(worker: PipelineWorker, seconds: float) -> None:
    """Say goodbye and end the call; cut it off if the goodbye does not end."""
    await asyncio.sleep(seconds)
    logger.warning(f"a call was ended after {seconds:.0f} s")
    await worker.queue_frames([TTSSpeakFrame("I have to end this call. Goodbye."), EndFrame()])
    await asyncio.sleep(_GOODBYE)
    await worker.cancel()


def _params(rate: int | None) -> PipelineParams:
    metered = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
    if rate is None:
        return metered
    return metered.model_copy(update={"audio_in_sample_rate": rate, "audio_out_sample_rate": rate})


def _telephone() -> TransportParams:
    from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

    return FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)


def _browser() -> TransportParams:
    return TransportParams(audio_in_enabled=True, audio_out_enabled=True)


transport_params = {
    "webrtc": _browser,
    "twilio": _telephone,
    "telnyx": _telephone,
    "plivo": _telephone,
    "exotel": _telephone,
}


async def bot(runner_args: RunnerArguments) -> None:
    """Answer one call; the framework's runner calls this function."""
    transport = await create_transport(runner_args, transport_params)
    on_phone = type(runner_args).__name__ == "WebSocketRunnerArguments"
    await run_bot(
        transport,
        dialogue=Dialogue(default_store()),
        rate=TELEPHONE_RATE if on_phone else None,
        idle_seconds=runner_args.pipeline_idle_timeout_secs,
    )


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
