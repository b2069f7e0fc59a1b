"""A proxy in front of a Pulse server that writes what goes through it.

The client's key goes to the server and nowhere else. Nothing of the traffic is changed, but for
pings, which each side answers itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
from aiohttp import WSMsgType, web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.client.http import proxy_for, read_answer
from pulse_plugins.core.client.trust import tls_context
from pulse_plugins.local.sessions.listener import Listener
from pulse_plugins.local.sessions.log import SessionWriter
from pulse_plugins.local.wire.handshake import is_secret, key_of, without_credentials

_CONNECT = 10.0  # seconds for the server's answer to a handshake
_MAX_MESSAGE = 16 << 20  # bytes
# Headers that belong to one hop, and those that the HTTP library writes itself.
_HOP = frozenset(
    "host connection upgrade content-length transfer-encoding keep-alive te trailer "
    "accept-encoding sec-websocket-key sec-websocket-version sec-websocket-extensions "
    "sec-websocket-protocol".split()
)


class Recorder(Listener):
    """The proxy; start it with `async with`.

    Attributes:
        connections: How many handshakes there were.
    """

    def __init__(
        self, upstream: str, writer: SessionWriter, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Prepare a recorder.

        Args:
            upstream: The base URL of the server, `wss://…` or `ws://…`.
            writer: Where the events go.
            host: The address to bind to.
            port: 0 takes a free one.

        Raises:
            ConfigurationError: The URL has no scheme of a server, or no host.
        """
        super().__init__(host, port)
        parts = urlsplit(upstream)
        secure = {"ws": False, "http": False, "wss": True, "https": True}.get(parts.scheme)
        if secure is None or not parts.netloc:
            raise ConfigurationError(f"{upstream!r}: use wss://HOST or ws://HOST:PORT")
        rest = parts.netloc + parts.path.rstrip("/")
        self._stream_url = f"{'wss' if secure else 'ws'}://{rest}"
        self._upload_url = f"{'https' if secure else 'http'}://{rest}"
        self._secure = secure
        self._writer = writer
        self.connections = 0

    def _hide_secrets(self, request: web.Request) -> None:
        self._writer.hide(key_of(request))
        for values in (request.headers, request.query):
            for name, value in values.items():
                if is_secret(name):
                    self._writer.hide(value)
                    self._writer.hide(value.partition(" ")[2])

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        number = self.connections
        self._hide_secrets(request)
        clock = asyncio.get_running_loop().time
        began = clock()
        headers = _forwarded(request)
        agent = headers.pop("User-Agent", None)
        try:
            upstream = await connect(
                self._stream_url + request.path_qs,
                additional_headers=headers,
                user_agent_header=agent,
                compression=None,
                max_size=_MAX_MESSAGE,
                open_timeout=_CONNECT,
                proxy=proxy_for(self._stream_url, None),
                ssl=await tls_context() if self._secure else None,
            )
        except InvalidStatus as error:
            answer = error.response
            body = (answer.body or b"").decode(errors="replace")
            self._writer.refused(number, clock() - began, answer.status_code, body)
            kind = answer.headers.get("Content-Type", "application/json").partition(";")[0]
            return web.Response(status=answer.status_code, text=body, content_type=kind)
        except (OSError, TimeoutError, InvalidHandshake) as error:
            text = f"the recorder cannot reach the server: {type(error).__name__}"
            self._writer.refused(number, clock() - began, 502, text)
            return web.Response(status=502, text=text)
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MAX_MESSAGE, timeout=2.0)
        await socket.prepare(request)
        self._writer.opened(number, request.path, without_credentials(request.query))
        relay = _Relay(number, request, socket, upstream, self._writer, began)
        await relay.run()
        return socket

    async def _upload(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._hide_secrets(request)
        url = self._upload_url + request.path_qs
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.post(
                    url,
                    data=body,
                    headers=_forwarded(request),
                    allow_redirects=False,
                    proxy=proxy_for(url, None),
                    ssl=await tls_context() if self._secure else True,
                ) as answer,
            ):
                content, status = await read_answer(answer), answer.status
                headers = {
                    name: answer.headers[name]
                    for name in ("Content-Type", "x-request-id", "Retry-After")
                    if name in answer.headers
                }
        except (aiohttp.ClientError, TimeoutError) as error:
            content = f"the recorder cannot reach the server: {type(error).__name__}".encode()
            status, headers = 502, {}
        if content is None:
            content, status, headers = b"the server's answer is too long", 502, {}
        query = without_credentials(request.query)
        text = content.decode(errors="replace")
        self._writer.upload(request.path, query, len(body), status, text)
        return web.Response(status=status, body=content, headers=headers)


def _forwarded(request: web.Request) -> dict[str, str]:
    """The client's headers for the server."""
    return {name: value for name, value in request.headers.items() if name.lower() not in _HOP}


class _Relay:
    """Moves the messages of one connection and tells the writer."""

    def __init__(
        self,
        number: int,
        request: web.Request,
        client: web.WebSocketResponse,
        server: ClientConnection,
        writer: SessionWriter,
        began: float,
    ) -> None:
        self._number = number
        self._request = request
        self._client = client
        self._server = server
        self._writer = writer
        self._began = began

    def _at(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    async def run(self) -> None:
        """Relay until either side ends it, then end the other with the same code."""
        tasks = [asyncio.create_task(self._from_client()), asyncio.create_task(self._from_server())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        by_server = tasks[1] in done
        code = (self._server.close_code if by_server else self._client.close_code) or 1006
        self._writer.closed(self._number, self._at(), code, "server" if by_server else "client")
        sendable = code if code not in (1005, 1006, 1015) else 1000
        with suppress(ConnectionError, TimeoutError, ConnectionClosed):
            await self._server.close(sendable)
        if by_server and code == 1006:
            if self._request.transport is not None:
                self._request.transport.abort()
            return
        with suppress(ConnectionError, TimeoutError):
            await self._client.close(code=sendable)

    async def _from_client(self) -> None:
        async for message in self._client:
            if message.type is WSMsgType.BINARY:
                self._writer.sent_audio(self._number, self._at(), message.data)
                await self._server.send(message.data)
            elif message.type is WSMsgType.TEXT:
                self._writer.sent(self._number, self._at(), message.data)
                await self._server.send(message.data)

    async def _from_server(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                message = await self._server.recv()
                self._writer.got(self._number, self._at(), message)
                if isinstance(message, str):
                    await self._client.send_str(message)
                else:
                    await self._client.send_bytes(message)
