"""connection_time to stream_time."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.clock import ConnectionClock

pytestmark = pytest.mark.unit


def test_a_connection_counts_from_where_it_began() -> None:
    clock = ConnectionClock(10.0)
    assert clock.to_stream(0.0) == 10.0
    assert clock.to_stream(2.5) == 12.5


def test_inserted_silence_does_not_count() -> None:
    clock = ConnectionClock(0.0)
    clock.inserted(1.0, 0.1)
    assert clock.to_stream(1.0) == 1.0
    assert clock.to_stream(1.05) == pytest.approx(1.0)
    assert clock.to_stream(1.1) == pytest.approx(1.0)
    assert clock.to_stream(2.1) == pytest.approx(2.0)


def test_silences_that_follow_each_other_are_one() -> None:
    clock = ConnectionClock(0.0)
    clock.inserted(1.0, 0.1)
    clock.inserted(1.1, 0.1)
    assert clock.to_stream(2.2) == pytest.approx(2.0)
    assert len(clock._inserted) == 1


def test_a_night_of_keepalive_silence_is_bounded_and_times_stay_right() -> None:
    clock = ConnectionClock(0.0)
    at = 0.0
    for _ in range(2000):
        at += 1.0
        clock.inserted(at, 0.1)
        at += 0.1
    assert len(clock._inserted) == 512
    assert clock.to_stream(at + 1.0) == pytest.approx(2001.0)
