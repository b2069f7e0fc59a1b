"""A Pulse server with habits and a result latency, whose words are numbers in the audio.

A word is a stretch of equal samples: their value is a level plus the word's number, so that the
server hears exactly what was said, and hears a word again when its audio is sent again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from math import inf
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

RATE = 16_000  # Hz
WORD = 0.24  # seconds
LOUD = 8000  # of 32767
SOFT = 1600
_STEP = 400  # numbers fit between two levels

Samples = NDArray[np.int16]


def tone(number: int, level: int = LOUD) -> Samples:
    """The word of this number, from 1 to 399."""
    assert 0 < number < _STEP
    return np.full(round(WORD * RATE), level + number, np.int16)


def noise(seconds: float, level: int = LOUD) -> Samples:
    """Sound that holds no word."""
    return np.full(round(seconds * RATE), level, np.int16)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


@dataclass(slots=True)
class Habits:
    """How this server differs from the next.

    Attributes:
        latency: Seconds from audio to the result that it leads to.
        flag: It marks answers with from_finalize.
        answers: It answers a finalize at all.
        answers_empty: It answers a finalize when nothing is pending.
        timed: Its finals have word times, if they are asked for.
        max_words: It cuts a segment after so many words.
        window: Seconds of silence after which it ends a segment and speech.
        doubles: A word under way at a finalize is in the answer and in the final after it.
        speakers: Word numbers by speaker; others are speaker 0.
        secrets: Word numbers that redaction replaces.
        drop_at: Seconds of audio on the first connection after which it is cut.
        outage: Seconds after that drop without a server.
        confidence: Of each word; None: none is sent.
        deaf_from: Seconds of audio after which the first connection says nothing more.
        speed: Times real time at which it reads audio.
    """

    latency: float = 0.2
    flag: bool = True
    answers: bool = True
    answers_empty: bool = True
    timed: bool = True
    max_words: int = 10
    window: float = 0.6
    doubles: bool = False
    speakers: Mapping[int, int] = field(default_factory=dict)
    secrets: frozenset[int] = frozenset()
    drop_at: float | None = None
    outage: float = 0.0
    confidence: float | None = None
    deaf_from: float | None = None
    speed: float = inf


@dataclass(frozen=True, slots=True)
class _Heard:
    number: int
    start: float
    end: float


class Connection:
    """One connection.

    Attributes:
        query: Of its handshake.
        said: The words of its finals.
        finalizes: How often it was asked.
        is_open: Whether it is still there.
    """

    def __init__(self, socket: ServerConnection, habits: Habits, first: bool) -> None:
        assert socket.request is not None
        self._socket = socket
        self._habits = habits
        self._first = first
        self.query = {k: v[0] for k, v in parse_qs(urlsplit(socket.request.path).query).items()}
        self.said: list[str] = []
        self.finalizes = 0
        self.is_open = True
        self._pending = np.empty(0, np.int16)  # what may hold words that are not whole yet
        self._before = 0  # samples before that
        self._open: list[_Heard] = []
        self._again: _Heard | None = None
        self._speaking = False
        self._quiet = 0.0
        self._out: asyncio.Queue[tuple[float, str | None]] = asyncio.Queue()

    @property
    def seconds(self) -> float:
        return (self._before + self._pending.size) / RATE

    async def serve(self) -> None:
        sender = asyncio.create_task(self._send())
        try:
            with suppress(ConnectionClosed):
                await self._listen()
        finally:
            self.is_open = False
            sender.cancel()

    async def _listen(self) -> None:
        async for message in self._socket:
            if isinstance(message, bytes):
                samples = np.frombuffer(message, np.int16)
                if self._habits.speed < inf:
                    await asyncio.sleep(samples.size / RATE / self._habits.speed)
                self._hear(samples)
                if self._first and self._due(self._habits.drop_at):
                    self._socket.transport.abort()
                    return
                continue
            kind = str(json.loads(message)["type"])
            if kind == "finalize":
                self._finalize()
            elif kind in ("close_stream", "end"):
                self._final(is_last=True)
                self._say(None)

    def _due(self, at: float | None) -> bool:
        return at is not None and self.seconds >= at

    def _hear(self, samples: Samples) -> None:
        self._pending = np.concatenate((self._pending, samples))
        before = len(self._open)
        self._take_words()
        if len(self._open) >= self._habits.max_words:
            self._final()
        elif len(self._open) > before:
            self._interim()
        self._watch(samples)

    def _take_words(self) -> None:
        """Move whole words from the pending audio to the open segment."""
        size = round(WORD * RATE)
        borders = np.flatnonzero(np.diff(self._pending)) + 1
        edges = [0, *borders.tolist(), self._pending.size]
        kept = 0
        for start, end in pairwise(edges):
            number = int(self._pending[start]) % _STEP if end > start else 0
            if number and end - start == size:
                at = (self._before + start) / RATE
                self._open.append(_Heard(number, at, at + WORD))
                kept = end
        if not kept and self._pending.size > 2 * size:
            kept = self._pending.size - size
        self._before += kept
        self._pending = self._pending[kept:]

    def _watch(self, samples: Samples) -> None:
        loud = int(np.abs(samples).max(initial=0)) > 300
        self._quiet = 0.0 if loud else self._quiet + samples.size / RATE
        if loud and not self._speaking:
            self._speaking = True
            self._mark("speech_started", self.seconds - samples.size / RATE)
        elif self._speaking and self._quiet >= self._habits.window:
            self._speaking = False
            if self._open:
                self._final()
            self._mark("speech_ended", self.seconds - self._quiet)

    def _mark(self, kind: str, at: float) -> None:
        if self.query.get("vad_events") == "true":
            self._say({"type": kind, "timestamp": at})

    def _finalize(self) -> None:
        self.finalizes += 1
        if not self._habits.answers:
            return
        under_way = self._under_way() if self._habits.doubles else None
        if under_way is not None:
            self._open.append(under_way)
        if self._open or self._habits.answers_empty:
            self._final(**({"from_finalize": True} if self._habits.flag else {}))

    def _under_way(self) -> _Heard | None:
        """The word whose first half was heard; it will be heard whole later."""
        if not self._pending.size or not int(self._pending[-1]):
            return None
        borders = np.flatnonzero(np.diff(self._pending))
        start = int(borders[-1]) + 1 if borders.size else 0
        if self._pending.size - start < round(WORD * RATE / 2):
            return None
        at = (self._before + start) / RATE
        return _Heard(int(self._pending[-1]) % _STEP, at, self.seconds)

    def _interim(self) -> None:
        self._say({"transcript": self._text(redacted=False), "is_final": False})

    def _final(self, **flags: bool) -> None:
        message: dict[str, Any] = {
            "transcript": self._text(redacted=self.query.get("redact_pii") == "true"),
            "is_final": True,
            "language": self.query.get("language"),
            **flags,
        }
        if self._habits.timed and self.query.get("word_timestamps") == "true":
            message["words"] = [self._word(each) for each in self._open]
        self.said += self._text(redacted=False).split()
        self._open = []
        self._say(message)

    def _text(self, *, redacted: bool) -> str:
        return " ".join(self._spelled(each.number, redacted=redacted) for each in self._open)

    def _spelled(self, number: int, *, redacted: bool) -> str:
        if redacted and number in self._habits.secrets:
            return f"[NAME_{number}]"
        return f"w{number}"

    def _word(self, each: _Heard) -> dict[str, Any]:
        redacted = self.query.get("redact_pii") == "true"
        entry: dict[str, Any] = {
            "word": self._spelled(each.number, redacted=redacted),
            "start": round(each.start, 2),
            "end": round(each.end, 2),
        }
        if self._habits.confidence is not None:
            entry["confidence"] = self._habits.confidence
        if self.query.get("diarize") == "true":
            entry["speaker"] = self._habits.speakers.get(each.number, 0)
        return entry

    def _say(self, message: dict[str, Any] | None) -> None:
        if self._first and self._due(self._habits.deaf_from):
            return
        due = asyncio.get_running_loop().time() + self._habits.latency
        text = None if message is None else json.dumps({"session_id": "s", **message})
        self._out.put_nowait((due, text))

    async def _send(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                due, text = await self._out.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if text is None:
                    await self._socket.close(1000)
                    return
                await self._socket.send(text)


class ToneServer:
    """The running server.

    Attributes:
        connections: Every one so far.
    """

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self.connections: list[Connection] = []
        self._gone_until = 0.0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    @property
    def finalizes(self) -> int:
        return sum(each.finalizes for each in self.connections)

    def _greet(self, socket: ServerConnection, _: Request) -> Response | None:
        if asyncio.get_running_loop().time() < self._gone_until:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "gone")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        connection = Connection(socket, self._habits, first=not self.connections)
        self.connections.append(connection)
        await connection.serve()
        if len(self.connections) == 1 and self._habits.drop_at is not None:
            self._gone_until = asyncio.get_running_loop().time() + self._habits.outage


@asynccontextmanager
async def tone_server(habits: Habits) -> AsyncIterator[ToneServer]:
    """Run a server with these habits."""
    made = ToneServer(habits)
    made._server = await serve(
        made._serve, "127.0.0.1", 0, process_request=made._greet, compression=None
    )
    try:
        yield made
    finally:
        made._server.close()
        await made._server.wait_closed()
