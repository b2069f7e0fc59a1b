"""A server that wants the key, wants another host to have it, or wants to write into our logs.

The servers are on loopback. `tests/core/client` attacks the same parts one by one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from pulse_plugins import Event, Interim, PulseBatch, PulseError, PulseOptions, PulseStream
from tests.support.privacy import API_KEY

Habit = Callable[[ServerConnection], Awaitable[None]]
QUIET = bytes(640)  # 20 ms
ESCAPES = "\x1b[2J\x1b]0;owned\x07"
FORGED = f"s1\r\n2026-01-01 CRITICAL forged {ESCAPES}\u2028\u202e{'x' * 100_000}"


def url_of(server: Server) -> str:
    return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@asynccontextmanager
async def server_with(habit: Habit) -> AsyncIterator[str]:
    async with serve(habit, "127.0.0.1", 0) as server:
        yield url_of(server)


async def events_of(options: PulseOptions, audio: bytes = QUIET * 100) -> list[Event]:
    """All events of a stream that is sent some audio and then ended."""
    stream = PulseStream(options)
    stream.start()
    stream.push(audio)
    stream.end()
    async with asyncio.timeout(60):
        return [event async for event in stream]


def saying(*messages: str | bytes) -> Habit:
    """A server that sends messages at the first audio, and then ends the stream in good order."""

    async def habit(socket: ServerConnection) -> None:
        try:
            await socket.recv()
            for message in messages:
                await socket.send(message)
            async for received in socket:
                if isinstance(received, str):
                    last = {"transcript": "", "is_final": True, "is_last": True}
                    await socket.send(json.dumps(last))
        except ConnectionClosed:
            pass

    return habit


async def test_a_session_id_forges_no_line_and_no_escape_code_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "pulse_plugins.stream")
    told = {"transcript": "hello", "is_final": False, "session_id": FORGED}
    async with server_with(saying(json.dumps(told))) as url:
        events = await events_of(PulseOptions(base_url=url))
    assert any(isinstance(event, Interim) for event in events)
    lines = [record.getMessage() for record in caplog.records]
    assert any("session_id=" in line for line in lines)
    for record in caplog.records:
        shown = f"{record.getMessage()}{vars(record).get('pulse_session_id', '')}"
        assert shown.isprintable()
        assert len(shown) < 2_000


@pytest.mark.parametrize(
    "message",
    ["[" * 100_000, "{" * 100_000, '{"transcript": ' + "9" * 5_000 + "}", b"\x00" * 1_000, "null"],
    ids=["deep array", "deep object", "long number", "binary", "null"],
)
async def test_nonsense_ends_neither_the_process_nor_the_stream(message: str | bytes) -> None:
    told = json.dumps({"transcript": "hello", "is_final": False})
    async with server_with(saying(message, told)) as url:
        events = await events_of(PulseOptions(base_url=url))
    assert any(isinstance(event, Interim) and event.text == "hello" for event in events)


async def test_the_key_does_not_follow_a_redirect() -> None:
    asked: list[str] = []

    def note(_: ServerConnection, request: Request) -> None:
        asked.append(str(request.headers))

    async def nothing(_: ServerConnection) -> None: ...

    async with serve(nothing, "127.0.0.1", 0, process_request=note) as thief:

        def elsewhere(socket: ServerConnection, _: Request) -> Response:
            response = socket.respond(HTTPStatus.TEMPORARY_REDIRECT, "")
            response.headers["Location"] = url_of(thief)
            return response

        async with serve(nothing, "127.0.0.1", 0, process_request=elsewhere) as server:
            options = PulseOptions(base_url=url_of(server), api_key=API_KEY)
            with pytest.raises(PulseError):
                await events_of(options)
            with pytest.raises(PulseError):
                async with PulseBatch(options, attempts=1) as batch:
                    await batch.transcribe(QUIET)
    assert asked == []


async def test_a_proxy_of_the_environment_sees_nothing_that_is_meant_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1_000))
        writer.close()

    proxy = await asyncio.start_server(listen, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    try:
        async with server_with(saying(json.dumps({"transcript": "hi", "is_final": False}))) as url:
            events = await events_of(PulseOptions(base_url=url, api_key=API_KEY))
            with pytest.raises(PulseError):
                async with PulseBatch(PulseOptions(base_url=url), attempts=1) as batch:
                    await batch.transcribe(QUIET)
    finally:
        proxy.close()
    assert any(isinstance(event, Interim) for event in events)
    assert asked == []


async def test_the_key_stands_in_no_local_variable_and_no_text_of_an_error() -> None:
    options = PulseOptions(base_url="ws://127.0.0.1:9", api_key=API_KEY)
    with pytest.raises(PulseError) as failed:
        async with PulseBatch(options, attempts=1) as batch:
            await batch.transcribe(QUIET)
    assert API_KEY not in repr(options)
    error: BaseException | None = failed.value
    while error is not None:
        assert API_KEY not in f"{error!r}{error}"
        trace = error.__traceback__
        while trace is not None:
            # An error tracker writes down the local variables of each frame.
            if "pulse_plugins" in trace.tb_frame.f_code.co_filename:
                assert API_KEY not in repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
