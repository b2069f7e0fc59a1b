"""Time stamps of containers: late starts, holes, restarts, jitter and nonsense."""

from __future__ import annotations

import pytest

from pulse_plugins.cli.media.clock import MediaClock


def places(origin: float, *frames: tuple[float | None, float]) -> list[float]:
    clock = MediaClock()
    clock.begin(origin)
    return [round(clock.place(stamp, length), 6) for stamp, length in frames]


def test_audio_that_begins_after_the_container_begins_late() -> None:
    assert places(1.4, (6.4, 1.0), (7.4, 1.0)) == [5.0, 6.0]


def test_a_hole_stays_a_hole() -> None:
    assert places(0.0, (0.0, 1.0), (5.0, 1.0)) == [0.0, 5.0]


def test_time_stamps_that_begin_again_go_on() -> None:
    assert places(0.0, (0.0, 2.0), (0.0, 2.0), (2.0, 2.0)) == [0.0, 2.0, 4.0]


def test_frames_without_time_stamps_follow_each_other() -> None:
    assert places(0.0, (None, 0.5), (None, 0.5)) == [0.0, 0.5]


@pytest.mark.parametrize(("late", "place"), [(0.09, 1.0), (0.11, 1.11)])
def test_jitter_is_no_hole_and_a_tenth_of_a_second_is(late: float, place: float) -> None:
    assert places(0.0, (0.0, 1.0), (1.0 + late, 1.0)) == [0.0, place]


@pytest.mark.parametrize(("stamp", "place"), [(86_000.0, 86_000.0), (1.7e9, 1.0)])
def test_a_time_stamp_of_another_clock_is_no_hole(stamp: float, place: float) -> None:
    assert places(0.0, (0.0, 1.0), (stamp, 1.0)) == [0.0, place]


def test_the_next_container_follows_and_may_begin_late() -> None:
    clock = MediaClock()
    clock.begin(1.0)
    assert clock.place(1.0, 2.0) == 0.0
    clock.begin(50.0)
    assert clock.place(50.0, 1.0) == 2.0
    clock.begin(7.0)
    assert clock.place(12.0, 1.0) == 8.0


def test_lost_audio_moves_what_follows() -> None:
    clock = MediaClock()
    assert clock.place(0.0, 1.0) == 0.0
    clock.skip(0.5)
    assert clock.place(1.0, 1.0) == 1.5
    assert clock.place(2.0, 1.0) == 2.5
