"""The caller's audio until no server needs to hear it again.

Offsets are bytes in the wire's encoding since the first audio of the stream. One connection after
the other reads the buffer: `next_offset` is what the present one is sent next, `high_water` the
furthest that any connection was sent. When a connection is lost, `rewind` moves `next_offset` back
to `start`; a replay is nothing else. Every byte is in exactly one place: held, acked (a final
covers it), released (a server heard it and there was no speech in it) or lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class AudioCount:
    """Where the bytes of a stream are; the four sum up to all that was ever appended."""

    held: int
    acked: int
    released: int
    lost: int


class ReplayBuffer:
    """Packets from `start` to `end`; those before `next_offset` went out on this connection.

    Args:
        bytes_per_second: Of the wire's encoding.
        align: Bytes of one sample.
        limit: Bytes that are held at most; beyond them the oldest packets go.

    Attributes:
        unsent: The packets from `next_offset` on.
        next_offset: The first byte that this connection was not sent.
        start: The oldest byte that is held.
        end: Behind the newest byte.
        high_water: Behind the furthest byte that any connection was sent.
    """

    def __init__(self, *, bytes_per_second: int, align: int, limit: int) -> None:
        self.bytes_per_second = bytes_per_second
        self._align = align
        self._limit = limit
        # The packets follow each other without a gap, so that none needs its offset beside it.
        self._sent: deque[bytes | memoryview] = deque()
        self.unsent: deque[bytes | memoryview] = deque()
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

    def append(self, packet: bytes) -> None:
        """Add one packet of whole samples at the end."""
        self.unsent.append(packet)
        self.end += len(packet)
        if self.end - self.start > self._limit:
            self._drop_oldest()

    def append_sent(self, packet: bytes) -> None:
        """Add one packet that goes out at once; nothing else may be unsent."""
        self._sent.append(packet)
        self.end = self.next_offset = self.high_water = self.end + len(packet)
        if self.end - self.start > self._limit:
            self._drop_oldest()

    def next_packet(self) -> bytes | memoryview:
        """Take the first unsent packet; `next_offset` moves behind it."""
        packet = self.unsent.popleft()
        self._sent.append(packet)
        self.next_offset += len(packet)
        if self.next_offset > self.high_water:
            self.high_water = self.next_offset
        return packet

    def rewind(self) -> None:
        """A new connection has heard nothing: it is sent everything from `start` on."""
        self._lose_awaited()
        self.unsent.extendleft(reversed(self._sent))
        self._sent.clear()
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
        """Held audio between two offsets; mostly the newest, so that the search begins there."""
        pieces: list[bytes | memoryview] = []
        at = self.end
        for packet in chain(reversed(self.unsent), reversed(self._sent)):
            if at <= start:
                break
            behind, at = at, at - len(packet)
            if start <= at and behind <= end:
                pieces.append(packet)
            elif at < end:
                pieces.append(packet[max(0, start - at) : end - at])
        pieces.reverse()
        return b"".join(pieces)

    def _drop_oldest(self) -> None:
        """Drop whole packets until no more than the limit is held."""
        behind, target = self.start, self.end - self._limit
        # No branch: the last packet ends at `end`, which is not before the target.
        for packet in chain(self._sent, self.unsent):  # pragma: no branch
            behind += len(packet)
            if behind >= target:
                break
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
        if offset <= self.start:
            return 0
        at = self.start
        for packets in (self._sent, self.unsent):
            while packets and at < offset:
                behind = at + len(packets[0])
                if behind <= offset:
                    packets.popleft()
                else:
                    packets[0] = memoryview(packets[0])[offset - at :]
                at = min(behind, offset)
        dropped = offset - self.start
        self.start = offset
        self.next_offset = max(self.next_offset, offset)
        return dropped
