"""A TCP proxy that is a bad line: late, thin, one-way, or gone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 2048


@dataclass(slots=True)
class Line:
    """What the line does to bytes; it may be changed while it is in use.

    Attributes:
        delay: Seconds that bytes are under way, in both directions.
        bytes_per_second: What goes up at most; None: everything.
        up: Whether bytes of the client arrive.
        down: Whether bytes of the server arrive.
        connections: How many were made.
    """

    delay: float = 0.0
    bytes_per_second: float | None = None
    up: bool = True
    down: bool = True
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _target: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections and reset those there are, as a server that is restarted."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer, is_up=True))
                group.create_task(self._carry(far_reader, writer, is_up=False))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def arrive() -> None:
            while True:
                at, data = await under_way.get()
                await asyncio.sleep(max(0.0, at - loop.time()))
                if not data:
                    writer.close()
                    return
                if self.up if is_up else self.down:
                    writer.write(data)
                    await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    if is_up and self.bytes_per_second is not None:
                        await asyncio.sleep(len(data) / self.bytes_per_second)
                    under_way.put_nowait((loop.time() + self.delay, data))
            under_way.put_nowait((loop.time() + self.delay, b""))
            with suppress(OSError):
                await arriving
        finally:
            arriving.cancel()


@asynccontextmanager
async def bad_line(port: int) -> AsyncIterator[Line]:
    """A line to the server at this port of the loopback interface."""
    line = Line(_target=port)
    await line.open()
    try:
        yield line
    finally:
        await line.close()
