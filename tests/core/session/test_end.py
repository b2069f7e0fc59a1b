"""The end of the input: how long the last words are waited for, and on which connections."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConnectTimeoutError, from_status
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("back_after", "answer_after"), [(4.0, 1.2), (4.5, 0.7), (4.9, 2.5)])
def test_a_connection_that_is_back_late_has_time_for_the_last_words(
    back_after: float, answer_after: float
) -> None:
    call = Call(timeouts=Timeouts(close=5.0))
    call.connect()
    call.say(*range(1, 11))
    call.drop()
    call.end()
    call.pass_time(back_after)
    server = call.connect()
    call.pass_time(0.3)
    assert server.closing
    call.pass_time(answer_after)
    call.hear(server.final(is_last=True))
    assert len(call.words) == 10
    assert call.session.error is None


def test_a_goodbye_that_is_answered_by_a_close_alone_is_repeated_once() -> None:
    call = Call(timeouts=Timeouts(close=5.0))
    call.connect()
    call.say(1)
    call.end()
    began = call.now
    for _ in range(2):
        call.drop(None)
        call.pass_time(0.1)
        if call.opening:
            call.connect()
            call.pass_time(0.2)
    assert call.session.state is State.CLOSED
    assert call.session.error is None
    assert call.now - began < 1.0


def test_silence_at_the_end_needs_no_connection() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.turn(1)
    call.drop()
    call.say(0, 0)
    call.end()
    call.pass_time(5.0)
    assert call.session.state is State.CLOSED
    assert call.session.error is None
    assert call.lost == 0.0


def test_last_words_without_a_connection_are_an_error() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.say(1)
    call.end()
    call.pass_time(2.0)
    assert isinstance(call.session.error, ConnectTimeoutError)
    assert call.lost == pytest.approx(0.2)


def test_last_words_without_a_connection_are_the_error_of_the_last_try() -> None:
    call = Call(timeouts=Timeouts(close=0.7))
    call.say(1)
    refused = from_status(503)
    call.refuse(refused)
    call.end()
    call.pass_time(2.0)
    assert call.session.error is refused


def test_nothing_to_say_needs_no_connection_at_the_end() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.turn(1)
    call.drop()
    call.end()
    call.pass_time(5.0)
    assert call.session.error is None
    assert call.lost == 0.0


def test_the_last_words_may_come_one_after_the_other() -> None:
    call = Call(timed=False)
    server = call.connect()
    call.say(1, 2, 3)
    call.end()
    for _ in range(3):
        call.pass_time(1.5)
        call.hear(server.final(server.words()[:1]))
    call.hear({"transcript": "", "is_final": True, "is_last": True})
    assert call.words == ["w1", "w2", "w3"]


def test_the_end_waits_for_a_server_that_reads_slowly() -> None:
    call = Call(timeouts=Timeouts(close=2.0, stall=60.0))
    call.say(*range(1, 51))  # 10 s that nobody heard yet
    call.end()
    server = call.connect()
    while not server.closing:
        call.now += 0.1
        call.session.advance(call.now)
        assert call.session.state is State.OPEN
        for _ in range(2):  # 50 ms each: it takes no more than was spoken in that time
            if (message := call.session.next_outgoing(call.link, call.now)) is not None:
                server.take(message)
    call.hear(server.final(is_last=True))
    assert len(call.words) == 50
    assert call.lost == 0.0


def test_the_end_asks_for_the_last_words_and_closes_with_them() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.end()
    assert server.take_wire() == [0.4, "close_stream"]
    call.hear(server.final(is_last=True))
    assert call.session.state is State.CLOSED
    assert call.words == ["w1", "w2"]


def test_a_drop_at_the_end_brings_the_last_words_on_another_connection() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.end()
    call.drop()
    call.pass_time(0.3)
    server = call.connect()
    call.pass_time(0.3)
    assert server.closing
    call.hear(server.final(is_last=True))
    assert call.words == ["w1", "w2"]


def test_the_last_words_are_not_given_up_for_being_quiet() -> None:
    call = Call(loud=30)  # and no pause to compare them with
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(2)
    call.end()
    assert server.closing
    server = call.reconnect(1.0)
    call.hear(server.final(is_last=True))
    assert call.words == ["w1", "w2"]
    assert call.session.state is State.CLOSED


def test_the_end_in_an_outage_is_bounded_and_tells_what_was_lost() -> None:
    call = Call(timeouts=Timeouts(close=3.0))
    call.say(1, 2)
    call.end()
    for _ in range(40):
        if call.opening:
            call.refuse(from_status(503))
        call.pass_time(0.1)
    assert call.session.state is State.CLOSED
    assert call.lost == pytest.approx(0.4)


def test_while_the_last_words_wait_tries_come_fast() -> None:
    call = Call(timeouts=Timeouts(close=5.0))
    for _ in range(8):
        call.refuse(from_status(503))
        call.pass_time(2.1)
    call.say(1)
    call.refuse(from_status(503))
    call.end()
    call.pass_time(0.26)
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.final(is_last=True))
    assert call.words == ["w1"]


def test_abort_ends_at_once() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.session.abort()
    call.session.abort()
    call.settle()
    assert call.session.state is State.CLOSED
    assert call.servers == {}
    assert call.session.deadlines.next() is None


def test_a_timer_that_goes_off_together_with_the_end_finds_the_stream_closed() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.say(1)
    call.end()
    call.now += 60.0  # the program did something else, so that every timer is due
    call.advance()
    call.settle()
    assert call.session.state is State.CLOSED
    assert call.session.error is None
    assert call.lost == pytest.approx(0.2)


def test_a_request_without_words_is_answered_at_the_end() -> None:
    call = Call(timeouts=Timeouts(close=1.0, finalize=10.0))
    call.connect()
    call.say(1)
    request = call.finalize()
    call.end()
    call.pass_time(5.0)
    assert call.session.state is State.CLOSED
    assert [(final.text, final.finalize_id) for final in call.finals] == [("", request)]
