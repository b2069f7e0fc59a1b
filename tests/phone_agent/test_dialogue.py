from __future__ import annotations

from functools import reduce

from examples.phone_agent.dialogue import Booking, understand
from pulse_plugins.local import recordings


def heard(name: str) -> Booking:
    return reduce(understand, (turn.text for turn in recordings.load(name).turns), Booking())


def test_the_shipped_calls_are_understood() -> None:
    assert heard("booking") == Booking(people=4, day="friday", name="Robert Miller")
    assert heard("change") == Booking(people=6, day="tomorrow", phone="5550142")
    assert heard("human") == Booking(people=5, day="saturday", human=True)


def test_a_correction_overrules_what_was_said() -> None:
    first = understand(Booking(), "a table for four people on Friday")
    assert understand(first, "no, I said six people") == Booking(people=6, day="friday")
    assert understand(first, "thank you") == first
