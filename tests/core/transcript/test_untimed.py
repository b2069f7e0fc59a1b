"""Finals without word times: they ack late, and what is heard again is removed by its text."""

from __future__ import annotations

from math import inf

import pytest

from pulse_plugins.core.transcript.delivered import DeliveredWords
from pulse_plugins.core.transcript.untimed import MAX_LATENCY, UntimedPlacement, keys_of, tokens

pytestmark = pytest.mark.unit


def test_an_ack_lies_the_longest_latency_before_the_sent_audio() -> None:
    placement = UntimedPlacement(DeliveredWords())
    placed = placement.place("hello you", "en", 0.0, 5.0, inf)
    assert placed.ack == 5.0 - MAX_LATENCY
    assert not placed.timed


def test_an_ack_never_passes_the_mark_of_its_request() -> None:
    placement = UntimedPlacement(DeliveredWords())
    assert placement.place("hello", "en", 0.0, 5.0, 2.0).ack == 2.0


def test_an_ack_never_goes_back() -> None:
    placement = UntimedPlacement(DeliveredWords())
    assert placement.place("hello", "en", 4.5, 5.0, inf).ack == 4.5


def test_a_replay_delivers_only_what_is_new() -> None:
    delivered = DeliveredWords()
    placement = UntimedPlacement(delivered)
    placement.place("one two three", "en", 0.0, 3.0, inf)
    delivered.connection_changed(2.0, "en")
    placed = placement.place("two three four", "en", 2.0, 4.0, inf)
    assert placed.text == "four"
    assert placement.place("four", "en", 3.0, 4.5, inf).text == "four"  # said again


def test_a_script_without_spaces_is_cut_into_characters() -> None:
    assert tokens("你好", "zh") == ["你", "好"]
    assert tokens("hello you", "en") == ["hello", "you"]


@pytest.mark.parametrize(("seconds", "duplicate"), [(0.3, True), (0.4, False)])
def test_equal_finals_within_a_third_of_a_second_are_one(seconds: float, duplicate: bool) -> None:
    placement = UntimedPlacement(DeliveredWords())
    placement.note(["hello"], 5.0, 100.0)
    assert placement.is_duplicate(["hello"], 5.0 + seconds, 100.0 + seconds) is duplicate
    assert not placement.is_duplicate(["you"], 5.0, 100.0)


def test_a_text_says_again_the_final_before_or_an_end_of_it() -> None:
    placement = UntimedPlacement(DeliveredWords())
    placement.note(keys_of("One, two, three.", "en"), 5.0, 100.0)
    assert placement.says_again(["one", "two"])
    assert placement.says_again(["three"])
    assert not placement.says_again(["two"])
    assert not placement.says_again([])
    placement.connection_changed()
    assert not placement.says_again(["three"])
