"""Servers on loopback that attack a client, and calls to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pulse_plugins import Event, PulseError, PulseOptions, PulseStream

SPEECH = bytes(range(1, 251)) * 128  # a second of noise
DEADLINE = 60.0  # seconds
LAST = json.dumps({"transcript": "", "is_final": True, "is_last": True})


@dataclass
class Server:
    """Writes down who calls, with which credentials, and how much audio comes.

    Attributes:
        messages: Sent as they are, as soon as the first audio has come.
        location: Where every handshake is redirected to, or "".
        close: The code and the reason with which the connection is closed after the messages; None
            keeps the connection and ends the stream in good order.
    """

    messages: Sequence[str | bytes] = ()
    location: str = ""
    close: tuple[int, str] | None = None
    url: str = ""
    keys: list[str] = field(default_factory=list)
    audio: int = 0

    def handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.keys.append(request.headers.get("Authorization", ""))
        if not self.location:
            return None
        response = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "")
        response.headers["Location"] = self.location
        return response

    async def talk(self, connection: ServerConnection) -> None:
        async for message in connection:
            if isinstance(message, bytes):
                if not self.audio:
                    await self._attack(connection)
                self.audio += len(message)
            elif "close" in message:
                await connection.send(LAST)

    async def _attack(self, connection: ServerConnection) -> None:
        for message in self.messages:
            await connection.send(message)
        if self.close is not None:
            await connection.close(*self.close)


@asynccontextmanager
async def running(server: Server, **given: Any) -> AsyncIterator[Server]:
    """Let a server listen on a free port of loopback; other arguments go to `serve`."""
    async with serve(
        server.talk, "127.0.0.1", 0, process_request=server.handshake, **given
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"{'wss' if given.get('ssl') else 'ws'}://127.0.0.1:{port}"
        yield server


async def call(
    options: PulseOptions, until: Callable[[Event], bool] = lambda _: False
) -> list[Event]:
    """The events of a call, up to the first that is looked for, or to the end.

    Raises:
        PulseError: The stream failed for good.
    """
    events: list[Event] = []
    stream = PulseStream(options)
    stream.start()
    stream.push(SPEECH)
    stream.end()
    try:
        async with asyncio.timeout(DEADLINE):
            async for event in stream:
                events.append(event)
                if until(event):
                    break
    finally:
        stream.abort()
        await stream.wait_closed()
    return events


async def failure(options: PulseOptions) -> PulseError:
    """The error with which a call fails."""
    with pytest.raises(PulseError) as failed:
        await call(options)
    return failed.value
