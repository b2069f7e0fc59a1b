"""HTTP rules that the handshake of a stream and a request to the pre-recorded endpoint share.

Proxies: the option `proxy` is used as it is, and an empty option means no proxy. Without the option
the environment decides, as for other programs: `no_proxy` names hosts that need none; then
`wss_proxy` or `ws_proxy`, `https_proxy` or `http_proxy`, and `all_proxy` name the proxy. Loopback
is never reached through a proxy of the environment, because a proxy has a loopback of its own.

Redirects are never followed: the API key and the audio belong to the host of the base URL.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from pulse_plugins.core.base.errors import PulseError, from_redirect

_MOST_RETRY_AFTER = 3600.0  # seconds


MOST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer. 250 MB of 8-bit audio at 8 kHz hold nine hours, whose words need 12 MB."""


async def read_answer(response: aiohttp.ClientResponse) -> bytes | None:
    """Read the body of an answer; None if it has more than `MOST_ANSWER` bytes.

    Args:
        response: The answer, which is not read further than that.
    """
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_ANSWER:
            return None
    return bytes(body)


def proxy_for(url: str, option: str | None) -> str | None:
    """Find the proxy for a connection.

    Args:
        url: The URL to connect to; its scheme is ws, wss, http or https.
        option: The option `proxy`.

    Returns:
        The URL of a proxy; None: connect directly.
    """
    if option is not None:
        return option or None
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in ("wss", "https")
    port = parts.port or (443 if secure else 80)
    if is_loopback(host) or proxy_bypass(f"{host}:{port}"):
        return None
    proxies = getproxies()
    names = ("wss", "https", "all") if secure else ("ws", "http", "all")
    found = next((proxies[name] for name in names if proxies.get(name)), None)
    return f"http://{found}" if found and "://" not in found else found


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host, as it stands in a URL, is the caller's own machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def redirect_error(status: int, url: str, location: str) -> PulseError:
    """The error for an answer with a redirect.

    Args:
        status: The HTTP status.
        url: The URL that was asked.
        location: The `Location` header, or "".
    """
    try:
        target = urlsplit(location).hostname or ""
    except ValueError:
        target = ""
    return from_redirect(status, urlsplit(url).hostname or "", target)


def retry_after(header: str | None) -> float | None:
    """Read a `Retry-After` header, which holds seconds or a date (RFC 9110, section 10.2.3).

    Returns:
        Seconds from now, at most an hour; None if there is no header or it cannot be read.
    """
    if header is None:
        return None
    try:
        if header.strip().isdecimal():
            seconds = float(header)
        else:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MOST_RETRY_AFTER)
