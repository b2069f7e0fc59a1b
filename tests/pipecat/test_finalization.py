"""Which final completes the turn, with a clock that is a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulse_plugins.core.base.events import Final
from pulse_plugins.pipecat.finalization import (
    HOLD_AFTER_SPEECH,
    HOLD_IN_SPEECH,
    Release,
    TurnGate,
)

NOTHING = Release()
EMPTY = Release(completes=True)


def ordinary(text: str) -> Final:
    return Final(text, 0.0, 1.0)


def answer(finalize_id: int, text: str = "") -> Final:
    return Final(text, 0.0, 1.0, finalize_id=finalize_id)


@pytest.fixture
def gate() -> TurnGate:
    return TurnGate()


def test_without_vad_every_final_passes_at_once(gate: TurnGate) -> None:
    for text in ("one", "two"):
        assert gate.final(ordinary(text), 0.0) == Release((ordinary(text),))
        assert gate.deadline is None


def test_the_answer_to_the_pause_completes_the_turn(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 2.0)
    assert gate.final(answer(1, "yes"), 2.1) == Release((answer(1, "yes"),), completes=True)


def test_an_empty_answer_completes_with_the_final_that_was_held(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    assert gate.final(ordinary("yes please"), 1.0) == NOTHING
    gate.speech_stopped(1, 2.0)
    assert gate.final(answer(1), 2.1) == Release((ordinary("yes please"),), completes=True)


def test_the_server_ends_the_segment_after_the_pause_and_the_answer_is_empty(
    gate: TurnGate,
) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 2.0)
    assert gate.final(ordinary("yes"), 2.1) == NOTHING
    assert gate.final(answer(1), 2.2) == Release((ordinary("yes"),), completes=True)


def test_of_several_finals_only_the_last_completes(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    assert gate.final(ordinary("one"), 1.0) == NOTHING
    assert gate.final(ordinary("two"), 2.0) == Release((ordinary("one"),))
    gate.speech_stopped(1, 3.0)
    released = gate.final(answer(1, "three"), 3.1)
    assert released == Release((ordinary("two"), answer(1, "three")), completes=True)


def test_an_empty_answer_with_nothing_held_completes_an_empty_turn(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    assert gate.final(answer(1), 1.1) == EMPTY


def test_the_answer_to_a_pause_that_speech_has_overtaken_completes_nothing(
    gate: TurnGate,
) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    gate.speech_started(1.03)
    assert gate.final(answer(1, "and"), 1.1) == NOTHING
    gate.speech_stopped(2, 2.0)
    released = gate.final(answer(2, "more"), 2.1)
    assert released == Release((answer(1, "and"), answer(2, "more")), completes=True)


def test_an_older_answer_after_a_second_pause_completes_nothing(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    gate.speech_started(1.03)
    gate.speech_stopped(2, 1.06)
    assert gate.final(answer(1, "and"), 1.1) == NOTHING
    assert gate.final(answer(2), 1.2) == Release((answer(1, "and"),), completes=True)


def test_one_answer_may_cover_several_pauses(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    gate.speech_stopped(2, 1.1)
    assert gate.final(answer(2, "yes"), 1.2).completes
    assert not gate.awaiting


def test_an_interim_in_place_of_a_lost_final_answers_but_does_not_complete(
    gate: TurnGate,
) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    promoted = replace(answer(1, "yes"), promoted=True)
    assert gate.final(promoted, 3.0) == Release((promoted,))
    assert not gate.awaiting
    gate.speech_started(4.0)
    gate.speech_stopped(2, 5.0)
    assert gate.final(replace(answer(2), promoted=True), 7.0) == EMPTY


def test_a_turn_completes_once(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.speech_stopped(1, 1.0)
    assert gate.final(answer(1, "yes"), 1.1).completes
    assert gate.final(ordinary("late"), 1.2) == Release((ordinary("late"),))
    assert gate.final(answer(2), 1.3) == NOTHING


def test_a_held_final_is_released_unfinalized_when_no_answer_comes(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.final(ordinary("yes"), 1.0)
    assert gate.deadline == 1.0 + HOLD_IN_SPEECH
    gate.speech_stopped(1, 2.0)
    assert gate.deadline == 2.0 + HOLD_AFTER_SPEECH
    assert gate.expire(2.0 + HOLD_AFTER_SPEECH - 0.01) == NOTHING
    assert gate.expire(2.0 + HOLD_AFTER_SPEECH) == Release((ordinary("yes"),))
    assert gate.deadline is None
    # The bound is over for this pause, so later words do not wait either.
    assert gate.final(ordinary("sir"), 3.5) == Release((ordinary("sir"),))
    assert gate.final(answer(1), 3.6) == EMPTY


def test_long_speech_does_not_hold_text_for_ever(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.final(ordinary("well"), 1.0)
    assert gate.expire(1.0 + HOLD_IN_SPEECH) == Release((ordinary("well"),))


def test_flush_gives_everything_back_and_forgets_the_turn(gate: TurnGate) -> None:
    gate.speech_started(0.0)
    gate.final(ordinary("well"), 1.0)
    assert gate.flush() == Release((ordinary("well"),))
    assert not gate.speaking
    assert gate.flush() == NOTHING
