"""One scenario a test: what the session sends, says and wants, on a clock that the test moves."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectTimeoutError,
    PaymentRequiredError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    from_close,
    from_status,
)
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Interim,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
)
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.core.session.session import Session
from pulse_plugins.core.session.state import State
from tests.support.call import Call
from tests.support.hearing import RATE, spoken


def test_a_finalize_goes_out_behind_its_audio_and_its_answer_carries_its_number() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    request = call.finalize()
    assert server.take_wire() == [0.4, "finalize"]
    call.hear(server.answer())
    assert [(f.text, f.finalize_id, f.promoted) for f in call.finals] == [("w1 w2", request, False)]


def test_a_finalize_never_waits_for_a_packet_to_fill() -> None:
    call = Call(packet_ms=500)
    server = call.connect()
    call.say(1)
    assert server.take_wire() == []
    call.finalize()
    assert server.take_wire() == [0.2, "finalize"]


def test_what_was_said_before_the_connection_is_sent_when_it_is_there() -> None:
    call = Call()
    call.say(1, 2)
    call.finalize()
    server = call.connect()
    call.pass_time(0.2)
    assert server.take_wire() == [0.4, "finalize"]


@pytest.mark.parametrize("flags", [True, False])
def test_a_drop_on_finalize_sends_the_audio_and_the_finalize_again(flags: bool) -> None:
    call = Call(flags=flags)
    call.connect()
    call.say(1, 2)
    request = call.finalize()
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(0.2)
    assert server.take_wire() == [0.4, "finalize"]
    call.hear(server.answer())
    assert call.words == ["w1", "w2"]
    assert call.answered == [request]


def test_what_a_final_covers_is_not_sent_again() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3)
    call.hear(server.final(server.words()[:2]))
    call.drop()
    call.pass_time(0.1)
    again = call.connect()
    call.pass_time(0.5)
    assert again.take_wire() == [pytest.approx(0.2, abs=0.051)]
    call.say(0)
    call.hear(again.final())
    assert call.words == ["w1", "w2", "w3"]
    assert [w.start for f in call.finals for w in f.words] == pytest.approx([0.0, 0.2, 0.4])


def test_a_drop_in_the_replay_begins_it_again() -> None:
    call = Call()
    call.connect()
    call.say(*range(1, 11))
    for _ in range(3):
        call.drop()
        call.pass_time(1.0)
        call.connect()
        call.pass_time(0.1)
    call.pass_time(1.0)
    call.hear(call.server.final())
    assert call.words == [f"w{number}" for number in range(1, 11)]


def test_a_replay_is_faster_than_speech_but_no_flood() -> None:
    call = Call()
    call.connect()
    call.say(*range(1, 11))
    call.drop()
    call.pass_time(0.0)
    server = call.connect()
    call.pass_time(0.1)
    sent = server.samples / RATE
    assert 0.7 <= sent <= 1.7  # 0.1 s at eight times real time, and the first packets
    call.pass_time(0.5)
    assert server.samples / RATE == pytest.approx(2.0)


def test_finalizes_in_flight_are_matched_in_order() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    first = call.finalize()
    call.say(2)
    second = call.finalize()
    call.hear(server.answer())
    call.hear(server.answer())
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", first), ("w2", second)]


def test_an_ordinary_final_is_not_the_answer_where_words_are_still_to_come() -> None:
    call = Call(flags=False)
    server = call.connect()
    call.say(1, 2, 3)
    request = call.finalize()
    call.hear(server.final(server.words()[:2]))
    assert call.answered == []
    call.hear(server.final())
    assert call.answered == [request]


def test_an_empty_answer_completes_a_turn_whose_words_were_final_before() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0, 0)
    call.hear(server.final())
    request = call.finalize()
    call.hear({"transcript": "", "is_final": True, "from_finalize": True})
    assert [(f.text, f.finalize_id) for f in call.finals] == [("w1", None), ("", request)]


def test_without_an_answer_the_newest_interim_is_promoted_at_the_deadline() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.interim())
    request = call.finalize()
    call.pass_time(1.9)
    assert call.finals == []
    call.pass_time(0.2)
    assert [(f.text, f.finalize_id, f.promoted) for f in call.finals] == [("w1 w2", request, True)]


def test_the_late_answer_does_not_say_promoted_words_again() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(3.0)
    call.hear(server.answer())
    call.say(3)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_final_heard_twice_does_not_bring_back_what_an_interim_has_said() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2, 3)
    call.hear(server.interim())
    call.finalize()
    call.pass_time(3.0)
    server.finalizes.clear()
    first = server.final(server.words()[:1])
    call.hear(first)
    call.hear(first)
    call.hear(server.final())
    assert call.words == ["w1", "w2", "w3"]


def test_a_silent_finalize_is_given_up_soon_where_the_server_says_nothing_to_it() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 0, 0)
    call.hear(server.final())
    call.finalize()
    assert call.answered == [1]  # the words cover all speech
    assert server.finalizes  # and the server is asked all the same
    call.say(0)
    call.finalize()
    call.pass_time(0.31)
    assert call.answered == [1, 2]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_what_cannot_get_better_is_not_tried_again(status: int) -> None:
    call = Call()
    call.say(1)
    call.refuse(from_status(status))
    call.pass_time(60.0)
    assert call.session.state is State.CLOSED
    assert call.session.error is not None
    assert call.session.error.status == status
    assert call.opening == []
    assert call.all(Reconnecting) == []


def test_a_language_refused_by_region_is_not_tried_again() -> None:
    call = Call()
    call.refuse(from_status(400, error_code="LANGUAGE_NOT_ENABLED_IN_REGION"))
    assert call.session.error is not None
    assert "region" in str(call.session.error)


@pytest.mark.parametrize("error", [from_status(503), from_close(1006), from_close(1011)])
def test_a_blip_is_tried_again_at_once_and_then_with_patience(error: PulseError) -> None:
    call = Call()
    for _ in range(6):
        call.refuse(error)
        call.pass_time(2.1)
    delays = [event.delay for event in call.all(Reconnecting)]
    assert delays[0] == 0.0
    assert max(delays) <= 2.0
    assert len(set(delays)) > 3  # jitter


def test_too_many_of_us_is_tried_again_slowly_and_given_up_in_the_end() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    delays = []
    for _ in range(40):
        if not call.opening:
            break
        call.refuse(from_status(429))
        delays = [event.delay for event in call.all(Reconnecting)]
        call.pass_time(5.1)
    assert min(delays) >= 0.5
    assert isinstance(call.session.error, RateLimitError)


def test_the_server_is_left_alone_for_as_long_as_it_asks() -> None:
    call = Call()
    call.refuse(from_status(429, retry_after=7.0))
    call.pass_time(6.9)
    assert call.opening == []
    call.pass_time(0.2)
    assert len(call.opening) == 1


def test_a_connection_that_worked_begins_the_patience_anew() -> None:
    call = Call()
    for number in range(1, 31):  # as a server that closes idle connections for hours
        server = call.connect()
        call.say(number)
        call.hear(server.final())
        call.pass_time(1.0)
        call.drop(from_close(1011))
        call.pass_time(0.0)
    assert [event.delay for event in call.all(Reconnecting)] == [0.0] * 30
    assert len(call.words) == 30


@pytest.mark.parametrize("text", ["", "w1"])
@pytest.mark.parametrize("message", [None, "invalid parameter: language", "internal error"])
def test_trouble_without_progress_ends_after_max_outage(text: str, message: str | None) -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    call.say(1)
    tries, began = 0, call.now
    while call.now < began + 60.0 and call.session.state is not State.CLOSED:
        if call.opening:
            tries += 1
            call.connect()
            call.say(1)
            call.hear({"transcript": text, "is_final": False})
            if message is not None:
                call.hear({"status": "error", "message": message})
            if call.servers:
                call.drop(from_close(1011))
        call.pass_time(0.05)
    assert call.session.state is State.CLOSED
    assert call.now < began + 23.0
    assert tries <= 4 + 22
    assert isinstance(call.session.error, PulseError)


def test_a_server_that_answers_one_word_and_hangs_up_is_neither_stormed_nor_given_up() -> None:
    call = Call(timeouts=Timeouts(max_outage=5.0))
    tries, began, number = 0, call.now, 0
    while call.now < began + 60.0:
        if call.opening:
            tries += 1
            server = call.connect()
            number += 1
            call.say(number)
            call.hear(server.final())
            call.drop(from_close(1011))
        call.pass_time(0.05)
    assert call.session.state is not State.CLOSED
    assert tries <= 4 + 60
    assert call.words == [f"w{each}" for each in range(1, number + 1)]


def test_a_server_that_hangs_up_at_once_on_a_silent_caller_is_given_up_too() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    began = call.now
    while call.now < began + 60.0 and call.session.state is not State.CLOSED:
        if call.opening:
            call.connect()
            call.drop(from_close(1011))
        call.pass_time(0.05)
    assert call.session.state is State.CLOSED
    assert call.now < began + 23.0


def test_a_connection_that_is_lost_now_and_then_in_silence_is_no_trouble() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    for _ in range(30):
        call.pass_time(2.0)
        if call.opening:
            call.connect()
        call.pass_time(1.1)
        call.drop(from_close(1011))
    assert call.session.state is not State.CLOSED


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_no_delay_is_not_stormed(status: int) -> None:
    call = Call(timeouts=Timeouts(max_outage=30.0))
    tries, began = 0, call.now
    while call.now < began + 10.0:
        if call.opening:
            tries += 1
            call.refuse(from_status(status, retry_after=0.0))
        call.pass_time(0.01)
    assert tries <= 4 + 10


def test_options_that_are_refused_inside_the_connection_end_the_stream() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.hear({"transcript": "", "is_final": False})
    call.hear({"type": "error", "message": "invalid value for eou_timeout_ms"})
    assert len(call.all(ServerReported)) == 1
    call.drop(None)
    assert call.session.state is State.CLOSED
    assert isinstance(call.session.error, RequestRejectedError)


@pytest.mark.parametrize("prose", ["decoder timed out", "unexpected token in buffer"])
def test_a_server_that_goes_on_after_an_error_keeps_its_connection(prose: str) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear({"status": "error", "message": prose})
    call.say(2)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]
    assert len(call.all(ServerReported)) == 1
    assert call.all(Disconnected) == []
    assert call.session.outgoing.replayed_bytes == 0


@pytest.mark.parametrize(
    "prose",
    [
        "unexpected token in buffer",
        "redaction of credit card data failed",
        "invalid frame",
        "credential store away",
    ],
)
def test_an_error_after_progress_costs_only_the_connection(prose: str) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(2)
    call.hear({"type": "error", "message": prose})
    if call.servers:
        call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.final())
    assert call.words == ["w1", "w2"]


@pytest.mark.parametrize("lived", [0.5, 31.0])
@pytest.mark.parametrize("prose", ["insufficient credits", "Unauthorized: api key revoked"])
def test_a_refused_key_or_credit_ends_the_stream_at_once(prose: str, lived: float) -> None:
    call = Call(timeouts=Timeouts(stall=60.0))
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.pass_time(lived)
    call.hear({"type": "error", "message": prose})
    assert isinstance(call.session.error, PaymentRequiredError | AuthenticationError)


@pytest.mark.parametrize("prose", ["insufficient credits", "Unauthorized: api key revoked"])
def test_a_key_that_is_refused_after_progress_ends_the_stream_within_max_outage(prose: str) -> None:
    call = Call(timeouts=Timeouts(max_outage=10.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    began = call.now
    while call.session.state is not State.CLOSED and call.now < began + 30.0:
        call.say(2)
        if call.opening:
            call.connect()
        if call.servers:
            call.hear({"type": "error", "message": prose})
    assert call.session.state is State.CLOSED
    assert call.now < began + 12.0


def test_a_language_that_is_not_served_ends_a_call_that_works_at_once() -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.interim())
    call.hear({"type": "error", "error_code": "LANGUAGE_NOT_ENABLED_IN_REGION", "message": "no"})
    assert isinstance(call.session.error, RegionError)


@pytest.mark.parametrize(("back_after", "answer_after"), [(4.0, 1.2), (4.5, 0.7), (4.9, 3.0)])
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


def test_options_that_are_refused_on_their_connection_go_back_too() -> None:
    call = Call()
    call.connect()
    call.drop()
    former = call.session.options
    call.session.update(former.changed(language="de"), call.now)
    call.pass_time(0.1)
    call.connect()
    call.hear({"type": "error", "message": "unsupported language"})
    call.drop(None)
    assert len(call.all(OptionsRefused)) == 1
    assert call.session.options == former
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    assert call.words == ["w1"]


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
    server = call.connect()
    call.say(1)
    call.finalize()
    call.hear(server.answer())
    call.drop()
    call.say(0, 0)
    call.end()
    call.pass_time(5.0)
    assert call.session.state is State.CLOSED
    assert call.session.error is None
    assert call.lost == 0.0


def test_a_click_at_the_end_is_no_lost_speech() -> None:
    call = Call(timeouts=Timeouts(close=1.0))
    server = call.connect()
    call.say(1, 2, 3)
    call.finalize()
    call.hear(server.answer())
    call.say(*[0] * 20)
    call.feed(spoken(4)[: RATE // 5])  # 0.1 s
    call.end()
    call.pass_time(20.0)
    assert call.session.state is State.CLOSED
    assert call.lost == 0.0


def test_lost_speech_begins_where_it_does() -> None:
    call = Call(timeouts=Timeouts(close=1.0, stall=60.0))
    server = call.connect()
    call.say(1)
    call.finalize()
    call.hear(server.answer())
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
    server = call.connect()
    call.say(1)
    call.finalize()
    call.hear(server.answer())
    call.drop()
    call.say(*after)
    call.end()
    call.pass_time(20.0)
    assert call.session.state is State.CLOSED
    assert call.lost == pytest.approx(lost, abs=0.06)


def test_an_update_that_cannot_be_made_is_refused_in_time() -> None:
    call = Call()
    call.connect()
    call.session.update(call.session.options.changed(language="de"), call.now)
    call.settle()
    for _ in range(5):
        call.refuse(from_status(503))
        call.pass_time(3.0)
    assert len(call.all(OptionsRefused)) == 1


def test_a_silent_caller_is_not_given_up_by_a_server_that_closes_idle_connections() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    for _ in range(20):
        call.connect()
        call.say(*[0] * 15)
        call.drop(None)
        call.say(0)
    assert call.session.state is not State.CLOSED
    assert call.all(Reconnecting) == []


def test_speech_that_no_server_ever_answered_is_reported_lost() -> None:
    call = Call(timeouts=Timeouts(close=1.0, stall=60.0))
    call.connect()
    call.say(1, 2, 3)
    call.end()
    call.pass_time(10.0)
    assert call.session.state is State.CLOSED
    assert call.lost == pytest.approx(0.6)


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
    server = call.connect()
    call.say(1)
    call.finalize()
    call.hear(server.answer())
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


def test_a_close_in_mid_speech_is_an_outage_whatever_its_code() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.drop(None)
    assert call.session.state is State.WAITING


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


def test_what_does_not_fit_is_lost_to_the_second_and_said_once() -> None:
    call = Call(limits=Limits(replay_seconds=2.0))
    call.say(*range(1, 21))  # 4 s and no connection
    server = call.connect()
    call.pass_time(1.0)
    call.hear(server.final())
    assert call.lost == pytest.approx(2.0, abs=0.051)
    assert len(call.all(AudioLost)) == 1
    assert call.words == [f"w{number}" for number in range(11, 21)]
    assert call.finals[0].words[0].start == pytest.approx(2.0)


def test_what_no_final_covered_for_too_long_is_lost_with_its_connection_and_said() -> None:
    call = Call(limits=Limits(replay_seconds=2.0, backlog_seconds=1.0))
    server = call.connect()
    call.say(*range(1, 16))
    assert call.lost == 0.0  # the final may come yet
    call.hear(server.final(server.words()[:2]))
    call.drop()
    call.pass_time(0.1)
    call.connect()
    (lost,) = call.all(AudioLost)
    assert lost.start == pytest.approx(0.4)
    assert lost.duration == pytest.approx(0.6)


def test_an_outage_is_told_with_its_length_and_what_was_sent_again() -> None:
    call = Call()
    call.connect()
    call.say(1, 2)
    call.drop()
    for _ in range(3):
        call.pass_time(2.0)
        if call.opening:
            call.refuse(from_status(503))
    call.pass_time(2.0)
    call.connect()
    call.pass_time(0.5)
    [recovered] = call.all(Recovered)
    assert recovered.outage >= 2.0
    assert recovered.replayed == pytest.approx(0.4)
    kinds = [type(e) for e in call.events if isinstance(e, Connected | Disconnected)]
    assert kinds == [Connected, Disconnected, Connected]


def test_times_stay_on_the_streams_clock_over_pauses_and_reconnects() -> None:
    call = Call(timeouts=Timeouts(keepalive=2.0))
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.pass_time(9.0)  # muted: the dialect has no keepalive word, silence goes out
    assert server.samples / RATE > 0.2
    call.say(2)
    call.hear(server.final())
    call.drop()
    call.pass_time(0.0)
    again = call.connect()
    call.say(3)
    call.pass_time(0.2)
    call.hear(again.final())
    assert [w.start for f in call.finals for w in f.words] == pytest.approx([0.0, 0.2, 0.4])


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


def test_options_change_on_a_new_connection_without_a_gap() -> None:
    call = Call()
    server = call.connect()
    call.say(1, 2)
    old = call.link
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    assert call.session.state is State.OPEN  # the old one listens on
    call.connect()
    assert server.take_wire()[-1] == "finalize"
    call.session.received(old, server.answer(), call.now)
    call.settle()
    assert old not in call.servers
    call.say(3)
    call.hear(call.server.final())
    assert call.words == ["w1", "w2", "w3"]
    assert len(call.all(OptionsApplied)) == 1
    assert call.all(Disconnected) == []
    assert call.lost == 0


def test_refused_options_leave_the_old_ones_in_force() -> None:
    call = Call()
    server = call.connect()
    call.session.update(call.options.changed(language="xx"), call.now)
    call.settle()
    call.refuse(from_status(400))
    assert [type(e.error).__name__ for e in call.all(OptionsRefused)] == ["RequestRejectedError"]
    assert call.session.options.language == "en"
    call.say(1)
    call.hear(server.final())
    assert call.words == ["w1"]


@pytest.mark.parametrize("connected", [False, True])
def test_options_that_are_refused_when_there_is_no_connection_go_back_too(
    connected: bool,
) -> None:
    call = Call()
    if connected:
        call.connect()
        call.drop()
        call.pass_time(0.0)
    former = call.session.options
    call.session.update(former.changed(language="de"), call.now)
    call.settle()
    call.say(1)
    call.refuse(from_status(400))
    assert [type(error) for error in (e.error for e in call.all(OptionsRefused))] == [
        RequestRejectedError
    ]
    assert call.session.options == former
    server = call.connect()
    call.pass_time(0.5)
    call.hear(server.final())
    assert call.words == ["w1"]


def test_options_that_were_changed_before_the_start_are_refused_for_good() -> None:
    session = Session(PulseOptions(base_url="ws://127.0.0.1:1"), Random(0))
    session.update(session.options.changed(language="de"), 0.0)
    session.start(0.0)
    [opening] = session.take_commands()
    session.disconnected(opening.id, from_status(400), 0.1)
    assert session.state is State.CLOSED
    assert isinstance(session.error, RequestRejectedError)


def test_a_change_of_the_bytes_on_the_wire_is_refused_with_advice() -> None:
    call = Call()
    with pytest.raises(ConfigurationError, match="open another stream"):
        call.session.update(call.options.changed(sample_rate=16_000), call.now)


def test_a_change_that_needs_no_connection_makes_none() -> None:
    call = Call()
    call.connect()
    call.session.update(call.options.changed(timeouts=Timeouts(finalize=1.0)), call.now)
    call.settle()
    assert call.opening == []
    assert len(call.all(OptionsApplied)) == 1


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
    call.drop()
    call.pass_time(0.1)
    server = call.connect()
    call.pass_time(1.0)
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


@pytest.mark.parametrize(
    "garbage",
    [
        "{",
        "[1]",
        "null",
        b"\x00\xff",
        '{"type":"news"}',
        '{"transcript":7,"is_final":"x"}',
        "[" * 100_000,
        '{"transcript":null,"words":null,"is_final":null}',
    ],
)
def test_nonsense_is_counted_and_costs_nothing(garbage: str | bytes) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(garbage)
    assert call.all(MessageIgnored)
    call.hear(server.final())
    assert call.words == ["w1"]


def test_one_bad_field_does_not_cost_the_others() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.hear({"transcript": "w1", "is_final": True, "language": 5, "confidence": "high"})
    assert call.words == ["w1"]
    assert [event.reason for event in call.all(MessageIgnored)] == ["field language"]


def test_an_error_message_that_cannot_get_better_ends_the_stream() -> None:
    call = Call()
    call.connect()
    call.hear({"type": "error", "message": "Invalid API key"})
    assert isinstance(call.session.error, AuthenticationError)


def test_punctuation_is_no_speech() -> None:
    call = Call()
    call.connect()
    call.hear({"transcript": " . ", "is_final": False})
    call.hear({"transcript": "...", "is_final": True})
    assert call.all(Interim) == []
    assert call.finals == []
