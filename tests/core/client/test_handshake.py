"""How a handshake fails: which error it is, and what the error hides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
)
from pulse_plugins.core.client import trust
from pulse_plugins.core.client import websocket as module
from pulse_plugins.core.client.websocket import open_websocket
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.config.validation import warn_once
from tests.support.certificates import certificate
from tests.support.privacy import API_KEY
from tests.support.sockets import options, refusing, serving


async def fails(made: PulseOptions) -> PulseError:
    """How a handshake fails; the error must hide the key, with all that hangs on it."""
    with pytest.raises(PulseError) as failed:
        await open_websocket(made, made.urls[0], "a.1")
    error = failed.value
    assert error.__context__ is None
    assert API_KEY not in f"{error} {error!r} {error.detail}"
    assert API_KEY not in _locals(error.__traceback__)
    return error


def _locals(trace: TracebackType | None) -> str:
    """What an error tracker collects: the local variables of every frame of ours."""
    shown = []
    while trace is not None:
        if "pulse_plugins" in trace.tb_frame.f_code.co_filename:
            shown += [repr(value) for value in trace.tb_frame.f_locals.values()]
        trace = trace.tb_next
    return " ".join(shown)


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            400,
            '{"message":"Invalid","errors":[{"path":"language"}]}',
            RequestRejectedError,
            "language",
        ),
        (400, '{"code":"LANGUAGE_NOT_ENABLED_IN_REGION"}', RegionError, "multi-eu"),
        (401, "[" * 10_000, AuthenticationError, "SMALLEST_API_KEY"),
        (503, "", ServerError, "unavailable"),
        (200, "", RequestRejectedError, "HTTP 200"),
    ],
)
async def test_a_refusal_is_typed(status: int, body: str, kind: type, says: str) -> None:
    async with serving(process_request=refusing(status, body)) as url:
        error = await fails(options(url, language="multi"))
    assert type(error) is kind
    assert says in str(error)


async def test_the_time_that_the_server_asks_for_is_read() -> None:
    async with serving(process_request=refusing(429, Retry_After="7")) as url:
        error = await fails(options(url))
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7.0


@pytest.mark.parametrize("target", ["{other}/x", "/elsewhere", "https://127.0.0.1:99999/"])
async def test_a_redirect_is_not_followed(target: str) -> None:
    called = []

    async def other(socket: ServerConnection) -> None:
        called.append(socket)

    async with serving(other) as elsewhere:
        location = target.format(other=elsewhere.replace("ws:", "http:"))
        async with serving(process_request=refusing(307, Location=location)) as url:
            error = await fails(options(url))
    assert (error.code, error.status, error.retryable) == ("redirect", 307, False)
    assert "127.0.0.1 redirects to" in str(error)
    assert called == []


async def test_a_redirect_with_two_locations_is_refused_like_any_other() -> None:
    def refuse(socket: ServerConnection, _request: Request) -> Response:
        response = socket.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "http://a.example"
        response.headers["Location"] = "http://b.example"
        return response

    async with serving(process_request=refuse) as url:
        error = await fails(options(url))
    assert "a.example" in str(error)


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_certificate_that_cannot_be_verified_is_one_clear_error(
    days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path, days=days)
    if days < 0:  # the authority is known, but the certificate has expired
        monkeypatch.setenv("SSL_CERT_FILE", str(made.trusted))
    monkeypatch.setattr(trust, "_cached", None)
    async with serving(ssl=made.server) as url:
        error = await fails(options(url))
    assert isinstance(error, CertificateError)
    assert not error.retryable
    assert "the certificate of 127.0.0.1 cannot be verified" in str(error)
    assert ("expired" if days < 0 else "self") in str(error)


async def test_a_server_with_a_trusted_certificate_is_reached_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.trusted))
    monkeypatch.setattr(trust, "_cached", None)
    async with serving(ssl=made.server) as url:
        web = await open_websocket(options(url), url, "a.1")
        await web.hang_up()


async def test_a_server_that_speaks_no_tls_is_no_certificate_error() -> None:
    async with serving() as url:
        error = await fails(options(url.replace("ws:", "wss:")))
    assert isinstance(error, ConnectionLostError)


async def test_a_handshake_that_is_not_answered_ends_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        made = options(f"ws://127.0.0.1:{port}", timeouts=Timeouts(connect=0.5))
        assert isinstance(await fails(made), ConnectTimeoutError)


async def test_certificates_that_take_for_ever_end_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def blocked() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "tls_context", blocked)
    made = options("wss://127.0.0.1:1", timeouts=Timeouts(connect=0.5))
    assert isinstance(await fails(made), ConnectTimeoutError)


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (RuntimeError("can't start new thread"), ConnectionLostError, "resources"),
        (OSError(24, "Too many open files"), ConnectionLostError, "connection_lost"),
        (ValueError("surprise"), ConfigurationError, "configuration"),
    ],
)
async def test_whatever_goes_wrong_is_an_error_of_this_package(
    raised: Exception, kind: type, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", broken)
    error = await fails(options("ws://127.0.0.1:1"))
    assert (type(error), error.code) == (kind, code)


async def test_a_server_that_speaks_another_protocol_is_a_failed_handshake() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    async with server:
        error = await fails(options(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (type(error), error.code) == (ServerError, "handshake")


async def test_certificates_that_cannot_be_read_are_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unreadable() -> None:
        raise ConnectionLostError("no certificates", code="trust_store")

    monkeypatch.setattr(module, "tls_context", unreadable)
    assert (await fails(options("wss://127.0.0.1:1"))).code == "trust_store"


async def test_nobody_at_the_address_is_a_lost_connection(unused_tcp_port: int) -> None:
    error = await fails(options(f"ws://127.0.0.1:{unused_tcp_port}"))
    assert type(error) is ConnectionLostError


async def test_loopback_is_reached_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    async with serving() as url:
        web = await open_websocket(options(url), url, "a.1")
        await web.hang_up()


@asynccontextmanager
async def proxy(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    seen: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


@pytest.mark.parametrize(
    ("answer", "status"), [(b"HTTP/1.1 407 Who\r\n\r\n", 407), (b"what?\r\n\r\n", None)]
)
async def test_a_proxy_that_refuses_is_told_apart(answer: bytes, status: int | None) -> None:
    async with proxy(answer) as (address, seen):
        error = await fails(options("wss://speech.invalid", proxy=address))
    assert (type(error), error.code, error.status) == (ConnectionLostError, "proxy", status)
    assert seen[0].startswith(b"CONNECT speech.invalid:443")
    assert API_KEY.encode() not in seen[0]


@pytest.mark.parametrize("address", ["garbage", "socks5://127.0.0.1:1"])
async def test_a_proxy_that_cannot_be_used_is_named(address: str) -> None:
    error = await fails(options("ws://127.0.0.1:1", proxy=address))
    assert isinstance(error, ConfigurationError)
    assert "proxy" in str(error)


async def test_a_language_of_another_region_is_warned_about_once(
    caplog: pytest.LogCaptureFixture, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    warn_once.cache_clear()

    async def nobody(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", nobody)
    for language, region in (("zh", None), ("zh", None), ("zh", "us"), ("ta", None), ("ta", "us")):
        await fails(PulseOptions(api_key=API_KEY, language=language, region=region))  # type: ignore[arg-type]
    await fails(options(f"ws://127.0.0.1:{unused_tcp_port}", language="ja"))
    told = [record.getMessage() for record in caplog.records if "need region" in record.message]
    assert [text.split()[1].strip("',") for text in told] == ["with", "with"]
    assert ["'us'" in told[0], "'india'" in told[1]] == [True, True]
