"""What strangers, web pages and hostile clients cannot do to the local server."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pulse_plugins.local.recognizers.scripted import speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import DEADLINE, HELLO, PATHS, calling, server
from tests.support.wav import wav

# Web pages


async def status_with(running: PulseServer, origin: str | None, host: str | None = None) -> int:
    """The status of a handshake with these headers, sent by hand."""
    lines = [
        f"GET {PATHS['pulse']}?language=en&api_key=k HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{running.port}'}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Origin: {origin}"] if origin is not None else []),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(DEADLINE):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://127.0.0.1:{port}", 101),
        ("https://evil.example", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
        ("http://[", 403),
        ("file://", 403),
        ("http://localhost:3000", 101),
    ],
)
async def test_only_pages_of_its_own_and_allowed_origins_open_a_socket(
    origin: str | None, status: int
) -> None:
    allowed = frozenset({"http://localhost:3000"})
    async with server(allowed_origins=allowed) as running:
        sent = None if origin is None else origin.replace("{port}", str(running.port))
        assert await status_with(running, sent) == status


async def test_a_page_whose_host_name_leads_to_loopback_is_of_another_origin() -> None:
    async with server() as running:
        host = f"rebound.example:{running.port}"
        assert await status_with(running, f"http://{host}", host) == 403
        assert await status_with(running, None, host) == 101


async def test_a_page_of_another_origin_can_neither_upload_nor_control() -> None:
    evil = {"Origin": "https://evil.example", "Authorization": "Bearer k"}
    async with server(control=True) as running, aiohttp.ClientSession(headers=evil) as session:
        for method, path in (
            ("POST", "/waves/v1/pulse/get_text"),
            ("POST", "/_control/faults"),
            ("DELETE", "/_control/faults"),
            ("GET", "/_control/stats"),
        ):
            async with session.request(method, running.http_url + path) as answer:
                assert answer.status == 403
        assert running.faults.armed == []


# The control endpoints


@pytest.mark.parametrize(
    ("wanted", "sent", "status"),
    [(None, None, 200), ("right", None, 401), ("right", "wrong", 401), ("right", "right", 200)],
)
async def test_the_control_endpoints_need_the_key_where_there_is_one(
    wanted: str | None, sent: str | None, status: int
) -> None:
    headers = {} if sent is None else {"Authorization": f"Bearer {sent}"}
    async with (
        server(control=True, api_key=wanted) as running,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        calls: list[Callable[[str], Any]] = [session.get, session.delete, session.post]
        for call, path in zip(calls, ("stats", "faults", "faults"), strict=True):
            async with call(f"{running.http_url}/_control/{path}") as answer:
                assert answer.status == status


async def test_neither_records_nor_the_control_endpoint_keep_secrets() -> None:
    secrets = {
        "Authorization": "Bearer s3cret",
        "Cookie": "a=s3cret",
        "Proxy-Authorization": "s3cret",
        "X-Api-Key": "s3cret",
        "X-Auth-Token": "s3cret",
        "X-Call": "s3cret-of-the-caller",
        "User-Agent": "mine",
    }
    async with server(control=True) as running:
        query = "language=en&token=s3cret&access_token=s3cret"
        async with connect(
            f"{running.url}{PATHS['pulse']}?{query}", additional_headers=secrets, proxy=None
        ):
            pass
        (record,) = running.connections
        assert record.headers["x-call"] == "s3cret-of-the-caller"  # in this process alone
        del secrets["X-Call"]
        kept = {**record.headers, **record.query}
        del kept["x-call"]
        assert "s3cret" not in str(kept)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{running.http_url}/_control/stats") as answer,
        ):
            text = await answer.text()
    assert "s3cret" not in text
    assert json.loads(text)["connections"][0]["headers"] == {"user-agent": "mine"}


# Sockets and bodies that stay


async def reads_nothing_more(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(DEADLINE):
        return await reader.read()


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /waves/v1/pulse/get_text HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_a_socket_without_a_request_is_closed(start: bytes) -> None:
    async with server(http_timeout=0.3) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(start)
        answer = await reads_nothing_more(reader)
        assert (b"404" in answer) is start.endswith(b"\r\n\r\n")
        writer.close()


async def test_a_stream_is_no_idle_socket() -> None:
    async with server(http_timeout=0.1, idle_timeout=1.0) as running, calling(running) as client:
        assert await client.rest() == []
        assert client.close_code == 1000  # by the idle timer of streams
    async with server(http_timeout=0.1) as running, calling(running) as client:
        for _ in range(5):
            await client.say(speak([0]))
            await asyncio.sleep(0.1)
        await client.finish()
        assert client.close_code == 1000


HEAD = (
    "POST /waves/v1/pulse/get_text?language=en HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
)


async def test_a_body_that_stops_coming_is_given_up() -> None:
    async with server(upload_timeout=0.3) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(f"{HEAD}Content-Length: 1000000\r\n\r\n".encode() + bytes(500))
        assert b" 408 " in (await reads_nothing_more(reader)).splitlines()[0]
        writer.close()


async def test_a_body_that_trickles_is_given_up() -> None:
    async with server(upload_timeout=0.3) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(f"{HEAD}Content-Length: 1000000\r\n\r\n".encode())

        async def trickle() -> None:
            while True:
                writer.write(b"\0")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert b" 408 " in (await reads_nothing_more(reader)).splitlines()[0]
        trickling.cancel()
        writer.close()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_packed_body_is_refused_and_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    headers = {"Authorization": "Bearer k", "Content-Encoding": encoding}
    async with (
        server(max_body_bytes=1 << 20) as running,
        aiohttp.ClientSession() as session,
        session.post(
            f"{running.http_url}/waves/v1/pulse/get_text?language=en", data=bomb, headers=headers
        ) as answer,
    ):
        assert answer.status == 415


async def test_one_upload_too_many_waits_for_the_others() -> None:
    body = wav(speak(range(3)))

    async def upload(running: PulseServer) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{running.http_url}/waves/v1/pulse/get_text?language=en",
                data=body,
                headers={"Authorization": "Bearer k"},
            ) as answer,
        ):
            return str((await answer.json())["transcription"])

    async with server(max_uploads=1) as running:
        texts = await asyncio.gather(*(upload(running) for _ in range(3)))
    assert texts == ["Please book a."] * 3


# Requests of the server's own


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://example.com/a.wav",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://127.0.0.1.evil.example/a",
        "http://[",
        "",
    ],
)
async def test_the_server_calls_only_its_own_machine(url: str) -> None:
    headers = {"Authorization": "Bearer k"}
    async with server() as running, aiohttp.ClientSession(headers=headers) as session:
        path = f"{running.http_url}/waves/v1/pulse/get_text"
        async with session.post(path, json={"url": url}, params={"language": "en"}) as answer:
            assert answer.status == 400
            assert (await answer.json())["errors"][0]["path"] == "url"
        if url:
            query = {"language": "en", "webhook_url": url}
            async with session.post(path, data=wav(speak([0])), params=query) as answer:
                assert answer.status == 400
                assert (await answer.json())["errors"][0]["path"] == "webhook_url"


async def test_a_handshake_of_another_origin_leaves_no_record() -> None:
    async with PulseServer(ServerOptions(recognizer=HELLO)) as running:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(
                f"{running.url}{PATHS['live']}?model=pulse&language=en",
                origin="https://evil.example",  # type: ignore[arg-type]
                proxy=None,
            ):
                pass
        assert caught.value.response.status_code == 403
        assert running.connections == []
