"""When to try again."""

from __future__ import annotations

from random import Random

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.session.backoff import Backoff


def delays(policy: RetryPolicy, count: int, *, slow: bool = False) -> list[float | None]:
    backoff = Backoff(policy, Random(1))
    return [backoff.next(slow=slow) for _ in range(count)]


def test_the_first_retry_costs_the_caller_nothing() -> None:
    assert delays(RetryPolicy(), 1) == [0.0]


def test_the_others_are_random_below_a_range_that_doubles_up_to_the_cap() -> None:
    for seed in range(50):
        backoff = Backoff(RetryPolicy(base=0.5, cap=2.0), Random(seed))
        got = [backoff.next() for _ in range(6)]
        assert all(
            d is not None and d <= most for d, most in zip(got[1:], (0.5, 1, 2, 2, 2), strict=True)
        )


def test_slow_delays_are_never_short() -> None:
    got = delays(RetryPolicy(slow_base=1.0, slow_cap=4.0), 6, slow=True)
    assert all(
        d is not None and span / 2 <= d <= span
        for d, span in zip(got, (1, 2, 4, 4, 4, 4), strict=True)
    )


def test_what_the_server_asks_for_is_kept_up_to_a_bound() -> None:
    backoff = Backoff(RetryPolicy(retry_after_cap=30.0), Random(1))
    assert backoff.next(retry_after=12.0) == 12.0
    assert backoff.next(retry_after=4000.0) == 30.0
    assert backoff.next(retry_after=-5.0) == 0.0


def test_attempts_run_out_and_are_given_back_by_a_connection_that_worked() -> None:
    backoff = Backoff(RetryPolicy(max_attempts=3, max_first_attempts=2), Random(1))
    assert backoff.next() is not None
    assert backoff.next() is None
    backoff.worked()
    backoff.reset()
    assert [backoff.next() is None for _ in range(3)] == [False, False, True]


def test_few_attempts_are_not_enough_while_a_server_may_just_be_starting() -> None:
    backoff = Backoff(RetryPolicy(max_first_attempts=2, first_seconds=3.0), Random(1))
    assert [backoff.next(elapsed=at) is None for at in (0.0, 1.0, 2.9, 3.0)] == [False] * 3 + [True]


def test_thousands_of_failures_do_not_overflow() -> None:
    assert delays(RetryPolicy(), 5000)[-1] is not None


@pytest.mark.parametrize("wrong", [{"base": -1.0}, {"slow_cap": -1.0}, {"max_attempts": 0}])
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="RetryPolicy"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
