"""A stall on purpose: for a time the server reads and writes nothing."""

from __future__ import annotations

import asyncio


class Stall:
    """Whether a connection is stalled, and waiting until it is not."""

    def __init__(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._resuming: asyncio.TimerHandle | None = None  # ends the stall

    @property
    def active(self) -> bool:
        """Whether a stall lasts."""
        return not self._flowing.is_set()

    def begin(self, seconds: float) -> None:
        """Stall for so long; a shorter stall does not end a longer one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        if self._resuming is not None:
            end = max(end, self._resuming.when())
            self._resuming.cancel()
        self._flowing.clear()
        self._resuming = loop.call_at(end, self._flowing.set)

    def end(self) -> None:
        """End a stall now."""
        if self._resuming is not None:
            self._resuming.cancel()
        self._flowing.set()

    async def over(self) -> None:
        """Wait until no stall lasts."""
        await self._flowing.wait()
