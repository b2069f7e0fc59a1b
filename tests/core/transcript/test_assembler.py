"""What the server says reaches the right request, and is delivered once."""

from __future__ import annotations

import struct

import pytest

from pulse_plugins.core.base.events import Disconnected, Final, SpeechStarted
from pulse_plugins.core.config.timing import Timeouts
from tests.support.call import Call
from tests.support.hearing import RATE, spoken


def test_an_interim_after_a_finalize_makes_it_worth_the_whole_wait() -> None:
    call = Call()
    server = call.connect()
    call.say(0, 0)
    request = call.finalize()  # nothing loud was said
    call.pass_time(0.2)
    call.hear({"transcript": "w1", "is_final": False})
    call.pass_time(1.5)
    assert call.finals == []
    call.hear({"transcript": "w1", "is_final": True, "from_finalize": True})
    assert [(f.text, f.finalize_id, f.promoted) for f in call.finals] == [("w1", request, False)]
    assert server.finalizes


def test_late_answers_do_not_complete_the_request_after_them() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    first = call.finalize()
    call.pass_time(3.0)
    call.say(2)
    second = call.finalize()
    late = {"transcript": "", "is_final": True, "from_finalize": True}
    call.hear(late)
    assert call.answered == [first]
    server.finalizes.pop(0)
    call.hear(server.answer())
    assert call.answered == [first, second]
    assert call.words == ["w1", "w2"]


def test_one_late_answer_is_taken_for_late_once() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(3.0)
    call.say(2)
    second = call.finalize()
    empty = {"transcript": "", "is_final": True, "from_finalize": True}
    call.hear(empty)
    assert second not in call.answered
    call.hear(empty)
    assert second in call.answered


def test_an_answer_that_is_taken_for_an_older_one_is_not_said_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.finalize()
    call.say(0)
    call.finalize()  # nothing was said since the one before: this server will not answer
    call.hear(server.answer())
    server.finalizes.pop(0)
    call.turn(2)
    server = call.reconnect()
    call.say(3, 0)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_cut_by_word_count_is_not_taken_for_the_answer() -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    call.say(1, 2, 3, 4, 5)
    request = call.finalize()
    call.pass_time(0.05)
    call.hear(server.final(server.words()[:2]))
    call.pass_time(0.35)
    assert request not in call.answered
    call.hear(server.answer())
    assert call.answered == []
    call.pass_time(0.61)
    assert call.answered == [request]
    assert call.words == ["w1", "w2", "w3", "w4", "w5"]


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.2), (0.2, 0.9), (0.9, 0.2)])
def test_an_unmarked_answer_without_times_is_known_by_the_quiet_after_it(
    first: float, second: float
) -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    for number, seconds in enumerate((first, second), 1):
        call.say(number)
        began, request = call.now, call.finalize()
        call.pass_time(seconds)
        call.hear(server.answer())
        call.pass_time(1.35)
        assert call.answered[-1] == request
        assert call.now - began < 2.3
    assert call.words == ["w1", "w2"]


def answers(call: Call, text: str) -> Final:
    """The server answers the finalize of this moment 0.12 s later."""
    call.finalize()
    call.pass_time(0.12)
    call.hear({"transcript": text, "is_final": True, "from_finalize": True})
    return call.finals[-1]


@pytest.mark.parametrize("loud", [0, 1, 40, 800])
def test_a_turn_that_is_quiet_beside_the_one_before_is_answered_by_its_answer(loud: int) -> None:
    call = Call(timed=False)
    call.connect()
    call.say(1)
    assert answers(call, "well").finalize_id == 1
    call.feed(struct.pack("<h", loud) * RATE)
    final = answers(call, "yes")
    assert (final.text, final.finalize_id) == ("yes", 2)
    assert call.answered == [1, 2]


def test_a_word_that_ends_before_its_sound_does_answers_soon() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2)
    call.feed(spoken(1)[: RATE * 2 * 16 // 100])  # 0.16 s that the server counts to no word
    request = call.finalize()
    call.pass_time(0.12)
    call.hear(server.final(server.words()[:2]))
    call.pass_time(0.31)
    assert call.answered == [request]
    assert call.words == ["w1", "w2"]


def test_a_final_with_a_word_still_to_come_answers_nothing() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.pass_time(0.06)
    call.hear(server.final(server.words()[:2]))  # its own, as it counts words
    call.pass_time(0.8)
    assert call.answered == []
    call.hear(server.answer())
    assert call.answered == [request]
    assert call.finals[-1].text == "w3"


def test_two_short_words_of_one_chunk_are_two() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 0, 1, 0)
    call.hear(server.final(server.words()[:1]))
    call.hear(server.final(server.words()[:1]))
    call.end()
    call.hear({"transcript": "w1", "is_final": True, "is_last": True})  # no audio is left for it
    assert call.words == ["w1", "w1"]


def test_a_short_answer_after_a_drop_is_no_part_of_a_long_sentence_before() -> None:
    call = Call(timed=False, timeouts=Timeouts(stall=60.0))
    server = call.connect()
    call.say(*range(1, 21))
    call.hear(server.interim())
    call.say(*[0] * 6)
    call.hear(server.final())
    call.reconnect()
    call.say(3, 0)
    call.hear({"transcript": "w3", "is_final": True})
    assert call.words[-2:] == ["w20", "w3"]


@pytest.mark.parametrize("flags", [True, False])
@pytest.mark.parametrize("number", [1, 2])
def test_a_turn_may_begin_as_the_one_before_it_ended_though_the_line_drops(
    flags: bool, number: int
) -> None:
    call = Call(timed=False, flags=flags)
    server = call.connect()
    call.say(1, 2, 0)
    call.finalize()
    call.say(0)
    call.hear(server.answer())
    server = call.reconnect()
    call.say(number, 0)
    call.finalize()
    call.say(0)
    while server.finalizes:
        call.hear(server.answer())
    assert call.words == ["w1", "w2", f"w{number}"]


def test_one_word_over_the_noise_of_the_line_does_not_make_speech_of_it() -> None:
    call = Call(timed=False, flags=False, timeouts=Timeouts(stall=2.0))
    server = call.connect()
    noise = struct.pack("<2h", 20, -20) * RATE  # 2 s
    call.feed(noise)
    call.say(1)
    call.feed(noise[: RATE // 2])
    request = call.finalize()
    call.pass_time(0.12)
    call.hear({"transcript": "w1", "is_final": True})
    call.pass_time(0.9)
    assert call.answered == [request]
    for _ in range(5):
        call.feed(noise)
    assert call.all(Disconnected) == []
    assert server.finalizes


def test_speech_after_an_empty_finalize_does_not_answer_it() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(0)
    request = call.finalize()  # this server says nothing to it
    call.say(2)
    call.hear(server.interim())
    call.pass_time(0.3)
    assert call.answered == [request]
    assert [final.text for final in call.finals] == ["w1", ""]
    server.finalizes.clear()
    second = call.finalize()
    call.hear(server.final(from_finalize=True))
    assert call.words == ["w1", "w2"]
    assert call.answered == [request, second]


def test_what_a_replay_says_again_answers_nothing() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3, 4)
    call.hear(server.final())
    call.say(5)
    call.finalize()
    server = call.reconnect(1.0)
    call.hear(server.final(server.words()[:-1]))  # w1 to w4, as it cut them before
    call.drop()
    call.pass_time(1.0)
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.answer())
    assert call.words == ["w1", "w2", "w3", "w4", "w5"]


@pytest.mark.parametrize("end", [1e305, 400.0, float("inf")])
def test_a_word_that_would_end_far_ahead_ends_where_the_audio_does(end: float) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(
        {
            "transcript": "w1",
            "is_final": True,
            "words": [{"word": "w1", "start": 0.0, "end": end}],
        }
    )
    assert call.session.buffer.start <= call.session.buffer.end
    call.say(2, 3)
    call.hear(server.final())
    assert [w.text for w in call.finals[-1].words][-2:] == ["w2", "w3"]


def test_a_mark_in_the_future_is_now() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.hear('{"type": "speech_started", "timestamp": 1e400}')
    assert [mark.time for mark in call.all(SpeechStarted)] == [pytest.approx(0.4)]


def test_a_replay_that_a_final_cuts_within_what_was_said_says_nothing_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3, 4, 5)
    call.hear(server.final())
    server = call.reconnect(1.0)
    heard = server.words()
    call.hear(server.final(heard[:2]))
    call.hear(server.interim())
    call.say(6)
    call.hear(server.final())
    assert len(heard) == 5
    assert call.words == ["w1", "w2", "w3", "w4", "w5", "w6"]


def test_a_replay_of_what_an_interim_has_said_says_nothing_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2)
    call.hear(server.interim())
    request = call.finalize()
    call.pass_time(3.0)
    assert [(f.text, f.promoted) for f in call.finals] == [("w1 w2", True)]
    assert call.answered == [request]
    call.hear(server.final())
    server = call.reconnect()
    call.say(3, 0)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


@pytest.mark.parametrize("early", [0.16, 0.3])
@pytest.mark.parametrize("before", [True, False])
def test_words_that_end_early_do_not_hold_the_turn_on_a_server_without_marks(
    early: float, before: bool
) -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2)
    call.feed(spoken(1)[:-2] + spoken(1)[: round((early - 0.2) * RATE) * 2 or None])
    call.say(0)
    if before:
        call.hear(server.final(server.words()[:2]))
    began, request = call.now, call.finalize()
    if not before:
        call.pass_time(0.1)
        call.hear(server.final(server.words()[:2]))
    while request not in call.answered:
        call.pass_time(0.05)
    assert call.now - began < 1.1
