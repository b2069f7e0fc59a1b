"""Whatever happens on the wire, in whatever order: every word once, in order, on the clock."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pulse_plugins.core.transcript.assembler import TranscriptAssembler
from pulse_plugins.core.transcript.delivered import DeliveredWords
from tests.core.random_calls import (
    AnyCall,
    AnyCallWithoutFlags,
    AnyCallWithoutWordTimes,
    AnyChange,
    AnyHabit,
    AnyHangUp,
    AnyQuietCall,
)

pytestmark = pytest.mark.unit

PROFILE = settings(
    stateful_step_count=50,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    "machine",
    [
        AnyCall,
        AnyCallWithoutFlags,
        AnyCallWithoutWordTimes,
        AnyQuietCall,
        AnyHangUp,
        AnyChange,
        AnyHabit,
    ],
)
def test_every_word_comes_once_in_order_whatever_happens(machine: type[AnyCall]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)


def test_each_word_that_a_finalize_cut_comes_once_after_an_outage_of_many_turns() -> None:
    state = AnyHabit()
    state.choose_habits(doubles=0.17, marks=True, repeats=True, rounds=False, answers_empty=True)
    for _ in range(40):
        state.begin_a_word(milliseconds=150, ask=True)
    state.teardown()  # connects, and expects each word once


def test_a_word_in_which_the_input_paused_is_heard_whole_by_the_next_connection() -> None:
    """Its first 25 ms were sent a second before a final without word times came."""
    state = AnyCallWithoutWordTimes()
    state.accept()
    state.drop(clean=False)
    state.wait(seconds=0.01)
    state.accept()
    state.begin_a_word(milliseconds=0, ask=False)
    state.drop(clean=False)
    state.begin_a_word(milliseconds=0, ask=False)
    state.say_the_rest()
    state.accept()
    state.begin_a_word(milliseconds=95, ask=True)
    state.begin_a_word(milliseconds=25, ask=False)
    state.wait(seconds=1.0)
    state.finalize()
    state.answer()
    state.drop(clean=False)
    state.teardown()  # connects, and expects each word once


def test_a_late_empty_answer_to_an_older_request_acks_no_soft_word() -> None:
    """Two requests were given up before the answer to the first of them came."""
    state = AnyQuietCall()
    state.begin_a_word(milliseconds=48, ask=False)
    state.finalize()
    state.begin_a_word(milliseconds=12, ask=True)
    state.begin_a_word(milliseconds=15, ask=False)
    state.begin_a_word(milliseconds=171, ask=False)
    state.begin_a_word(milliseconds=47, ask=False)
    state.accept()
    state.begin_a_word(milliseconds=109, ask=True)
    state.begin_a_word(milliseconds=16, ask=False)
    state.answer()
    state.drop(clean=False)
    state.teardown()  # connects, and expects each word once


def test_the_model_finds_a_seeded_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a replay that starts too early and no look at the clock, words are said twice."""
    monkeypatch.setattr(TranscriptAssembler, "_ack", lambda *_: 0)
    monkeypatch.setattr(DeliveredWords, "overlap", lambda self, words: 0)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyCall, settings=settings(PROFILE, max_examples=2000))
