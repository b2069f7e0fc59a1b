"""How much audio damaged packets held."""

from __future__ import annotations

from typing import Any

# Formats without time stamps, in which FFmpeg counts the packets.
_COUNTED = frozenset(("mp3", "aac", "ac3", "eac3", "dts"))
_TAG = b"ID3"
_TAG_HEAD = 10  # bytes; ID3v2, section 3.1: the last four say how long the rest is, 7 bits each


class Damage:
    """Counts packets that could not be decoded.

    Attributes:
        packets: How many there were.
        seconds: The audio that they held.
        unstamped: Seconds of them that the time stamps which follow do not count.
    """

    def __init__(self) -> None:
        self.packets = 0
        self.seconds = 0.0
        self.unstamped = 0.0
        self._tag = 0  # bytes that are left of a tag

    def add(self, packet: Any) -> None:
        """Count a packet.

        In formats whose time stamps are counted from the packets, FFmpeg takes everything up to
        the next whole packet for one packet. Its true length follows from its size. The tag of a
        joined file is no audio.
        """
        said = float(packet.duration * packet.time_base) if packet.duration else 0.0
        stream = packet.stream
        if stream.container.format.name not in _COUNTED or not stream.bit_rate:
            self.packets += 1
            self.seconds += said
            return
        audio = self._without_tag(bytes(packet))
        if not audio:
            self.unstamped -= said
            return
        length = audio * 8 / stream.bit_rate
        self.packets += 1
        self.seconds += length
        self.unstamped += length - said

    def _without_tag(self, data: bytes) -> int:
        """Bytes of a packet that belong to no ID3 tag."""
        before = data.find(_TAG) if not self._tag else 0
        head = data[before + 6 : before + _TAG_HEAD]
        if before >= 0 and not self._tag and len(head) == 4 and max(head) < 0x80:
            self._tag = _TAG_HEAD + sum(byte << 7 * (3 - at) for at, byte in enumerate(head))
        else:
            before = 0
        tag = min(self._tag, len(data) - before)
        self._tag -= tag
        return len(data) - tag
