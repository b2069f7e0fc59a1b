"""What the server says reaches the right request, and audio is let go of at the right time."""

from __future__ import annotations

import pytest

from pulse_plugins.core.options import Limits, Timeouts
from tests.support.call import Call
from tests.support.hearing import RATE, spoken


def test_an_interim_after_a_finalize_makes_it_worth_the_whole_wait() -> None:
    call = Call(timeouts=Timeouts(finalize=2.0, finalize_grace=0.3))
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


@pytest.mark.parametrize("milliseconds", [1, 10, 25, 45, 100, 190])
@pytest.mark.parametrize("silence", [0, 1])
def test_a_word_that_goes_on_over_a_finalize_is_replayed_whole(
    milliseconds: int, silence: int
) -> None:
    call = Call()
    server = call.connect()
    word = spoken(2)
    cut = milliseconds * RATE // 1000 * 2
    call.say(1, *[0] * silence)
    call.feed(word[:cut])
    request = call.finalize()
    call.hear(server.answer())
    assert call.answered == [request]
    call.drop()
    call.feed(word[cut:])
    call.say(0)
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]


def test_an_answer_without_word_times_covers_nothing_behind_its_mark() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.finalize()
    call.say(*range(2, 10))  # no interim says when they were heard
    call.hear(server.answer())
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(2.0)
    call.hear(server.final())
    assert call.words == [f"w{number}" for number in range(1, 10)]


def test_an_answer_that_is_taken_for_an_older_one_is_not_said_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1)
    call.finalize()
    call.say(0)
    call.finalize()  # nothing was said since the one before: this server will not answer
    call.hear(server.answer())
    server.finalizes.pop(0)
    call.say(2)
    call.finalize()
    call.hear(server.answer())
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.say(3, 0)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_final_that_is_too_soon_for_an_answer_is_none() -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    call.say(1)
    call.finalize()
    call.pass_time(0.12)
    call.hear(server.answer())
    call.say(2, 3, 4, 5)
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(1.0)  # for the replay
    request = call.finalize()
    call.pass_time(0.02)
    call.hear(server.final(server.words()[:2]))  # its own, as it counts words
    assert request not in call.answered
    call.pass_time(0.1)
    call.hear(server.answer())
    assert call.finals[-1].finalize_id == request
    assert call.words == ["w1", "w2", "w3", "w4", "w5"]


def test_a_server_that_has_become_quicker_is_doubted_once() -> None:
    call = Call(timed=False, flags=False)
    server = call.connect()
    for number, seconds in enumerate((0.3, 0.1, 0.1), 1):
        call.say(number)
        began, request = call.now, call.finalize()
        call.pass_time(seconds)
        call.hear(server.answer())
        if number != 2:
            assert call.answered[-1] == request
        call.pass_time(1.0)
        assert call.answered[-1] == request
        assert call.now - began < 1.5
    assert call.words == ["w1", "w2", "w3"]


def test_a_replay_that_a_final_cuts_within_what_was_said_says_nothing_twice() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3, 4, 5)
    call.hear(server.final())
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(1.0)
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
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.say(3, 0)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_silence_that_was_heard_is_not_kept() -> None:
    call = Call(limits=Limits(release_seconds=4.0))
    call.connect()
    call.say(*[0] * 100)
    count = call.session.audio_count
    assert count.released >= 12 * 16_000
    assert count.lost == 0


def test_noise_is_kept_twice_as_long_and_then_let_go() -> None:
    call = Call(limits=Limits(release_seconds=4.0), timeouts=Timeouts(stall=2.0))
    call.connect()
    noise = spoken(1) * 5
    for _ in range(20):
        call.feed(noise)
        call.hear({"type": "speech_started", "timestamp": 0.0})  # alive, but without words
    count = call.session.audio_count
    assert 7 * 16_000 <= count.held <= 11 * 16_000
    assert count.lost == 0
