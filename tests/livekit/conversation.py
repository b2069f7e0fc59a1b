"""Conversations with a real `AgentSession`, and what of them reached the language model.

A conversation is data: what the caller says, pauses and does, and where each turn ends. The
session is the framework's own, with a scripted caller, a voice detector that measures energy, a
language model that writes down what it is asked and a voice of silence. The result compares the
words that were said with the words in the chat context.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions
from livekit.agents.voice import io
from numpy.typing import NDArray

from tests.livekit.late_server import LOUD, NOISE, RATE, samples_of, spell

FRAME = 0.05  # seconds; what a room gives
VAD_SILENCE = 0.55  # seconds; the framework's bundled detector
VAD_SPEECH = 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the caller does.

    Attributes:
        kind: `say` words, `cough` and `pause` for seconds, `mute` for seconds without frames,
            `turn` ends a turn, any other name is an action.
        amount: Words or seconds.
    """

    kind: str
    amount: float = 0.0


def say(words: int) -> Step:
    """Say so many new words, 0.3 s each."""
    return Step("say", words)


def pause(seconds: float) -> Step:
    """Be silent."""
    return Step("pause", seconds)


def mute(seconds: float) -> Step:
    """Send nothing at all."""
    return Step("mute", seconds)


def cough(seconds: float = 0.2) -> Step:
    """Make a loud noise without words."""
    return Step("cough", seconds)


def act(name: str) -> Step:
    """Do something to the session, the STT or the server at this moment."""
    return Step(name)


TURN = Step("turn")


@dataclass(slots=True)
class Outcome:
    """What came of a conversation.

    Attributes:
        said: The words of each turn.
        messages: The user's messages in the history at the end, as words.
        requests: For each request to the language model, the user's messages that it was given.
        errors: The session's errors that were not recoverable.
        replies: How often the agent spoke.
    """

    said: list[list[str]]
    messages: list[list[str]] = field(default_factory=list)
    requests: list[list[list[str]]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    replies: int = 0

    @property
    def lost(self) -> list[str]:
        """Words that are in no message."""
        there = {word for message in self.messages for word in message}
        return [word for turn in self.said for word in turn if word not in there]

    @property
    def doubled(self) -> list[str]:
        """Words that are in the messages more than once."""
        there = [word for message in self.messages for word in message]
        return sorted({word for word in there if there.count(word) > 1})

    @property
    def fault(self) -> str:
        """What is wrong, in a few words; empty where each turn has all its words once."""
        if self.lost:
            return f"{len(self.lost)} lost"
        if self.doubled:
            return f"{len(self.doubled)} doubled"
        wanted = [turn for turn in self.said if turn]
        if self.messages != wanted:
            shape = "+".join(str(len(message)) for message in self.messages)
            return f"split {shape}"
        return ""


class Caller(io.AudioInput):
    """Performs the steps in real time, then is silent."""

    def __init__(self, steps: Sequence[Step], do: Callable[[str], None]) -> None:
        super().__init__(label="caller")
        self._do = do
        self._pending: deque[NDArray[np.int16] | str | float] = deque(_pieces(steps))
        self._rest = np.empty(0, np.int16)
        self._due: float | None = None
        self.finished = asyncio.Event()
        self.attached = True

    async def __anext__(self) -> rtc.AudioFrame:
        size = round(FRAME * RATE)
        while len(self._rest) < size:
            if not self._pending:
                self.finished.set()
                self._rest = np.zeros(size, np.int16)
                break
            piece = self._pending.popleft()
            if isinstance(piece, str):
                await self._until(len(self._rest) / RATE)
                self._do(piece)
            elif isinstance(piece, float):
                await self._until(0.0)
                self._due = (self._due or 0.0) + piece
                await self._until(0.0)
            else:
                self._rest = np.concatenate((self._rest, piece))
        now = self._rest[:size]
        self._rest = self._rest[size:]
        await self._until(FRAME)
        self._due = (self._due or 0.0) + FRAME
        return rtc.AudioFrame(now.tobytes(), RATE, 1, len(now))

    async def _until(self, more: float) -> None:
        if self._due is None:
            self._due = time.time()
        await asyncio.sleep(max(0.0, self._due + more - time.time()))


def _pieces(steps: Sequence[Step]) -> Iterator[NDArray[np.int16] | str | float]:
    number = 0
    for step in steps:
        match step.kind:
            case "say":
                for _ in range(int(step.amount)):
                    yield samples_of([number])
                    number += 1
            case "pause":
                yield np.zeros(round(step.amount * RATE), np.int16)
            case "mute":
                yield float(step.amount)
            case "cough":
                yield np.full(round(step.amount * RATE), NOISE, np.int16)
            case "turn":
                yield "turn"
            case action:
                yield action


def words_said(steps: Sequence[Step]) -> list[list[str]]:
    """The words of each turn."""
    turns: list[list[str]] = [[]]
    number = 0
    for step in steps:
        if step.kind == "say":
            turns[-1] += [spell(number + index) for index in range(int(step.amount))]
            number += int(step.amount)
        elif step.kind == "turn":
            turns.append([])
    return [turn for turn in turns if turn]


class EnergyVAD(vad.VAD):
    """Hears speech where samples are loud."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME))

    def stream(self) -> vad.VADStream:
        return _EnergyStream(self)


class _EnergyStream(vad.VADStream):
    async def _main_task(self) -> None:
        speaking, speech, silence, at = False, 0.0, 0.0, 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                speaking, speech, silence = False, 0.0, 0.0
                continue
            at += frame.duration
            loud = np.flatnonzero(np.abs(np.frombuffer(frame.data, np.int16)) >= LOUD)
            if len(loud):
                silence = (frame.samples_per_channel - 1 - int(loud[-1])) / RATE
                speech += frame.duration
            else:
                silence += frame.duration
                speech = speech if speaking else 0.0
            kind = vad.VADEventType.INFERENCE_DONE
            self._tell(kind, at, speech, silence, speaking)
            if not speaking and speech >= VAD_SPEECH:
                speaking = True
                self._tell(vad.VADEventType.START_OF_SPEECH, at, speech, 0.0, True)
            elif speaking and silence >= VAD_SILENCE:
                speaking = False
                self._tell(vad.VADEventType.END_OF_SPEECH, at, speech, silence, False)
                speech = 0.0

    def _tell(
        self, kind: vad.VADEventType, at: float, speech: float, silence: float, speaking: bool
    ) -> None:
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=round(at * RATE),
                timestamp=at,
                speech_duration=speech,
                silence_duration=silence,
                speaking=speaking,
                raw_accumulated_speech=speech if silence < FRAME else 0.0,
                raw_accumulated_silence=silence,
            )
        )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class Model(llm.LLM[Any]):
    """Answers after 0.2 s; writes down what it was asked."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: Any = NOT_GIVEN,
        tool_choice: Any = NOT_GIVEN,
        extra_kwargs: Any = NOT_GIVEN,
    ) -> llm.LLMStream:
        self._outcome.requests.append(user_messages(chat_ctx))
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        await asyncio.sleep(0.2)
        delta = llm.ChoiceDelta(role="assistant", content="One moment please.")
        self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))


def user_messages(context: llm.ChatContext) -> list[list[str]]:
    """The words of each of the user's messages."""
    return [
        _words(item.text_content or "")
        for item in context.items
        if isinstance(item, llm.ChatMessage) and item.role == "user"
    ]


class Voice(tts.TTS):
    """Half a second of silence for any text."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self.seconds = seconds

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Chunks(tts=self, input_text=text, conn_options=conn_options)


class _Chunks(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, Voice)
        output_emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(bytes(2 * round(self._tts.seconds * RATE)))
        output_emitter.flush()


class Speaker(io.AudioOutput):
    """Plays in real time; counts what was begun."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(
            label="speaker",
            sample_rate=RATE,
            capabilities=io.AudioOutputCapabilities(pause=False),
        )
        self._outcome = outcome
        self._pushed = 0.0
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed:
            self._began = time.time()
            self._outcome.replies += 1
            self.on_playback_started(created_at=self._began)
        self._pushed += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._pushed:
            left = max(0.0, self._began + self._pushed - time.time())
            self._timer = asyncio.get_running_loop().call_later(left, self._finish, False)

    def clear_buffer(self) -> None:
        if self._pushed:
            self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        played = min(self._pushed, time.time() - self._began)
        self._pushed = 0.0
        self.on_playback_finished(playback_position=played, interrupted=interrupted)


class Listener(Agent):
    """The agent, or the one that takes over at a handoff."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")


@dataclass(slots=True)
class Running:
    """What the actions of a conversation may use."""

    session: AgentSession[None]
    outcome: Outcome
    stt: stt.STT[Any]
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def spawn(self, work: Any) -> None:
        self.tasks.append(asyncio.create_task(work))


Actions = dict[str, Callable[[Running], None]]


async def _commit(running: Running, detached: bool) -> None:
    future = running.session.commit_user_turn(transcript_timeout=5.0)
    running.outcome.commits.append(await future)


def _release(running: Running) -> None:
    running.session.input.set_audio_enabled(False)
    running.spawn(_commit(running, True))


ACTIONS: Actions = {
    "commit": lambda running: running.spawn(_commit(running, False)),
    "press": lambda running: running.session.input.set_audio_enabled(True),
    "release": _release,
    "handoff": lambda running: running.session.update_agent(Listener()),
    "turn": lambda running: None,
}


async def converse(
    steps: Sequence[Step],
    recognizer: stt.STT[Any],
    *,
    mode: str = "vad",
    preemptive: bool = True,
    actions: Actions | None = None,
    close_after: float = 3.0,
    reply_seconds: float = 0.5,
    turn_handling: dict[str, Any] | None = None,
    use_vad: bool = True,
    **arguments: Any,
) -> Outcome:
    """Hold a conversation, close the session, and tell what came of it.

    Args:
        steps: What the caller does.
        recognizer: The STT under test; it is not closed.
        mode: The framework's turn detection.
        preemptive: Whether replies may begin before the turn is committed.
        actions: More actions by name.
        close_after: Seconds of silence between the last step and the close.
        reply_seconds: How long the agent speaks.
        turn_handling: More of the framework's turn handling options.
        use_vad: Whether the session has a voice detector.
        arguments: For `AgentSession`.
    """
    outcome = Outcome(words_said(steps))
    known = {**ACTIONS, **(actions or {})}
    session: AgentSession[None] = AgentSession(
        stt=recognizer,
        vad=EnergyVAD() if use_vad else None,
        llm=Model(outcome),
        tts=Voice(reply_seconds),
        aec_warmup_duration=None,
        user_away_timeout=None,
        turn_handling={
            "turn_detection": mode,
            "preemptive_generation": {"enabled": preemptive},
            "interruption": {"mode": "vad"},
            **(turn_handling or {}),
        },
        **arguments,
    )
    running = Running(session, outcome, recognizer)
    caller = Caller(steps, lambda name: known[name](running))
    session.input.audio = caller
    session.output.audio = Speaker(outcome)
    session.on("error", lambda event: _note_error(outcome, event))
    await session.start(Listener(), record=False)
    await caller.finished.wait()
    await asyncio.sleep(close_after)
    await asyncio.gather(*running.tasks)
    await session.aclose()
    outcome.messages = [words for words in user_messages(session.history) if words]
    return outcome


def _note_error(outcome: Outcome, event: Any) -> None:
    if not getattr(event.error, "recoverable", True):
        outcome.errors.append(str(event.error))


@asynccontextmanager
async def http_context() -> AsyncIterator[None]:
    """What the official plugin needs for its HTTP session."""
    async with utils.http_context.open():
        yield
