"""A recognizer that knows the truth and is as late as the service: the framework's own limits.

It hears the words in the frames, shows all words of the open utterance as interims, and gives one
FINAL when it is asked for the words, or, where it ends turns itself, when the caller has been
silent for `window` seconds. A fault that it has too is a limit of the framework.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import numpy as np
from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, LanguageCode, stt
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer

from tests.livekit.late_server import LOUD, MOST_WORDS, RATE, WORD, spell


class PerfectSTT(stt.STT[Literal["metrics_collected", "error"]]):
    """Results are `latency` seconds late; `ends_turns` is for the session mode `stt`."""

    def __init__(self, latency: float, *, ends_turns: bool = False, window: float = 0.3) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, aligned_transcript="word", manual_flush=True
            )
        )
        self.latency = latency
        self.ends_turns = ends_turns
        self.window = window

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(stt=self, conn_options=conn_options)

    def update_options(self, **_: Any) -> None:
        """Change nothing: there is nothing that could be lost."""

    async def _recognize_impl(self, buffer: AudioBuffer, **_: Any) -> SpeechEvent:
        raise NotImplementedError


class _Stream(stt.RecognizeStream):
    async def _run(self) -> None:
        assert isinstance(self._stt, PerfectSTT)
        self._words: list[str] = []
        self._quiet = 0.0
        self._speaking = False
        self._tail = np.empty(0, np.int16)
        loop = asyncio.get_running_loop()
        async for item in self._input_ch:
            if isinstance(item, rtc.AudioFrame):
                self._hear(np.frombuffer(item.data, np.int16))
            else:
                self._answer()
        self._answer()
        done = loop.create_future()
        loop.call_later(self._stt.latency + 0.01, done.set_result, None)
        await done

    def _hear(self, samples: np.ndarray[Any, Any]) -> None:
        assert isinstance(self._stt, PerfectSTT)
        loud = np.flatnonzero(samples)
        self._quiet = 0.0 if len(loud) else self._quiet + len(samples) / RATE
        if len(loud) and not self._speaking:
            self._speaking = True
            self._tell(SpeechEventType.START_OF_SPEECH, None)
        joined = np.concatenate((self._tail, samples))
        borders = np.flatnonzero(np.diff(joined)) + 1
        self._tail = np.empty(0, np.int16)
        for start, end in zip(
            [0, *borders.tolist()], [*borders.tolist(), len(joined)], strict=True
        ):
            if not joined[start] or start == end:
                continue
            if end == len(joined) and end - start < WORD * RATE:
                self._tail = joined[start:]
            elif 0 <= int(joined[start]) - LOUD < MOST_WORDS and end - start >= WORD * RATE * 0.9:
                self._words.append(spell(int(joined[start]) - LOUD))
                self._tell(SpeechEventType.INTERIM_TRANSCRIPT, " ".join(self._words))
        if self._speaking and self._quiet >= self._stt.window:
            self._speaking = False
            if self._stt.ends_turns:
                self._answer()
                self._tell(SpeechEventType.END_OF_SPEECH, None)

    def _answer(self) -> None:
        text, self._words = " ".join(self._words), []
        self._tell(SpeechEventType.FINAL_TRANSCRIPT, text)

    def _tell(self, kind: SpeechEventType, text: str | None) -> None:
        assert isinstance(self._stt, PerfectSTT)
        data = [SpeechData(language=LanguageCode("en"), text=text)] if text is not None else []
        event = SpeechEvent(kind, request_id="perfect", alternatives=data)
        asyncio.get_running_loop().call_later(self._stt.latency, self._send, event)

    def _send(self, event: SpeechEvent) -> None:
        if not self._event_ch.closed:
            self._event_ch.send_nowait(event)
