"""Interims that are not told or promoted, and requests that need words of their own."""

from __future__ import annotations

import pytest

from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call
from tests.support.hearing import spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech


def test_a_marked_answer_that_is_sent_twice_answers_one_request() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    first = call.finalize()
    call.say(2)
    second = call.finalize()
    answer = server.answer()
    call.hear(answer)
    call.hear(answer)
    assert call.answered == [first]
    call.hear(server.answer())
    assert call.answered == [first, second]
    assert call.words == ["w1", "w2"]


def test_a_request_before_which_no_audio_is_held_is_answered_at_once() -> None:
    call = Call()
    call.connect()
    request = call.finalize()
    assert call.answered == [request]


def test_a_turn_needs_words_of_its_own_to_be_complete_at_once() -> None:
    call = Call()
    call.connect()
    first = call.turn(1)
    call.say(0)
    call.finalize()
    assert call.answered == [first]  # the caller may have spoken too softly


def test_an_interim_of_the_turn_after_a_cough_is_not_the_answer_to_the_cough() -> None:
    call = Call()
    server = call.connect()
    call.say(9)
    cough = call.finalize()
    call.say(2, 3)
    call.hear({"transcript": "w2 w3", "is_final": False})
    call.pass_time(2.1)
    assert [(f.text, f.finalize_id) for f in call.finals] == [("", cough)]
    call.hear(server.final(server.words()))
    assert [f.promoted for f in call.finals if f.text] == [False]


def test_an_interim_of_a_soft_word_after_the_mark_is_not_promoted() -> None:
    call = Call()
    call.connect()
    first = call.turn(1)
    call.say(0)
    second = call.finalize()
    call.feed(spoken(2, SOFT))
    call.hear({"transcript": "soft", "is_final": False})
    call.pass_time(0.5)
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", first), ("", second)]


def test_a_request_that_quiet_has_answered_owes_no_words() -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    call.say(1, 0)
    request = call.finalize()
    call.hear(server.final())
    call.pass_time(1.5)
    assert call.answered == [request]
    call.drop(None)
    assert call.session.state is State.DORMANT


def test_the_last_interim_is_delivered_where_no_final_comes_at_the_end() -> None:
    call = Call(timeouts=Timeouts(stall=60.0))
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.end()
    call.pass_time(20.0)
    assert [(f.text, f.promoted) for f in call.finals] == [("w1", True)]
    assert call.lost == 0.0


def test_a_soft_word_that_an_interim_tells_is_still_owed() -> None:
    call = Call()
    call.connect()
    call.say(0)
    call.feed(spoken(1, SOFT))
    call.hear({"transcript": "soft", "is_final": False})
    call.drop(None)
    assert call.session.state is State.WAITING


def test_a_word_that_only_the_server_hears_is_asked_for_before_a_change_of_options() -> None:
    call = Call()
    old = call.connect()
    call.say(0)
    call.hear({"transcript": "whispered", "is_final": False})
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    call.connect()
    assert old.take_wire()[-1] == "finalize"


def test_audio_that_was_never_sent_is_sent_at_the_end_though_it_is_silent() -> None:
    call = Call()
    call.say(0)
    call.end()
    assert call.session.state is State.CONNECTING


def test_a_request_of_the_session_itself_leaves_the_turn_its_words() -> None:
    call = Call()
    old = call.connect()
    call.say(1, 0)
    link = call.link
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    call.connect()
    call.session.received(link, old.answer(), call.now)
    call.settle()
    call.say(0)
    request = call.finalize()
    assert call.answered == [request]


def test_a_final_takes_the_place_of_the_interim() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.hear(server.final())
    call.drop(None)
    assert call.session.state is State.DORMANT


def test_a_replay_that_begins_within_a_word_delivers_no_word_for_it() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.reconnect()
    call.say(2)
    words = [{"word": "oh", "start": 0.0, "end": 0.012}, {"word": "w2", "start": 0.1, "end": 0.2}]
    call.hear({"transcript": "oh w2", "is_final": True, "words": words})
    assert call.words == ["w1", "w2"]
