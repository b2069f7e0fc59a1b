"""Everything a benchmark compares: ours, the official plugins, and what they are measured against.

That is each framework with a speech-to-text that does nothing, and with a bare client as its
speech-to-text; the engine without a framework; and the bare client alone.
"""

from __future__ import annotations

import asyncio
from typing import Self

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import Final, Interim
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from tests.benchmarks.bare import Bare
from tests.benchmarks.contender import KEY, LAST_WORDS_SECONDS, Contender
from tests.benchmarks.livekit_contenders import (
    LiveKitBare,
    LiveKitNull,
    LiveKitOfficial,
    LiveKitOurs,
)
from tests.benchmarks.pipecat_contenders import (
    PipecatBare,
    PipecatNull,
    PipecatOfficial,
    PipecatOurs,
)


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
        await asyncio.wait([self._reading], timeout=LAST_WORDS_SECONDS)


CONTENDERS: dict[str, type[Contender]] = {
    each.name: each
    for each in (
        PipecatOurs,
        PipecatOfficial,
        PipecatNull,
        PipecatBare,
        LiveKitOurs,
        LiveKitOfficial,
        LiveKitNull,
        LiveKitBare,
        Engine,
        Bare,
    )
}
