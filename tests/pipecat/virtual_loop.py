"""An event loop whose clock jumps to its next timer, and clocks of `time` that follow it."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest import mock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_EPOCH = 1_800_000_000.0  # seconds; where `time.time()` begins


class _JumpingSelector(selectors.DefaultSelector):
    """Polls instead of waiting, and tells its loop to jump over the wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.loop.threads:
            return super().select(0.01 if self.loop.threads else None)
        self.loop.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps take no time; what a thread does takes the time it takes."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now = 1000.0
        self.threads = 0
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: Unpack[Ts]
    ) -> asyncio.Future[T]:
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: object) -> None:
        self.threads -= 1


@contextmanager
def _clocks_of(loop: VirtualLoop) -> Iterator[None]:
    def since_epoch() -> float:
        return _EPOCH + loop.now

    with (
        mock.patch.object(time, "monotonic", loop.time),
        mock.patch.object(time, "time", since_epoch),
    ):
        yield


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    with _clocks_of(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
