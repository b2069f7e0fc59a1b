"""The agent's side: a model that tells what it is asked, a voice of silence, a speaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import Agent, llm, tts, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
)
from livekit.agents.voice import io

from tests.livekit.caller import RATE, Caller
from tests.livekit.outcome import Outcome, user_messages


class Model(llm.LLM[Any]):
    """Answers the same to everything.

    Args:
        note: Called with the user's messages of each request.
        seconds: How long an answer takes.
    """

    def __init__(self, note: Callable[[list[str]], object], seconds: float = 0.2) -> None:
        super().__init__()
        self._note = note
        self.seconds = seconds

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
        self._note(user_messages(chat_ctx))
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, Model)
        await asyncio.sleep(self._llm.seconds)
        delta = llm.ChoiceDelta(role="assistant", content="One moment please.")
        self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))


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
