"""One bare connection of `doctor --probe`, and what is said on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

_PACKET = 0.05  # seconds of audio in a message, sent at the pace of speech
PATIENCE = 5.0  # seconds for an answer; the slowest that was measured took 1.6 s


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A recording in the parts in which it is sent to the server.

    Attributes:
        turn: Speech with a short pause around it.
        rest: More speech.
        cut: Where in `rest` a word is under way, in samples.
        rate: Hz.
    """

    turn: NDArray[np.int16]
    rest: NDArray[np.int16]
    cut: int
    rate: int


def shipped_speech() -> Speech:
    """The first call that ships with the package.

    Raises:
        ConfigurationError: The extra `local` is missing, which reads it.
    """
    from pulse_plugins.local import recordings

    call = recordings.load("booking")
    first, second = call.turns
    rate = call.sample_rate

    def part(begin: float, end: float) -> NDArray[np.int16]:
        return call.samples[round(begin * rate) : round(end * rate)]

    return Speech(
        turn=part(first.start - 0.2, first.end + 0.3),
        rest=part(second.start - 0.2, second.end + 0.1),
        cut=round(1.5 * rate),
        rate=rate,
    )


class Call:
    """One bare connection; messages are collected as they come."""

    def __init__(self, socket: ClientConnection, rate: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self.audio = 0.0  # seconds sent
        self._socket = socket
        self._rate = rate
        self._came = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._socket:
                with suppress(ValueError):
                    decoded = json.loads(message)
                    if isinstance(decoded, dict):
                        self.messages.append(decoded)
                self._came.set()
        self._came.set()

    async def say(self, samples: NDArray[np.int16]) -> None:
        """Send audio at the pace of speech."""
        step = round(_PACKET * self._rate)
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            await self._socket.send(piece.astype("<i2").tobytes())
            self.audio += len(piece) / self._rate
            await asyncio.sleep(len(piece) / self._rate)

    async def ask(self, kind: str) -> None:
        """Send a control message."""
        await self._socket.send(json.dumps({"type": kind}))

    async def until(
        self, wanted: Callable[[dict[str, Any]], bool], since: int = 0, patience: float = PATIENCE
    ) -> dict[str, Any] | None:
        """The first message from number `since` on that is wanted; None where none came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while True:
                    for message in self.messages[since:]:
                        if wanted(message):
                            return message
                    if self._reader.done():
                        return None
                    self._came.clear()
                    await self._came.wait()
        return None

    async def closed(self) -> int | None:
        """The server's close code; None where it stays open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._reader)
                return self._socket.close_code
        return None

    @property
    def close_code(self) -> int | None:
        """The close code; None while the connection is open."""
        return self._socket.close_code

    async def stop(self) -> None:
        """End the connection."""
        with suppress(ConnectionClosed, OSError):
            await self._socket.close()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
