"""Checks and warnings that all option classes share.

An error text names the option. It does not show the value of an option that may be a secret.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from math import isfinite, isnan
from numbers import Integral, Real
from operator import attrgetter
from typing import Any

from pulse_plugins.core.base.errors import ConfigurationError

_log = logging.getLogger("pulse_plugins.options")
_REDACTED = frozenset({"en", "hi"})
_SESSION_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")

_PLAIN: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "bool": ("True or False", bool),
    "int": ("a whole number", Integral),
    "float": ("a number", Real),
    "str": ("a str", str),
    "None": ("None", type(None)),
}


def check_types(options: Any, *, endless: bool = False) -> None:
    """Check the fields of a dataclass whose annotations consist of plain types.

    Args:
        options: An instance of a dataclass.
        endless: Whether a number may be infinite.

    Raises:
        ConfigurationError: A value has another type, is not a number, or cannot be encoded.
    """
    kind: Any = type(options)
    names, values_of = _plain_fields(kind)
    values = values_of(options)
    for place in _checked_values(kind, tuple(map(type, values))):
        field, value = names[place][0], values[place]
        if isinstance(value, float) and (isnan(value) or not (endless or isfinite(value))):
            raise ConfigurationError(f"{field}={value!r} is not a usable number")
        if isinstance(value, str) and not is_encodable(value):
            raise ConfigurationError(f"{field} holds half a surrogate pair")


@lru_cache
def _checked_values(kind: Any, given: tuple[type[Any], ...]) -> tuple[int, ...]:
    """Check the types of values, which are the same for nearly all objects of a class.

    Args:
        kind: The dataclass.
        given: The types of the values of its plain fields, in the order of `_plain_fields`.

    Returns:
        The places of the values that have to be checked too: of `float` and `str`.

    Raises:
        ConfigurationError: A value has another type than its field.
    """
    for (field, kinds), type_ in zip(_plain_fields(kind)[0], given, strict=True):
        if not any(_is_a(type_, name) for name in kinds):
            wanted = " or ".join(_PLAIN[name][0] for name in kinds)
            raise ConfigurationError(f"{field} takes {wanted}, not {type_.__name__}")
    return tuple(place for place, type_ in enumerate(given) if issubclass(type_, (float, str)))


@lru_cache
def _plain_fields(
    kind: Any,
) -> tuple[list[tuple[str, list[str]]], Callable[[Any], tuple[Any, ...]]]:
    """The fields of a dataclass whose annotations consist of plain types.

    Returns:
        Of each field its name and the names of its types; and a function that reads the values of
        all these fields.
    """
    found = [(each.name, str(each.type).split(" | ")) for each in fields(kind)]
    plain = [(name, names) for name, names in found if all(each in _PLAIN for each in names)]
    return plain, attrgetter(*(name for name, _ in plain))


def _is_a(type_: type[Any], name: str) -> bool:
    if type_ is bool:  # which is an int to Python
        return name == "bool"
    return issubclass(type_, _PLAIN[name][1])


def check_headers(headers: Mapping[str, str], *, several_owners: bool = False) -> None:
    """Check additional headers.

    Args:
        headers: Names and values.
        several_owners: Whether the headers go to servers with different keys.

    Raises:
        ConfigurationError: A name or value cannot be in an HTTP header, or credentials would go to
            servers with different keys.
    """
    _check_pairs("headers", headers, is_header_text, "printable ASCII")
    if several_owners and any(name.lower() == "authorization" for name in headers):
        raise ConfigurationError(
            "headers: Authorization would be sent to servers with different keys: use api_keys"
        )


def check_query(extra: Mapping[str, str]) -> None:
    """Check additional query parameters.

    Raises:
        ConfigurationError: A name or value cannot be written in a URL.
    """
    _check_pairs("extra", extra, is_encodable, "text that UTF-8 can hold")


def is_header_text(text: str) -> bool:
    """Whether an HTTP header can hold this text."""
    return text.isascii() and text.isprintable()


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can hold this text: half a surrogate pair is not encodable."""
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _check_pairs(
    option: str, given: Mapping[str, str], fits: Callable[[str], bool], what: str
) -> None:
    """Check a mapping of names to values, without showing any of them.

    Args:
        option: The name of the option.
        given: The mapping.
        fits: Whether a name or a value can be used.
        what: What names and values must be, for the error text.

    Raises:
        ConfigurationError: It is no mapping, or a name or a value does not fit.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{option} takes a mapping of names to values")
    if not all(fits(str(part)) for pair in given.items() for part in pair):
        raise ConfigurationError(f"{option}: names and values must be {what}")


def check_session_id(text: str | None) -> None:
    """Check `external_session_id`.

    Raises:
        ConfigurationError: The service takes no such id (docs/protocol.md, section 2.1).
    """
    if text is not None and not _SESSION_ID.fullmatch(text):
        raise ConfigurationError(
            "external_session_id takes 1 to 128 letters, digits, '_', '-' and '.'"
        )


def check_range(
    name: str, value: Any, low: float | None, high: float | None, choices: tuple[str, ...] | None
) -> None:
    """Check the value of one option; None, an option that is not sent, is in every range.

    Raises:
        ConfigurationError: The value is not among the choices or out of range.
    """
    if value is None:
        return
    if choices and value not in choices:
        raise ConfigurationError(f"{name}={value!r}: use one of {', '.join(choices)}")
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
        raise ConfigurationError(f"{name}={value!r} is out of range: {bounds}")


def advise_on_redaction(language: str) -> None:
    """Warn if the service does not redact speech in this language."""
    if language not in _REDACTED:
        warn_once(
            "redact_pii and redact_pci have no effect on language=%r: only 'en' and 'hi' are "
            "redacted, and clear text would pass",
            language,
        )


@lru_cache(maxsize=64)
def warn_once(text: str, value: object) -> None:
    """Log a warning, once a process for each text and value."""
    _log.warning(text, value)
