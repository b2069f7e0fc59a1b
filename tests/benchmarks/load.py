"""How late the event loop runs: whether contenders that run at once had room enough."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Self

from tests.benchmarks.report import percentile

_EVERY = 0.1  # seconds
_BUSY = 0.05  # seconds; a loop that is later than this measures the machine


class Lag:
    """Measures while its block runs.

    Attributes:
        seconds: How much later than asked each sleep ended.
    """

    def __init__(self, *, every: float = _EVERY) -> None:
        self._every = every  # seconds
        self.seconds: list[float] = []

    @property
    def p99(self) -> float:
        """Seconds; NaN before the first measurement."""
        return percentile(self.seconds, 99)

    def refuse_to_publish(self) -> None:
        """Exit if the machine was too busy for figures that others are to read."""
        if not self.p99 <= _BUSY:
            sys.exit(f"not published: the event loop was late by {self.p99 * 1000:.0f} ms (p99)")

    def __str__(self) -> str:
        return f"Event-loop lag while it ran: p99 {self.p99 * 1000:.0f} ms."

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _measure(self) -> None:
        while True:
            due = time.perf_counter() + self._every
            await asyncio.sleep(self._every)
            self.seconds.append(time.perf_counter() - due)
