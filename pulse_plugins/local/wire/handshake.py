"""What an HTTP request says about its sender: the key, the origin, and what may be remembered."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from pulse_plugins.local.wire.parameters import CREDENTIALS


def key_of(request: web.Request) -> str:
    """The API key of a request, or "" without one.

    The key stands in the `Authorization` header, or for browsers in the query as `token` or
    `api_key`. A key outside UTF-8 counts as no key.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        key = request.query.get("token") or request.query.get("api_key") or ""
    return key.strip() if _is_utf8(key) else ""


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # aiohttp keeps such bytes as surrogates
        return False
    return True


# Names of headers and parameters whose values are secrets, whoever invented the name.
_SECRET = re.compile(
    r"auth|cookie|token|secret|passw|credential|session.?key|api[-_]?key|^x-.*key$|^key$", re.I
)


def is_secret(name: str) -> bool:
    """Whether the value of a header or parameter of this name must not be kept."""
    return bool(_SECRET.search(name)) or name in CREDENTIALS


def remembered_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may be remembered, in lower case."""
    return {name.lower(): value for name, value in headers.items() if not is_secret(name)}


def without_credentials(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that may be remembered."""
    return {name: value for name, value in query.items() if not is_secret(name)}
