"""Which text without word times only says again what was delivered."""

from __future__ import annotations

import json

import pytest

from pulse_plugins.core.base.events import Interim
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech


def after_final(*numbers: int, timed: bool = False) -> Call:
    """A call in which a final has told these words."""
    call = Call(timed=timed)
    call.connect()
    call.say(*numbers)
    call.hear(call.server.final())
    return call


def interims(call: Call) -> list[str]:
    return [each.text for each in call.all(Interim)]


def final(text: str, **flags: bool) -> str:
    return json.dumps({"transcript": text, "is_final": True, **flags})


@pytest.mark.parametrize(("seconds", "words"), [(0.3, ["w1"]), (0.4, ["w1", "w1"])])
def test_equal_finals_within_a_third_of_a_second_are_one(seconds: float, words: list[str]) -> None:
    call = after_final(1)
    call.finalize()
    call.feed(bytes(round(RATE * seconds) * 2))
    call.hear(final("w1"))
    assert call.words == words


def test_equal_finals_with_time_between_them_are_two() -> None:
    call = after_final(1)
    call.finalize()
    call.pass_time(0.4)
    call.hear(final("w1"))
    assert call.words == ["w1", "w1"]


def test_different_finals_of_one_moment_are_two() -> None:
    call = after_final(1)
    call.finalize()
    call.hear(final("w2"))
    assert call.words == ["w1", "w2"]


@pytest.mark.parametrize(("seconds", "times"), [(0.3, 1), (0.4, 2)])
def test_several_equal_words_within_a_third_of_a_second_are_one_segment_without_a_request(
    seconds: float, times: int
) -> None:
    call = after_final(1, 2)
    call.feed((spoken(3) * 2)[: round(RATE * seconds) * 2])  # the caller goes on
    call.hear(final("w1 w2"))
    assert call.words == ["w1", "w2"] * times


def test_several_equal_words_that_a_replay_holds_twice_are_two_segments_without_a_request() -> None:
    call = Call(timed=False)
    call.connect()
    call.say(1, 2, 1, 2)
    server = call.reconnect(0.15)
    for _ in range(2):
        call.hear(server.final(server.words()[:2]))
    assert call.words == ["w1", "w2"] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one, TWO", ["One,", "two,", "three."]),
        ("three", ["One,", "two,", "three."]),
        ("two", ["One,", "two,", "three.", "two"]),
    ],
)
def test_the_last_final_may_say_again_the_beginning_or_the_end_of_the_one_before(
    text: str, words: list[str]
) -> None:
    call = Call(timed=False)
    call.connect()
    call.say(1)
    call.hear(final("One, two, three."))
    call.end()
    call.hear(final(text, is_last=True))
    assert call.words == words


def test_an_interim_of_equal_words_that_were_said_before_the_final_came_is_told() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0, 1, 0)
    call.hear(server.final(server.words()[:1]))
    call.hear(server.interim())
    assert interims(call) == ["w1"]


def test_a_later_interim_may_be_revised_to_the_words_of_the_final() -> None:
    call = after_final(1, timed=True)
    call.feed(spoken(1, SOFT))
    call.hear({"transcript": "w2", "is_final": False})
    call.hear({"transcript": "w1", "is_final": False})
    assert interims(call) == ["w2", "w1"]


def test_the_first_interim_of_a_connection_repeats_no_final_of_another_one() -> None:
    call = after_final(1, 0, timed=True)
    call.reconnect()
    call.feed(spoken(1, SOFT))
    call.hear({"transcript": "w1", "is_final": False})
    assert interims(call) == ["w1"]


def test_a_late_answer_that_is_sent_twice_says_the_words_of_the_promoted_interim_once() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 0)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(2.5)
    late = server.answer()
    call.hear(late)
    call.pass_time(0.1)
    call.hear(late)
    assert call.words == ["w1", "w2"]


def test_the_same_words_in_two_turns_come_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    for _ in range(3):
        call.say(5, 0, 0)
        call.finalize()
        call.pass_time(0.12)
        call.hear(server.answer())
    assert call.words == ["w5", "w5", "w5"]
    assert call.answered == [1, 2, 3]


def test_a_segment_that_is_cut_twice_at_once_comes_once() -> None:
    call = after_final(5)
    call.feed(bytes(RATE // 10))  # 50 ms
    call.finalize()
    call.hear({"transcript": "w5", "is_final": True, "from_finalize": True})
    assert call.words == ["w5"]
    assert call.answered == [1]


def test_an_interim_that_a_final_has_overtaken_is_not_told() -> None:
    call = Call()
    server = call.connect()
    call.turn(1, 2)
    told = len(interims(call))
    call.hear({"transcript": "w1 w2", "is_final": False})
    call.hear({"transcript": "w2", "is_final": False})
    assert len(interims(call)) == told
    call.hear({"transcript": "2", "is_final": False})  # another word, of which that one ends
    assert len(interims(call)) == told + 1
    call.say(0, 2, 0)
    call.hear(server.interim())
    assert interims(call)[-1] == "w2"


@pytest.mark.parametrize("timed", [True, False])
def test_an_interim_that_the_servers_own_final_has_overtaken_is_not_promoted(timed: bool) -> None:
    call = Call(timed=timed)
    server = call.connect()
    call.turn(9)
    call.say(1, 2, 3)
    request = call.finalize()
    stale = server.interim()
    call.hear(server.final())
    call.hear(stale)
    call.pass_time(2.0)
    assert call.words == ["w9", "w1", "w2", "w3"]
    assert call.answered[-1] == request
    call.end()
    call.pass_time(5.0)
    assert call.words == ["w9", "w1", "w2", "w3"]


def test_a_sentence_that_the_goodbye_repeats_comes_once() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3)
    call.end()
    call.hear(server.final())
    call.hear({"transcript": "w1 w2 w3", "is_final": True, "is_last": True})
    assert call.words == ["w1", "w2", "w3"]


@pytest.mark.parametrize(("seconds", "told"), [(0.2, False), (0.32, True)])
def test_characters_are_said_no_faster_than_24_a_second(seconds: float, told: bool) -> None:
    call = Call(timed=False, language="zh")
    call.connect()
    call.say(1)
    call.hear({"transcript": "你好吗今天好", "is_final": True})
    call.feed((spoken(1) * 2)[: round(seconds * RATE) * 2])
    call.pass_time(0.4)
    call.hear({"transcript": "你好吗今天好", "is_final": False})
    assert bool(call.all(Interim)) is told


def test_an_interim_of_a_replay_without_a_new_word_is_not_told() -> None:
    call = after_final(1, 2)
    server = call.reconnect(0.5)
    call.hear(server.interim())
    assert interims(call) == []


def test_an_interim_between_two_equal_finals_makes_them_two() -> None:
    call = after_final(1)
    call.say(1)
    call.finalize()
    call.hear(call.server.interim())
    call.hear(call.server.answer())
    assert call.words == ["w1", "w1"]


def test_the_last_final_may_say_the_words_before_it_again_where_audio_has_room_for_them() -> None:
    call = after_final(1)
    call.say(1)
    call.end()
    call.hear(call.server.final(is_last=True))
    assert call.words == ["w1", "w1"]


def test_a_final_of_the_endpointing_right_after_the_answer_is_the_same_words() -> None:
    call = Call(timed=False)
    call.connect()
    call.turn(1)
    call.pass_time(0.2)
    call.hear({"transcript": "w1", "is_final": True})
    assert call.words == ["w1"]


def test_an_interim_of_words_that_were_said_once_more_is_told() -> None:
    call = after_final(1, timed=True)
    call.say(1, 0)
    call.hear(call.server.interim())
    assert interims(call) == ["w1"]


def test_an_interim_of_a_replay_shows_only_its_new_words() -> None:
    call = after_final(1, 2)
    server = call.reconnect(0.5)
    call.say(3, 0)
    call.hear(server.interim())
    assert interims(call) == ["w3"]


@pytest.mark.parametrize(
    ("seconds", "last", "words"),
    [(2.9, False, ["w1"]), (3.1, False, ["w1", "w1"]), (3.1, True, ["w1"])],
)
def test_a_final_with_the_same_times_repeats_another_one_for_the_time_of_an_answer(
    seconds: float, last: bool, words: list[str]
) -> None:
    """A server may write its times from the beginning of each segment."""
    call = after_final(1, timed=True)
    call.say(*[0] * 7, 2)
    call.pass_time(seconds - 1.6)
    message = {"transcript": "w1", "is_final": True, "is_last": last}
    call.hear({**message, "words": [{"word": "w1", "start": 0.0, "end": 0.2}]})
    assert call.words == words
