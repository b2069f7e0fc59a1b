"""The caller's audio until no server needs to hear it again.

The audio is one run of bytes, from `start` to `end`. Offsets are bytes in the wire's encoding since
the first audio of the stream. One connection after the other reads the buffer: `next_offset` is
what the present one is sent next, `high_water` the furthest that any connection was sent. When a
connection is lost, `rewind` moves `next_offset` back to `start`; a replay is nothing else. Every
byte is in exactly one place: held, acked (a final covers it), released (a server heard it and there
was no speech in it) or lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulse_plugins.core.audio.packetizer import MAX_PACKET_BYTES

# Seconds of audio in a packet of a backlog: the most that the service advises (docs/protocol.md,
# section 3). Longer packets would cost less and would make the pace of a replay coarser.
BACKLOG_PACKET = 0.1


@dataclass(frozen=True, slots=True)
class AudioCount:
    """Where the bytes of a stream are; the four sum up to all that was ever appended."""

    held: int
    acked: int
    released: int
    lost: int


class ReplayBuffer:
    """The audio from `start` to `end`; what lies before `next_offset` was sent on this connection.

    Args:
        bytes_per_second: Of the wire's encoding.
        align: Bytes of one sample.
        limit: Bytes that are held at most; beyond them the oldest audio goes.

    Attributes:
        next_offset: The first byte that this connection was not sent.
        start: The oldest byte that is held.
        end: Behind the newest byte.
        high_water: Behind the furthest byte that any connection was sent.
    """

    def __init__(self, *, bytes_per_second: int, align: int, limit: int) -> None:
        self.bytes_per_second = bytes_per_second
        self._align = align
        self._limit = limit
        most = min(MAX_PACKET_BYTES, int(bytes_per_second * BACKLOG_PACKET))
        self._packet_bytes = max(align, most - most % align)
        self._audio = bytearray()
        self.start = self.next_offset = self.end = self.high_water = 0
        self._acked = self._released = self._lost = 0
        self._lost_ranges: list[tuple[int, int]] = []
        # Dropped while the connection that was sent this range may still answer with its words.
        self._awaited = (0, 0)

    @property
    def count(self) -> AudioCount:
        """Where all bytes are."""
        return AudioCount(self.end - self.start, self._acked, self._released, self._lost)

    def seconds(self, offset: int) -> float:
        """An offset as stream_time."""
        return offset / self.bytes_per_second

    def offset(self, seconds: float) -> int:
        """The offset of the whole sample nearest to a stream_time."""
        return round(seconds * self.bytes_per_second / self._align) * self._align

    @property
    def has_unsent(self) -> bool:
        """Whether this connection was not sent everything."""
        return self.next_offset < self.end

    def append(self, audio: bytes) -> None:
        """Add whole samples at the end."""
        self._audio += audio
        self.end += len(audio)
        if self.end - self.start > self._limit:
            self._drop_oldest()

    def append_sent(self, audio: bytes) -> None:
        """Add whole samples that go out at once; nothing else may be unsent."""
        self._audio += audio
        self.end = self.next_offset = self.high_water = self.end + len(audio)
        if self.end - self.start > self._limit:
            self._drop_oldest()

    def next_packet(self, stop: int | None = None) -> bytes:
        """Take the next packet that is unsent; `next_offset` moves behind it.

        Args:
            stop: An offset that the packet must not pass.
        """
        start = self.next_offset
        behind = min(start + self._packet_bytes, self.end if stop is None else stop)
        self.next_offset = behind
        self.high_water = max(self.high_water, behind)
        return self.read(start, behind)

    def rewind(self) -> None:
        """A new connection has heard nothing: it is sent everything from `start` on."""
        self._lose_awaited()
        self.next_offset = self.start

    def ack(self, offset: int) -> None:
        """A final covers everything before `offset`: it is never sent again."""
        offset = min(offset, self.next_offset)
        start, end = self._awaited
        self._awaited = (min(max(start, offset), end), end)
        self._acked += self._drop_until(offset)

    def release(self, offset: int) -> None:
        """A server heard everything before `offset` and there was no speech in it."""
        self._released += self._drop_until(min(offset, self.next_offset))

    def give_up(self, understood: int) -> None:
        """Nothing that is held will be sent any more.

        Args:
            understood: All words before this offset were delivered; audio behind it is lost.
        """
        self._lose_awaited()
        self._drop_held(self.end, understood)

    def take_lost(self) -> list[tuple[float, float]]:
        """The stretches that were lost since the last call: stream_time and length in seconds."""
        taken, self._lost_ranges = self._lost_ranges, []
        return [(self.seconds(start), self.seconds(end - start)) for start, end in taken]

    def read(self, start: int, end: int) -> bytes:
        """The audio between two offsets, as far as it is held."""
        return bytes(self._audio[max(0, start - self.start) : max(0, end - self.start)])

    def _drop_oldest(self) -> None:
        """Drop whole samples until no more than the limit is held."""
        surplus = self.end - self._limit - self.start
        behind = self.start + -(-surplus // self._align) * self._align
        # The present connection was sent a part of this. Its words may still come, so that this
        # part is lost only when the connection is.
        start, end = self._awaited
        self._awaited = (start if start < end else self.start, min(behind, self.next_offset))
        self._drop_held(behind, self.next_offset)

    def _drop_held(self, offset: int, heard: int) -> None:
        """Drop everything before `offset`; what lies behind `heard` is lost."""
        heard = min(max(heard, self.start), offset)
        self._released += heard - self.start
        if offset > heard:
            self._lose(heard, offset)
        self._drop_until(offset)

    def _lose(self, start: int, end: int) -> None:
        self._lost += end - start
        if self._lost_ranges and self._lost_ranges[-1][1] == start:
            start = self._lost_ranges.pop()[0]
        self._lost_ranges.append((start, end))

    def _lose_awaited(self) -> None:
        start, end = self._awaited
        if start < end:
            self._released -= end - start
            self._lose(start, end)
        self._awaited = (end, end)

    def _drop_until(self, offset: int) -> int:
        dropped = offset - self.start
        if dropped <= 0:
            return 0
        del self._audio[:dropped]
        self.start = offset
        self.next_offset = max(self.next_offset, offset)
        return dropped
