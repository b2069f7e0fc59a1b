"""What an HTTP request says about its sender: the key, the origin, and what may be remembered."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from aiohttp import web

from pulse_plugins.local.wire.parameters import CREDENTIALS


def key_of(request: web.Request) -> str:
    """The key of the header, or for browsers that of the query; one that is no UTF-8 is none."""
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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_credentials(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that may be remembered."""
    return {name: value for name, value in query.items() if name not in CREDENTIALS}
