"""The one place where future moments are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.session.deadlines import TIMERS, Deadlines, Timer

pytestmark = pytest.mark.unit


def test_the_earliest_timer_is_next() -> None:
    deadlines = Deadlines()
    assert deadlines.next() is None
    deadlines.set(Timer.STALL, 5.0)
    deadlines.set(Timer.RETRY, 3.0)
    assert deadlines.next() == 3.0
    deadlines.set(Timer.RETRY, 7.0)
    assert deadlines.next() == 5.0
    assert deadlines.at(Timer.RETRY) == 7.0
    deadlines.set(Timer.STALL, None)
    deadlines.set(Timer.STALL, None)
    assert deadlines.next() == 7.0
    deadlines.clear(Timer.RETRY)
    assert deadlines.next() is None


def test_due_timers_are_taken_once_in_their_order() -> None:
    deadlines = Deadlines()
    deadlines.set(Timer.CLOSE, 1.0)
    deadlines.set(Timer.RETRY, 2.0)
    deadlines.set(Timer.STALL, 3.0)
    assert deadlines.take_due(0.5) == []
    assert deadlines.take_due(2.0) == [Timer.RETRY, Timer.CLOSE]
    assert deadlines.take_due(2.0) == []
    assert deadlines.next() == 3.0
    deadlines.clear()
    assert deadlines.take_due(9.0) == []


def test_every_timer_is_explained() -> None:
    assert set(TIMERS) == set(Timer)


@given(
    st.lists(st.tuples(st.sampled_from(Timer), st.none() | st.floats(0, 10)), max_size=30),
    st.floats(0, 10),
)
def test_nothing_is_due_after_what_is_due_was_taken(
    steps: list[tuple[Timer, float | None]], now: float
) -> None:
    deadlines, expected = Deadlines(), dict[Timer, float]()
    for timer, at in steps:
        deadlines.set(timer, at)
        expected.pop(timer, None)
        if at is not None:
            expected[timer] = at
    assert deadlines.next() == min(expected.values(), default=None)
    assert set(deadlines.take_due(now)) == {t for t, at in expected.items() if at <= now}
    after = deadlines.next()
    assert after is None or after > now
