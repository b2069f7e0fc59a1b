"""Interims that are not told or promoted, and requests that need words of their own."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Interim
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech


@pytest.mark.parametrize(("seconds", "told"), [(0.2, False), (0.32, True)])
def test_characters_are_said_no_faster_than_24_a_second(seconds: float, told: bool) -> None:
    call = Call(timed=False, language="zh")
    call.connect()
    call.say(1)
    call.hear({"transcript": "你好吗今天好", "is_final": True})
    call.feed((spoken(1) * 2)[: round(seconds * RATE) * 2])
    call.hear({"transcript": "你好吗今天好", "is_final": False})
    assert bool(call.all(Interim)) is told


def test_an_interim_of_a_replay_without_a_new_word_is_not_told() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2)
    call.hear(server.final())
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.interim())
    assert call.all(Interim) == []


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
    server = call.connect()
    call.say(1)
    first = call.finalize()
    call.hear(server.answer())
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
    assert [f.promoted for f in call.finals] == [False, False]


def test_an_interim_of_a_soft_word_after_the_mark_is_not_promoted() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(0)
    request = call.finalize()
    call.feed(spoken(2, SOFT))
    call.hear({"transcript": "soft", "is_final": False})
    call.pass_time(2.1)
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", None), ("", request)]
