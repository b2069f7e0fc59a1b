"""The plugins that the benchmarks compare as LiveKit streams.

The official plugin is told of the server by arguments of its own constructor alone. The framework
is imported when a contender is entered.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tests.benchmarks.contender import KEY, LAST_WORDS_SECONDS, Contender

if TYPE_CHECKING:
    from livekit.agents.stt import STT as LiveKitSTT
    from livekit.agents.stt import RecognizeStream, SpeechEvent


class LiveKitContender(Contender):
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
        await asyncio.wait([self._reading], timeout=LAST_WORDS_SECONDS)


class LiveKitOurs(LiveKitContender):
    """`pulse_plugins.livekit.STT`."""

    name = "livekit ours"
    is_ours = True

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        from pulse_plugins.livekit import STT

        stt = STT(api_key=KEY, base_url=self.url, sample_rate=self.rate)
        yield stt
        await stt.aclose()


class LiveKitOfficial(LiveKitContender):
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


class LiveKitNull(LiveKitContender):
    """The framework's own share: a stream that drops what it is given."""

    name = "livekit null"

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        from livekit.agents.stt import RecognizeStream

        class NullStream(RecognizeStream):
            async def _run(self) -> None:
                async for _ in self._input_ch:
                    pass

        yield _plugin(NullStream)


class LiveKitBare(LiveKitContender):
    """The bare client as a plugin: the least that any plugin can cost."""

    name = "livekit bare"

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[LiveKitSTT[Any]]:
        from tests.benchmarks.livekit_bare import BareStream

        yield _plugin(partial(BareStream, self.url, self.rate))


def _plugin(make: Callable[..., RecognizeStream]) -> LiveKitSTT[Any]:
    """A plugin whose streams are made by this."""
    from livekit.agents import stt
    from livekit.agents.types import (
        DEFAULT_API_CONNECT_OPTIONS,
        NOT_GIVEN,
        APIConnectOptions,
        NotGivenOr,
    )
    from livekit.agents.utils import AudioBuffer

    class Plugin(stt.STT[Any]):
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
            return make(stt=self, conn_options=conn_options)

    return Plugin(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
