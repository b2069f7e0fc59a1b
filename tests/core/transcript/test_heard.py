"""How much of the sent audio a server has surely heard."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.heard import HeardAudio

pytestmark = pytest.mark.unit
SECOND = bytes(100)


def heard(*, held: int) -> tuple[HeardAudio, ReplayBuffer]:
    """On a connection that opened at 10.0 and is sent so many seconds of audio at once."""
    buffer = ReplayBuffer(bytes_per_second=len(SECOND), align=2, limit=10_000)
    made = HeardAudio(buffer)
    made.connection_changed(10.0)
    for _ in range(held):
        buffer.append_sent(SECOND)
    return made, buffer


def test_live_audio_is_heard_when_it_is_sent() -> None:
    made, buffer = heard(held=0)
    for second in range(1, 100):
        buffer.append_sent(SECOND)
        assert made.by(10.0 + second) == second


def test_a_replay_is_heard_at_twice_real_time_at_least() -> None:
    made, _ = heard(held=8)
    assert made.by(10.5) == 1.0
    assert made.by(12.0) == 4.0
    assert made.by(15.0) == 8.0


@pytest.mark.parametrize(("time", "at"), [(0.5, 11.0), (4.0, 12.0), (8.0, 14.0)])
def test_audio_is_heard_at_the_latest_when_a_server_of_twice_real_time_hears_it(
    time: float, at: float
) -> None:
    made, _ = heard(held=8)
    assert made.hears(time, 11.0) == at
    assert made.hears(time, 10.5) == min(at, max(10.5, 10.0 + time / 2))


def test_a_pause_of_the_audio_saves_up_nothing() -> None:
    made, buffer = heard(held=1)
    assert made.by(20.0) == 1.0
    for _ in range(8):
        buffer.append_sent(SECOND)
    assert made.by(20.5) == 2.0


def test_the_words_of_a_final_were_heard() -> None:
    made, _ = heard(held=8)
    made.reaches(6.0, 10.5)
    assert made.by(11.0) == 7.0
    made.reaches(3.0, 11.0)
    assert made.by(11.0) == 7.0


def test_another_connection_has_heard_nothing_of_what_is_held() -> None:
    made, buffer = heard(held=4)
    assert made.by(20.0) == 4.0
    buffer.ack(100)
    buffer.rewind()
    made.connection_changed(20.0)
    while buffer.has_unsent:
        buffer.next_packet()
    assert made.by(20.0) == 1.0


@pytest.mark.parametrize(("onset", "shown"), [(3.5, 3.52), (2.8, 3.02), (0.5, 3.02)])
def test_words_that_began_within_the_delay_of_an_interim_are_not_shown(
    onset: float, shown: float
) -> None:
    made, buffer = heard(held=0)
    for _ in range(4):
        buffer.append_sent(SECOND)
    assert made.by(12.0) == 4.0
    made.shows(onset, 12.0)
    assert made.shown_by(12.0) == pytest.approx(shown)


def test_an_interim_without_delay_shows_what_was_heard() -> None:
    made, _ = heard(held=4)
    made.shows(1.0, 10.5)
    assert made.shown_by(10.5) == 1.0
    made.shows(2.0, 10.5)  # it is shown before it was surely heard
    assert made.shown_by(10.5) == 1.0
