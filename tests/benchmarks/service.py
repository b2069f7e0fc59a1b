"""A Pulse server that costs little and always says the same, in a process of its own.

It says an interim three times a second of audio and answers finalize at once. The text of each is
the moment at which it was sent: `perf_counter` is one clock for all processes of a machine. What
audio holds, where a contender was given `stamped` frames, is the moment at which it was pushed.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing as mp
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing.queues import Queue

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

RATE = 16_000
FRAME_BYTES = 640  # 20 ms
_INTERIM_BYTES = RATE * 2 // 3
_STAMP = 8  # bytes
_CORE = 1  # where there are several: a real service does not share the caller's


def stamped(frame: bytes) -> bytes:
    """The frame with this moment in its first bytes."""
    return time.perf_counter_ns().to_bytes(_STAMP, "little") + frame[_STAMP:]


def sent_at(text: str) -> float | None:
    """The moment that a transcript holds, on the clock of `perf_counter`."""
    return int(text) / 1e9 if text.isdecimal() else None


@contextmanager
def server_process() -> Iterator[tuple[int, Queue[list[float]]]]:
    """The port of a running one, and where it leaves the seconds that frames of audio took."""
    context = mp.get_context("spawn")
    ports: Queue[int] = context.Queue()
    delays: Queue[list[float]] = context.Queue()
    process = context.Process(target=_main, args=(ports, delays), daemon=True)
    process.start()
    try:
        yield ports.get(timeout=30), delays
    finally:
        process.terminate()
        process.join()


def on_core(number: int) -> None:
    """Keep this process on one core, where the system can and there is more than one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > number:
        os.sched_setaffinity(0, {number})


def _main(ports: Queue[int], delays: Queue[list[float]]) -> None:
    on_core(_CORE)

    async def run() -> None:
        async with serving(delays) as port:
            ports.put(port)
            await asyncio.Future()

    asyncio.run(run())


@asynccontextmanager
async def serving(delays: Queue[list[float]] | None = None) -> AsyncIterator[int]:
    """Serve in this event loop; the port."""

    async def answer(socket: ServerConnection) -> None:
        heard = 0
        waited: list[float] = []
        with suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, bytes):
                    before, heard = heard, heard + len(message)
                    if delays is not None:
                        waited += _ages(message, before)
                    if heard // _INTERIM_BYTES > before // _INTERIM_BYTES:
                        await socket.send(_said(is_final=False))
                elif "finalize" in message:
                    await socket.send(_said(is_final=True, from_finalize=True))
                elif "keepalive" in message:
                    await socket.send('{"type":"pong"}')
                else:
                    await socket.send(_said(text="", is_final=True, is_last=True))
        if delays is not None:
            delays.put(waited)

    async with serve(answer, "127.0.0.1", 0, compression=None) as made:
        yield next(iter(made.sockets)).getsockname()[1]


def _said(text: str | None = None, **flags: bool) -> str:
    message = {
        "type": "transcription",
        "session_id": "s",
        "transcript": str(time.perf_counter_ns()) if text is None else text,
        "is_last": False,
    }
    return json.dumps({**message, "language": "en", **flags})


def _ages(message: bytes, position: int) -> list[float]:
    """Seconds since each stamped frame that begins in this packet was pushed."""
    now = time.perf_counter_ns()
    first = -position % FRAME_BYTES
    starts = range(first, len(message) - _STAMP + 1, FRAME_BYTES)
    stamps = (int.from_bytes(message[at : at + _STAMP], "little") for at in starts)
    return [(now - stamp) / 1e9 for stamp in stamps if 0 < now - stamp < 60_000_000_000]
