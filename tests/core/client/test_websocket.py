"""One connection over a real socket: messages both ways, its end, and its log."""

from __future__ import annotations

import asyncio
import logging

import pytest
from websockets.asyncio.server import ServerConnection

from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectionLostError,
    RateLimitError,
    ServerError,
)
from pulse_plugins.core.client import websocket
from pulse_plugins.core.client.websocket import WebSocket, open_websocket
from tests.support.privacy import API_KEY
from tests.support.sockets import options, serving


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(f"heard {len(message)}")


async def talk(web: WebSocket, count: int) -> list[str | bytes]:
    """What the server says, up to so many messages."""
    heard: list[str | bytes] = []
    enough = asyncio.Event()

    def take(message: str | bytes) -> None:
        heard.append(message)
        if len(heard) >= count:
            enough.set()

    talking = asyncio.create_task(web.converse(take))
    async with asyncio.timeout(10):
        await enough.wait()
        await web.hang_up()
        await talking
    return heard


async def test_what_came_before_anybody_listened_and_what_comes_in_fragments_is_heard() -> None:
    async def greet(socket: ServerConnection) -> None:
        await socket.send("first")
        async for _ in socket:
            await socket.send(["in ", "fragments"])
            await socket.send("last")

    async with serving(greet) as url:
        web = await open_websocket(options(url), url, "a.1")
        await asyncio.sleep(0.1)
        web.send(b"1")
        assert await talk(web, 3) == ["first", "in fragments", "last"]


async def test_messages_go_both_ways() -> None:
    async with serving(echo) as url:
        web = await open_websocket(options(url), url, "a.1")
        assert web.is_free()
        web.send(bytes(3200))
        web.send("keepalive")
        await web.send_patiently(bytes(100))
        assert await talk(web, 3) == ["heard 3200", "heard 9", "heard 100"]
        assert web.ending is None
        web.send(b"late")
        await web.send_patiently(b"late")


async def test_what_the_receiver_raises_is_raised_and_ends_the_connection() -> None:
    def broken(_message: str | bytes) -> None:
        raise KeyError("mine")

    async with serving(echo) as url:
        web = await open_websocket(options(url), url, "a.1")
        web.send(b"1")
        with pytest.raises(KeyError, match="mine"):
            async with asyncio.timeout(10):
                await web.converse(broken)
        await web.hang_up()
        assert web.ending is not None


@pytest.mark.parametrize(
    ("code", "kind"), [(1008, RateLimitError), (1011, ServerError), (1001, ConnectionLostError)]
)
async def test_the_close_code_is_the_ending(code: int, kind: type) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.close(code, "the words of the caller")

    async with serving(leave) as url:
        web = await open_websocket(options(url), url, "a.1")
        async with asyncio.timeout(10):
            await web.converse(lambda _: None)
    assert type(web.ending) is kind
    assert web.ending is not None
    assert web.ending.detail == "the words of the caller"
    assert "caller" not in str(web.ending)


async def deaf(socket: ServerConnection) -> None:
    """Read nothing, and answer nothing."""
    socket.transport.pause_reading()
    await asyncio.sleep(60)


async def test_a_server_that_answers_no_ping_is_noticed_after_13_seconds() -> None:
    """A ping after 5 s, and 8 s for its answer: mobile networks pause for several seconds."""
    async with serving(deaf, close_timeout=0.1) as url:
        web = await open_websocket(options(url), url, "a.1")
        now = asyncio.get_running_loop().time
        began = now()
        await web.converse(lambda _: None)
        assert 12.9 <= now() - began <= 14.5  # a second for the closing handshake
        assert isinstance(web.ending, ConnectionLostError)


async def test_hanging_up_ends_within_a_second_when_the_server_does_not_answer() -> None:
    async with serving(deaf, close_timeout=0.1) as url:
        web = await open_websocket(options(url), url, "a.1")
        now = asyncio.get_running_loop().time
        began = now()
        await web.hang_up()
        assert 0.9 <= now() - began <= 1.1
        assert isinstance(web.ending, ConnectionLostError)


@pytest.mark.parametrize(("size", "heard"), [(2**20, True), (2**20 + 1, False)])
async def test_a_message_of_1_mb_is_read_and_a_longer_one_ends_the_connection(
    size: int, heard: bool
) -> None:
    async def tell(socket: ServerConnection) -> None:
        await socket.send("x" * size)
        await socket.wait_closed()

    async with serving(tell) as url:
        web = await open_websocket(options(url), url, "a.1")
        sizes: list[int] = []

        def take(message: str | bytes) -> None:
            sizes.append(len(message))
            leaving.append(asyncio.ensure_future(web.hang_up()))

        leaving: list[asyncio.Future[None]] = []
        async with asyncio.timeout(10):
            await web.converse(take)
        await asyncio.gather(*leaving)
    assert sizes == ([size] if heard else [])


async def test_hanging_up_can_be_cancelled() -> None:
    async with serving(deaf, close_timeout=0.1) as url:
        web = await open_websocket(options(url), url, "a.1")
        leaving = asyncio.create_task(web.hang_up())
        await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving


async def test_the_log_of_the_wire_shows_no_key_and_no_audio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def tell(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send(f"your key is {API_KEY}")

    with caplog.at_level(logging.DEBUG, logger="pulse_plugins.wire"):
        async with serving(tell) as url:
            web = await open_websocket(options(url), url, "a.1")
            web.send(b"12345")
            await web.send_patiently("hello")
            assert await talk(web, 2) == [f"your key is {API_KEY}"] * 2
            web.send("x" * 10_001)
    assert caplog.records[-1].getMessage() == "a.1 → " + "x" * 10_000
    caplog.records.pop()
    shown = [record.getMessage() for record in caplog.records if "wire" in record.name]
    assert sorted(shown) == sorted(["a.1 → 5 bytes", "a.1 → hello", *["a.1 ← your key is …"] * 2])


async def test_the_log_of_the_wire_shows_whole_messages_where_there_is_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="pulse_plugins.wire"):
        async with serving(echo) as url:
            web = await open_websocket(options(url, api_key=""), url, "a.1")
            web.send("hello")
            assert await talk(web, 1) == ["heard 5"]
    shown = [record.getMessage() for record in caplog.records if "wire" in record.name]
    assert shown == ["a.1 → hello", "a.1 ← heard 5"]


@pytest.mark.parametrize("encoding", ["opus", "ogg_opus"])
async def test_opus_is_encoded_as_it_is_sent(encoding: str) -> None:
    async with serving(echo) as url:
        web = await open_websocket(options(url, encoding=encoding), url, "a.1")
        web.send(bytes(16_000 * 2))  # a second
        web.send("question")
        web.send(options(url).row.close)
        heard = await talk(web, 4)
    assert "heard 8" in heard
    assert heard[-1] == "heard 23"  # the message that closes, after all audio


async def test_an_encoder_that_cannot_be_made_leaves_no_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ConfigurationError("Opus needs PyAV")

    open_connections: set[ServerConnection] = set()
    opened = asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        open_connections.add(socket)
        opened.set()
        await socket.wait_closed()
        open_connections.discard(socket)

    monkeypatch.setattr(websocket, "OpusEncoder", broken)
    async with serving(listen) as url:
        with pytest.raises(ConfigurationError, match="PyAV"):
            await open_websocket(options(url, encoding="opus"), url, "a.1")
        other = await open_websocket(options(url), url, "a.2")
        async with asyncio.timeout(5):
            await opened.wait()
        assert len(open_connections) == 1
        await other.hang_up()
