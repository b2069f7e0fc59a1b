"""The order of events where a voice detector or the application ends turns."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import (
    Final,
    Interim,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.livekit.framework import TurnMode
from pulse_plugins.livekit.turn_ending import DETECTOR_HOLD, HOLD
from tests.livekit.speech_call import END, FINAL, INTERIM, START, Call, said


def test_a_cut_segment_waits_for_the_flush_and_leaves_with_its_answer() -> None:
    call = Call("vad", (0.9, 3.0))
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b c", 0.9, 1.9))
    call.at(2.5, Interim("d", 1.9))
    assert call.take() == [START, INTERIM, INTERIM]
    call.at(3.55).flush()
    call.at(3.9, said("d e.", 2.0, 3.0, finalize_id=1))
    assert call.take_texts() == ["a b c d e."]


def test_an_interim_shows_all_words_of_the_utterance() -> None:
    call = Call("vad").at(2.0, said("a b", 0.9, 1.9)).at(2.5, Interim("c", 1.9))
    assert call.out[-1].alternatives[0].text == "a b c"


def test_no_other_final_leaves_while_a_flush_is_unanswered() -> None:
    call = Call("manual", (0.9, 2.4))
    call.at(1.0, SpeechStarted(0.8)).at(2.4).flush()
    call.at(2.6, said("a b", 0.9, 1.9)).at(2.9, SpeechEnded(2.4))
    assert FINAL not in call.take()
    call.at(3.0, said("c", 2.0, 2.4, finalize_id=1))
    assert call.take() == [FINAL, END]


def test_of_two_flushes_the_answer_to_the_newer_one_releases() -> None:
    call = Call("vad").at(1.0, Interim("a", 0.0))
    first = call.flush()
    call.at(1.2, Interim("a b", 0.0))
    second = call.flush()
    call.at(1.4, said("a", 0.5, 0.9, finalize_id=first))
    assert FINAL not in call.take()
    call.at(1.5, said("b", 1.0, 1.1, finalize_id=second))
    assert call.take_texts() == ["a b"]


def after_an_outage(mode: TurnMode | None, begins: float) -> Call:
    """Two flushed stretches of speech, the second from `begins` on, whose words come at once."""
    call = Call(mode, (1.0, 2.0), (begins, 4.0)).at(2.5)
    first = call.flush()
    call.at(4.5)
    second = call.flush()
    call.at(6.0, said("a b", 1.0, 2.0, finalize_id=first))
    call.at(6.1, said("c d", begins, 4.0, finalize_id=second))
    return call


def test_turns_that_come_back_at_once_are_one_final_each() -> None:
    call = after_an_outage("vad", 3.1)
    assert call.take() == [START, INTERIM, FINAL]
    assert call.at(6.15).take() == []  # the session commits the first turn meanwhile
    call.at(6.3)
    assert [event.alternatives[0].text for event in call.out[:1]] == ["c d"]
    assert call.take() == [FINAL, END]


@pytest.mark.parametrize(
    ("mode", "begins"),
    [("vad", 3.0), ("manual", 3.1), (None, 3.1)],
    ids=["the caller went on", "a commit takes all words", "nobody tells who ends turns"],
)
def test_what_is_one_turn_comes_back_as_one_final(mode: TurnMode | None, begins: float) -> None:
    assert after_an_outage(mode, begins).at(8.0).take_texts() == ["a b c d"]


def test_a_turn_that_waits_leaves_before_the_next_words() -> None:
    call = after_an_outage("vad", 3.1).at(6.15, Interim("e", 4.0)).at(6.3)
    assert call.take() == [START, INTERIM, FINAL, FINAL, INTERIM]
    call.at(6.5, said("e", 4.5, 4.9, finalize_id=call.flush()))
    assert call.take() == [FINAL, END]


def test_a_turn_that_waits_leaves_at_the_end_of_the_stream() -> None:
    call = after_an_outage("vad", 3.1)
    call.events.close(6.12)
    assert call.take() == [START, INTERIM, FINAL, FINAL, END]


def test_an_answer_that_comes_in_the_next_turn_waits_for_its_end() -> None:
    call = Call("vad", (1.0, 2.0), (4.0, 6.0)).at(2.5)
    first = call.flush()
    call.at(5.0, said("a b", 1.0, 2.0, finalize_id=first))
    assert FINAL not in call.take()  # the session would commit it with the words of this turn
    call.at(6.55)
    second = call.flush()
    call.at(6.8, said("c d", 4.0, 6.0, finalize_id=second)).at(7.5)
    assert call.take_texts() == ["a b", "c d"]


def test_an_answer_that_comes_in_a_pause_leaves_at_once() -> None:
    call = Call("vad", (1.0, 2.0)).at(2.5)
    first = call.flush()
    assert call.at(5.0, said("a b", 1.0, 2.0, finalize_id=first)).take_texts() == ["a b"]


def test_a_flush_that_a_waiting_turn_answers_gets_no_empty_final() -> None:
    call = after_an_outage("vad", 3.1)
    call.take()
    call.at(6.15)
    request = call.flush()
    call.at(6.16, Final("", 4.0, 4.0, finalize_id=request)).at(6.5)
    assert call.take_texts() == ["c d"]


def test_an_empty_answer_to_a_cough_leaves_the_words_after_it_open() -> None:
    call = Call("vad", (1.0, 1.2), (2.5, 3.5)).at(1.8)
    flushed = call.flush()
    call.at(3.0, said("a b c", 2.5, 2.9)).at(3.2, Final("", 1.8, 1.8, finalize_id=flushed))
    assert call.take_texts() == [""]
    call.at(4.05).flush()
    call.at(4.3, said("d", 3.0, 3.4, finalize_id=2))
    assert call.take_texts() == ["a b c d"]


def test_words_that_the_server_ended_and_silence_leave_at_the_flush() -> None:
    call = Call("vad", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("a b", 0.0))
    call.at(1.95, said("a b", 0.9, 1.6), SpeechEnded(1.6)).at(2.15)
    assert FINAL not in call.take()
    flushed = call.flush()
    assert call.take_texts() == ["a b"]
    call.at(2.3, Final("", 1.6, 1.6, finalize_id=flushed))
    assert call.take_texts() == [""]


def test_they_wait_for_the_answer_if_the_caller_has_gone_on() -> None:
    call = Call("vad", (0.9, 1.6), (2.0, 2.2))
    call.at(1.0, SpeechStarted(0.8)).at(1.4, Interim("a b", 0.0))
    call.at(1.95, said("a b", 0.9, 1.6), SpeechEnded(1.6)).at(2.2).flush()
    assert call.take_texts() == []


@pytest.mark.parametrize(("mode", "hold"), [("vad", HOLD), ("detector", DETECTOR_HOLD)])
def test_a_caller_whom_the_detector_misses_is_not_held_for_ever(
    mode: TurnMode, hold: float
) -> None:
    call = Call(mode)
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    call.at(2.0 + hold - 0.01)
    assert FINAL not in call.take()
    call.at(2.0 + hold + 0.01)
    assert call.take() == [FINAL, END]


def test_a_turn_detector_that_reads_gets_the_words_that_the_server_ended() -> None:
    call = Call("text_detector", (0.9, 1.6))
    call.at(1.0, SpeechStarted(0.8)).at(2.0, said("a b", 0.9, 1.6), SpeechEnded(1.6))
    assert call.take()[-2:] == [FINAL, END]


def test_the_answer_is_held_for_a_caller_who_goes_on_at_once() -> None:
    call = Call("vad", (0.9, 2.0), (2.7, 4.0))
    call.at(1.5, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1))
    assert FINAL not in call.take()
    call.at(4.55).flush()
    call.at(4.9, said("c d", 2.7, 4.0, finalize_id=2))
    assert call.take_texts() == ["a b c d"]


def answered_with_next_words(mode: TurnMode | None) -> Call:
    """A flush whose answer comes together with an interim of the caller's next words."""
    call = Call(mode, (0.9, 1.2), (1.6, 2.0))
    call.at(1.4, Interim("a", 0.0))
    request = call.flush()
    final = said("a", 0.9, 1.2, finalize_id=request)
    return call.at(2.0, final, Interim("b", 1.2))


def test_an_interim_of_the_next_words_waits_until_a_commit_has_taken_its_final() -> None:
    call = answered_with_next_words("manual")
    assert call.take() == [START, INTERIM, FINAL, END, START]
    assert call.at(2.09).take() == []
    assert call.at(2.11).take() == [INTERIM]


def test_an_interim_waits_for_no_final_outside_a_session() -> None:
    call = answered_with_next_words(None)
    assert call.take() == [START, INTERIM, FINAL, END, START, INTERIM]


def test_an_interim_that_waits_is_replaced_by_the_next_text() -> None:
    call = answered_with_next_words("manual")
    call.at(2.05, Interim("b c", 1.2)).at(2.5)
    texts = [event.alternatives[0].text for event in call.out if event.alternatives]
    assert texts == ["a", "a", "b c"]


def test_an_interim_that_is_taken_back_leaves_no_text_for_a_commit() -> None:
    call = Call("manual", (0.9, 1.2))
    call.at(1.5, Interim("uh", 0.0)).at(1.6)
    request = call.flush()
    call.at(2.0, Interim("", 0.0), Final("", 1.2, 1.2, finalize_id=request))
    texts = [event.alternatives[0].text for event in call.out if event.alternatives]
    assert texts == ["uh", "", ""]
    assert call.take() == [START, INTERIM, INTERIM, FINAL, END]


def test_nothing_starts_when_an_interim_that_was_not_passed_on_is_taken_back() -> None:
    assert Call("manual", (0.9, 1.2)).at(2.0, Interim("", 0.0)).at(5.0).take() == []


@pytest.mark.parametrize("mode", ["manual", None])
def test_the_answer_to_a_commit_is_never_held(mode: TurnMode | None) -> None:
    call = Call(mode, (0.9, 2.0), (2.7, 4.0))
    call.at(2.0, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1))
    assert call.take_texts() == ["a b"]


def test_a_noise_after_the_flush_may_be_a_word_and_is_asked_about() -> None:
    call = Call("vad", (0.9, 2.0), (2.7, 2.9))
    call.at(1.5, Interim("a", 0.0)).at(2.55).flush()
    call.at(3.0, said("a b", 0.9, 2.0, finalize_id=1)).at(5.0)
    assert (call.asked, call.take_texts()) == (2, [])
    call.at(5.1, Final("", 2.0, 2.0, finalize_id=2))
    assert call.take_texts() == ["a b"]


def test_a_segment_of_an_answered_flush_leaves_at_once() -> None:
    """A server that marks no answer: a cut by word count was taken for the answer."""
    call = Call("vad", (0.9, 2.5)).at(1.5, Interim("a b", 0.0)).at(3.05)
    flushed = call.flush()
    call.at(3.2, said("a b", 0.9, 1.5, finalize_id=flushed))
    assert call.take_texts() == ["a b"]
    call.at(3.4, said("c d", 1.6, 2.5))
    assert call.take_texts() == ["c d"]


def test_every_flush_is_answered_and_nothing_else_is() -> None:
    call = Call("vad").at(0.5)
    request_id = call.flush()
    call.at(1.0, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == [FINAL]
    call.at(1.1, Final("", 0.0, 0.0, finalize_id=request_id))
    assert call.take() == []


def test_an_answer_that_comes_before_the_request_returns_is_not_missed() -> None:
    call = Call("vad").at(0.5, Final("", 0.0, 0.0, finalize_id=1))
    call.flush()
    assert call.take() == [FINAL]


@pytest.mark.parametrize(("ended_at", "ends"), [(2.0, True), (2.6, False)])
def test_speech_is_over_when_a_request_after_its_end_was_answered(
    ended_at: float, ends: bool
) -> None:
    call = Call("detector", (1.0, 2.0)).at(1.5, SpeechStarted(1.0))
    call.at(2.55).flush()
    call.at(3.0, Final("a b", 1.0, 2.55, finalize_id=1))
    call.at(3.4, SpeechEnded(ended_at))
    assert (call.take()[-1] == END) is ends


def test_nothing_is_asked_for_while_the_caller_says_the_next_turn() -> None:
    call = Call("detector", (1.0, 2.0), (4.6, 6.0)).at(1.5, SpeechStarted(1.0))
    call.at(2.55).flush()
    call.at(3.0, Final("a b", 1.0, 2.55, finalize_id=1))
    call.at(3.4, SpeechEnded(2.6))
    assert call.at(5.4).asked == 1


def test_a_commit_is_not_ended_without_the_words_of_a_late_server() -> None:
    call = Call("manual", (0.9, 2.4)).at(2.4)
    request = call.flush()
    call.at(4.2, Final("", 0.0, 0.0, finalize_id=request, promoted=True))
    assert call.take() == []
    call.at(4.5, said("a b", 0.9, 2.3))
    assert call.take_texts() == ["a b"]
