"""How fast a stream tries to connect again, unless the options say otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.retry import RetryPolicy


def test_the_default_delays_begin_with_a_quarter_second_and_grow_to_one() -> None:
    policy = RetryPolicy()
    assert (policy.base, policy.cap, policy.max_attempts) == (0.25, 1.0, None)


@pytest.mark.parametrize("wrong", [{"base": None}, {"base": -1}, {"max_attempts": 0}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        RetryPolicy(**wrong)
