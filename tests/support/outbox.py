"""How the peer server's messages leave: late, in order, or with a final ahead of an interim."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.support.habits import Habits


class Outbox:
    """The messages of one connection that were not sent yet.

    Without latency each message is sent before the call returns.
    """

    def __init__(self, socket: ServerConnection, habits: Habits, random: Random) -> None:
        self._socket = socket
        self._habits = habits
        self._random = random
        self._late: asyncio.Queue[tuple[float, str | int]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._held: str | None = None  # an interim that the next final overtakes

    async def send(self, message: str) -> None:
        """Send a message after those that wait."""
        await self._put(message)

    async def send_interim(self, interim: str) -> None:
        """Send an interim, or hold it for the next final to overtake."""
        if not self._habits.overtakes:
            await self._put(interim)
            return
        held, self._held = self._held, interim
        if held is not None:
            await self._put(held)

    async def send_final(self, final: str) -> None:
        """Send a final, and after it the interim that it overtook."""
        await self._put(final)
        held, self._held = self._held, None
        if held is not None:
            await self._put(held)

    async def close(self, code: int) -> None:
        """Close the connection after the messages that wait."""
        await self._put(code)
        if self._task is not None:
            await self._task

    async def stop(self) -> None:
        """Forget the messages that wait."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _put(self, message: str | int) -> None:
        latency = self._habits.latency
        if isinstance(latency, tuple):
            latency = self._random.uniform(*latency)
        if not latency and self._task is None:
            await self._out(message)
            return
        self._late.put_nowait((asyncio.get_running_loop().time() + latency, message))
        if self._task is None:
            self._task = asyncio.create_task(self._deliver())

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ConnectionClosed):
            while True:
                due, message = await self._late.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._out(message)
                if isinstance(message, int):
                    return

    async def _out(self, message: str | int) -> None:
        if isinstance(message, int):
            await self._socket.close(message)
        else:
            await self._socket.send(message)
