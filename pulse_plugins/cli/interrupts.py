"""Ctrl-C as a request to finish: the first one is obeyed politely, the second one at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def first_interrupt(finish: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call something instead of ending the program.

    From then on, and after the block, Ctrl-C does again what it did before. Nothing changes where
    it is ignored, as in a shell's background, and outside the main thread, which alone hears it.

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
