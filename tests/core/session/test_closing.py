"""How long the last words are waited for."""

from __future__ import annotations

import pytest

from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.core.session.closing import Closing

pytestmark = pytest.mark.unit


def closing(held: float = 8.0) -> Closing:
    options = PulseOptions(base_url="ws://127.0.0.1:1", timeouts=Timeouts(close=5.0))
    made = Closing(OptionsInForce(options))
    assert not made.began
    made.begin(held, 100.0)
    assert made.began
    return made


def test_the_last_words_have_their_time_and_that_of_what_is_held() -> None:
    assert closing().ends_at(None) == 100.0 + 5.0 + 1.0


def test_what_goes_out_later_has_its_time_too_within_a_bound() -> None:
    made = closing()
    made.sent(104.0)
    assert made.ends_at(None) == 109.0
    made.sent(500.0)
    assert made.ends_at(None) == 100.0 + made.seconds == 118.0


def test_a_quiet_server_is_waited_for_two_seconds() -> None:
    made = closing()
    assert made.ends_at(101.0) == 103.0
    assert made.ends_at(105.0) == 106.0


def test_the_second_close_without_a_last_word_is_believed() -> None:
    made = closing()
    made.count_close()
    assert not made.has_no_more_words
    assert not made.has_no_more_words  # to ask does not count
    made.count_close()
    assert made.has_no_more_words
