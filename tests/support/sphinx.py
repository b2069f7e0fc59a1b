"""PocketSphinx in virtual time: the clock stands still while a decoder's process works.

A test imports `PocketSphinxRecognizer` from here. On a real clock nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from pulse_plugins.local.recognizers import pocketsphinx
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from tests.support.patience import PATIENCE
from tests.support.virtual_time import VirtualLoop

__all__ = ["PocketSphinxRecognizer"]

_T = TypeVar("_T")


def _stops_the_clock(method: Callable[..., Awaitable[_T]]) -> Callable[..., Awaitable[_T]]:
    @wraps(method)
    async def wrapped(*args: Any, **kwargs: Any) -> _T:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            return await method(*args, **kwargs)
        loop.may_start_processes = True
        job = loop.begin(PATIENCE)
        try:
            return await method(*args, **kwargs)
        finally:
            loop.end(job)

    return wrapped


# In their class, so that a process that has started follows the clock, too.
_Process = pocketsphinx._Process
_Process.start = classmethod(_stops_the_clock(_Process.start.__func__))  # type: ignore
_Process.ask = _stops_the_clock(_Process.ask)  # type: ignore[assignment, method-assign]
_Process.kill = _stops_the_clock(_Process.kill)  # type: ignore[assignment, method-assign]
