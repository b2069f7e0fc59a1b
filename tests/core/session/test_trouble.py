"""What is tried again, how soon, and until when."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import PulseError, RateLimitError, from_close, from_status
from pulse_plugins.core.base.events import Reconnecting
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call

pytestmark = pytest.mark.unit


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
