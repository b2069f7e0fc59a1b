"""Which final answers which request, and how long an answer is waited for."""

from __future__ import annotations

import pytest

from pulse_plugins.core.transcript.finalize_requests import (
    GRACE,
    Answer,
    FinalFacts,
    FinalizeRequests,
)

pytestmark = pytest.mark.unit
SPEECH = 0.5  # seconds of speech that no final covers
MARKED = FinalFacts(marked=True, timed=True, first_word=0)
EMPTY_MARKED = FinalFacts(marked=True, empty=True)
PLAIN = FinalFacts(timed=True, first_word=0)
UNTIMED = FinalFacts()


def asked(*marks: int) -> FinalizeRequests:
    """Requests that were sent at 100.0."""
    requests = FinalizeRequests()
    for mark in marks:
        requests.add(mark)
    while (request := requests.due(10**9)) is not None:
        requests.sent(request, 100.0, 2.0)
    return requests


def test_ids_count_up_and_equal_marks_share_a_message() -> None:
    requests = FinalizeRequests()
    assert [requests.add(10), requests.add(10), requests.add(20)] == [1, 2, 3]
    assert [request.id for request in requests.waiting] == [2, 3]


def test_a_request_is_due_once_the_audio_before_its_mark_was_sent() -> None:
    requests = FinalizeRequests()
    requests.add(10)
    assert requests.due(9) is None
    assert requests.due(10) is requests.waiting[0]


def test_a_marked_final_answers_the_oldest_request() -> None:
    requests = asked(10, 20)
    assert requests.on_final(MARKED, SPEECH) == Answer(1, 10)
    assert requests.on_final(EMPTY_MARKED, SPEECH) == Answer(2, 20)
    assert requests.on_final(EMPTY_MARKED, SPEECH) is None


def test_a_marked_final_with_later_words_answers_the_request_behind_them() -> None:
    requests = asked(10, 20, 30)
    later = FinalFacts(marked=True, timed=True, first_word=25)
    assert requests.on_final(later, SPEECH) == Answer(3, 30)


def test_a_marked_final_with_words_behind_every_request_answers_the_newest() -> None:
    requests = asked(10, 20)
    later = FinalFacts(marked=True, timed=True, first_word=25)
    assert requests.on_final(later, SPEECH) == Answer(2, 20)


def test_is_last_answers_the_newest_request() -> None:
    assert asked(10, 20).on_final(FinalFacts(last=True), SPEECH) == Answer(2, 20)


def test_an_ordinary_final_answers_nothing_by_itself() -> None:
    requests = asked(10)
    assert requests.on_final(PLAIN, SPEECH) is None
    assert requests.on_final(UNTIMED, SPEECH) is None


def test_an_empty_final_answers_on_a_server_that_does_not_mark() -> None:
    empty = FinalFacts(empty=True)
    assert asked(10).on_final(empty, SPEECH) == Answer(1, 10)
    requests = asked(10)
    requests.on_final(MARKED, SPEECH)
    requests.add(20)
    requests.sent(requests.waiting[0], 101.0, 2.0)
    assert requests.on_final(empty, SPEECH) is None


def test_a_late_empty_final_is_dropped_on_a_server_that_does_not_mark() -> None:
    requests = asked(10)
    requests.completed(requests.waiting[0])
    requests.add(20)
    requests.sent(requests.waiting[0], 101.0, 2.0)
    empty = FinalFacts(empty=True)
    assert requests.on_final(empty, SPEECH) is None
    assert requests.on_final(empty, SPEECH) == Answer(2, 20)


def test_an_empty_repetition_answers_nothing() -> None:
    assert asked(10).on_final(FinalFacts(empty=True, repeated=True), SPEECH) is None


def test_the_late_answer_to_a_completed_request_is_dropped_once() -> None:
    requests = asked(10)
    requests.completed(requests.waiting[0])
    requests.add(20)
    requests.sent(requests.waiting[0], 101.0, 2.0)
    assert requests.on_final(EMPTY_MARKED, SPEECH) is None
    assert requests.on_final(EMPTY_MARKED, SPEECH) == Answer(2, 20)


def test_words_behind_a_completed_request_answer_the_next_one() -> None:
    requests = asked(10)
    requests.completed(requests.waiting[0])
    requests.add(20)
    requests.sent(requests.waiting[0], 101.0, 2.0)
    behind = FinalFacts(marked=True, timed=True, first_word=12)
    assert requests.on_final(behind, SPEECH) == Answer(2, 20)


def test_words_before_a_completed_request_are_its_late_answer() -> None:
    requests = asked(10)
    requests.completed(requests.waiting[0])
    requests.add(20)
    requests.sent(requests.waiting[0], 101.0, 2.0)
    assert requests.on_final(MARKED, SPEECH) is None


def test_a_request_that_is_completed_before_it_was_sent_is_sent_all_the_same() -> None:
    requests = FinalizeRequests()
    requests.add(10)
    requests.completed(requests.waiting[0], flushes=True)
    assert requests.has_open
    assert requests.due(9) is None
    request = requests.due(10)
    assert request is not None
    requests.sent(request, 100.0, 2.0)
    assert not requests.has_open
    assert requests.expects_answer
    requests.add(20)
    requests.completed(requests.waiting[0], flushes=True)
    requests.connection_changed()
    assert not requests.has_open


def test_a_request_of_the_session_is_told_to_nobody() -> None:
    requests = FinalizeRequests()
    requests.add(30)
    requests.add_own(20)
    requests.add_own(30)
    requests.add_own(40)
    assert [(r.id, r.mark) for r in requests.waiting] == [(None, 20), (1, 30), (None, 40)]
    for request in requests.waiting:
        requests.sent(request, 100.0, 2.0)
    assert requests.on_final(MARKED, SPEECH) == Answer(None, 20)
    assert requests.on_final(FinalFacts(last=True), SPEECH) == Answer(1, 40)


def test_a_new_connection_was_asked_nothing() -> None:
    requests = asked(10)
    requests.add_own(20)
    requests.connection_changed()
    assert [request.id for request in requests.waiting] == [1]
    assert requests.oldest() is None
    assert requests.deadline() is None
    assert requests.due(10) is not None


def test_an_open_request_is_given_up_at_its_deadline() -> None:
    requests = asked(10)
    assert requests.overdue(101.99) is None
    request = requests.overdue(102.0)
    assert request is not None
    assert requests.completed(request) == Answer(1, 10)
    assert requests.is_idle


@pytest.mark.parametrize(("left", "deadline"), [(0.1, 100.2 + GRACE), (0.14, 102.0)])
def test_the_rest_of_a_word_is_waited_for_shortly_and_a_word_fully(
    left: float, deadline: float
) -> None:
    requests = asked(10)
    requests.reconsider(left, 100.2, patience=2.0, final=PLAIN)
    assert requests.deadline() == pytest.approx(deadline)


def test_a_server_that_marks_is_waited_for_whatever_is_left() -> None:
    requests = asked(10, 20)
    requests.on_final(MARKED, SPEECH)
    requests.reconsider(0.1, 100.2, patience=2.0, final=PLAIN)
    assert requests.deadline() == pytest.approx(102.0)


def test_without_times_quiet_after_the_text_is_the_answer() -> None:
    requests = asked(10)
    requests.reconsider(SPEECH, 100.2, patience=2.0, final=UNTIMED)
    assert requests.deadline() == pytest.approx(101.0)
    requests.reconsider(SPEECH, 100.9, patience=2.0, final=UNTIMED)
    assert requests.deadline() == pytest.approx(101.2)
    requests.reconsider(SPEECH, 101.1, patience=2.0)  # an interim: more is to come
    assert requests.deadline() == pytest.approx(102.0)


def test_how_long_an_unmarked_answer_takes_is_learned() -> None:
    requests = asked(10)
    requests.reconsider(SPEECH, 100.8, patience=2.0, final=UNTIMED)
    request = requests.overdue(101.11)
    assert request is not None
    requests.completed(request)
    requests.add(20)
    requests.sent(requests.waiting[0], 200.0, 2.0)
    requests.reconsider(SPEECH, 200.1, patience=2.0, final=UNTIMED)
    assert requests.deadline() == pytest.approx(201.2)


@pytest.mark.parametrize(("early", "deadline"), [(True, 101.0), (False, 102.0)])
def test_the_sound_of_a_words_end_is_not_waited_for_long(early: bool, deadline: float) -> None:
    requests = asked(10)
    requests.reconsider(0.2, 100.1, patience=2.0, final=PLAIN, ends_early=early)
    assert requests.deadline() == pytest.approx(deadline)


def test_what_a_replay_says_again_is_no_answer() -> None:
    requests = asked(10)
    requests.reconsider(SPEECH, 100.2, patience=2.0, final=FinalFacts(repeated=True))
    assert requests.deadline() == pytest.approx(102.0)


def test_only_one_sent_request_can_be_answered_for_sure() -> None:
    assert asked(10).is_only_one
    assert not asked(10, 20).is_only_one
    requests = asked(10)
    requests.completed(requests.waiting[0])
    assert not requests.is_only_one
    assert requests.expects_answer


def test_the_end_answers_all_with_the_newest_id() -> None:
    requests = asked(10, 20)
    assert requests.answer_all() == Answer(2, 20)
    assert requests.answer_all() is None
    assert requests.is_answered_until(10**9)


def test_a_request_that_was_outstanding_is_sent_again_on_the_next_connection() -> None:
    requests = FinalizeRequests()
    requests.add(100)
    request = requests.due(100)
    assert request is not None
    requests.sent(request, now=1.0, patience=2.0)
    assert requests.due(100) is None
    requests.connection_changed()
    assert requests.due(99) is None
    assert requests.due(100) is request


def test_the_marks_of_two_minutes_of_turns_are_remembered() -> None:
    marks = list(range(10, 10 * 70, 10))
    requests = asked(*marks)
    assert list(requests.sent_marks) == marks[-64:]


def test_a_new_connection_owes_no_late_answer_and_has_said_nothing() -> None:
    requests = asked(10, 20)
    requests.completed(requests.waiting[0])
    requests.reconsider(SPEECH, 100.2, patience=2.0, final=UNTIMED)
    requests.connection_changed()
    assert not requests.expects_answer
    assert not requests.waiting[0].has_text


def test_an_empty_final_proves_no_quiet() -> None:
    requests = asked(10)
    requests.reconsider(SPEECH, 100.2, patience=2.0, final=FinalFacts(empty=True))
    assert requests.deadline() == pytest.approx(102.0)


def test_a_marked_final_does_not_answer_a_request_that_was_not_sent() -> None:
    requests = asked(10)
    requests.add(50)
    later = FinalFacts(marked=True, timed=True, first_word=20)
    assert requests.on_final(later, SPEECH) == Answer(1, 10)


def test_the_marks_of_a_server_that_marks_what_nobody_asked_for_tell_nothing() -> None:
    requests = FinalizeRequests()
    assert requests.on_final(MARKED, 0.0) is None
    assert requests.marks_others
    assert not requests.server_marks


@pytest.mark.parametrize(
    "facts", [EMPTY_MARKED, FinalFacts(marked=True, repeated=True, timed=True, first_word=0)]
)
def test_an_answer_that_comes_twice_does_not_discredit_the_marks(facts: FinalFacts) -> None:
    requests = asked(10)
    assert requests.on_final(MARKED, SPEECH) == Answer(1, 10)
    assert requests.on_final(facts, 0.0) is None
    assert not requests.marks_others
    assert requests.server_marks


def test_a_late_answer_does_not_discredit_the_marks() -> None:
    requests = asked(10)
    requests.completed(requests.waiting[0])
    assert requests.on_final(MARKED, 0.0) is None
    assert not requests.marks_others


@pytest.mark.parametrize("again", [False, True])
def test_an_answer_after_an_empty_final_that_was_taken_for_it_does_not_discredit_the_marks(
    again: bool,
) -> None:
    requests = asked(10)
    assert requests.on_final(FinalFacts(empty=True), 0.0) == Answer(1, 10)
    if again:  # a later request has its own answer, so that the next mark is unasked
        requests.add(50)
        requests.sent(requests.waiting[0], 101.0, 2.0)
        requests.answer_all()
    assert requests.on_final(MARKED, 0.0) is None
    assert requests.marks_others is again
