"""Many calls through one contender, in one process of its own, in real time."""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any, TypeVar

from pulse_plugins.local.recognizers.scripted import speak
from tests.benchmarks.contender import FRAME_SECONDS, Contender, hush
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.service import RATE, on_core, stamped

TURN = 3.0  # seconds of audio
_SPREAD = 0.5  # seconds: calls do not begin at the same moment
_SETTLE = 0.4  # seconds until everybody is connected, and
_SETTLE_EACH = 0.002  # seconds more for each of them
_LONGEST = 900  # seconds; one that dies is noticed at once
Result = TypeVar("Result")


def alone(work: Callable[..., Coroutine[Any, Any, Result]], *arguments: object) -> Result:
    """Run a coroutine function in a process of its own, on a core without the server."""
    context = mp.get_context("spawn")
    results: Queue[Result] = context.Queue()
    process = context.Process(target=_work, args=(results, work, arguments))
    process.start()
    try:
        for _ in range(_LONGEST):
            with suppress(Empty):
                return results.get(timeout=1.0)
            if process.exitcode:
                break
        raise RuntimeError(f"{work.__name__}{arguments} did not end well")
    finally:
        process.join(timeout=10)


def _work(
    results: Queue[Result],
    work: Callable[..., Coroutine[Any, Any, Result]],
    arguments: tuple[object, ...],
) -> None:
    hush()
    on_core(0)
    results.put(asyncio.run(work(*arguments)))


@asynccontextmanager
async def crowd(name: str, port: int, streams: int) -> AsyncIterator[list[Contender]]:
    """So many calls, all connected."""
    async with AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(CONTENDERS[name](f"ws://127.0.0.1:{port}", RATE))
            for _ in range(streams)
        ]
        await asyncio.sleep(_SETTLE + _SETTLE_EACH * streams)
        yield calls


async def speak_all(
    calls: list[Contender], seconds: float, *, asked: list[list[float]] | None = None
) -> None:
    """Each call says so many seconds, 20 ms a frame, and ends a turn every three seconds.

    Args:
        calls: The calls.
        seconds: Of audio a call.
        asked: Given, frames hold the moment at which they are pushed, and the moments at which
            turns ended are added, a list a call.
    """
    audio = speak(range(16), RATE, tail_seconds=TURN).tobytes()[: round(TURN * RATE) * 2]
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(calls):
            ends: list[float] | None = None
            if asked is not None:
                asked.append(ends := [])
            group.create_task(_speak(each, audio, seconds, number / len(calls) * _SPREAD, ends))


async def _speak(
    contender: Contender, audio: bytes, seconds: float, offset: float, ends: list[float] | None
) -> None:
    size = round(RATE * FRAME_SECONDS) * 2
    began = time.monotonic() + offset
    await asyncio.sleep(offset)
    for number in range(round(seconds / FRAME_SECONDS)):
        at = number * size % len(audio)
        frame = audio[at : at + size]
        await contender.push(frame if ends is None else stamped(frame))
        if (number + 1) * size % len(audio) == 0:
            if ends is not None:
                ends.append(time.perf_counter())
            await contender.end_of_speech()
        await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_SECONDS - time.monotonic()))
