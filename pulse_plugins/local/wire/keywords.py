"""The `keywords` parameter in every form that the service was seen to accept.

The references know two forms: `Acme:2,Mary Ann:1.5,SKU` on the newer endpoints and a JSON list of
the same items on the legacy one. The vendor's own probe sent a JSON list and weights of 20 and 26
to the endpoint `pulse/get_text`; the service accepted both, and the transcript suffered. A program
of the service's documents sends the text `None` where no keywords are given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from pulse_plugins.local.wire.messages import DialectName
from pulse_plugins.local.wire.refusals import RefusedError

_MOST = 10_000  # keywords in a session, by the service's changelog of July 2026
_HIGHEST = 20.0  # the largest weight that any reference names
# Python programs write these where they have no keywords; `auto` is a default of an older sample.
_NONE = frozenset({"None", "null", "auto", "[]"})


@dataclass(frozen=True, slots=True)
class Keywords:
    """What the parameter asks for.

    Attributes:
        weights: Each word or phrase with its weight.
        doubtful: The service accepts the value, and the transcript was seen to suffer.
        notes: One sentence for each reason to doubt the value.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    doubtful: bool = False
    notes: tuple[str, ...] = ()


def read(query: Mapping[str, str], dialect: DialectName, *, strict: bool = False) -> Keywords:
    """Read the parameter.

    Args:
        query: Names and values of the connection. A name that comes twice counts twice.
        dialect: The endpoint, which decides which form the references name.
        strict: Refuse every form that the references do not name for this endpoint.

    Raises:
        RefusedError: There are more than 10,000 keywords, or the server is strict and the value
            is not in the documented form.
    """
    items, notes = _all_items(query, dialect, strict=strict)
    if len(items) > _MOST:
        raise _refused(f"at most {_MOST}")
    weights: dict[str, float] = {}
    for item in items:
        word, _, text = item.partition(":")
        weight = _weight(text)
        if weight is None:
            notes.append("a weight is not a number from 0 up, and counts as 1")
        elif weight > _HIGHEST:
            notes.append(f"a weight is above {_HIGHEST:g}, which spoils the transcript")
        if word.strip():
            weights[word.strip()] = 1.0 if weight is None else weight
    notes = list(dict.fromkeys(notes))
    if strict and notes:
        raise _refused(notes[0])
    return Keywords(weights, bool(notes), tuple(f"keywords: {note}" for note in notes))


def _all_items(
    query: Mapping[str, str], dialect: DialectName, *, strict: bool
) -> tuple[list[str], list[str]]:
    """The items of all values, and notes on their form."""
    values = query.getall("keywords", []) if hasattr(query, "getall") else _one(query)
    items: list[str] = []
    notes: list[str] = []
    for value in values:
        if value.strip() in ("", *_NONE):
            if value and strict:
                raise _refused(f"{value[:40]!r} is not a list of keywords")
            continue
        found, form = _items(value)
        items += found
        if form is not ("list" if dialect == "legacy" else "text"):
            notes.append(_wrong_form(dialect))
    return items, notes


def _one(query: Mapping[str, str]) -> list[str]:
    value = query.get("keywords")
    return [] if value is None else [value]


def _items(value: str) -> tuple[list[str], Literal["text", "list", "broken list"]]:
    """The items of one value, and the form that the value has."""
    text = value.strip()
    if not text.startswith("["):
        return text.split(","), "text"
    try:
        return [str(each) for each in json.loads(text)], "list"
    except (ValueError, RecursionError):  # such as a list as Python prints it
        return [each.strip(" \t'\"") for each in text.strip("[]").split(",")], "broken list"


def _weight(text: str) -> float | None:
    if not text.strip():
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if isfinite(weight) and weight >= 0 else None


def _wrong_form(dialect: DialectName) -> str:
    if dialect == "legacy":
        return "the legacy endpoint documents a JSON list; this value has another form"
    return "a list in brackets spoils the transcript; use Acme:2,Mary Ann:1.5"


def _refused(reason: str) -> RefusedError:
    return RefusedError(400, f"keywords is invalid: {reason}", parameter="keywords")
