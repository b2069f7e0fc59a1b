"""What stands around an `AgentSession`: a voice detector, a language model, a voice, an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, llm, tts, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions

RATE = 16_000
FRAME = 0.02  # seconds
VAD_SILENCE = 0.55  # seconds; the framework's bundled detector
VAD_SPEECH = 0.05
VAD_LOUD = 3000  # of 32767; a soft caller of `scenarios` is quieter, so the detector is deaf to it


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


def user_messages(context: llm.ChatContext) -> list[str]:
    """The user's messages."""
    return [
        item.text_content or ""
        for item in context.items
        if isinstance(item, llm.ChatMessage) and item.role == "user"
    ]


class Voice(tts.TTS[Any]):
    """So many seconds of silence for any text."""

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


class Listener(Agent):
    """The agent, or the one that takes over at a handoff."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
