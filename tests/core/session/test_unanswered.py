"""A server that is silent after a finalize request is left if it owes an answer."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.events import Reconnecting
from pulse_plugins.core.config.timing import Timeouts
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech
EMPTY = '{"transcript":"","is_final":false}'


def asked_in_vain(*, learned: bool, sound: bytes, quiet: float = 0.0, **server: bool) -> Call:
    """A call after a request for a sound to which the server has sent nothing for 3.6 s."""
    call = Call(timeouts=Timeouts(stall=3.0), **server)
    call.connect()
    call.turn(1, 2)
    if learned:
        call.turn(0)
    call.feed(bytes(2 * round(quiet * RATE)) + sound)
    call.finalize()
    call.pass_time(3.6)
    return call


@pytest.mark.parametrize(("learned", "stalls"), [(True, ["stalled"]), (False, [])])
def test_a_server_that_answered_every_request_is_left_when_it_answers_no_more(
    learned: bool, stalls: list[str]
) -> None:
    call = asked_in_vain(learned=learned, sound=spoken(3, SOFT), quiet=1.0)
    assert [event.reason for event in call.all(Reconnecting)] == stalls


@pytest.mark.parametrize(
    ("seconds", "marks", "stalls"),
    [(0.4, True, ["stalled"]), (0.2, True, []), (0.4, False, [])],
)
def test_a_server_that_marked_an_answer_owes_one_for_soft_speech(
    seconds: float, marks: bool, stalls: list[str]
) -> None:
    sound = (spoken(3, SOFT) * 2)[: 2 * round(seconds * RATE)]
    call = asked_in_vain(learned=False, sound=sound, quiet=1.0, flags=marks)
    assert [event.reason for event in call.all(Reconnecting)] == stalls


def test_unmarked_empty_finals_do_not_show_that_a_server_answers_every_request() -> None:
    call = asked_in_vain(learned=True, sound=spoken(3, SOFT), quiet=1.0, flags=False)
    assert call.all(Reconnecting) == []


def test_a_server_that_sends_anything_after_a_request_is_not_left() -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.turn(1, 2)
    call.turn(0)
    call.feed(spoken(3, SOFT))
    call.finalize()
    call.pass_time(1.0)
    call.hear(EMPTY)
    call.pass_time(5.0)
    assert call.all(Reconnecting) == []


@pytest.mark.parametrize(
    ("seconds", "quiet", "stalls"),
    [
        (0.16, 0.4, ["stalled"]),
        (0.08, 0.4, []),  # a click
        (0.2, 0.1, []),  # this may be the end of the word before
    ],
)
def test_a_server_that_keeps_a_short_word_for_itself_is_left_after_the_request(
    seconds: float, quiet: float, stalls: list[str]
) -> None:
    sound = spoken(3)[: 2 * round(seconds * RATE)]
    call = asked_in_vain(learned=False, sound=sound, quiet=quiet)
    assert [event.reason for event in call.all(Reconnecting)] == stalls


def test_a_server_that_keeps_the_first_word_for_itself_is_left_after_the_request() -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.say(1)
    call.finalize()
    call.pass_time(3.6)
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]


@pytest.mark.parametrize(("told", "stalls"), [(False, ["stalled"]), (True, [])])
def test_without_word_times_words_that_were_sent_after_the_newest_final_are_owed(
    told: bool, stalls: list[str]
) -> None:
    call = Call(timeouts=Timeouts(stall=3.0), timed=False)
    call.connect()
    call.turn(1, 2)
    call.feed(bytes(2 * RATE) + spoken(3))
    if told:  # the final may be of this sound or of an earlier one
        call.hear('{"transcript":"w3","is_final":true}')
    call.pass_time(0.1)
    call.finalize()
    call.pass_time(3.6)
    assert [event.reason for event in call.all(Reconnecting)] == stalls


def test_a_final_with_word_times_leaves_words_owed_that_were_sent_before_it_came() -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.turn(1, 2)
    call.say(3, 0, 0, 4)
    call.hear(call.server.final(call.server.words()[:1]))
    call.pass_time(0.1)
    call.finalize()
    call.pass_time(3.6)
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]


def test_later_requests_do_not_prolong_the_wait_for_the_first_answer() -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.turn(1)
    call.turn(0)
    for _ in range(3):
        call.feed(bytes(2 * RATE))
        call.finalize()
    call.pass_time(1.6)
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]


def test_the_beginning_of_speech_long_after_a_request_without_an_answer_is_no_stall() -> None:
    call = asked_in_vain(learned=False, sound=bytes(2 * RATE))
    call.say(3)
    call.pass_time(0.6)
    assert call.all(Reconnecting) == []


def test_the_second_of_two_requests_may_be_the_first_that_is_owed_an_answer() -> None:
    call = asked_in_vain(learned=False, sound=spoken(3, SOFT), quiet=1.0)
    assert call.all(Reconnecting) == []
    call.feed(bytes(RATE) + spoken(4))
    call.finalize()
    call.pass_time(2.4)
    assert call.all(Reconnecting) == []
    call.pass_time(1.2)
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]


@pytest.mark.parametrize(("interim", "stalls"), [(True, ["stalled"]), (False, [])])
def test_an_interim_tells_how_loud_a_soft_caller_is(interim: bool, stalls: list[str]) -> None:
    call = Call(timeouts=Timeouts(stall=3.0), loud=SOFT)
    call.connect()
    call.say(1)
    if interim:
        call.hear(call.server.interim())
    call.say(2, 3, 4)
    call.pass_time(3.6)
    assert [event.reason for event in call.all(Reconnecting)] == stalls


def test_the_noise_of_a_line_is_no_speech_after_an_interim_of_it_was_taken_back() -> None:
    call = Call(timeouts=Timeouts(stall=3.0), loud=SOFT)
    call.connect()
    call.say(1)
    call.hear(call.server.interim())
    call.hear({"transcript": "", "is_final": True})
    call.say(2, 3, 4, 5, 6)
    call.pass_time(3.6)
    assert call.all(Reconnecting) == []


@pytest.mark.parametrize(("interim", "stalls"), [(False, 1), (True, 2)])
def test_a_server_without_interims_is_left_once_for_its_silence_in_long_speech(
    interim: bool, stalls: int
) -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.say(*range(1, 20))
    server = call.connect()
    if interim:
        call.hear(server.interim())
    call.hear(server.final())
    call.say(*range(20, 40))
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"] * stalls


def silent_after_one_of_three_words(*, shown: int = 1, final: bool = False) -> Call:
    """A request waits for its answer; the server has told so many words and then nothing."""
    call = Call(timeouts=Timeouts(stall=3.0, finalize=1.8))
    server = call.connect()
    for number in (1, 2, 3):
        call.say(number)
        if number == shown:
            call.hear(server.final() if final else server.interim())
        call.say(0, 0)
    call.finalize()
    return call


@pytest.mark.parametrize(("final", "texts"), [(False, ["w1 w2 w3"]), (True, ["w1", "w2 w3"])])
def test_half_a_turn_is_no_answer_before_the_server_counts_as_stalled(
    final: bool, texts: list[str]
) -> None:
    call = silent_after_one_of_three_words(final=final)
    call.pass_time(3.5)
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]
    call.hear(call.connect().answer())
    assert [(each.text, each.promoted) for each in call.finals] == [(text, False) for text in texts]


def test_a_whole_turn_is_promoted_in_time() -> None:
    call = silent_after_one_of_three_words(shown=3)
    call.pass_time(1.9)
    assert [(final.text, final.promoted) for final in call.finals] == [("w1 w2 w3", True)]


def test_half_a_turn_is_promoted_if_the_server_does_not_stall() -> None:
    call = silent_after_one_of_three_words()
    for _ in range(4):
        call.hear('{"type":"speech_started","timestamp":0.1}')
        call.pass_time(1.19)
    assert call.finals == []
    call.pass_time(0.1)
    assert [(final.text, final.promoted) for final in call.finals] == [("w1", True)]
