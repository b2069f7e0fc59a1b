"""Blocking calls that do not delay the end of the program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Call a function that may block for long, in a thread of its own.

    Unlike with `asyncio.to_thread`, the program's end does not wait for it: a server that never
    answers would else hold Ctrl-C up until the call's own timeout.
    """
    done: Future[T] = Future()

    def work() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(call())
        except BaseException as error:  # it is the caller's, as everything that was called
            done.set_exception(error)

    Thread(target=work, name="pulse-cli", daemon=True).start()
    return await asyncio.wrap_future(done)
