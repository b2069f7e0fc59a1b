"""The pace of one connection."""

from __future__ import annotations

import pytest

from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.connection import REPLAY_SPEED, Connection

pytestmark = pytest.mark.unit


def opened() -> Connection:
    connection = Connection(1, PulseOptions(base_url="ws://127.0.0.1:1"), "ws://127.0.0.1:1")
    connection.open(100.0)
    return connection


def test_a_backlog_goes_out_at_eight_times_real_time_after_two_seconds_of_audio() -> None:
    connection = opened()
    for _ in range(10):
        connection.spend(100.0, 640, 0.8)
    assert connection.free_at == pytest.approx(100.0 + (10 * 0.8 - 2.0) / REPLAY_SPEED)


def test_a_pause_saves_up_two_seconds_of_audio() -> None:
    connection = opened()
    connection.spend(110.0, 640, 0.8)
    assert connection.free_at == pytest.approx(110.0 - (2.0 - 0.8) / REPLAY_SPEED)


@pytest.mark.parametrize(
    ("reported", "time"), [(1.5, 1.5), (9.0, 4.0), (-1.0, 0.0), (float("-inf"), 0.0), (None, 4.0)]
)
def test_a_reported_time_lies_within_the_sent_audio(reported: float | None, time: float) -> None:
    assert opened().stream_time(reported, 4.0) == time
