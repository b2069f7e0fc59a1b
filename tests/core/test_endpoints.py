"""Which base URL is tried: the first healthy one, and a sick one again after a while."""

from __future__ import annotations

import pytest

from pulse_plugins.core.endpoints import Endpoints

URLS = ("wss://first", "wss://second", "wss://third")
FIRST, SECOND, THIRD = URLS


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


def test_the_first_in_order_is_preferred(endpoints: Endpoints) -> None:
    assert [endpoints.choose(URLS, "k", now) for now in (0.0, 1.0, 2.0)] == [FIRST] * 3


def test_one_that_failed_is_passed_over_and_the_next_in_order_taken(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, "k", 1.0) == SECOND
    endpoints.failed(SECOND, "k", 1.0)
    assert endpoints.choose(URLS, "k", 2.0) == THIRD


def test_it_is_tried_again_later_by_one_at_a_time(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, "k", 9.9) == SECOND
    assert endpoints.choose(URLS, "k", 10.0) == FIRST
    assert endpoints.choose(URLS, "k", 10.1) == SECOND  # the first one is being found out about
    endpoints.worked(FIRST, "k")
    assert endpoints.choose(URLS, "k", 10.2) == FIRST


def test_a_probe_that_is_never_answered_does_not_bar_it_for_good(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose(URLS, "k", 10.0) == FIRST
    assert endpoints.choose(URLS, "k", 26.0) == FIRST


def test_each_failure_in_a_row_bars_it_for_longer_up_to_a_bound(endpoints: Endpoints) -> None:
    now, pauses = 0.0, []
    for _ in range(8):
        endpoints.failed(FIRST, "k", now)
        since = now
        while endpoints.choose(URLS, "k", now) != FIRST:
            now += 1.0
        pauses.append(now - since)
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]
    endpoints.worked(FIRST, "k")
    endpoints.failed(FIRST, "k", now)
    assert endpoints.choose(URLS, "k", now + 10.0) == FIRST


def test_a_server_is_left_alone_for_as_long_as_it_asked(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0, retry_after=25.0)
    assert endpoints.choose(URLS, "k", 24.0) == SECOND
    assert endpoints.choose(URLS, "k", 25.0) == FIRST


def test_if_all_failed_the_one_that_is_due_first_is_tried(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    endpoints.failed(FIRST, "k", 0.0)
    endpoints.failed(SECOND, "k", 1.0)
    endpoints.failed(THIRD, "k", 2.0)
    assert endpoints.choose(URLS, "k", 3.0) == SECOND


def test_an_only_url_is_always_tried(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    assert endpoints.choose((FIRST,), "k", 0.1) == FIRST


def test_one_keys_trouble_is_not_anothers(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "over its limit", 0.0)
    assert endpoints.choose(URLS, "another", 0.1) == FIRST


def test_what_is_remembered_is_bounded_and_the_oldest_goes(endpoints: Endpoints) -> None:
    endpoints.failed(FIRST, "k", 0.0)
    for number in range(511):
        endpoints.failed(f"wss://{number}", "k", 0.0)
    assert endpoints.choose(URLS, "k", 1.0) == SECOND
    endpoints.failed("wss://one-more", "k", 0.0)
    assert endpoints.choose(URLS, "k", 1.0) == FIRST
