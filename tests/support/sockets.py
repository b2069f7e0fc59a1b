"""A bare WebSocket server on loopback, and options that reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pulse_plugins.core.config.options import PulseOptions
from tests.support.privacy import API_KEY

Refuse = Callable[[ServerConnection, Request], Response | None]


@asynccontextmanager
async def serving(
    handler: Callable[[ServerConnection], Any] | None = None, **given: Any
) -> AsyncIterator[str]:
    async def listen(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    async with serve(handler or listen, "127.0.0.1", 0, **given) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'wss' if given.get('ssl') else 'ws'}://127.0.0.1:{port}"


def refusing(status: int, body: str = "", **headers: str) -> Refuse:
    def refuse(socket: ServerConnection, _request: Request) -> Response:
        response = socket.respond(HTTPStatus(status), body)
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return refuse


def options(url: str, **given: Any) -> PulseOptions:
    return PulseOptions(**{"base_url": url, "api_key": API_KEY, **given})
