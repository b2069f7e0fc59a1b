"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

A test that plays a minute of audio takes the CPU time of that minute and not the minute. Sockets
of the loopback interface are real: the loop asks its selector first, and only when no socket is
ready and no thread works for the loop does the clock jump.

While such a loop is open, `time.time`, `time.monotonic`, `time.perf_counter` and their `_ns` forms
follow the loop's clock, so that timestamps taken by any library agree with the loop's timers.

What talks to another process must use a real clock: nothing tells the loop that the other process
is still at work.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import anyio.to_thread

from tests.support.patience import PATIENCE

_T = TypeVar("_T")

# Real functions of the `time` module, taken before any loop replaces them.
_NAMES = ("time", "monotonic", "perf_counter")
_REAL: Mapping[str, Callable[[], float]] = {name: getattr(time, name) for name in _NAMES}
_REAL_NS: Mapping[str, Callable[[], int]] = {
    f"{name}_ns": getattr(time, f"{name}_ns") for name in _NAMES
}

_REAL_RUN_SYNC = anyio.to_thread.run_sync

# Real seconds that the loop waits for a thread before it treats the thread as one that waits
# itself (a reader of standard input, for example). A thread that converts audio or starts FFmpeg
# takes milliseconds on an idle machine, and seconds while many processes are busy. No test has a
# thread that waits, except the one of this rule, which sets the patience itself.
_THREAD_PATIENCE = PATIENCE

# Bytes written to a loopback socket are readable at once unless the kernel is busy. Before the
# clock jumps far, the loop looks at its sockets for a moment longer, so that a busy kernel cannot
# turn data that is under way into a timeout. (virtual seconds of the jump, real seconds to look)
_LOOKS = ((5.0, 0.02), (0.4, 0.002))

# Virtual seconds that one turn of the loop takes. Nothing that was awaited took no time at all,
# and a coroutine that polls with `sleep(0)` reaches its deadline.
_TURN = 1e-5


class Clock:
    """Virtual seconds, and the patched functions of the `time` module."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._began = {name: read() for name, read in _REAL.items()}

    def read(self, name: str) -> float:
        """The virtual reading of a function of the `time` module."""
        return self._began[name] + self.elapsed

    def read_ns(self, name: str) -> int:
        """The same in whole nanoseconds."""
        return round(self.read(name) * 1e9)

    def install(self) -> None:
        """Make the `time` module follow this clock."""
        for name in _NAMES:
            setattr(time, name, partial(self.read, name))
            setattr(time, f"{name}_ns", partial(self.read_ns, name))

    def uninstall(self) -> None:
        """Give the `time` module its own functions back."""
        for name, function in (*_REAL.items(), *_REAL_NS.items()):
            setattr(time, name, function)


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that advances the clock instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.jobs: dict[object, float] = {}  # work elsewhere, and until when it is waited for

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.elapsed += _TURN
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        patience = max(self.jobs.values(), default=0.0) - _REAL["monotonic"]()
        if patience > 0:
            return super().select(patience)  # work that ends wakes the selector
        if timeout is None:
            return super().select(None)  # another thread, or a signal
        look = next((real for jump, real in _LOOKS if timeout >= jump), 0.0)
        if look and (ready := super().select(look)):
            return ready
        self._clock.elapsed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Only one may be open in a process."""

    def __init__(self) -> None:
        self.may_start_processes = False  # only `sphinx` waits for those that it starts
        self._virtual_clock = Clock()
        self._jumping = _JumpingSelector(self._virtual_clock)
        super().__init__(self._jumping)
        self._virtual_clock.install()
        anyio.to_thread.run_sync = _run_in_anyio_thread  # type: ignore[assignment]

    def time(self) -> float:
        return self._virtual_clock.read("monotonic")

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        job = self.begin(_THREAD_PATIENCE)
        try:
            future: asyncio.Future[_T] = super().run_in_executor(executor, func, *args)
        except BaseException:
            self.end(job)
            raise
        future.add_done_callback(lambda _: self.end(job))
        return future

    def begin(self, patience: float) -> object:
        """Stop the clock for work outside of the loop, for at most so many real seconds."""
        job = object()
        self._jumping.jobs[job] = _REAL["monotonic"]() + patience
        return job

    def end(self, job: object) -> None:
        """This work is done."""
        self._jumping.jobs.pop(job, None)

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        if not self.may_start_processes:
            raise RuntimeError("another process has another clock: mark this test `process`")
        return await super()._make_subprocess_transport(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        if not self.is_closed():
            self._virtual_clock.uninstall()
            anyio.to_thread.run_sync = _REAL_RUN_SYNC
        super().close()


async def _run_in_anyio_thread(func: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """As `anyio.to_thread.run_sync`, which keeps its own threads, with the loop's clock stopped.

    Starlette reads the files of a page in this way.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    job = loop.begin(_THREAD_PATIENCE)
    try:
        return await _REAL_RUN_SYNC(func, *args, **options)
    finally:
        loop.end(job)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """As `asyncio.run`, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class _ProgramLoop(VirtualLoop):
    """The loop of a whole program, which starts no other processes than decoders of speech."""

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        import_module("tests.support.sphinx")  # the clock waits for what is asked from now on
        self.may_start_processes = True
        job = self.begin(PATIENCE)
        try:
            return await super()._make_subprocess_transport(*args, **kwargs)
        finally:
            self.end(job)


def use_in_program() -> None:
    """Let `asyncio.run` of this process use a loop in virtual time."""
    asyncio.events.new_event_loop = _ProgramLoop


def real_monotonic() -> float:
    """Seconds of the real clock, in any test."""
    return _REAL["monotonic"]()
