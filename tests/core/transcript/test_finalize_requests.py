"""Which request an answer belongs to."""

from __future__ import annotations

from pulse_plugins.core.transcript.finalize_requests import Turns


def asked(turns: Turns, *marks: int) -> list[int]:
    """Requests at these marks, all of them sent."""
    ids = [turns.request(mark) for mark in marks]
    while (due := turns.due(10**9)) is not None:
        due.sent_at = 0.0
    return ids


def test_a_request_is_due_when_all_audio_before_it_went_out() -> None:
    turns = Turns()
    turns.request(100)
    assert turns.due(99) is None
    assert turns.due(100) is not None


def test_two_requests_at_one_place_share_a_message_and_an_answer() -> None:
    turns = Turns()
    first, second = asked(turns, 100, 100)
    assert first < second
    request = turns.oldest()
    assert request is not None
    assert turns.answer(request, 1.0) == second
    assert turns.is_answered


def test_an_answer_answers_all_older_ones() -> None:
    turns = Turns()
    ids = asked(turns, 100, 200, 300)
    request = turns.addressed(150)
    assert request is not None
    assert turns.answer(request, 1.0) == ids[1]
    assert not turns.is_answered


def test_requests_that_the_server_passed_over_are_left_behind() -> None:
    turns = Turns()
    asked(turns, 100, 200)
    request = turns.addressed(500)  # words from behind both marks
    assert request is not None
    assert request.mark == 200


def test_a_new_connection_is_asked_again() -> None:
    turns = Turns()
    asked(turns, 100)
    turns.request_own(100_000)
    turns.late = 2
    turns.rewind()
    assert turns.oldest() is None
    due = turns.due(100)
    assert due is not None
    assert (due.mark, due.deadline, turns.late) == (100, None, 0)
    turns.answer(due, 1.0)
    assert turns.is_answered  # the session's own wish was for the old connection


def test_a_request_of_the_sessions_own_answers_no_number() -> None:
    turns = Turns()
    turns.request_own(50)
    [number] = asked(turns, 100)
    request = turns.oldest()
    assert request is not None
    assert turns.answer(request, 1.0) is None
    assert turns.answer_all() == number


def test_one_given_up_may_still_be_answered() -> None:
    turns = Turns()
    [number] = asked(turns, 100)
    request = turns.oldest()
    assert request is not None
    assert turns.give_up(request) == number
    assert turns.late == 1
