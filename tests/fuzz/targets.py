"""What is fuzzed, and with what: the client's reading of messages, and the local server's door.

A target is a strategy and a check that raises when the property does not hold. What both sides
must survive is anything at all: valid messages with fields dropped, renamed and retyped, numbers
and nesting beyond reason, text that is no UTF-8, and bytes without any meaning.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import os
import wave
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from hypothesis import strategies as st

from pulse_plugins.core.wire.stream_messages import (
    ErrorReport,
    Pong,
    SpeechMark,
    Transcript,
    Unreadable,
    parse,
)
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.messages import BATCH_PATHS, PATHS
from pulse_plugins.local.wire.parameters import DOCUMENTED
from tests.local.client import calling, spoken
from tests.support.call import Call

DEADLINE = 15.0  # seconds for one exchange with the server
WORDS = "please book a table for four".split()

# Messages.

_WORD = {"word": "hi", "start": 0.1, "end": 0.4, "confidence": 0.9, "speaker": 0}
VALID: list[dict[str, Any]] = [
    {
        "type": "transcription",
        "status": "success",
        "session_id": "s",
        "transcript": "hi there",
        "transcription": "hi there",
        "is_final": True,
        "is_last": False,
        "from_finalize": True,
        "language": "en",
        "languages": ["en"],
        "words": [_WORD, {"word": "there", "start": 0.4, "end": 0.8}],
        "utterances": [{"text": "hi there", "start": 0.1, "end": 0.8, "speaker": "speaker_0"}],
        "redacted_entities": ["[NAME_1]"],
    },
    {"session_id": "s", "transcript": "hi", "is_final": False, "is_last": False},
    {"transcript": "", "is_final": True, "is_last": True},
    {"type": "speech_started", "session_id": "s", "timestamp": 0.5},
    {"type": "speech_ended", "timestamp": 1.5},
    {"type": "pong"},
    {"type": "error", "status": "error", "message": "no", "error_code": "E"},
    {"error": "something", "errors": [{"a": 1}]},
]
CONTROLS: list[dict[str, Any]] = [
    {"type": name} for name in ("finalize", "close_stream", "end", "keepalive")
]

_TEXT = st.text(st.characters(), max_size=20)  # surrogates included
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 2**63, 2**64, 1e308, -1e308, 5e-324]),
    st.floats(),  # NaN and the infinities too
    _TEXT,
)
_ODD = st.one_of(
    _SCALARS,
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
        max_leaves=10,
    ),
    st.integers(1, 3000).map(lambda count: [0] * count),
    st.integers(1, 150).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)


@st.composite
def _mutated(draw: st.DrawFn, valid: list[dict[str, Any]]) -> dict[str, Any]:
    """A valid message, some of whose fields are dropped, renamed, retyped or moved."""
    message = json.loads(json.dumps(draw(st.sampled_from(valid))))
    names = sorted({name for each in valid for name in each})
    for _ in range(draw(st.integers(0, 4))):
        inside = (
            [each for each in message.get("words") or () if isinstance(each, dict)]
            if (isinstance(message.get("words"), list))
            else []
        )
        place = draw(st.sampled_from([message, *inside]))
        name = draw(st.sampled_from([*names, *_WORD]))
        match draw(st.sampled_from(["drop", "rename", "retype"])):
            case "drop":
                place.pop(name, None)
            case "rename":
                place[draw(_TEXT)] = place.pop(name, None)
            case _:
                place[name] = draw(_ODD)
    return dict(message)


@st.composite
def _truncated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    text = draw(texts)
    return text[: draw(st.integers(0, len(text)))]


def texts(valid: list[dict[str, Any]]) -> st.SearchStrategy[str]:
    """What a peer may put into a text frame."""
    mutated = st.builds(json.dumps, _mutated(valid), ensure_ascii=st.booleans())
    nested = st.integers(1, 20_000).map(lambda depth: '{"words":' + "[" * depth)
    long_number = st.integers(1, 6000).map(lambda size: '{"timestamp":' + "9" * size + "}")
    return st.one_of(
        mutated,
        mutated,
        _truncated(mutated),
        st.builds(json.dumps, _ODD),
        _TEXT,
        nested,
        long_number,
    )


def check_parse(data: str | bytes) -> None:
    """`parse` answers with a message of its vocabulary, whatever comes."""
    message = parse(data)
    assert isinstance(message, Transcript | SpeechMark | Pong | ErrorReport | Unreadable)


@dataclass(frozen=True)
class Step:
    """One thing that happens in a call."""

    kind: str
    data: str | bytes = ""


CLIENT_FRAMES = st.one_of(texts(VALID), texts(VALID), st.binary(max_size=200))
_STEPS = st.lists(
    st.one_of(
        st.builds(Step, st.just("hear"), CLIENT_FRAMES),
        st.builds(Step, st.just("hear"), CLIENT_FRAMES),
        st.builds(Step, st.sampled_from(["say", "finalize", "wait"])),
    ),
    min_size=1,
    max_size=12,
)
SESSIONS = st.tuples(st.sampled_from(sorted(PATHS.values())), _STEPS)


def check_session(example: tuple[str, list[Step]]) -> None:
    """No message makes a session raise, lose count of a byte, or leave the clock."""
    dialect, steps = example
    call = Call(dialect=dialect)
    for step in steps:
        if call.opening:
            call.connect()
        match step.kind:
            case "hear" if call.servers:
                call.hear(step.data)
            case "say":
                call.say(1)
            case "finalize":
                call.finalize()
            case _:
                call.pass_time(0.5)
        _check_call(call)
    call.end()
    call.pass_time(30.0)
    _check_call(call)


def _check_call(call: Call) -> None:
    count = call.session.buffer.count
    waiting = round(call.packetizer.held_seconds * call.session.buffer.bytes_per_second)
    assert call.fed == count.held + count.acked + count.released + count.lost + waiting
    assert call.answered == sorted(set(call.answered))
    for final in call.finals:
        times = [final.start, final.end, *(t for w in final.words for t in (w.start, w.end))]
        assert all(math.isfinite(time) for time in times)


# The server.

_QUERY_NAMES = sorted({name for names in DOCUMENTED.values() for name in names} | {"token"})
_VALUES = st.one_of(
    _TEXT,
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


@dataclass(frozen=True)
class Target:
    """One thing to fuzz: examples and the check of one."""

    name: str
    examples: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def targets(door: Door) -> list[Target]:
    """All of them, cheapest first."""
    return [
        Target("parse", CLIENT_FRAMES, check_parse),
        Target("session", SESSIONS, check_session),
        Target("streams", STREAMS, door.check_stream),
        Target("requests", REQUESTS, door.check_request),
    ]
