"""What a caller's words say about a booking: text in, slots out; no state, no clock, no model.

English as it is spoken to a restaurant's phone, in words ("half past seven") or as a service
formats it ("7:30 pm"). What was asked last decides what a bare number is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import Enum


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
    """What one turn says; None: nothing about it."""

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


_UNITS = dict(
    zip("zero one two three four five six seven eight nine".split(), range(10), strict=True)
)
_NUMBERS = {
    **_UNITS,
    **dict(zip("ten eleven twelve thirteen fourteen fifteen".split(), range(10, 16), strict=True)),
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
}
_DIGITS = {**{word: str(n) for word, n in _UNITS.items()}, "oh": "0", "o": "0"}
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
_NOT_NAMES = {*_NUMBERS, *_DAYS, *_MONTHS, *_ORDINALS, *_DIGITS} | set(
    "a actually again and at bye can could days for goodbye hello hi i is it me my no not number "
    "okay p people person please reservation sorry sure table thank thanks that the there this to "
    "tomorrow today tonight we what with yes yeah you your correct right fine".split()
)


def understand(text: str, asked: Slot, today: date) -> Understanding:
    """What a turn says.

    Args:
        text: The turn's final transcript.
        asked: What the agent asked for last.
        today: For "tomorrow", and for which Friday "Friday" is.
    """
    words = _words(text)
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
        wants_human=_has(joined, "human", "person please", "operator", "manager", "real person")
        or bool(re.search(r" (speak|talk) (to|with) | connect me ", joined)),
        wants_repeat=_has(joined, "repeat", "say that again", "say it again", "pardon"),
        says_bye=_has(joined, "goodbye", "good bye", "bye"),
    )


def _words(text: str) -> list[str]:
    text = re.sub(r"(\d{1,2})[:.](\d{2})\b", r"\1 \2", text.lower())
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"(?<=\d)[- ()]+(?=\d{3,})", "", text)  # a phone number in groups
    return re.findall(r"[a-z']+|\d+", text.replace("'", ""))


def _has(joined: str, *phrases: str) -> bool:
    return any(f" {phrase} " in joined for phrase in phrases)


def _number(words: list[str], at: int) -> tuple[int, int] | None:
    """The number that begins at a word, and how many words it takes."""
    if at >= len(words):
        return None
    word = words[at]
    if word.isdigit():
        return int(word), 1
    if word not in _NUMBERS:
        return None
    value = _NUMBERS[word]
    following = _NUMBERS.get(words[at + 1], 0) if at + 1 < len(words) else 0
    if value >= 20 and 1 <= following <= 9:
        return value + following, 2
    return value, 1


def _digit_runs(words: list[str]) -> list[tuple[int, int, str]]:
    """Stretches of digits, "double five" and "five oh" among them: from, to, digits."""
    runs, at = [], 0
    while at < len(words):
        start, digits = at, ""
        while at < len(words):
            word = words[at]
            after = words[at + 1] if at + 1 < len(words) else ""
            if word in ("double", "triple") and after in _DIGITS:
                digits += _DIGITS[after] * (2 if word == "double" else 3)
                at += 2
            elif word in _DIGITS or word.isdigit():
                digits += _DIGITS.get(word, word)
                at += 1
            else:
                break
        if digits:
            runs.append((start, at, digits))
        at = max(at, start + 1)
    return runs


def _phone(words: list[str], asked: Slot) -> str | None:
    least = 4 if asked is Slot.PHONE else 6
    found = [digits for _, _, digits in _digit_runs(words) if least <= len(digits) <= 15]
    return found[-1] if found else None


def _without_digits(words: list[str]) -> list[str]:
    for start, end, digits in reversed(_digit_runs(words)):
        if len(digits) >= 4:
            words = [*words[:start], *words[end:]]
    return words


def _day(words: list[str], today: date) -> tuple[date | None, list[str]]:
    """The day, and the words without it; of two the last counts: "not Monday, Tuesday"."""
    found, rest, at = None, [], 0
    while at < len(words):
        word = words[at]
        after = words[at + 1] if at + 1 < len(words) else ""
        took = 1
        if word == "day" and words[at + 1 : at + 3] == ["after", "tomorrow"]:
            found, took = today + timedelta(2), 3
        elif word in ("today", "tonight"):
            found = today
        elif word == "tomorrow":
            found = today + timedelta(1)
        elif word in _DAYS:
            found = today + timedelta((_DAYS.index(word) - today.weekday()) % 7 or 7)
        elif word in _MONTHS and (date_ := _ordinal(words, at + 1)):
            found, took = _dated(today, date_[0], _MONTHS.index(word) + 1), 1 + date_[1]
        elif word == "the" and (date_ := _ordinal(words, at + 1)):
            month, took = None, 1 + date_[1]
            if words[at + took : at + took + 1] == ["of"] and _month(words, at + took + 1):
                month, took = _month(words, at + took + 1), took + 2
            found = _dated(today, date_[0], month)
        else:
            took = 0
            rest.append(word)
        if took and word in ("tomorrow",) and after in ("morning", "evening", "night"):
            took += 1
        at += max(took, 1)
    return found, rest


def _month(words: list[str], at: int) -> int | None:
    return _MONTHS.index(words[at]) + 1 if at < len(words) and words[at] in _MONTHS else None


def _ordinal(words: list[str], at: int) -> tuple[int, int] | None:
    if at >= len(words):
        return None
    word = words[at]
    if word in _ORDINALS:
        return _ORDINALS[word], 1
    if word.isdigit() and 1 <= int(word) <= 31:
        return int(word), 1
    after = words[at + 1] if at + 1 < len(words) else ""
    if word in ("twenty", "thirty") and after in _ORDINALS:
        return _NUMBERS[word] + _ORDINALS[after], 2
    return None


def _dated(today: date, day: int, month: int | None) -> date | None:
    """The next such day of the month, or of any month."""
    candidate = today
    for _ in range(366):
        candidate += timedelta(1)
        if candidate.day == day and month in (None, candidate.month):
            return candidate
    return None


def _time(words: list[str], asked: Slot) -> tuple[time | None, list[str]]:
    """The time of day, and the words without it; a bare hour is one when a time was asked."""
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
    word = words[at]
    if word == "noon":
        return time(12), 1
    if word in ("half", "quarter") and words[at + 1 : at + 2] in (["past"], ["to"]):
        hour = _number(words, at + 2)
        if hour is None or not 1 <= hour[0] <= 12:
            return None
        minutes = 30 if word == "half" else 15
        value, took = hour[0], 2 + hour[1]
        if words[at + 1] == "to":
            value, minutes = (value - 2) % 12 + 1, 60 - minutes
        return _evening(value, minutes, words, at + took), took
    hour = _number(words, at)
    if hour is None or hour[1] > 1 or not 1 <= hour[0] <= 23:
        return None
    took, minutes, marked = 1, 0, at > 0 and words[at - 1] in ("at", "around", "about")
    minute = _number(words, at + 1)
    if minute is not None and 10 <= minute[0] <= 59:
        minutes, took, marked = minute[0], 1 + minute[1], True
    after = words[at + took : at + took + 1]
    if after and after[0] in _PEOPLE:
        return None
    if after in (["oclock"], ["am"], ["pm"]):
        marked = True
    if after == ["p"] and words[at + took + 1 : at + took + 2] == ["m"]:
        words = [*words[: at + took], "pm", *words[at + took + 2 :]]
        marked, took = True, took + 1
    if not (marked or bare):
        return None
    end = at + took
    extra = 1 if words[end : end + 1] in (["oclock"], ["am"], ["pm"]) else 0
    return _evening(hour[0], minutes, words, end), took + extra


def _evening(hour: int, minutes: int, words: list[str], after: int) -> time:
    """A restaurant's seven is in the evening, unless the caller says that it is not."""
    following = words[after : after + 4]
    morning = "am" in following or "morning" in following
    if hour < 11 and not morning:
        hour += 12
    return time(hour % 24, minutes)


def _party(words: list[str], asked: Slot) -> int | None:
    found = None
    for at, word in enumerate(words):
        number = _number(words, at)
        before = words[at - 1] if at else ""
        if word == "me" and words[at - 1 : at] == ["just"]:
            found = 1
        elif word == "me" and words[at + 1 : at + 3] == ["and", "my"]:
            found = 2
        elif number is not None:
            after = words[at + number[1]] if at + number[1] < len(words) else ""
            if found and before == "and" and after in ("children", "kids"):
                found += number[0]
            elif (
                after in _PEOPLE
                or before in ("for", "not", "but")
                or (before == "of" and "party" in words[max(0, at - 3) : at])
                or asked is Slot.PARTY
            ):
                found = number[0]
    return found


def _name(words: list[str], asked: Slot) -> str | None:
    joined = " ".join(words)
    match = re.search(
        r"\b(?:name is|names|this is|under the name|under) ((?:[a-z]+ ?){1,3})", joined
    )
    if match is None and asked is Slot.NAME:
        match = re.search(r"^(?:it is |its |i am |im |i said )?((?:[a-z]+ ?){1,3})$", joined)
    if match is None:
        return None
    parts = []
    for word in match[1].split():
        if word in _NOT_NAMES:
            break
        parts.append(word.capitalize())
    return " ".join(parts[:3]) or None


def _yes(words: list[str]) -> bool | None:
    joined = f" {' '.join(words)} "
    if _has(joined, "no", "nope", "wrong", "not right", "not correct", "not what i said"):
        return False
    agrees = ("yes", "yeah", "sure", "okay", "correct", "right", "perfect", "great", "fine")
    if _has(joined, *agrees, "that works", "sounds good"):
        return True
    return None
