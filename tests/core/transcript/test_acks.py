"""Which audio is acked and released, and which is kept for a replay."""

from __future__ import annotations

import struct

import pytest

from pulse_plugins.core.base.events import Interim
from pulse_plugins.core.config.timing import Timeouts
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit


def kept_from(call: Call) -> float:
    """stream_time of the oldest audio that is kept."""
    return call.session.buffer.seconds(call.session.buffer.start)


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
    server = call.reconnect(2.0)
    call.hear(server.final())
    assert call.words == [f"w{number}" for number in range(1, 10)]


def test_silence_that_was_sent_long_ago_is_not_kept() -> None:
    call = Call()
    call.connect()
    call.say(*[0] * 200)
    count = call.session.buffer.count
    assert count.held <= 16 * 16_000
    assert count.lost == 0


def test_noise_is_kept_for_thirty_seconds_and_then_let_go() -> None:
    call = Call()
    call.connect()
    noise = struct.pack("<4h", 40, -40, 0, 0) * (RATE // 8) + bytes(RATE)  # not like words
    for _ in range(45):
        call.feed(noise)
        call.hear({"type": "speech_started", "timestamp": 0.0})  # alive, but without words
    count = call.session.buffer.count
    assert 28 * 16_000 <= count.held <= 32 * 16_000
    assert count.lost == 0


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
    call.say(*[0] * 15)  # longer than silence is kept
    server = call.reconnect(0.5)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]


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


REST = [  # of a word that was cut, and the word behind it
    {"word": "w2", "start": 0.34, "end": 0.4},
    {"word": "w3", "start": 0.4, "end": 0.6},
]


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
    assert kept_from(call) <= 0.2


def test_the_rest_of_a_cut_word_is_neither_shown_nor_said_again() -> None:
    call = cut_in_a_word()
    call.feed(spoken(2)[RATE // 5 :])
    call.hear({"transcript": "w2", "is_final": False})
    call.say(3)
    call.hear({"transcript": "w2 w3", "is_final": False})
    assert [each.text for each in call.all(Interim)] == ["w3"]
    call.hear({"transcript": "w2 w3", "is_final": True, "words": REST})
    assert call.words == ["w1", "w2", "w3"]


def test_a_word_in_which_a_finalize_fell_is_in_no_interim_again_nor_in_a_promoted_one() -> None:
    call = Call(timeouts=Timeouts(finalize=0.5))
    call.connect()
    call.say(1)
    call.feed(spoken(2)[: RATE // 5])  # half of it
    call.finalize()
    call.feed(spoken(2)[RATE // 5 :])
    words = [{"word": "w1", "start": 0.0, "end": 0.2}, {"word": "w2", "start": 0.2, "end": 0.4}]
    answer = {"transcript": "w1 w2", "is_final": True, "from_finalize": True, "words": words}
    call.hear(answer)
    call.say(3)
    call.hear({"transcript": "w2", "is_final": False})
    call.hear({"transcript": "w2 w3", "is_final": False})
    assert [interim.text for interim in call.all(Interim)] == ["w3"]
    call.finalize()
    call.pass_time(0.6)  # the answer is lost
    assert call.words == ["w1", "w2", "w3"]


def test_a_cut_word_is_known_after_an_interim_behind_it_was_promoted() -> None:
    call = cut_in_a_word()
    call.feed(spoken(2)[RATE // 5 :])
    call.say(3, 0)
    call.hear({"transcript": "w2 w3", "is_final": False})
    call.finalize()
    call.pass_time(2.5)
    assert call.words == ["w1", "w2", "w3"]
    call.hear({"transcript": "w2 w3", "is_final": True, "from_finalize": True, "words": REST})
    assert call.words == ["w1", "w2", "w3"]


def test_an_answer_acks_the_silence_before_its_mark() -> None:
    call = Call()
    call.connect()
    call.turn(1, 0)
    assert kept_from(call) == pytest.approx(0.4)


def test_an_answer_without_word_times_acks_all_audio_before_its_mark() -> None:
    call = Call(timed=False)
    call.connect()
    call.turn(1, 2, 3, 0)
    assert kept_from(call) == pytest.approx(0.8)


def test_words_that_a_marked_final_leaves_out_survive_a_drop() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 0, 3, 0)
    request = call.finalize()
    call.hear(server.final(server.words()[:1], from_finalize=True))
    assert call.answered == [request]
    again = call.reconnect(0.5)
    call.hear(again.final())
    assert call.words == ["w1", "w2", "w3"]


def test_the_early_end_of_the_last_word_of_an_answer_is_acked() -> None:
    call = Call()
    call.connect()
    call.say(1, 0)
    call.finalize()
    words = [{"word": "w1", "start": 0.0, "end": 0.05}]
    call.hear({"transcript": "w1", "is_final": True, "from_finalize": True, "words": words})
    assert kept_from(call) == pytest.approx(0.4)


def test_audio_before_a_mark_is_kept_while_the_answer_may_belong_to_an_older_request() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 0)
    call.finalize()
    call.say(2, 0)
    call.finalize()
    call.hear(server.answer())
    assert call.session.buffer.start == 0


def test_a_final_of_a_replay_does_not_ack_what_the_connection_before_it_was_sent() -> None:
    call = Call(timed=False)
    server = call.connect()
    for number in range(1, 11):
        call.say(number)
        call.hear(server.interim())
    server = call.reconnect(0.3)
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
    server = call.reconnect(0.5)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]
