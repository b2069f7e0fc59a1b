"""A server that is sent speech and sends nothing is found; one that has nothing to say is not."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.stall import LOOK_EVERY, SentHistory, StallDetector
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit


class Watched:
    """A connection that is sent audio in real time and looked at every half second."""

    def __init__(self) -> None:
        options = PulseOptions(base_url="ws://127.0.0.1:1", sample_rate=RATE)
        self.buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**8)
        energy = Energy(self.buffer, "linear16")
        self.detector = StallDetector(OptionsInForce(options), energy)
        self.now = self.heard_at = 100.0
        self.detector.connection_changed(0.0, self.now)

    def stalls_after(self, number: int, most: float = 200.0) -> float | None:
        """Seconds of audio, all of this word (0: silence), until the stall is found."""
        began = self.now
        while self.now < began + most:
            for _ in range(round(LOOK_EVERY / 0.1)):
                self.buffer.append(spoken(number)[: RATE // 5])
                self.buffer.next_packet()
            self.now += LOOK_EVERY
            sent = self.buffer.seconds(self.buffer.next_offset)
            if self.detector.is_stalled(sent, self.heard_at, None, None, self.now):
                return self.now - began
        return None


def test_speech_without_an_answer_is_found_within_four_seconds() -> None:
    found = Watched().stalls_after(1)
    assert found is not None
    assert 3.0 <= found <= 4.0


def test_silence_without_an_answer_is_no_stall() -> None:
    assert Watched().stalls_after(0, most=60.0) is None


@pytest.mark.parametrize(("milliseconds", "stalls"), [(280, False), (320, True)])
def test_a_sound_shorter_than_a_syllable_is_not_waited_on(milliseconds: int, stalls: bool) -> None:
    watched = Watched()
    watched.buffer.append((spoken(1) * 2)[: milliseconds * RATE // 1000 * 2])
    watched.buffer.next_packet()
    assert (watched.stalls_after(0, most=10.0) is not None) is stalls


def test_a_server_that_says_anything_is_alive() -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.stalls_after(1, most=2.0) is None
        watched.heard_at = watched.now + 0.1  # before the next look


@pytest.mark.parametrize(("silent", "stalled"), [(2.9, False), (3.0, True)])
def test_a_server_that_owes_the_last_words_for_three_seconds_is_stalled(
    silent: float, stalled: bool
) -> None:
    watched = Watched()
    now = watched.now + silent
    assert watched.detector.is_stalled(0.0, watched.heard_at, watched.now, None, now) is stalled


@pytest.mark.parametrize(("silent", "stalled"), [(2.9, False), (3.0, True)])
def test_a_server_that_owes_an_answer_for_three_seconds_is_stalled(
    silent: float, stalled: bool
) -> None:
    watched = Watched()
    asked, now = watched.now, watched.now + silent
    assert watched.detector.is_stalled(0.0, watched.heard_at, None, asked, now) is stalled


def test_patience_doubles_for_answers_that_never_come() -> None:
    watched = Watched()
    assert watched.detector.is_stalled(0.0, 100.0, None, 100.0, 103.0)
    assert not watched.detector.is_stalled(0.0, 100.0, None, 103.0, 108.9)
    assert watched.detector.is_stalled(0.0, 100.0, None, 103.0, 109.0)


def test_patience_doubles_until_an_interim_comes() -> None:
    watched, found = Watched(), []
    for _ in range(6):
        found.append(watched.stalls_after(1))
        sent = watched.buffer.seconds(watched.buffer.next_offset)
        watched.detector.connection_changed(sent, watched.now)
    assert [round(each or 0.0, 1) for each in found] == [3.5, 6.5, 12.5, 24.5, 48.5, 60.5]
    watched.detector.interim_came()
    assert watched.stalls_after(1) == pytest.approx(3.5)


def test_audio_is_old_when_it_was_sent_long_ago() -> None:
    history = SentHistory()
    assert history.look(100.0, 1000) == (0, 0)
    assert history.look(101.9, 2000) == (0, 0)
    assert history.look(102.0, 3000) == (1000, 0)
    assert history.look(130.0, 4000) == (3000, 1000)
    for number in range(1000):
        history.look(131.0 + number, 5000)
    assert history.look(1131.0, 6000) == (5000, 5000)
    assert len(history._looks) < 40
    history.clear()
    assert history.look(2000.0, 9000) == (0, 0)
