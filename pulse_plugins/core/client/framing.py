"""A client connection of the `websockets` library with a fast path in both directions.

Reading: the library passes each message through a generator-based parser, a queue and a task. Here
a whole text frame is decoded where it arrives and handed over at once. The library reads every
other frame: pings, fragments, binary frames, closes, and frames that break the protocol. To know
where a frame starts, this class splits the byte stream into frames itself from the end of the
handshake on, and gives the library whole frames only.

Writing: audio packets of a stream have the same size, so the header of a frame is made once. The
library's C code masks the payload.

Source: RFC 6455, section 5.2, for the frame header.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from os import urandom
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a build of the library without its C code
    from websockets.utils import apply_mask

_OPEN, _TEXT = State.OPEN, Opcode.TEXT  # an enum is slow to ask for its members
_WHOLE_TEXT = 0x81  # first byte: final frame, no extension bits, opcode 1
_BINARY = 0x82
_PING, _PONG = 0x89, 0x8A
_END_OF_HEAD = b"\r\n\r\n"
MAX_MESSAGE_BYTES = 1024 * 1024
"""The longest message that is accepted from a server; a longer one ends the connection.

The longest messages of the service hold the text so far (`full_transcript`), which grows by 1 KB a
minute in English and by 5 KB where JSON escapes each letter. A message of this size that is made
of one-letter words occupies the event loop, and with it all calls of the process, for one to three
seconds on a slow machine."""
_MOST_HEAD = 64 * 1024  # bytes; a longer response head is left to the library, which refuses it

Message = bytes | str


class _Phase(enum.Enum):
    HANDSHAKE = "handshake"  # the response has not come yet
    FRAMES = "frames"  # this class splits the stream into frames
    LIBRARY = "library"  # the library reads everything from here on


class FramedConnection(ClientConnection):
    """Reads text frames and writes binary frames without the library's general path.

    Attributes:
        failure: What the receiver of messages raised; the connection was then aborted.
    """

    failure: Exception | None = None
    _receive: Callable[[str], None] | None = None
    _phase = _Phase.HANDSHAKE
    _size = -1  # of the payload that `_header` is for
    _header = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = bytearray()  # the start of a frame, or of the response head

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Perform the opening handshake, and forget its headers, the API key among them."""
        try:
            await super().handshake(*args, **kwargs)
        finally:
            # The library makes the request in the first step of the handshake.
            if self.request is not None:  # pragma: no branch
                self.request.headers.clear()

    # Reading.

    def deliver_to(self, receive: Callable[[str], None] | None) -> None:
        """Call this with each text message that arrives from now on; None: stop.

        Messages that arrived before, and all messages after a fragmented or a binary one, wait in
        the library's queue: iterate over the connection as well.
        """
        self._receive = receive if self._phase is _Phase.FRAMES else None

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network. Whole text frames at their start take the fast path."""
        receive = self._receive
        if receive is None or self._held:
            self._read(data)
            return
        at, end = 0, len(data)
        while end - at > 3 and data[at] == _WHOLE_TEXT:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif size > 126:
                break
            stop = start + size
            if stop > end:
                break
            try:
                message = str(data[start:stop], "utf-8")
            except UnicodeDecodeError:
                break
            try:
                receive(message)
            except Exception as failed:
                self._fail(failed)
                return
            at = stop
        if at < end:
            self._read(data[at:])

    def _read(self, data: bytes) -> None:
        """Take bytes that the fast path of `data_received` cannot take."""
        self._held += data
        if self._phase is _Phase.HANDSHAKE:
            self._read_head()
        if self._phase is _Phase.FRAMES:
            self._read_frames()
        if self._phase is _Phase.LIBRARY and self._held:
            super().data_received(self._take(len(self._held)))

    def _read_head(self) -> None:
        """Give the library the response head. What follows the head of a 101 is frames."""
        end = self._held.find(_END_OF_HEAD)
        if end >= 0:
            super().data_received(self._take(end + len(_END_OF_HEAD)))
            self._phase = _Phase.FRAMES if self.protocol.state is _OPEN else _Phase.LIBRARY
        elif len(self._held) > _MOST_HEAD:
            self._phase = _Phase.LIBRARY

    def _read_frames(self) -> None:
        while size := self._frame_size():
            frame = self._take(size)
            if frame[0] == _WHOLE_TEXT and (message := _text_of(frame)) is not None:
                if self._receive is not None:
                    self._hand_over(message)
                    continue
            elif frame[0] not in (_PING, _PONG):
                self._leave()
            super().data_received(frame)
            if self._phase is _Phase.LIBRARY:
                return

    def _frame_size(self) -> int:
        """Bytes of the first frame that is held, header included; 0: the frame is incomplete.

        A frame that the library refuses by its header, masked or too long, is left to the library.
        """
        held = self._held
        if len(held) < 2:
            return 0
        size, start = held[1], _payload_start(held[1])
        if len(held) < start:
            return 0
        if start > 2:
            size = int.from_bytes(held[2:start])
        if held[1] > 127 or size > MAX_MESSAGE_BYTES:
            self._leave()
            return 0
        return start + size if start + size <= len(held) else 0

    def _leave(self) -> None:
        """Let the library read everything from here on.

        Messages must stay in order, and only the library joins fragments, checks control frames and
        closes the connection for a protocol error.
        """
        self._phase, self._receive = _Phase.LIBRARY, None

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _hand_over(self, message: str) -> None:
        assert self._receive is not None
        try:
            self._receive(message)
        except Exception as failed:
            self._fail(failed)

    def _fail(self, failed: Exception) -> None:
        """The receiver raised, which is an error of this program: end the connection."""
        self.failure, self._receive = failed, None
        self.transport.abort()

    # Writing.

    def write(self, message: Message) -> None:
        """Send a message without waiting; a connection that has ended ignores it.

        No extension is in use and nothing else is sent in fragments, so a frame may be written
        between any two others.
        """
        if self.protocol.state is not _OPEN or self.transport.is_closing():
            return
        if isinstance(message, str):
            self.transport.write(Frame(_TEXT, message.encode()).serialize(mask=True))
            return
        size = len(message)
        if size != self._size:
            self._size, self._header = size, _binary_header(size)
        mask = urandom(4)
        self.transport.write(b"".join((self._header, mask, apply_mask(message, mask))))


def _text_of(frame: bytes) -> str | None:
    """The payload of a text frame; None: it is no UTF-8."""
    try:
        return str(frame[_payload_start(frame[1]) :], "utf-8")
    except UnicodeDecodeError:
        return None


def _payload_start(length: int) -> int:
    """Bytes of a frame header without a mask, by its second byte."""
    return {126: 4, 127: 10}.get(length, 2)


def _binary_header(size: int) -> bytes:
    """The header of a final, masked binary frame, without its mask."""
    if size < 126:
        return bytes((_BINARY, 0x80 | size))
    if size < 65536:
        return bytes((_BINARY, 0x80 | 126)) + size.to_bytes(2)
    return bytes((_BINARY, 0x80 | 127)) + size.to_bytes(8)
