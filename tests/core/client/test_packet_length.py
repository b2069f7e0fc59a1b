"""Packets are short while few streams of the process are live."""

from __future__ import annotations

import pytest

from pulse_plugins.core.client import packet_length
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions


@pytest.mark.parametrize(
    ("streams", "seconds"), [(1, 0.02), (20, 0.02), (21, 0.05), (40, 0.05), (41, 0.1)]
)
def test_packets_grow_with_the_number_of_live_streams(streams: int, seconds: float) -> None:
    assert packet_length.packet_seconds(streams) == seconds


async def test_live_streams_share_one_packet_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_length, "TIERS", ((2, 0.02),))
    options = PulseOptions(base_url="ws://127.0.0.1:1")
    streams = [PulseStream(options) for _ in range(2)]
    longer = PulseStream(options, shortest_packet=0.05)
    own = PulseStream(PulseOptions(base_url="ws://127.0.0.1:1", packet_ms=60))
    for stream in (*streams, longer, own):
        stream.start()
    assert [stream.packet_seconds for stream in (*streams, longer)] == [0.1, 0.1, 0.1]
    assert own.packet_seconds == 0.06
    streams[0].abort()
    assert (streams[1].packet_seconds, longer.packet_seconds) == (0.02, 0.05)
    for stream in (*streams, longer, own):
        stream.abort()
        await stream.wait_closed()
