"""The caller's audio as a timeline: what is kept, what a connection has heard, what is done with.

Positions are bytes on the wire's encoding since the first audio of the stream; packets are cut
once and never copied again. Every byte is held, settled (a final covers it), released (a server
heard it and there was nothing in it) or lost (no server will hear it). Nothing here reads a clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class AudioCount:
    """Where the bytes of a stream are; the four sum up to all that was ever added."""

    held: int
    settled: int
    released: int
    lost: int


class Timeline:
    """Audio from `start` to `end`; the packets before `cursor` went out on this connection.

    Attributes:
        unsent: The packets that wait for this connection, from `cursor` on.
        cursor: The first byte that this connection has not been sent.
        start: The oldest byte that is held.
        end: Behind the newest one.
        heard: The furthest byte that any connection was sent.
    """

    def __init__(self, *, bytes_per_second: int, align: int, packet_bytes: int, limit: int) -> None:
        self.bytes_per_second = bytes_per_second
        self._align = align
        self._packet_bytes = max(align, packet_bytes - packet_bytes % align)
        self._limit = limit
        # One follows the other without a gap, so that none needs its position beside it.
        self._sent: deque[bytes | memoryview] = deque()
        self.unsent: deque[bytes | memoryview] = deque()
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self.start = self.cursor = self.end = self.heard = 0
        self._settled = self._released = self._lost = 0
        self._lost_ranges: list[tuple[int, int]] = []
        # Forgotten while the connection that heard it had not said its words: they may come yet.
        self._awaited = (0, 0)

    @property
    def count(self) -> AudioCount:
        """Where all bytes are."""
        return AudioCount(self.end - self.start, self._settled, self._released, self._lost)

    @property
    def missing_bytes(self) -> int:
        """What the open packet lacks."""
        return self._packet_bytes - self._tail_bytes

    def seconds(self, position: int) -> float:
        """A position as stream_time."""
        return position / self.bytes_per_second

    def position(self, seconds: float) -> int:
        """The whole sample nearest to a stream_time."""
        return round(seconds * self.bytes_per_second / self._align) * self._align

    def append(self, data: bytes) -> bool:
        """Add audio at the end; whole samples only. Returns whether a packet became ready."""
        size = len(data)
        if not size:
            return False
        self.end += size
        if size == self._packet_bytes and not self._tail_bytes:
            self.unsent.append(data)
        elif not self._cut(data):
            return False
        if self.end - self.start > self._limit:
            self._forget_oldest()
        return True

    def _cut(self, data: bytes) -> bool:
        """Put audio behind the open packet, and take off what is complete."""
        self._tail.append(data)
        self._tail_bytes += len(data)
        size = self._packet_bytes
        if self._tail_bytes < size:
            return False
        joined = memoryview(data if len(self._tail) == 1 else b"".join(self._tail))
        rest = self._tail_bytes % size
        for offset in range(0, self._tail_bytes - rest, size):
            self.unsent.append(joined[offset : offset + size])
        self._tail = [bytes(joined[-rest:])] if rest else []
        self._tail_bytes = rest
        return True

    def seal(self) -> None:
        """End the open packet here: a finalize never waits for a packet to fill."""
        if self._tail_bytes:
            self.unsent.append(b"".join(self._tail))
            self._tail, self._tail_bytes = [], 0

    def next_packet(self) -> bytes | memoryview:
        """The first of `unsent`; the cursor moves past it."""
        packet = self.unsent.popleft()
        self._sent.append(packet)
        self.cursor += len(packet)
        if self.cursor > self.heard:
            self.heard = self.cursor
        return packet

    def rewind(self) -> None:
        """A new connection has heard nothing: the cursor goes back to the oldest held byte."""
        self._lose_awaited()
        self.unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self.cursor = self.start

    def settle(self, position: int) -> None:
        """A final covers everything before `position`: it is never sent again."""
        position = min(position, self.cursor)
        start, end = self._awaited
        self._awaited = (min(max(start, position), end), end)
        self._settled += self._drop_until(position)

    def release(self, position: int) -> None:
        """A server heard everything before `position` and there was nothing in it."""
        self._released += self._drop_until(min(position, self.cursor))

    def give_up(self, understood: int) -> None:
        """Nothing that is still held will be sent.

        Args:
            understood: There is no word before this position that was not said; the rest is lost.
        """
        self.seal()
        self._lose_awaited()
        self._forget_until(self.end, understood)

    def take_lost(self) -> list[tuple[int, int]]:
        """The ranges that were lost since the last call, joined where they touch."""
        taken, self._lost_ranges = self._lost_ranges, []
        return taken

    def read(self, start: int, end: int) -> bytes:
        """Held audio between two positions, as far as it is cut into packets."""
        pieces: list[bytes | memoryview] = []
        at = self.start
        for packet in chain(self._sent, self.unsent):
            if at >= end:
                break
            behind = at + len(packet)
            if start <= at and behind <= end:
                pieces.append(packet)
            elif behind > start:
                pieces.append(packet[max(0, start - at) : end - at])
            at = behind
        return b"".join(pieces)

    def _forget_oldest(self) -> None:
        """Too much is held: the oldest goes, in whole packets.

        What a connection that is gone was sent is lost as well: its words did not come.
        """
        behind, target = self.start, self.end - self._limit
        for packet in chain(self._sent, self.unsent):
            behind += len(packet)
            if behind >= target:
                break
        start, end = self._awaited
        self._awaited = (start if start < end else self.start, min(behind, self.cursor))
        self._forget_until(behind, self.cursor)

    def _forget_until(self, position: int, heard: int) -> None:
        heard = min(max(heard, self.start), position)
        self._released += heard - self.start
        if position > heard:
            self._lose(heard, position)
        self._drop_until(position)

    def _lose(self, start: int, end: int) -> None:
        self._lost += end - start
        if self._lost_ranges and self._lost_ranges[-1][1] == start:
            start = self._lost_ranges.pop()[0]
        self._lost_ranges.append((start, end))

    def _lose_awaited(self) -> None:
        """The connection is gone that heard this, and nobody else can hear it."""
        start, end = self._awaited
        if start < end:
            self._released -= end - start
            self._lose(start, end)
        self._awaited = (end, end)

    def _drop_until(self, position: int) -> int:
        if position <= self.start:
            return 0
        at = self.start
        for part in (self._sent, self.unsent):
            while part and at < position:
                behind = at + len(part[0])
                if behind <= position:
                    part.popleft()
                else:
                    part[0] = memoryview(part[0])[position - at :]
                at = min(behind, position)
        dropped = position - self.start
        self.start = position
        self.cursor = max(self.cursor, position)
        return dropped


class ConnectionClock:
    """connection_time to stream_time: where the connection began, and what silence was put in.

    The server counts from the first byte that this connection sent it; silence that keeps an idle
    connection alive is in its count and not in the stream's.
    """

    _MOST_INSERTS = 512

    def __init__(self, base: float) -> None:
        self._base = base
        self._inserts: list[tuple[float, float]] = []  # connection_time, seconds

    def inserted(self, at: float, seconds: float) -> None:
        """Silence of this length was sent at this connection_time."""
        if self._inserts:
            last_at, last_seconds = self._inserts[-1]
            if at - (last_at + last_seconds) < 1e-6:
                self._inserts[-1] = (last_at, last_seconds + seconds)
                return
        self._inserts.append((at, seconds))
        if len(self._inserts) > self._MOST_INSERTS:  # hours of pauses: no word is that late
            _, oldest = self._inserts.pop(0)
            self._base -= oldest

    def to_stream(self, time: float) -> float:
        """The stream_time of a connection_time; within inserted silence, where it was put in."""
        shift = 0.0
        for at, seconds in self._inserts:
            if time <= at:
                break
            shift += min(seconds, time - at)
        return self._base + time - shift
