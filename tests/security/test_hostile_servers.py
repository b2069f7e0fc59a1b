"""A server that is not what it should be gets no key, no audio and no room in memory or logs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pulse_plugins import (
    CertificateError,
    Event,
    Final,
    PulseError,
    PulseOptions,
    PulseStream,
    Reconnecting,
    RequestRejectedError,
    Timeouts,
)
from pulse_plugins.core.client import trust
from pulse_plugins.core.config.keys import ENV_API_KEY
from tests.support.certificates import certificate
from tests.support.privacy import API_KEY, Watch

SPEECH = bytes(range(1, 251)) * 128  # a second of noise
DEADLINE = 20.0  # seconds


class Server:
    """Writes down who calls, with which credentials, and how much audio comes."""

    def __init__(self, greeting: tuple[str, ...] = (), location: str = "") -> None:
        self.keys: list[str] = []
        self.audio = 0
        self.url = ""
        self._greeting = greeting
        self._location = location

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.keys.append(request.headers.get("Authorization", ""))
        if not self._location:
            return None
        response = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "")
        response.headers["Location"] = self._location
        return response

    async def talk(self, connection: ServerConnection) -> None:
        for greeting in self._greeting:
            await connection.send(greeting)
        async for message in connection:
            if isinstance(message, bytes):
                self.audio += len(message)
            elif "close" in message:
                last = {"transcript": "", "is_final": True, "is_last": True}
                await connection.send(json.dumps(last))


@asynccontextmanager
async def running(server: Server, **given: Any) -> AsyncIterator[Server]:
    async with serve(
        server.talk, "127.0.0.1", 0, process_request=server.refuse, **given
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"{'wss' if given.get('ssl') else 'ws'}://127.0.0.1:{port}"
        yield server


async def call(
    options: PulseOptions, until: Callable[[Event], bool] = lambda _: False
) -> list[Event]:
    """The events of a call, up to the first that is looked for.

    Raises:
        PulseError: The stream failed for good.
    """
    events: list[Event] = []
    stream = PulseStream(options)
    stream.start()
    stream.push(SPEECH)
    try:
        async with asyncio.timeout(DEADLINE):
            async for event in stream:
                events.append(event)
                if until(event):
                    break
    finally:
        stream.abort()
        await stream.wait_closed()
    return events


async def failure(options: PulseOptions) -> PulseError:
    with pytest.raises(PulseError) as failed:
        await call(options)
    return failed.value


async def test_a_redirect_gets_neither_the_key_nor_the_audio() -> None:
    async with running(Server()) as thief:
        location = thief.url.replace("ws:", "http:") + "/waves/v1/pulse/get_text"
        async with running(Server(location=location)) as server:
            error = await failure(PulseOptions(base_url=server.url, api_key=API_KEY))
            assert len(server.keys) == 1
    assert isinstance(error, RequestRejectedError)
    assert error.code == "redirect"
    assert (thief.keys, thief.audio) == ([], 0)


async def test_a_server_with_a_wrong_certificate_is_called_once_and_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_cached", None)
    async with running(Server(), ssl=certificate(tmp_path).server) as server:
        error = await failure(PulseOptions(base_url=server.url, api_key=API_KEY))
    assert isinstance(error, CertificateError)
    assert (server.keys, server.audio) == ([], 0)


async def test_the_key_of_the_cloud_does_not_follow_a_fail_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENV_API_KEY, API_KEY)
    resolve = socket.getaddrinfo

    def no_cloud(host: Any, *rest: Any, **more: Any) -> Any:
        if "smallest" in str(host):
            raise socket.gaierror("the cloud is away")
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", no_cloud)
    greeting = json.dumps({"transcript": "hello", "is_final": True})
    async with running(Server((greeting,))) as own:
        options = PulseOptions(base_url=("wss://api.smallest.ai", own.url))
        await call(options, lambda event: isinstance(event, Final))
    assert own.keys == ["Bearer local"]


HOSTILE_ID = "\x1b[2J\r\nfailed stream=other reason=made_up\u202e" + "x" * 5000


async def test_a_session_id_cannot_write_into_logs_and_terminals(private_logs: Watch) -> None:
    greeting = json.dumps({"session_id": HOSTILE_ID, "transcript": "hello", "is_final": True})
    async with running(Server((greeting,))) as server:
        options = PulseOptions(base_url=server.url)
        events = await call(options, lambda event: isinstance(event, Final))
    final = events[-1]
    assert isinstance(final, Final)
    assert final.session_id.isprintable()
    assert len(final.session_id) <= 128
    for record in private_logs.records:
        if record.name.startswith("pulse_plugins"):
            assert record.getMessage().isprintable()
            assert len(record.getMessage()) < 1000


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "message": f"Invalid language: {API_KEY} said the caller"},
        {"error": f"{API_KEY} said the caller"},
        {"status": "error", "errors": [{"path": f"{API_KEY} said the caller"}]},
    ],
)
async def test_an_error_cannot_repeat_the_key_or_the_words_of_the_caller(
    message: dict[str, object], private_logs: Watch
) -> None:
    async with running(Server((json.dumps(message),))) as server:
        events = await call(
            PulseOptions(base_url=server.url, api_key=API_KEY),
            lambda event: getattr(event, "error", None) is not None,
        )
    error = getattr(events[-1], "error", None)
    assert isinstance(error, PulseError)
    assert API_KEY not in str(error)
    assert "caller" not in str(error)
    assert private_logs.leaks([API_KEY, "said the caller"]) == []


async def test_a_message_without_end_is_cut_off() -> None:
    async with running(Server(("x" * (5 * 1024 * 1024),))) as server:
        events = await call(
            PulseOptions(base_url=server.url), lambda event: isinstance(event, Reconnecting)
        )
    assert isinstance(events[-1], Reconnecting)


async def test_a_handshake_without_end_is_cut_off() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        try:
            while True:
                writer.write(b"X: " + b"y" * 1000)
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        timeouts = Timeouts(connect=2.0, max_outage=4.0)
        error = await failure(PulseOptions(base_url=url, timeouts=timeouts))
    assert error.retryable
