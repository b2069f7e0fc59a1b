"""A bare websocket client of the local server, so that no code of ours reads what ours wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pulse_plugins.local.recognizers.contract import Recognizer
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions

DEADLINE = 20.0
PATHS = {
    "live": "/waves/v1/stt/live",
    "pulse": "/waves/v1/pulse/get_text",
    "legacy": "/api/v1/pulse/get_text",
    "direct": "/transcribe",
}
FINALIZE = {"type": "finalize"}
CLOSE = {"type": "close_stream"}


HELLO = ScriptedRecognizer("please book a table for four".split())


def server(recognizer: Recognizer | str = HELLO, **options: Any) -> PulseServer:
    return PulseServer(ServerOptions(recognizer=recognizer, **options))


class Client:
    """One connection; `messages` holds what came, decoded."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []

    async def say(self, pcm: NDArray[np.int16] | bytes, packet: int = 640) -> None:
        data = pcm if isinstance(pcm, bytes) else pcm.astype("<i2").tobytes()
        for start in range(0, len(data), packet):
            await self.socket.send(data[start : start + packet])

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            message = json.loads(await self.socket.recv())
        self.messages.append(message)
        assert isinstance(message, dict)
        return message

    async def until_final(self) -> dict[str, Any]:
        while not (message := await self.next()).get("is_final"):
            pass
        return message

    async def rest(self) -> list[dict[str, Any]]:
        """Everything up to the end of the connection."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.messages

    async def finish(self, closing: str = "close_stream") -> list[dict[str, Any]]:
        await self.send({"type": closing})
        return await self.rest()

    @property
    def close_code(self) -> int | None:
        return self.socket.close_code


@asynccontextmanager
async def calling(
    server: PulseServer, dialect: str = "live", key: str | None = "k", **query: Any
) -> AsyncIterator[Client]:
    if dialect == "live":
        query = {"model": "pulse", "language": "en", **query}
    pairs = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in query.items()}
    url = f"{server.url}{PATHS[dialect]}?{urlencode(pairs)}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with connect(
        url, additional_headers=headers, open_timeout=DEADLINE, compression=None, proxy=None
    ) as socket:
        yield Client(socket)


def finals(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("is_final")]


def interims(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("is_final") is False]


def text(messages: list[dict[str, Any]]) -> str:
    return " ".join(each["transcript"].strip() for each in finals(messages) if each["transcript"])


def spoken(messages: list[dict[str, Any]]) -> list[str]:
    """The words of all finals as they were spoken, without capitals and marks."""
    return text(messages).lower().replace(".", "").replace("?", "").split()


async def refusal(running: PulseServer, dialect: str = "live", **query: Any) -> tuple[int, str]:
    """The status and the body of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with calling(running, dialect, **query):
            pass
    response = caught.value.response
    return response.status_code, (response.body or b"").decode()
