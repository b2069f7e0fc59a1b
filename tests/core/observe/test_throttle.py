"""A fault that repeats is reported a few times, and then rarely."""

from __future__ import annotations

from math import inf

from pulse_plugins.core.observe.throttle import Throttle


def reported(throttle: Throttle, times: list[float], fault: object = "lost") -> list[int | None]:
    return [throttle.allow(fault, now) for now in times]


def test_the_first_reports_come_at_once_and_then_one_in_an_interval() -> None:
    throttle = Throttle(3, 10.0)
    found = reported(throttle, [0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 22])
    assert found == [0, 0, 0, None, None, None, None, 4, None, None, None, 3]


def test_a_fault_that_stayed_away_is_a_new_one() -> None:
    throttle = Throttle(2, 10.0)
    assert reported(throttle, [0, 1, 11, 11, 11]) == [0, 0, 0, 0, None]


def test_an_interval_without_end_reports_once_until_it_is_cleared() -> None:
    throttle = Throttle(1, inf)
    assert reported(throttle, [0, 1, 1e9]) == [0, None, None]
    throttle.clear()
    assert reported(throttle, [1e9, 1e9]) == [0, None]


def test_each_fault_is_counted_by_itself() -> None:
    throttle = Throttle(1, 10.0)
    assert reported(throttle, [0, 0]) == [0, None]
    assert reported(throttle, [0, 0], fault="refused") == [0, None]


def test_the_faults_that_are_remembered_are_bounded() -> None:
    throttle = Throttle(1, inf)
    for number in range(1000):
        assert throttle.allow(number, 0.0) == 0
    for number in (999, 1000 - 256):
        assert throttle.allow(number, 0.0) is None
    assert throttle.allow(1000 - 257, 0.0) == 0  # forgotten
