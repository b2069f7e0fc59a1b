"""A Pulse server that costs little and always says the same, in a process of its own.

It says an interim ten times a second of audio, as the service does while a caller talks, and
answers finalize after 100 ms: no server that recognizes speech far away is sooner. Three words come
with each second; a final has the times of its words where they were asked for. The first word of
each text is the moment at which it was sent, on `perf_counter`, which is one clock for all
processes of a machine; the second word of an answer is how long it was kept back. What audio holds,
where a contender was given `stamped` frames, is the moment at which it was pushed.
"""

from __future__ import annotations

import asyncio
import gc
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
_INTERIM_BYTES = RATE * 2 // 10
_WORD_SECONDS = 1 / 3
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
    words = text.split(" ", 2)
    return int(words[1]) / 1e9 if len(words) > 1 else 0.0


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
    gc.disable()  # a collection would delay an answer of whichever contender is measured then

    async def run() -> None:
        async with serving(delays) as port:
            ports.put(port)
            await asyncio.Future()

    asyncio.run(run())


@asynccontextmanager
async def serving(delays: Queue[list[float]] | None = None) -> AsyncIterator[int]:
    """Serve in this event loop; the port."""

    async def finalize(socket: ServerConnection, talk: _Talk) -> None:
        asked = time.perf_counter_ns()
        await asyncio.sleep(_ANSWER_AFTER)
        with suppress(ConnectionClosed):
            await socket.send(talk.final(asked))

    async def converse(
        socket: ServerConnection, answers: asyncio.TaskGroup, waited: list[float]
    ) -> None:
        assert socket.request is not None
        talk = _Talk(timed="word_timestamps=true" in socket.request.path)
        async for message in socket:
            if isinstance(message, bytes):
                before, talk.heard = talk.heard, talk.heard + len(message)
                if delays is not None:
                    waited += _ages(message, before)
                if talk.heard // _INTERIM_BYTES > before // _INTERIM_BYTES:
                    await socket.send(talk.interim())
            elif "finalize" in message:
                answers.create_task(finalize(socket, talk))
            elif "keepalive" in message:
                await socket.send('{"type":"pong"}')
            else:
                await asyncio.sleep(2 * _ANSWER_AFTER)
                await socket.send(_said("", is_final=True, is_last=True))

    async def answer(socket: ServerConnection) -> None:
        waited: list[float] = []
        async with asyncio.TaskGroup() as answers:
            with suppress(ConnectionClosed):
                await converse(socket, answers, waited)
        if delays is not None:
            delays.put(waited)

    async with serve(answer, "127.0.0.1", 0, compression=None) as made:
        yield next(iter(made.sockets)).getsockname()[1]


class _Talk:
    """What one connection was told and has said.

    Args:
        timed: Finals have the times of their words.
    """

    def __init__(self, *, timed: bool) -> None:
        self.heard = 0  # bytes
        self._timed = timed
        self._final = 0  # words that finals held

    def interim(self) -> str:
        """The words since the last final."""
        spoken = [_word(number) for number in range(self._final, self._spoken)]
        return _said(" ".join([str(time.perf_counter_ns()), *spoken]), is_final=False)

    def final(self, asked: int) -> str:
        """The answer to a finalize that came at this moment of `perf_counter_ns`."""
        now, first, self._final = time.perf_counter_ns(), self._final, self._spoken
        spoken = [_word(number) for number in range(first, self._final)]
        texts = [str(now), str(now - asked), *spoken]
        begin = first * _WORD_SECONDS
        step = (self._final - first) * _WORD_SECONDS / len(texts)
        words = [
            {
                "word": text,
                "start": round(begin + number * step, 3),
                "end": round(begin + (number + 1) * step, 3),
                "confidence": 0.9,
            }
            for number, text in enumerate(texts)
        ]
        extra = {"words": words} if self._timed else {}
        return _said(" ".join(texts), is_final=True, from_finalize=True, **extra)

    @property
    def _spoken(self) -> int:
        return int(self.heard / (RATE * 2 * _WORD_SECONDS))


def _word(number: int) -> str:
    return f"word{number}"


def _said(text: str, **more: object) -> str:
    message = {"type": "transcription", "session_id": "s", "transcript": text, "is_last": False}
    return json.dumps({**message, "language": "en", **more})


def _ages(message: bytes, position: int) -> list[float]:
    """Seconds since each stamped frame that begins in this packet was pushed."""
    now = time.perf_counter_ns()
    first = -position % FRAME_BYTES
    starts = range(first, len(message) - _STAMP + 1, FRAME_BYTES)
    stamps = (int.from_bytes(message[at : at + _STAMP], "little") for at in starts)
    return [(now - stamp) / 1e9 for stamp in stamps if 0 < now - stamp < 60_000_000_000]
