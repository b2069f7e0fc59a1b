"""The local server's door: streams and requests as bytes, and a running server that takes them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import wave
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from hypothesis import strategies as st

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.messages import BATCH_PATHS, PATHS
from pulse_plugins.local.wire.parameters import DOCUMENTED
from tests.fuzz.messages import CONTROLS, TEXT, VALID, texts
from tests.local.client import calling, spoken

DEADLINE = 15.0  # seconds for one exchange with the server
WORDS = "please book a table for four".split()

_QUERY_NAMES = sorted({name for names in DOCUMENTED.values() for name in names} | {"token"})
_VALUES = st.one_of(
    TEXT,
    st.sampled_from("true false en multi hi-IN linear16 opus 8000 16000 -1 1e9 pulse".split()),
    texts([{"a": 1}]),
).map(lambda value: quote(value[:2000], errors="surrogatepass").encode())
_QUERIES = st.one_of(
    st.lists(st.tuples(st.sampled_from(_QUERY_NAMES).map(str.encode), _VALUES), max_size=4).map(
        lambda pairs: b"model=pulse&language=en&" + b"&".join(b"=".join(p) for p in pairs)
    ),
    st.binary(max_size=40).map(lambda raw: b"".join(raw.split())),
)
_FRAME = st.tuples(
    st.sampled_from([0x81, 0x81, 0x82, 0x82, 0x89, 0x8A, 0x88, 0x01, 0x80, 0xC1, 0x83]),
    st.one_of(
        texts(CONTROLS).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from(CONTROLS).map(lambda each: json.dumps(each).encode()),
        st.binary(max_size=300),
        st.integers(0, 5).map(lambda word: speak([word]).astype("<i2").tobytes()),
    ),
)


@dataclass(frozen=True)
class Stream:
    """One websocket: where to, and its frames as first byte and payload."""

    path: str
    query: bytes
    frames: list[tuple[int, bytes]]
    cut: int  # bytes left off at the end


STREAMS = st.builds(
    Stream,
    st.sampled_from(sorted(PATHS)),
    st.one_of(st.just(b"model=pulse&language=en"), _QUERIES),
    st.lists(_FRAME, max_size=8),
    st.sampled_from([0, 0, 1, 5]),
)


@dataclass(frozen=True)
class Request:
    """One HTTP request, as bytes."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(speak([0, 1]).astype("<i2").tobytes())
    return file.getvalue()


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(_wav()[: draw(st.sampled_from([10, 44, 1000, 40_000]))])
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, min(60, len(data)) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


REQUESTS = st.builds(
    Request,
    st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PUT"]),
    st.one_of(
        st.sampled_from(
            [each.encode() for each in (*BATCH_PATHS, *PATHS)]
            + [b"/_control/faults", b"/_control/stats"]
        ),
        st.binary(max_size=20).map(lambda raw: b"/" + b"".join(raw.split())),
    ),
    _QUERIES,
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"Content-Type", b"Authorization", b"Upgrade", b"X-Odd", b"Content-Encoding"]
            ),
            st.one_of(
                st.sampled_from([b"application/json", b"audio/wav", b"text/plain; charset=x"]),
                st.binary(max_size=30).map(lambda raw: b" ".join(raw.split())),
            ),
        ),
        max_size=3,
    ),
    st.one_of(
        st.binary(max_size=400),
        _damaged(),
        texts(VALID).map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
)


class Door(logging.Handler):
    """A running server on a loop of its own, and whatever tracebacks came of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.tracebacks: list[str] = []
        self._runner = asyncio.Runner()
        self._server = PulseServer(
            ServerOptions(recognizer=ScriptedRecognizer(WORDS), control=True)
        )

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.tracebacks.append(logging.Formatter().format(record))

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.tracebacks.append(f"{context.get('message')}: {context.get('exception')!r}")

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        self._runner.get_loop().set_exception_handler(self._uncaught)
        self._runner.run(self._server.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._server.aclose())
        self._runner.close()
        logging.getLogger().removeHandler(self)

    def check_stream(self, example: Stream) -> None:
        """Any frames on any path: the server closes, and logs no traceback."""
        head = (
            b"GET %s?%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer k\r\n\r\n" % (example.path.encode(), example.query)
        )
        sent = b"".join(_frame(first, payload) for first, payload in example.frames)
        self._exchange(head, sent[: len(sent) - example.cut] + _frame(0x88, b"\x03\xe8"))

    def check_request(self, example: Request) -> None:
        """Any request: an answer below 500, or a close."""
        named = [(b"Host", b"x"), (b"Connection", b"close"), *example.headers]
        if all(name != b"Authorization" for name, _ in example.headers):
            named.append((b"Authorization", b"Bearer k"))
        named.append((b"Content-Length", b"%d" % len(example.body)))
        self._exchange(
            b"%s %s?%s HTTP/1.1\r\n" % (example.method.encode(), example.path, example.query)
            + b"".join(b"%s: %s\r\n" % pair for pair in named)
            + b"\r\n"
            + example.body
        )

    def check_healthy(self) -> None:
        """A client without faults still gets every word."""
        self._server.faults.clear()
        self._runner.run(self._call())

    def _exchange(self, head: bytes, rest: bytes = b"") -> None:
        self.tracebacks.clear()
        answer = self._runner.run(self._talk(head, rest))
        self._server.faults.clear()  # the control endpoint may have armed some
        assert not self.tracebacks, "\n".join(self.tracebacks)
        assert not answer.startswith(b"HTTP/1.1 500"), answer[:200]

    async def _talk(self, head: bytes, rest: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
            answer = b""
            try:
                writer.write(head)
                if rest:
                    answer = await reader.readuntil(b"\r\n\r\n")
                    if answer.startswith(b"HTTP/1.1 101"):
                        writer.write(rest)
                writer.write_eof()
                answer += await reader.read()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the server hung up: its right
            finally:
                writer.close()
        return answer

    async def _call(self) -> None:
        async with asyncio.timeout(DEADLINE), calling(self._server) as client:
            await client.say(speak(range(len(WORDS))))
            assert spoken(await client.finish()) == WORDS


def _frame(first: int, payload: bytes) -> bytes:
    """A masked frame; control frames cannot be longer than 125 bytes."""
    if first & 0x08:
        payload = payload[:125]
    mask = os.urandom(4)
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 0x80 | 127]) + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked
