"""Sleep, the end, stalls and reported errors of a stream."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConnectionLostError, StalledError
from pulse_plugins.core.base.events import (
    Disconnected,
    Reconnecting,
    ServerReported,
    SpeechEnded,
    SpeechStarted,
)
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call
from tests.support.hearing import RATE, spoken

pytestmark = pytest.mark.unit
SOFT = 150  # of 32767: too soft to be speech for certain, and loud enough to be possible speech


def test_a_request_wakes_a_sleeping_stream() -> None:
    call = Call()
    call.connect()
    call.say(0)
    call.drop(None)
    assert call.session.state is State.DORMANT
    call.finalize()
    assert len(call.opening) == 1


def test_the_end_of_a_sleeping_stream_asks_for_a_soft_word() -> None:
    call = Call()
    call.connect()
    call.say(0)
    call.feed(spoken(1, SOFT))
    call.drop(None)
    assert call.session.state is State.DORMANT
    call.end()
    assert len(call.opening) == 1


def test_an_end_before_any_audio_needs_no_connection() -> None:
    call = Call()
    call.end()
    assert call.session.state is State.CLOSED
    assert call.opening == []


def test_a_server_that_owes_no_words_is_not_waited_for_as_long_as_one_that_does() -> None:
    call = Call(timeouts=Timeouts(close=5.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.end()
    call.pass_time(2.1)
    assert call.session.state is State.CLOSED
    assert call.session.error is None


def test_is_last_before_the_end_does_not_end_the_stream() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final(is_last=True))
    assert call.session.state is State.OPEN
    call.say(2)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]


def test_the_end_drops_a_change_of_options_that_is_on_its_way() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    assert len(call.opening) == 1
    call.end()
    assert call.opening == []


def test_a_connection_that_is_not_heard_yet_says_nothing() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    call.connect()
    call.hear({"transcript": "w9", "is_final": True})
    assert call.words == []


def test_the_answer_to_a_keepalive_is_no_event() -> None:
    call = Call()
    call.connect()
    before = len(call.events)
    call.hear({"type": "pong"})
    assert call.events[before:] == []


def test_an_error_after_which_words_came_is_not_why_the_connection_was_lost() -> None:
    call = Call()
    server = call.connect()
    call.hear({"type": "error", "message": "internal error"})
    assert len(call.all(ServerReported)) == 1
    call.say(1)
    call.hear(server.interim())
    call.drop()
    [lost] = call.all(Disconnected)
    assert isinstance(lost.error, ConnectionLostError)


def stalls_within(call: Call, seconds: float) -> bool:
    """Whether a server that is sent speech and stays silent is left."""
    before = len(call.all(Disconnected))
    for number in range(round(seconds / 0.2)):
        call.say(1 + number % 2)
        if len(call.all(Disconnected)) > before:
            return True
    return False


@pytest.mark.parametrize("words", [True, False])
def test_words_end_the_longer_patience_that_a_stall_has_brought(words: bool) -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    assert stalls_within(call, 4.5)
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.6)
    if words:
        call.hear(server.interim())
    assert stalls_within(call, 4.5) is words


def test_speech_that_is_sent_again_is_speech_without_an_answer() -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    call.say(1, 2, 3)
    call.reconnect(4.5)
    assert isinstance(call.all(Disconnected)[-1].error, StalledError)


def test_what_another_connection_heard_long_ago_is_kept_for_this_one() -> None:
    call = Call()
    call.connect()
    call.feed(spoken(1, SOFT))
    call.say(*[0] * 145)  # 29 s
    assert call.session.buffer.start == 0
    call.reconnect(8.0)
    assert call.session.buffer.start == 0


EMPTY = '{"transcript":"","is_final":false}'
TIMED_OUT = '{"status":"error","message":"Request timed out"}'


@pytest.mark.parametrize(
    ("message", "stalled"),
    [(TIMED_OUT, True), ("no JSON", True), ('{"type":"metadata"}', True), (EMPTY, False)],
)
def test_only_a_message_about_the_audio_shows_that_a_server_hears(
    message: str, stalled: bool
) -> None:
    call = Call(timeouts=Timeouts(stall=3.0))
    call.connect()
    for number in range(1, 25):
        call.say(number)
        if call.servers:
            call.hear(message)
    assert bool(call.all(Reconnecting)) is stalled


def test_a_server_that_keeps_the_last_words_for_itself_is_left_for_another() -> None:
    call = Call(timeouts=Timeouts(stall=3.0, close=5.0))
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.say(0)
    call.end()
    call.pass_time(3.6)
    again = call.connect()
    call.pass_time(0.2)
    call.hear(again.final(is_last=True))
    assert call.words == ["w1"]
    assert call.session.state is State.CLOSED
    assert call.lost == 0


def test_a_server_that_has_no_last_words_is_not_stalled() -> None:
    call = Call(timeouts=Timeouts(stall=1.0, close=5.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.end()
    call.pass_time(6.0)
    assert call.all(Disconnected) == [Disconnected(None)]


@pytest.mark.parametrize(("words", "lost"), [((), 0.0), ((2,), 0.2)])
def test_speech_behind_an_interim_that_is_promoted_at_the_end_is_lost(
    words: tuple[int, ...], lost: float
) -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.say(0, *words)
    call.end()
    call.pass_time(3.0)
    assert call.words == ["w1"]
    assert call.lost == pytest.approx(lost)


def test_the_end_of_the_last_word_of_a_promoted_interim_is_not_lost() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    call.connect()
    call.feed(spoken(1)[: RATE // 20 * 2])
    call.hear({"transcript": "w1", "is_final": False})
    call.feed((spoken(1) * 2)[: RATE // 20 * 14])
    call.end()
    call.pass_time(3.0)
    assert call.lost == 0


def test_a_silent_caller_is_not_given_up_by_a_server_that_closes_idle_connections() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    for _ in range(20):
        call.connect()
        call.say(*[0] * 15)
        call.drop(None)
        call.say(0)
    assert call.session.state is not State.CLOSED
    assert call.all(Reconnecting) == []


def test_an_idle_close_waits_for_audio() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.drop(None)
    call.pass_time(3600.0)
    assert call.session.state is State.DORMANT
    assert call.opening == []
    assert call.all(Reconnecting) == []
    call.say(2)
    again = call.connect()
    call.pass_time(0.5)
    call.hear(again.final())
    assert call.words == ["w1", "w2"]


def test_a_server_that_accepts_speech_and_says_nothing_is_left() -> None:
    call = Call(timeouts=Timeouts(stall=4.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(*range(2, 40))
    assert [event.reason for event in call.all(Reconnecting)] == ["stalled"]
    again = call.connect()
    call.pass_time(2.0)
    call.hear(again.final())
    assert call.words == [f"w{number}" for number in range(1, 40)]


def test_a_silent_caller_is_no_reason_to_leave() -> None:
    call = Call(timeouts=Timeouts(stall=4.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(*[0] * 200)
    assert call.all(Reconnecting) == []


def test_a_keepalive_goes_out_where_the_dialect_has_one() -> None:
    call = Call(dialect="live", timeouts=Timeouts(keepalive=2.0))
    server = call.connect()
    call.pass_time(4.5)
    assert server.take_wire() == ["keepalive", "keepalive"]


def test_a_keepalive_goes_out_when_it_is_due_whatever_the_rounding() -> None:
    call = Call(dialect="live", timeouts=Timeouts(keepalive=4.9))  # sums of it are not exact
    server = call.connect()
    call.pass_time(49 * 4.9 + 1.0)
    assert server.take_wire() == ["keepalive"] * 49


def test_the_end_of_a_speech_that_is_reported_after_the_next_start_is_left_out() -> None:
    call = Call()
    call.connect()
    call.say(1, 0, 2, 0)
    for kind, at in (("started", 0.0), ("started", 0.4), ("ended", 0.2), ("ended", 0.6)):
        call.hear({"type": f"speech_{kind}", "timestamp": at})
    assert [event.time for event in call.all(SpeechStarted)] == pytest.approx([0.0, 0.4])
    assert [event.time for event in call.all(SpeechEnded)] == pytest.approx([0.6])
    call.drop()
    call.pass_time(0.1)
    call.connect()
    call.pass_time(0.3)  # the next connection hears the audio again
    call.hear({"type": "speech_started", "timestamp": 0.0})
    call.hear({"type": "speech_ended", "timestamp": 0.2})
    assert [event.time for event in call.all(SpeechEnded)] == pytest.approx([0.6, 0.2])
