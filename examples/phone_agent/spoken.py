"""Says days, times, numbers of people and telephone numbers as people say them."""

from __future__ import annotations

from datetime import date, time

from num2words import num2words

_QUARTERS = {15: "quarter past", 30: "half past", 45: "quarter to"}


def spoken_day(day: date) -> str:
    """Such as "Friday, 4 December"."""
    return f"{day:%A}, {day.day} {day:%B}"


def spoken_time(at: time) -> str:
    """Such as "half past seven in the evening"."""
    if (at.hour, at.minute) == (12, 0):
        return "noon"
    if (at.hour, at.minute) == (0, 0):
        return "midnight"
    return f"{_clock(at)} {_part_of_day(at.hour)}"


def _clock(at: time) -> str:
    hour = _number((at.hour + (at.minute == 45) - 1) % 12 + 1)
    if at.minute == 0:
        return f"{hour} o'clock"
    if at.minute in _QUARTERS:
        return f"{_QUARTERS[at.minute]} {hour}"
    return f"{hour} {'oh ' if at.minute < 10 else ''}{_number(at.minute)}"


def _part_of_day(hour: int) -> str:
    if hour < 12:
        return "in the morning"
    return "in the afternoon" if hour < 17 else "in the evening"


def spoken_people(party: int) -> str:
    """Such as "four people"."""
    return "one person" if party == 1 else f"{_number(party)} people"


def spoken_phone(digits: str) -> str:
    """The digits in groups, such as "5 5 5, 0 1 4 2": the last four, and threes before them."""
    head, groups = digits[:-4], [digits[-4:]]
    while head:
        groups.insert(0, head[-3:])
        head = head[:-3]
    return ", ".join(" ".join(group) for group in groups)


def _number(value: int) -> str:
    return str(num2words(value)).replace("-", " ")
