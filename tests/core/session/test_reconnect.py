"""How long an outage may last, and when it is over."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.base.errors import PulseError, from_close, from_status
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.session.reconnect import Outage


def outage() -> Outage:
    made = Outage(RetryPolicy(), Random(1))
    made.began(100.0)
    return made


@pytest.mark.parametrize(
    ("error", "refused", "goes_on"),
    [
        (from_status(503), False, True),
        (from_close(1006), False, True),
        (from_close(1011), True, False),
        (from_status(429), True, False),
        (from_close(1008), True, False),
        (from_status(401), False, False),
        (from_status(402), False, False),
        (from_status(403), False, False),
        (from_status(404), False, False),
        (from_status(400), False, False),
    ],
)
def test_after_a_minute_only_who_cannot_be_reached_is_tried_on(
    error: PulseError, refused: bool, goes_on: bool
) -> None:
    delay = outage().next_try(error, 161.0, refused=refused, max_outage=60.0)
    assert (delay is not None) is goes_on


def test_a_server_that_refuses_is_tried_until_then() -> None:
    assert outage().next_try(from_status(429), 159.0, refused=True, max_outage=60.0) is not None


def test_it_is_over_once_when_all_was_sent_again() -> None:
    made = outage()
    made.replays(1000, 5000)
    assert made.recovered(4999, 103.0) is None
    assert made.recovered(5000, 104.0) == (4.0, 4000)
    assert made.recovered(5000, 105.0) is None


def test_a_second_loss_before_that_makes_one_outage_of_both() -> None:
    made = outage()
    made.began(103.0)
    made.replays(0, 0)
    assert made.recovered(0, 104.0) == (4.0, 0)


def test_an_idle_close_is_none() -> None:
    made = outage()
    made.slept()
    made.replays(0, 0)
    assert made.recovered(0, 110.0) is None


def test_the_end_hurries_unless_the_server_asked_us_to_wait() -> None:
    made = outage()
    for _ in range(8):
        made.next_try(from_status(503), 100.0, refused=False, max_outage=60.0)
    made.hurry(100.0)
    assert made.retry_at <= 100.25
    made.next_try(from_status(429, retry_after=9.0), 101.0, refused=True, max_outage=60.0)
    made.hurry(101.0)
    assert made.retry_at == 110.0
