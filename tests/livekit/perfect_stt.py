"""An STT that knows what is said, which shows what the framework itself cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from livekit import rtc
from livekit.agents import LanguageCode, stt, utils
from livekit.agents.stt import SpeechData, SpeechEvent, SpeechEventType
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from tests.support.players import Heard, PerfectLine
from tests.support.scenarios import Call


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
