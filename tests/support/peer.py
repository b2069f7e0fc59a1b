"""A Pulse server on a bare websocket, written from the service's documents, with observed habits.

The server recognizes the words of `pulse_plugins.local.recognizers.scripted`: a word is returned
only when all of its audio arrived.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from random import Random
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pulse_plugins.local.recognizers.contract import RecognizedWord
from tests.support.habits import Habits
from tests.support.outbox import Outbox

_LOUD = 1000  # of 32767: louder samples are speech
_WORD_UNDER_WAY = 0.3  # seconds after a finalize in which the word under way ends


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
        self.is_black_hole = False
        self._habits = habits
        self._decoder = habits.decoder(self.rate)
        self._outbox = Outbox(socket, habits, Random(f"{habits.seed} {number}"))
        self._open: list[RecognizedWord] = []
        self._cut: list[RecognizedWord] = []  # a word that was in the final before, too
        self._answers_at: float | None = None  # a finalize that waits for the word under way
        self._quiet = 0.0
        self._speaking = False
        self._finals = 0
        self._said: dict[str, object] = {}  # the newest final

    @property
    def seconds(self) -> float:
        return len(self.audio) / 2 / self.rate

    def cut(self) -> None:
        """The network is gone: no close frame, no goodbye."""
        self.socket.transport.abort()

    async def black_hole(self) -> None:
        """From now on it takes everything and sends nothing."""
        self.is_black_hole = True
        await self._outbox.stop()

    async def say(self, **message: object) -> None:
        await self._outbox.send(self._wire(message))

    def _wire(self, message: dict[str, object]) -> str:
        return json.dumps({"session_id": f"s{self.number}", **message})

    async def take(self, data: bytes) -> None:
        self.audio += data
        pcm = np.frombuffer(data, "<i2")
        words = await self._decoder.feed(pcm)
        await self._watch(pcm)
        if words is not None:
            await self._take_words(list(words))
        at = self._answers_at
        if at is not None and (words is not None or self.seconds - at > _WORD_UNDER_WAY):
            await self._answer_in_mid_word(at)

    async def _take_words(self, words: list[RecognizedWord]) -> None:
        fresh = words[len(self._open) :]
        self.words += fresh
        self._open = words
        if self._answers_at is not None:
            return
        every, most = self._habits.interim_every, self._habits.max_words
        if most and len(words) >= most:
            await self.end_segment()
        elif every and len(words) % every == 0:
            shown = [*self._cut, *words]
            await self._outbox.send_interim(
                self._wire({"transcript": _text(shown), "is_final": False, "is_last": False})
            )

    async def _watch(self, pcm: NDArray[np.int16]) -> None:
        loud = bool(len(pcm)) and int(np.abs(pcm.astype(np.int32)).max()) > _LOUD
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
        words = list(await self._decoder.finish_segment())
        self.words += words[len(self._open) :]
        self._open = []
        words = [*self._cut, *words]
        self._cut = []
        if words or flags:
            await self._final(words, flags)

    async def _final(self, words: list[RecognizedWord], flags: dict[str, object]) -> None:
        habits = self._habits
        redacted = sorted({word.text for word in words} & habits.redacts)
        names = {word: f"[FIRSTNAME_{number}]" for number, word in enumerate(redacted, 1)}
        message: dict[str, object] = {
            "transcript": _text([replace(w, text=names.get(w.text, w.text)) for w in words]),
            "is_final": True,
            "language": self.query.get("language", "en"),
            "is_last": False,
            **flags,
        }
        if habits.punctuates and words:
            text = str(message["transcript"])
            message["transcript"] = f"{text[0].upper()}{text[1:]}."
        if habits.word_times:
            message["words"] = [self._word(w, names.get(w.text, w.text).lower()) for w in words]
        if names:
            message["redacted_entities"] = list(names.values())
        self._said = message
        self._finals += 1
        await self._outbox.send_final(self._wire(message))
        if habits.repeats_finals and self._finals % habits.repeats_finals == 0:
            await self._outbox.send_final(self._wire({**message, "from_finalize": False}))
        if habits.error_every and self._finals % habits.error_every == 0:
            await self.say(status="error", message="the request timed out")

    def _word(self, word: RecognizedWord, text: str) -> dict[str, object]:
        digits = 2 if self._habits.word_times == "rounded" else 9
        entry: dict[str, object] = {
            "word": text,
            "start": round(word.start, digits),
            "end": round(word.end, digits),
            "confidence": word.confidence,
        }
        speaker = self._habits.speaker(word.text, word.start)
        return entry if speaker is None else {**entry, "speaker": speaker}

    async def control(self, kind: str) -> bool:
        """Answer a control message; False when the connection is over."""
        self.controls.append(kind)
        if kind == "finalize":
            is_mid_word = self._speaking and self._quiet == 0.0
            if self._habits.doubles_word is not None and is_mid_word:
                self._answers_at = self.seconds
            else:
                await self._answer()
        if kind in ("close_stream", "end"):
            await self._end()
            return False
        return True

    async def _answer(self) -> None:
        flags = {"from_finalize": True} if self._habits.marks(self.query) else {}
        if self._habits.answers_empty:
            await self.end_segment(**flags or {"is_last": False})
        elif self._open or self._cut:
            await self.end_segment(**flags)
        else:
            await self.end_segment()

    async def _answer_in_mid_word(self, asked_at: float) -> None:
        """Answer with the word that was under way, which the next segment begins with again."""
        self._answers_at = None
        under_way = self._open[-1:]
        later = self._habits.doubles_word or 0.0
        await self._answer()
        for word in under_way:
            if word.start < asked_at < word.end:
                start = min(word.start + later, word.end - 0.02)
                self._cut = [replace(word, start=start, end=word.end)]

    async def _end(self) -> None:
        last = self._habits.last
        if last == "words":
            await self.end_segment(is_last=True)
        else:
            await self.end_segment()
            said = self._said if last == "repeat" else {"transcript": "", "is_final": True}
            await self.say(**{**said, "is_last": True})
        await self._outbox.close(1000)

    async def aclose(self) -> None:
        await self._outbox.stop()


def _text(words: list[RecognizedWord]) -> str:
    return " ".join(word.text for word in words)


Fault = Callable[[Link, str], bool]


class Peer:
    """The server; `fault` sees each message first and may swallow it by returning True."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.links: list[Link] = []
        self.handshakes = 0
        self.fault: Fault = lambda link, what: False
        self.changed = asyncio.Condition()
        self.is_out = False  # an outage: every handshake is refused with 503
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    @property
    def finalizes(self) -> int:
        return sum(link.controls.count("finalize") for link in self.links)

    @property
    def open_links(self) -> list[Link]:
        """The connections that are open, oldest first."""
        return [link for link in self.links if link.socket.close_code is None]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(true)

    def _greet(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.is_out:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, '{"error":"no"}')
        if self.habits.refusals:
            status = self.habits.refusals.pop(0)
            return socket.respond(HTTPStatus(status), '{"error":"no"}')
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        link = Link(len(self.links) + 1, socket, self.habits)
        async with self.changed:
            self.links.append(link)
            self.changed.notify_all()
        try:
            with suppress(ConnectionClosed):
                await self._listen(link, socket)
        finally:
            await link.aclose()

    async def _listen(self, link: Link, socket: ServerConnection) -> None:
        async for message in socket:
            if link.is_black_hole:
                continue
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
