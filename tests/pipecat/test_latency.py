"""The meter behind one's own `ttfs_p99_latency`."""

from __future__ import annotations

import pytest

from pulse_plugins.pipecat.latency import LatencyMeter

pytestmark = pytest.mark.unit


def test_it_says_nothing_before_it_knows_enough() -> None:
    meter = LatencyMeter()
    for _ in range(19):
        meter.speech_ended(0.0)
        meter.completed(0.3)
    assert meter.percentile(0.99) is None


def test_the_percentile_is_of_turns_and_only_the_first_answer_counts() -> None:
    meter = LatencyMeter()
    for turn in range(100):
        meter.speech_ended(float(turn))
        meter.completed(turn + 0.01 * (turn + 1))
        meter.completed(turn + 50.0)
    assert meter.percentile(0.5) == pytest.approx(0.5)
    assert meter.percentile(0.99) == pytest.approx(0.99)
    assert meter.percentile(1.0) == pytest.approx(1.0)
