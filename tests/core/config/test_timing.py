"""Times and bounds that cannot work are refused, and the text names the field."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.timing import Limits, Timeouts


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Limits, {"replay_seconds": float("nan")}),
        (Limits, {"replay_seconds": float("inf")}),
        (Timeouts, {"connect": "5"}),
        (Timeouts, {"stall": float("nan")}),
        (Timeouts, {"connect": 0}),
    ],
)
def test_a_bound_that_is_no_number_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        kind(**wrong)


def test_the_defaults_fit_the_measured_times_of_the_service() -> None:
    limits, timeouts = Limits(), Timeouts()
    assert limits.replay_seconds == timeouts.max_outage == 60.0
    assert limits.backlog_seconds == 10.0
    assert timeouts.connect == 10.0  # a handshake takes up to 0.8 s
    assert 1.6 < timeouts.finalize < 2.0  # 99 of 100 finals come before, and LiveKit waits longer
    assert timeouts.stall == 3.0
    assert timeouts.close == timeouts.keepalive == 5.0


@pytest.mark.parametrize(("kind", "wrong"), [(Limits, {"backlog_seconds": 0})])
def test_a_bound_that_leaves_no_room_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        kind(**wrong)
