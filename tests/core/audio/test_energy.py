"""Which stretches of audio are speech, at two levels."""

from __future__ import annotations

import struct

import pytest

from pulse_plugins.core.audio import energy as module
from pulse_plugins.core.audio import formats
from pulse_plugins.core.audio.energy import Energy
from pulse_plugins.core.audio.replay_buffer import ReplayBuffer

pytestmark = pytest.mark.unit
RATE = 8000


def tone(level: float, seconds: float) -> bytes:
    """Samples of one loudness; 1.0 is full scale."""
    return struct.pack("<h", round(level * 32767)) * round(RATE * seconds)


def heard(*parts: bytes) -> Energy:
    buffer = ReplayBuffer(bytes_per_second=2 * RATE, align=2, limit=10**7)
    for part in parts:
        buffer.append(part)
    while buffer.has_unsent:
        buffer.next_packet()
    return Energy(buffer, "linear16")


def test_silence_is_no_speech() -> None:
    energy = heard(tone(0, 1.0))
    assert energy.certain(0.0, 1.0) == energy.possible(0.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("level", "certain", "possible"),
    [(0.02, True, True), (0.006, False, True), (0.00015, False, True), (0.00006, False, False)],
)
def test_before_any_words_the_levels_are_those_of_a_telephone(
    level: float, certain: bool, possible: bool
) -> None:
    energy = heard(tone(0, 0.2), tone(level, 0.2), tone(0, 0.2))
    assert (energy.certain(0.0, 0.6) > 0.1) is certain
    assert (energy.possible(0.0, 0.6) > 0.1) is possible


@pytest.mark.parametrize(("level", "certain"), [(0.002, True), (0.0009, False)])
def test_recognized_words_of_a_soft_caller_are_certain_speech(level: float, certain: bool) -> None:
    energy = heard(tone(0.01, 1.0), tone(0, 0.2), tone(level, 0.2))
    energy.learn(0.0, 1.0)
    assert (energy.certain(1.2, 1.4) > 0.1) is certain


@pytest.mark.parametrize("told", [True, False])
def test_an_interim_tells_how_loud_words_are_until_a_final_does(told: bool) -> None:
    energy = heard(tone(0.1, 1.0), tone(0.002, 1.0))
    if told:
        energy.learn(0.0, 1.0)
    energy.learn_shown(1.0, 2.0)
    assert (energy.certain(1.0, 2.0) == 0.0) is told


@pytest.mark.parametrize("told", [True, False])
def test_the_loudness_of_a_noise_is_forgotten_and_that_of_words_is_not(told: bool) -> None:
    energy = heard(tone(0.002, 2.0))
    if told:
        energy.learn(0.0, 1.0)
    energy.learn_shown(0.0, 1.0)
    assert energy.certain(1.0, 2.0) == pytest.approx(1.0)
    energy.forget_shown()
    assert (energy.certain(1.0, 2.0) > 0.0) is told


def test_the_pause_before_a_word_is_not_learned_as_its_loudness() -> None:
    energy = heard(tone(0.001, 2.0), tone(0.2, 0.2), tone(0.015, 0.4))
    energy.learn(0.0, 2.2)
    assert energy.certain(2.2, 2.6) == 0.0


@pytest.mark.parametrize(("level", "possible"), [(0.006, True), (0.0025, False)])
def test_steady_noise_is_no_possible_speech_and_a_word_above_it_is(
    level: float, possible: bool
) -> None:
    energy = heard(tone(0.001, 1.0), tone(level, 0.2), tone(0.001, 1.0))
    assert (energy.possible(0.0, 2.2) > 0.1) is possible


def test_certain_speech_begins_where_it_gets_loud() -> None:
    energy = heard(tone(0, 0.5), tone(0.2, 0.5))
    assert energy.certain_from(0.0, 1.0) == pytest.approx(0.5)
    assert energy.certain_from(0.7, 1.0) == pytest.approx(0.7)
    assert energy.certain_from(0.0, 0.4) is None


@pytest.mark.parametrize("milliseconds", [1, 10, 30, 150])
def test_a_word_that_is_under_way_is_kept_from_its_beginning(milliseconds: int) -> None:
    at = 0.5 + milliseconds / 1000
    energy = heard(tone(0, 0.5), tone(0.2, 0.3))
    energy._buffer = heard(tone(0, 0.5), tone(0.2, milliseconds / 1000))._buffer
    assert 0.44 <= energy.word_start(at) <= 0.5


def test_a_word_before_a_pause_is_not_under_way() -> None:
    energy = heard(tone(0.2, 0.5), tone(0, 0.5))
    assert energy.word_start(0.8) == 0.8


@pytest.mark.parametrize(("gap", "one_word"), [(0.08, True), (0.2, False)])
def test_a_short_gap_is_within_a_word_and_a_longer_one_is_not(gap: float, one_word: bool) -> None:
    energy = heard(tone(0, 0.4), tone(0.2, 0.2), tone(0, gap), tone(0.2, 0.1))
    energy.learn(0.4, 0.6)
    began = energy.word_start(0.6 + gap + 0.1)
    assert (began < 0.5) is one_word


def test_a_word_has_a_longest_length() -> None:
    energy = heard(tone(0.2, 3.0))
    assert energy.word_start(3.0) == pytest.approx(2.0)
    assert energy.word_end(0.5) == pytest.approx(1.5)


def test_a_word_ends_where_its_sound_does() -> None:
    energy = heard(tone(0.2, 0.5), tone(0, 0.5), tone(0.2, 0.5))
    energy.learn(0.0, 0.5)
    assert energy.word_end(0.3) == pytest.approx(0.5)
    assert energy.word_end(0.7) == 0.7


@pytest.mark.parametrize(
    ("gap", "mark"), [(0.07, 0.54), (0.06, 0.52), (0.05, 0.525), (0.06, 0.555)]
)
def test_a_word_that_begins_soon_after_a_pause_is_another(gap: float, mark: float) -> None:
    energy = heard(tone(0, 0.2), tone(0.2, 0.3), tone(0, gap), tone(0.2, 0.3))
    energy.learn(0.2, 0.5)
    assert energy.word_end(mark) == mark


def test_a_word_whose_sound_is_not_held_does_not_go_on_in_what_is() -> None:
    energy = heard(tone(0, 0.2), tone(0.2, 0.3), tone(0, 0.1), tone(0.2, 0.3))
    energy._buffer.ack(energy._buffer.offset(0.6))
    assert energy.word_end(0.5) == 0.5


def test_only_held_audio_can_be_asked_about() -> None:
    energy = heard(tone(0.2, 1.0))
    energy._buffer.ack(energy._buffer.offset(0.6))
    assert energy.certain(0.0, 5.0) == pytest.approx(0.4)
    assert energy.certain(0.0, 0.5) == 0.0


def test_each_frame_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    energy = heard(tone(0.2, 1.0))
    measured: list[int] = []
    real = formats.frame_loudness

    def counting(data: bytes, encoding: str, frame_bytes: int) -> object:
        measured.append(len(data) // frame_bytes)
        return real(data, encoding, frame_bytes)

    monkeypatch.setattr(module, "frame_loudness", counting)
    for _ in range(3):
        energy.certain(0.0, 1.0)
        energy.possible(0.0, 1.0)
    assert sum(measured) == 50


@pytest.mark.parametrize(("pause", "possible"), [(0.3, True), (0.14, False)])
def test_the_quietest_tenth_of_the_audio_is_its_noise(pause: float, possible: bool) -> None:
    energy = heard(tone(0.001, pause), tone(0.006, 2.0 - pause))
    assert (energy.possible(0.0, 2.0) > 0.1) is possible


@pytest.mark.parametrize(
    ("loud", "soft", "certain"), [(0.5, 0.5, False), (1.2, 1.8, False), (2.0, 3.0, True)]
)
def test_the_louder_part_of_the_last_three_seconds_is_the_loudness_of_words(
    loud: float, soft: float, certain: bool
) -> None:
    energy = heard(tone(0.2, loud), tone(0.05, soft), tone(0.015, 0.2))
    end = loud + soft
    energy.learn(0.0, end)
    assert (energy.certain(end, end + 0.2) > 0.1) is certain


def test_noise_never_hides_sound_as_loud_as_usual_speech() -> None:
    energy = heard(tone(0.005, 1.0), tone(0.2, 0.4), tone(0.015, 0.2))
    energy.learn(1.0, 1.4)
    assert energy.possible(1.4, 1.6) > 0.1


def test_a_word_is_kept_from_the_frame_before_its_sound() -> None:
    energy = heard(tone(0, 0.5), tone(0.2, 0.15))
    assert energy.word_start(0.65) == pytest.approx(0.48)


def test_before_any_words_each_sound_may_be_a_word() -> None:
    energy = heard(tone(0.001, 0.5), tone(0.003, 0.2))
    assert energy.word_start(0.7) < 0.5
