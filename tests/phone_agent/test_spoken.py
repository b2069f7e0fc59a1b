"""Days, times and numbers are said as people say them."""

from __future__ import annotations

from datetime import date, time

import pytest

from examples.phone_agent.spoken import spoken_day, spoken_people, spoken_phone, spoken_time

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (time(19), "seven o'clock in the evening"),
        (time(19, 30), "half past seven in the evening"),
        (time(19, 45), "quarter to eight in the evening"),
        (time(12, 45), "quarter to one in the afternoon"),
        (time(18, 15), "quarter past six in the evening"),
        (time(20, 5), "eight oh five in the evening"),
        (time(11, 25), "eleven twenty five in the morning"),
        (time(12), "noon"),
        (time(0), "midnight"),
        (time(0, 45), "quarter to one in the morning"),
        (time(23, 45), "quarter to twelve in the evening"),
    ],
)
def test_a_time(at: time, said: str) -> None:
    assert spoken_time(at) == said


def test_a_day() -> None:
    assert spoken_day(date(2026, 12, 4)) == "Friday, 4 December"


def test_a_number_of_people() -> None:
    assert [spoken_people(party) for party in (1, 4, 12)] == [
        "one person",
        "four people",
        "twelve people",
    ]


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        ("5550142", "5 5 5, 0 1 4 2"),
        ("2125550142", "2 1 2, 5 5 5, 0 1 4 2"),
        ("1234", "1 2 3 4"),
        ("15105550100", "1, 5 1 0, 5 5 5, 0 1 0 0"),
    ],
)
def test_a_telephone_number(digits: str, said: str) -> None:
    assert spoken_phone(digits) == said
