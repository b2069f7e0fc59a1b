"""Which base URL is tried: the first healthy one, and a sick one again after a while."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConnectionLostError,
    PulseError,
    RegionError,
)
from pulse_plugins.core.base.events import Connected
from pulse_plugins.core.config.keys import fingerprint
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.commands import OpenConnection
from pulse_plugins.core.session.deadlines import Timer
from pulse_plugins.core.session.endpoint_health import EndpointHealth
from pulse_plugins.core.session.session import Session
from pulse_plugins.core.session.state import State
from tests.support.hearing import RATE, spoken

URLS = ("wss://first", "wss://second", "wss://third")
FIRST, SECOND, THIRD = URLS
KEY = fingerprint("k")  # the memory holds no key


@pytest.fixture
def endpoints() -> EndpointHealth:
    return EndpointHealth()


def test_the_first_in_order_is_preferred(endpoints: EndpointHealth) -> None:
    assert [endpoints.choose(URLS, lambda _: "k", now) for now in (0.0, 1.0, 2.0)] == [FIRST] * 3


def test_one_that_failed_is_passed_over_and_the_next_in_order_taken(
    endpoints: EndpointHealth,
) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, lambda _: "k", 1.0) == SECOND
    endpoints.failed(SECOND, "k", 1.0)
    assert endpoints.choose(URLS, lambda _: "k", 2.0) == THIRD


def test_it_is_tried_again_later_by_one_at_a_time(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, lambda _: "k", 9.9) == SECOND
    assert endpoints.choose(URLS, lambda _: "k", 10.0) == FIRST
    assert (
        endpoints.choose(URLS, lambda _: "k", 10.1) == SECOND
    )  # the first one is being found out about
    endpoints.worked(FIRST, "k")
    assert endpoints.choose(URLS, lambda _: "k", 10.2) == FIRST


def test_a_probe_that_is_never_answered_does_not_bar_it_for_good(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, lambda _: "k", 10.0) == FIRST
    assert endpoints.choose(URLS, lambda _: "k", 24.0) == SECOND
    assert endpoints.choose(URLS, lambda _: "k", 26.0) == FIRST


def test_each_failure_in_a_row_bars_it_for_longer_up_to_a_bound(endpoints: EndpointHealth) -> None:
    now, pauses = 0.0, []
    for _ in range(8):
        endpoints.failed(FIRST, "k", now)
        since = now
        while endpoints.choose(URLS, lambda _: "k", now) != FIRST:
            now += 1.0
        pauses.append(now - since)
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]
    endpoints.worked(FIRST, "k")
    endpoints.failed(FIRST, "k", now)
    assert endpoints.choose(URLS, lambda _: "k", now + 10.0) == FIRST


def test_a_server_is_left_alone_for_as_long_as_it_asked(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0, retry_after=25.0)
    assert endpoints.choose(URLS, lambda _: "k", 24.0) == SECOND
    assert endpoints.choose(URLS, lambda _: "k", 25.0) == FIRST


def test_a_server_cannot_ask_to_be_left_alone_for_more_than_five_minutes(
    endpoints: EndpointHealth,
) -> None:
    endpoints.failed(FIRST, "k", 0.0, retry_after=1000.0)
    assert endpoints.choose(URLS, lambda _: "k", 299.0) == SECOND
    assert endpoints.choose(URLS, lambda _: "k", 300.0) == FIRST


def test_if_all_failed_the_one_that_is_due_first_is_tried(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    endpoints.failed(FIRST, "k", 0.0)
    endpoints.failed(SECOND, "k", 1.0)
    endpoints.failed(THIRD, "k", 2.0)
    assert endpoints.choose(URLS, lambda _: "k", 3.0) == SECOND


def test_an_only_url_is_always_tried(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose((FIRST,), lambda _: "k", 0.1) == FIRST


def test_one_keys_trouble_is_not_anothers(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "over its limit", 0.0)
    assert endpoints.choose(URLS, lambda _: "another", 0.1) == FIRST


def test_what_is_remembered_is_bounded_and_the_oldest_goes(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    for number in range(511):
        endpoints.failed(f"wss://{number}", "k", 0.0)
    assert endpoints.choose(URLS, lambda _: "k", 1.0) == SECOND
    endpoints.failed("wss://one-more", "k", 0.0)
    assert endpoints.choose(URLS, lambda _: "k", 1.0) == FIRST


class Dialling:
    """A session whose connections the test makes and breaks, on a clock of its own."""

    def __init__(self, endpoints: EndpointHealth) -> None:
        options = PulseOptions(base_url=URLS[:2], api_key="k", sample_rate=RATE)
        self.session = Session(options, Random(0), endpoints)
        self.now = 0.0
        self.opening: OpenConnection | None = None
        self.session.start(self.now)

    def dials(self) -> str:
        """The base URL of the connection that is wanted now."""
        self.now = max(self.now, self.session.deadlines.next() or 0.0)
        self.session.advance(self.now)
        wanted = [each for each in self.session.take_commands() if isinstance(each, OpenConnection)]
        (self.opening,) = wanted
        return self.opening.url

    def connects(self) -> Connected:
        assert self.opening is not None
        self.session.connected(self.opening.id, self.now)
        event = self.session.events[0]
        assert isinstance(event, Connected)
        self.session.events.clear()
        return event

    def breaks(self, error: PulseError | None = None) -> None:
        assert self.opening is not None
        error = error or ConnectionLostError("gone")
        self.session.disconnected(self.opening.id, error, self.now)
        self.session.events.clear()


def test_a_stream_goes_to_the_next_url_and_says_so_once_it_is_there(
    endpoints: EndpointHealth,
) -> None:
    call = Dialling(endpoints)
    assert call.dials() == FIRST
    call.breaks()
    assert call.dials() == SECOND
    arrived = call.connects()
    assert (arrived.url, arrived.failed_over, arrived.attempt) == (SECOND, True, 2)


def test_a_reconnect_to_the_same_url_is_no_fail_over(endpoints: EndpointHealth) -> None:
    call = Dialling(endpoints)
    for url in (FIRST, SECOND):
        assert call.dials() == url
        call.breaks()
    assert call.dials() == FIRST  # both failed: the one that is due first
    call.breaks()
    assert call.dials() == SECOND
    call.breaks()
    endpoints.worked(SECOND, KEY)  # another stream heard from it
    assert call.dials() == SECOND
    assert not call.connects().failed_over


def test_a_stream_that_begins_with_the_second_url_has_not_failed_over(
    endpoints: EndpointHealth,
) -> None:
    endpoints.failed(FIRST, KEY, 0.0)
    call = Dialling(endpoints)
    assert call.dials() == SECOND
    assert not call.connects().failed_over


def test_what_no_server_can_do_better_is_held_against_none(endpoints: EndpointHealth) -> None:
    call = Dialling(endpoints)
    assert call.dials() == FIRST
    call.breaks(AuthenticationError("the key is wrong"))
    assert call.session.state is State.CLOSED
    assert endpoints.choose(URLS, lambda _: KEY, call.now) == FIRST


def test_a_url_that_brings_words_is_healthy_again_for_all(endpoints: EndpointHealth) -> None:
    endpoints.failed(FIRST, KEY, -10.0)
    call = Dialling(endpoints)
    assert call.dials() == FIRST
    assert endpoints.choose(URLS, lambda _: KEY, call.now) == SECOND
    call.connects()
    assert call.opening is not None
    call.session.audio(spoken(1), call.now)
    assert call.session.next_outgoing(call.opening.id, call.now) is not None
    call.session.received(
        call.opening.id,
        '{"transcript":"hello","is_final":true,"words":[{"word":"hello","start":0,"end":0.1}]}',
        call.now,
    )
    assert endpoints.choose(URLS, lambda _: KEY, call.now) == FIRST


def test_a_language_that_is_not_served_here_is_asked_for_in_the_other_regions_once_each(
    endpoints: EndpointHealth,
) -> None:
    call = Dialling(endpoints)
    assert call.dials() == FIRST
    call.breaks(RegionError("not served here"))
    assert call.session.deadlines.at(Timer.RETRY) == call.now  # at once
    assert call.dials() == SECOND
    call.breaks()  # a blip is no answer
    assert call.dials() == SECOND
    call.breaks(RegionError("not served here"))
    assert isinstance(call.session.error, RegionError)
    assert endpoints.choose(URLS, lambda _: KEY, call.now) == FIRST  # other languages are
