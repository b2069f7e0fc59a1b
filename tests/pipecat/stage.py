"""Holds a conversation through Pipecat's own turn logic.

Everything between the caller's audio and the LLM is the framework's own: aggregators, turn
strategies, mute strategies, interruptions. The STT service is the one under test; the LLM and the
bot's voice are a stub that answers each request after a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from unittest import mock

import numpy as np
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, BaseTurnParams, EndOfTurnState
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADState
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import MetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_mute import (
    AlwaysUserMuteStrategy,
    BaseUserMuteStrategy,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
)
from pipecat.turns.user_start import (
    BaseUserTurnStartStrategy,
    MinWordsUserTurnStartStrategy,
    TranscriptionUserTurnStartStrategy,
    VADUserTurnStartStrategy,
    WakePhraseUserTurnStartStrategy,
)
from pipecat.turns.user_stop import (
    BaseUserTurnStopStrategy,
    LLMTurnCompletionUserTurnStopStrategy,
    SpeechTimeoutUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
    deferred,
)
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from tests.pipecat.conversation import Conversation, Do, Outcome, Plan, plan
from tests.pipecat.tone_server import RATE
from tests.support.scenarios import NoAudio

FRAME = 0.04  # seconds of audio in a frame
_VAD_HEARS = 4000  # of 32767: a soft caller is below
_VAD_SECONDS = 0.2  # the framework's default, to start and to stop


class ScriptedVAD(VADAnalyzer):
    """Hears what is loud, after the framework's default times."""

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE)
        self._state = VADState.QUIET
        self._other = 0.0  # seconds that it was otherwise

    def num_frames_required(self) -> int:
        return round(FRAME * RATE)

    def voice_confidence(self, buffer: bytes) -> float:
        return float(np.abs(np.frombuffer(buffer, np.int16)).max(initial=0) > _VAD_HEARS)

    async def analyze_audio(self, buffer: bytes) -> VADState:
        loud = bool(self.voice_confidence(buffer))
        is_other = loud != (self._state is VADState.SPEAKING)
        self._other = self._other + len(buffer) / 2 / RATE if is_other else 0.0
        if self._other >= _VAD_SECONDS - 1e-6:
            self._state = VADState.SPEAKING if loud else VADState.QUIET
            self._other = 0.0
        return self._state


class KnowingAnalyzer(BaseTurnAnalyzer):
    """A turn detector that is always right."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        super().__init__(sample_rate=RATE)
        self._is_over = is_over

    @property
    def speech_triggered(self) -> bool:
        return False

    @property
    def params(self) -> BaseTurnParams:
        return BaseTurnParams()

    def append_audio(self, buffer: bytes, is_speech: bool) -> EndOfTurnState:
        return EndOfTurnState.INCOMPLETE

    async def analyze_end_of_turn(self) -> tuple[EndOfTurnState, MetricsData | None]:
        state = EndOfTurnState.COMPLETE if self._is_over() else EndOfTurnState.INCOMPLETE
        return state, None

    def clear(self) -> None:
        pass


def user_messages(context: LLMContext) -> list[str]:
    messages = [each for each in context.get_messages() if isinstance(each, dict)]
    return [str(each["content"]) for each in messages if each["role"] == "user"]


class Bot(FrameProcessor):
    """LLM, voice and output in one: remembers the context of each request and replies."""

    def __init__(self, seconds: float, function_call: float, *, completes: bool) -> None:
        super().__init__()
        self._seconds = seconds
        self._function_call = function_call
        self._completes = completes
        self._speaking: asyncio.Task[None] | None = None
        self.requests: list[list[str]] = []  # the user's messages

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            messages = frame.context.get_messages()
            if isinstance(messages[-1], dict) and messages[-1]["role"] == "developer":
                return  # the framework's own answer to a turn without words
            self.requests.append(user_messages(frame.context))
            await self._reply()
            return
        if isinstance(frame, InterruptionFrame):
            await self.hush()
        await self.push_frame(frame, direction)

    async def _reply(self) -> None:
        if self._completes:
            await self.broadcast_frame(UserTurnInferenceCompletedFrame)
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame("yes"))
        await self.push_frame(LLMFullResponseEndFrame())
        self.speak(self._seconds, after=0.3)

    def speak(self, seconds: float, *, after: float = 0.0) -> None:
        if self._speaking is None:
            self._speaking = self.create_task(self._speak(seconds, after))

    async def _speak(self, seconds: float, after: float) -> None:
        if self._function_call:
            call = FunctionCallFromLLM("look", "1", {}, LLMContext())
            await self.push_frame(FunctionCallsStartedFrame([call]), FrameDirection.UPSTREAM)
            await asyncio.sleep(self._function_call)
            self._function_call = 0.0
            await self.push_frame(
                FunctionCallResultFrame("look", "1", {}, ""), FrameDirection.UPSTREAM
            )
        await asyncio.sleep(after)
        await self.broadcast_frame(BotStartedSpeakingFrame)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._speaking = None
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def hush(self) -> None:
        if self._speaking is not None:
            task, self._speaking = self._speaking, None
            await self.cancel_task(task)


class Clock:
    """Where the caller is in the conversation."""

    def __init__(self, planned: Plan) -> None:
        self._planned = planned
        self.started = asyncio.get_running_loop().time()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.started

    def turn_is_over(self) -> bool:
        """Whether nobody speaks before the next reply."""
        spoken = [word for word in self._planned.words if word.start < self.now]
        return not spoken or self.now >= self._planned.turn_ends[spoken[-1].turn] - 1e-6


Service = Callable[[Conversation, Plan, str, Clock], FrameProcessor]


async def converse(conversation: Conversation, service: Service, url: str) -> Outcome:
    """Hold the conversation.

    Args:
        conversation: What to say.
        service: Makes the STT service under test.
        url: Of the server.
    """
    planned = plan(conversation.steps)
    clock = Clock(planned)
    stt = service(conversation, planned, url, clock)
    context = LLMContext()
    pair = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=None if conversation.server_turns else ScriptedVAD(),
            user_turn_strategies=_strategies(conversation, clock),
            user_mute_strategies=[_MUTES[name]() for name in conversation.mute.split("+") if name],
        ),
    )
    bot = Bot(
        conversation.bot, conversation.function_call, completes=conversation.stop == "completion"
    )
    worker = PipelineWorker(
        Pipeline([stt, pair.user(), bot, pair.assistant()]),
        enable_rtvi=False,
        enable_turn_tracking=False,  # each observer sees every frame, which nobody asks for here
        idle_timeout_secs=None,
        params=PipelineParams(audio_in_sample_rate=RATE),
    )
    with _timestamps_of_the_loop():
        await _call(worker, planned, clock, bot, conversation.greeting)
    said = conversation.habits.secrets if conversation.settings.get("redact_pii") else frozenset()
    turns = [
        [f"[NAME_{number}]" if number in said else f"w{number}" for number in turn]
        for turn in planned.turns
    ]
    *requests, rest = _new_words([*bot.requests, user_messages(context)])
    return Outcome(turns, [*requests, rest] if rest else requests)


@contextmanager
def _timestamps_of_the_loop() -> Iterator[None]:
    """Stamp VAD frames with virtual time: their default is the real `time.time`, taken early."""
    with ExitStack() as stack:
        for kind in (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame):
            stack.enter_context(mock.patch.object(kind, "__post_init__", _stamp))
        yield


def _stamp(frame: VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame) -> None:
    Frame.__post_init__(frame)  # type: ignore[no-untyped-call]
    frame.timestamp = time.time()


async def _call(
    worker: PipelineWorker, planned: Plan, clock: Clock, bot: Bot, greeting: float
) -> None:
    started, finished = asyncio.Event(), asyncio.Event()

    async def on_pipeline_started(_: PipelineWorker, __: Frame) -> None:
        started.set()

    async def on_pipeline_finished(_: PipelineWorker, __: Frame) -> None:
        finished.set()

    worker.add_event_handler("on_pipeline_started", on_pipeline_started)
    worker.add_event_handler("on_pipeline_finished", on_pipeline_finished)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        await asyncio.wait_for(started.wait(), 30)
        clock.started = asyncio.get_running_loop().time()
        if greeting:
            bot.speak(greeting)
        await _speak(worker, planned, clock)
        await worker.queue_frame(EndFrame())
        await asyncio.wait_for(finished.wait(), 60)
    finally:
        if not running.done():
            await runner.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def _speak(worker: PipelineWorker, planned: Plan, clock: Clock) -> None:
    size = round(FRAME * RATE)
    rest = np.empty(0, np.int16)
    at = 0.0
    for chunk in planned.chunks:
        if isinstance(chunk, NoAudio):
            at += chunk.seconds
            continue
        if isinstance(chunk, Do):
            await asyncio.sleep(at + rest.size / RATE - clock.now)
            await worker.queue_frame(chunk.frame())
            continue
        rest = np.concatenate((rest, chunk))
        while rest.size >= size:
            at += FRAME
            await asyncio.sleep(at - clock.now)
            await worker.queue_frame(InputAudioRawFrame(rest[:size].tobytes(), RATE, 1))
            rest = rest[size:]


def _new_words(requests: list[list[str]]) -> Iterator[list[str]]:
    known = 0
    for messages in requests:
        words = [word for message in messages for word in message.split()]
        yield words[known:]
        known = len(words)


_MUTES: dict[str, type[BaseUserMuteStrategy]] = {
    "always": AlwaysUserMuteStrategy,
    "first speech": FirstSpeechUserMuteStrategy,
    "until first": MuteUntilFirstBotCompleteUserMuteStrategy,
    "function call": FunctionCallUserMuteStrategy,
}

_STARTS: dict[str, Callable[[], BaseUserTurnStartStrategy]] = {
    "vad": VADUserTurnStartStrategy,
    "transcription": TranscriptionUserTurnStartStrategy,
    "final": lambda: TranscriptionUserTurnStartStrategy(use_interim=False),
    "3 words": lambda: MinWordsUserTurnStartStrategy(min_words=3),
    "3 final words": lambda: MinWordsUserTurnStartStrategy(min_words=3, use_interim=False),
    "wake phrase": lambda: WakePhraseUserTurnStartStrategy(phrases=["w1 w2"], timeout=60.0),
}


def _stops(name: str, clock: Clock) -> list[BaseUserTurnStopStrategy]:
    match name:
        case "analyzer":
            return [TurnAnalyzerUserTurnStopStrategy(turn_analyzer=_knowing(clock))]
        case "completion":
            return [
                deferred(TurnAnalyzerUserTurnStopStrategy(turn_analyzer=_knowing(clock))),
                LLMTurnCompletionUserTurnStopStrategy(),
            ]
        case _:
            return [SpeechTimeoutUserTurnStopStrategy()]


def _knowing(clock: Clock) -> KnowingAnalyzer:
    return KnowingAnalyzer(clock.turn_is_over)


def _strategies(conversation: Conversation, clock: Clock) -> UserTurnStrategies | None:
    if conversation.server_turns:
        return None  # what the service recommends
    return UserTurnStrategies(
        start=[_STARTS[name]() for name in conversation.start.split("+")],
        stop=_stops(conversation.stop, clock),
    )
