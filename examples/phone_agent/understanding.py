"""Finds the parts of a booking in one turn of a caller.

`understand` takes the text of a turn and returns the slots that the text fills. The function keeps
no state, reads no clock and calls no model. It understands English as people say it on the
telephone ("half past seven") and as a service may format it ("7:30 pm"). The question that the
agent asked last decides what a bare number means.

A stranger chooses the text. So `understand` reads at most `MOST_LETTERS` letters of it, takes a
number of steps that grows linearly with them, and raises no error for any text. It uses no regular
expressions, because a pattern can hide work that grows faster than the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import Enum

from examples.phone_agent.words import (
    DIGITS,
    NUMBERS,
    digit_runs,
    is_number,
    number_at,
    split_words,
)

_LONGEST_NAME = 60  # letters; the database's column holds 80


class Slot(Enum):
    """What the agent can ask for, in the order in which it does."""

    PARTY = "party"
    DAY = "day"
    TIME = "time"
    NAME = "name"
    PHONE = "phone"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Understanding:
    """What one turn says. None means that the turn says nothing about this slot."""

    party: int | None = None
    day: date | None = None
    time: time | None = None
    name: str | None = None
    phone: str | None = None
    yes: bool | None = None
    wants_human: bool = False
    wants_repeat: bool = False
    says_bye: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood."""
        return self == Understanding()


_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTHS = (
    "january february march april may june july august september october november december".split()
)
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        1,
    )
} | {"thirtieth": 30}
_PEOPLE = {"people", "persons", "person", "adults", "guests", "of"}
_TIME_AFTER = {"at", "around", "about", "past", "to"}
_NOT_NAMES = {*NUMBERS, *_DAYS, *_MONTHS, *_ORDINALS, *DIGITS} | set(
    "a actually again and at bye can could days for goodbye hello hi i is it me my no not number "
    "okay p people person please reservation sorry sure table thank thanks that the there this to "
    "tomorrow today tonight we what with yes yeah you your correct right fine".split()
)
_BEFORE_NAME = [lead.split() for lead in ("name is", "names", "this is", "under the name", "under")]
_BEFORE_BARE_NAME = [lead.split() for lead in ("it is", "its", "i am", "im", "i said")]
_HUMAN = (
    "human",
    "person please",
    "operator",
    "manager",
    "real person",
    "speak to",
    "speak with",
    "talk to",
    "talk with",
    "connect me",
)


def understand(text: str, asked: Slot, today: date) -> Understanding:
    """Find what a turn says.

    Args:
        text: The turn's final transcript. Of a long text, the last `MOST_LETTERS` letters count.
        asked: The slot that the agent asked for last.
        today: The day of the call, which "tomorrow" and "Friday" refer to.
    """
    words = split_words(text)
    joined = f" {' '.join(words)} "
    phone = _phone(words, asked)
    rest = _without_digits(words) if phone else words
    day, rest = _day(rest, today)
    at, rest = _time(rest, asked)
    party = _party(rest, asked)
    name = _name(rest, asked)
    said = any(value is not None for value in (party, day, at, name, phone))
    return Understanding(
        party=party,
        day=day,
        time=at,
        name=name,
        phone=phone,
        yes=None if said else _yes(words),
        wants_human=_has(joined, *_HUMAN),
        wants_repeat=_has(joined, "repeat", "say that again", "say it again", "pardon"),
        says_bye=_has(joined, "goodbye", "good bye", "bye"),
    )


def _has(joined: str, *phrases: str) -> bool:
    return any(f" {phrase} " in joined for phrase in phrases)


def _phone(words: list[str], asked: Slot) -> str | None:
    least = 4 if asked is Slot.PHONE else 6
    found = [digits for _, _, digits in digit_runs(words) if least <= len(digits) <= 15]
    return found[-1] if found else None


def _without_digits(words: list[str]) -> list[str]:
    kept, at = [], 0
    for start, end, digits in digit_runs(words):
        if len(digits) >= 4:
            kept += words[at:start]
            at = end
    return kept + words[at:]


def _day(words: list[str], today: date) -> tuple[date | None, list[str]]:
    """Return the day and the other words. The last day counts: "not Monday, Tuesday"."""
    found, rest, at = None, [], 0
    while at < len(words):
        taken = _day_at(words, at, today)
        if taken is None:
            rest.append(words[at])
            at += 1
        else:
            found, took = taken
            at += took
    return found, rest


def _day_at(words: list[str], at: int, today: date) -> tuple[date | None, int] | None:
    """The day that begins at a word, and how many words it takes."""
    word = words[at]
    if words[at : at + 3] == ["day", "after", "tomorrow"]:
        return today + timedelta(2), 3
    if word in ("today", "tonight"):
        return today, 1
    if word == "tomorrow":
        part = words[at + 1 : at + 2]
        return today + timedelta(1), 2 if part in (["morning"], ["evening"], ["night"]) else 1
    if word in _DAYS:
        return today + timedelta((_DAYS.index(word) - today.weekday()) % 7 or 7), 1
    return _date_at(words, at, today)


def _date_at(words: list[str], at: int, today: date) -> tuple[date | None, int] | None:
    """A date such as "December 24" or "the 24th of December", and how many words it takes."""
    month = _month(words, at)
    start = at + 1 + (month is not None and words[at + 1 : at + 2] == ["the"])
    if (month is None and words[at] != "the") or (day := _ordinal(words, start)) is None:
        return None
    end = start + day[1]
    if month is None and words[end : end + 1] == ["of"] and (month := _month(words, end + 1)):
        end += 2
    return _dated(today, day[0], month), end - at


def _month(words: list[str], at: int) -> int | None:
    return _MONTHS.index(words[at]) + 1 if at < len(words) and words[at] in _MONTHS else None


def _ordinal(words: list[str], at: int) -> tuple[int, int] | None:
    if at >= len(words):
        return None
    word = words[at]
    if word in _ORDINALS:
        return _ORDINALS[word], 1
    if is_number(word):
        return (int(word), 1) if len(word) <= 2 and 1 <= int(word) <= 31 else None
    after = words[at + 1] if at + 1 < len(words) else ""
    if word in ("twenty", "thirty") and after in _ORDINALS:
        return NUMBERS[word] + _ORDINALS[after], 2
    return None


def _dated(today: date, day: int, month: int | None) -> date | None:
    """The next such day after today, in the given month or in any month; None within a year."""
    for months in range(13):
        years, index = divmod(today.month - 1 + months, 12)
        if month in (None, index + 1):
            try:
                candidate = date(today.year + years, index + 1, day)
            except ValueError:  # such as 31 June
                continue
            if candidate > today:
                return candidate
    return None


def _time(words: list[str], asked: Slot) -> tuple[time | None, list[str]]:
    """Return the time of day and the other words. A bare hour counts if a time was asked for."""
    found, rest, at = None, [], 0
    while at < len(words):
        taken = _clock(words, at, bare=asked is Slot.TIME)
        if taken is None:
            rest.append(words[at])
            at += 1
        else:
            found, took = taken
            if rest and rest[-1] in _TIME_AFTER:
                rest.pop()
            at += took
    return found, rest


def _clock(words: list[str], at: int, *, bare: bool) -> tuple[time, int] | None:
    """The time of day that begins at a word, and how many words it takes."""
    if words[at] == "noon":
        return time(12), 1
    if words[at] in ("half", "quarter") and words[at + 1 : at + 2] in (["past"], ["to"]):
        return _past_or_to(words, at)
    hour = number_at(words, at)
    if hour is None or hour[1] > 1 or not 1 <= hour[0] <= 23:
        return None
    took, minutes, marked = 1, 0, at > 0 and words[at - 1] in ("at", "around", "about")
    minute = number_at(words, at + 1)
    if minute is not None and 10 <= minute[0] <= 59:
        minutes, took, marked = minute[0], 1 + minute[1], True
    end = at + took
    after = words[end] if end < len(words) else ""
    if after in _PEOPLE:
        return None
    if after in ("oclock", "am", "pm"):
        return _evening(hour[0], minutes, words, end), took + 1
    return (_evening(hour[0], minutes, words, end), took) if marked or bare else None


def _past_or_to(words: list[str], at: int) -> tuple[time, int] | None:
    """A time such as "half past seven" or "quarter to nine", and how many words it takes."""
    hour = number_at(words, at + 2)
    if hour is None or not 1 <= hour[0] <= 12:
        return None
    minutes = 30 if words[at] == "half" else 15
    value, took = hour[0], 2 + hour[1]
    if words[at + 1] == "to":
        value, minutes = (value - 2) % 12 + 1, 60 - minutes
    return _evening(value, minutes, words, at + took), took


def _evening(hour: int, minutes: int, words: list[str], after: int) -> time:
    """Read an hour before eleven as one in the evening, unless the caller says "am"."""
    following = words[after : after + 4]
    morning = "am" in following or "morning" in following
    if hour < 11 and not morning:
        hour += 12
    return time(hour % 24, minutes)


def _party(words: list[str], asked: Slot) -> int | None:
    found = None
    for at, word in enumerate(words):
        number = number_at(words, at)
        if word == "me" and words[max(0, at - 1) : at] == ["just"]:
            found = 1
        elif word == "me" and words[at + 1 : at + 3] == ["and", "my"]:
            found = 2
        elif number is not None:
            before = words[at - 1] if at else ""
            after = words[at + number[1]] if at + number[1] < len(words) else ""
            if found and before == "and" and after in ("children", "kids"):
                found += number[0]
            elif asked is Slot.PARTY or after in _PEOPLE or _is_party(words, at):
                found = number[0]
    return found


def _is_party(words: list[str], at: int) -> bool:
    """Whether the words before a number make it a number of people: "for", "a party of"."""
    before = words[at - 1] if at else ""
    party_of = before == "of" and "party" in words[max(0, at - 3) : at]
    return party_of or before in ("for", "not", "but")


def _name(words: list[str], asked: Slot) -> str | None:
    said = _introduced(words)
    if not said and asked is Slot.NAME:
        said = _bare_name(words)
    parts = []
    for word in said:
        if word in _NOT_NAMES:
            break
        parts.append(word.capitalize())
    return " ".join(parts)[:_LONGEST_NAME] or None


def _introduced(words: list[str]) -> list[str]:
    """Up to three words after "my name is" and the like."""
    for at in range(len(words)):
        for lead in _BEFORE_NAME:
            start = at + len(lead)
            if words[at:start] == lead and _letters(words[start : start + 1]):
                return _letters(words[start : start + 3])
    return []


def _bare_name(words: list[str]) -> list[str]:
    """The whole turn without "it is" and the like, if one to three words remain."""
    for lead in _BEFORE_BARE_NAME:
        if words[: len(lead)] == lead and len(words) > len(lead):
            words = words[len(lead) :]
            break
    return words if len(words) <= 3 and _letters(words) == words else []


def _letters(words: list[str]) -> list[str]:
    """The words before the first number."""
    for at, word in enumerate(words):
        if is_number(word):
            return words[:at]
    return words


def _yes(words: list[str]) -> bool | None:
    joined = f" {' '.join(words)} "
    if _has(joined, "no", "nope", "wrong", "not right", "not correct", "not what i said"):
        return False
    agrees = ("yes", "yeah", "sure", "okay", "correct", "right", "perfect", "great", "fine")
    if _has(joined, *agrees, "that works", "sounds good"):
        return True
    return None
