"""A blocking call gives its value, its error, or is left alone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pulse_plugins.cli.threads import in_thread
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.process


async def test_it_gives_what_the_call_gives_or_raises() -> None:
    assert await in_thread(lambda: threading.current_thread().daemon) is True
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_a_call_that_is_not_wanted_any_more_is_not_waited_for() -> None:
    loop = asyncio.get_running_loop()
    begun, over = asyncio.Event(), threading.Event()

    def block() -> bool:
        loop.call_soon_threadsafe(begun.set)
        return over.wait(30)

    waiting = asyncio.create_task(in_thread(block))
    try:
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    finally:
        over.set()
