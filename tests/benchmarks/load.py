"""How late the event loop runs: whether contenders that run at once had room enough."""

from __future__ import annotations

import asyncio
import time
from typing import Self

from tests.benchmarks.report import percentile

_EVERY = 0.1  # seconds


class Lag:
    """Measures while its block runs.

    Attributes:
        seconds: How much later than asked each sleep ended.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @property
    def p99(self) -> float:
        """Seconds; NaN before the first measurement."""
        return percentile(self.seconds, 99)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _measure(self) -> None:
        while True:
            due = time.perf_counter() + _EVERY
            await asyncio.sleep(_EVERY)
            self.seconds.append(time.perf_counter() - due)
