"""Finalize requests: when they go out, and how they are answered."""

from __future__ import annotations

import json

import pytest

from pulse_plugins.core.config.timing import Timeouts
from tests.support.call import Call

pytestmark = pytest.mark.unit


def test_a_finalize_goes_out_behind_its_audio_and_its_answer_carries_its_number() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    request = call.finalize()
    assert server.take_wire() == [0.4, "finalize"]
    call.hear(server.answer())
    assert [(f.text, f.finalize_id, f.promoted) for f in call.finals] == [("w1 w2", request, False)]


def test_a_finalize_never_waits_for_a_packet_to_fill() -> None:
    call = Call(packet_ms=500)
    server = call.connect()
    call.say(1)
    assert server.take_wire() == []
    call.finalize()
    assert server.take_wire() == [0.2, "finalize"]


@pytest.mark.parametrize("flags", [True, False])
def test_a_drop_on_finalize_sends_the_audio_and_the_finalize_again(flags: bool) -> None:
    call = Call(flags=flags)
    call.connect()
    call.say(1, 2)
    request = call.finalize()
    server = call.reconnect(0.2)
    assert server.take_wire() == [0.4, "finalize"]
    call.hear(server.answer())
    assert call.words == ["w1", "w2"]
    assert call.answered == [request]


def test_finalizes_in_flight_are_matched_in_order() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    first = call.finalize()
    call.say(2)
    second = call.finalize()
    call.hear(server.answer())
    call.hear(server.answer())
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", first), ("w2", second)]


def test_an_ordinary_final_is_not_the_answer_where_words_are_still_to_come() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.hear(server.final(server.words()[:2]))
    assert call.answered == []
    call.hear(server.final())
    assert call.answered == [request]


def test_an_empty_answer_completes_a_turn_whose_words_were_final_before() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0, 0)
    call.hear(server.final())
    request = call.finalize()
    call.hear({"transcript": "", "is_final": True, "from_finalize": True})
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", None), ("", request)]


def test_an_empty_final_before_the_answer_does_not_discredit_the_marks() -> None:
    """The first time it is taken for the answer, as it is not known yet that the server marks."""
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.final(server.words()[:1]))
    call.finalize()
    call.hear({"transcript": "", "is_final": True})
    call.hear(server.answer())
    call.say(3)
    call.finalize()
    call.hear({"transcript": "", "is_final": True})
    assert call.answered == [1]
    call.hear(server.answer())
    assert call.answered == [1, 2]
    assert call.words == ["w1", "w2", "w3"]


def test_an_empty_final_is_no_answer_while_an_interim_shows_a_word_after_the_last_one() -> None:
    """Without the interim, the sound could be the end of the last word."""
    call = Call(flags=False)
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(2)
    call.hear(server.interim())
    request = call.finalize()
    call.hear({"transcript": "", "is_final": True})
    assert call.answered == []
    call.hear(server.answer())
    assert call.answered == [request]
    assert call.words == ["w1", "w2"]


def test_without_an_answer_the_newest_interim_is_promoted_at_the_deadline() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.interim())
    request = call.finalize()
    call.pass_time(1.7)
    assert call.finals == []
    call.pass_time(0.2)
    assert [(f.text, f.finalize_id, f.promoted) for f in call.finals] == [("w1 w2", request, True)]


def replayed(**server: bool) -> Call:
    """A call that has just begun to send 6 s of speech again, and a request behind it."""
    call = Call(timeouts=Timeouts(stall=60.0), **server)
    call.connect()
    call.say(*range(1, 31))
    call.finalize()
    call.reconnect()
    return call


@pytest.mark.parametrize(("seconds", "answered"), [(4.7, []), (4.9, [1])])
def test_a_server_has_time_to_hear_a_replay_before_it_has_to_answer(
    seconds: float, answered: list[int]
) -> None:
    call = replayed()
    while call.now < 106.0 + seconds:
        call.pass_time(0.1)
        call.hear({"transcript": "", "is_final": False})
    assert call.answered == answered


@pytest.mark.parametrize(("words", "answered"), [(2, []), (29, [1])])
def test_a_server_that_has_heard_the_replay_soon_is_not_waited_for_longer(
    words: int, answered: list[int]
) -> None:
    call = replayed(flags=False)
    server = call.server
    call.pass_time(1.0)
    call.hear(server.final(server.words()[:words]))
    call.pass_time(2.2)
    assert call.answered == answered


def test_words_of_a_slow_server_stay_in_the_turn_of_their_request() -> None:
    call = replayed()
    server = call.server
    call.pass_time(1.0)
    call.hear(server.final(server.words()[:10]))
    call.pass_time(1.9)
    call.hear(server.answer())
    assert [len(final.text.split()) for final in call.finals] == [10, 20]
    assert [final.finalize_id for final in call.finals] == [None, 1]


def test_the_late_answer_does_not_say_promoted_words_again() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(3.0)
    call.hear(server.answer())
    call.say(3)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_final_heard_twice_does_not_bring_back_what_an_interim_has_said() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(3.0)
    server.finalizes.clear()
    first = server.final(server.words()[:1])
    call.hear(first)
    call.hear(first)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_silent_finalize_is_given_up_soon_where_the_server_says_nothing_to_it() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0, 0)
    call.hear(server.final())
    call.finalize()
    assert call.answered == [1]  # the words cover all speech
    assert server.finalizes  # and the server is asked all the same
    call.say(0)
    call.finalize()
    call.pass_time(0.31)
    assert call.answered == [1, 2]


EMPTY = {"transcript": "", "is_final": True}


def test_the_empty_final_of_a_noise_is_not_the_answer_where_words_are_still_to_come() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.hear(EMPTY)
    assert call.answered == []
    call.pass_time(0.5)
    call.hear(server.final())
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1 w2 w3", request)]


def test_an_empty_final_with_quiet_after_it_was_the_answer_to_a_noise() -> None:
    call = Call(flags=False)
    call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.pass_time(0.4)
    call.hear(EMPTY)
    call.pass_time(0.55)
    assert call.answered == []
    call.pass_time(0.1)
    assert call.answered == [request]
    call.say(4, 5, 6)
    second = call.finalize()
    call.pass_time(0.4)
    call.hear(EMPTY)
    call.pass_time(0.35)  # the first answer told how long an answer takes
    assert call.answered == [request, second]


def test_an_empty_final_after_the_end_of_a_word_is_the_answer_at_once() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 0)
    call.hear(server.final(server.words()[:1]))
    request = call.finalize()
    call.hear(EMPTY)  # what is loud before the mark may belong to the first word
    assert call.answered == [request]


def test_an_empty_final_is_the_answer_at_once_where_words_have_no_times() -> None:
    call = Call(flags=False, timed=False)
    server = call.connect()
    call.say(1, 2, 3, 4, 0)
    call.hear(server.final())
    request = call.finalize()
    call.hear(EMPTY)
    assert call.answered == [request]


def test_an_empty_answer_that_comes_late_does_not_hurry_the_next_request() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    first = call.finalize()
    call.pass_time(2.1)
    assert call.answered == [first]
    call.say(4, 5, 6)
    second = call.finalize()
    call.hear(EMPTY)  # the answer to the first request
    call.pass_time(1.5)
    assert call.answered == [first]
    call.hear(server.final())
    assert call.answered == [first, second]


def test_a_server_that_marks_all_finals_answers_like_one_that_marks_none() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.final(from_finalize=True))
    call.say(3, 4, 5, 6)
    call.hear(server.interim())
    request = call.finalize()
    call.hear(server.final(server.words()[:1], from_finalize=True))
    assert call.answered == []
    call.hear(server.final(from_finalize=True))
    assert call.answered == [request]
    assert call.words == ["w1", "w2", "w3", "w4", "w5", "w6"]


def told_late(*, last: int, after: int = 0) -> Call:
    """1.5 s after a request, an interim tells words up to `last`; the caller may have gone on."""
    call = Call(timeouts=Timeouts(finalize=2.0))
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.say(2)
    call.finalize()
    call.say(*range(3, 3 + after))
    call.pass_time(1.5 - 0.2 * after)
    told = " ".join(f"w{number}" for number in range(1, 1 + last))
    call.hear(json.dumps({"transcript": told, "is_final": False}))
    return call


def test_an_interim_with_more_words_shows_that_the_answer_is_on_its_way() -> None:
    call = told_late(last=2)
    call.pass_time(1.9)
    assert call.finals == []
    call.pass_time(0.2)
    assert [(final.text, final.promoted) for final in call.finals] == [("w1 w2", True)]


@pytest.mark.parametrize(("last", "after"), [(1, 0), (3, 1)])
def test_an_old_interim_and_one_of_later_words_do_not_prolong_the_wait(
    last: int, after: int
) -> None:
    call = told_late(last=last, after=after)
    call.pass_time(0.6)
    assert len(call.answered) == 1


@pytest.mark.parametrize(
    ("numbers", "told", "promoted"),
    [((1, 2), False, True), ((1, 2), True, False), ((0,), 0, False)],
)
def test_an_empty_final_tells_whether_the_server_has_told_none_of_the_speech(
    numbers: tuple[int, ...], told: bool, promoted: bool
) -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    call.say(*numbers)
    if told:  # perhaps all of it: without word times this is not known
        call.hear(server.final())
    call.finalize()
    call.pass_time(2.0)
    assert [(f.promoted, f.text) for f in call.finals if f.finalized] == [(promoted, "")]
