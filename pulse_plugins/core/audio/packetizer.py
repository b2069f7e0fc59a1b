"""Gathers pushed audio into packets of the wire: the one place of the engine that gathers.

A packet goes out as soon as it holds `packet_bytes`. It may hold more, up to `MAX_PACKET_BYTES`:
a frame of 50 ms is one packet even where 20 ms would be enough, because to cut it would cost a
message and win no time. Behind this class there are only whole packets.
"""

from __future__ import annotations

from math import ceil

from pulse_plugins.core.audio.converter import FrameConverter
from pulse_plugins.core.audio.formats import AudioFormat

# docs/protocol.md, section 3: the service warns above 8192 bytes a message.
MAX_PACKET_BYTES = 8192


class Packetizer:
    """Converts audio to the wire's format and cuts it into packets.

    Args:
        source: The format of what `add` takes.
        target: The format on the wire, mono.
        packet_seconds: Length of audio from which on a packet goes out, in seconds.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat, packet_seconds: float) -> None:
        self._target = target
        self._most = MAX_PACKET_BYTES - MAX_PACKET_BYTES % target.bytes_per_frame
        self._gathered: list[bytes] = []  # in the source's format
        self._gathered_bytes = 0
        self._tail = b""  # converted, less than a packet
        self._packet_bytes = 0
        self._align = source.bytes_per_frame
        self._per_second = source.bytes_per_second
        self._taken = 0.0  # seconds that were converted
        self._follow(source)
        self.packet_seconds = packet_seconds

    @property
    def source(self) -> AudioFormat:
        """The format of what `add` takes."""
        return self._converter.source

    @property
    def packet_seconds(self) -> float:
        """Length of audio from which on a packet goes out, in seconds."""
        return self._packet_seconds

    @packet_seconds.setter
    def packet_seconds(self, seconds: float) -> None:
        self._packet_seconds = seconds
        target = self._target
        wanted = max(1, ceil(seconds * target.sample_rate - 1e-6)) * target.bytes_per_frame
        self._packet_bytes = min(wanted, self._most)
        self._plan()

    @property
    def stream_time(self) -> float:
        """Seconds of audio that were added so far."""
        return self._taken + self._gathered_bytes / self._per_second

    @property
    def held_seconds(self) -> float:
        """Seconds of audio that no packet holds yet."""
        waiting = len(self._tail) / self._target.bytes_per_second
        return waiting + self._gathered_bytes / self._per_second

    @property
    def missing_seconds(self) -> float:
        """Seconds of audio that complete the next packet."""
        return (self._enough - self._gathered_bytes) / self._per_second

    def add(self, data: bytes) -> list[bytes] | None:
        """Add audio in the source's format; returns the packets that became ready, or None."""
        size = len(data)
        if size % self._align:
            self._is_identity = False  # the converter joins the parts of a sample
        if not self._gathered:
            if size >= self._enough:
                if self._is_identity and size <= self._most and not self._tail:
                    self._taken += size / self._per_second
                    return [data]
                return self._convert(data)
            if not size:
                return None
        self._gathered.append(data)
        self._gathered_bytes += size
        if self._gathered_bytes < self._enough:
            return None
        return self._convert(self._take())

    def flush(self) -> list[bytes]:
        """Return all audio so far as packets, the last one perhaps short.

        Audio that the resampler holds back comes too; what is added later is converted as if
        nothing had been flushed.
        """
        packets = (self._convert(self._take()) if self._gathered else None) or []
        self._tail += self._converter.flush()
        packets += self._cut(1)
        self._plan()
        return packets

    def change_source(self, source: AudioFormat) -> list[bytes]:
        """Audio that is added from now on has this format; returns what came before, flushed."""
        packets = self.flush()
        self._follow(source)
        self._plan()
        return packets

    def _follow(self, source: AudioFormat) -> None:
        self._converter = FrameConverter(source, self._target)
        self._is_identity = self._converter.is_identity
        self._align = source.bytes_per_frame
        self._per_second = source.bytes_per_second

    def _take(self) -> bytes:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        return gathered[0] if len(gathered) == 1 else b"".join(gathered)

    def _convert(self, data: bytes) -> list[bytes] | None:
        self._taken += len(data) / self._per_second
        converted = self._converter.convert(data)
        if not self._tail and self._packet_bytes <= len(converted) <= self._most:
            return [converted]
        self._tail += converted
        packets = self._cut(self._packet_bytes)
        self._plan()
        return packets or None

    def _cut(self, least: int) -> list[bytes]:
        """Take packets of at least `least` bytes off the tail."""
        packets = []
        while len(self._tail) >= least:
            packets.append(self._tail[: self._most])
            self._tail = self._tail[self._most :]
        return packets

    def _plan(self) -> None:
        """Compute how many bytes of the source complete the next packet."""
        missing = self._packet_bytes - len(self._tail)
        frames = max(1, ceil(missing / self._target.bytes_per_second * self.source.sample_rate))
        self._enough = frames * self.source.bytes_per_frame
