"""When to try again, how long trouble may last, and how many handshakes there are."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.reconnect import RetryBudget

pytestmark = pytest.mark.unit


def budget(**policy: object) -> RetryBudget:
    options = PulseOptions(
        base_url="ws://127.0.0.1:1",
        retry=RetryPolicy(**policy),  # type: ignore[arg-type]
        timeouts=Timeouts(max_outage=60.0),
    )
    return RetryBudget(OptionsInForce(options), Random(0))


def delays(made: RetryBudget, count: int, *, slow: bool = False) -> list[float]:
    found = []
    for number in range(count):
        made.failed(100.0 + number)
        found.append(made.delay(slow=slow, retry_after=None))
    return found


def test_the_first_try_is_made_at_once_and_later_ones_within_their_bounds() -> None:
    found = [delays(budget(base=0.25, cap=1.0), 6) for _ in range(50)]
    assert {each[0] for each in found} == {0.0}
    for number, bound in enumerate((0.25, 0.5, 1.0, 1.0, 1.0), 1):
        assert all(bound / 2 <= each[number] <= bound for each in found)


def test_a_server_with_too_many_connections_is_given_time() -> None:
    for _ in range(50):
        found = delays(budget(), 5, slow=True)
        for delay, span in zip(found, (1.0, 2.0, 4.0, 5.0, 5.0), strict=True):
            assert span / 2 <= delay <= span


@pytest.mark.parametrize("slow", [True, False])
def test_the_delays_of_two_streams_differ(slow: bool) -> None:
    found = set()
    for seed in range(20):
        made = RetryBudget(OptionsInForce(PulseOptions(base_url="ws://127.0.0.1:1")), Random(seed))
        found.add(delays(made, 3, slow=slow)[-1])
    assert len(found) == 20


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (300.0, 30.0), (0.0, 0.0)])
def test_what_a_server_asks_for_can_only_make_it_slower(asked: float, waited: float) -> None:
    made = budget()
    made.failed(100.0)
    assert made.delay(slow=False, retry_after=asked) == waited


def test_trouble_lasts_at_most_max_outage_without_progress() -> None:
    made = budget()
    assert not made.is_spent(100.0)
    made.failed(100.0)
    assert made.ends_at == 160.0
    assert not made.is_spent(159.9)
    assert made.is_spent(160.0)
    made.progress()
    assert made.ends_at is None
    made.failed(200.0)
    assert not made.is_spent(259.0)


def test_the_number_of_failures_in_a_row_can_be_bounded() -> None:
    made = budget(max_attempts=2)
    made.failed(100.0)
    assert not made.is_spent(100.0)
    made.progress()
    made.failed(100.0)
    made.failed(100.0)
    assert made.is_spent(100.0)


def test_a_stream_that_ends_tries_soon_unless_the_server_has_too_many_connections() -> None:
    made = budget()
    made.failed(100.0)
    made.delay(slow=False, retry_after=None)
    assert made.hurried(5.0) == 0.25
    assert made.hurried(0.1) == 0.1
    made.delay(slow=True, retry_after=None)
    assert made.hurried(5.0) == 5.0


def test_handshakes_follow_a_token_bucket() -> None:
    made, now, taken = budget(), 100.0, 0
    while now < 120.0:
        wait = made.wait_for_token(now)
        if wait:
            now += wait
        else:
            taken += 1
    assert taken in (4 + 19, 4 + 18)  # a token is taken up to half a second late, and none is lost


def test_streams_that_lost_their_connections_at_once_do_not_try_again_at_once() -> None:
    moments = []
    for seed in range(100):
        made = RetryBudget(OptionsInForce(PulseOptions(base_url="ws://127.0.0.1:1")), Random(seed))
        now = 100.0
        while now < 110.0:
            made.failed(now)
            now += made.delay(slow=False, retry_after=None)
            while wait := made.wait_for_token(now):
                now += wait
        moments.append(now)
    assert max(moments) - min(moments) > 0.4
    assert max(sum(at <= each < at + 0.05 for each in moments) for at in moments) < 30


def test_a_long_rest_saves_up_no_more_than_the_burst() -> None:
    made = budget()
    assert [made.wait_for_token(100.0) for _ in range(4)] == [0.0] * 4
    assert 1.0 <= made.wait_for_token(100.0) <= 1.5
    assert [made.wait_for_token(10_000.0) for _ in range(4)] == [0.0] * 4
    assert made.wait_for_token(10_000.0) > 0.0
