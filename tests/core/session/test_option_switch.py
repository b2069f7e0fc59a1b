"""A second connection for changed options that is refused."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import RateLimitError, ServerError, from_status
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.option_switch import OptionSwitch

pytestmark = pytest.mark.unit


def switch() -> OptionSwitch:
    return OptionSwitch(PulseOptions(base_url="ws://127.0.0.1:1"))


def test_a_server_fault_is_tried_again_a_bounded_number_of_times() -> None:
    made = switch()
    assert [made.refused(ServerError("x")) for _ in range(5)] == [0.5, 1.0, 1.5, 2.0, None]
    assert not made.alone


def test_the_server_may_ask_for_more_time() -> None:
    assert switch().refused(from_status(503, retry_after=7.0)) == 7.0


def test_refused_options_are_not_tried_again() -> None:
    made = switch()
    assert made.refused(from_status(400)) is None
    assert not made.alone


def test_where_the_plan_has_no_second_connection_the_first_is_let_go() -> None:
    made = switch()
    assert made.refused(RateLimitError("x")) is None
    assert made.alone
    assert made.draining
