"""The phone agent on Pipecat, by the framework's `bot(runner_args)` convention.

python -m examples.phone_agent                    # all of it offline; see `__main__.py`
python -m examples.phone_agent.pipecat_bot -t twilio -x HOST    # the framework's own runner
"""

from __future__ import annotations

from collections.abc import Callable

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
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
_PAUSE = 0.5  # seconds of silence that end speech: callers pause between groups of digits
_TURN = 0.2  # seconds more until the caller's turn is over


async def run_bot(
    transport: BaseTransport,
    *,
    dialogue: Dialogue,
    rate: int | None = None,
    pulse_url: str | None = None,
    idle_seconds: float | None = 120.0,
    observers: list[BaseObserver] | None = None,
    on_ready: Callable[[PipelineWorker, STTService], None] | None = None,
) -> None:
    """Answer one call; returns when it is over.

    Args:
        transport: The call's audio.
        dialogue: What is said.
        rate: Hz of both directions, such as `TELEPHONE_RATE`; None: the framework's.
        pulse_url: A local Pulse server, as in `make_stt`.
        idle_seconds: Of silence from both sides after which the call ends.
        observers: See every frame, to show or measure the call.
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
        idle_timeout_secs=idle_seconds,
    )
    runner = WorkerRunner(handle_sigint=False)

    async def on_client_connected(_: BaseTransport, __: object) -> None:
        await worker.queue_frames([greeting(dialogue)])

    async def on_client_disconnected(_: BaseTransport, __: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", on_client_connected)
    transport.add_event_handler("on_client_disconnected", on_client_disconnected)
    if on_ready is not None:
        on_ready(worker, stt)
    await runner.add_workers(worker)
    await runner.run()
    logger.info(f"call over, {'booked' if dialogue.booked else 'nothing booked'}")


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
    """What the framework's runner calls for each call."""
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
