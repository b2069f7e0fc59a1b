"""How long packets of live audio are.

A word waits half a packet on average before it leaves, and each packet costs the process a system
call. While few streams are live the delay counts, with many streams the cost does. The service
takes any length of 20 ms and more and advises 50 to 100 ms (docs/protocol.md, section 3).
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary

# Streams of this process, and seconds of audio in a packet up to that many.
TIERS = ((20, 0.02), (40, 0.05))
LONGEST = 0.1


class Packets(Protocol):
    """An object whose packet length follows the number of live streams."""

    packet_seconds: float


# The packets of live streams, and the shortest length of each.
_live: WeakKeyDictionary[Packets, float] = WeakKeyDictionary()


def packet_seconds(streams: int) -> float:
    """Seconds of audio in a packet while so many streams of this process are live."""
    return next((seconds for most, seconds in TIERS if streams <= most), LONGEST)


def started(packets: Packets) -> None:
    """A stream is live: its packets have the length for as many streams as there are now.

    They are never shorter than they are at this call.
    """
    _live[packets] = packets.packet_seconds
    _follow()


def ended(packets: Packets) -> None:
    """A stream is over; calling again is harmless."""
    if packets in _live:
        del _live[packets]
        _follow()


def _follow() -> None:
    wanted = packet_seconds(len(_live))
    for each, shortest in list(_live.items()):  # a stream that is collected meanwhile leaves it
        seconds = max(shortest, wanted)
        if each.packet_seconds != seconds:
            each.packet_seconds = seconds
