"""Times and bounds that cannot work are refused, and the text names the field."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Limits, {"replay_seconds": float("nan")}),
        (Limits, {"replay_seconds": float("inf")}),
        (Timeouts, {"connect": "5"}),
        (Timeouts, {"stall": float("nan")}),
        (Timeouts, {"connect": 0}),
        (RetryPolicy, {"base": None}),
    ],
)
def test_a_bound_that_is_no_number_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        kind(**wrong)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Limits, {"backlog_seconds": 0}),
        (RetryPolicy, {"base": -1}),
        (RetryPolicy, {"max_attempts": 0}),
    ],
)
def test_a_bound_that_leaves_no_room_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        kind(**wrong)
