"""Which speech is reported as lost at the end of a stream."""

from __future__ import annotations

import json

import pytest

from pulse_plugins.core.base.events import AudioLost
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech


def replayed(*numbers: int) -> Call:
    """A call that has just been sent these words once more, at eight times real time."""
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.say(*numbers)
    call.reconnect(0.3)
    return call


def interim(text: str) -> str:
    return json.dumps({"transcript": text, "is_final": False})


def hang_up(call: Call) -> None:
    """The input ends, and no last words come."""
    call.end()
    call.pass_time(3.0)


def lost_stretches(call: Call) -> list[tuple[float, float]]:
    """The start and the duration of each stretch that was reported lost."""
    return [(each.start, each.duration) for each in call.all(AudioLost)]


def test_speech_that_a_slow_server_had_not_heard_yet_in_a_replay_is_lost() -> None:
    call = replayed(1, 0, 2, 0, 3, 0, 4, 0, 5, 0)
    call.hear(interim("w1 w2"))
    hang_up(call)
    assert call.words == ["w1", "w2"]
    assert lost_stretches(call) == [(0.8, 1.2)]


def test_a_server_has_caught_up_when_live_audio_has_lasted_as_long_as_the_replay() -> None:
    call = replayed(1, 2)
    call.say(3, 4)
    call.hear(interim("w1 w2 w3 w4"))
    hang_up(call)
    assert call.words == ["w1", "w2", "w3", "w4"]
    assert call.lost == 0


def test_a_server_has_heard_the_words_of_its_finals() -> None:
    call = replayed(*range(1, 11))
    call.hear(call.server.final())
    call.say(11)
    call.hear(interim("w11"))
    hang_up(call)
    assert call.words == [f"w{number}" for number in range(1, 12)]
    assert call.lost == 0


def test_a_server_has_heard_the_audio_before_a_request_that_it_answered() -> None:
    call = replayed(1, *[0] * 9)
    call.finalize()
    call.hear(call.server.answer())
    call.say(11)
    call.hear(interim("w11"))
    hang_up(call)
    assert call.words == ["w1", "w11"]
    assert call.lost == 0


@pytest.mark.parametrize(("words", "lost"), [((), 0.0), ((2,), 0.2)])
def test_the_words_of_a_promoted_interim_are_not_lost_with_the_connection(
    words: tuple[int, ...], lost: float
) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.say(0, *words)
    call.end()
    call.drop(None)
    call.pass_time(0.0)
    call.connect()
    call.pass_time(0.2)
    call.drop(None)
    assert call.session.state is State.CLOSED
    assert call.words == ["w1"]
    assert call.lost == pytest.approx(lost, abs=0.05)


def test_soft_speech_behind_a_promoted_interim_is_lost_without_the_words_of_the_interim() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.say(0)
    call.feed(spoken(2, SOFT))
    call.end()
    call.drop(None)
    call.pass_time(0.0)
    call.connect()
    call.pass_time(0.2)
    call.drop(None)
    [lost] = call.all(AudioLost)
    assert (lost.start, lost.start + lost.duration) == pytest.approx((0.26, 0.6))


def test_the_words_of_an_interim_that_answered_a_request_are_not_lost_at_the_end() -> None:
    call = Call(timeouts=Timeouts(close=1.0, finalize=0.5))
    server = call.connect()
    call.say(1, 0)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(0.6)
    call.say(0, 2, 0)
    hang_up(call)
    assert call.words == ["w1"]
    assert lost_stretches(call) == [(0.6, 0.4)]


def test_an_interim_of_a_replay_does_not_take_back_what_an_interim_before_it_told() -> None:
    call = Call(timeouts=Timeouts(close=1.0, finalize=0.5))
    server = call.connect()
    call.say(1, 0, 2, 0)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(0.6)
    call.say(0, 3, 0)
    call.reconnect(0.1)
    call.hear(interim("other"))
    hang_up(call)
    assert call.words == ["w1", "w2", "other"]
    assert lost_stretches(call) == [(1.0, 0.4)]


def test_a_word_behind_the_mark_of_a_promoted_answer_is_lost() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    server = call.connect()
    call.say(1)
    shown = server.interim()
    call.hear(shown)  # at once: each interim shows what was said until just before it
    call.say(0)
    call.finalize()
    call.say(0, 2, 0)
    call.hear(shown)
    hang_up(call)
    assert call.words == ["w1"]
    assert lost_stretches(call) == [(0.6, 0.4)]


def test_a_click_at_the_end_is_no_lost_speech() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.turn(1, 2, 3)
    call.say(*[0] * 20)
    call.feed(spoken(4)[: RATE // 5])  # 0.1 s
    call.end()
    call.pass_time(20.0)
    assert call.session.state is State.CLOSED
    assert call.lost == 0.0


def test_lost_speech_begins_where_it_does() -> None:
    call = Call(timeouts=Timeouts(close=1.0, stall=60.0))
    call.connect()
    call.turn(1)
    call.say(*[0] * 20)
    call.say(2, 3)
    call.end()
    call.pass_time(20.0)
    [lost] = call.all(AudioLost)
    assert lost.start == pytest.approx(4.2)
    assert lost.duration == pytest.approx(0.4)


@pytest.mark.parametrize(("after", "lost"), [((0,) * 10, 0.0), ((0,) * 10 + (2,), 2.2)])
def test_silence_that_no_server_was_sent_is_not_lost(after: tuple[int, ...], lost: float) -> None:
    """Seen in an outage at the end of a call: two seconds of silence were reported as lost."""
    call = Call(timeouts=Timeouts(close=1.0, stall=60.0))
    call.connect()
    call.turn(1)
    call.drop()
    call.say(*after)
    call.end()
    call.pass_time(20.0)
    assert call.session.state is State.CLOSED
    assert call.lost == pytest.approx(lost, abs=0.06)


def test_speech_that_no_server_ever_answered_is_reported_lost() -> None:
    call = Call(timeouts=Timeouts(close=1.0, stall=60.0))
    call.connect()
    call.say(1, 2, 3)
    call.end()
    call.pass_time(10.0)
    assert call.session.state is State.CLOSED
    assert call.lost == pytest.approx(0.6)


@pytest.mark.parametrize(("shown", "lost"), [("w1", [(0.4, 0.4)]), ("w1 w2", [])])
def test_a_word_that_began_after_a_late_interim_had_left_the_server_is_lost(
    shown: str, lost: list[tuple[float, float]]
) -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.say(1, 0, 2, 0)
    call.hear(interim(shown))
    hang_up(call)
    assert call.words == shown.split()
    assert lost_stretches(call) == lost


def test_a_word_behind_a_late_interim_is_lost_after_other_words_were_final() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    server = call.connect()
    call.say(1, 0)
    call.hear(server.final())
    call.say(0, 2, 0, 3, 0)
    call.hear(interim("w2"))
    hang_up(call)
    assert call.words == ["w1", "w2"]
    assert lost_stretches(call) == [(1.0, 0.4)]


def test_an_interim_that_is_sent_again_in_a_pause_is_not_late() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.say(1)
    call.hear(interim("w1"))
    call.say(*[0] * 6)
    call.hear(interim("w1"))
    call.say(2)
    call.hear(interim("w1 w2"))
    call.say(0)
    hang_up(call)
    assert call.words == ["w1", "w2"]
    assert call.lost == 0
