"""What a restaurant's phone agent understands of a caller's turn, as pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_NUMBERS = {word: number for number, word in enumerate(_UNITS)}
_SIZE = re.compile(rf"\b({'|'.join(_UNITS[1:])}|[1-9]|1[0-2]) (?:people|persons|adults|of us)\b")
_DAY = re.compile(r"\b((?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|tomorrow)\b")
_HUMAN = re.compile(r"\b(human|real person|manager|operator|an agent)\b")
_NAME = re.compile(r"\b(?:my name is|the name is|under the name) ([a-z]+(?: [a-z]+)?)")
_DIGIT = rf"(?:{'|'.join(_UNITS[:10])}|oh|[0-9])"
_PHONE = re.compile(rf"\b{_DIGIT}(?:[ ,-]*{_DIGIT}){{6,}}\b")


@dataclass(frozen=True, slots=True)
class Booking:
    """What is known so far; a later turn overrules an earlier one.

    Attributes:
        people: Size of the party, 1 to 12.
        day: A weekday, or `today`, `tonight`, `tomorrow`, in lower case.
        name: As a caller says it, capitalized.
        phone: Digits only, at least seven, said in one turn.
        human: The caller asked for a person.
    """

    people: int | None = None
    day: str | None = None
    name: str | None = None
    phone: str | None = None
    human: bool = False


def understand(booking: Booking, turn: str) -> Booking:
    """The booking after one more turn of the caller."""
    text = turn.lower()
    sizes, days = _SIZE.findall(text), _DAY.findall(text)
    if sizes:
        last = sizes[-1]
        booking = replace(booking, people=_NUMBERS[last] if last in _NUMBERS else int(last))
    if days:
        booking = replace(booking, day=days[-1])
    if name := _NAME.search(text):
        booking = replace(booking, name=name[1].title())
    if phone := _PHONE.search(text):
        said = re.findall(_DIGIT, phone[0])
        digits = (word if word.isdigit() else str(_NUMBERS.get(word, 0)) for word in said)
        booking = replace(booking, phone="".join(digits))
    return replace(booking, human=True) if _HUMAN.search(text) else booking
