"""What Ctrl-C and SIGTERM do to a command that runs."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def first_interrupt(finish: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call something instead of ending the program.

    After that, and after the block, Ctrl-C does again what it did before. Nothing changes where
    Ctrl-C is ignored, as in a shell's background, and outside the main thread, which alone can set
    handlers.

    Args:
        finish: Called in the running event loop, at most once.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def pressed(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(finish)  # also wakes a loop that waits for its sockets

    # Not the loop's own handler: Windows has none.
    signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def termination_unwinds() -> Iterator[None]:
    """Let SIGTERM end the program as an exception does, with exit code 143.

    Without this a terminal would keep what a progress bar changed: its cursor stays hidden.
    Nothing changes outside the main thread, which alone can set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
