"""A service that says what docs/protocol.md shows, word for word: one script a connection.

It shares no code with the client's codec nor with the local server's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pulse_plugins import Connected, Disconnected, Event, Final, PulseOptions, PulseStream
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.local.recognizers.scripted import speak
from tests.support.privacy import API_KEY

RATE = 16_000  # Hz
DEADLINE = 20.0  # seconds that a call may take
LOUD = speak(range(12), RATE).astype("<i2").tobytes()  # 2.88 s of speech without a pause
LAST = {"session_id": "s1", "transcript": "", "is_final": True, "is_last": True}


@dataclass(frozen=True, slots=True)
class Close:
    """The server closes with this code; 1006: it is gone without a close frame."""

    code: int


Frame: TypeAlias = "dict[str, Any] | str | bytes | Close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one connection is told.

    Attributes:
        greeting: Right after the handshake.
        heard: Once so many bytes of audio came.
        heard_bytes: See `heard`.
        finalize: For each finalize, in order; the last one again and again.
        closing: At the closing word.
    """

    greeting: Sequence[Frame] = ()
    heard: Sequence[Frame] = ()
    heard_bytes: int = len(LOUD)
    finalize: Sequence[Sequence[Frame]] = ((),)
    closing: Sequence[Frame] = (LAST, Close(1000))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is answered with a status."""

    status: int
    body: str = '{"error":"no"}'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Visit:
    """One handshake, and what came on its connection in order: audio joined, controls parsed."""

    path: str
    query: dict[str, str]
    headers: Headers
    wire: list[Any] = field(default_factory=list)
    packets: list[int] = field(default_factory=list)  # bytes of each binary message

    @property
    def audio(self) -> bytes:
        return b"".join(part for part in self.wire if isinstance(part, bytes))

    @property
    def controls(self) -> list[Any]:
        return [part for part in self.wire if not isinstance(part, bytes)]


class Service:
    """The server; the nth handshake gets the nth script, later ones the last."""

    def __init__(self, scripts: Sequence[Script | Refusal]) -> None:
        self._scripts = scripts
        self.visits: list[Visit] = []
        self.url = ""
        self._more = asyncio.Event()

    async def came(self) -> None:
        """Wait for the next message."""
        self._more.clear()
        await self._more.wait()

    def _script(self, number: int) -> Script | Refusal:
        return self._scripts[min(number, len(self._scripts)) - 1]

    def greet(self, socket: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.visits.append(Visit(parts.path, query, request.headers))
        script = self._script(len(self.visits))
        if isinstance(script, Script):
            socket.visit = self.visits[-1], script  # type: ignore[attr-defined]
            return None
        phrase = HTTPStatus(script.status).phrase
        body = script.body.encode()
        length = ("Content-Length", str(len(body)))
        return Response(script.status, phrase, Headers([length, *script.headers]), body)

    async def serve(self, socket: ServerConnection) -> None:
        visit, script = socket.visit  # type: ignore[attr-defined]
        asked, told = 0, False
        with suppress(ConnectionClosed):
            await _say(socket, script.greeting)
            async for message in socket:
                self._more.set()
                if isinstance(message, bytes):
                    visit.packets.append(len(message))
                    if visit.wire and isinstance(visit.wire[-1], bytes):
                        visit.wire[-1] += message
                    else:
                        visit.wire.append(message)
                    if not told and len(visit.audio) >= script.heard_bytes:
                        told = True
                        await _say(socket, script.heard)
                    continue
                control = json.loads(message)
                visit.wire.append(control)
                if control == {"type": "finalize"}:
                    await _say(socket, script.finalize[min(asked, len(script.finalize) - 1)])
                    asked += 1
                elif control == {"type": "keepalive"}:
                    await _say(socket, [{"type": "pong"}])
                elif control in ({"type": "close_stream"}, {"type": "end"}):
                    await _say(socket, script.closing)


async def _say(socket: ServerConnection, frames: Sequence[Frame]) -> None:
    for frame in frames:
        match frame:
            case Close(code=1006):
                socket.transport.abort()
            case Close(code=code):
                await socket.close(code)
            case dict():
                await socket.send(json.dumps(frame))
            case _:
                await socket.send(frame)


@asynccontextmanager
async def service(*scripts: Script | Refusal) -> AsyncIterator[Service]:
    """A running service with these scripts."""
    running = Service(scripts or (Script(),))
    async with serve(
        running.serve, "127.0.0.1", 0, process_request=running.greet, compression=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        running.url = f"ws://127.0.0.1:{port}"
        yield running


class Reachable(Protocol):
    """Any server: this one, or the local server."""

    @property
    def url(self) -> str: ...


def options(running: Reachable, **wanted: Any) -> PulseOptions:
    """Options for the service, without pauses that a test would wait for."""
    hasty: dict[str, Any] = {
        "api_key": API_KEY,
        "base_url": running.url,
        "retry": RetryPolicy(base=0.0),
    }
    return PulseOptions(**hasty | wanted)


async def hear(
    running: Reachable, *, finalizes: int = 0, pcm: bytes = LOUD, **wanted: Any
) -> list[Event]:
    """Say something, ask for the words, end; what was told but for the coming and going.

    Raises:
        PulseError: The stream failed for good.
    """
    events = await attend(running, finalizes=finalizes, pcm=pcm, **wanted)
    return [event for event in events if not isinstance(event, Connected | Disconnected)]


async def attend(
    running: Reachable, *, finalizes: int = 0, pcm: bytes = LOUD, **wanted: Any
) -> list[Event]:
    """The same, with all that was told."""
    stream = PulseStream(options(running, **wanted))
    events: list[Event] = []
    async with asyncio.timeout(DEADLINE):
        async with stream:
            stream.push(pcm)
            for asked in range(1, finalizes + 1):
                stream.request_finalize()
                async for event in stream:
                    events.append(event)
                    if isinstance(event, Final) and event.finalize_id == asked:
                        break
        return events + [event async for event in stream]


def seen(event: Event, **expected: object) -> dict[str, object]:
    """Of an event what was expected of it, to be compared as a whole."""
    return {name: getattr(event, name) for name in expected}
