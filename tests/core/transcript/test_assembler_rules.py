"""Interims that are not told or promoted, and requests that need words of their own."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Interim
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
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
    first = call.finalize()
    call.hear(server.answer())
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


def test_a_word_under_way_at_a_finalize_is_heard_whole_after_a_drop() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.feed(spoken(2)[: RATE // 5])  # half of it
    call.finalize()
    call.hear(server.interim())
    call.feed(spoken(2)[RATE // 5 :])
    call.say(*[0] * 6)  # the answer takes longer than the audio that is kept for late words
    call.hear(server.answer())
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]


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


def test_audio_is_kept_while_an_interim_is_open() -> None:
    call = Call()
    call.connect()
    call.say(0)
    call.hear({"transcript": "whispered", "is_final": False})
    call.say(*[0] * 100)  # 20 s
    assert call.session.buffer.start == 0


def test_speech_without_words_is_kept_however_long_ago_it_was_sent() -> None:
    call = Call()
    call.connect()
    call.say(1)
    for _ in range(40):
        call.say(*[0] * 5)
        call.hear({"type": "speech_started", "timestamp": 0.0})  # alive, but without words
    assert call.session.buffer.start == 0


def test_an_interim_between_two_equal_finals_makes_them_two() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(1)
    call.finalize()
    call.hear(server.interim())
    call.hear(server.answer())
    assert call.words == ["w1", "w1"]


def test_the_last_final_may_say_the_words_before_it_again_where_audio_has_room_for_them() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(1)
    call.end()
    call.hear(server.final(is_last=True))
    assert call.words == ["w1", "w1"]


def test_a_final_of_the_endpointing_right_after_the_answer_is_the_same_words() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.finalize()
    call.hear(server.answer())
    call.pass_time(0.2)
    call.hear({"transcript": "w1", "is_final": True})
    assert call.words == ["w1"]


def test_an_interim_of_words_that_were_said_once_more_is_told() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(1, 0)
    call.hear(server.interim())
    assert [each.text for each in call.all(Interim)] == ["w1"]


def test_an_interim_of_a_replay_shows_only_its_new_words() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2)
    call.hear(server.final())
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.5)
    call.say(3, 0)
    call.hear(server.interim())
    assert [each.text for each in call.all(Interim)] == ["w3"]


def cut_in_a_word() -> Call:
    """The second word takes from 0.2 s to 0.4 s; the answer to a finalize at 0.3 s has it."""
    call = Call()
    call.connect()
    call.say(1)
    call.feed(spoken(2)[: RATE // 5])
    call.finalize()
    words = [
        {"word": "w1", "start": 0.0, "end": 0.2},
        {"word": "w2", "start": 0.2, "end": 0.3},
    ]
    call.hear({"transcript": "w1 w2", "is_final": True, "from_finalize": True, "words": words})
    return call


def test_the_audio_of_a_word_that_a_finalize_cut_is_kept_from_its_beginning() -> None:
    call = cut_in_a_word()
    assert call.session.buffer.seconds(call.session.buffer.start) <= 0.2


def test_the_rest_of_a_cut_word_is_neither_shown_nor_said_again() -> None:
    call = cut_in_a_word()
    call.feed(spoken(2)[RATE // 5 :])
    call.hear({"transcript": "w2", "is_final": False})
    call.say(3)
    call.hear({"transcript": "w2 w3", "is_final": False})
    assert [each.text for each in call.all(Interim)] == ["w3"]
    words = [
        {"word": "w2", "start": 0.34, "end": 0.4},
        {"word": "w3", "start": 0.4, "end": 0.6},
    ]
    call.hear({"transcript": "w2 w3", "is_final": True, "words": words})
    assert call.words == ["w1", "w2", "w3"]


def test_a_cut_word_is_known_after_an_interim_behind_it_was_promoted() -> None:
    call = cut_in_a_word()
    call.feed(spoken(2)[RATE // 5 :])
    call.say(3, 0)
    call.hear({"transcript": "w2 w3", "is_final": False})
    call.finalize()
    call.pass_time(2.5)
    assert call.words == ["w1", "w2", "w3"]
    words = [
        {"word": "w2", "start": 0.34, "end": 0.4},
        {"word": "w3", "start": 0.4, "end": 0.6},
    ]
    call.hear({"transcript": "w2 w3", "is_final": True, "from_finalize": True, "words": words})
    assert call.words == ["w1", "w2", "w3"]


def test_an_answer_acks_the_silence_before_its_mark() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0)
    call.finalize()
    call.hear(server.answer())
    assert call.session.buffer.seconds(call.session.buffer.start) == pytest.approx(0.4)


def test_an_answer_without_word_times_acks_all_audio_before_its_mark() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3, 0)
    call.finalize()
    call.hear(server.answer())
    assert call.session.buffer.seconds(call.session.buffer.start) == pytest.approx(0.8)


def test_words_that_a_marked_final_leaves_out_survive_a_drop() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 0, 3, 0)
    request = call.finalize()
    call.hear(server.final(server.words()[:1], from_finalize=True))
    assert call.answered == [request]
    call.drop()
    call.pass_time(0.0)
    again = call.connect()
    call.pass_time(0.5)
    call.hear(again.final())
    assert call.words == ["w1", "w2", "w3"]


def test_the_early_end_of_the_last_word_of_an_answer_is_acked() -> None:
    call = Call()
    call.connect()
    call.say(1, 0)
    call.finalize()
    words = [{"word": "w1", "start": 0.0, "end": 0.05}]
    call.hear({"transcript": "w1", "is_final": True, "from_finalize": True, "words": words})
    assert call.session.buffer.seconds(call.session.buffer.start) == pytest.approx(0.4)


def test_audio_before_a_mark_is_kept_while_the_answer_may_belong_to_an_older_request() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 0)
    call.finalize()
    call.say(2, 0)
    call.finalize()
    call.hear(server.answer())
    assert call.session.buffer.start == 0


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
    call.drop()
    call.pass_time(0.0)
    call.connect()
    call.say(2)
    words = [{"word": "oh", "start": 0.0, "end": 0.012}, {"word": "w2", "start": 0.1, "end": 0.2}]
    call.hear({"transcript": "oh w2", "is_final": True, "words": words})
    assert call.words == ["w1", "w2"]


def test_a_final_of_a_replay_does_not_ack_what_the_connection_before_it_was_sent() -> None:
    call = Call(timed=False)
    server = call.connect()
    for number in range(1, 11):
        call.say(number)
        call.hear(server.interim())
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.3)
    call.hear(server.final(server.words()[:2]))
    call.drop()
    call.pass_time(1.0)
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.final())
    assert call.words == [f"w{number}" for number in range(1, 11)]


def test_a_word_that_goes_on_past_a_late_ack_is_heard_whole_after_a_drop() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    word, first, second = spoken(2), RATE * 2 * 4 // 100, RATE * 2 * 18 // 100
    call.feed(word[:first])
    call.hear(server.interim())  # audio up to here is what a final that comes later acks
    call.feed(word[first:second])
    call.pass_time(1.2)  # the input pauses in the word
    call.hear(server.final())
    call.feed(word[second:])
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]
