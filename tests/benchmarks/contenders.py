"""Everything a benchmark compares, behind one small interface: ours, the official plugins, and
what they are measured against: each framework with a speech-to-text that does nothing, the engine
without a framework, and a bare websocket client that only parses JSON.

    async with CONTENDERS["pipecat ours"](server.url, 16_000) as contender:
        await contender.push(frame)  # 20 ms of 16-bit mono
        await contender.end_of_speech()
        await contender.finish()
        contender.heard  # what came back, and when

The official plugins are told of the server by arguments of their own constructors alone. The
frameworks are imported when a contender of theirs is first entered.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions

if TYPE_CHECKING:
    from livekit.agents.stt import STT as LiveKitSTT
    from livekit.agents.stt import SpeechEvent
    from pipecat.services.stt_service import STTService
    from websockets.asyncio.client import ClientConnection

FRAME_SECONDS = 0.02
KEY = "not-a-key"  # the local server takes any
_LAST_WORDS = 15.0  # seconds that what was pending at the end may take


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript as the consumer got it."""

    at: float  # time.perf_counter
    kind: Literal["interim", "final"]
    text: str


class Contender(ABC):
    """One caller's audio through one program, from `async with` to `finish`.

    Attributes:
        heard: The transcripts that came back, in order.
        confirmed: When the consumer was told that a turn has all its words: Pipecat's `finalized`
            transcripts, LiveKit's END_OF_SPEECH, the engine's and the bare client's answers to
            finalize. `time.perf_counter`.
        failure: Why it ended before it was asked to, or None.
    """

    name: ClassVar[str]
    is_ours: ClassVar[bool] = False

    def __init__(self, url: str, rate: int = 16_000) -> None:
        """Prepare it.

        Args:
            url: The server, `ws://host:port`.
            rate: Hz of the frames, which is also sent.
        """
        self.url = url
        self.rate = rate
        self.heard: list[Heard] = []
        self.confirmed: list[float] = []
        self.failure: str | None = None

    @property
    def finals(self) -> list[str]:
        """The words of all finals, in order."""
        return " ".join(each.text for each in self.heard if each.kind == "final").split()

    def hear(self, kind: Literal["interim", "final"], text: str) -> None:
        """Remember a transcript that came this moment."""
        self.heard.append(Heard(time.perf_counter(), kind, text))

    def confirm(self) -> None:
        """Remember that a turn's words were said to be complete this moment."""
        self.confirmed.append(time.perf_counter())

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *_: object) -> None: ...

    @abstractmethod
    async def push(self, frame: bytes) -> None:
        """Give the next 20 ms."""

    async def start_of_speech(self) -> None:
        """Do what the framework does when its VAD hears speech begin; most do nothing."""
        return

    @abstractmethod
    async def end_of_speech(self) -> None:
        """Do what the framework does when its VAD hears speech end."""

    @abstractmethod
    async def finish(self) -> None:
        """Say that no audio follows, and wait until what was pending has come (or 15 s)."""


class _Null(Contender):
    """What only consumes audio hears nothing."""


class _Pipecat(Contender):
    """A pipeline of the service and an ear."""

    @abstractmethod
    def service(self) -> STTService: ...

    async def __aenter__(self) -> Self:
        from pipecat.frames.frames import (
            ErrorFrame,
            Frame,
            InputAudioRawFrame,
            InterimTranscriptionFrame,
            TranscriptionFrame,
        )
        from pipecat.pipeline.pipeline import Pipeline
        from pipecat.pipeline.worker import PipelineParams, PipelineWorker
        from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
        from pipecat.workers.runner import WorkerRunner

        contender = self

        class Ear(FrameProcessor):
            async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
                await super().process_frame(frame, direction)
                match frame:
                    case InterimTranscriptionFrame():
                        contender.hear("interim", frame.text)
                    case TranscriptionFrame():
                        contender.hear("final", frame.text)
                        if frame.finalized:
                            contender.confirm()
                await self.push_frame(frame, direction)

        self._frame_type = InputAudioRawFrame
        self._stt = self.service()
        self._worker = PipelineWorker(
            Pipeline([self._stt, Ear(enable_direct_mode=True)]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            params=PipelineParams(audio_in_sample_rate=self.rate),
        )
        started = asyncio.Event()

        async def on_started(*_: object) -> None:
            started.set()

        async def on_error(_: object, frame: ErrorFrame) -> None:
            if not self._stt.is_usable:
                self.failure = self.failure or frame.error

        self._worker.add_event_handler("on_pipeline_started", on_started)
        self._worker.add_event_handler("on_pipeline_error", on_error)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self._running = asyncio.create_task(runner.run())
        await started.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._running.done():
            await self._worker.cancel()
        await self._running

    async def push(self, frame: bytes) -> None:
        await self._worker.queue_frame(self._frame_type(frame, self.rate, 1))

    async def start_of_speech(self) -> None:
        from pipecat.frames.frames import VADUserStartedSpeakingFrame

        await self._worker.queue_frame(VADUserStartedSpeakingFrame(0.2, time.time()))

    async def end_of_speech(self) -> None:
        from pipecat.frames.frames import VADUserStoppedSpeakingFrame

        await self._worker.queue_frame(VADUserStoppedSpeakingFrame(0.2, time.time()))

    async def finish(self) -> None:
        from pipecat.frames.frames import EndFrame

        await self._worker.queue_frame(EndFrame())
        await asyncio.wait([self._running], timeout=_LAST_WORDS)


class PipecatOurs(_Pipecat):
    """`pulse_plugins.pipecat.PulseSTTService`."""

    name = "pipecat ours"
    is_ours = True

    def service(self) -> STTService:
        from pulse_plugins.pipecat import PulseSTTService

        return PulseSTTService(api_key=KEY, base_url=self.url)


class PipecatOfficial(_Pipecat):
    """`pipecat.services.smallest.stt.SmallestSTTService`."""

    name = "pipecat official"

    def service(self) -> STTService:
        from pipecat.services.smallest.stt import SmallestSTTService

        return SmallestSTTService(api_key=KEY, base_url=self.url)


class PipecatNull(_Pipecat, _Null):
    """The framework's own share: a service that drops what it is given."""

    name = "pipecat null"

    def service(self) -> STTService:
        from collections.abc import AsyncGenerator

        from pipecat.frames.frames import Frame
        from pipecat.services.settings import STTSettings
        from pipecat.services.stt_service import STTService

        class NullSTTService(STTService):
            async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
                yield None

        settings = STTSettings(model=None, language=None)
        return NullSTTService(settings=settings, ttfs_p99_latency=1.0)


class _LiveKit(Contender):
    """A stream of the plugin, read as an agent session reads it."""

    @abstractmethod
    def plugin(self) -> AbstractAsyncContextManager[LiveKitSTT[Any]]:
        """The plugin's object, closed at the end of the block."""

    async def __aenter__(self) -> Self:
        from livekit import rtc
        from livekit.agents.stt import SpeechEventType

        self._frame_type = rtc.AudioFrame
        self._types = SpeechEventType
        self._owned = AsyncExitStack()
        self._speech = (await self._owned.enter_async_context(self.plugin())).stream()
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        try:
            async for event in self._speech:
                self._take(event)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"

    def _take(self, event: SpeechEvent) -> None:
        if event.type is self._types.INTERIM_TRANSCRIPT:
            self.hear("interim", event.alternatives[0].text)
        elif event.type is self._types.FINAL_TRANSCRIPT and event.alternatives[0].text:
            self.hear("final", event.alternatives[0].text)
        elif event.type is self._types.END_OF_SPEECH:
            self.confirm()

    async def __aexit__(self, *_: object) -> None:
        await self._speech.aclose()
        await self._reading
        await self._owned.aclose()

    async def push(self, frame: bytes) -> None:
        if self.failure is None:
            self._speech.push_frame(self._frame_type(frame, self.rate, 1, len(frame) // 2))

    async def end_of_speech(self) -> None:
        if self.failure is None:
            self._speech.flush()

    async def finish(self) -> None:
        if self.failure is None:
            self._speech.end_input()
        await asyncio.wait([self._reading], timeout=_LAST_WORDS)


class LiveKitOurs(_LiveKit):
    """`pulse_plugins.livekit.STT`."""

    name = "livekit ours"
    is_ours = True

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        from pulse_plugins.livekit import STT

        stt = STT(api_key=KEY, base_url=self.url, sample_rate=self.rate)
        yield stt
        await stt.aclose()


class LiveKitOfficial(_LiveKit):
    """`livekit.plugins.smallestai.STT`."""

    name = "livekit official"

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        import aiohttp
        from livekit.plugins.smallestai import STT

        async with aiohttp.ClientSession() as http:
            stt = STT(
                api_key=KEY,
                base_url=f"{self.url}/waves/v1",
                sample_rate=self.rate,
                http_session=http,
            )
            yield stt
            await stt.aclose()


class LiveKitNull(_LiveKit, _Null):
    """The framework's own share: a stream that drops what it is given."""

    name = "livekit null"

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        from livekit.agents import stt
        from livekit.agents.types import (
            DEFAULT_API_CONNECT_OPTIONS,
            NOT_GIVEN,
            APIConnectOptions,
            NotGivenOr,
        )
        from livekit.agents.utils import AudioBuffer

        class NullStream(stt.RecognizeStream):
            async def _run(self) -> None:
                async for _ in self._input_ch:
                    pass

        class NullSTT(stt.STT[Any]):
            async def _recognize_impl(
                self,
                buffer: AudioBuffer,
                *,
                language: NotGivenOr[str] = NOT_GIVEN,
                conn_options: APIConnectOptions,
            ) -> stt.SpeechEvent:
                raise NotImplementedError

            def stream(
                self,
                *,
                language: NotGivenOr[str] = NOT_GIVEN,
                conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
            ) -> stt.RecognizeStream:
                return NullStream(stt=self, conn_options=conn_options)

        yield NullSTT(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))


class Engine(Contender):
    """`pulse_plugins.PulseStream` without a framework."""

    name = "engine"
    is_ours = True

    async def __aenter__(self) -> Self:
        options = PulseOptions(api_key=KEY, base_url=self.url, sample_rate=self.rate)
        self._stream = PulseStream(options)
        self._stream.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        try:
            async for event in self._stream:
                match event:
                    case Interim():
                        self.hear("interim", event.text)
                    case Final():
                        if event.text:
                            self.hear("final", event.text)
                        if event.finalized:
                            self.confirm()
        except PulseError as error:
            self.failure = f"{type(error).__name__}: {error}"

    async def __aexit__(self, *_: object) -> None:
        self._stream.abort()
        await self._stream.wait_closed()
        await self._reading

    async def push(self, frame: bytes) -> None:
        self._stream.push(frame)

    async def end_of_speech(self) -> None:
        self._stream.request_finalize()

    async def finish(self) -> None:
        self._stream.end()
        await asyncio.wait([self._reading], timeout=_LAST_WORDS)


class Bare(Contender):
    """The `websockets` client with nothing around it: each frame is a packet, JSON is parsed."""

    name = "bare client"

    async def __aenter__(self) -> Self:
        query = f"language=en&encoding=linear16&sample_rate={self.rate}&word_timestamps=true"
        self._socket: ClientConnection = await connect(
            f"{self.url}/waves/v1/pulse/get_text?{query}",
            additional_headers={"Authorization": f"Bearer {KEY}"},
            compression=None,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                said = json.loads(message)
                if text := said.get("transcript"):
                    self.hear("final" if said.get("is_final") else "interim", text)
                if said.get("from_finalize"):
                    self.confirm()
                if said.get("is_last"):
                    return
        except (ConnectionClosed, ValueError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._reading

    async def push(self, frame: bytes) -> None:
        await self._send(frame)

    async def end_of_speech(self) -> None:
        await self._send('{"type":"finalize"}')

    async def finish(self) -> None:
        await self._send('{"type":"close_stream"}')
        await asyncio.wait([self._reading], timeout=_LAST_WORDS)

    async def _send(self, message: str | bytes) -> None:
        with suppress(ConnectionClosed):  # a bare client has no plan for that
            await self._socket.send(message)


CONTENDERS: dict[str, type[Contender]] = {
    each.name: each
    for each in (
        PipecatOurs,
        PipecatOfficial,
        PipecatNull,
        LiveKitOurs,
        LiveKitOfficial,
        LiveKitNull,
        Engine,
        Bare,
    )
}


def hush() -> None:
    """Silence the logs of all: no contender's share is what it writes about itself."""
    import logging

    from loguru import logger

    logger.remove()
    logging.disable(logging.CRITICAL)
