"""Values that no option can have, whatever it means: found before a connection is opened.

The texts name the option and never its value, where that may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite, isnan
from numbers import Integral, Real
from typing import Any
from urllib.parse import urlsplit

from pulse_plugins.core.base.errors import ConfigurationError

_PLAIN: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "bool": ("True or False", bool),
    "int": ("a whole number", Integral),
    "float": ("a number", Real),
    "str": ("a str", str),
    "None": ("None", type(None)),
}


def check_types(options: Any, *, endless: bool = False) -> None:
    """Check the fields of a dataclass whose annotations are made of plain types.

    Args:
        options: An instance.
        endless: Whether a number may be infinite.

    Raises:
        ConfigurationError: A field has a value of another type, or a number that is none.
    """
    for each in fields(options):
        names = str(each.type).split(" | ")
        if not all(name in _PLAIN for name in names):
            continue
        value = getattr(options, each.name)
        if not any(_is(value, name) for name in names):
            wanted = " or ".join(_PLAIN[name][0] for name in names)
            raise ConfigurationError(f"{each.name} takes {wanted}, not {type(value).__name__}")
        if isinstance(value, float) and (isnan(value) or not (endless or isfinite(value))):
            raise ConfigurationError(f"{each.name}={value!r} is no number to work with")


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "bool"
    return isinstance(value, _PLAIN[name][1])


def clean_key(key: str | None) -> str | None:
    """The key without the white space that a file puts around it; None where there is none.

    Raises:
        ConfigurationError: No HTTP header can hold it.
    """
    key = (key or "").strip()
    if not _is_plain(key):
        raise ConfigurationError(
            "api_key holds characters that no key has, such as a line break: copy it anew"
        )
    return key or None


def check_headers(headers: Mapping[str, str]) -> None:
    """Check what goes into the handshake as it is.

    Raises:
        ConfigurationError: A name or value cannot be in an HTTP header.
    """
    _check_pairs("headers", headers, _is_plain, "printable ASCII")


def check_query(extra: Mapping[str, str]) -> None:
    """Check what goes into the URL of a stream.

    Raises:
        ConfigurationError: A name or value cannot be written in a URL.
    """
    _check_pairs("extra", extra, _is_whole, "whole characters")


def check_url(url: object) -> None:
    """Check a base URL.

    Raises:
        ConfigurationError: Nothing can be reached there.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url takes a str or several, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # a port beyond 65535, half an IPv6 address, a label that is too long
        raise ConfigurationError("base_url has a host or a port that cannot be") from None
    if parts.scheme not in ("ws", "wss", "http", "https") or not host or port == 0:
        raise ConfigurationError(
            "base_url must look like wss://host or ws://127.0.0.1:8765, without a query"
        )
    if parts.query or parts.username or parts.password:
        raise ConfigurationError("base_url must hold no query and no credentials: use api_key")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _check_pairs(
    option: str, given: Mapping[str, str], fits: Callable[[str], bool], what: str
) -> None:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{option} takes a mapping of names to values")
    if not all(fits(str(part)) for pair in given.items() for part in pair):
        raise ConfigurationError(f"{option}: names and values must be {what}")
