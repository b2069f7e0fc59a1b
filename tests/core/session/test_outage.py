"""How long an outage was, and what was sent again."""

from __future__ import annotations

from collections import deque

import pytest

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import Event, Reconnecting, Recovered
from pulse_plugins.core.session.outage import Outage

pytestmark = pytest.mark.unit


def test_an_outage_ends_once_when_all_that_was_held_is_sent() -> None:
    events: deque[Event] = deque()
    buffer = ReplayBuffer(bytes_per_second=100, align=2, limit=1000)
    outage = Outage(buffer, events)
    buffer.append_sent(bytes(50))
    buffer.append_sent(bytes(50))
    outage.audio_sent(9.0)
    outage.began(10.0)
    gone = ConnectionLostError("gone")
    outage.goes_on(2, gone, 0.5, 11.0)
    assert events.popleft() == Reconnecting(2, "connection_lost", 0.5, gone)
    buffer.rewind()
    outage.connected(12.0)
    for _ in range(5):
        buffer.next_packet()
    outage.audio_sent(12.5)
    assert outage.is_on
    assert not events
    for _ in range(5):
        buffer.next_packet()
    outage.audio_sent(13.0)
    assert not outage.is_on
    assert list(events) == [Recovered(3.0, 1.0)]
    outage.audio_sent(14.0)
    assert len(events) == 1


def test_a_stream_that_wants_no_connection_has_no_outage() -> None:
    outage = Outage(ReplayBuffer(bytes_per_second=100, align=2, limit=1000), deque())
    outage.began(20.0)
    outage.forget()
    assert not outage.is_on
