"""The short ways in and out give what the library gives, however the bytes are cut."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from pulse_plugins.core.client.framing import MAX_MESSAGE_BYTES, FramedConnection

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Wire(asyncio.Transport):
    """The transport of one connection: collects what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.connection: ClientConnection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        if not self.closed and self.connection is not None:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    close = abort

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def opened(
    kind: type[ClientConnection], *, then: bytes = b"", cut: int | None = None
) -> tuple[ClientConnection, Wire]:
    """A connection after its handshake; `then` follows the response without a pause."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=MAX_MESSAGE_BYTES)
    connection = kind(protocol, ping_interval=None, close_timeout=0.1)
    wire = Wire()
    wire.connection = connection
    connection.connection_made(wire)
    opening = asyncio.create_task(connection.handshake({"Authorization": "Bearer secret"}))
    await asyncio.sleep(0)
    head = bytes(wire.written).decode()
    assert "Authorization: Bearer secret" in head
    key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0].encode()
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
    response = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode() + then
    for piece in (response[:cut], response[cut:]) if cut else (response,):
        connection.data_received(piece)
    await opening
    wire.written.clear()
    return connection, wire


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = False) -> bytes:
    return bytes(Frame(opcode, data, fin).serialize(mask=mask))


def text(message: str) -> bytes:
    return frame(Opcode.TEXT, message.encode())


async def conversation(
    kind: type[ClientConnection], before: bytes, pieces: list[bytes], cut: int | None = None
) -> tuple[list[str | bytes], int | None, bytes]:
    """What is heard, how the connection is closed and what is answered."""
    connection, wire = await opened(kind, then=before, cut=cut)
    heard: list[str | bytes] = []
    if isinstance(connection, FramedConnection):
        connection.deliver_to(heard.append)

    async def listen() -> None:
        try:
            async for message in connection:
                heard.append(message)
        except ConnectionClosed:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    connection.eof_received()
    wire.abort()
    await listening
    replies = ServerProtocol(state=State.OPEN)
    replies.receive_data(bytes(wire.written))
    answered = [(each.opcode, bytes(each.data)) for each in replies.events_received()]  # type: ignore[union-attr]
    return heard, connection.close_code, repr(answered).encode()


parts = st.text(max_size=12).map(str.encode)
frames = st.one_of(
    st.text(max_size=20).map(text),
    st.integers(100, 400).map(lambda size: text("a" * size)),
    st.just(text("b" * 70_000)),
    parts.map(lambda data: frame(Opcode.PING, data)),
    parts.map(lambda data: frame(Opcode.PONG, data)),
)
rare = st.one_of(
    parts.map(lambda data: frame(Opcode.BINARY, data)),
    parts.map(
        lambda data: (
            frame(Opcode.TEXT, data, fin=False)
            + frame(Opcode.PING, b"")
            + frame(Opcode.CONT, b"!", fin=True)
        )
    ),
    st.just(frame(Opcode.TEXT, b"\xff\xfe")),  # no UTF-8
    st.just(frame(Opcode.TEXT, b"masked", mask=True)),
    st.just(b"\xc1\x01x"),  # an extension bit that was not agreed
    st.just(b"\x83\x01x"),  # a reserved opcode
    st.just(b"\x81\x7f" + (MAX_MESSAGE_BYTES + 1).to_bytes(8) + b"x"),
    st.just(frame(Opcode.CLOSE, b"\x03\xe8bye")),
    st.just(frame(Opcode.CLOSE, b"\x03\xf3")),
)


@given(
    before=st.lists(frames | rare, max_size=2),
    usual=st.lists(frames, max_size=6),
    after=st.lists(frames | rare, max_size=4),
    data=st.data(),
)
def test_messages_are_those_of_the_library_in_order(
    before: list[bytes], usual: list[bytes], after: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(usual + after)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    bounds = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(bounds) if a < b]
    cut = data.draw(st.none() | st.integers(1, 160))
    first = b"".join(before)
    ours = asyncio.run(conversation(FramedConnection, first, pieces, cut))
    library = asyncio.run(conversation(ClientConnection, first, pieces, cut))
    assert ours == library


async def test_a_message_is_handed_over_while_it_is_read() -> None:
    connection, _ = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    heard: list[str] = []
    connection.deliver_to(heard.append)
    for message in ("", "a", "b" * 200, "c" * 70_000):
        data = text(message)
        connection.data_received(data)
        assert heard.pop() == message
        connection.data_received(data[:1])
        connection.data_received(data[1:3])
        connection.data_received(data[3:])
        assert heard.pop() == message
    connection.data_received(text("x") + text("y") + text("zebra")[:5])
    assert heard == ["x", "y"]
    connection.data_received(text("zebra")[5:])
    assert heard == ["x", "y", "zebra"]


@pytest.mark.parametrize("split", [False, True])
async def test_what_the_receiver_raises_ends_the_connection(split: bool) -> None:
    connection, wire = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    calls = []

    def broken(message: str) -> None:
        calls.append(message)
        raise KeyError("mine")

    connection.deliver_to(broken)
    data = text("one") + text("two")
    for piece in (data[:3], data[3:]) if split else (data,):
        connection.data_received(piece)
    assert calls == ["one"]
    assert isinstance(connection.failure, KeyError)
    assert wire.closed


@pytest.mark.parametrize("cut", [0, 1, 5])
async def test_text_that_is_no_utf_8_ends_the_connection_as_the_library_does(cut: int) -> None:
    data = text("one") + frame(Opcode.TEXT, b"\xff\xfe") + text("two")
    pieces = [data[:cut], data[cut:]] if cut else [data]
    ours = await conversation(FramedConnection, b"", pieces)
    assert ours[0] == ["one"]
    assert ours == await conversation(ClientConnection, b"", pieces)


async def test_a_long_message_in_one_piece_is_handed_over() -> None:
    heard, _, _ = await conversation(FramedConnection, b"", [text("a" * 70_000) + text("b")])
    assert heard == ["a" * 70_000, "b"]


async def test_nothing_is_handed_over_after_it_was_called_off() -> None:
    connection, _ = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    heard: list[str] = []
    connection.deliver_to(heard.append)
    connection.deliver_to(None)
    connection.data_received(text("queued"))
    assert heard == []
    assert await connection.recv() == "queued"


async def test_the_credentials_are_forgotten_after_the_handshake() -> None:
    connection, _ = await opened(FramedConnection)
    assert connection.request is not None
    assert "secret" not in repr(connection.request)


async def fails(*pieces: bytes) -> Exception | None:
    """How a handshake fails when these bytes come, and then the end."""
    connection = FramedConnection(ClientProtocol(parse_uri("ws://127.0.0.1/")), ping_interval=None)
    connection.connection_made(Wire())
    opening = asyncio.create_task(connection.handshake({"Authorization": "Bearer secret"}))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    connection.eof_received()
    connection.connection_lost(None)
    await asyncio.wait([opening])
    assert connection.request is not None
    assert "secret" not in repr(connection.request)
    found = opening.exception()
    assert found is None or isinstance(found, Exception)
    return found


REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (REFUSAL + b"hello",),
        (REFUSAL[:9], REFUSAL[9:] + b"he", b"llo"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + text("hi"),),
        (b"SSH-2.0\r\n\r\n",),
        (b"x" * 70_000,),
        (),
    ],
)
async def test_an_answer_that_is_no_websocket_fails_the_handshake(pieces: tuple[bytes]) -> None:
    failed = await fails(*pieces)
    assert isinstance(failed, InvalidHandshake | EOFError)


SIZES = [0, 1, 125, 126, 65_535, 65_536]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_binary_frames_are_read_by_a_server(kind: Callable[[bytes], bytes]) -> None:
    connection, wire = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    server = ServerProtocol(state=State.OPEN)
    packets = [bytes([size % 251]) * size for size in (*SIZES, *SIZES[::-1], 5, 5)]
    for packet in packets:
        connection.write(kind(packet))
    server.receive_data(bytes(wire.written))
    read = server.events_received()
    assert [bytes(each.data) for each in read] == packets  # type: ignore[union-attr]
    assert {each.opcode for each in read} == {Opcode.BINARY}  # type: ignore[union-attr]


async def test_every_frame_has_a_mask_of_its_own() -> None:
    connection, wire = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    for _ in range(8):
        connection.write(bytes(10))
    sent = bytes(wire.written)
    assert len({sent[at : at + 16] for at in range(0, len(sent), 16)}) > 1


async def test_text_frames_are_read_by_a_server() -> None:
    connection, wire = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    connection.write('{"type":"finalize"}')
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(bytes(wire.written))
    (read,) = server.events_received()
    assert (read.opcode, bytes(read.data)) == (Opcode.TEXT, b'{"type":"finalize"}')  # type: ignore[union-attr]


async def test_a_connection_that_has_ended_ignores_what_is_sent() -> None:
    connection, wire = await opened(FramedConnection)
    assert isinstance(connection, FramedConnection)
    wire.closed = True
    connection.write(b"late")
    wire.closed = False
    connection.data_received(frame(Opcode.CLOSE, b"\x03\xe8"))
    wire.written.clear()
    connection.write(b"late")
    assert wire.written == b""
