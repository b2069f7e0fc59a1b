"""Finals without word times: they ack late, and what is heard again is removed by its text."""

from __future__ import annotations

from math import inf

import pytest

from pulse_plugins.core.transcript.delivered import DeliveredWords
from pulse_plugins.core.transcript.untimed import MAX_LATENCY, UntimedPlacement, tokens

pytestmark = pytest.mark.unit


def live(delivered: DeliveredWords | None = None, *, until: float = 5.0) -> UntimedPlacement:
    """A placement on a connection that was sent audio in real time, with a message now and then."""
    placement = UntimedPlacement(delivered or DeliveredWords())
    for tenth in range(round(until * 10) + 1):
        placement.message_came(tenth / 10, 100.0 + tenth / 10)
    return placement


def test_an_ack_lies_the_longest_latency_before_the_sent_audio() -> None:
    placed = live().place("hello you", "en", 0.0, 5.0, inf, 105.0)
    assert placed.ack == pytest.approx(5.0 - MAX_LATENCY, abs=0.11)
    assert not placed.timed


def test_an_ack_never_passes_the_mark_of_its_request() -> None:
    assert live().place("hello", "en", 0.0, 5.0, 2.0, 105.0).ack == 2.0


def test_an_ack_never_goes_back() -> None:
    assert live().place("hello", "en", 4.5, 5.0, inf, 105.0).ack == 4.5


def test_audio_that_a_replay_sent_a_moment_ago_is_not_acked() -> None:
    placement = UntimedPlacement(DeliveredWords())
    placement.message_came(1.0, 100.0)
    placement.message_came(5.0, 100.5)
    assert placement.place("hello", "en", 0.0, 9.0, inf, 101.0).ack == 1.0
    assert placement.place("hello", "en", 0.0, 9.0, inf, 101.6).ack == 5.0


def test_a_replay_delivers_only_what_is_new() -> None:
    delivered = DeliveredWords()
    placement = live(delivered)
    placement.place("one two three", "en", 0.0, 3.0, inf, 103.0)
    delivered.connection_changed(2.0, "en")
    placed = placement.place("two three four", "en", 2.0, 4.0, inf, 104.0)
    assert placed.text == "four"
    assert placement.place("four", "en", 3.0, 4.5, inf, 104.5).text == "four"  # said again


def test_a_script_without_spaces_is_cut_into_characters() -> None:
    assert tokens("你好", "zh") == ["你", "好"]
    assert tokens("hello you", "en") == ["hello", "you"]


def test_what_was_sent_is_noted_ten_times_a_second_and_for_one_second() -> None:
    placement = UntimedPlacement(DeliveredWords())
    for hundredth in range(1000):
        placement.message_came(hundredth / 100, 100.0 + hundredth / 100)
    assert 9 <= len(placement._looks) <= 13


def test_what_another_connection_was_sent_is_not_acked_by_this_one() -> None:
    placement = live()
    placement.connection_changed()
    assert placement.place("hello", "en", 0.0, 5.0, inf, 105.0).ack == 0.0
