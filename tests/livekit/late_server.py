"""A Pulse server whose results are late, for conversations in virtual time.

A word is `WORD` seconds of samples that hold the word's number, so the server hears exactly the
words whose audio arrived. It decides what to say at the place in the audio where it heard it, and
says it `latency` seconds later, as a service with a network and a decoder does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

RATE = 16_000
WORD = 0.22  # seconds of speech in a word
LOUD = 6000  # the sample value of word 0
MOST_WORDS = 4000
NOISE = 20_000  # the sample value of a cough: loud, and no word
NAMES = "zero one two three four five six seven eight nine".split()


def spell(number: int) -> str:
    """The word with this number, lower case."""
    return "".join(NAMES[int(digit)] for digit in f"{number:02d}")


@dataclass(slots=True)
class Habits:
    """How this server differs from the next.

    Attributes:
        latency: Seconds from the audio's arrival to the result.
        vad: It sends speech_started and speech_ended where the client asks for them.
        vad_latency: Seconds for these two, where they are faster or slower than the text.
        flag: It marks answers with from_finalize.
        answers_empty: It answers a finalize when nothing is pending.
        timed: Finals have word times.
        window: Seconds of silence that end a segment where the client asks for no other time.
        max_words: It cuts a segment after so many words; None: never.
        doubles: A word that is being said at a finalize is in both finals.
        formats: Which texts have a capital and a full stop.
        speakers: Each word names a speaker; the speaker changes every five words.
        refusals: HTTP statuses for the next handshakes, in order.
        knows_window: It takes `endpointing_timeout` from the client.
    """

    latency: float = 0.3
    vad: bool = True
    vad_latency: float | None = None
    flag: bool = True
    answers_empty: bool = True
    timed: bool = True
    window: float = 0.6
    max_words: int | None = None
    doubles: bool = False
    formats: str = "none"  # or "finals", "all"
    speakers: bool = False
    refusals: list[int] = field(default_factory=list)
    knows_window: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """A word's number, and where it lies in the connection's audio, in seconds."""

    number: int
    start: float
    end: float


class Hearing:
    """One connection."""

    def __init__(self, socket: ServerConnection, habits: Habits) -> None:
        request = socket.request
        assert request is not None
        self.query = {k: v[0] for k, v in parse_qs(urlsplit(request.path).query).items()}
        self.socket = socket
        self.finalizes = 0
        self.seconds = 0.0
        self._habits = habits
        asked = self.query.get("endpointing_timeout") if habits.knows_window else None
        self._window = int(asked) / 1000 if asked else habits.window
        self._vad = habits.vad and self.query.get("vad_events") == "true"
        self._endpoints = self.query.get("endpointing", "true") == "true"
        self._tail = np.empty(0, np.int16)  # the audio of a word that is not over
        self._open: list[Heard] = []  # the open segment
        self._quiet = 0.0
        self._speaking = False
        self._outbox: list[tuple[float, int, dict[str, object]]] = []
        self._sent = 0
        self._wake = asyncio.Event()

    def cut(self) -> None:
        """The network is gone: no close frame, no goodbye."""
        self.socket.transport.abort()

    def take(self, data: bytes) -> None:
        """Audio came."""
        samples = np.frombuffer(data, "<i2")
        self.seconds += len(samples) / RATE
        joined = np.concatenate((self._tail, samples))
        began = self.seconds - len(joined) / RATE
        borders = np.flatnonzero(np.diff(joined)) + 1
        starts = [0, *borders.tolist()]
        ends = [*borders.tolist(), len(joined)]
        self._tail = np.empty(0, np.int16)
        for start, end in zip(starts, ends, strict=True):
            if start == end:
                continue
            is_last = end == len(joined)
            if joined[start] == 0:
                self._silence((end - start) / RATE, began + end / RATE)
                continue
            self._voice(began + start / RATE)
            if is_last and end - start < WORD * RATE:
                self._tail = joined[start:]
                continue
            if end - start >= WORD * RATE * 0.9:
                self._word(int(joined[start]) - LOUD, began + start / RATE, began + end / RATE)

    def _voice(self, at: float) -> None:
        self._quiet = 0.0
        if not self._speaking:
            self._speaking = True
            if self._vad:
                self._say_vad("speech_started", at)

    def _silence(self, seconds: float, until: float) -> None:
        self._quiet += seconds
        if self._speaking and self._endpoints and self._quiet >= self._window - 1e-6:
            self._speaking = False
            self.end_segment()
            if self._vad:
                self._say_vad("speech_ended", until - self._quiet)

    def _word(self, number: int, start: float, end: float) -> None:
        if not 0 <= number < MOST_WORDS:
            return
        self._open.append(Heard(number, start, end))
        if self._habits.max_words and len(self._open) >= self._habits.max_words:
            self.end_segment()
        else:
            self._say(transcript=self._text(self._open, False), is_final=False, is_last=False)

    def end_segment(self, **flags: object) -> None:
        """Close the open segment; nothing is said where it is empty and no flag is given."""
        words, self._open = self._open, []
        if not words and not flags:
            return
        message: dict[str, object] = {
            "transcript": self._text(words, True),
            "is_final": True,
            "is_last": False,
            "language": self.query.get("language", "en"),
            **flags,
        }
        if self._habits.timed and self.query.get("word_timestamps") == "true":
            message["words"] = [self._wire(word) for word in words]
        self._say(**message)

    def control(self, kind: str) -> None:
        """A control message came."""
        if kind == "finalize":
            self.finalizes += 1
            self._double()
            flags: dict[str, object] = {"from_finalize": True} if self._habits.flag else {}
            if self._habits.answers_empty and not flags:
                flags = {"is_last": False}
            if flags and not self._open and not self._habits.answers_empty:
                return
            self.end_segment(**flags)
        elif kind in ("close_stream", "end"):
            self.end_segment(is_last=True)

    def _double(self) -> None:
        """The word under way is in this final, and again in the next."""
        if self._habits.doubles and len(self._tail) > WORD * RATE * 0.5:
            began = self.seconds - len(self._tail) / RATE
            self._open.append(Heard(int(self._tail[0]) - LOUD, began, self.seconds))

    def _wire(self, word: Heard) -> dict[str, object]:
        entry: dict[str, object] = {
            "word": spell(word.number),
            "start": round(word.start, 2),
            "end": round(word.end, 2),
            "confidence": 0.9,
        }
        if self._habits.speakers and self.query.get("diarize") == "true":
            entry["speaker"] = word.number // 5 % 2
        return entry

    def _text(self, words: list[Heard], final: bool) -> str:
        text = " ".join(spell(word.number) for word in words)
        if text and (self._habits.formats == "all" or (final and self._habits.formats == "finals")):
            return text.capitalize() + "."
        return text

    def _say_vad(self, kind: str, at: float) -> None:
        latency = self._habits.vad_latency
        self._queue({"type": kind, "timestamp": round(at, 3)}, latency)

    def _say(self, **message: object) -> None:
        self._queue({"type": "transcription", **message}, None)

    def _queue(self, message: dict[str, object], latency: float | None) -> None:
        delay = self._habits.latency if latency is None else latency
        due = asyncio.get_running_loop().time() + delay
        self._sent += 1
        self._outbox.append((due, self._sent, {"session_id": "s1", **message}))
        self._outbox.sort(key=lambda item: item[:2])
        self._wake.set()

    async def speak(self) -> None:
        """Send each result when it is due; ends after the last one."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._outbox:
                self._wake.clear()
                await self._wake.wait()
            due = self._outbox[0][0]
            if due > loop.time():
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
                continue
            _, _, message = self._outbox.pop(0)
            await self.socket.send(json.dumps(message))
            if message.get("is_last"):
                await self.socket.close(1000)
                return


class LateServer:
    """The server; it is reached at `url`."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.connections: list[Hearing] = []
        self.handshakes = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    def cut(self) -> None:
        """Drop the newest connection, as a network does."""
        if self.connections:
            self.connections[-1].cut()

    def _greet(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.habits.refusals:
            return socket.respond(HTTPStatus(self.habits.refusals.pop(0)), '{"error":"no"}')
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        hearing = Hearing(socket, self.habits)
        self.connections.append(hearing)
        speaker = asyncio.create_task(hearing.speak())
        try:
            with suppress(ConnectionClosed):
                async for message in socket:
                    if isinstance(message, bytes):
                        hearing.take(message)
                    else:
                        hearing.control(str(json.loads(message)["type"]))
        finally:
            speaker.cancel()
            await asyncio.gather(speaker, return_exceptions=True)

    async def __aenter__(self) -> LateServer:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._greet, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


@asynccontextmanager
async def late_server(habits: Habits) -> AsyncIterator[LateServer]:
    """A running server."""
    async with LateServer(habits) as running:
        yield running


def samples_of(numbers: list[int], gap: float = 0.08) -> NDArray[np.int16]:
    """Words with a short gap after each."""
    pieces = []
    for number in numbers:
        pieces.append(np.full(round(WORD * RATE), LOUD + number, np.int16))
        pieces.append(np.zeros(round(gap * RATE), np.int16))
    return np.concatenate(pieces) if pieces else np.empty(0, np.int16)
