"""The conversation: what the agent says to what it hears, and when the booking stands.

It asks for what it does not know yet, takes what it is told in any order, reads the booking back
and writes it down after a yes. The same for every framework: text in, `Reply` out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from datetime import date, time

from examples.phone_agent.bookings import Booking, BookingError, BookingStore
from examples.phone_agent.understanding import Slot, Understanding, understand

LARGEST_PARTY = 12
_PATIENCE = 3  # turns in a row that were not understood
_PHONE_DIGITS = 10
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
        ends: It hangs up after them.
        transfer: It hands the call to a person instead.
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
        """Fill in what was said, over what was known; whether there was anything."""
        said = {each.name: getattr(heard, each.name) for each in fields(self)}
        for name, value in said.items():
            if value is not None:
                setattr(self, name, value)
        return any(value is not None for value in said.values())

    def missing(self) -> Slot:
        """What to ask for next; `CONFIRM` when nothing is missing."""
        for slot in (Slot.PARTY, Slot.DAY, Slot.TIME, Slot.NAME, Slot.PHONE):
            if getattr(self, slot.value) is None:
                return slot
        return Slot.CONFIRM


class Dialogue:
    """One call.

    Args:
        store: Where the booking goes.
        today: The day of the call.
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
        """The first words, when the call is answered."""
        return self._say("Hello, this is the Lemon Tree. How many people, and when?")

    def shown(self) -> dict[str, str | bool | None]:
        """The booking so far, for a page: each slot as text, and whether it is written down."""
        draft = self.draft
        return {
            "party": str(draft.party) if draft.party else None,
            "day": f"{draft.day:%a} {draft.day.day} {draft.day:%b}" if draft.day else None,
            "time": f"{draft.time:%H:%M}" if draft.time else None,
            "name": draft.name,
            "phone": draft.phone,
            "booked": self.booked is not None,
        }

    async def hear(self, text: str) -> Reply:
        """The caller's turn.

        Args:
            text: Its final transcript.
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
        """The caller pressed a key: digits of the phone number, or 0 for a person.

        Args:
            key: One of `0123456789*#`.

        Returns:
            What the agent says to it, or None: more keys may follow.
        """
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
        """Says back the time and size once, so that a mistake shows early."""
        if self._asked is Slot.NAME and self.draft.day and self.draft.time:
            return f"{_people(self.draft.party)} {_when(self.draft.day, self.draft.time)}. "
        return ""

    def _summary(self) -> str:
        draft = self.draft
        assert draft.day is not None
        assert draft.time is not None
        phone = " ".join(draft.phone or "")
        return (
            f"A table for {_people(draft.party)} {_when(draft.day, draft.time)}, "
            f"under {draft.name}, phone number {phone}."
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


def _people(party: int | None) -> str:
    return "one person" if party == 1 else f"{party} people"


def _when(day: date, at: time) -> str:
    hour = at.hour % 12 or 12
    minutes = f" {at.minute:02d}" if at.minute else ""
    return f"on {day:%A} the {day.day} at {hour}{minutes} {'am' if at.hour < 12 else 'pm'}"
