"""A server that answers from a recorded session, byte for byte.

The nth handshake gets the nth recorded connection, and later ones the last. A recorded message is
sent as soon as the client is as far as it was in the recording: as many bytes of audio and as many
`finalize` and closing messages. The closing message releases all that is left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from aiohttp import WSMsgType, web

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.local.sessions.listener import Listener
from pulse_plugins.local.sessions.log import (
    ASKING,
    Answer,
    RecordedConnection,
    RecordedSession,
    control_type,
    read,
)

_MAX_MESSAGE = 16 << 20  # bytes
_CLOSING = frozenset({"close_stream", "end"})


class ReplayServer(Listener):
    """Answers clients from a recorded session; start it with `async with`.

    Attributes:
        session: What is answered from.
        connections: How many handshakes there were.
    """

    def __init__(
        self,
        session: RecordedSession | str | Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        paced: bool = False,
    ) -> None:
        """Prepare a server.

        Args:
            session: A recorded session, or the path of its file.
            host: The address to bind to.
            port: 0 takes a free one.
            paced: Send no message earlier in its connection than in the recording.

        Raises:
            ConfigurationError: The file is no recorded session, or an empty one.
        """
        super().__init__(host, port)
        made = isinstance(session, RecordedSession)
        self.session = session if isinstance(session, RecordedSession) else read(session)
        if not self.session.connections and not self.session.uploads:
            place = "" if made else f"{session}: "
            raise ConfigurationError(f"{place}nothing was recorded in this session")
        self.connections = 0
        self._uploads = 0
        self._paced = paced

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        recorded = self.session.connections
        if not recorded:
            return web.Response(status=404, text="the recorded session holds no connection")
        made = recorded[min(self.connections, len(recorded)) - 1]
        if made.status != 101:
            return web.Response(status=made.status, text=made.body, content_type="application/json")
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MAX_MESSAGE, timeout=2.0)
        if not socket.can_prepare(request):
            return web.Response(status=400, text="this endpoint takes WebSocket connections only")
        await socket.prepare(request)
        await _Playback(request, socket, made, paced=self._paced).run()
        return socket

    async def _upload(self, request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(1 << 16):
            pass  # the bytes do not matter
        self._uploads += 1
        recorded = self.session.uploads
        if not recorded:
            return web.Response(status=404, text="the recorded session holds no upload")
        made = recorded[min(self._uploads, len(recorded)) - 1]
        return web.Response(status=made.status, text=made.answer, content_type="application/json")


class _Playback:
    """One connection that is answered from its recording."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        made: RecordedConnection,
        *,
        paced: bool,
    ) -> None:
        self._request = request
        self._socket = socket
        self._answers = made.answers
        self._paced = paced
        self._audio = 0
        self._controls = 0
        self._closing = False
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Answer until either side ends the connection."""
        reading = asyncio.create_task(self._read())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait((reading, answering), return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not self._socket.closed:
                await reading  # in the recording the client closed the connection
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                self._audio += len(message.data)
            elif message.type is WSMsgType.TEXT:
                kind = control_type(message.data)
                self._controls += kind in ASKING
                self._closing = self._closing or kind in _CLOSING
            self._moved.set()

    async def _answer(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        with suppress(ConnectionError):
            for answer in self._answers:
                while not self._is_due(answer):
                    self._moved.clear()
                    await self._moved.wait()
                if self._paced:
                    await asyncio.sleep(max(0.0, began + answer.at - clock()))
                await self._send(answer)

    def _is_due(self, answer: Answer) -> bool:
        far = self._audio >= answer.audio and self._controls >= answer.controls
        return far or self._closing

    async def _send(self, answer: Answer) -> None:
        if isinstance(answer.message, str):
            await self._socket.send_str(answer.message)
        elif answer.message is not None:
            await self._socket.send_bytes(answer.message)
        elif answer.code in (1005, 1006, 1015):
            if self._request.transport is not None:
                self._request.transport.abort()
        else:
            await self._socket.close(code=answer.code)
