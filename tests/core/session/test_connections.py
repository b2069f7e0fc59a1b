"""The life of connections: tries, their end, and changes of options while they live."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import ConnectionLostError, RegionError, from_status
from pulse_plugins.core.base.events import (
    Connected,
    Disconnected,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
)
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.state import State
from tests.support.call import Call

pytestmark = pytest.mark.unit


def change(call: Call, language: str) -> None:
    call.session.update(call.options.changed(language=language), call.now)
    call.settle()


def test_changes_of_options_wait_for_a_token_too() -> None:
    call = Call()
    call.connect()
    for language in ("de", "fr", "es", "it"):
        change(call, language)
    assert call.opening == []
    call.pass_time(1.51)
    assert [each.options.language for each in call.opening] == ["it"]


def test_each_later_try_is_soon_while_the_last_words_are_waited_for() -> None:
    call = Call(retry=RetryPolicy(base=20.0, cap=20.0))
    call.connect()
    call.say(1)
    call.end()
    call.drop()
    call.pass_time(0.0)
    call.refuse(from_status(503))
    call.pass_time(0.26)
    call.refuse(from_status(503))
    assert max(each.delay for each in call.all(Reconnecting)) == pytest.approx(0.25)


def test_the_number_of_tries_is_bounded_where_the_options_say_so() -> None:
    call = Call(retry=RetryPolicy(max_attempts=2))
    call.refuse(from_status(503))
    call.pass_time(0.0)
    call.refuse(from_status(503))
    assert call.session.state is State.CLOSED
    assert call.session.error is not None


def test_a_handshake_that_is_never_done_ends_with_max_outage() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    call.connect()
    call.say(1)
    call.drop()
    call.pass_time(19.9)
    assert call.session.error is None
    call.pass_time(0.2)
    assert call.session.state is State.CLOSED
    assert call.session.error is not None


def test_max_outage_does_not_end_an_open_connection() -> None:
    call = Call(timeouts=Timeouts(max_outage=20.0))
    call.connect()
    call.say(1)
    call.reconnect(30.0)
    assert call.session.state is State.OPEN


def test_a_connection_that_is_still_being_made_is_replaced_by_one_with_the_new_options() -> None:
    call = Call()
    change(call, "de")
    assert [each.options.language for each in call.opening] == ["de"]


def test_the_same_change_twice_asks_for_one_connection() -> None:
    call = Call()
    call.connect()
    change(call, "de")
    [wanted] = call.opening
    change(call, "de")
    assert call.opening == [wanted]


def test_a_change_in_silence_asks_the_old_connection_for_nothing() -> None:
    call = Call()
    old = call.connect()
    call.say(0)
    change(call, "de")
    call.connect()
    assert "finalize" not in old.take_wire()
    assert call.session.options.language == "de"


def test_the_old_connection_has_a_second_for_its_words() -> None:
    call = Call()
    call.connect()
    call.say(1)
    old = call.link
    change(call, "de")
    call.connect()
    call.pass_time(0.95)
    assert old in call.servers
    call.pass_time(0.1)
    assert old not in call.servers


def test_what_is_said_during_a_change_goes_to_the_new_connection_alone() -> None:
    call = Call()
    old = call.connect()
    call.say(1)
    change(call, "de")
    new = call.connect()
    old.take_wire()
    call.say(2)
    assert old.take_wire() == []
    call.pass_time(1.0)
    call.hear(new.final())
    assert call.words == ["w1", "w2"]


def test_a_change_that_the_limit_of_connections_refuses_goes_on_alone() -> None:
    call = Call()
    old = call.connect()
    call.say(1)
    change(call, "de")
    call.refuse(from_status(429))
    assert old.take_wire()[-1] == "finalize"
    call.hear(old.answer())
    assert [each.options.language for each in call.opening] == ["de"]
    assert call.all(OptionsRefused) == []
    assert len(call.all(OptionsApplied)) == 1


@pytest.mark.parametrize("limit", [True, False])
def test_each_connection_that_is_told_is_told_to_have_ended(limit: bool) -> None:
    call = Call()
    old = call.connect()
    call.say(1)
    change(call, "de")
    if limit:
        call.refuse(from_status(429))
        call.hear(old.answer())
        assert call.all(Disconnected) == [Disconnected()]
    call.connect()
    call.pass_time(2.0)
    call.session.abort()
    call.settle()
    assert len(call.all(Connected)) == len(call.all(Disconnected)) == 1 + limit


def test_other_options_are_asked_for_in_each_region_again() -> None:
    call = Call(base_url=("ws://127.0.0.1:1", "ws://127.0.0.1:2"))
    [first] = call.opening
    call.refuse(RegionError("not served here"))
    call.pass_time(0.0)
    [second] = call.opening
    assert second.url != first.url
    change(call, "de")
    assert [each.url for each in call.opening] == [first.url]


def test_a_change_goes_on_with_the_new_connection_when_the_old_one_is_lost_meanwhile() -> None:
    call = Call()
    call.connect()
    call.say(1)
    change(call, "de")
    call.drop()
    assert [each.options.language for each in call.opening] == ["de"]
    assert call.session.state is State.CONNECTING
    call.connect()
    call.say(2, 0)
    call.finalize()
    call.hear(call.server.final())
    assert call.words == ["w1", "w2"]


def test_a_new_connection_is_told_where_the_old_one_is_lost_before_it_has_answered() -> None:
    call = Call()
    call.connect()
    call.say(1)
    link = call.link
    change(call, "de")
    new = call.connect()
    del call.servers[link]
    call.session.disconnected(link, ConnectionLostError("gone"), call.now)
    call.settle()
    kinds = [type(event) for event in call.events]
    assert kinds[-3:] == [OptionsApplied, Connected, Recovered]
    assert call.session.state is State.OPEN
    call.pass_time(0.3)
    call.hear(new.final())
    assert call.words == ["w1"]


def test_a_change_that_waits_for_a_token_connects_when_the_old_connection_is_lost() -> None:
    call = Call()
    call.connect()
    for language in ("de", "fr", "es", "it"):
        change(call, language)
    call.drop()
    call.pass_time(2.0)
    assert [each.options.language for each in call.opening] == ["it"]


def test_the_stream_ends_while_a_change_is_being_made() -> None:
    call = Call()
    call.connect()
    change(call, "de")
    call.session.abort()
    call.settle()
    assert call.opening == []
    assert call.session.state is State.CLOSED
    call.session.abort()
    assert call.session.state is State.CLOSED


def lost_at_the_end(close: float) -> Call:
    """A call whose connection was lost before its last words were final, and whose input ended."""
    call = Call(timeouts=Timeouts(close=close), retry=RetryPolicy(base=0.0))
    call.connect()
    call.say(1)
    call.drop()
    call.pass_time(0.0)
    call.end()
    return call


def test_a_handshake_that_hangs_at_the_end_leaves_time_for_another_one() -> None:
    call = lost_at_the_end(close=5.0)
    [hanging] = call.opening
    call.pass_time(2.6)
    [other] = call.opening
    assert other.id != hanging.id
    server = call.connect()
    call.pass_time(0.2)
    call.hear(server.final(is_last=True))
    assert call.words == ["w1"]
    assert call.session.error is None
    assert call.lost == 0


def test_a_handshake_that_begins_after_the_end_leaves_time_for_another_one() -> None:
    call = Call(retry=RetryPolicy(base=0.0))
    call.connect()
    call.say(1)
    call.end()
    call.drop()
    call.pass_time(0.0)
    [hanging] = call.opening
    call.pass_time(2.6)
    [other] = call.opening
    assert other.id != hanging.id


def test_a_handshake_at_the_end_has_half_of_the_time_that_is_left() -> None:
    call = lost_at_the_end(close=5.0)
    [slow] = call.opening
    call.pass_time(2.4)
    assert call.opening == [slow]
    server = call.connect()
    call.pass_time(0.2)
    call.hear(server.final(is_last=True))
    assert call.words == ["w1"]


def test_a_handshake_at_the_end_has_the_time_that_a_handshake_takes() -> None:
    call = lost_at_the_end(close=1.2)
    [first] = call.opening
    call.pass_time(0.78)
    assert call.opening == [first]
    call.pass_time(0.05)
    [second] = call.opening
    assert second.id != first.id


def test_handshakes_that_hang_at_the_end_are_few() -> None:
    call = lost_at_the_end(close=40.0)
    asked: set[int] = set()
    for _ in range(410):
        call.pass_time(0.1)
        asked |= {each.id for each in call.opening}
    assert call.session.state is State.CLOSED
    assert 5 <= len(asked) <= 8


def test_a_handshake_before_the_end_has_all_the_time_of_the_driver() -> None:
    call = Call()
    call.connect()
    call.say(1)
    call.drop()
    call.pass_time(0.0)
    [first] = call.opening
    call.pass_time(9.9)
    assert call.opening == [first]


def test_a_handshake_that_is_refused_at_the_end_is_not_given_up_later() -> None:
    call = lost_at_the_end(close=5.0)
    call.refuse(from_status(429, retry_after=4.0))
    call.pass_time(3.0)
    assert call.session.state is State.WAITING
    assert call.opening == []


def test_a_handshake_that_is_done_after_it_was_given_up_opens_nothing() -> None:
    call = Call()
    [given_up] = call.opening
    change(call, "de")
    call.session.connected(given_up.id, call.now)
    call.settle()
    assert call.session.state is State.CONNECTING
    assert call.all(Connected) == []


def test_a_request_that_the_end_of_an_old_connection_completes_keeps_its_number() -> None:
    call = Call()
    old = call.connect()
    call.say(1)
    request = call.finalize()
    call.say(0)
    link = call.link
    change(call, "de")
    call.connect()
    assert old.take_wire().count("finalize") == 2  # the second is the session's own
    call.session.received(link, old.final(), call.now)
    call.settle()
    assert call.words == ["w1"]
    assert call.answered == [request]
