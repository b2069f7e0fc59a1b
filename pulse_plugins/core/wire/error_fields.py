"""The fields of a refusal, in the shapes that a handshake, a request and a stream use for it.

Sources: docs/protocol.md, sections 4.5, 5, 6 and 10 (N6, N7).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

_MOST_DETAIL = 500  # characters; an error is kept in memory and shown in a debugger
_MOST_PARAMETERS = 5
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


class ErrorFields(NamedTuple):
    """The content of a refusal.

    Attributes:
        detail: The server's text, which can repeat user content.
        code: The server's error code, or "".
        parameter: The query parameters that were refused, joined by commas, or "".
    """

    detail: str = ""
    code: str = ""
    parameter: str = ""


def read_error(fields: Mapping[str, object]) -> ErrorFields:
    """Read a refusal from decoded JSON.

    The text stands in `error`, in `message` or in `errors`. The code is called `error_code` or
    `code`. A refused query parameter stands in `errors[].path`, beside a generic `message`.
    """
    errors = fields.get("errors")
    text = fields.get("error") or fields.get("message") or errors or ""
    parts = [text if isinstance(text, str) else str(text)]
    if isinstance(errors, list) and errors is not text:
        parts += [_complaint(each) for each in errors if isinstance(each, dict)]
    return ErrorFields(
        "; ".join(part for part in parts if part)[:_MOST_DETAIL],
        _code(fields),
        _parameter(errors),
    )


def read_error_body(body: bytes | bytearray | None) -> ErrorFields:
    """Read a refusal from the body of an HTTP response; a body in another format says nothing."""
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return ErrorFields()
    return read_error(fields) if isinstance(fields, dict) else ErrorFields()


def _code(fields: Mapping[str, object]) -> str:
    """The first code among the names in use: a word such as `NoAudio`, or an HTTP status."""
    for name in ("error_code", "code", "status_code"):
        value = fields.get(name)
        if isinstance(value, str | int) and value and not isinstance(value, bool):
            return str(value)[:100]
    return ""


def _complaint(error: Mapping[str, object]) -> str:
    """One of `errors`, with the name of its parameter where the text does not hold it."""
    text, name = str(error.get("message", "")), _name(error)
    return f"{name}: {text}" if name and text and name not in text else text


def _name(error: Mapping[str, object]) -> str:
    """The name in `path`, or "". A path is a name or a list of names."""
    path = error.get("path")
    steps = path if isinstance(path, list) else [path]
    name = ".".join(step for step in steps if isinstance(step, str))
    return name if _NAME.fullmatch(name) else ""


def _parameter(errors: object) -> str:
    """The names in `errors[].path`."""
    if not isinstance(errors, list):
        return ""
    names: list[str] = []
    for each in errors[:_MOST_PARAMETERS]:
        name = _name(each) if isinstance(each, dict) else ""
        if name and name not in names:
            names.append(name)
    return ", ".join(names)
