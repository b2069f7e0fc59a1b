"""The bare client as a stream of a LiveKit plugin."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents.language import LanguageCode
from livekit.agents.stt import RecognizeStream, SpeechData, SpeechEvent, SpeechEventType
from websockets.asyncio.client import ClientConnection

from tests.benchmarks.bare import CLOSE, FINALIZE, connect_bare, send, transcripts
from tests.benchmarks.contender import LAST_WORDS_SECONDS

_TYPES = {
    "interim": SpeechEventType.INTERIM_TRANSCRIPT,
    "final": SpeechEventType.FINAL_TRANSCRIPT,
}


class BareStream(RecognizeStream):
    """Sends each frame as a packet, and passes each message on as an event."""

    def __init__(self, url: str, rate: int, **given: Any) -> None:
        super().__init__(**given)
        self._url, self._rate = url, rate

    async def _run(self) -> None:
        socket = await connect_bare(self._url, self._rate)
        reading = asyncio.create_task(self._read(socket))
        async for data in self._input_ch:
            await send(socket, bytes(data.data) if isinstance(data, rtc.AudioFrame) else FINALIZE)
        await send(socket, CLOSE)
        await asyncio.wait([reading], timeout=LAST_WORDS_SECONDS)
        await socket.close()

    async def _read(self, socket: ClientConnection) -> None:
        async for kind, text, answers in transcripts(socket):
            if text:
                said = SpeechData(language=LanguageCode("en"), text=text)
                self._event_ch.send_nowait(SpeechEvent(_TYPES[kind], alternatives=[said]))
            if answers:
                self._event_ch.send_nowait(SpeechEvent(SpeechEventType.END_OF_SPEECH))
