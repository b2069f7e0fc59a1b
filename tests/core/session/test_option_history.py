"""What is known of the options in force."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base.errors import (
    AuthenticationError,
    ConnectionLostError,
    PulseError,
    RequestRejectedError,
    ServerError,
)
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.option_history import OptionHistory

pytestmark = pytest.mark.unit
FIRST = PulseOptions(base_url="ws://127.0.0.1:1")
SECOND = FIRST.changed(language="de")
THIRD = FIRST.changed(language="hi")
REJECTED = RequestRejectedError("x")
DENIED = AuthenticationError("x")


def history() -> tuple[OptionHistory, OptionsInForce]:
    in_force = OptionsInForce(FIRST)
    return OptionHistory(in_force), in_force


def test_options_that_brought_no_ack_can_be_taken_back_to_the_last_that_could() -> None:
    made, in_force = history()
    made.adopt(SECOND, revertible=True)
    made.adopt(THIRD, revertible=True)
    assert made.can_revert
    made.revert()
    assert in_force.options is FIRST
    assert not made.can_revert


def test_an_ack_makes_the_options_the_ones_to_go_back_to() -> None:
    made, in_force = history()
    made.adopt(SECOND, revertible=True)
    made.ack_came()
    assert not made.can_revert
    made.adopt(THIRD, revertible=True)
    made.revert()
    assert in_force.options is SECOND


def test_options_before_any_connection_are_not_gone_back_to() -> None:
    made, in_force = history()
    made.adopt(SECOND, revertible=False)
    assert in_force.options is SECOND
    assert not made.can_revert


@pytest.mark.parametrize(
    ("text", "ack", "reported", "believed"),
    [
        (False, False, REJECTED, True),
        (True, False, REJECTED, False),
        (False, False, DENIED, True),
        (True, False, DENIED, True),
        (True, True, DENIED, False),
        (True, True, ConnectionLostError("x"), True),
    ],
)
def test_a_refusal_is_believed_until_the_options_have_worked(
    text: bool, ack: bool, reported: PulseError, believed: bool
) -> None:
    made, _ = history()
    if text:
        made.text_came()
    if ack:
        made.ack_came()
    understood = made.believed(reported)
    assert (understood is reported) is believed
    assert believed or isinstance(understood, ServerError)


def test_other_options_have_to_prove_themselves_again() -> None:
    made, _ = history()
    made.text_came()
    made.adopt(FIRST.changed(timeouts=Timeouts(finalize=1.0)), revertible=True)
    assert made.believed(REJECTED) is not REJECTED
    made.adopt(SECOND, revertible=True)
    assert made.believed(REJECTED) is REJECTED
