"""Evidence of speech: as loud as the words before, or louder than the pauses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_plugins.core.audio.energy import SpeechLevel
from pulse_plugins.core.audio.replay_buffer import Timeline

RATE = 8000


def level(*stretches: tuple[float, float]) -> SpeechLevel:
    """Of audio that is so many seconds of noise of such a loudness (0 to 1), one after another."""
    random = np.random.default_rng(1)
    line = Timeline(bytes_per_second=2 * RATE, align=2, packet_bytes=320, limit=10**7)
    for seconds, loudness in stretches:
        noise = random.normal(0, loudness * 32768, round(RATE * seconds))
        line.append(noise.clip(-32768, 32767).astype("<i2").tobytes())
    line.seal()
    return SpeechLevel(line, "linear16")


def test_silence_holds_no_speech() -> None:
    speech = level((3.0, 0.0))
    assert not speech.has_speech(0.0, 3.0)
    assert not speech.may_have_speech(0.0, 3.0)


def test_a_steady_noise_alone_is_no_speech() -> None:
    assert not level((3.0, 0.005)).has_speech(0.0, 3.0)


def test_before_any_word_it_is_what_stands_out_of_the_pauses() -> None:
    speech = level((1.0, 0.0002), (0.5, 0.004), (1.0, 0.0002))
    assert speech.has_speech(0.0, 2.5)
    assert not speech.is_loud(0.0, 2.5, at_least=0.1)  # a server may well miss it
    assert not speech.has_speech(1.5, 2.5)


def test_then_it_is_what_is_as_loud_as_words() -> None:
    speech = level((0.5, 0.1), (0.5, 0.0), (0.5, 0.008), (0.5, 0.0), (0.5, 0.05))
    speech.learn(0.0, 0.5)
    assert not speech.has_speech(0.5, 2.0)
    assert speech.may_have_speech(0.5, 2.0)
    assert speech.has_speech(0.5, 2.5)


@pytest.mark.parametrize(("seconds", "heard"), [(0.02, False), (0.1, True)])
def test_a_click_is_no_word(seconds: float, heard: bool) -> None:
    assert level((1.0, 0.0), (seconds, 0.2), (1.0, 0.0)).has_speech(0.0, 2.0) is heard


def test_the_end_of_a_word_is_not_new_speech() -> None:
    speech = level((0.54, 0.1), (1.0, 0.0))
    assert not speech.has_speech(0.5, 1.5)
    assert speech.has_speech(0.4, 1.5)


@pytest.mark.parametrize(
    ("stretches", "began"),
    [
        (((1.0, 0.1), (0.5, 0.0)), 1.5),  # nobody speaks
        (((1.0, 0.0), (0.3, 0.1)), 0.9),  # a word, with its quiet onset
        (((1.0, 0.0), (0.005, 0.1)), 0.9),  # that has begun this very moment
        (((0.5, 0.0), (0.2, 0.1), (0.08, 0.0), (0.3, 0.1)), 0.4),  # with a pause of its own
        (((0.5, 0.0), (0.2, 0.1), (0.1, 0.0), (0.3, 0.1)), 0.4),  # the longest that it may take
        (((0.4, 0.1), (0.12, 0.0), (0.3, 0.1)), 0.42),  # after another one
        (((0.4, 0.1), (0.2, 0.0), (0.3, 0.1)), 0.5),
        (((0.5, 0.1), (0.08, 0.0)), 0.0),  # it may not be over
        (((0.5, 0.1), (0.1, 0.0)), 0.6),
        (((3.0, 0.1),), 2.0),  # no word is longer
        (((0.05, 0.1),), 0.0),
    ],
)
def test_where_the_word_began_that_is_being_said(
    stretches: tuple[tuple[float, float], ...], began: float
) -> None:
    end = sum(seconds for seconds, _ in stretches)
    assert level(*stretches).word_at(end) == pytest.approx(began, abs=1e-6)


def test_a_quiet_word_that_is_being_said_counts_more_than_one_that_is_asked_about() -> None:
    speech = level((0.5, 0.1), (0.5, 0.0005), (0.3, 0.004))
    assert speech.word_at(1.3) < 1.3  # nothing was recognized: whatever is heard may be a word
    speech.learn(0.0, 0.5)
    assert not speech.has_speech(0.6, 1.3)
    assert speech.word_at(1.3) == pytest.approx(0.9)
    assert speech.word_at(0.9) == 0.9


@given(
    asked=st.lists(
        st.tuples(st.floats(0, 3), st.floats(0, 3), st.booleans()), min_size=1, max_size=12
    )
)
def test_what_was_asked_before_and_let_go_since_changes_no_answer(
    asked: list[tuple[float, float, bool]],
) -> None:
    speech = level((0.51, 0.1), (0.33, 0.0), (0.72, 0.05), (0.4, 0.0), (0.8, 0.2))
    line = speech.timeline
    while line.unsent:
        line.next_packet()
    for start, length, done in asked:
        unbiased = SpeechLevel(line, "linear16")
        end = start + length
        for seconds in (0.06, 0.3):
            answers = [each.is_loud(start, end, at_least=seconds) for each in (speech, unbiased)]
            assert answers[0] == answers[1]
        if done:
            line.settle(line.position(start))
