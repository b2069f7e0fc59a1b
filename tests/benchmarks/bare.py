"""A bare WebSocket client: it sends what it is given and reads JSON, and does nothing else.

It is the least that any plugin can cost, and the least time that any plugin can take.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.contender import KEY, LAST_WORDS_SECONDS, Contender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

FINALIZE = '{"type":"finalize"}'
CLOSE = '{"type":"close_stream"}'


async def connect_bare(url: str, rate: int) -> ClientConnection:
    """Open a connection to a Pulse server for audio of so many Hz."""
    query = f"language=en&encoding=linear16&sample_rate={rate}&word_timestamps=true"
    return await connect(
        f"{url}/waves/v1/pulse/get_text?{query}",
        additional_headers={"Authorization": f"Bearer {KEY}"},
        compression=None,
    )


async def transcripts(
    socket: ClientConnection,
) -> AsyncIterator[tuple[Literal["interim", "final"], str, bool]]:
    """Each message's kind and text, and whether it answers a finalize; ends with the last one."""
    async for message in socket:
        said = json.loads(message)
        kind: Literal["interim", "final"] = "final" if said.get("is_final") else "interim"
        yield kind, said.get("transcript") or "", bool(said.get("from_finalize"))
        if said.get("is_last"):
            return


async def send(socket: ClientConnection, message: str | bytes) -> None:
    """Send a message; a bare client has no plan for a connection that is closed."""
    with suppress(ConnectionClosed):
        await socket.send(message)


class Bare(Contender):
    """The bare client alone: each frame is a packet."""

    name = "bare client"

    async def __aenter__(self) -> Self:
        self._socket = await connect_bare(self.url, self.rate)
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        try:
            async for kind, text, answers in transcripts(self._socket):
                if text:
                    self.hear(kind, text)
                if answers:
                    self.confirm()
        except (ConnectionClosed, ValueError) as error:
            self.failure = f"{type(error).__name__}: {error}"

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._reading

    async def push(self, frame: bytes) -> None:
        await send(self._socket, frame)

    async def end_of_speech(self) -> None:
        await send(self._socket, FINALIZE)

    async def finish(self) -> None:
        await send(self._socket, CLOSE)
        await asyncio.wait([self._reading], timeout=LAST_WORDS_SECONDS)
