"""Calls through a real `AgentSession`, and what of them reached the language model.

The session is the framework's own. Around it stand a caller who plays a `Call` of
`tests.support.scenarios`, a voice detector that measures energy, a language model that writes down
what it is asked, and a voice of silence. The outcome compares the words that were said with the
words in the chat context.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, LanguageCode, llm, stt, tts, utils, vad
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.agents.voice import io
from livekit.plugins import smallestai

from pulse_plugins.livekit import STT
from tests.support import livekit_time  # noqa: F401 - the session's messages are sorted by time
from tests.support.habits import Habits
from tests.support.peer import Peer
from tests.support.players import Heard, PerfectLine, fail
from tests.support.scenarios import (
    BlackHole,
    Call,
    Change,
    Close,
    Cut,
    EndTurn,
    Frame,
    Mute,
    Outage,
    differences,
)

RATE = 16_000
FRAME = 0.02  # seconds
VAD_SILENCE = 0.55  # seconds; the framework's bundled detector
VAD_SPEECH = 0.05
VAD_LOUD = 3000  # of 32767; a soft caller of `scenarios` is quieter, so the detector is deaf to it

Mode = Literal["vad", "stt", "manual"]
Recognizer = Literal["ours", "official", "perfect"]


@dataclass(frozen=True, slots=True)
class Handoff:
    """Another agent takes over."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The application commits the turn, whatever the mode is."""


@dataclass(frozen=True, slots=True)
class SayNow:
    """The agent says something that the language model was not asked for."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The application interrupts the agent."""


@dataclass(slots=True)
class Outcome:
    """What came of a call.

    Attributes:
        call: What was said.
        messages: The user's messages in the history at the end.
        requests: For each request to the language model, the user's messages that it was given.
        errors: The session's errors that were not recoverable.
        reply_delays: Seconds from the caller's last sound to each reply.
        transcribed: Seconds of audio in the session's usage of its STT.
    """

    call: Call
    messages: list[str] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    reply_delays: list[float] = field(default_factory=list)
    transcribed: float = 0.0

    @property
    def faults(self) -> list[str]:
        """How the history differs from what was said; [] where each turn has all its words."""
        return differences(self.call.turns, self.messages)


class Caller(io.AudioInput):
    """Plays the frames of a call in real time, and then silence.

    Args:
        call: What is said.
        do: Takes each cue that is no frame.
    """

    def __init__(self, call: Call, do: Callable[[object], None]) -> None:
        super().__init__(label="caller")
        timeline = call.timeline(RATE)
        self._cues = deque(timeline.cues())
        self._seconds = timeline.seconds
        self._do = do
        self._began: float | None = None
        self._due = 0.0
        self._attached = True
        self.finished = asyncio.Event()
        self.spoke_at = 0.0  # when the newest loud frame ended
        self.said = 0.0  # seconds of frames so far, those too that a muted session does not get

    async def __anext__(self) -> rtc.AudioFrame:
        if self._began is None:
            self._began = time.time()
        while self._cues:
            self._due, cue = self._cues.popleft()
            await self._until(self._due)
            if isinstance(cue, Frame):
                self.said += FRAME
                if int(np.abs(cue.samples.astype(np.int32)).max()) > VAD_LOUD:
                    self.spoke_at = time.time()
                if self._attached:
                    return _frame(cue.samples.tobytes())
            else:
                self._do(cue)
        if not self.finished.is_set():
            self._due = max(self._due, self._seconds)
            await self._until(self._due)
            self.finished.set()
        while True:
            self._due += FRAME
            await self._until(self._due)
            if self._attached:
                return _frame(bytes(2 * round(FRAME * RATE)))

    def on_attached(self) -> None:
        self._attached = True

    def on_detached(self) -> None:
        self._attached = False

    async def _until(self, due: float) -> None:
        assert self._began is not None
        await asyncio.sleep(max(0.0, self._began + due - time.time()))


def _frame(data: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(data, RATE, 1, len(data) // 2)


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
            loud = np.flatnonzero(
                np.abs(np.frombuffer(frame.data, np.int16).astype(np.int32)) >= VAD_LOUD
            )
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


def user_messages(context: llm.ChatContext) -> list[str]:
    """The user's messages."""
    return [
        item.text_content or ""
        for item in context.items
        if isinstance(item, llm.ChatMessage) and item.role == "user"
    ]


class Voice(tts.TTS[Any]):
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
    """Plays in real time; notes how long the caller waited for each reply."""

    def __init__(self, outcome: Outcome, caller: Caller) -> None:
        super().__init__(
            label="speaker",
            sample_rate=RATE,
            capabilities=io.AudioOutputCapabilities(pause=False),
        )
        self._outcome = outcome
        self._caller = caller
        self._pushed = 0.0
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed:
            self._began = time.time()
            if self._caller.spoke_at:
                self._outcome.reply_delays.append(self._began - self._caller.spoke_at)
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


class PerfectSTT(stt.STT[Literal["metrics_collected", "error"]]):
    """Knows what is said, and is as late as the service: it shows the framework's own limits.

    Args:
        call: What is said.
        latency: Seconds from the audio to its result.
        said: Seconds of frames that the caller has played.
    """

    def __init__(self, call: Call, latency: float, said: Callable[[], float]) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, manual_flush=True
            )
        )
        self._call = call
        self._latency = latency
        self._said = said

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _PerfectStream(self, self._call, self._latency, self._said, conn_options)

    def update_options(self, **_: Any) -> None:
        """Change nothing: there is nothing that could be lost."""

    async def _recognize_impl(self, buffer: utils.AudioBuffer, **_: Any) -> SpeechEvent:
        raise NotImplementedError


class _PerfectStream(stt.RecognizeStream):
    def __init__(
        self,
        owner: PerfectSTT,
        call: Call,
        latency: float,
        said: Callable[[], float],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(stt=owner, conn_options=conn_options)
        self._line = PerfectLine(call, self._tell, latency=latency)
        self._latency = latency
        self._said = said
        self._heard = 0.0
        self._speaking = False

    async def _run(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                said = self._said()
                self._line.hear(said - self._heard)
                self._heard = said
            else:
                self._line.answer()
        await asyncio.sleep(self._latency + 0.01)

    def _tell(self, heard: Heard) -> None:
        if heard.text and not self._speaking:
            self._speaking = True
            self._send(SpeechEventType.START_OF_SPEECH, None)
        if heard.is_final:
            self._send(SpeechEventType.FINAL_TRANSCRIPT, heard.text)
            if self._speaking:
                self._speaking = False
                self._send(SpeechEventType.END_OF_SPEECH, None)
        else:
            self._send(SpeechEventType.INTERIM_TRANSCRIPT, heard.text)

    def _send(self, kind: SpeechEventType, text: str | None) -> None:
        data = [SpeechData(language=LanguageCode("en"), text=text)] if text is not None else []
        if not self._event_ch.closed:
            self._event_ch.send_nowait(SpeechEvent(kind, alternatives=data))


class Conversation:
    """One call through one session.

    Args:
        call: What happens.
        recognizer: Which STT listens.
        mode: The framework's turn detection. In `manual` each `EndTurn` is a commit.
        habits: Of the server.
        preemptive: Whether replies may begin before the turn is committed.
        push_to_talk: In `manual`, the microphone is on only while the caller has a turn.
        reply_seconds: How long the agent speaks.
        turn_handling: More of the framework's options.
        options: Of our STT.
        session_options: Of the `AgentSession`.
    """

    def __init__(
        self,
        call: Call,
        recognizer: Recognizer = "ours",
        mode: Mode = "vad",
        habits: Habits | None = None,
        *,
        preemptive: bool = True,
        push_to_talk: bool = False,
        reply_seconds: float = 0.5,
        turn_handling: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        session_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._call = call
        self._recognizer = recognizer
        self._mode = mode
        self._habits = habits or Habits()
        self._push_to_talk = push_to_talk
        self._reply_seconds = reply_seconds
        self._turn_handling = {
            "turn_detection": mode,
            "preemptive_generation": {"enabled": preemptive},
            "interruption": {"mode": "vad"},
            **(turn_handling or {}),
        }
        self._options = options or {}
        self._session_options = session_options or {}
        self._tasks: list[asyncio.Task[Any]] = []
        self.outcome = Outcome(call)

    async def hold(self) -> Outcome:
        """Play the call, close the session, and tell what came of it."""
        async with Peer(self._habits) as server, http_context():
            self._server = server
            self._stt = self._make_stt(server)
            await self._converse()
            await self._stt.aclose()
        return self.outcome

    def _make_stt(self, server: Peer) -> stt.STT[Any]:
        match self._recognizer:
            case "ours":
                return STT(base_url=server.url, **self._options)
            case "official":
                url = server.url.replace("ws:", "http:")
                return smallestai.STT(api_key="k", base_url=url)
            case "perfect":
                latency = self._habits.latency
                assert isinstance(latency, int | float)
                return PerfectSTT(self._call, latency, lambda: self._caller.said)

    async def _converse(self) -> None:
        outcome = self.outcome
        self._session: AgentSession[None] = AgentSession(
            stt=self._stt,
            vad=EnergyVAD(),
            llm=Model(outcome),
            tts=Voice(self._reply_seconds),
            aec_warmup_duration=None,
            user_away_timeout=None,
            turn_handling=self._turn_handling,  # type: ignore[arg-type]
            **self._session_options,
        )
        self._caller = caller = Caller(self._call, self._do)
        self._session.input.audio = caller
        self._session.output.audio = Speaker(outcome, caller)
        self._session.on("error", self._note_error)
        await self._session.start(Listener(), record=False)
        if self._push_to_talk:
            self._session.input.set_audio_enabled(True)
        await caller.finished.wait()
        await asyncio.gather(*self._tasks)
        await self._session.aclose()
        outcome.messages = [text for text in user_messages(self._session.history) if text]
        used = [each for each in self._session.usage.model_usage if each.type == "stt_usage"]
        outcome.transcribed = sum(each.audio_duration for each in used)

    def _do(self, cue: object) -> None:
        match cue:
            case EndTurn() if self._mode == "manual":
                self._tasks.append(asyncio.create_task(self._commit()))
            case Commit():
                self._tasks.append(asyncio.create_task(self._commit()))
            case Mute(on):
                self._session.input.set_audio_enabled(not on)
            case Change(options):
                self._stt.update_options(**options)  # type: ignore[attr-defined]
            case Handoff():
                self._session.update_agent(Listener())
            case SayNow():
                self._session.say("One more thing.")
            case Interrupt():
                self._session.interrupt()
            case Cut() | Outage() | BlackHole() | Close():
                self._tasks.append(asyncio.create_task(fail(self._server, cue)))

    async def _commit(self) -> None:
        if self._push_to_talk:
            self._session.input.set_audio_enabled(False)
            asyncio.get_running_loop().call_later(1.0, self._press)
        with suppress(asyncio.CancelledError):  # the commit of the next turn replaces it
            await self._session.commit_user_turn(transcript_timeout=5.0)

    def _press(self) -> None:
        self._session.input.set_audio_enabled(True)

    def _note_error(self, event: Any) -> None:
        if not getattr(event.error, "recoverable", True):
            self.outcome.errors.append(str(event.error))


@asynccontextmanager
async def http_context() -> AsyncIterator[None]:
    """What the official plugin needs for its HTTP session."""
    async with utils.http_context.open():
        yield
