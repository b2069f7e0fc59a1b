"""A conversation, turn by turn, and what stands in the database after it."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest

from examples.phone_agent.bookings import Booking, BookingStore
from examples.phone_agent.dialogue import Dialogue, Reply

SATURDAY = date(2026, 11, 21)
TURNS = (
    "a table for four on friday at seven thirty",
    "my name is mary johnson",
    "five five five oh one nine nine",
)
BOOKED = Booking(4, date(2026, 11, 27), time(19, 30), "Mary Johnson", "5550199")


@pytest.fixture
def store(tmp_path: Path) -> BookingStore:
    return BookingStore(f"sqlite:///{tmp_path}/bookings.db")


async def talk(dialogue: Dialogue, *turns: str) -> Reply:
    reply = dialogue.greet()
    for turn in turns:
        reply = await dialogue.hear(turn)
    return reply


async def test_a_booking_is_read_back_and_written_after_a_yes(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    reply = await talk(dialogue, *TURNS)
    said = "four people, Friday, 27 November, at half past seven in the evening, under Mary Johnson"
    for part in (said, "5 5 5, 0 1 9 9"):
        assert part in reply.text
    assert await store.all() == []
    reply = await dialogue.hear("yes that is correct")
    assert reply.ends
    assert await store.all() == [BOOKED]


async def test_it_asks_for_one_thing_after_the_other(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    dialogue.greet()
    asked = [(await dialogue.hear(turn)).text for turn in ("four", "on friday", "seven thirty")]
    assert [text.split()[-1] for text in asked] == ["day?", "time?", "under?"]


async def test_a_correction_wins_at_any_time(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    await talk(dialogue, TURNS[0], "no i said five people", *TURNS[1:], "no", "make it saturday")
    await dialogue.hear("yes")
    [booking] = await store.all()
    assert (booking.party, booking.day) == (5, date(2026, 11, 28))


async def test_what_was_not_understood_is_asked_again_and_then_a_person_helps(
    store: BookingStore,
) -> None:
    dialogue = Dialogue(store, SATURDAY)
    reply = await talk(dialogue, "maybe")
    assert "did not get that" in reply.text
    assert not reply.ends
    await dialogue.hear("hmm")
    assert (await dialogue.hear("i don't know")).transfer


async def test_the_question_can_be_heard_again(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    question = await talk(dialogue, "four", "the weather is nice")
    assert (await dialogue.hear("can you repeat that")).text == "For which day?"
    assert question.text.endswith("For which day?")


@pytest.mark.parametrize("turn", ["can i speak to a person please", "a table for thirty"])
async def test_a_person_takes_over(store: BookingStore, turn: str) -> None:
    reply = await talk(Dialogue(store, SATURDAY), turn)
    assert reply.transfer
    assert reply.ends


async def test_the_phone_number_can_be_typed(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    await talk(dialogue, *TURNS[:2])
    for key in "12*5550199":
        assert await dialogue.press(key) is None
    reply = await dialogue.press("#")
    assert reply is not None
    await dialogue.hear("yes")
    assert await store.all() == [BOOKED]


async def test_the_keys_a_to_d_of_some_telephones_are_ignored(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    await talk(dialogue, *TURNS[:2])
    for key in "A555B0199":
        assert await dialogue.press(key) is None
    await dialogue.press("#")
    assert dialogue.draft.phone == "5550199"


async def test_the_page_shows_a_booking_as_people_say_it(store: BookingStore) -> None:
    dialogue = Dialogue(store, SATURDAY)
    await talk(dialogue, *TURNS)
    assert dialogue.shown() == {
        "party": "four people",
        "day": "Friday, 27 November",
        "time": "half past seven in the evening",
        "name": "Mary Johnson",
        "phone": "5550199",
        "booked": False,
    }


async def test_zero_is_for_a_person(store: BookingStore) -> None:
    reply = await Dialogue(store, SATURDAY).press("0")
    assert reply is not None
    assert reply.transfer


async def test_a_dead_database_hands_over_and_tells_no_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dialogue = Dialogue(BookingStore("sqlite:////nowhere/at/all.db"), SATURDAY)
    reply = await talk(dialogue, *TURNS, "yes")
    assert reply.transfer
    assert "could not be written" in caplog.text
    assert "Johnson" not in caplog.text
    assert "5550199" not in caplog.text
