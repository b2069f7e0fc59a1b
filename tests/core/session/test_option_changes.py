"""A change of options in a live stream, as the owner sees it."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConfigurationError,
    PulseError,
    RegionError,
    RequestRejectedError,
    from_status,
)
from pulse_plugins.core.base.events import Disconnected, OptionsApplied, OptionsRefused
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.session import Session
from pulse_plugins.core.session.state import State
from tests.support.call import Call

pytestmark = pytest.mark.unit


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


def test_changes_faster_than_handshakes_are_allowed_do_not_end_the_stream() -> None:
    call = Call(language="en")
    for language in ("de", "fr", "es", "it", "pt", "hi"):
        cancelled = [command.id for command in call.opening]
        call.session.update(call.session.options.changed(language=language), call.now)
        call.settle()
        for connection in cancelled:  # the driver reports the end of each task that it cancels
            gone = PulseError("the connection's task was cancelled", code="cancelled")
            call.session.disconnected(connection, gone, call.now)
            call.settle()
    assert call.session.error is None
    assert call.session.state is State.WAITING
    call.pass_time(1.51)
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    assert call.words == ["w1"]
    assert call.session.options.language == "hi"


def test_a_changed_language_is_tried_in_each_region_before_it_is_refused() -> None:
    urls = ("ws://127.0.0.1:1", "ws://127.0.0.1:2")
    call = Call(language="en", base_url=urls)
    call.connect()
    for _ in range(2):  # after a refusal all regions are tried again
        refused = len(call.all(OptionsRefused))
        call.session.update(call.session.options.changed(language="de"), call.now)
        call.settle()
        for url in urls:
            assert [command.url for command in call.opening] == [url]
            assert len(call.all(OptionsRefused)) == refused
            call.refuse(RegionError("not in this region"))
        assert not call.opening
        assert len(call.all(OptionsRefused)) == refused + 1
        call.pass_time(4.0)
    assert call.session.options.language == "en"
    assert call.session.state is State.OPEN


def test_a_changed_base_url_that_does_not_serve_the_language_is_refused_at_once() -> None:
    call = Call()
    call.connect()
    changed = call.session.options.changed(base_url="ws://127.0.0.1:2")
    call.session.update(changed, call.now)
    call.settle()
    call.refuse(RegionError("not in this region"))
    assert not call.opening
    assert len(call.all(OptionsRefused)) == 1


def test_an_update_that_cannot_be_made_is_refused_in_time() -> None:
    call = Call()
    call.connect()
    call.session.update(call.session.options.changed(language="de"), call.now)
    call.settle()
    for _ in range(5):
        call.refuse(from_status(503))
        call.pass_time(3.0)
    assert len(call.all(OptionsRefused)) == 1


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


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("unsupported language", RequestRejectedError),
        ("Unauthorized: unknown api key", AuthenticationError),
    ],
)
def test_an_error_inside_a_second_connection_refuses_its_options_whatever_the_old_ones_achieved(
    message: str, kind: type[PulseError]
) -> None:
    call = Call()
    server = call.connect()
    call.say(1)
    call.hear(server.final())
    call.say(2)
    call.hear(server.interim())
    call.session.update(call.options.changed(language="de"), call.now)
    call.settle()
    call.connect()  # the old connection still owes a word
    call.hear({"type": "error", "message": message})
    if len(call.servers) == 2:
        call.drop(None)
    [refused] = call.all(OptionsRefused)
    assert type(refused.error) is kind
    call.pass_time(5.0)
    assert call.opening == []
    assert call.session.options.language == "en"


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
