"""A Pulse server that costs little and always says the same, in a process of its own.

It says an interim three times a second of audio and answers finalize after 100 ms: no server that
recognizes speech far away is sooner. The text of each is the moment at which it was sent, on
`perf_counter`, which is one clock for all processes of a machine; an answer's text also holds how
long it was kept back. What audio holds, where a contender was given `stamped` frames, is the
moment at which it was pushed.
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
_ANSWER_AFTER = 0.1  # seconds
_STAMP = 8  # bytes
_CORE = 1  # where there are several: a real service does not share the caller's


def stamped(frame: bytes) -> bytes:
    """The frame with this moment in its first bytes."""
    return time.perf_counter_ns().to_bytes(_STAMP, "little") + frame[_STAMP:]


def sent_at(text: str) -> float | None:
    """The moment that a transcript holds, on the clock of `perf_counter`."""
    moment = text.partition(" ")[0]
    return int(moment) / 1e9 if moment.isdecimal() else None


def kept_back(text: str) -> float:
    """Seconds for which the server kept an answer to finalize back."""
    return int(text.partition(" ")[2] or 0) / 1e9


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

    async def finalize(socket: ServerConnection) -> None:
        asked = time.perf_counter_ns()
        await asyncio.sleep(_ANSWER_AFTER)
        now = time.perf_counter_ns()
        with suppress(ConnectionClosed):
            await socket.send(_said(f"{now} {now - asked}", is_final=True, from_finalize=True))

    async def converse(
        socket: ServerConnection, answers: asyncio.TaskGroup, waited: list[float]
    ) -> None:
        heard = 0
        async for message in socket:
            if isinstance(message, bytes):
                before, heard = heard, heard + len(message)
                if delays is not None:
                    waited += _ages(message, before)
                if heard // _INTERIM_BYTES > before // _INTERIM_BYTES:
                    await socket.send(_said(is_final=False))
            elif "finalize" in message:
                answers.create_task(finalize(socket))
            elif "keepalive" in message:
                await socket.send('{"type":"pong"}')
            else:
                await asyncio.sleep(2 * _ANSWER_AFTER)
                await socket.send(_said(text="", is_final=True, is_last=True))

    async def answer(socket: ServerConnection) -> None:
        waited: list[float] = []
        async with asyncio.TaskGroup() as answers:
            with suppress(ConnectionClosed):
                await converse(socket, answers, waited)
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
