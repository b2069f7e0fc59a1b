"""The conversation: what the agent answers to each turn, and when it writes the booking down.

The agent asks for what it does not know yet, and takes answers in any order. It reads the booking
back, and writes it down after a "yes". The dialogue does not depend on a framework: it takes the
text of a turn and returns a `Reply`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from datetime import date, time

from examples.phone_agent.bookings import Booking, BookingError, BookingStore
from examples.phone_agent.spoken import spoken_day, spoken_people, spoken_phone, spoken_time
from examples.phone_agent.understanding import Slot, Understanding, understand

LARGEST_PARTY = 12
_PATIENCE = 3  # turns in a row that were not understood
_PHONE_DIGITS = 10
_KEYS = tuple("0123456789*#")
_log = logging.getLogger("phone_agent")

_QUESTIONS = {
    Slot.PARTY: "For how many people?",
    Slot.DAY: "For which day?",
    Slot.TIME: "At what time?",
    Slot.NAME: "What name is the booking under?",
    Slot.PHONE: "What is your phone number? You can also type it and end with the hash key.",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent says.

    Attributes:
        text: The words.
        ends: Whether the agent hangs up after them.
        transfer: Whether the call should go to a person instead of ending.
    """

    text: str
    ends: bool = False
    transfer: bool = False


@dataclass(slots=True)
class Draft:
    """The booking as far as it is known."""

    party: int | None = None
    day: date | None = None
    time: time | None = None
    name: str | None = None
    phone: str | None = None

    def take(self, heard: Understanding) -> bool:
        """Fill in what a turn says. Returns whether it said anything about the booking."""
        said = {each.name: getattr(heard, each.name) for each in fields(self)}
        for name, value in said.items():
            if value is not None:
                setattr(self, name, value)
        return any(value is not None for value in said.values())

    def missing(self) -> Slot:
        """The slot to ask for next; `CONFIRM` if no slot is empty."""
        for slot in (Slot.PARTY, Slot.DAY, Slot.TIME, Slot.NAME, Slot.PHONE):
            if getattr(self, slot.value) is None:
                return slot
        return Slot.CONFIRM


class Dialogue:
    """The conversation of one call.

    Args:
        store: Where the booking goes.
        today: The day of the call. None: today.

    Attributes:
        draft: The booking as far as it is known.
        booked: The booking that was written down, or None.
    """

    def __init__(self, store: BookingStore, today: date | None = None) -> None:
        self.draft = Draft()
        self.booked: Booking | None = None
        self._store = store
        self._today = today or date.today()
        self._asked = Slot.PARTY
        self._last = Reply("")
        self._misheard = 0
        self._keys = ""

    def greet(self) -> Reply:
        """The agent's first words."""
        return self._say("Hello, this is the Lemon Tree. How many people, and when?")

    def shown(self) -> dict[str, str | bool | None]:
        """The booking so far as text for a page, and under "booked" whether it is written down."""
        draft = self.draft
        return {
            "party": spoken_people(draft.party) if draft.party else None,
            "day": spoken_day(draft.day) if draft.day else None,
            "time": spoken_time(draft.time) if draft.time else None,
            "name": draft.name,
            "phone": draft.phone,
            "booked": self.booked is not None,
        }

    async def hear(self, text: str) -> Reply:
        """Answer a turn of the caller.

        Args:
            text: The turn's final transcript.
        """
        heard = understand(text, self._asked, self._today)
        if heard.wants_human:
            return self._hand_over("One moment, I connect you to a colleague.")
        if heard.wants_repeat:
            return self._last
        if heard.party is not None and not 1 <= heard.party <= LARGEST_PARTY:
            return self._hand_over("For so many people a colleague will help you. One moment.")
        if self.draft.take(heard):
            self._misheard = 0
            return self._ask()
        if heard.says_bye:
            return self._say("Goodbye.", ends=True)
        if self._asked is Slot.CONFIRM and heard.yes is not None:
            self._misheard = 0
            if heard.yes:
                return await self._book()
            return self._say("What should I change?")
        return self._not_understood()

    async def press(self, key: str) -> Reply | None:
        """Take a key that the caller pressed: a digit of the phone number, or 0 for a person.

        Args:
            key: One of `0123456789*#`. The keys A to D of some telephones are ignored.

        Returns:
            What the agent says, or None if it waits for more keys.
        """
        if key not in _KEYS:
            return None
        if self._asked is not Slot.PHONE:
            return self._hand_over("I connect you to a colleague.") if key == "0" else None
        if key == "*":
            self._keys = ""
            return None
        if key != "#":
            self._keys += key
            if len(self._keys) < _PHONE_DIGITS:
                return None
        keys, self._keys = self._keys, ""
        if len(keys) < 4:
            return self._not_understood()
        self.draft.phone = keys
        return self._ask()

    def _ask(self) -> Reply:
        self._asked = self.draft.missing()
        if self._asked is not Slot.CONFIRM:
            return self._say(f"{self._known()}{_QUESTIONS[self._asked]}")
        return self._say(f"{self._summary()} Is that correct?")

    def _known(self) -> str:
        """Repeats people, day and time once, so that the caller notices a mistake early."""
        if self._asked is Slot.NAME and self.draft.day and self.draft.time:
            people = spoken_people(self.draft.party or 0)
            return f"{people.capitalize()}, {_when(self.draft.day, self.draft.time)}. "
        return ""

    def _summary(self) -> str:
        draft = self.draft
        assert draft.party and draft.day and draft.time and draft.name and draft.phone  # noqa: PT018
        return (
            f"A table for {spoken_people(draft.party)}, {_when(draft.day, draft.time)}, "
            f"under {draft.name}, phone number {spoken_phone(draft.phone)}."
        )

    async def _book(self) -> Reply:
        draft = self.draft
        assert draft.party and draft.day and draft.time and draft.name and draft.phone  # noqa: PT018
        booking = Booking(draft.party, draft.day, draft.time, draft.name, draft.phone)
        try:
            await self._store.add(booking)
        except BookingError as error:
            _log.error("a booking could not be written: %s", error)
            return self._hand_over("I cannot write it down right now. A colleague will help you.")
        self.booked = booking
        return self._say("Your table is booked. Thank you, goodbye.", ends=True)

    def _not_understood(self) -> Reply:
        self._misheard += 1
        if self._misheard >= _PATIENCE:
            return self._hand_over("I am sorry, I connect you to a colleague.")
        question = _QUESTIONS.get(self._asked, "Is that correct?")
        last, reply = self._last, Reply(f"Sorry, I did not get that. {question}")
        self._last = last  # "repeat" says the question, not the apology
        return reply

    def _hand_over(self, text: str) -> Reply:
        return Reply(text, ends=True, transfer=True)

    def _say(self, text: str, *, ends: bool = False) -> Reply:
        self._last = Reply(text, ends=ends)
        return self._last


def _when(day: date, at: time) -> str:
    return f"{spoken_day(day)}, at {spoken_time(at)}"
