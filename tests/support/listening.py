"""Reads a stream as its owner would, and waits for what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulse_plugins.core.base.events import Connected, Event, Final, Interim
from pulse_plugins.core.client.stream import PulseStream


class Listener:
    """Reads a stream's events as they come."""

    def __init__(self, stream: PulseStream) -> None:
        self.events: list[Event] = []
        self._stream = stream
        self._more = asyncio.Condition()
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self._stream:
            async with self._more:
                self.events.append(event)
                self._more.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until an event makes it so."""
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(is_so)

    async def interim_with(self, word: str) -> None:
        """Wait until this word was heard."""
        await self.until(
            lambda: any(isinstance(e, Interim) and word in e.text for e in self.events)
        )

    async def connected(self, count: int = 1) -> None:
        """Wait for so many connections."""
        await self.until(lambda: len(self.connections) >= count)

    async def finalized(self, request_id: int) -> None:
        """Wait until this request is answered."""
        await self.until(
            lambda: any(
                isinstance(e, Final) and (e.finalize_id or 0) >= request_id for e in self.events
            )
        )

    @property
    def connections(self) -> list[Connected]:
        return [event for event in self.events if isinstance(event, Connected)]

    @property
    def words(self) -> list[str]:
        return [w for e in self.events if isinstance(e, Final) for w in e.text.split()]

    async def ended(self) -> None:
        async with asyncio.timeout(20):
            await self._task
