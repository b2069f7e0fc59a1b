"""A Pulse server of a few habits, on a bare websocket, written from the service's documents.

The server recognizes the words of `pulse_plugins.local.recognizers.scripted`: a word is returned
only when all of its audio arrived.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pulse_plugins.local.recognizers.contract import Decoder, RecognizedWord
from pulse_plugins.local.recognizers.scripted import ScriptedDecoder


@dataclass(slots=True)
class Habits:
    """How this server differs from the next.

    Attributes:
        vad: It sends speech_started and speech_ended.
        flag: It marks answers with from_finalize.
        answers_empty: It answers a finalize when nothing is pending.
        window: Seconds of silence after which it ends a segment and speech; None: never.
        max_words: It cuts a segment after so many words.
        speakers: Every two seconds of audio the other one of two speaks.
        refusals: HTTP statuses for the next handshakes, in order.
        decoder: Makes what hears a connection at a sample rate.
    """

    vad: bool = True
    flag: bool = True
    answers_empty: bool = True
    window: float | None = 0.3
    max_words: int | None = None
    speakers: bool = False
    refusals: list[int] = field(default_factory=list)
    decoder: Callable[[int], Decoder] = ScriptedDecoder


class Link:
    """One connection as the server sees it."""

    def __init__(self, number: int, socket: ServerConnection, habits: Habits) -> None:
        request = socket.request
        assert request is not None
        self.number = number
        self.query = {k: v[0] for k, v in parse_qs(urlsplit(request.path).query).items()}
        self.path = urlsplit(request.path).path
        self.rate = int(self.query["sample_rate"])
        self.audio = bytearray()
        self.controls: list[str] = []
        self.words: list[RecognizedWord] = []  # all, of finals and the open segment
        self.socket = socket
        self._habits = habits
        self._decoder = habits.decoder(self.rate)
        self._open: list[RecognizedWord] = []
        self._quiet = 0.0
        self._speaking = False

    @property
    def seconds(self) -> float:
        return len(self.audio) / 2 / self.rate

    def cut(self) -> None:
        """The network is gone: no close frame, no goodbye."""
        transport = self.socket.transport
        transport.abort()

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps({"session_id": f"s{self.number}", **message}))

    async def take(self, data: bytes) -> None:
        self.audio += data
        pcm = np.frombuffer(data, "<i2")
        words = await self._decoder.feed(pcm)
        await self._watch(pcm)
        if words is not None:
            self.words += words[len(self._open) :]
            self._open = list(words)
            if self._habits.max_words and len(words) >= self._habits.max_words:
                await self.end_segment()
                return
            text = " ".join(word.text for word in words)
            await self.say(transcript=text, is_final=False, is_last=False)

    async def _watch(self, pcm: NDArray[np.int16]) -> None:
        loud = bool(len(pcm)) and int(np.abs(pcm.astype(np.int32)).max()) > 1000
        self._quiet = 0.0 if loud else self._quiet + len(pcm) / self.rate
        if loud and not self._speaking:
            self._speaking = True
            if self._habits.vad:
                await self.say(type="speech_started", timestamp=self.seconds - len(pcm) / self.rate)
        window = self._habits.window
        if self._speaking and window is not None and self._quiet >= window:
            self._speaking = False
            if self._habits.vad:
                await self.say(type="speech_ended", timestamp=self.seconds - self._quiet)
            await self.end_segment()

    async def end_segment(self, **flags: object) -> None:
        words = await self._decoder.finish_segment()
        self.words += words[len(self._open) :]
        self._open = []
        if words or flags:
            await self.say(
                transcript=" ".join(word.text for word in words),
                is_final=True,
                language=self.query["language"],
                words=[self._wire(word) for word in words],
                **{"is_last": False, **flags},
            )

    def _wire(self, word: RecognizedWord) -> dict[str, object]:
        entry: dict[str, object] = {
            "word": word.text,
            "start": word.start,
            "end": word.end,
            "confidence": word.confidence,
        }
        if self._habits.speakers:
            entry["speaker"] = int(word.start / 2.0) % 2
        return entry

    async def control(self, kind: str) -> bool:
        """Answer a control message; False when the connection is over."""
        self.controls.append(kind)
        if kind == "finalize":
            flags = {"from_finalize": True} if self._habits.flag else {}
            if flags or self._habits.answers_empty:
                await self.end_segment(**flags or {"is_last": False})
            else:
                await self.end_segment()
        if kind in ("close_stream", "end"):
            await self.end_segment(is_last=True)
            await self.socket.close(1000)
            return False
        return True


Fault = Callable[[Link, str], bool]


class Peer:
    """The server; `fault` sees each message first and may swallow it by returning True."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.links: list[Link] = []
        self.handshakes = 0
        self.fault: Fault = lambda link, what: False
        self.changed = asyncio.Condition()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    @property
    def finalizes(self) -> int:
        return sum(link.controls.count("finalize") for link in self.links)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(true)

    def _greet(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.habits.refusals:
            status = self.habits.refusals.pop(0)
            return socket.respond(HTTPStatus(status), '{"error":"no"}')
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        link = Link(len(self.links) + 1, socket, self.habits)
        async with self.changed:
            self.links.append(link)
            self.changed.notify_all()
        with suppress(ConnectionClosed):
            await self._listen(link, socket)

    async def _listen(self, link: Link, socket: ServerConnection) -> None:
        async for message in socket:
            what = "audio" if isinstance(message, bytes) else str(json.loads(message)["type"])
            if not self.fault(link, what):
                if isinstance(message, bytes):
                    await link.take(message)
                elif not await link.control(what):
                    break
            async with self.changed:
                self.changed.notify_all()

    async def __aenter__(self) -> Peer:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._greet, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


@asynccontextmanager
async def peer(**habits: object) -> AsyncIterator[Peer]:
    """A running server with these habits."""
    made = Habits()
    for name, value in habits.items():
        setattr(made, name, value)
    async with Peer(made) as running:
        yield running
