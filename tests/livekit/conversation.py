"""Calls through a real `AgentSession`, and what of them reached the language model.

The session is the framework's own. Around it stand a caller who plays a `Call` of
`tests.support.scenarios`, a voice detector that measures energy, a language model that writes down
what it is asked, and a voice of silence. The outcome compares the words that were said with the
words in the chat context.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from livekit.agents import AgentSession, stt, utils
from livekit.plugins import smallestai

from pulse_plugins.livekit import STT
from tests.livekit.caller import Caller, EnergyVAD
from tests.livekit.outcome import Outcome, user_messages
from tests.livekit.perfect_stt import PerfectSTT
from tests.livekit.replies import Listener, Model, Speaker, Voice
from tests.support import livekit_time  # noqa: F401 - the session's messages are sorted by time
from tests.support.habits import Habits
from tests.support.peer import Peer
from tests.support.players import fail
from tests.support.scenarios import BlackHole, Call, Change, Close, Cut, EndTurn, Mute, Outage

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
        commit_seconds: How long a commit waits for its FINAL.
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
        commit_seconds: float = 5.0,
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
        self._commit_seconds = commit_seconds
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
            llm=Model(outcome.requests.append),
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
            await self._session.commit_user_turn(transcript_timeout=self._commit_seconds)

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
