"""Which speech has no words yet."""

from __future__ import annotations

import pytest

from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer
from pulse_plugins.core.transcript.coverage import SHORTEST_WORD, Coverage
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit


def heard(*numbers: int) -> Coverage:
    """Words of 0.2 s; 0 is a silence of the same length."""
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    for number in numbers:
        buffer.append(spoken(number))
    while buffer.has_unsent:
        buffer.next_packet()
    return Coverage(buffer, Energy(buffer, "linear16"))


def at(seconds: float) -> int:
    return round(seconds * RATE) * 2


def test_speech_before_an_offset_is_without_words_until_a_final_covers_it() -> None:
    coverage = heard(1, 2, 0)
    assert coverage.possible_before(at(0.6)) == pytest.approx(0.4)
    coverage.reaches(0.2)
    assert coverage.certain_before(at(0.6)) == pytest.approx(0.14, abs=0.021)
    coverage.reaches(0.4)
    coverage.reaches(0.1)
    assert coverage.possible_before(at(0.6)) == 0.0


@pytest.mark.parametrize(("early", "left"), [(0.04, 0.0), (0.14, 0.08)])
def test_sound_right_after_the_end_of_a_word_belongs_to_the_word(early: float, left: float) -> None:
    coverage = heard(1, 0)
    coverage.reaches(0.2 - early)
    assert coverage.possible_before(at(0.4)) == pytest.approx(left, abs=0.021)


def test_an_open_interim_counts_as_a_word_before_the_mark() -> None:
    coverage = heard(1, 0, 0)
    coverage.reaches(0.2)
    assert coverage.left_before(at(0.4), has_interim=False) == 0.0
    assert coverage.left_before(at(0.4), has_interim=True) == SHORTEST_WORD


def test_an_open_interim_may_tell_of_speech_after_the_mark() -> None:
    coverage = heard(1, 0, 2)
    coverage.reaches(0.2)
    assert coverage.left_before(at(0.4), has_interim=True) == 0.0


@pytest.mark.parametrize(("second", "lacks"), [(2, True), (0, False)])
def test_an_interim_shows_a_word_right_after_the_last_one_if_there_is_sound(
    second: int, lacks: bool
) -> None:
    coverage = heard(1, second)
    coverage.reaches(0.2)
    assert coverage.lacks_words(at(0.4), has_interim=True) is lacks
    assert not coverage.lacks_words(at(0.4), has_interim=False)


@pytest.mark.parametrize(("gap", "early"), [(0, True), (1, False)])
def test_only_sound_right_after_the_last_word_may_be_its_end(gap: int, early: bool) -> None:
    coverage = heard(1, 2, *[0] * gap, 3)
    coverage.reaches(0.25)
    assert coverage.ends_early(at(0.6 + 0.2 * gap)) is early


@pytest.mark.parametrize(("seconds", "left"), [(0.04, SHORTEST_WORD), (0.08, 0.0)])
def test_a_click_after_the_mark_is_no_speech_that_an_interim_may_tell(
    seconds: float, left: float
) -> None:
    coverage = heard(1, 0, 0)
    coverage.reaches(0.2)
    coverage._buffer.append(spoken(2)[: at(seconds)])
    coverage._buffer.next_packet()
    assert coverage.left_before(at(0.4), has_interim=True) == left
