"""Errors and nonsense that a server sends on an open connection."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    PaymentRequiredError,
    RegionError,
    RequestRejectedError,
)
from pulse_plugins.core.base.events import Disconnected, Interim, MessageIgnored, ServerReported
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call

pytestmark = pytest.mark.unit


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
