"""From seconds that were sent to seconds of the recording."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.cli.transcribe.timeline import LONGEST_SILENCE, Timeline


def test_audio_that_begins_late_is_late() -> None:
    timeline = Timeline()
    assert timeline.add(5.0, 1.0) == 0.0
    assert timeline.recorded(0.25) == 5.25


def test_a_short_hole_is_sent_as_silence() -> None:
    timeline = Timeline()
    timeline.add(0.0, 3.0)
    assert timeline.add(4.0, 1.0) == 1.0
    assert timeline.recorded(4.5) == 4.5


def test_a_long_hole_stays_a_hole_and_is_not_sent() -> None:
    timeline = Timeline()
    timeline.add(0.0, 3.0)
    assert timeline.add(3603.0, 1.0) == LONGEST_SILENCE
    assert timeline.sent == 3.0 + LONGEST_SILENCE + 1.0
    assert timeline.recorded(2.5) == 2.5
    assert timeline.recorded(5.5) == 3603.5
    # A word whose time is a little off stays on its own side of the hole.
    assert timeline.recorded(3.2) == pytest.approx(3.2)
    assert timeline.recorded(4.8) == pytest.approx(3602.8)


@given(st.lists(st.tuples(st.floats(0, 10_000), st.floats(0.01, 10)), min_size=1))
def test_times_never_go_back(pieces: list[tuple[float, float]]) -> None:
    timeline = Timeline()
    at = 0.0
    for hole, length in pieces:
        timeline.add(at + hole, length)
        at += hole + length
    sent = [timeline.sent * step / 50 for step in range(51)]
    recorded = [timeline.recorded(each) for each in sent]
    assert all(before <= after + 1e-6 for before, after in pairwise(recorded))
    assert recorded[-1] == pytest.approx(at)
