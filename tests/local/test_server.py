"""The life of the local server and of its connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from pulse_plugins.local.connection.records import MAX_CONTROLS
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence, speak, spell
from pulse_plugins.local.server import PulseServer, serve
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.encodings import ENCODINGS
from tests.local.client import (
    DEADLINE,
    FINALIZE,
    PATHS,
    calling,
    server,
    spoken,
)


async def test_an_idle_connection_is_closed_and_keepalive_holds_it() -> None:
    async with server(idle_timeout=1.0) as running, calling(running) as client:
        for _ in range(4):
            await client.send({"type": "keepalive"})
            await client.next()
        assert await client.rest() == [{"type": "pong"}] * 4
        assert client.close_code == 1000


async def test_records_say_what_came_and_where() -> None:
    async with server() as running:
        async with calling(running, api_key="secret", key=None) as client:
            await client.say(speak([0]))
            await client.send(FINALIZE)
            await client.say(silence(0.1))
            await client.finish()
        await running.wait_for(lambda s: s.connections[0].closed)
        (record,) = running.connections
    assert record.bytes_received == 7680 + 3200
    assert [(each.type, each.at_byte) for each in record.controls] == [
        ("finalize", 7680),
        ("close_stream", 10880),
    ]
    assert (record.words, record.finals, record.close_code) == (1, 2, 1000)
    assert record.audio_seconds == pytest.approx(0.34)
    assert record.count("finalize") == 1
    assert "secret" not in repr(record)


async def test_waiting_for_what_never_comes_ends() -> None:
    async with server() as running:
        with pytest.raises(TimeoutError):
            await running.wait_for(lambda s: bool(s.connections), timeout=0.05)


async def test_a_message_too_long_is_closed_with_1009() -> None:
    async with server(max_message_bytes=4096) as running, calling(running) as client:
        await client.socket.send(bytes(5000))
        await client.rest()
        assert client.close_code == 1009


async def test_a_client_that_does_not_read_harms_itself_only() -> None:
    """It floods and never reads; another has its call meanwhile."""
    async with server(ScriptedRecognizer(), send_timeout=0.5) as running:
        host, port = running.url.removeprefix("ws://").split(":")
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (host, int(port)))
        flood = asyncio.create_task(_flood(raw))
        async with calling(running) as client:
            await client.say(speak(range(5)))
            assert spoken(await client.finish()) == [spell(number) for number in range(5)]
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        raw.close()
        await running.wait_for(lambda s: all(each.closed for each in s.connections), DEADLINE)


async def _flood(raw: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        raw,
        b"GET /waves/v1/stt/live?model=pulse HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer k\r\n\r\n",
    )
    audio = speak(range(2)).tobytes()
    frame = b"\x82\xfe" + len(audio).to_bytes(2, "big") + bytes(4) + audio
    while True:
        await loop.sock_sendall(raw, frame)


async def test_frames_that_break_the_protocol_close_the_connection() -> None:
    async with server() as running, calling(running) as client:
        client.socket.transport.write(b"\xff\xff\xff\xff\xff")
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(DEADLINE):
                await client.socket.recv()
        await running.wait_for(lambda s: s.connections[0].closed)


async def test_the_server_stops_with_open_connections() -> None:
    running = server()
    await running.start()
    async with calling(running) as client:
        await client.say(speak([0]))
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(running.aclose(), client.rest())
        assert client.close_code == 1001
    await running.aclose()
    with pytest.raises(RuntimeError, match="not running"):
        _ = running.port


async def test_a_recognizer_that_fails_ends_its_own_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ScriptedRecognizer):
        calls = 0

        async def open(self, **asked: Any) -> Any:
            Broken.calls += 1
            if Broken.calls == 1:
                raise ValueError("it heard: my secret")
            return await super().open(**asked)

    async with server(Broken()) as running:
        async with calling(running) as client:
            await client.rest()
            assert client.close_code == 1011
        async with calling(running) as client:
            await client.say(speak([0]))
            assert spoken(await client.finish()) == [spell(0)]
    above_debug = [each for each in caplog.records if each.levelno > logging.DEBUG]
    assert "ValueError" in caplog.text
    assert not any("secret" in each.getMessage() or each.exc_info for each in above_debug)


async def test_a_taken_port_is_an_error_and_leaves_nothing_open() -> None:
    async with server() as running:
        other = PulseServer("scripted", port=running.port)
        with pytest.raises(OSError, match="in use"):
            await other.start()
        await other.aclose()


async def test_being_open_to_others_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with PulseServer("scripted", host="0.0.0.0") as running:
        assert running.url.startswith("ws://127.0.0.1:")
    assert "reached by others" in caplog.text


async def test_a_talkative_client_is_not_remembered_for_ever() -> None:
    async with server() as running, calling(running) as client:
        for _ in range(MAX_CONTROLS + 50):
            await client.socket.send("{}")
        await client.finish()
        assert len(running.connections[0].controls) == MAX_CONTROLS
        assert running.connections[0].controls[-1].type == "close_stream"


actions = st.one_of(
    st.binary(max_size=3000),
    st.text(max_size=50),
    st.sampled_from(['{"type":"finalize"}', '{"type":"keepalive"}', '{"type":"close_stream"}']),
    st.builds(lambda n: speak(range(n)).tobytes(), st.integers(1, 3)),
)


@given(
    dialect=st.sampled_from(sorted(PATHS)),
    encoding=st.sampled_from(ENCODINGS),
    sends=st.lists(actions, max_size=12),
)
def test_nothing_that_a_client_sends_makes_the_server_fail(
    dialect: str, encoding: str, sends: list[bytes | str]
) -> None:
    async def call() -> int | None:
        async with server() as running, calling(running, dialect, encoding=encoding) as client:
            with suppress(ConnectionClosed):
                for each in sends:
                    await client.socket.send(each)
                await client.send({"type": "end" if dialect == "legacy" else "close_stream"})
            async with asyncio.timeout(DEADLINE):
                await client.rest()
            return client.close_code

    assert asyncio.run(call()) in (1000, 1003)


async def test_it_says_that_it_is_no_service(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with server():
        assert "local stand-in" in caplog.text


async def test_serving_until_cancelled() -> None:
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            ServerOptions(recognizer="scripted"),
            port=0,
            started=lambda running: listening.set_result(running.url),
        )
    )
    assert (await asyncio.wait_for(listening, DEADLINE)).startswith("ws://127.0.0.1:")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_is_gone_before_its_handshake_is_answered_is_no_fault_of_the_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = (
        b"GET /waves/v1/pulse/get_text HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer x\r\n\r\n"
    )
    async with server() as running:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", running.port)) as raw:
                raw.sendall(request)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await running.wait_for(
            lambda each: [record.closed for record in each.connections] == [True] * 5
        )
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_what_is_no_http_is_refused_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asyncio.timeout(10), server() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.1\r\nAuthorization: Bearer sk_1\r\nA\x00B: c\r\n\r\n")
        answer = await reader.readline()
        writer.close()
    assert b"400" in answer
    assert "sk_1" not in caplog.text
