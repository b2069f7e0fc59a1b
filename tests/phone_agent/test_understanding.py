"""What callers say, and what it means."""

from __future__ import annotations

from datetime import date, time

import pytest

from examples.phone_agent.understanding import Slot, Understanding, understand

pytestmark = pytest.mark.unit

SATURDAY = date(2026, 11, 21)


def heard(text: str, asked: Slot = Slot.CONFIRM) -> Understanding:
    return understand(text, asked, SATURDAY)


@pytest.mark.parametrize(
    ("text", "party"),
    [
        ("a table for four please", 4),
        ("we will be six people", 6),
        ("A party of five.", 5),
        ("just me", 1),
        ("me and my wife", 2),
        ("three adults and two children", 5),
        ("a table for two tomorrow at seven", 2),
        ("no i said five people", 5),
        ("sorry not four but six", 6),
        ("not four five people", 5),
        ("a table for 4 at 7:30 pm", 4),
        ("there will be eight of us", 8),
    ],
)
def test_party(text: str, party: int) -> None:
    assert heard(text).party == party


def test_a_bare_number_is_what_was_asked() -> None:
    assert heard("four", Slot.PARTY) == Understanding(party=4)
    assert heard("seven", Slot.TIME) == Understanding(time=time(19))
    assert heard("five five five one two three four", Slot.PHONE) == Understanding(phone="5551234")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("tonight", date(2026, 11, 21)),
        ("tomorrow evening", date(2026, 11, 22)),
        ("the day after tomorrow", date(2026, 11, 23)),
        ("on friday", date(2026, 11, 27)),
        ("on saturday", date(2026, 11, 28)),
        ("no not monday tuesday", date(2026, 11, 24)),
        ("on december twenty fourth", date(2026, 12, 24)),
        ("on the third of january", date(2027, 1, 3)),
        ("on Dec the 5th", date(2026, 12, 5)),
        ("on january the 5th", date(2027, 1, 5)),
        ("the thirty first", date(2026, 12, 31)),
        ("on february thirtieth", None),
    ],
)
def test_day(text: str, day: date | None) -> None:
    assert heard(text).day == day


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("at seven", time(19)),
        ("at seven thirty", time(19, 30)),
        ("seven forty five p m", time(19, 45)),
        ("half past eight", time(20, 30)),
        ("a quarter to nine", time(20, 45)),
        ("quarter past six", time(18, 15)),
        ("around eight o'clock", time(20)),
        ("at noon", time(12)),
        ("at eleven in the morning", time(11)),
        ("at 7:30 PM", time(19, 30)),
        ("at 8 p.m.", time(20)),
    ],
)
def test_time(text: str, at: time) -> None:
    assert heard(text).time == at


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my name is mary johnson", "Mary Johnson"),
        ("the name is clark", "Clark"),
        ("under the name white please", "White"),
        ("this is peter scott", "Peter Scott"),
    ],
)
def test_name(text: str, name: str) -> None:
    assert heard(text).name == name


def test_a_bare_name_is_one_when_it_was_asked() -> None:
    assert heard("helen baker", Slot.NAME).name == "Helen Baker"
    assert heard("it's helen", Slot.NAME).name == "Helen"
    assert heard("yes please", Slot.NAME).name is None


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("my number is five five five oh one nine nine", "5550199"),
        ("it's two one two double five three four eight six one", "2125534861"),
        ("call me back at 555-123-4567", "5551234567"),
    ],
)
def test_phone(text: str, phone: str) -> None:
    assert heard(text).phone == phone


def test_everything_at_once() -> None:
    said = (
        "hello i would like to book a table for four on friday at seven thirty my name is mark lee"
    )
    assert heard(said) == Understanding(
        party=4, day=date(2026, 11, 27), time=time(19, 30), name="Mark Lee"
    )


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("yes that is correct", True),
        ("yeah", True),
        ("that's fine", True),
        ("no", False),
        ("no that's wrong", False),
        ("that is not right", False),
        ("maybe", None),
    ],
)
def test_yes_and_no(text: str, yes: bool | None) -> None:
    assert heard(text).yes is yes


@pytest.mark.parametrize("text", ["can i speak to a person please", "connect me to the manager"])
def test_a_person_is_wanted(text: str) -> None:
    assert heard(text).wants_human


@pytest.mark.parametrize("text", ["can you repeat that please", "could you say that again"])
def test_once_more(text: str) -> None:
    assert heard(text).wants_repeat


@pytest.mark.parametrize("text", ["", "maybe", "i don't know", "hmm the weather is nice"])
def test_nothing_is_made_up(text: str) -> None:
    assert heard(text).is_empty
